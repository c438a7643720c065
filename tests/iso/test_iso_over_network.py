"""The live system from a web server, by iPXE: nothing is in the machine's drives, and nobody is there."""

import json
from collections.abc import Iterator

import msgspec
import pytest

from bee_bus.documents.audit import Snapshot
from lab import hardware, live_server, netboot
from lab.iso import Image
from lab.live_server import LiveServer
from lab.prerequisites import LIVE, require

pytestmark = [pytest.mark.iso, pytest.mark.timeout(4200)]


@pytest.fixture(scope="module")
def over_network(live_image: Image) -> Iterator[LiveServer]:
    require(*LIVE)
    with live_server.running(live_image, firmware="uefi", medium="network") as booted:
        yield booted


def test_it_comes_up_whole(over_network: LiveServer) -> None:
    assert over_network.run("systemctl --failed --plain --no-legend").stdout == ""
    assert over_network.run("systemctl is-system-running").stdout == "running\n"
    assert over_network.run("hostname").stdout == f"bee-{hardware.REFERENCE.board.serial.lower()}\n"


def test_the_system_lies_in_memory(over_network: LiveServer) -> None:
    """What it was copied from may go away."""
    layers = json.loads(over_network.run("losetup --json --list --output BACK-FILE").stdout)["loopdevices"]
    files = [layer["back-file"] for layer in layers]
    assert len(files) == 3, files  # the image, and the two layers in it
    kinds = over_network.run("findmnt --noheadings --list --output FSTYPE,SOURCE").stdout
    assert "nfs" not in kinds and "/dev/sd" not in kinds and "/dev/nvme" not in kinds, kinds


def test_the_address_is_the_networks_and_there_once(over_network: LiveServer) -> None:
    shown = json.loads(over_network.run("ip -json -4 address show scope global").stdout)
    addresses = [one for card in shown for one in card["addr_info"]]
    assert [one["local"] for one in addresses] == ["10.0.2.15"]
    assert addresses[0]["dynamic"]
    assert over_network.run("resolvectl dns").stdout.count("10.0.2.3") == 1


def test_the_audit_saw_the_machine_as_it_is(over_network: LiveServer) -> None:
    snapshot = msgspec.json.decode(over_network.fetch("/var/log/bee-audit.json"), type=Snapshot)
    assert [finding.message for finding in snapshot.hardware.summary.findings] == []
    assert snapshot.hardware.summary.verdict == "OK"
    assert snapshot.hardware.storage
    serials = {disk.serial for disk in snapshot.hardware.storage.disks}
    told = {disk.serial for disk in hardware.REFERENCE.nvmes}
    assert serials == told | {disk.serial for disk in hardware.REFERENCE.satas}


def test_nothing_but_the_web_server_and_addresses_was_asked_for(over_network: LiveServer) -> None:
    strays = over_network.strays()
    assert strays, "the image came over the wire"
    assert [one for one in strays if f" to {netboot.HOST} port " not in one] == []


def test_no_disk_was_written_to(over_network: LiveServer) -> None:
    assert over_network.changed_disks() == []
    assert set(over_network.writes().values()) == {0}
