"""The storage pack: which disks, and what their self-tests prove."""

import asyncio
from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from bee_bus.client import Bus
from bee_bus.documents.audit import Hardware, Snapshot, Summary
from bee_bus.documents.disk_health import ScsiHealth, SelfTest, SelfTestLog
from bee_bus.documents.findings import Finding
from bee_bus.documents.sat import Completed, Errored, Outcome, Skipped
from bee_bus.documents.storage import Disk, MdArray, RaidDrive, StorageController, StorageSection
from bee_bus.errors import InvalidOption, NotSupported
from bee_sat.packs import load_pack, self_test
from bee_sat.packs.disk_watch import DiskUnseen, DiskWatch
from bee_sat.packs.self_test import commands, deadline, self_test_step
from bee_sat.packs.storage import disk_names, is_promised
from bee_sat.steps import Command, Looks
from lab.machine import FakeMachine
from lab.steps import Answer, FakeContext, done

OLD = SelfTest(kind="short", result="passed", description="completed without error", power_on_hours=100)
NEW = SelfTest(kind="short", result="passed", description="completed without error", power_on_hours=900)


def log(*results: SelfTest, running: str | None = None, percent: int | None = None) -> SelfTestLog:
    return SelfTestLog(
        supported=True, short_minutes=2, results=results, running=running, running_percent_done=percent
    )


def disk(name: str = "sda", tests: SelfTestLog | None = None, **fields: object) -> Disk:
    shape = {"transport": "sata", "device_nodes": (f"/dev/{name}",), "model": "HUS728T8TALE6L4"} | fields
    return Disk(id=name, self_tests=tests or log(OLD), **shape)  # type: ignore[arg-type]


def snapshot(*disks: Disk, findings: Iterable[Finding] = ()) -> Snapshot:
    found = tuple(findings)
    summary = Summary(verdict="OK", failure_count=0, warning_count=0, unknown_count=0, findings=found)
    return Snapshot(
        schema_version="1.0",
        bee_version="0",
        host_name="h",
        started_at="2026-01-01T00:00:00Z",
        duration_seconds=1.0,
        collectors=(),
        hardware=Hardware(summary=summary, storage=StorageSection(disks=disks)),
    )


def with_raid(before: Snapshot) -> Snapshot:
    """A controller whose drives only its own tool knows, and an array of the kernel."""
    drive = RaidDrive(slot="252:4", condition="failed", state="Failed")
    controllers = (
        StorageController(id="0000:18:00.0", raid=True, tool="storcli", drives=(drive,)),
        StorageController(id="0000:00:17.0", driver="ahci", hosts=("host0",)),
    )
    section = StorageSection(
        disks=before.hardware.storage.disks if before.hardware.storage else (),
        controllers=controllers,
        arrays=(MdArray(id="md0"),),
    )
    return replace(before, hardware=replace(before.hardware, storage=section))


def failing(name: str = "sda", severity: str = "Critical", rule: str = "storage.smart-failing") -> Finding:
    return Finding(
        rule=rule,
        severity=severity,  # type: ignore[arg-type]
        component=f"storage/{name}",
        where=name,
        message="the disk says that it fails",
        next_step="Replace it.",
    )


class Watch(DiskWatch):
    """Looks as the test has them; the last one stays."""

    def __init__(self, *looks: Snapshot | Exception) -> None:
        super().__init__()
        self._looks = list(looks)

    async def next_look(self, bus: Bus) -> Snapshot:
        await asyncio.sleep(0)
        look = self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
        if isinstance(look, Exception):
            raise look
        return look


def smartctl(exit_code: int = 0, text: str = "Testing has begun.\n") -> dict[str, object]:
    return {"smartctl": lambda command: (text, exit_code)}


