"""Network adapters: ports that are fine, ports without a cable, and one fault at a time."""

import errno
import socket
from collections.abc import Mapping
from dataclasses import replace

import pytest

from bee_audit.collectors import network as collector
from bee_audit.rules import network as rules
from bee_audit.rules.thresholds import built_in
from bee_bus.documents.audit import Finding, Hardware, Summary
from bee_bus.documents.network import NetworkInterface, NetworkSection
from bee_machine import ControlError
from bee_machine.controls import OPERATIONS, ethtool
from lab.ethtool import (
    AUTONEGOTIATION,
    GIGABIT,
    HALF,
    HUNDRED_GIGABIT,
    MEGABITS_100,
    TEN_GIGABIT,
    TWENTY_FIVE_GIGABIT,
    Driver,
    Drivers,
    qsfp28,
)
from lab.machine import FakeMachine

UNJUDGED = Summary(verdict="Unknown", failure_count=0, warning_count=0, unknown_count=0, findings=())
E810 = Driver(
    speed=25000, supported=(AUTONEGOTIATION, TEN_GIGABIT, TWENTY_FIVE_GIGABIT), partner=(TWENTY_FIVE_GIGABIT,)
)


class Network:
    """The network part of a machine, built port by port."""

    def __init__(self) -> None:
        self.files: dict[str, str | bytes] = {}
        self.links: dict[str, str] = {}
        self.drivers: dict[str, Driver | OSError] = {}

    def port(
        self,
        name: str,
        *,
        address: str = "0000:3b:00.0",
        driver: Driver | OSError | None = E810,
        mac: str = "0c:42:a1:00:00:01",
        speed: int | None = 25000,
        carrier: bool = True,
        bus: str = "pci",
        virtual_function: bool = False,
        ids: tuple[int, int] = (0x8086, 0x159B),
        more: Mapping[str, str] | None = None,
    ) -> "Network":
        device = f"/sys/devices/pci0000:3a/0000:3a:01.0/{address}"
        folder = f"{device}/net/{name}"
        self.links[f"/sys/class/net/{name}"] = f"../../{folder.removeprefix('/sys/')}"
        self.links[f"{folder}/device"] = f"../../../{address}"
        self.links[f"{device}/driver"] = "../../../../bus/pci/drivers/ice"
        self.links[f"{device}/subsystem"] = f"../../../../bus/{bus}"
        if virtual_function:
            self.links[f"{device}/physfn"] = "../0000:3b:00.0"
        for file, number in zip(("vendor", "device"), ids, strict=True):
            self.files[f"{device}/{file}"] = f"{number:#06x}\n"
        contents = {
            "address": mac,
            "addr_assign_type": "0",
            "type": "1",
            "flags": "0x1003",
            "carrier": str(int(carrier)),
            "operstate": "up" if carrier else "down",
            "mtu": "1500",
            "dev_port": "0",
            "carrier_down_count": "1",
            "statistics/rx_packets": "1000000",
            "statistics/rx_crc_errors": "0",
            "statistics/rx_errors": "0",
            **({"speed": str(speed), "duplex": "full"} if speed is not None else {}),
            **(more or {}),
        }
        self.files |= {f"{folder}/{file}": f"{content}\n" for file, content in contents.items()}
        if driver is not None:
            self.drivers[name] = driver
        return self

    def infiniband(self, name: str = "mlx5_0", **port: str) -> "Network":
        device = "/sys/devices/pci0000:3a/0000:3a:02.0/0000:3c:00.0"
        folder = f"{device}/infiniband/{name}"
        self.links[f"/sys/class/infiniband/{name}"] = f"../../{folder.removeprefix('/sys/')}"
        self.links[f"{folder}/device"] = "../../../0000:3c:00.0"
        self.files |= {f"{device}/vendor": "0x15b3\n", f"{device}/device": "0x101b\n"}
        self.files |= {
            f"{folder}/fw_ver": "20.35.2000\n",
            f"{folder}/board_id": "MT_0000000228\n",
            f"{folder}/node_guid": "0c42:a103:0012:3456\n",
        }
        contents = {
            "state": "4: ACTIVE",
            "phys_state": "5: LinkUp",
            "rate": "200 Gb/sec (4X HDR)",
            "link_layer": "InfiniBand",
            "lid": "0x11",
            "counters/symbol_error": "0",
            **port,
        }
        self.files |= {f"{folder}/ports/1/{file}": f"{text}\n" for file, text in contents.items()}
        return self

    def machine(self) -> FakeMachine:
        return FakeMachine(
            files=self.files, links=self.links, controls={ethtool.OPERATION: Drivers(**self.drivers)}
        )

    async def section(self) -> NetworkSection:
        section = await collector.collect(self.machine())
        assert section is not None
        return section

    async def findings(self) -> list[Finding]:
        hardware = Hardware(summary=UNJUDGED, network=await self.section())
        return [finding for rule in rules.RULES for finding in rule(hardware, built_in())]

    async def judged(self) -> list[tuple[str, str]]:
        return [(finding.rule, finding.component) for finding in await self.findings()]


