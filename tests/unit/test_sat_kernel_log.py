"""What the kernel says while a machine is tested: read, kept, counted, and judged by what it means."""

import asyncio
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bee_bus.documents.findings import Finding
from bee_machine.kmsg import (
    KernelLogReader,
    KernelMessage,
    LogUnreadable,
    open_kernel_log,
    parse_message,
)
from bee_sat import kernel_log
from bee_sat.book import Book, BookError
from bee_sat.kernel_log import ARTIFACT, KernelLog
from bee_sat.kernel_messages import judge_message, meanings
from bee_sat.ledger import Ledger
from bee_sat.records import Found, KernelLogKept, Record, from_line
from lab.kernel_log import FakeKernelLog

XID_79 = "NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, name=python3, GPU has fallen off the bus."
CORRECTED = "pcieport 0000:00:01.4: PCIe Bus Error: severity=Correctable, type=Physical Layer, (Receiver ID)"


def known_messages() -> list[list[str]]:
    """Rule, severity, component and text of each of the lab's messages."""
    text = (Path(__file__).parents[1] / "lab" / "kernel_messages.txt").read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [[part.strip() for part in line.split("|", 3)] for line in lines]


MEANT = [tuple(one) for one in known_messages() if one[0] != "-"]
HARMLESS = [text for rule, _, _, text in known_messages() if rule == "-"]


def said(text: str, *, priority: int = 3, facility: int = 0) -> KernelMessage:
    return KernelMessage(priority=priority, facility=facility, sequence=1, boot_seconds=1.0, text=text)


@pytest.mark.parametrize(("rule", "severity", "component", "text"), MEANT)
def test_a_message_means(rule: str, severity: str, component: str, text: str) -> None:
    finding = judge_message(said(text))
    assert finding is not None
    assert (finding.rule, finding.severity, finding.component) == (f"kernel.{rule}", severity, component)
    assert text[:100] in finding.message
    assert finding.where
    assert finding.next_step
    assert finding.threshold is not None
    assert finding.threshold.source


@pytest.mark.parametrize("text", HARMLESS)
def test_a_message_means_nothing(text: str) -> None:
    assert judge_message(said(text, priority=6)) is None


def test_every_meaning_has_a_message_that_shows_it() -> None:
    shown = {f"kernel.{rule}" for rule, *_ in MEANT}
    silent = {meaning.rule for meaning in meanings() if meaning.severity == "Info"}
    assert {meaning.rule for meaning in meanings()} - silent <= shown
    for rule in silent:
        pattern = next(meaning.pattern for meaning in meanings() if meaning.rule == rule)
        assert any(pattern.search(text) for text in HARMLESS)


def test_an_error_that_nobody_knows_is_not_passed_over() -> None:
    finding = judge_message(said("frobnicator 0000:01:00.0: firmware is on fire", priority=2))
    assert finding is not None
    assert (finding.rule, finding.severity) == ("kernel.unrecognised", "Warning")
    assert judge_message(said("frobnicator 0000:01:00.0: warming up", priority=4)) is None
    assert judge_message(said("pcieport 0000:00:01.4:   device [1022:14ab] error status/mask=0")) is None


def test_what_a_program_writes_into_the_log_is_no_evidence() -> None:
    assert judge_message(said(XID_79, facility=1)) is None


def test_a_record_is_read_with_its_device() -> None:
    message = parse_message(
        b"3,1843,72941834,-,caller=T77;sd 0:0:0:0: [sda] 1\\x0a2 \xff\n"
        b" SUBSYSTEM=scsi\n DEVICE=+scsi:0:0:0:0\n"
    )
    assert message == KernelMessage(
        priority=3,
        facility=0,
        sequence=1843,
        boot_seconds=72.941834,
        text="sd 0:0:0:0: [sda] 1\n2 \N{REPLACEMENT CHARACTER}",
        fields={"SUBSYSTEM": "scsi", "DEVICE": "+scsi:0:0:0:0"},
    )
    assert parse_message(b"30,5,6,-;systemd[1]: Started.\n") == KernelMessage(
        priority=6, facility=3, sequence=5, boot_seconds=6e-6, text="systemd[1]: Started."
    )


@pytest.mark.parametrize("record", [b"", b"\n", b"hello", b"1,2;x", b"a,b,c,-;x", b"-1,2,3,-;x", b"1,2,3,-"])
def test_what_is_no_record_is_none(record: bytes) -> None:
    assert parse_message(record) is None


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKernelLog]:
    log = FakeKernelLog()
    monkeypatch.setattr(kernel_log, "open_kernel_log", lambda path: log.file)
    yield log
    log.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    book = Book.create(tmp_path, "run")
    yield Ledger(book, lambda: None)
    book.close()


