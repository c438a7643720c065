"""One disk's self-test: started, followed with its percentage, its result read, aborted when the run is.

ATA and SAS disks by smartctl, which knows how each is reached (ACS-4 §7.48, SPC-5 §5.15); NVMe by nvme-cli
(Device Self-test, NVMe 2.0 §5.9). The test runs inside the drive and reads only. Its result is the newest row
of the drive's own log; without a sign that the test of this run is what the log tells of, there is no result.
"""

import asyncio
import re
from dataclasses import dataclass

from msgspec.structs import replace

from bee_bus.documents.audit import Snapshot
from bee_bus.documents.disk_health import SelfTest, SelfTestLog
from bee_bus.documents.findings import Finding
from bee_bus.documents.sat import Completed, Errored, Measurement, Outcome, Skipped
from bee_bus.documents.storage import Disk
from bee_sat.packs.disk_watch import POLL_SECONDS, DiskGone, DiskUnseen, DiskWatch, disk_in, findings_of
from bee_sat.steps import Command, CommandFailed, CommandMissing, Step, StepContext

START_SECONDS = 60
ABORT_SECONDS = 8
# A drive's own estimate is for an idle one; the standards have a short test done in two minutes.
SHORT_SECONDS_MIN = 900
EXTENDED_SECONDS_USUAL = 48 * 3600
ESTIMATE_TIMES = 3
LOOKS_WITHOUT_ANSWER = 3
# A SAS disk need not say that a test runs, and may have no log at all until its first one has ended: it has
# as long as it says that an extended test takes, and some more; a short one takes two minutes (SPC-5 §5.15).
LOOKS_OF_A_SILENT_DISK = 18
SILENT_ESTIMATE_TIMES = 1.25
# ATA counts what remains in tenths (ACS-4 §7.48), and some disks call the last of them 0, as if it was over.
LAST_SHARE = 8
FULL_LOG_ROWS = 19  # the least that a full log shows: a page of ATA's extended log; NVMe and SCSI have 20
NVME_ALL_NAMESPACES = "0xffffffff"
_NVME_CODES = {"short": "1", "extended": "2"}
# The audit's findings of a self-test that failed: the newest one, and one that only short tests followed.
_FAILED_BEFORE = "storage.self-test-failed-before"
_OLD_FAILURES = ("storage.self-test-failed", _FAILED_BEFORE)


@dataclass(frozen=True)
class Commands:
    """How a disk's self-test is started and ended."""

    start: tuple[str, ...]
    abort: tuple[str, ...]


def self_test_step(
    disk: Disk, watch: DiskWatch, *, kind: str, known: bool, promised: bool, lent: bool = False
) -> Step:
    """``known``: the audit has read this disk. ``lent``: it is no part of the machine, and left alone."""
    deadline_seconds = deadline(disk.self_tests, kind)

    async def work(context: StepContext) -> Outcome:
        if lent:
            return Skipped(reason=f"it is on USB, so no part of the machine; disks={disk.id} tests it")
        snapshot = context.before.audit
        if not known or snapshot is None:
            return Errored(reason="the audit could not read this disk")
        for finding in findings_of(snapshot, disk.id):
            # Why something cannot be seen is said below; an old self-test is outdone by this run's, or not.
            if finding.severity != "Unknown" and finding.rule not in _OLD_FAILURES:
                context.find(finding)
        if reason := unsupported(disk, kind):
            return Skipped(reason=reason)
        if disk.self_tests is not None and disk.self_tests.running:
            return Errored(reason=f"a self-test ({disk.self_tests.running}) was running already")
        return await _test(context, disk, watch, kind, deadline_seconds)

    name = re.sub(r"[^A-Za-z0-9_-]", "-", disk.id)
    return Step(
        name=name,
        title=f"{disk.id}: {disk.model or 'disk'}, {kind} self-test",
        work=work,
        deadline_seconds=deadline_seconds + START_SECONDS + 60,
        promised=promised,
        share=deadline_seconds / 100,
        component=f"storage/{disk.id}",
    )


def unsupported(disk: Disk, kind: str) -> str:
    """Why this disk has no such self-test; empty when it has."""
    if disk.raid_volume:
        return "it is a volume of a RAID controller, and no disk"
    if disk.health_unread and disk.self_tests is None:
        return f"its health cannot be read: {disk.health_unread}"
    if disk.smart_supported is False and disk.self_tests is None:
        return "it has no SMART"
    if disk.self_tests is None or disk.self_tests.supported is False:
        return f"it says that it has no {kind} self-test"
    return ""


