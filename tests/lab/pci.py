"""PCI devices made for tests: their configuration space, and the sysfs that a kernel shows of them.

Registers are laid out by the standard (PCI 3.0, PCIe 6.0), not by the decoder under test.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lab.machine import ControlAnswer, FakeMachine, Hang
from lab.smbios import entry_point_3

SPEED_CODES = {2.5: 1, 5.0: 2, 8.0: 3, 16.0: 4, 32.0: 5, 64.0: 6}
ENDPOINT, ROOT_PORT, UPSTREAM, DOWNSTREAM, INTEGRATED, EVENT_COLLECTOR = 0, 4, 5, 6, 9, 10

EXPRESS_AT, AER_AT, SERIAL_AT, PHY16_AT, PHY32_AT, DPC_AT = 0x40, 0x100, 0x148, 0x160, 0x1A0, 0x1E0
PHY64_AT, DEVICE3_AT = 0x200, 0x240
RX_ERROR, BAD_TLP = 1 << 0, 1 << 6
COMPLETION_TIMEOUT, MALFORMED_TLP, UNSUPPORTED_REQUEST = 1 << 14, 1 << 18, 1 << 20


@dataclass(frozen=True)
class Link:
    """``equalized``: the speeds at which equalization is complete."""

    speed: float = 16.0
    width: int = 16
    max_speed: float = 16.0
    max_width: int = 16
    target: float | None = None
    equalized: tuple[float, ...] = (8.0, 16.0)
    active: bool | None = None  # data link layer, of ports that report it
    skips: tuple[float, ...] = ()  # speeds below the highest that are not supported
    trained_width: int | None = None  # in flit mode with L0p: what the width was before lanes went to rest


@dataclass(frozen=True)
class Device:
    """One function. ``bus``: the bus below a bridge."""

    address: str  # "0000:3b:00.0"
    vendor: int = 0x8086
    device: int = 0x1234
    device_class: int = 0x020000
    revision: int = 1
    subsystem: tuple[int, int] = (0, 0)
    kind: int | None = ENDPOINT  # None: conventional PCI
    link: Link | None = field(default_factory=Link)
    bus: int | None = None
    slot: int | None = None
    card_present: bool = False
    device_status: int = 0
    uncorrectable: int = 0
    uncorrectable_mask: int = 0
    uncorrectable_severity: int = 0x00462030  # 1: fatal; as after a reset
    correctable: int = 0
    serial: int | None = None
    contained: bool = False
    driver: str | None = None
    vpd: bytes | OSError | Hang | None = None
    aer: Mapping[str, Mapping[str, int]] | None = (
        None  # "correctable" and so on to counters, as of the kernel
    )
    power_state: str = "D0"
    lost: bool = False
    virtual_function_of: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)  # more files of sysfs
    config: bytes | None = None  # instead of registers made from all this

    @property
    def domain(self) -> str:
        return self.address.split(":")[0]

    @property
    def own_bus(self) -> int:
        return int(self.address.split(":")[1], 16)

    @property
    def is_bridge(self) -> bool:
        return self.device_class >> 8 == 0x0604


def port(address: str, bus: int, *, kind: int = ROOT_PORT, link: Link | None = None) -> Device:
    """A port of the board with the bus below it."""
    return Device(
        address=address,
        device=0x347A,
        device_class=0x060400,
        kind=kind,
        link=link or Link(),
        bus=bus,
        driver="pcieport",
    )


def config_space(device: Device, size: int = 4096) -> bytes:
    """The device's configuration space."""
    if device.config is not None:
        return device.config
    if device.lost:
        return b"\xff" * size
    data = bytearray(4096)
    header = 1 if device.is_bridge else 0
    has_chain = device.kind is not None
    struct.pack_into("<HHHH", data, 0, device.vendor, device.device, 0x0406, 0x10 if has_chain else 0)
    struct.pack_into("<I", data, 8, device.device_class << 8 | device.revision)
    data[0x0E] = header
    if header:
        data[0x18:0x1B] = bytes((device.own_bus, device.bus or 0, device.bus or 0))
    else:
        struct.pack_into("<HH", data, 0x2C, *device.subsystem)
    if has_chain:
        data[0x34] = EXPRESS_AT
        _express(data, device)
        _extended(data, device)
    return bytes(data[:size])


