"""The network ports of a machine that has just been switched on, and the patience they are given."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bee_machine import links
from bee_machine.links import Links

UP, DOWN = "0x1003", "0x1002"


@pytest.fixture
def uptime(tmp_path: Path) -> Path:
    return up(tmp_path, 31)


def up(folder: Path, seconds: int) -> Path:
    path = folder / "uptime"
    path.write_text(f"{seconds}.07 44.10\n")
    return path


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes a port in sysfs; its patience is a short one here."""
    for name, seconds in (("PORTS_SECONDS", 3), ("LINK_SECONDS", 0.8), ("LOOK_SECONDS", 0.01)):
        monkeypatch.setattr(links, name, seconds)

    def make(name: str, *, flags: str = UP, carrier: str = "0", kind: str = "1", device: bool = True) -> Path:
        folder = tmp_path / "net" / name
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in (("flags", flags), ("type", kind)):
            (folder / file).write_text(f"{text}\n")
        if flags == UP:  # the kernel refuses to read it of a port that is down
            (folder / "carrier").write_text(f"{carrier}\n")
        if device:
            (folder / "device").mkdir(exist_ok=True)
        return folder

    return make


def waiting(tmp_path: Path, uptime: Path) -> "asyncio.Task[None]":
    return asyncio.ensure_future(Links(tmp_path / "net", uptime).wait())


async def test_a_link_that_comes_late_is_waited_for(
    tmp_path: Path, uptime: Path, port: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "LINK_SECONDS", 60)
    port("eth0", flags=DOWN)
    task = waiting(tmp_path, uptime)
    await asyncio.sleep(0.05)
    assert not task.done()
    port("eth0", carrier="1")
    await asyncio.wait_for(task, 10)


async def test_a_port_without_a_cable_has_its_time_and_no_more(
    tmp_path: Path, uptime: Path, port: Callable[..., Path]
) -> None:
    port("eth0", carrier="1")
    port("eth1")
    task = waiting(tmp_path, uptime)
    await asyncio.sleep(0.05)
    assert not task.done()
    await asyncio.wait_for(task, 10)


async def test_a_port_that_nobody_brings_up_ends_the_patience(
    tmp_path: Path, uptime: Path, port: Callable[..., Path]
) -> None:
    port("eth0", carrier="1")
    port("eth1", flags=DOWN)
    task = waiting(tmp_path, uptime)
    await asyncio.sleep(0.9)
    assert not task.done()
    await asyncio.wait_for(task, 10)


async def test_nobody_waits_for_what_is_no_port(
    tmp_path: Path, uptime: Path, port: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "LINK_SECONDS", 60)
    port("lo", kind="772", device=False)
    port("bond0", device=False)
    port("ib0", kind="32", flags=DOWN)
    port("eth0", carrier="1")
    await asyncio.wait_for(Links(tmp_path / "net", uptime).wait(), 10)


async def test_a_machine_that_has_been_up_is_not_kept(
    tmp_path: Path, port: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "LINK_SECONDS", 60)
    port("eth0")
    await asyncio.wait_for(Links(tmp_path / "net", up(tmp_path, 120)).wait(), 10)


async def test_a_machine_without_a_network_is_not_kept(tmp_path: Path, uptime: Path) -> None:
    await asyncio.wait_for(Links(tmp_path / "none", uptime).wait(), 10)


async def test_who_asks_again_is_kept_only_for_the_rest(
    tmp_path: Path, uptime: Path, port: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "LINK_SECONDS", 60)
    port("eth0")
    watched = Links(tmp_path / "net", uptime)
    watching = asyncio.ensure_future(watched.wait())
    await asyncio.sleep(0.2)
    watching.cancel()
    monkeypatch.setattr(links, "LINK_SECONDS", 0.2)
    began = time.monotonic()
    await asyncio.wait_for(watched.wait(), 10)
    assert time.monotonic() - began < 0.2, "its time had run since it was first seen"


async def test_a_port_that_is_brought_up_anew_has_its_whole_time_again(
    tmp_path: Path, uptime: Path, port: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    port("eth0")
    watched = Links(tmp_path / "net", uptime)
    watching = asyncio.ensure_future(watched.wait())
    await asyncio.sleep(0.5)
    port("eth0", flags=DOWN)
    await asyncio.sleep(0.1)
    port("eth0")
    await asyncio.sleep(0.4)
    assert not watching.done(), "0.9 s since it was first up, less than 0.8 s since it is up again"
    await asyncio.wait_for(watching, 10)


async def test_a_port_whose_driver_comes_late_has_its_time_too(
    tmp_path: Path, uptime: Path, port: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    port("eth0")
    watched = Links(tmp_path / "net", uptime)
    await asyncio.wait_for(watched.wait(), 10)
    monkeypatch.setattr(links, "LINK_SECONDS", 60)
    port("eth1")
    watching = asyncio.ensure_future(watched.wait())
    await asyncio.sleep(0.1)
    assert not watching.done()
    port("eth0", carrier="1")
    port("eth1", carrier="1")
    await asyncio.wait_for(watching, 10)