async def run_of(
    one: Disk,
    *looks: Snapshot | Exception,
    programs: dict[str, object] | None = None,
    before: Snapshot | None = None,
    kind: str = "short",
) -> tuple[Outcome, FakeContext]:
    looked = Looks(audit=before or snapshot(one))
    context = FakeContext(programs or smartctl(), before=looked)  # type: ignore[arg-type]
    step = self_test_step(one, Watch(*looks), kind=kind, known=True, promised=True)
    return await done(step, context), context


async def test_a_disk_that_tests_itself_and_passes() -> None:
    running = [disk(tests=log(OLD, running="short", percent=percent)) for percent in (10, 60)]
    outcome, context = await run_of(disk(), *map(snapshot, running), snapshot(disk(tests=log(NEW, OLD))))
    assert outcome == Completed(result="pass")
    assert ("short self-test", 0.6) in context.reports
    assert context.commands[0].argv == ("smartctl", "-t", "short", "/dev/sda")
    assert len(context.commands) == 1, "nothing but the start was asked of the disk"


async def test_a_disk_that_is_done_before_the_first_look_has_a_new_row() -> None:
    outcome, _ = await run_of(disk(), snapshot(disk(tests=log(NEW, OLD))))
    assert outcome == Completed(result="pass")


async def test_an_old_pass_is_not_this_run_s() -> None:
    outcome, _ = await run_of(disk(), snapshot(disk()))
    assert isinstance(outcome, Errored)
    assert "no sign that the self-test ran" in outcome.reason


async def test_a_test_that_was_seen_to_run_and_left_no_row_proves_nothing() -> None:
    """The drive was reset meanwhile: the pass that its log tells of is an old one."""
    outcome, _ = await run_of(disk(), snapshot(disk(tests=log(OLD, running="short"))), snapshot(disk()))
    assert isinstance(outcome, Errored)
    assert "no sign that the self-test ran" in outcome.reason


async def test_in_a_full_log_of_rows_that_are_alike_a_new_one_does_not_show() -> None:
    full = log(*[OLD] * 20)
    running = disk(tests=log(*[OLD] * 20, running="short"))
    outcome, _ = await run_of(disk(tests=full), snapshot(running), snapshot(disk(tests=full)))
    assert outcome == Completed(result="pass")
    outcome, _ = await run_of(disk(tests=full), snapshot(disk(tests=full)))
    assert isinstance(outcome, Errored), "it was not seen to run either"


async def test_the_other_of_two_logs_is_no_new_row() -> None:
    """The extended log of 19 rows could not be read the second time, the standard one has 21."""
    rows = [replace(OLD, power_on_hours=hours) for hours in range(900, 700, -10)]
    for first, second in ((19, 20), (20, 19), (20, 3)):
        outcome, _ = await run_of(disk(tests=log(*rows[:first])), snapshot(disk(tests=log(*rows[:second]))))
        assert isinstance(outcome, Errored)
        assert "no sign that the self-test ran" in outcome.reason
    twice = disk(tests=log(rows[0], *rows[:19]))  # two in one hour of its life
    outcome, _ = await run_of(disk(tests=log(*rows[:19])), snapshot(twice))
    assert outcome == Completed(result="pass")


async def test_a_row_that_says_in_progress_is_not_the_end() -> None:
    begun = SelfTest(kind="short", result="running", description="in progress", power_on_hours=900)
    outcome, _ = await run_of(
        disk(), snapshot(disk(tests=log(begun, OLD))), snapshot(disk(tests=log(NEW, OLD)))
    )
    assert outcome == Completed(result="pass")


async def test_a_disk_that_misses_a_look_while_it_tests_itself_is_looked_at_again() -> None:
    running = snapshot(disk(tests=log(OLD, running="short")))
    silent = snapshot(Disk(id="sda", health_unread="smartctl did not answer in 20 s"))
    missing = snapshot(disk("sdb"))
    late = snapshot(disk())  # its row is not written yet
    done = snapshot(disk(tests=log(NEW, OLD)))
    outcome, _ = await run_of(disk(), late, running, silent, missing, running, late, done)
    assert outcome == Completed(result="pass")
    outcome, _ = await run_of(disk(), running, silent)
    assert isinstance(outcome, Errored)
    assert "cannot be read any more: smartctl did not answer" in outcome.reason


