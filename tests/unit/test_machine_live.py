"""The live machine: files that are no plain files."""

import os
from pathlib import Path

import pytest

from bee_bus.documents.base import to_json
from bee_bus.documents.network import NetworkInterface
from bee_machine.live import LiveMachine


async def test_a_device_that_has_nothing_more_to_say_has_been_read_to_its_end(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = os.open(pipe, os.O_RDWR)  # as /dev/kmsg: never at its end, only without a further record
    try:
        os.write(writer, b"6,1,1000,-;Linux version 6.12\n")
        assert await LiveMachine().read_bytes(str(pipe)) == b"6,1,1000,-;Linux version 6.12\n"
        assert await LiveMachine().read_bytes(str(pipe)) == b""
    finally:
        os.close(writer)


@pytest.mark.skipif(not os.access("/dev/kmsg", os.R_OK), reason="this machine's kernel log cannot be read")
async def test_the_kernel_log_is_read_whole() -> None:
    log = await LiveMachine().read_bytes("/dev/kmsg")
    assert log == b"" or log.count(b"\n") > 1


def with_odd_name(folder: Path) -> None:
    odd = folder / os.fsdecode(b"wl\xff")
    odd.mkdir()
    (odd / "type").write_text("1\n")
    (folder / "master").symlink_to(odd.name + "/none")


async def test_a_name_of_any_bytes_can_be_told_and_its_files_are_read(tmp_path: Path) -> None:
    """The kernel takes all bytes but a few for the name of an interface."""
    with_odd_name(tmp_path)
    machine = LiveMachine()
    assert await machine.list_folder(str(tmp_path)) == ("master", r"wl\xff")
    assert await machine.read_link(f"{tmp_path}/master") == r"wl\xff/none"
    (entry,) = await machine.read_entries(str(tmp_path), files=("type",))
    assert (entry.name, entry.real_path, entry.text("type")) == (r"wl\xff", rf"{tmp_path}/wl\xff", "1")
    assert to_json(NetworkInterface(id=entry.name, name=entry.name, physical=False))
