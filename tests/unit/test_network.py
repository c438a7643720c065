"""Network adapters: ports that are fine, ports without a cable, and one fault at a time."""

import errno
import socket
from dataclasses import replace

import pytest

from bee_audit.collectors import network as collector
from bee_audit.rules.network_ports import where
from bee_bus.documents.audit import Hardware
from bee_bus.documents.network import NetworkInterface
from bee_machine import ControlError
from bee_machine.controls import OPERATIONS, ethtool
from lab.ethtool import GIGABIT, HALF, HUNDRED_GIGABIT, MEGABITS_100, TEN_GIGABIT, Drivers
from lab.judging import NOT_JUDGED
from lab.machine import FakeMachine
from lab.network import E810, Network


async def test_a_machine_without_interfaces_has_no_section() -> None:
    machine = FakeMachine(files={"/sys/class/net/lo/type": "772\n", "/sys/class/net/lo/mtu": "65536\n"})
    assert await collector.collect(machine) is None


async def test_a_machine_whose_only_adapter_shows_no_port_has_a_section_to_say_so() -> None:
    machine = FakeMachine(files={"/sys/bus/pci/devices/0000:3b:00.0/class": "0x020000\n"})
    section = await collector.collect(machine)
    assert section is not None
    assert section.interfaces == ()
    other = FakeMachine(files={"/sys/bus/pci/devices/0000:3b:00.0/class": "0x010802\n"})
    assert await collector.collect(other) is None


async def test_a_healthy_port_tells_all_and_has_no_finding() -> None:
    network = Network().port("eth0", driver=replace(E810, permanent_mac="0c:42:a1:00:00:01"))
    (port,) = (await network.section()).interfaces
    assert port.physical and port.pci_address == "0000:3b:00.0" and port.driver == "ice"
    assert (port.firmware, port.permanent_mac) == ("4.40 0x8001c967 1.3534.0", "0c:42:a1:00:00:01")
    assert (port.speed_mbps, port.max_speed_mbps, port.partner_speed_mbps) == (25000, 25000, 25000)
    assert port.carrier and port.autonegotiation and port.transceiver is None
    assert await network.findings() == []


async def test_a_port_without_a_cable_is_no_finding() -> None:
    network = Network().port("eth0", carrier=False, speed=None, driver=replace(E810, speed=0xFFFFFFFF))
    assert await network.findings() == []


async def test_the_kernels_own_interfaces_are_listed_and_not_judged() -> None:
    network = Network().port("eth0")
    network.files |= {
        "/sys/class/net/docker0/type": "1\n",
        "/sys/class/net/docker0/address": "02:42:00:00:00:00\n",
        "/sys/class/net/docker0/addr_assign_type": "1\n",
    }
    section = await network.section()
    assert [(one.id, one.physical) for one in section.interfaces] == [("docker0", False), ("eth0", True)]
    assert await network.findings() == []


async def test_a_link_slower_than_both_ends_warns() -> None:
    driver = replace(E810, supported=(MEGABITS_100, GIGABIT), partner=(MEGABITS_100, GIGABIT))
    (finding,) = await Network().port("eth0", speed=100, driver=driver).findings()
    assert (finding.rule, finding.value) == ("network.link-slow", 100)
    assert finding.threshold and finding.threshold.value == 1000
    assert "both ends" in finding.message and "0000:3b:00.0" in finding.where


async def test_a_slower_switch_that_says_so_is_no_fault() -> None:
    driver = replace(E810, supported=(GIGABIT, TEN_GIGABIT), partner=(GIGABIT,))
    assert await Network().port("eth0", speed=1000, driver=driver).findings() == []


async def test_a_link_below_the_ports_own_speed_warns_when_the_other_end_is_silent() -> None:
    driver = replace(E810, supported=(HUNDRED_GIGABIT,), partner=())
    assert await Network().port("eth0", speed=25000, driver=driver).judged() == [
        ("network.link-slow", "network/eth0")
    ]


