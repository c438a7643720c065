"""One audit: collect all sections side by side, judge them, and put it all in one snapshot.

Collectors and rules are most of what this program has to load. They are loaded by the first audit, while
devices are found and answer: the service is on the bus before, and who asked for it gets on with its start.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from bee_bus.documents.audit import (
    SCHEMA_VERSION,
    CollectorRun,
    CollectorStatus,
    Finding,
    Hardware,
    Snapshot,
    Summary,
)
from bee_bus.documents.base import Section
from bee_bus.version import VERSION
from bee_machine import Machine, ToolError, ToolMissing
from bee_machine.threads import in_thread

if TYPE_CHECKING:
    from bee_audit.rules.thresholds import Thresholds

log = logging.getLogger(__name__)

Collect: TypeAlias = Callable[[Machine], Awaitable[Section | None]]
OnProgress: TypeAlias = Callable[[str, str], None]


class Collector(msgspec.Struct, frozen=True):
    """``module``: what ``collect`` has to load first, "" for nothing."""

    section: str
    collect: Collect
    deadline_seconds: float
    module: str = ""


_modules: dict[str, ModuleType] = {}
_loading = threading.Lock()


async def _loaded(name: str) -> ModuleType:
    """The module, loaded off the event loop; one after another, as side by side all would be late."""

    def load() -> None:
        with _loading:
            _modules[name] = import_module(name)

    if name not in _modules:
        await in_thread(load)
    return _modules[name]


def _collector(section: str, deadline_seconds: float) -> Collector:
    """The collector that the module of this name has."""

    name = f"bee_audit.collectors.{section}"

    async def collect(machine: Machine) -> Section | None:
        found: Section | None = await (await _loaded(name)).collect(machine)
        return found

    return Collector(section, collect, deadline_seconds, name)


# A deadline is for the whole section, above those of its single tools, so that one of them that hangs costs
# its own component and the section still comes back. BMCs are slow: a repository of 200 sensors over KCS
# takes many seconds.
COLLECTORS = (
    _collector("board", 20),
    _collector("cpus", 20),
    _collector("memory", 30),
    _collector("storage", 90),
    _collector("pcie", 60),
    _collector("network", 50),
    _collector("psus", 120),
    _collector("sensors", 120),
    _collector("bmc", 120),
    _collector("gpus", 60),
)
RULES = "bee_audit.rules.judge"
# Of a server that has just been switched on, disks behind a large adapter are the last to be there.
DEVICES_DEADLINE_SECONDS = 120
UDEV = "/run/udev/control"
FIRMWARE = "firmware"  # made of the other sections
SECTIONS = (*(collector.section for collector in COLLECTORS), FIRMWARE)


def _ignore(section: str, state: str) -> None:
    pass


async def run_audit(
    machine: Machine,
    *,
    sections: Sequence[str] = SECTIONS,
    on_progress: OnProgress = _ignore,
    started_at: datetime | None = None,
    expected: str = "",
    limits: str = "",
) -> Snapshot:
    """Audit the machine. Never fails: what could not be read is in the snapshot, and its verdict not OK.

    ``sections``: the names wanted. ``on_progress(section, state)`` is told "running" and then the collector's
    status. ``started_at``: the time to state, for a capture (default: now). ``expected``: what the machine
    must have (`bee_bus.expected`), in place of the machine's own file. ``limits``: over those of the site.
    """
    started = time.monotonic()
    wanted = set(sections)
    # The table of firmware is made of what every other section saw.
    collectors = [one for one in COLLECTORS if FIRMWARE in wanted or one.section in wanted]
    # Those that wait longest for their devices begin; the rules are loaded while they do.
    collectors.sort(key=lambda one: one.deadline_seconds, reverse=True)
    devices = asyncio.ensure_future(_await_devices(machine))
    # The time that ports have for their links runs while devices are still being found.
    links = asyncio.ensure_future(_watch_links(machine))

    async def collect(one: Collector) -> tuple[CollectorRun, Section | None]:
        if one.module:
            with suppress(Exception):  # what cannot be loaded is told of by the section that needs it
                await _loaded(one.module)
        await devices
        return await _collect(one, machine, on_progress)

    try:
        outcomes, unfound, _ = await asyncio.gather(
            asyncio.gather(*map(collect, collectors)), devices, _loaded(RULES)
        )
    finally:
        links.cancel()
    await machine.close()
    runs = tuple(run for run, _ in sorted(outcomes, key=lambda outcome: SECTIONS.index(outcome[0].name)))
    found: dict[str, Any] = {run.name: section for run, section in outcomes}
    if FIRMWARE in wanted:

        async def table(machine: Machine) -> Section | None:
            from bee_audit.collectors import firmware

            return firmware.firmware_table(Hardware(summary=_NOT_JUDGED, **found))

        run, found[FIRMWARE] = await _collect(Collector(FIRMWARE, table, 5), machine, on_progress)
        runs = (*runs, run)
    hardware = Hardware(summary=_NOT_JUDGED, **{name: found[name] for name in found if name in wanted})
    # A section that failed is told of although it was not wanted: the table lacks what it would have said.
    runs = tuple(run for run in runs if run.name in wanted or run.status in ("error", "timeout"))
    from bee_audit.rules.evidence import evidence_findings
    from bee_audit.rules.judge import judge, summarise

    thresholds, complaints = await _thresholds(machine, limits)
    source, compared = await _compared(machine, hardware, runs, expected)
    unseen = evidence_findings(hardware, runs, complaints, unfound)
    findings = [*unseen, *judge(hardware, thresholds), *compared]
    now = started_at or datetime.now(UTC)
    return Snapshot(
        schema_version=SCHEMA_VERSION,
        bee_version=VERSION,
        host_name=await machine.read_text("/proc/sys/kernel/hostname") or "",
        kernel_release=await machine.read_text("/proc/sys/kernel/osrelease") or "",
        boot_id=await machine.read_text("/proc/sys/kernel/random/boot_id") or "",
        started_at=now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        duration_seconds=round(time.monotonic() - started, 3),
        sections=tuple(name for name in SECTIONS if name in wanted) if wanted != set(SECTIONS) else (),
        given_limits=limits,
        expected_source=source,
        collectors=runs,
        hardware=msgspec.structs.replace(hardware, summary=summarise(findings)),
    )


_NOT_JUDGED = Summary(verdict="Unknown", failure_count=0, warning_count=0, unknown_count=0, findings=())


async def _await_devices(machine: Machine) -> str:
    """Wait until udev has loaded the drivers of all devices: one that comes later would not be missed.

    What kept it from that, "" for nothing.
    """
    patience = f"--timeout={DEVICES_DEADLINE_SECONDS}"
    try:
        waited = await machine.run(
            "udevadm", "settle", patience, deadline_seconds=DEVICES_DEADLINE_SECONDS + 5
        )
    except ToolMissing:
        return ""
    except ToolError as error:
        return str(error)
    if not waited.exit_code:
        return ""
    if waited.duration_seconds >= DEVICES_DEADLINE_SECONDS:
        return f"after {DEVICES_DEADLINE_SECONDS} s their drivers were still being loaded"
    # Where no udev runs (a container), it fails at once; where one does, nobody knows what it has left to do.
    is_there = await machine.exists(UDEV)
    return f"udevadm settle failed with exit status {waited.exit_code}" if is_there else ""


async def _watch_links(machine: Machine) -> None:
    with suppress(Exception):  # the section of the network says what is wrong
        await machine.await_links()


async def _collect(
    collector: Collector, machine: Machine, on_progress: OnProgress
) -> tuple[CollectorRun, Section | None]:
    """Run one collector behind its border: whatever goes wrong costs this section only, and is named."""
    on_progress(collector.section, "running")
    started = time.monotonic()
    section: Section | None = None
    status: CollectorStatus
    error = ""
    try:
        async with asyncio.timeout(collector.deadline_seconds):
            section = await collector.collect(machine)
        status = "absent" if section is None else "partial" if section.problems else "ok"
        if section is not None:
            error = "; ".join(section.problems)
    except TimeoutError:
        status, error = "timeout", f"did not answer within {collector.deadline_seconds:g} s"
        log.error("section %s %s", collector.section, error)
    except Exception as failure:
        status, error = "error", f"{type(failure).__name__}: {failure}"
        log.exception("section %s could not be read", collector.section)
    on_progress(collector.section, status)
    duration_seconds = round(time.monotonic() - started, 3)
    run = CollectorRun(name=collector.section, status=status, error=error, duration_seconds=duration_seconds)
    return run, section


async def _compared(
    machine: Machine, hardware: Hardware, runs: Sequence[CollectorRun], given: str
) -> "tuple[str, list[Finding]]":
    """With what the machine was compared, "" where nobody says what it must have, and what was found."""
    from bee_bus.expected import EXPECTED_FILE

    text, source = (
        (given, "the file given") if given else (await machine.read_text(EXPECTED_FILE), EXPECTED_FILE)
    )
    if text is None:
        return "", []
    from bee_audit.rules.evidence import bad_file
    from bee_audit.rules.expected import expected_findings
    from bee_bus.expected import ExpectedError, read_expected

    try:
        expected = read_expected(text, source)
    except ExpectedError as error:
        log.error("%s", error)
        return source, [bad_file("audit.expected-file", f"The machine was not compared: {error}", source)]
    return source, list(expected_findings(hardware, runs, expected, source))


async def _thresholds(machine: Machine, given: str) -> "tuple[Thresholds, tuple[str, ...]]":
    """The limits in force, and what is wrong with the site's file. ``given``: checked by who took it."""
    from bee_audit.rules.thresholds import SITE_FILE, ThresholdError, built_in

    limits = built_in()
    complaints: tuple[str, ...] = ()
    site = await machine.read_text(SITE_FILE)
    if site is not None:
        try:
            limits = limits.layered(site, "site", SITE_FILE)
        except ThresholdError as error:
            log.error("%s", error)
            complaints = (str(error),)
    return limits.layered(given, "option", "the caller"), complaints