def commands(disk: Disk, kind: str) -> Commands:
    """The command lines for a disk, by how it is reached."""
    if disk.transport == "nvme":
        base = ("nvme", "device-self-test", f"/dev/{disk.id}", "-n", NVME_ALL_NAMESPACES, "-s")
        return Commands((*base, _NVME_CODES[kind]), (*base, "0xf"))
    if "@" in disk.id:
        how, _, node = disk.id.partition("@")
        target: tuple[str, ...] = ("-d", how, node)
    else:
        target = (disk.device_nodes[0] if disk.device_nodes else f"/dev/{disk.id}",)
    word = "long" if kind == "extended" else "short"
    return Commands(("smartctl", "-t", word, *target), ("smartctl", "-X", *target))


def deadline(log: SelfTestLog | None, kind: str) -> float:
    """Seconds from start to result, beyond which the drive hangs."""
    minutes = (log.extended_minutes if kind == "extended" else log.short_minutes) if log else None
    if kind == "extended":
        return max((minutes or 0) * 60 * ESTIMATE_TIMES, 3600) if minutes else EXTENDED_SECONDS_USUAL
    return max((minutes or 0) * 60 * ESTIMATE_TIMES, SHORT_SECONDS_MIN)


async def _test(
    context: StepContext, disk: Disk, watch: DiskWatch, kind: str, deadline_seconds: float
) -> Outcome:
    lines = commands(disk, kind)
    context.report("starts the self-test")
    try:
        started = await context.run(Command(lines.start, deadline_seconds=START_SECONDS))
        if started.exit_code > 0 and is_unknown(disk, started.tail):
            return Skipped(reason=f"it has no {kind} self-test: {_last_line(started.tail)}")
        if started.exit_code < 0 or refused(lines, started.exit_code, started.tail):
            return Errored(reason=f"the self-test could not be started: {_last_line(started.tail)}")
        async with asyncio.timeout(deadline_seconds):
            return await _follow(context, disk, watch, kind)
    except CommandMissing as error:
        return Skipped(reason=str(error))
    except TimeoutError:
        await _abort(context, lines)
        if watch.silent:
            return Errored(reason="the audit does not answer any more, so nobody sees how the self-test is")
        return Completed(
            result="fail", reason=f"the {kind} self-test did not end within {deadline_seconds / 60:.0f} min"
        )
    except (asyncio.CancelledError, CommandFailed):
        # Whoever kills the command that starts a test cannot know whether the drive has it already.
        await _abort(context, lines)
        raise
    except DiskGone as error:
        return Completed(result="fail", reason=str(error))
    except DiskUnseen as error:
        await _abort(context, lines)
        return Errored(reason=str(error))


def refused(lines: Commands, exit_code: int, said: str) -> bool:
    """smartctl's exit status is a bit field: 0 command line, 1 open, 2 failed command; others are health.

    Bit 2 is also set by a wrong checksum in the drive's tables, which keeps no test from starting.
    """
    if lines.start[0] != "smartctl":
        return exit_code != 0
    return bool(exit_code & 0b111) and "has begun" not in said


def is_unknown(disk: Disk, said: str) -> bool:
    """Whether a disk that did not say if it has self-tests has none. A SAS disk that never made one does not
    say; "unsupported scsi opcode" is smartctl's word for what a disk does not know (scsicmds.cpp).
    """
    stated = disk.self_tests is not None and disk.self_tests.supported is not None
    return not stated and re.search(r"\[unsupported \w+", said) is not None


