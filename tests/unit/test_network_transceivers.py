"""What is plugged into a port: how fast it lets the port be, and what it measures of itself."""

import errno
import struct
from dataclasses import replace

import pytest

from bee_audit.collectors import network as collector
from bee_machine import ControlError
from bee_machine.controls import ethtool, ethtool_module
from lab.ethtool import (
    FIBRE,
    FOUR_HUNDRED_GIGABIT,
    GIGABIT,
    HUNDRED_GIGABIT,
    TEN_GIGABIT,
    TWENTY_FIVE_GIGABIT,
    TWISTED_PAIR,
    Driver,
    Drivers,
    Pages,
    osfp,
    osfp_pages,
    qsfp28,
    sfp,
    with_page_3,
)
from lab.network import E810, Network


async def test_a_plugged_cable_is_named() -> None:
    network = Network().port("eth0", driver=replace(E810, module=qsfp28()))
    (port,) = (await network.section()).interfaces
    assert port.transceiver and port.transceiver.part_number == "MCP1600-C003E30L"


async def test_a_port_is_not_slow_for_a_transceiver_that_cannot_be_faster() -> None:
    """As mlx5 and i40e list them: all that the port can do, whatever is plugged in."""
    listed = replace(E810, supported=(GIGABIT, TEN_GIGABIT, TWENTY_FIVE_GIGABIT), partner=(), port=FIBRE)
    ten_gigabit = replace(listed, module=sfp())
    assert await Network().port("eth0", speed=10000, driver=ten_gigabit).findings() == []
    faster = replace(listed, module=sfp(standard=0x02, bit_rate=(0xFF, 0x67)))
    (finding,) = await Network().port("eth0", speed=10000, driver=faster).findings()
    assert finding.message == "eth0 runs at 10 Gb/s, the port and its transceiver can do 25 Gb/s"
    damaged = replace(listed, module=sfp().replace(b"Intel", b"Inte1"))
    assert await Network().port("eth0", speed=10000, driver=damaged).judged() == [
        ("network.link-slow", "network/eth0")
    ]
    slower = replace(ten_gigabit, speed=1000)
    assert await Network().port("eth0", speed=1000, driver=slower).judged() == [
        ("network.link-slow", "network/eth0")
    ]


@pytest.mark.parametrize(
    ("speed", "port", "module", "found"),
    [
        (1000, TWISTED_PAIR, None, False),
        (2500, TWISTED_PAIR, None, False),
        (100, TWISTED_PAIR, None, True),
        (1000, FIBRE, None, True),
        (1000, FIBRE, sfp(standard=0x16, ten_gigabit=0, connector=0x22), False),
        (100, FIBRE, sfp(standard=0x16, ten_gigabit=0, connector=0x22), True),
    ],
)
async def test_twisted_pair_on_a_network_of_one_gigabit_is_no_fault(
    speed: int, port: int, module: bytes | None, found: bool
) -> None:
    """1 Gb/s takes all four pairs of the cable; with a broken one it is 100 Mb/s."""
    driver = replace(E810, supported=(GIGABIT, TEN_GIGABIT), partner=(), port=port, module=module)
    network = Network().port("eth0", speed=speed, driver=driver)
    assert await network.judged() == ([("network.link-slow", "network/eth0")] if found else [])


async def test_a_transceiver_past_its_own_alarm_warns() -> None:
    driver = replace(E810, supported=(TEN_GIGABIT,), partner=(), module=sfp(temperature=81.5))
    (finding,) = await Network().port("eth0", speed=10000, driver=driver).findings()
    assert (finding.rule, finding.value) == ("network.transceiver-alarm", 81.5)
    assert finding.message == "The transceiver of eth0 is past its own alarm: temperature 81.5 °C (limit 75)"
    assert finding.threshold and (finding.threshold.value, finding.threshold.unit) == (75.0, "°C")
    assert "MVV0DE5" in finding.where


async def test_a_damaged_memory_is_not_believed_in_its_alarms() -> None:
    damaged = sfp(temperature=81.5).replace(b"Intel", b"Inte1")
    driver = replace(E810, supported=(TEN_GIGABIT,), partner=(), module=damaged)
    assert await Network().port("eth0", speed=10000, driver=driver).findings() == []


async def test_light_is_judged_where_there_is_a_link() -> None:
    dark = replace(E810, supported=(TEN_GIGABIT,), partner=(), module=sfp(received_milliwatts=0.0021))
    (finding,) = await Network().port("eth0", speed=10000, driver=dark).findings()
    assert "received power of lane 1 0.0021 mW (limit 0.01)" in finding.message
    assert "Clean" in finding.next_step
    assert await Network().port("eth0", speed=None, carrier=False, driver=dark).findings() == []


