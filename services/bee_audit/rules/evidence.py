"""What was not seen. A verdict may only be OK on evidence, so each gap in it is a finding."""

from collections.abc import Iterable, Iterator, Sequence

from bee_bus.documents.audit import CollectorRun, Finding, Hardware

# What every machine has: if one of these has no source, the audit looked in the wrong place or not as root.
CORE_SECTIONS = {
    "board": "the SMBIOS tables (/sys/firmware/dmi/tables)",
    "cpus": "the processors in sysfs",
    "memory": "the memory slots (SMBIOS type 17)",
    "pcie": "the PCI bus in sysfs",
}
CAPTURE_HINT = "Look at the service's log (journalctl -u bee-auditd), and send the output of `bee capture`."
PROBLEMS_SHOWN = 20  # per section


def evidence_findings(
    hardware: Hardware, runs: Sequence[CollectorRun], complaints: Iterable[str] = (), unfound: str = ""
) -> Iterator[Finding]:
    """Findings of severity Unknown, for sections that failed, were read in part, or have no source at all.

    ``complaints``: what is wrong with the site's threshold file. ``unfound``: why devices may be missing.
    """
    if unfound:
        yield _unseen(
            "audit.devices-late",
            "audit",
            f"Devices of this machine may be missing here: {unfound}",
            "A driver may hang: look at the kernel's log (journalctl -k) and udev's (journalctl -u "
            "systemd-udevd), and audit again when `udevadm settle` returns.",
        )
    for run in runs:
        if run.status in ("error", "timeout"):
            message = f"The section {run.name} could not be read: {run.error}"
            yield _unseen("audit.section-failed", run.name, message, CAPTURE_HINT)
        elif run.status == "absent" and run.name in CORE_SECTIONS:
            yield _unseen(
                "audit.no-source",
                run.name,
                f"Nothing is known of the section {run.name}: {CORE_SECTIONS[run.name]} could not be read",
                "Audit as root on the machine itself; containers and some clouds hide this.",
            )
        yield from _problems(hardware, run.name)
    for complaint in complaints:
        message = f"The site's thresholds are not in force: {complaint}"
        yield bad_file("audit.site-thresholds", message, "/etc/bee/thresholds.toml")


def bad_file(rule: str, message: str, file: str) -> Finding:
    """A file of the site's that cannot be used: what it would have judged is not known."""
    return _unseen(rule, "audit", message, f"Correct {file} and audit again.")


def _problems(hardware: Hardware, section: str) -> Iterator[Finding]:
    problems = getattr(getattr(hardware, section), "problems", ())
    for problem in problems[:PROBLEMS_SHOWN]:
        yield _unseen("audit.partly-read", section, problem, CAPTURE_HINT)
    if len(problems) > PROBLEMS_SHOWN:
        rest = f"{len(problems) - PROBLEMS_SHOWN} more things in the section {section} could not be read"
        yield _unseen("audit.partly-read", section, rest, CAPTURE_HINT)


def _unseen(rule: str, section: str, message: str, next_step: str) -> Finding:
    return Finding(
        rule=rule, severity="Unknown", component=section, where=section, message=message, next_step=next_step
    )