def _express(data: bytearray, device: Device) -> None:
    at = EXPRESS_AT
    flags = 2 | (device.kind or 0) << 4 | (0x100 if device.slot is not None else 0)
    struct.pack_into("<BBH", data, at, 0x10, 0, flags)
    struct.pack_into("<IHH", data, at + 0x04, 0x8001, 0x2810, device.device_status)
    link = device.link
    if link is not None and device.kind != INTEGRATED:
        leads_down = device.kind in (ROOT_PORT, DOWNSTREAM)
        reports = 1 << 20 if leads_down else 0
        active = link.width > 0 if link.active is None else link.active
        capabilities = SPEED_CODES[link.max_speed] | link.max_width << 4 | reports
        status = SPEED_CODES[link.speed] | link.width << 4 | (1 << 13 if leads_down and active else 0)
        struct.pack_into("<IHH", data, at + 0x0C, capabilities, 0x40, status)
        vector = (1 << SPEED_CODES[link.max_speed]) - 1
        vector &= ~sum(1 << SPEED_CODES[speed] - 1 for speed in link.skips)
        target = SPEED_CODES[link.target or link.max_speed]
        struct.pack_into("<IHH", data, at + 0x2C, vector << 1, target, 0x1E if 8.0 in link.equalized else 0)
    if device.slot is not None:
        struct.pack_into("<I", data, at + 0x14, device.slot << 19 | 75 << 7 | 0x60)
        struct.pack_into("<H", data, at + 0x1A, 0x40 if device.card_present else 0)


def _extended(data: bytearray, device: Device) -> None:
    """Every capability stands at its own place, so that each leads to the next of those that are there."""
    link = device.link
    capabilities: list[tuple[int, int, bytes]] = [
        (
            AER_AT,
            0x01,
            struct.pack(
                "<IIIII",
                device.uncorrectable,
                device.uncorrectable_mask,
                device.uncorrectable_severity,
                device.correctable,
                0x2000,
            ),
        )
    ]
    if device.serial is not None:
        capabilities.append((SERIAL_AT, 0x03, struct.pack("<Q", device.serial)))
    if link is not None and link.max_speed >= 16.0:
        status = 0x0F if 16.0 in link.equalized else 0
        capabilities.append((PHY16_AT, 0x26, struct.pack("<IIII", 0, 0, status, 0)))
    if link is not None and link.max_speed >= 32.0:
        status = 0x0F if 32.0 in link.equalized else 0
        capabilities.append((PHY32_AT, 0x2A, struct.pack("<III", 0, 0, status)))
    if device.kind in (ROOT_PORT, DOWNSTREAM):
        source = 0x3B00
        capabilities.append(
            (DPC_AT, 0x1D, struct.pack("<HHHH", 0, 0, 0x1F05 if device.contained else 0x1F00, source))
        )
    if link is not None and link.max_speed >= 64.0:
        status = 0x0F if 64.0 in link.equalized else 0
        capabilities.append((PHY64_AT, 0x31, struct.pack("<III", 0, 0, status)))
    if link is not None and link.trained_width is not None:
        l0p = 1 << 3
        initial = link.trained_width.bit_length() - 1  # 0 is x1, 4 is x16
        capabilities.append((DEVICE3_AT, 0x2F, struct.pack("<III", l0p, l0p, initial)))
    for index, (offset, number, body) in enumerate(capabilities):
        following = capabilities[index + 1][0] if index + 1 < len(capabilities) else 0
        struct.pack_into("<I", data, offset, number | 1 << 16 | following << 20)
        data[offset + 4 : offset + 4 + len(body)] = body


