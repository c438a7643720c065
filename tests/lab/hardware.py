"""What an emulated server is made of, said once: QEMU, its firmware tables and its BMC are made from it, and
tests compare what an audit says with it.

All makers, names and serials are invented; the shapes are those of a two-socket GPU server.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from lab import fru
from lab.bmc import Bmc
from lab.sdr import (
    ControllerLocator,
    DiscreteSensor,
    Entity,
    FruLocator,
    SensorType,
    ThresholdSensor,
    Unit,
)

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True)
class Nvme:
    """``port``: the root port that it is behind; None: a device of the root complex itself."""

    serial: str
    size_bytes: int = 4 * GIB
    port: str | None = None


@dataclass(frozen=True)
class Sata:
    serial: str
    model: str
    wwn: int
    firmware: str = "SN05"
    size_bytes: int = 2 * GIB
    rotation_rpm: int = 7200


@dataclass(frozen=True)
class Scsi:
    """A SAS-like disk behind a host adapter."""

    serial: str
    vendor: str
    product: str
    wwn: int
    firmware: str = "B01"
    size_bytes: int = 2 * GIB


@dataclass(frozen=True)
class Nic:
    name: str  # of the QEMU device
    mac: str
    port: str | None = None
    link_up: bool = True


@dataclass(frozen=True)
class RootPort:
    """A PCIe slot of the board; ``speed_gts`` and ``width`` are what the port can do."""

    name: str
    slot_name: str
    number: int
    speed_gts: str  # as QEMU says it: 2_5, 5, 8, 16
    width: int


@dataclass(frozen=True)
class Dimm:
    locator: str
    bank: str
    size_mib: int = 512
    vendor: str = "Hynix"
    serial: str = ""
    part_number: str = "HMCG88AGBRA193N"
    speed_mt_s: int = 4800
    configured_mt_s: int = 4800


@dataclass(frozen=True)
class Board:
    vendor: str = "Apiary Systems"
    product: str = "AS-4124GO"
    version: str = "2.1"
    serial: str = "AP24K00317"
    uuid: str = "7c1e9a02-5d44-4be0-9f0e-0242be000317"
    sku: str = "AS-4124GO-8SXM"
    family: str = "Hive"
    board_product: str = "H13DSG"
    board_serial: str = "WM24AS600123"
    chassis_serial: str = "C4124AK31700045"
    asset_tag: str = "RACK7-U12"
    bios_vendor: str = "American Megatrends International, LLC."
    bios_version: str = "1.4b"
    bios_date: str = "03/18/2024"


@dataclass(frozen=True)
class Cpu:
    socket: str
    vendor: str = "Intel(R) Corporation"
    model: str = "Intel(R) Xeon(R) Platinum 8480+"
    serial: str = ""
    cores: int = 1
    threads: int = 1
    speed_mhz: int = 2100


@dataclass(frozen=True)
class Onboard:
    """A device that the firmware's table lists; ``device``: the bus and device number it names."""

    name: str
    device_type: int  # SMBIOS 3.7 table 123: 5 Ethernet
    device: tuple[int, int]


@dataclass(frozen=True)
class Server:
    """A whole machine."""

    name: str
    board: Board
    cpus: tuple[Cpu, ...]
    dimms: tuple[Dimm, ...]  # a size of 0 is an empty slot
    root_ports: tuple[RootPort, ...] = ()
    nvmes: tuple[Nvme, ...] = ()
    satas: tuple[Sata, ...] = ()
    scsis: tuple[Scsi, ...] = ()
    nics: tuple[Nic, ...] = ()
    onboard: tuple[Onboard, ...] = ()
    bmc: Callable[[], Bmc] | None = None

    @property
    def memory_bytes(self) -> int:
        return sum(dimm.size_mib for dimm in self.dimms) * MIB

    def bus_of(self, port: str) -> int:
        """The bus behind a root port: firmware numbers them in the order of the ports."""
        return 1 + [each.name for each in self.root_ports].index(port)