async def _follow(context: StepContext, disk: Disk, watch: DiskWatch, kind: str) -> Outcome:
    """A disk that is busy with its test may miss a look, and be late with its row: it has several."""
    seen_running = 0
    looks_left = _looks_without_a_sign(disk, kind)
    while True:
        looks_left -= 1
        snapshot = await watch.next_look(context.bus)
        try:
            now = disk_in(snapshot, disk.id)
        except DiskUnseen:
            if looks_left:
                continue
            raise
        log = now.self_tests
        if log is None:
            if looks_left:
                continue
            return Errored(
                reason=f"its self-test log cannot be read any more: {now.health_unread or 'no reason'}"
            )
        if log.running:
            seen_running += 1
            looks_left = max(LOOKS_WITHOUT_ANSWER, seen_running // LAST_SHARE)
            done = log.running_percent_done
            context.report(f"{log.running} self-test", None if done is None else min(done / 100, 0.99))
        elif not looks_left or has_new_row(disk.self_tests, log, seen_running=bool(seen_running)):
            _tell(context, disk, snapshot)
            return result(disk.self_tests, log, kind, seen_running=bool(seen_running))


def _looks_without_a_sign(disk: Disk, kind: str) -> int:
    """How often a disk may say nothing of the test that it accepted."""
    if disk.scsi is None:
        return LOOKS_WITHOUT_ANSWER
    minutes = disk.self_tests.extended_minutes if disk.self_tests and kind == "extended" else None
    return max(LOOKS_OF_A_SILENT_DISK, round((minutes or 0) * 60 * SILENT_ESTIMATE_TIMES / POLL_SECONDS))


def has_new_row(before: SelfTestLog | None, after: SelfTestLog, *, seen_running: bool) -> bool:
    """A new row is none of those before, or moves them all down by one. It does not show in a full log whose
    rows are all alike. That the logs differ is not enough: ATA disks keep two of different lengths, of which
    one may not be readable this time.
    """
    if before is None or not after.results:
        return before is None or after.results != before.results
    newest, *older = after.results
    if newest.result == "running":
        return False
    if after.results == before.results:
        return seen_running and len(after.results) >= FULL_LOG_ROWS and len(set(after.results)) == 1
    is_moved = len(after.results) >= len(before.results) and tuple(older) == before.results[: len(older)]
    return is_moved or newest not in before.results


def result(before: SelfTestLog | None, after: SelfTestLog, kind: str, *, seen_running: bool) -> Outcome:
    """What the newest row of the log says, if it is this run's."""
    newest = after.results[0] if after.results else None
    if newest is None:
        return Errored(reason="the disk keeps no result of its self-test")
    if not has_new_row(before, after, seen_running=seen_running):
        return Errored(reason="there is no sign that the self-test ran: the disk's log is as it was before")
    if newest.kind != kind:
        return Errored(reason=f"the newest result in the disk's log is of another test ({newest.kind})")
    match newest.result:
        case "passed":
            return Completed(result="pass")
        case "failed":
            return Completed(result="fail", reason=_failed(newest))
        case "aborted":
            return Errored(reason=f"somebody or something else ended the self-test: {newest.description}")
        case _:
            return Errored(reason=f"the disk does not say how its self-test ended: {newest.description}")


def _tell(context: StepContext, disk: Disk, snapshot: Snapshot) -> None:
    """What the audit finds wrong now and did not before, what it can tell neither before nor now, and how hot
    the test made it.
    """
    before = context.before.audit
    known = {(one.rule, one.severity) for one in findings_of(before, disk.id)} if before else set()
    for finding in findings_of(snapshot, disk.id):
        if finding.rule == _FAILED_BEFORE:
            context.find(_not_outdone(finding))
        elif finding.severity == "Unknown" or (finding.rule, finding.severity) not in known:
            context.find(finding)
    now = disk_in(snapshot, disk.id)
    if now.temperature_celsius is not None:
        context.measure(
            Measurement(
                name="temperature", value=now.temperature_celsius, unit="°C", component=f"storage/{disk.id}"
            )
        )
    if now.self_tests and now.self_tests.results and now.self_tests.results[0].result == "failed":
        context.find(_failure(disk, now.self_tests.results[0]))


def _not_outdone(finding: Finding) -> Finding:
    """A short test reads a small part of the disk: that it passes takes back no failure of another."""
    return replace(
        finding,
        severity="Critical",
        next_step="Run again with self_test=extended; replace the disk if that fails.",
    )


async def _abort(context: StepContext, lines: Commands) -> None:
    """End the test in the drive, which would otherwise go on by itself."""
    try:
        await context.run(Command(lines.abort, deadline_seconds=ABORT_SECONDS))
    except CommandFailed as error:
        context.report(f"the self-test could not be aborted: {error}")


def _failed(row: SelfTest) -> str:
    where = f" at LBA {row.first_error_lba}" if row.first_error_lba is not None else ""
    return f"the {row.kind} self-test failed{where}: {row.description}"


def _failure(disk: Disk, row: SelfTest) -> Finding:
    where = ", ".join(filter(None, (disk.location, f"serial {disk.serial}" if disk.serial else "")))
    return Finding(
        rule="storage.self-test",
        severity="Critical",
        component=f"storage/{disk.id}",
        where=where or disk.id,
        message=_failed(row),
        value=row.description,
        next_step="Replace the disk; send its SMART data, which this run has kept, to the vendor.",
    )


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"