def machine_with(
    devices: Iterable[Device],
    *,
    config_bytes: int = 4096,
    slots: Iterable[bytes] = (),
    files: Mapping[str, str | bytes | OSError | Hang] | None = None,
    links: Mapping[str, str] | None = None,
    asks: Mapping[str, bytes | OSError] | None = None,
    controls: Mapping[str, ControlAnswer] | None = None,
) -> FakeMachine:
    """A machine with these devices, and SMBIOS with the structures ``slots``."""
    machine = FakeMachine(files=files, links=links, asks=asks, controls=controls)
    listed = list(devices)
    above = {(each.domain, each.bus): each for each in listed if each.bus is not None}

    def path(device: Device) -> str:
        bridge = above.get((device.domain, device.own_bus))
        top = f"/sys/devices/pci{device.domain}:{device.own_bus:02x}"
        return f"{path(bridge) if bridge else top}/{device.address}"

    for device in listed:
        folder = path(device)
        machine.links[f"/sys/bus/pci/devices/{device.address}"] = f"../../..{folder.removeprefix('/sys')}"
        machine.files |= {f"{folder}/{name}": content for name, content in _files(device).items()}
        machine.files[f"{folder}/config"] = config_space(device, config_bytes)
        if device.driver is not None:
            machine.links[f"{folder}/driver"] = f"../../../../bus/pci/drivers/{device.driver}"
        if device.virtual_function_of is not None:
            machine.links[f"{folder}/physfn"] = f"../{device.virtual_function_of}"
    table = b"".join((*slots, b"\x7f\x04\xff\xff\0\0"))
    if slots:
        machine.files["/sys/firmware/dmi/tables/DMI"] = table
        machine.files["/sys/firmware/dmi/tables/smbios_entry_point"] = entry_point_3(len(table))
    return machine


def _files(device: Device) -> dict[str, str | bytes | OSError | Hang]:
    files: dict[str, str | bytes | OSError | Hang] = {
        "vendor": f"{device.vendor:#06x}\n",
        "device": f"{device.device:#06x}\n",
        "class": f"{device.device_class:#08x}\n",
        "revision": f"{device.revision:#04x}\n",
        "subsystem_vendor": f"{device.subsystem[0]:#06x}\n",
        "subsystem_device": f"{device.subsystem[1]:#06x}\n",
        "numa_node": "-1\n",
        "power_state": f"{device.power_state}\n",
    }
    if device.kind is not None:
        link = device.link
        known = link is not None and device.kind != INTEGRATED
        files["max_link_speed"] = f"{link.max_speed:.1f} GT/s PCIe\n" if link and known else "Unknown\n"
        files["max_link_width"] = f"{link.max_width}\n" if link and known else "255\n"
        files["current_link_speed"] = f"{link.speed:.1f} GT/s PCIe\n" if link and known else "Unknown\n"
        files["current_link_width"] = f"{link.width}\n" if link and known else "0\n"
    if device.bus is not None:
        files["secondary_bus_number"] = f"{device.bus}\n"
    for kind, counters in (device.aer or {}).items():
        total = {"correctable": "TOTAL_ERR_COR", "nonfatal": "TOTAL_ERR_NONFATAL", "fatal": "TOTAL_ERR_FATAL"}
        names = {"RxErr": 0, **counters, total[kind]: sum(counters.values())}
        files[f"aer_dev_{kind}"] = "".join(f"{name} {count}\n" for name, count in names.items())
    if device.vpd is not None:
        files["vpd"] = device.vpd
    return {**files, **device.extra}


def from_dump(address: str, config: bytes) -> Device:
    """A device of a real dump: its own registers, and the files of sysfs that the kernel makes of them."""
    header = config[0x0E] & 0x7F
    express = _express_at(config) if header < 2 else None
    kind = config[express + 2] >> 4 if express else None
    return Device(
        address=address,
        vendor=_word(config, 0),
        device=_word(config, 2),
        device_class=int.from_bytes(config[9:12], "little"),
        revision=config[8],
        subsystem=(_word(config, 0x2C), _word(config, 0x2E)) if header == 0 else (0, 0),
        kind=kind,
        link=_link(config, express) if express and kind not in (INTEGRATED, EVENT_COLLECTOR) else None,
        bus=config[0x19] if header == 1 else None,
        driver="a-driver",
        config=config,
    )


def _express_at(config: bytes) -> int | None:
    where = config[0x34] & ~3 if config[6] & 0x10 else 0
    for _ in range(48):
        if where == 0 or config[where] == 0x10:
            break
        where = config[where + 1] & ~3
    return where or None


def _link(config: bytes, express: int) -> Link:
    speeds = {code: speed for speed, code in SPEED_CODES.items()}
    capabilities, status = _word(config, express + 0x0C), _word(config, express + 0x12)
    has_second = config[express + 2] & 0xF >= 2
    vector = _word(config, express + 0x2C) >> 1 & 0x7F if has_second else 0
    return Link(
        speed=speeds[status & 0xF],
        width=status >> 4 & 0x3F,
        max_speed=speeds[vector.bit_length() or capabilities & 0xF],
        max_width=capabilities >> 4 & 0x3F,
    )


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little")