def records(ledger: Ledger) -> list[Record]:
    ledger.book.sync()
    return [from_line(line) for line in (ledger.book.folder / "records.jsonl").read_bytes().splitlines()]


def kept(ledger: Ledger) -> dict[str, KernelLogKept]:
    return {one.step: one for one in records(ledger) if isinstance(one, KernelLogKept)}


def found(ledger: Ledger) -> list[tuple[str, Finding]]:
    return [(one.step, one.finding) for one in records(ledger) if isinstance(one, Found)]


async def test_a_step_keeps_the_messages_of_its_window(log: FakeKernelLog, ledger: Ledger) -> None:
    async with KernelLog(ledger) as watched:
        log.say("usb 1-1: new high-speed USB device number 4", priority=6)
        await watched.begin("memtester")
        log.say(CORRECTED, device="+pci:0000:00:01.4")
        log.say(CORRECTED)
        assert await watched.end("memtester") is False
        log.say("usb 1-1: USB disconnect, device number 4", priority=6)
    step, run = kept(ledger)["memtester"], kept(ledger)[""]
    assert (step.messages, step.lost, step.error, step.artifact) == (2, 0, "", ARTIFACT)
    assert (run.messages, run.error) == (2, "")
    ((whose, finding),) = found(ledger)
    assert (whose, finding.rule, finding.value) == ("memtester", "kernel.pcie-corrected", 2.0)
    assert "(2 messages like this)" in finding.message
    lines = (ledger.book.folder / ARTIFACT).read_text().splitlines()
    assert lines[1].endswith("step memtester begins")
    assert lines[4].endswith("step memtester ends")
    assert lines[2].endswith("(Receiver ID)  (+pci:0000:00:01.4)")
    assert "USB disconnect" in lines[-1]


async def test_what_is_critical_is_recorded_at_once_and_fails_its_step(
    log: FakeKernelLog, ledger: Ledger
) -> None:
    async with KernelLog(ledger) as watched:
        await watched.begin("load")
        log.say(XID_79)
        async with asyncio.timeout(5):
            while not found(ledger):  # noqa: ASYNC110 - another task
                await asyncio.sleep(0.02)
        log.say(XID_79)
        assert await watched.end("load") is True
    assert [(step, finding.rule) for step, finding in found(ledger)] == [("load", "kernel.xid-79")]


async def test_of_several_steps_at_work_the_one_that_a_message_names_has_it(
    log: FakeKernelLog, ledger: Ledger
) -> None:
    async with KernelLog(ledger) as watched:
        await watched.begin("sda")
        await watched.begin("sdb")
        log.say("I/O error, dev sdb, sector 8 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2")
        log.say("watchdog: BUG: soft lockup - CPU#17 stuck for 26s! [smartctl:4711]")
        assert await watched.end("sda") is False
        assert await watched.end("sdb") is True
    assert {(step, finding.rule) for step, finding in found(ledger)} == {
        ("sdb", "kernel.disk-error"),
        ("", "kernel.soft-lockup"),
    }
    assert (kept(ledger)["sda"].messages, kept(ledger)["sdb"].messages) == (2, 2)


async def test_what_another_disk_did_meanwhile_is_not_the_fault_of_the_one_that_is_tested(
    log: FakeKernelLog, ledger: Ledger
) -> None:
    """It fails the run, and sends nobody the disk that passed."""
    async with KernelLog(ledger) as watched:
        await watched.begin("nvme0", "storage/nvme0")
        log.say("I/O error, dev sdb, sector 8 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2")
        assert await watched.end("nvme0") is False
        await watched.begin("nvme0", "storage/nvme0")
        log.say("I/O error, dev nvme0n1, sector 8 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2")
        log.say("ata3.00: SATA link down (SStatus 0 SControl 300)")  # which disk that is nobody knows
        log.say(CORRECTED)  # and behind which port it is neither
        assert await watched.end("nvme0") is True
    assert {(step, finding.component) for step, finding in found(ledger)} == {
        ("", "storage/sdb"),
        ("nvme0", "storage/nvme0"),
        ("nvme0", "storage"),
        ("nvme0", "pcie/0000:00:01.4"),
    }


async def test_lost_messages_are_counted(log: FakeKernelLog, ledger: Ledger) -> None:
    async with KernelLog(ledger) as watched:
        await watched.begin("load")
        log.say("one", priority=6)
        log.say("two", priority=6, skip=17)
        await watched.end("load")
    assert kept(ledger)["load"].lost == 17
    assert kept(ledger)[""].lost == 0
    assert "17 messages were lost here" in (ledger.book.folder / ARTIFACT).read_text()