async def test_a_machine_without_interfaces_has_no_section() -> None:
    machine = FakeMachine(files={"/sys/class/net/lo/type": "772\n", "/sys/class/net/lo/mtu": "65536\n"})
    assert await collector.collect(machine) is None


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


async def test_a_plugged_cable_is_named() -> None:
    network = Network().port("eth0", driver=replace(E810, module=qsfp28()))
    (port,) = (await network.section()).interfaces
    assert port.transceiver and port.transceiver.part_number == "MCP1600-C003E30L"


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


async def test_a_driver_that_knows_nothing_is_no_problem() -> None:
    network = Network().port("eth0", driver=ControlError(errno.EOPNOTSUPP, "eth0: not supported"))
    section = await network.section()
    assert section.problems == () and section.interfaces[0].firmware is None


async def test_a_healthy_infiniband_port_has_no_finding() -> None:
    network = Network().infiniband()
    (adapter,) = (await network.section()).infiniband
    assert (adapter.firmware, adapter.pci_address) == ("20.35.2000", "0000:3c:00.0")
    (port,) = adapter.ports
    assert (port.state, port.rate_gbps, port.lanes, port.signaling) == ("ACTIVE", 200.0, 4, "HDR")
    assert await network.findings() == []


async def test_an_infiniband_port_on_one_lane_warns() -> None:
    network = Network().infiniband(rate="50 Gb/sec (1X HDR)")
    assert await network.judged() == [("network.infiniband-narrow", "network/mlx5_0")]


async def test_an_infiniband_port_with_a_cable_and_no_link_warns() -> None:
    down = {"state": "1: DOWN", "phys_state": "2: Polling", "rate": "10 Gb/sec (4X SDR)"}
    without = Network().infiniband(**down)
    assert await without.findings() == []
    device = "/sys/devices/pci0000:3a/0000:3a:02.0/0000:3c:00.0"
    plugged = Network().infiniband(**down)
    plugged.files[f"{device}/net/ib0/type"] = "32\n"
    plugged.links |= {
        "/sys/class/net/ib0": f"../../{device.removeprefix('/sys/')}/net/ib0",
        f"{device}/net/ib0/device": "../../../0000:3c:00.0",
        f"{device}/subsystem": "../../../../bus/pci",
    }
    plugged.drivers["ib0"] = Driver(module=qsfp28())
    (finding,) = await plugged.findings()
    assert finding.rule == "network.infiniband-down" and "MCP1600" in finding.message


async def test_infiniband_errors_warn_above_their_threshold() -> None:
    assert await Network().infiniband(**{"counters/symbol_error": "7"}).findings() == []
    (finding,) = await Network().infiniband(**{"counters/symbol_error": "900"}).findings()
    assert finding.rule == "network.infiniband-errors" and finding.value == 900


async def test_an_infiniband_port_slower_than_its_peer_warns() -> None:
    network = Network().infiniband("mlx5_0").infiniband("mlx5_1", rate="100 Gb/sec (4X EDR)")
    assert await network.judged() == [("network.infiniband-unlike-peers", "network/mlx5_1")]


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
    assert rules.where(interface, Hardware(summary=UNJUDGED)) == "eth0"