async def test_a_sas_disk_that_was_never_tested_has_no_log_until_the_end_of_its_first_test() -> None:
    fresh = disk(tests=SelfTestLog(), scsi=ScsiHealth(grown_defects=0))
    after = replace(fresh, self_tests=SelfTestLog(results=(NEW,)))
    outcome, _ = await run_of(fresh, *[snapshot(fresh)] * 10, snapshot(after))
    assert outcome == Completed(result="pass")


async def test_a_sas_disk_that_says_nothing_of_its_extended_test_has_the_time_that_one_takes() -> None:
    """None of its rows says that a test runs. It is looked at every ten seconds, and states two hours."""
    old = SelfTest(kind="extended", result="passed", description="Completed", power_on_hours=100)
    new = replace(old, power_on_hours=900)
    quiet = disk(tests=SelfTestLog(extended_minutes=120, results=(old,)), scsi=ScsiHealth(grown_defects=0))
    after = replace(quiet, self_tests=SelfTestLog(extended_minutes=120, results=(new, old)))
    outcome, _ = await run_of(quiet, *[snapshot(quiet)] * 800, snapshot(after), kind="extended")
    assert outcome == Completed(result="pass")
    outcome, _ = await run_of(quiet, *[snapshot(quiet)] * 1000, snapshot(after), kind="extended")
    assert isinstance(outcome, Errored), "nobody waits for ever"


async def test_a_sas_disk_that_did_not_say_that_it_has_no_self_test() -> None:
    fresh = disk(tests=SelfTestLog(), scsi=ScsiHealth(grown_defects=0))
    said = "Short offline self test failed [unsupported scsi opcode]\n"
    outcome, _ = await run_of(fresh, snapshot(fresh), programs=smartctl(4, said))
    assert isinstance(outcome, Skipped)
    assert "no short self-test" in outcome.reason
    known = disk(tests=log(OLD))
    outcome, _ = await run_of(known, snapshot(known), programs=smartctl(4, "failed [Input/output error]\n"))
    assert isinstance(outcome, Errored)


async def test_the_last_tenth_of_a_long_test_may_look_like_its_end() -> None:
    running = [snapshot(disk(tests=log(OLD, running="self-test", percent=90)))] * 360
    quiet, done = snapshot(disk()), snapshot(disk(tests=log(NEW, OLD)))
    outcome, _ = await run_of(disk(), *running, *[quiet] * 40, done)
    assert outcome == Completed(result="pass")
    outcome, _ = await run_of(disk(), *running, *[quiet] * 60, done)
    assert isinstance(outcome, Errored), "nobody waits for ever"


async def test_a_read_failure_fails_with_its_place() -> None:
    bad = SelfTest(kind="short", result="failed", description="read failure", first_error_lba=77)
    outcome, context = await run_of(disk(), snapshot(disk(tests=log(bad, OLD))))
    assert isinstance(outcome, Completed)
    assert outcome.result == "fail"
    assert "LBA 77" in outcome.reason
    assert [finding.rule for finding in context.findings] == ["storage.self-test"]


@pytest.mark.parametrize("word", ["aborted", "unknown", "running"])
async def test_a_test_that_did_not_end_by_itself_proves_nothing(word: str) -> None:
    row = SelfTest(kind="short", result=word, description="host reset")  # type: ignore[arg-type]
    outcome, _ = await run_of(disk(), snapshot(disk(tests=log(row, OLD))))
    assert isinstance(outcome, Errored)


async def test_another_test_s_result_is_not_taken_for_it() -> None:
    row = SelfTest(kind="extended", result="passed", description="completed", power_on_hours=900)
    outcome, _ = await run_of(disk(), snapshot(disk(tests=log(row, OLD))))
    assert isinstance(outcome, Errored)