PSU_SERIALS = ("P2K2ACL37HT0815", "P2K2ACL37HT0816")
CHASSIS_PART, PRODUCT_SERIAL = "CSE-418G2TS-R3K", "AP24K00317"


def bmc() -> Bmc:
    """The BMC of the reference server: all in order."""
    temperature_limits = {
        "upper_noncritical": 85,
        "upper_critical": 95,
        "upper_nonrecoverable": 100,
        "lower_critical": 5,
    }
    fan_limits = {"lower_critical": 5, "lower_nonrecoverable": 3}
    volt_limits = {"lower_critical": 108, "upper_critical": 132}

    def temperature(number: int, name: str, raw: int, entity: Entity, instance: int = 1) -> ThresholdSensor:
        return ThresholdSensor(
            number,
            name,
            SensorType.TEMPERATURE,
            Unit.DEGREES_C,
            raw,
            entity=entity,
            instance=instance,
            thresholds=dict(temperature_limits),
        )

    def fan(number: int, name: str, raw: int) -> ThresholdSensor:
        return ThresholdSensor(
            number,
            name,
            SensorType.FAN,
            Unit.RPM,
            raw,
            multiplier=100,
            entity=Entity.FAN,
            thresholds=dict(fan_limits),
        )

    return Bmc(
        sensors=[
            temperature(1, "CPU1 Temp", 41, Entity.PROCESSOR, 1),
            temperature(2, "CPU2 Temp", 43, Entity.PROCESSOR, 2),
            temperature(3, "Inlet Temp", 24, Entity.AIR_INLET),
            fan(4, "FAN1", 84),
            fan(5, "FAN2", 86),
            ThresholdSensor(
                6,
                "12V",
                SensorType.VOLTAGE,
                Unit.VOLTS,
                120,
                exponent=-1,
                thresholds=volt_limits,
            ),
            ThresholdSensor(
                7,
                "PSU1 Input Power",
                SensorType.OTHER_UNITS,
                Unit.WATTS,
                61,
                multiplier=10,
                entity=Entity.POWER_SUPPLY,
            ),
            DiscreteSensor(8, "PS1 Status", SensorType.POWER_SUPPLY, 0x01, 0x0F, Entity.POWER_SUPPLY, 1),
            DiscreteSensor(9, "PS2 Status", SensorType.POWER_SUPPLY, 0x01, 0x0F, Entity.POWER_SUPPLY, 2),
        ],
        locators=[
            ControllerLocator("BMC"),
            FruLocator(1, "PSU1 FRU", Entity.POWER_SUPPLY, 1),
            FruLocator(2, "PSU2 FRU", Entity.POWER_SUPPLY, 2),
        ],
        frus={
            0: fru.image(
                chassis=fru.Chassis(CHASSIS_PART, REFERENCE_BOARD.chassis_serial),
                board=fru.Board(
                    REFERENCE_BOARD.vendor,
                    REFERENCE_BOARD.board_product,
                    REFERENCE_BOARD.board_serial,
                    "MBD-H13DSG",
                ),
                product=fru.Product(
                    REFERENCE_BOARD.vendor,
                    REFERENCE_BOARD.product,
                    "AS-4124GO-8SXM",
                    REFERENCE_BOARD.version,
                    PRODUCT_SERIAL,
                    REFERENCE_BOARD.asset_tag,
                ),
            ),
            **{
                number: fru.image(
                    product=fru.Product("Ablecom", "PWS-2K20A-1R", "PWS-2K20A-1R", "1.2", serial),
                    power_supply=fru.PowerSupply(2200),
                )
                for number, serial in enumerate(PSU_SERIALS, start=1)
            },
        },
    )


REFERENCE_BOARD = Board()

_DIMMS = tuple(
    Dimm(
        locator=f"P{1 + index // 4}-DIMM{'ABCDEFGH'[index]}1",
        bank=f"P{index // 4}_Node{index // 4}_Channel{index % 4}_Dimm0",
        serial=f"80AD0124{0x3A5C10 + index:06X}",
    )
    for index in range(8)
)