async def test_a_lane_without_light_is_judged_where_all_lanes_are_in_use() -> None:
    dim = with_page_3(qsfp28(), transmitted=(21878, 10001, 0, 0))
    driver = replace(E810, supported=(TEN_GIGABIT, HUNDRED_GIGABIT), partner=(HUNDRED_GIGABIT,), module=dim)
    (finding,) = await Network().port("eth0", speed=100000, driver=driver).findings()
    assert finding.rule == "network.transceiver-alarm" and "lane 4" in finding.message
    slow = replace(driver, partner=(TEN_GIGABIT,))
    assert await Network().port("eth0", speed=10000, driver=slow).findings() == []


class Refusing(Drivers):
    """A driver that refuses to read a module beyond its first bytes."""

    def __init__(self, readable: int, **drivers: Driver | OSError) -> None:
        super().__init__(**drivers)
        self.readable = readable
        self.asked: list[tuple[int, int]] = []  # offset and length

    def __call__(self, device: str, request: bytes) -> bytes:
        if request[:4] == ethtool.module_eeprom(0)[:4]:
            _, _, offset, length = struct.unpack_from("=IIII", request)
            self.asked.append((offset, length))
            if offset + length > self.readable:
                raise ControlError(errno.EIO, f"{device}: Input/output error")
        return super().__call__(device, request)


@pytest.mark.parametrize(
    ("readable", "readings", "asked"),
    [
        (640, 14, [(0, 512), (512, 128)]),
        (512, 0, [(0, 512), (512, 128)]),
        (256, 0, [(0, 512), (0, 256)]),
    ],
)
async def test_a_module_that_cannot_be_read_whole_keeps_its_names(
    readable: int, readings: int, asked: list[tuple[int, int]]
) -> None:
    driver = replace(E810, module=with_page_3(qsfp28()))
    machine = Network().port("eth0", driver=driver).machine()
    machine.controls[ethtool.OPERATION] = refusing = Refusing(readable, eth0=driver)
    section = await collector.collect(machine)
    assert section is not None
    module = section.interfaces[0].transceiver
    assert module and module.part_number == "MCP1600-C003E30L" and len(module.readings) == readings
    assert refusing.asked == asked


async def test_a_cable_of_one_page_is_not_asked_for_others() -> None:
    cable = bytearray(with_page_3(qsfp28()))
    cable[2] |= 0x04
    driver = replace(E810, module=bytes(cable))
    machine = Network().port("eth0", driver=driver).machine()
    machine.controls[ethtool.OPERATION] = refusing = Refusing(640, eth0=driver)
    assert await collector.collect(machine) is not None
    assert refusing.asked == [(0, 512)]


OSFP = replace(E810, supported=(FOUR_HUNDRED_GIGABIT,), partner=(), port=FIBRE, pages=(0x02, 0x11))


async def test_a_module_that_is_read_by_pages_only_is_read_too() -> None:
    """As mlx5 reads those with CMIS."""
    machine = Network().port("eth0", speed=400000, driver=replace(OSFP, module=osfp_pages())).machine()
    section = await collector.collect(machine)
    assert section is not None
    module = section.interfaces[0].transceiver
    assert module and (module.part_number, module.max_speed_mbps) == ("MFA7U10-H010", 400000)
    pages = machine.controls[ethtool_module.OPERATION]
    assert isinstance(pages, Pages) and pages.asked == [(0, 0), (0, 128), (0x02, 128), (0x11, 128)]


async def test_a_cable_of_one_page_is_read_by_pages_as_well() -> None:
    machine = Network().port("eth0", driver=replace(OSFP, module=osfp())).machine()
    section = await collector.collect(machine)
    assert section is not None
    module = section.interfaces[0].transceiver
    assert module and module.cable_length_m == 10.0 and module.readings == ()


async def test_optics_of_many_lanes_past_their_alarm_warn() -> None:
    healthy = Network().port("eth0", speed=400000, driver=replace(OSFP, module=osfp_pages()))
    assert await healthy.findings() == []
    dim = replace(OSFP, module=osfp_pages(received=(10000, 10000, 300, 10000)))
    (finding,) = await Network().port("eth0", speed=400000, driver=dim).findings()
    assert "received power of lane 3 0.03 mW (limit 0.0646)" in finding.message
    (slow,) = await Network().port("eth0", speed=200000, driver=dim).findings()
    assert slow.rule == "network.link-slow" and slow.value == 200000


async def test_a_port_without_a_module_is_asked_once() -> None:
    class Empty(Pages):
        def __call__(self, device: str, request: bytes) -> bytes:
            self.asked.append((0, 0))
            raise ControlError(errno.EIO, f"{device}: Input/output error")

    machine = Network().port("eth0").machine()
    machine.controls[ethtool_module.OPERATION] = pages = Empty()
    section = await collector.collect(machine)
    assert section is not None and section.interfaces[0].transceiver is None
    assert len(pages.asked) == 1