def test_messages_that_were_overwritten_are_an_error_of_the_kernel_once_and_then_a_gap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers: list[bytes | OSError] = [
        b"6,10,1,-;first\n",
        OSError(errno.EPIPE, "Broken pipe"),
        b"6,15,1,-;next\n",
        BlockingIOError(),
    ]

    def read(file: int, size: int) -> bytes:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(os, "read", read)
    reader = KernelLogReader(99)
    assert [message.text for message in reader.read(100)] == ["first", "next"]
    assert reader.lost == 4


async def test_a_storm_of_messages_is_bounded(
    log: FakeKernelLog, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_log, "ARTIFACT_LIMIT_BYTES", 5000)
    async with KernelLog(ledger) as watched:
        await watched.begin("load")
        for number in range(150):
            log.say(f"nvme nvme{number}: resetting controller")
            if number % 50 == 49:
                await asyncio.sleep(0.3)
        await watched.end("load")
    assert kept(ledger)["load"].messages == 150
    assert len(found(ledger)) == kernel_log.FINDINGS_LIMIT
    content = (ledger.book.folder / ARTIFACT).read_text()
    assert len(content) < 12_000
    assert "is judged and counted, and not kept" in content


async def test_a_storm_does_not_hide_what_is_critical(log: FakeKernelLog, ledger: Ledger) -> None:
    async with KernelLog(ledger) as watched:
        await watched.begin("load")
        for number in range(110):
            log.say(f"nvme nvme{number}: resetting controller")
            if number % 50 == 49:
                await asyncio.sleep(0.3)
        log.say(XID_79)
        assert await watched.end("load") is True
    assert "kernel.xid-79" in {finding.rule for _, finding in found(ledger)}


async def test_a_log_that_turns_to_garbage_is_said(log: FakeKernelLog, ledger: Ledger) -> None:
    async with KernelLog(ledger) as watched:
        await watched.begin("load")
        log.garbage()
        await watched.end("load")
    assert "cannot be understood" in kept(ledger)["load"].error.replace(
        "can be understood", "cannot be understood"
    )


@pytest.mark.parametrize("stand_in", ["missing", "pipe", "file", "null"])
async def test_where_there_is_no_kernel_log_that_is_said(
    tmp_path: Path, ledger: Ledger, stand_in: str
) -> None:
    path = tmp_path / "kmsg"
    if stand_in == "pipe":
        os.mkfifo(path)
    elif stand_in == "file":
        path.write_bytes(b"6,1,1,-;hello\n")
    elif stand_in == "null":
        path.symlink_to("/dev/null")
    with pytest.raises(LogUnreadable):
        open_kernel_log(str(path))
    async with KernelLog(ledger, path=str(path)) as watched:
        await watched.begin("load")
        assert await watched.end("load") is False
    assert "kmsg" in kept(ledger)["load"].error
    assert kept(ledger)["load"].artifact is None
    assert kept(ledger)[""].error


def write_to_kernel_log(text: str) -> None:
    Path("/dev/kmsg").write_text(text)


async def test_the_log_of_this_machine_is_read_from_its_end(ledger: Ledger) -> None:
    try:
        os.close(open_kernel_log())
    except LogUnreadable as error:
        pytest.skip(f"no kernel log here: {error}")
    mark = f"bee test {os.getpid()} \N{SNOWMAN}"
    async with KernelLog(ledger) as watched:
        await watched.begin("load")
        write_to_kernel_log(f"<11>{mark}: NVRM: Xid (PCI:0000:3b:00): 79, not the kernel's word\n")
        await watched.end("load")
    assert kept(ledger)["load"].messages >= 1
    assert mark in (ledger.book.folder / ARTIFACT).read_text()
    assert not [finding for _, finding in found(ledger) if "Xid" in finding.message]


async def test_a_disk_that_is_full_ends_the_run_and_not_the_watching(
    log: FakeKernelLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[BookError] = []
    book = Book.create(tmp_path, "run")
    ledger = Ledger(book, lambda: failures.append(BookError("told")))
    monkeypatch.setattr(book, "open_artifact", lambda name: Path("/dev/full").open("wb", 0))  # noqa: SIM115
    async with KernelLog(ledger) as watched:
        await watched.begin("load")
        log.say(XID_79)
        assert await watched.end("load") is True
    assert len(failures) == 1
    assert "No space left" in str(ledger.failure)
    book.close()
