"""A machine is captured and asked again: it must answer the same."""

import asyncio
import errno
import gzip
import io
import tarfile
import tracemalloc
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bee_audit.offline import OfflineError, replay
from bee_machine import ControlError, Entry, Machine, ToolHung, ToolMissing, ToolResult, UdevDevice
from bee_machine.answers import Manifest
from bee_machine.archive import Archive, CaptureError, read_archive, write_archive
from bee_machine.live import LiveMachine
from bee_machine.recording import RecordingMachine
from bee_machine.replay import ReplayMachine
from lab.machine import FakeMachine, Hang

MANIFEST = Manifest(bee_version="1", host_name="rack7", captured_at="2026-11-22T10:00:00+00:00")


def server() -> FakeMachine:
    counter = iter(range(100))
    return FakeMachine(
        files={
            "/sys/firmware/dmi/tables/DMI": bytes(range(256)),
            "/sys/devices/pci0000:00/0000:00:01.0/vendor": "0x10de\n",
            "/sys/devices/pci0000:00/0000:00:01.0/config": b"\xde\x10" + b"\0" * 62,
            "/sys/class/broken": OSError(errno.EIO, "Input/output error", "/sys/class/broken"),
            "/proc/sys/kernel/hostname": "rack7\n",
            "/sys/hung": Hang(),
        },
        links={
            "/sys/bus/pci/devices/0000:00:01.0": "../../../devices/pci0000:00/0000:00:01.0",
            "/sys/devices/pci0000:00/0000:00:01.0/driver": "../../../bus/pci/drivers/nvidia",
        },
        tools={
            "smartctl -x -j /dev/sda": ToolResult(("smartctl",), 4, b'{"a": 1}', b"note", 0.5),
            "smartctl -x -j /dev/sdb": ToolHung("smartctl did not end within 20 s"),
        },
        controls={"ipmi": lambda device, request: request + bytes([next(counter)])},
        udev={
            "block": [UdevDevice("/sys/block/sda", "sda", "block", "disk", "/dev/sda", {"ID_SERIAL": "é"})]
        },
        asks={"org.bee.Gpu1": b'{"gpus": []}'},
    )


async def ask_everything(machine: Machine) -> list[Any]:
    """Each kind of question, the answers and the errors."""

    async def outcome(question: Any) -> Any:
        try:
            async with asyncio.timeout(0.2):
                return await question
        except (OSError, ToolHung, ToolMissing) as error:
            return type(error), str(error), getattr(error, "errno", None)

    return [
        await outcome(machine.read_bytes("/sys/firmware/dmi/tables/DMI")),
        await outcome(machine.read_bytes("/sys/firmware/dmi/tables/DMI", limit_bytes=4)),
        await outcome(machine.read_bytes("/sys/class/broken")),
        await outcome(machine.read_bytes("/not/there")),
        await outcome(machine.read_text("/proc/sys/kernel/hostname")),
        await outcome(machine.read_files(["/proc/sys/kernel/hostname", "/not/there", "/sys/class/broken"])),
        await outcome(machine.list_folder("/sys/class")),
        await outcome(machine.exists("/sys/class/broken")),
        await outcome(machine.exists("/sys/class/absent")),
        await outcome(machine.read_link("/sys/bus/pci/devices/0000:00:01.0")),
        await outcome(machine.read_link("/not/there")),
        await outcome(machine.udev_devices("block")),
        await outcome(machine.udev_devices("nvme")),
        await outcome(
            machine.read_entries("/sys/bus/pci/devices", files=["vendor", "config", "none"], links=["driver"])
        ),
        await outcome(machine.run("smartctl", "-x", "-j", "/dev/sda", deadline_seconds=9)),
        await outcome(machine.run("smartctl", "-x", "-j", "/dev/sdb", deadline_seconds=9)),
        await outcome(machine.run("nonesuch", deadline_seconds=9)),
        *[await outcome(machine.control("/dev/ipmi0", "ipmi", b"\6\0\1")) for _ in range(3)],
        await outcome(machine.control("/dev/nvme0", "nvme-admin", b"")),
        await outcome(machine.ask("org.bee.Gpu1")),
        await outcome(machine.ask("org.bee.Other1")),
    ]


def through_a_file(archive: Archive) -> Archive:
    file = io.BytesIO()
    write_archive(archive, file)
    file.seek(0)
    return read_archive(file)