async def test_a_log_that_stays_empty_proves_nothing() -> None:
    outcome, _ = await run_of(disk(tests=log()), snapshot(disk(tests=log())))
    assert isinstance(outcome, Errored)


async def test_a_failing_disk_fails_whatever_its_self_test_says() -> None:
    before = snapshot(disk(), findings=[failing()])
    outcome, context = await run_of(
        disk(), snapshot(disk(tests=log(NEW, OLD)), findings=[failing()]), before=before
    )
    assert outcome == Completed(result="pass")
    assert [finding.severity for finding in context.findings] == ["Critical"], "once, and it fails the step"


async def test_what_the_test_brings_to_light_is_found() -> None:
    after = snapshot(disk(tests=log(NEW, OLD)), findings=[failing(rule="storage.pending-sectors")])
    _, context = await run_of(disk(), after)
    assert [finding.rule for finding in context.findings] == ["storage.pending-sectors"]


async def test_a_short_test_does_not_take_back_a_failure_of_before() -> None:
    """However often it is run: the first time the failure is the newest row, then it is no more."""
    first = snapshot(disk(), findings=[failing(rule="storage.self-test-failed")])
    later = failing(rule="storage.self-test-failed-before", severity="Warning")
    for before in (first, snapshot(disk(), findings=[later])):
        after = snapshot(disk(tests=log(NEW, OLD)), findings=[later])
        outcome, context = await run_of(disk(), after, before=before)
        assert outcome == Completed(result="pass")
        (found,) = context.findings
        assert (found.rule, found.severity) == ("storage.self-test-failed-before", "Critical")
        assert "self_test=extended" in found.next_step


async def test_a_test_that_outdoes_an_old_failure_passes() -> None:
    before = snapshot(disk(), findings=[failing(rule="storage.self-test-failed")])
    outcome, context = await run_of(disk(), snapshot(disk(tests=log(NEW, OLD))), before=before)
    assert outcome == Completed(result="pass")
    assert context.findings == []


async def test_a_disk_whose_health_nobody_can_read_is_not_proven_by_its_self_test() -> None:
    unread = failing(rule="storage.health-unread", severity="Unknown")
    before = snapshot(disk(), findings=[unread])
    after = snapshot(disk(tests=log(NEW, OLD)), findings=[unread])
    outcome, context = await run_of(disk(), after, before=before)
    assert outcome == Completed(result="pass")
    assert context.findings == [unread], "so the step is not judged"


async def test_another_disk_s_findings_are_not_this_one_s() -> None:
    after = snapshot(disk(tests=log(NEW, OLD)), findings=[failing("sdb")])
    _, context = await run_of(disk(), after)
    assert context.findings == []


async def test_a_disk_that_vanishes_fails() -> None:
    outcome, _ = await run_of(disk(), snapshot(disk(tests=log(OLD, running="short"))), snapshot(disk("sdb")))
    assert isinstance(outcome, Completed)
    assert outcome.result == "fail"
    assert "there no more" in outcome.reason


async def test_a_disk_that_only_smartctl_shows_is_not_gone_for_a_scan_that_failed() -> None:
    hidden = disk("megaraid,3@/dev/bus/0")
    outcome, context = await run_of(hidden, snapshot(disk("sdb")))
    assert outcome == Errored(reason="smartctl does not list megaraid,3@/dev/bus/0 any more")
    assert context.commands[-1].argv[:2] == ("smartctl", "-X")


async def test_an_audit_that_fails_is_no_pass() -> None:
    outcome, context = await run_of(disk(), DiskUnseen("the audit of the disks failed 3 times"))
    assert outcome == Errored(reason="the audit of the disks failed 3 times")
    assert context.commands[-1].argv == ("smartctl", "-X", "/dev/sda")


class Hanging(DiskWatch):
    """An audit that does not answer; ``answers``: looks that come before."""

    def __init__(self, *answers: Snapshot) -> None:
        super().__init__(poll_seconds=0.0, look_seconds=0.05)
        self._answers = list(answers)

    async def _later(self, bus: Bus) -> Snapshot:
        if self._answers:
            return self._answers.pop(0)
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