REFERENCE = Server(
    name="reference",
    board=REFERENCE_BOARD,
    cpus=(Cpu("CPU1", serial="7F31A2C044E1B901"), Cpu("CPU2", serial="7F31A2C044E1B902")),
    dimms=_DIMMS,
    root_ports=(
        RootPort("rp1", "SLOT1 NVMe0", 1, "8", 4),
        RootPort("rp2", "SLOT2 PCIe5.0 x16", 2, "16", 16),
    ),
    nvmes=(Nvme("S6EWNA0R700123", port="rp1"), Nvme("S6EWNA0R700124", size_bytes=8 * GIB)),
    satas=(
        Sata("ZRT0A1B2", "ST2000NM0055-1V4104", 0x5000C500A1B2C3D4),
        Sata("ZRT0A1B3", "ST2000NM0055-1V4104", 0x5000C500A1B2C3D5),
    ),
    nics=(
        Nic("nic0", "52:54:00:be:e0:10", port="rp2"),
        Nic("nic1", "52:54:00:be:e0:11", link_up=False),
    ),
    onboard=(Onboard("Onboard LAN1", 5, (2, 0)),),
    bmc=bmc,
)


def faulty_bmc() -> Bmc:
    """One power supply lost its input, and the log says so; one CPU is over its critical limit."""
    broken = bmc()
    hot = broken.sensor("CPU2 Temp")
    assert isinstance(hot, ThresholdSensor)
    hot.raw = 97
    unplugged = broken.sensor("PS2 Status")
    assert isinstance(unplugged, DiscreteSensor)
    unplugged.states = 0x09  # present, input lost (IPMI 2.0 table 42-3, offsets 0 and 3)
    broken.add_event(
        bytes((0, 0, 2, 0, 0, 0, 0, 0x20, 0, 4, SensorType.POWER_SUPPLY, 9, 0x6F, 3, 0xFF, 0xFF))
    )
    return broken


# The same machine as a bad week leaves it. Every difference from the reference is a fault to be found.
FAULTY = replace(
    REFERENCE,
    name="faulty",
    dimms=(
        *_DIMMS[:5],
        replace(_DIMMS[5], size_mib=0, serial="", vendor="", part_number="", speed_mt_s=0, configured_mt_s=0),
        replace(_DIMMS[6], configured_mt_s=4400),
        replace(_DIMMS[7], size_mib=1024, vendor="Micron", part_number="MTC20F2085S1RC48BA1"),
    ),
    onboard=(*REFERENCE.onboard, Onboard("Onboard LAN2", 5, (0, 0x1D))),
    bmc=faulty_bmc,
)


def large_bmc() -> Bmc:
    """As many sensors as a server with eight GPUs has; SDR, readings and names cost what they cost there."""
    large = bmc()
    for number in range(20, 116):
        large.sensors.append(
            ThresholdSensor(
                number,
                f"Sensor {number}",
                SensorType.TEMPERATURE,
                Unit.DEGREES_C,
                30 + number % 20,
                instance=number,
                thresholds={"upper_noncritical": 85, "upper_critical": 95},
            )
        )
    return large


# A storage server for the benchmark: 8 NVMe, 6 SATA and 10 SCSI disks.
STORAGE = replace(
    REFERENCE,
    name="storage",
    nvmes=(
        Nvme("S6EWNA0R700200", port="rp1"),
        *(Nvme(f"S6EWNA0R7002{number:02}") for number in range(1, 8)),
    ),
    satas=tuple(
        Sata(f"ZRT0B{number:03}", "ST2000NM0055-1V4104", 0x5000C500B0000000 + number) for number in range(6)
    ),
    scsis=tuple(
        Scsi(f"X0L0{number:04}", "HGST", "HUS726T4TAL5204", 0x5000CCA2B0000000 + number)
        for number in range(10)
    ),
    bmc=large_bmc,
)