async def test_a_replayed_machine_answers_what_the_real_one_did() -> None:
    archive = Archive(MANIFEST)
    live = await ask_everything(RecordingMachine(server(), archive))
    replayed = await ask_everything(ReplayMachine(through_a_file(archive)))
    # A tool's own argv is what was asked; a fake's answer carries a shortened one.
    for index, (then, now) in enumerate(zip(live, replayed, strict=True)):
        if isinstance(then, ToolResult):
            assert (then.exit_code, then.stdout, then.stderr) == (now.exit_code, now.stdout, now.stderr)
        elif isinstance(then, tuple) and then and then[0] in (FileNotFoundError, ToolMissing, ControlError):
            assert now[0] is then[0], index
        else:
            assert now == then, index


async def test_a_file_that_changes_meanwhile_has_one_answer_in_the_audit_and_in_its_replay() -> None:
    machine = FakeMachine(files={"/proc/uptime": "73.98 140.1\n", "/sys/class/net/eth0/speed": "1000\n"})
    archive = Archive(MANIFEST)
    recording = RecordingMachine(machine, archive)
    first = await recording.read_text("/proc/uptime")
    start = await recording.read_bytes("/sys/class/net/eth0/speed", limit_bytes=2)
    machine.files |= {"/proc/uptime": "74.02 140.9\n"}
    assert await recording.read_text("/proc/uptime") == first == "73.98 140.1"
    # A longer look at what was there is no change.
    [entry] = await recording.read_entries("/sys/class/net", files=("speed",))
    assert (start, entry.text("speed")) == (b"10", "1000")
    assert archive.files["/sys/class/net/eth0/speed"] == b"1000\n"


async def test_a_read_that_hung_then_is_a_timeout_now() -> None:
    archive = Archive(MANIFEST)
    recording = RecordingMachine(server(), archive)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await recording.read_bytes("/sys/hung")
    with pytest.raises(TimeoutError):
        await ReplayMachine(through_a_file(archive)).read_bytes("/sys/hung")


async def test_a_shared_read_that_hung_is_recorded_when_the_audit_closes_the_machine() -> None:
    archive = Archive(MANIFEST)
    recording = RecordingMachine(server(), archive)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await recording.once("hung", lambda: recording.read_bytes("/sys/hung"))
    await recording.close()
    with pytest.raises(TimeoutError):
        await ReplayMachine(through_a_file(archive)).read_bytes("/sys/hung")


async def test_one_collector_that_gives_up_does_not_take_the_answer_from_another() -> None:
    machine = server()
    answer = asyncio.Event()
    reads = 0

    async def slow() -> str:
        nonlocal reads
        reads += 1
        await answer.wait()
        return "table"

    impatient = asyncio.ensure_future(machine.once("slow", slow))
    patient = asyncio.ensure_future(machine.once("slow", slow))
    await asyncio.sleep(0)
    impatient.cancel()
    answer.set()
    assert await patient == "table"
    assert reads == 1


async def test_the_live_machine_can_be_captured_and_replayed() -> None:
    async def look(machine: Machine) -> list[Any]:
        return [
            await machine.read_text("/proc/sys/kernel/ostype"),
            await machine.read_entries("/sys/bus/pci/devices", files=["vendor", "class"], links=["driver"]),
            await machine.list_folder("/sys/class/net"),
            await machine.udev_devices("net"),
            (await machine.run("echo", "hello", deadline_seconds=5)).stdout,
            await machine.exists("/proc/self"),
        ]

    archive = Archive(MANIFEST)
    assert await look(RecordingMachine(LiveMachine(), archive)) == await look(
        ReplayMachine(through_a_file(archive))
    )


def tar_of(**members: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name.replace("_json", ".json"))
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def linked() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        info = tarfile.TarInfo("files/etc/shadow")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/shadow"
        tar.addfile(info)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not a bee capture"),
        (b'{"hardware": {}}', "not a bee capture"),
        (gzip.compress(b"hello"), "not a bee capture"),
        (tar_of(readme=b"x"), "no manifest.json"),
        (tar_of(manifest_json=b"[1, 2"), "manifest.json"),
        (tar_of(manifest_json=b'{"bee_version": 1}'), "manifest.json"),
        (
            tar_of(
                manifest_json=b'{"format":"bee-capture","version":99,"bee_version":"9","host_name":"",'
                b'"captured_at":""}'
            ),
            "use a newer bee",
        ),
        (linked(), "not a plain file"),
    ],
)
def test_a_file_that_is_no_capture_is_refused_with_the_reason(content: bytes, says: str) -> None:
    with pytest.raises(CaptureError, match=says):
        read_archive(io.BytesIO(content))