async def test_a_test_that_nobody_could_follow_is_not_the_disk_s_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running = snapshot(disk(tests=log(OLD, running="short", percent=90)))
    for watch, errored in ((Hanging(running), True), (Watch(running), False)):
        monkeypatch.setattr(self_test, "deadline", lambda log, kind: 0.2)
        context = FakeContext(smartctl(), before=Looks(audit=snapshot(disk())))  # type: ignore[arg-type]
        outcome = await done(self_test_step(disk(), watch, kind="short", known=True, promised=True), context)
        assert isinstance(outcome, Errored) is errored
        assert context.commands[-1].argv == ("smartctl", "-X", "/dev/sda"), "it is ended in the drive"


async def test_a_disk_that_refuses_the_test_is_no_pass() -> None:
    outcome, _ = await run_of(disk(), snapshot(disk()), programs=smartctl(4, "Command failed\n"))
    assert outcome == Errored(reason="the self-test could not be started: Command failed")


async def test_bits_of_smartctl_that_tell_of_the_disk_do_not_stop_the_test() -> None:
    outcome, _ = await run_of(disk(), snapshot(disk(tests=log(NEW, OLD))), programs=smartctl(0x40))
    assert outcome == Completed(result="pass")


@pytest.mark.parametrize(
    "said",
    [
        "Warning! SMART Attribute Thresholds Structure error: invalid SMART checksum.\nTesting has begun.\n",
        "Short Background Self Test has begun\nUse smartctl -X to abort test\n",
    ],
)
async def test_a_drive_with_a_wrong_checksum_that_starts_its_test_is_followed(said: str) -> None:
    outcome, context = await run_of(disk(), snapshot(disk(tests=log(NEW, OLD))), programs=smartctl(4, said))
    assert outcome == Completed(result="pass")
    assert len(context.commands) == 1


async def test_without_the_tool_the_step_says_so() -> None:
    outcome, _ = await run_of(disk(), snapshot(disk()), programs={"x": None})
    assert outcome == Skipped(reason="smartctl is not installed")


@pytest.mark.parametrize(
    ("one", "says"),
    [
        (Disk(id="vda", transport="virtio", virtual=True, smart_supported=False), "no SMART"),
        (Disk(id="sdb", raid_volume=True), "volume of a RAID controller"),
        (Disk(id="sdc", health_unread="open failed"), "open failed"),
        (disk(tests=SelfTestLog(supported=False)), "no short self-test"),
        (Disk(id="mmcblk0", transport="mmc"), "no short self-test"),
    ],
)
async def test_what_has_no_self_test_says_why(one: Disk, says: str) -> None:
    outcome, context = await run_of(one, snapshot(one))
    assert isinstance(outcome, Skipped)
    assert says in outcome.reason
    assert context.commands == []


async def test_a_test_that_somebody_else_runs_is_left_alone() -> None:
    outcome, context = await run_of(disk(tests=log(OLD, running="extended")), snapshot(disk()))
    assert isinstance(outcome, Errored)
    assert context.commands == []


async def test_a_cancelled_run_ends_the_test_in_the_drive() -> None:
    begun = asyncio.Event()

    def program(command: Command) -> Answer:
        begun.set()
        return "", 0

    context = FakeContext({"smartctl": program}, before=Looks(audit=snapshot(disk())))
    running = Watch(snapshot(disk(tests=log(OLD, running="short", percent=5))))
    task = asyncio.create_task(
        done(self_test_step(disk(), running, kind="short", known=True, promised=True), context)
    )
    await begun.wait()
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [command.argv for command in context.commands] == [
        ("smartctl", "-t", "short", "/dev/sda"),
        ("smartctl", "-X", "/dev/sda"),
    ]


