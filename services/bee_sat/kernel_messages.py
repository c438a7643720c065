"""What a message of the kernel means for an acceptance run: messages.toml and the table of Xids, applied."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from bee_bus.documents.findings import Finding, Threshold
from bee_bus.xids import xid
from bee_machine.kmsg import ERROR, KERNEL, KernelMessage
from bee_sat.usb_disks import UsbDisks

TABLE = Path(__file__).with_name("messages.toml")
JUDGED_LIMIT = 1024  # the kernel's own messages are no longer (kernel/printk/printk.c, PRINTKRB_RECORD_MAX)
TEXT_LIMIT = 300
UNRECOGNISED = "kernel.unrecognised"

# An instance of a GPU in MIG mode is named behind the address (kernel_rc.c of NVIDIA's open modules).
_XID = re.compile(r"NVRM: Xid \(PCI:(?P<pci>[0-9a-fA-F:.]{7,18})(?: [^()]{1,40})?\): (?P<number>\d{1,6})\b")
_DETAIL = re.compile(r"^\s|: {2,}\S")  # an indented line belongs to the message before it
_ADDRESS = re.compile(r"\b[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]\b")
_NVME_NAMESPACE = re.compile(r"(nvme\d+)(?:c\d+)?n\d+.*")
_PARTITION = re.compile(r"((?:sd|vd|hd|xvd)[a-z]+)\d+")


@dataclass(frozen=True)
class Meaning:
    """One entry of messages.toml."""

    rule: str
    severity: Literal["Info", "Warning", "Critical"]
    pattern: "re.Pattern[str]"
    component: str
    where: str
    meaning: str
    next_step: str
    source: str


@cache
def meanings() -> tuple[Meaning, ...]:
    """The table, in the order in which it is asked."""
    document = tomllib.loads(TABLE.read_text("utf-8"))
    return tuple(
        Meaning(
            rule=f"kernel.{name}",
            severity=entry["severity"],
            pattern=re.compile(entry["pattern"]),
            component=entry["component"],
            where=entry.get("where", ""),
            meaning=entry["meaning"],
            next_step=entry["next_step"],
            source=entry["source"],
        )
        for name, entry in document.items()
    )


def judge_message(message: KernelMessage, usb: UsbDisks | None = None) -> Finding | None:
    """What one message says is wrong. None: nothing, or it is not the kernel's own.

    ``usb``: disks that are no part of the machine; nothing that is said of them is Critical.
    """
    if message.facility != KERNEL:
        return None
    text = message.text[:JUDGED_LIMIT]
    if match := _XID.search(text):
        return _xid(message, match["pci"], int(match["number"]))
    for meaning in meanings():
        if match := meaning.pattern.search(text):
            return (
                None if meaning.severity == "Info" else _finding(meaning, message, match, usb or UsbDisks())
            )
    return _unrecognised(message) if message.priority <= ERROR and not _DETAIL.search(message.text) else None


def _finding(
    meaning: Meaning, message: KernelMessage, match: "re.Match[str]", usb: UsbDisks
) -> Finding | None:
    assert meaning.severity != "Info"
    names = {"cpu": "", "dimm": "", "disk": "", "name": "", "net": "", "pci": ""}
    names |= {key.rstrip("234"): value for key, value in match.groupdict().items() if value}
    if not names["pci"] and (address := _ADDRESS.search(message.text)):
        names["pci"] = address[0]
    names["pci"] = pci_address(names["pci"])
    names["disk"] = disk_name(names["disk"])
    is_lent = usb.concerns(message.text) or not usb.names.isdisjoint(
        (names["disk"], disk_name(names["name"]))
    )
    component = meaning.component.format(**names).rstrip("/")
    where = meaning.where.format(**names).strip() or component.partition("/")[2] or "the kernel log"
    return Finding(
        rule=meaning.rule,
        severity="Warning" if is_lent else meaning.severity,
        component=component,
        where=where,
        message=f"{meaning.meaning}{' (it is on USB)' if is_lent else ''}: {message.text[:TEXT_LIMIT]}",
        next_step=meaning.next_step,
        value=1.0,
        threshold=_none_allowed(meaning.rule, meaning.source),
    )


def _xid(message: KernelMessage, pci: str, number: int) -> Finding | None:
    known = xid(number)
    if known.severity == "Info":
        return None
    gpu = pci_address(pci)
    return Finding(
        rule=f"kernel.xid-{number}",
        severity=known.severity,
        component=f"gpus/{gpu}",
        where=gpu,
        message=f"Xid {number} ({known.name}): {known.meaning} {message.text[:TEXT_LIMIT]}",
        next_step=known.next_step,
        value=1.0,
        threshold=_none_allowed(f"kernel.xid-{number}", known.source),
    )


def _unrecognised(message: KernelMessage) -> Finding:
    return Finding(
        rule=UNRECOGNISED,
        severity="Warning",
        component="board",
        where="the kernel log",
        message=f"The kernel reported an error that bee does not know: {message.text[:TEXT_LIMIT]}",
        next_step="Read the kernel log of the run.",
        value=1.0,
        threshold=_none_allowed(UNRECOGNISED, "syslog(3): priority 3 and below are errors"),
    )


def _none_allowed(rule: str, source: str) -> Threshold:
    return Threshold(name=rule, value=0.0, unit="messages", source=source, layer="built-in")


def pci_address(written: str) -> str:
    """As sysfs writes it; drivers leave out the domain or the function, which are 0 then."""
    if not written:
        return ""
    address = written.lower()
    if "." not in address:
        address += ".0"
    if address.count(":") == 1:
        address = f"0000:{address}"
    domain, _, rest = address.partition(":")
    return f"{domain[-4:] if domain.startswith('0000') else domain:0>4}:{rest}"


def disk_name(written: str) -> str:
    """The disk as the audit names it: nvme0 for its namespace nvme0n1, sda for its partition sda1."""
    match = _NVME_NAMESPACE.fullmatch(written) or _PARTITION.fullmatch(written)
    return match[1] if match else written


def with_count(finding: Finding, count: int) -> Finding:
    """The finding of a message that came so often."""
    if count == 1:
        return finding
    message = f"{finding.message} ({count} messages like this)"
    return msgspec.structs.replace(finding, value=float(count), message=message)