def test_an_archive_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bee_machine.archive.CONTENT_LIMIT_BYTES", 1 << 20)
    with pytest.raises(CaptureError, match="more than a capture can hold"):
        read_archive(io.BytesIO(tar_of(big=bytes(2 << 20))))


def headers_of_headers(kind: bytes, count: int, content: bytes) -> bytes:
    """Headers that each announce what the next one means, and no member behind them."""
    header = tarfile.TarInfo("longer")
    header.type, header.size = kind, len(content)
    block = content.ljust(-(-len(content) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE, b"\0")
    return gzip.compress((header.tobuf(tarfile.GNU_FORMAT) + block) * count + bytes(1024))


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
@pytest.mark.parametrize(("count", "content"), [(5000, b"13 path=abcd\n"), (1, bytes(20 << 20))])
def test_headers_without_end_cost_neither_the_memory_nor_the_program(
    kind: bytes, count: int, content: bytes
) -> None:
    archive = headers_of_headers(kind, count, content)
    del content
    tracemalloc.start()
    try:
        with pytest.raises(CaptureError, match="a header in it is longer"):
            read_archive(io.BytesIO(archive))
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["manifest_json", "answers_json"])
def test_a_document_that_is_nested_without_end_is_a_damaged_capture(name: str) -> None:
    manifest = msgspec.json.encode(MANIFEST)
    deep = b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    with pytest.raises(CaptureError, match="damaged capture"):
        read_archive(io.BytesIO(tar_of(**{"manifest_json": manifest, name: deep})))


def test_a_capture_of_no_known_time_is_a_damaged_one() -> None:
    file = io.BytesIO()
    write_archive(Archive(Manifest(bee_version="1", host_name="", captured_at="2026-11-22 10:00")), file)
    file.seek(0)
    with pytest.raises(OfflineError, match="no time zone"):
        replay(file, ())


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("18446744073709551615", (1 << 64) - 1),
        ("-1", -1),
        ("0x1003", 0x1003),
        ("18446744073709551616", None),
        ("0x" + "f" * 5000, None),
        ("9" * 5000, None),
        ("1e9", None),
    ],
)
def test_a_number_that_no_kernel_writes_is_none(text: str, number: int | None) -> None:
    entry = Entry(name="eth0", path="/eth0", real_path="/eth0", files={"mtu": text.encode()}, links={})
    assert entry.integer("mtu") == number


def test_a_document_longer_than_any_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bee_machine.archive.DOCUMENT_LIMIT_BYTES", 1 << 10)
    answers = b'{"hung": [' + b'"a",' * 1000 + b'"a"]}'
    with pytest.raises(CaptureError, match=r"answers\.json in it is longer"):
        read_archive(io.BytesIO(tar_of(manifest_json=msgspec.json.encode(MANIFEST), answers_json=answers)))


def whole_capture() -> bytes:
    file = io.BytesIO()
    write_archive(Archive(MANIFEST, files={"/sys/a": b"1" * 200}), file)
    return file.getvalue()


WHOLE = whole_capture()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cut=st.integers(0, len(WHOLE) - 1), place=st.integers(0, len(WHOLE) - 1), value=st.integers(0, 255))
def test_a_damaged_capture_is_refused_or_read_but_nothing_else(cut: int, place: int, value: int) -> None:
    damaged = bytearray(WHOLE)
    damaged[place] = value
    for content in (bytes(damaged), WHOLE[:cut]):
        try:
            read_archive(io.BytesIO(content))
        except CaptureError:
            continue


def test_members_are_named_after_what_they_hold(tmp_path: Path) -> None:
    path = tmp_path / "capture.tar.gz"
    with path.open("wb") as file:
        write_archive(Archive(MANIFEST, files={"/sys/firmware/dmi/tables/DMI": b"x"}), file)
    with tarfile.open(path) as tar:
        assert tar.getnames() == ["manifest.json", "answers.json", "files/sys/firmware/dmi/tables/DMI"]