async def test_half_duplex_warns() -> None:
    network = Network().port("eth0", driver=replace(E810, duplex=HALF), more={"duplex": "half"})
    assert await network.judged() == [("network.half-duplex", "network/eth0")]


@pytest.mark.parametrize(
    ("errors", "packets", "found"),
    [(5, 10, False), (500, 20000, True), (500, 10**12, False), (500, 0, True)],
)
async def test_damaged_frames_are_judged_by_their_share(errors: int, packets: int, found: bool) -> None:
    network = Network().port(
        "eth0",
        more={"statistics/rx_crc_errors": str(errors), "statistics/rx_packets": str(packets)},
    )
    assert await network.judged() == ([("network.crc-errors", "network/eth0")] if found else [])


async def test_a_link_that_comes_and_goes_warns() -> None:
    network = Network().port("eth0", more={"carrier_down_count": "31"})
    assert await network.judged() == [("network.link-losses", "network/eth0")]


@pytest.mark.parametrize(
    "mac",
    ["00:00:00:00:00:00", "88:88:88:88:87:88", "a0:36:9f:00:00:00", "ff:ff:ff:ff:ff:ff", "01:42:a1:00:00:01"],
)
async def test_an_address_that_nobody_assigned_warns(mac: str) -> None:
    assert await Network().port("eth0", mac=mac).judged() == [("network.filler-mac", "network/eth0")]


async def test_an_address_that_the_driver_made_up_warns() -> None:
    network = Network().port("eth0", mac="de:ad:3e:12:34:56", more={"addr_assign_type": "1"})
    assert await network.judged() == [("network.filler-mac", "network/eth0")]


async def test_two_adapters_with_one_address_warn_once() -> None:
    network = Network().port("eth0").port("eth1", address="0000:3c:00.0")
    assert await network.judged() == [("network.duplicate-mac", "network/eth1")]


async def test_the_function_behind_a_clouds_interface_shares_its_address() -> None:
    shared = replace(E810, permanent_mac="0c:42:a1:00:00:01")
    network = Network().port("eth0", bus="vmbus", driver=shared)
    network.port("eth1", address="0002:00:02.0", driver=shared)
    folder = "/sys/devices/pci0000:3a/0000:3a:01.0/0002:00:02.0/net/eth1"
    network.links[f"{folder}/master"] = "../../../0000:3b:00.0/net/eth0"
    assert await network.findings() == []


async def test_a_bond_shares_its_address_on_purpose() -> None:
    network = Network()
    for name, address, mac in (
        ("eth0", "0000:3b:00.0", "0c:42:a1:00:00:01"),
        ("eth1", "0000:3c:00.0", "0c:42:a1:00:00:02"),
    ):
        network.port(name, address=address, driver=replace(E810, permanent_mac=mac))
        network.links[f"/sys/devices/pci0000:3a/0000:3a:01.0/{address}/net/{name}/master"] = "../bond0"
    assert [port.bond for port in (await network.section()).interfaces] == ["bond0", "bond0"]
    assert await network.findings() == []


async def test_identical_adapters_with_other_firmware_warn() -> None:
    network = Network()
    for index in range(3):
        firmware = "3.20" if index == 1 else "4.40"
        network.port(
            f"eth{index}",
            address=f"0000:{0x3B + index:02x}:00.0",
            mac=f"0c:42:a1:00:00:1{index}",
            driver=replace(E810, firmware=firmware),
        )
    (finding,) = await network.findings()
    assert (finding.rule, finding.component) == ("network.firmware-unlike-peers", "network/eth1")
    assert finding.value == "3.20" and finding.threshold and finding.threshold.value == "4.40"


async def test_a_port_slower_than_its_peers_warns_when_drivers_do_not_tell_more() -> None:
    silent = replace(E810, supported=(), partner=())
    network = (
        Network()
        .port("eth0", driver=silent)
        .port("eth1", address="0000:3c:00.0", mac="0c:42:a1:00:00:02", driver=silent, speed=10000)
    )
    assert await network.judged() == [("network.speed-unlike-peers", "network/eth1")]