def test_each_kind_of_disk_is_asked_in_its_own_way() -> None:
    nvme = Disk(id="nvme0", transport="nvme", device_nodes=("/dev/nvme0n1",))
    assert commands(nvme, "short").start == (
        "nvme", "device-self-test", "/dev/nvme0", "-n", "0xffffffff", "-s", "1",
    )  # fmt: skip
    assert commands(nvme, "extended").start[-1] == "2"
    assert commands(nvme, "short").abort[-1] == "0xf"
    hidden = Disk(id="megaraid,3@/dev/bus/0", transport="sas")
    assert commands(hidden, "extended").start == ("smartctl", "-t", "long", "-d", "megaraid,3", "/dev/bus/0")


def test_the_deadline_is_the_drive_s_own_estimate_with_patience() -> None:
    assert deadline(None, "short") == 900
    assert deadline(SelfTestLog(short_minutes=10), "short") == 1800
    assert deadline(SelfTestLog(extended_minutes=900), "extended") == 900 * 180
    assert deadline(None, "extended") == 48 * 3600


# Which disks.


def server() -> FakeMachine:
    block = "/sys/class/block"
    links = {f"{block}/{name}/device": "../.." for name in ("sda", "sdb", "nvme0n1", "sr0", "mmcblk0")}
    files = {
        f"{block}/{name}/size": "1" for name in ("sda", "sdb", "sda1", "nvme0n1", "sr0", "loop0", "dm-0")
    }
    return FakeMachine(files={**files, "/sys/class/nvme/nvme0/model": "x"}, links=links)


async def test_disks_are_what_the_kernel_shows_as_one() -> None:
    assert await disk_names(server()) == ("nvme0", "mmcblk0", "sda", "sdb")


async def test_persistent_memory_is_no_disk() -> None:
    """The kernel shows it as a block device with a device below; the audit knows it as memory."""
    links = {f"/sys/class/block/{name}/device": "../.." for name in ("pmem0", "sda")}
    files = {f"/sys/class/block/{name}/size": "1" for name in ("pmem0", "sda")}
    assert await disk_names(FakeMachine(files=files, links=links)) == ("sda",)


async def test_a_reader_without_a_medium_is_no_disk_to_test() -> None:
    shown = {
        "sda": ("ata1/host0", "7501476528\n", "0\n"),
        "sdb": (
            "usb1/1-4/host6",
            "0\n",
            "1\n",
        ),  # "iDRAC Virtual Floppy", "AMI Virtual HDisk0", a card reader
        "sdc": ("usb1/1-5/host7", "60062500\n", "1\n"),
        "sdd": ("ata4/host3", "0\n", "1\n"),  # in a hot-plug bay, and so far gone that it tells no size
    }
    files: dict[str, str] = {}
    links: dict[str, str] = {}
    for name, (path, size, removable) in shown.items():
        real = f"/sys/devices/pci0000:00/{path}/block/{name}"
        files |= {f"{real}/size": size, f"{real}/removable": removable}
        links |= {f"/sys/class/block/{name}": real, f"{real}/device": "../.."}
    assert await disk_names(FakeMachine(files=files, links=links)) == ("sda", "sdc", "sdd")


async def test_disks_of_a_storage_network_are_another_machines() -> None:
    root = "/sys/devices"
    links = {
        "/sys/class/block/sda": f"{root}/pci0000:00/host0/rport-0:0-3/target0:0:0/0:0:0:0/block/sda",
        "/sys/class/block/sdb": f"{root}/platform/host3/session1/target3:0:0/3:0:0:0/block/sdb",
        "/sys/class/block/sdc": f"{root}/pci0000:00/host4/target4:0:0/4:0:0:0/block/sdc",
        "/sys/class/nvme/nvme0": f"{root}/virtual/nvme-fabrics/ctl/nvme0",
        "/sys/class/nvme/nvme1": f"{root}/pci0000:00/0000:00:01.0/nvme/nvme1",
    }
    files = {f"{links['/sys/class/nvme/nvme0']}/transport": "tcp\n"}
    files[f"{links['/sys/class/nvme/nvme1']}/transport"] = "pcie\n"
    for name in ("sda", "sdb", "sdc"):
        path = links[f"/sys/class/block/{name}"]
        files[f"{path}/size"] = "60062500\n"
        links[f"{path}/device"] = "../.."
    assert await disk_names(FakeMachine(files=files, links=links)) == ("nvme1", "sdc")


