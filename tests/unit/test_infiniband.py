"""InfiniBand ports: what is fine, what waits, and what is slower than it should be."""

import pytest

from lab.ethtool import Driver, qsfp28
from lab.network import Network


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


@pytest.mark.parametrize(
    ("product", "rate", "found"),
    [
        ("ConnectX-6 VPI adapter card, HDR IB (200Gb/s) and 200GbE, single-port QSFP56", 100, True),
        ("ConnectX-6 VPI adapter card, HDR IB (200Gb/s) and 200GbE, single-port QSFP56", 200, False),
        ("ConnectX-6 VPI adapter card, 100Gb/s (HDR100, EDR IB and 100GbE), dual-port QSFP56", 100, False),
        ("ConnectX-6 VPI adapter card, HDR 100 InfiniBand (100Gb/s) and 100GbE", 100, False),
        ("ConnectX-6 VPI adapter card, HDR-100 IB (100Gb/s) and 100GbE", 56, True),
        ("NVIDIA ConnectX-7 HHHL adapter Card, 200GbE / NDR200 IB, Dual-port QSFP112", 200, False),
        ("NVIDIA ConnectX-7 Single Port Infiniband NDR OSFP Adapter", 200, True),
        ("ConnectX-6 Single Port HDR200 VPI InfiniBand Adapter", 100, True),
        ("InfiniBand HDR100/Ethernet 100Gb 2-port QSFP56 Adapter", 100, False),
        ("CX556A - ConnectX-5 QSFP28", 56, False),
        (None, 56, False),
    ],
)
@pytest.mark.parametrize("state", ["4: ACTIVE", "2: INIT"])
async def test_an_infiniband_port_slower_than_its_adapter_warns(
    product: str | None, rate: int, found: bool, state: str
) -> None:
    words = {56: "FDR", 100: "EDR", 200: "HDR", 400: "NDR"}
    network = Network().infiniband(rate=f"{rate} Gb/sec (4X {words[rate]})", state=state).card(product)
    told = await network.findings()
    assert [one.rule for one in told] == (["network.infiniband-slow"] if found else [])
    assert not found or f"runs at {rate} Gb/s" in told[0].message


async def test_a_split_port_has_the_speed_of_its_lanes() -> None:
    assert await Network().infiniband(rate="100 Gb/sec (2X HDR)").card("HDR IB").findings() == []


async def test_a_port_that_waits_for_its_subnet_manager_is_judged_as_well() -> None:
    waiting = {"state": "2: INIT", "phys_state": "5: LinkUp"}
    assert await Network().infiniband(rate="50 Gb/sec (1X HDR)", **waiting).judged() == [
        ("network.infiniband-narrow", "network/mlx5_0")
    ]
    network = Network().infiniband("mlx5_0").infiniband("mlx5_1", rate="100 Gb/sec (4X EDR)", **waiting)
    assert await network.judged() == [("network.infiniband-unlike-peers", "network/mlx5_1")]


async def test_a_clouds_adapter_of_no_infiniband_is_not_judged() -> None:
    assert await Network().infiniband(link_layer="Unspecified", rate="25 Gb/sec (1X EDR)").findings() == []
