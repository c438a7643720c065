"""The network of a machine, built port by port, and what the rules say of it."""

from collections.abc import Mapping

from bee_audit.collectors import network as collector
from bee_audit.rules.network import RULES
from bee_bus.documents.audit import Finding, Hardware
from bee_bus.documents.network import NetworkSection
from bee_bus.documents.pcie import PcieDevice, PcieSection
from bee_machine.controls import ethtool, ethtool_module
from lab.ethtool import AUTONEGOTIATION, TEN_GIGABIT, TWENTY_FIVE_GIGABIT, Driver, Drivers, Pages
from lab.judging import NOT_JUDGED, findings
from lab.machine import ControlAnswer, FakeMachine

E810 = Driver(
    speed=25000, supported=(AUTONEGOTIATION, TEN_GIGABIT, TWENTY_FIVE_GIGABIT), partner=(TWENTY_FIVE_GIGABIT,)
)


class Network:
    """The network part of a machine, built port by port."""

    def __init__(self) -> None:
        self.files: dict[str, str | bytes] = {}
        self.links: dict[str, str] = {}
        self.drivers: dict[str, Driver | OSError] = {}
        self.cards: list[PcieDevice] = []

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

    def card(self, product: str | None) -> "Network":
        """What the InfiniBand adapter's vital product data call it."""
        self.cards.append(
            PcieDevice(
                id="0000:3c:00.0",
                name="adapter",
                vendor_id="15b3",
                device_id="101b",
                class_id="0207",
                product=product,
            )
        )
        return self

    def machine(self) -> FakeMachine:
        controls: dict[str, ControlAnswer] = {
            ethtool.OPERATION: Drivers(**self.drivers),
            ethtool_module.OPERATION: Pages(**self.drivers),
        }
        return FakeMachine(files=self.files, links=self.links, controls=controls)

    async def section(self) -> NetworkSection:
        section = await collector.collect(self.machine())
        assert section is not None
        return section

    async def findings(self) -> list[Finding]:
        pcie = PcieSection(devices=tuple(self.cards)) if self.cards else None
        return findings(Hardware(summary=NOT_JUDGED, network=await self.section(), pcie=pcie), RULES)

    async def judged(self) -> list[tuple[str, str]]:
        return [(finding.rule, finding.component) for finding in await self.findings()]