async def test_all_disks_are_claimed_unless_some_are_named() -> None:
    pack = load_pack("storage")
    claim = await pack.claim(pack.parse({}), server(), Bus())
    assert claim.resources == (
        "disk/nvme0", "disk/mmcblk0", "disk/sda", "disk/sdb", "disk/behind-controllers",
    )  # fmt: skip
    claim = await pack.claim(pack.parse({"disks": "sdb, nvme0,sdb"}), server(), Bus())
    assert claim.resources == ("disk/sdb", "disk/nvme0")


@pytest.mark.parametrize("words", ["/dev/sda", "sda,/dev/sdb", "", "../sda", "sda;reboot", "SDA"])
def test_a_disk_by_its_path_is_refused_with_what_is_allowed(words: str) -> None:
    with pytest.raises(InvalidOption, match=r"it takes the kernel's names .* no paths"):
        load_pack("storage").parse({"disks": words})


async def test_a_disk_that_is_not_there_is_refused_with_those_that_are() -> None:
    pack = load_pack("storage")
    with pytest.raises(InvalidOption, match="no disk 'sdz'; it takes: nvme0, mmcblk0, sda, sdb"):
        await pack.claim(pack.parse({"disks": "sdz"}), server(), Bus())


async def test_a_machine_without_disks_has_nothing_to_prove() -> None:
    pack = load_pack("storage")
    with pytest.raises(NotSupported):
        await pack.claim(pack.parse({}), FakeMachine(), Bus())


async def test_each_step_tests_its_own_disk_and_no_other() -> None:
    pack = load_pack("storage")
    claim = await pack.claim(pack.parse({}), server(), Bus())
    before = snapshot(disk("sda"), Disk(id="megaraid,3@/dev/bus/0"))
    (stage,) = await pack.plan(claim, server(), Looks(audit=before))
    tested = {step.name: step.component for step in stage}
    assert tested["sda"] == "storage/sda"
    assert tested["megaraid-3--dev-bus-0"] == "storage/megaraid,3@/dev/bus/0"


async def test_the_stick_that_was_booted_from_is_not_part_of_the_promise() -> None:
    pack = load_pack("storage")
    claim = await pack.claim(pack.parse({}), server(), Bus())
    before = snapshot(
        disk("sda"),
        disk("sdb", transport="usb", removable=True),
        disk("nvme0", transport="nvme", device_nodes=("/dev/nvme0n1",)),
        Disk(id="megaraid,3@/dev/bus/0"),
    )
    (stage,) = await pack.plan(claim, server(), Looks(audit=before))
    promises = {step.name: step.promised for step in stage}
    assert promises == {
        "nvme0": True,
        "mmcblk0": True,  # the kernel shows it and the audit did not: that has to be seen
        "sda": True,
        "sdb": False,
        "megaraid-3--dev-bus-0": True,
    }


async def test_a_technician_s_own_disk_on_usb_decides_nothing() -> None:
    """Many bridges end self-tests by themselves, and such a disk may fail as it likes."""
    pack = load_pack("storage")
    claim = await pack.claim(pack.parse({}), server(), Bus())
    before = snapshot(disk("sda"), disk("sdb", transport="usb"), findings=[failing("sdb")])
    (stage,) = await pack.plan(claim, server(), Looks(audit=before))
    (step,) = [step for step in stage if step.name == "sdb"]
    context = FakeContext({}, before=Looks(audit=before))
    outcome = await done(step, context)
    assert isinstance(outcome, Skipped)
    assert "disks=sdb" in outcome.reason
    assert context.findings == [] and context.commands == []