@pytest.mark.parametrize("unknown", ["-1", "65535", "4294967295"])
async def test_a_speed_that_is_not_known_is_none(unknown: str) -> None:
    silent = replace(E810, supported=(), partner=())
    network = Network().port("eth0", driver=silent, more={"speed": unknown})
    network.port("eth1", address="0000:3c:00.0", mac="0c:42:a1:00:00:02", driver=silent, speed=10000)
    assert (await network.section()).interfaces[0].speed_mbps is None
    assert await network.findings() == []


async def test_virtual_functions_and_a_bmcs_usb_link_are_not_judged() -> None:
    network = (
        Network()
        .port("eth0")
        .port("eth0v0", address="0000:3b:01.0", virtual_function=True, more={"addr_assign_type": "1"})
        .port(
            "usb0", address="0000:00:14.0", bus="usb", mac="be:3a:f2:b6:05:9f", more={"addr_assign_type": "1"}
        )
    )
    section = await network.section()
    assert next(one for one in section.interfaces if one.id == "usb0").pci_address is None
    assert await network.findings() == []


async def test_an_adapters_stand_ins_for_its_functions_are_not_judged() -> None:
    made_up = {"addr_assign_type": "1", "phys_port_name": "pf0vf1"}
    network = Network().port("eth0").port("eth0_1", address="0000:3b:00.1", more=made_up)
    assert await network.findings() == []


async def test_a_driver_that_does_not_answer_is_a_named_problem() -> None:
    network = Network().port("eth0", driver=ControlError(errno.ETIMEDOUT, "eth0 did not answer"))
    section = await network.section()
    assert section.problems[0].startswith("eth0 did not answer ethtool")
    assert section.interfaces[0].mac == "0c:42:a1:00:00:01"


async def test_an_interface_that_lost_its_device_is_a_named_problem() -> None:
    network = Network().port("eth0", driver=ControlError(errno.ENODEV, "eth0: No such device"))
    (problem,) = (await network.section()).problems
    assert problem.startswith("eth0 has lost its device")


async def test_an_interface_that_was_renamed_meanwhile_is_no_problem() -> None:
    machine = Network().port("eth0", driver=None).machine()

    class Renaming(Drivers):
        def __call__(self, device: str, request: bytes) -> bytes:
            machine.links["/sys/class/net/ens1"] = machine.links.pop("/sys/class/net/eth0")
            return super().__call__(device, request)

    machine.controls[ethtool.OPERATION] = Renaming()
    section = await collector.collect(machine)
    assert section is not None and section.problems == ()


async def test_a_driver_that_knows_nothing_is_no_problem() -> None:
    network = Network().port("eth0", driver=ControlError(errno.EOPNOTSUPP, "eth0: not supported"))
    section = await network.section()
    assert section.problems == () and section.interfaces[0].firmware is None


def test_this_machines_own_interfaces_answer() -> None:
    """The structures against a real kernel: any interface has a permanent address to ask for."""
    name = next(name for _, name in socket.if_nameindex())
    ask = OPERATIONS[ethtool.OPERATION]
    reply = ask(name, ethtool.permanent_address(), 5.0)
    assert len(reply) == len(ethtool.permanent_address())
    with pytest.raises(ControlError):
        ask("no-such-interface0", ethtool.driver_info(), 5.0)


@pytest.mark.parametrize(
    "request_bytes",
    [b"", b"\x04\0\0\0" * 60, ethtool.module_eeprom(100)[:20], ethtool.permanent_address(6)[:9]],
)
def test_a_request_that_changes_or_overflows_is_refused(request_bytes: bytes) -> None:
    with pytest.raises(ControlError):
        ethtool.ask_interface("lo", request_bytes, 5.0)


def test_an_interface_is_described_without_its_device() -> None:
    interface = NetworkInterface(id="eth0", name="eth0", physical=True)
    assert where(interface, Hardware(summary=NOT_JUDGED)) == "eth0"