async def test_a_disk_in_a_bay_that_can_be_opened_is_promised() -> None:
    """The kernel calls it removable."""
    assert is_promised(disk("sda", removable=True), [])
    assert not is_promised(disk("sdb", transport="usb", removable=True), [])


def test_a_volume_is_promised_unless_its_own_controller_s_disks_are_tested() -> None:
    volume = Disk(id="sdb", raid_volume=True, controller="0000:18:00.0")
    behind = Disk(id="megaraid,0@/dev/bus/0", controller="0000:18:00.0")
    behind_another = Disk(id="megaraid,0@/dev/bus/1", controller="0000:af:00.0")
    assert not is_promised(volume, [volume, behind])
    assert is_promised(volume, [volume])
    assert is_promised(volume, [volume, behind_another]), "of its own disks nobody knows"


async def test_a_stick_that_is_asked_for_by_name_is_promised() -> None:
    pack = load_pack("storage")
    claim = await pack.claim(pack.parse({"disks": "sdb"}), server(), Bus())
    before = snapshot(disk("sda"), disk("sdb", transport="usb", removable=True))
    (stage,) = await pack.plan(claim, server(), Looks(audit=before))
    assert [(step.name, step.promised) for step in stage] == [("sdb", True)]


async def test_disks_that_the_audit_could_not_read_are_planned_and_fail() -> None:
    pack = load_pack("storage")
    claim = await pack.claim(pack.parse({"disks": "sda"}), server(), Bus())
    ((step,),) = await pack.plan(claim, server(), Looks())
    outcome = await done(step, FakeContext({}))
    assert outcome == Errored(reason="the audit could not read this disk")


# What stands between the disks and the kernel.


async def raid_of(before: Snapshot, **options: str) -> FakeContext | None:
    """What the step that tells of RAID finds; None when there is no such step."""
    pack = load_pack("storage")
    claim = await pack.claim(pack.parse(options), server(), Bus())
    (stage,) = await pack.plan(claim, server(), Looks(audit=before))
    steps = [step for step in stage if step.name == "raid"]
    context = FakeContext({}, before=Looks(audit=before))
    for step in steps:
        assert step.promised
        assert await done(step, context) == Completed(result="pass")
    return context if steps else None


@pytest.mark.parametrize(
    ("component", "severity"),
    [("0000:18:00.0", "Critical"), ("md0", "Critical"), ("md0", "Warning"), ("0000:18:00.0", "Unknown")],
)
async def test_what_was_wrong_with_raid_before_is_not_made_good_by_disks_that_pass(
    component: str, severity: str
) -> None:
    """A drive that has failed behind its controller is no disk any more, and has no step of its own."""
    wrong = failing(component, severity, rule="storage.raid-drive")
    context = await raid_of(with_raid(snapshot(disk(), findings=[wrong, failing("sda")])))
    assert context is not None
    (found,) = context.findings
    assert (found.component, found.severity) == (f"storage/{component}", severity)
    assert found.message.startswith("before the load already: ")


async def test_raid_in_good_order_passes_and_what_a_controller_counted_in_the_past_is_shown() -> None:
    context = await raid_of(with_raid(snapshot(disk())))
    assert context is not None and context.findings == []
    counted = failing("0000:18:00.0", rule="storage.raid-memory")
    context = await raid_of(with_raid(snapshot(disk(), findings=[counted])))
    assert context is not None and [one.severity for one in context.findings] == ["Warning"]


async def test_raid_is_told_of_where_there_is_raid_and_disks_are_tested() -> None:
    assert await raid_of(snapshot(disk())) is None
    assert await raid_of(with_raid(snapshot(disk())), disks="sda") is None
    stick = with_raid(snapshot(*(disk(name, transport="usb") for name in ("sda", "sdb", "nvme0", "mmcblk0"))))
    assert await raid_of(stick) is None, "its word alone is no run"
