"""The extended capabilities that tell of a link: how it was trained, and how it fares (PCIe 6.0 §7.7)."""

from construct import Int32ul

from bee_audit.decode.pci_registers import Layout, bits, read
from bee_bus.documents.base import Document


class SecondaryExpress(Document):
    lane_errors: tuple[int, ...] = ()  # lanes that saw an error since last cleared


class PhysicalLayer(Document):
    """Equalization at 16, 32 or 64 GT/s, §7.7.5 to §7.7.7: complete, if the link ran at that speed once."""

    status: tuple[str, ...] = ()
    parity_mismatch_lanes: tuple[int, ...] = ()


class ThirdDevice(Document):
    """Device 3: of links in flit mode, which may rest some of their lanes while idle (L0p)."""

    l0p_enabled: bool
    initial_width: int | None = None  # lanes that the link was trained to; absent for a reserved code


class DataLinkFeature(Document):
    scaled_flow_control: bool
    exchange_enabled: bool
    remote_valid: bool


_SECONDARY = Layout("header" / Int32ul, "control" / Int32ul, "lane_errors" / Int32ul)
_FEATURE = Layout("header" / Int32ul, "local" / Int32ul, "remote" / Int32ul)
_PHYSICAL_16 = Layout(
    "header" / Int32ul,
    "capabilities" / Int32ul,
    "control" / Int32ul,
    "status" / Int32ul,
    "parity_mismatch" / Int32ul,
)
_CAPABILITIES_TO_STATUS = Layout(
    "header" / Int32ul, "capabilities" / Int32ul, "control" / Int32ul, "status" / Int32ul
)


def decode_secondary(data: bytes, offset: int, defects: list[str]) -> SecondaryExpress | None:
    link = read(_SECONDARY, data, offset, "Secondary PCI Express", defects)
    return None if link is None else SecondaryExpress(lane_errors=_lanes(link.lane_errors))


def decode_physical_layer_16(data: bytes, offset: int, defects: list[str]) -> PhysicalLayer | None:
    layer = read(_PHYSICAL_16, data, offset, "Physical Layer 16.0 GT/s", defects)
    if layer is None:
        return None
    return PhysicalLayer(
        status=bits(layer.status, EQUALIZATION), parity_mismatch_lanes=_lanes(layer.parity_mismatch)
    )


def decode_physical_layer_32(data: bytes, offset: int, defects: list[str]) -> PhysicalLayer | None:
    layer = read(_CAPABILITIES_TO_STATUS, data, offset, "Physical Layer 32.0 GT/s", defects)
    return None if layer is None else PhysicalLayer(status=bits(layer.status, EQUALIZATION))


def decode_physical_layer_64(data: bytes, offset: int, defects: list[str]) -> PhysicalLayer | None:
    layer = read(_CAPABILITIES_TO_STATUS, data, offset, "Physical Layer 64.0 GT/s", defects)
    return None if layer is None else PhysicalLayer(status=bits(layer.status, EQUALIZATION))


def decode_third_device(data: bytes, offset: int, defects: list[str]) -> ThirdDevice | None:
    third = read(_CAPABILITIES_TO_STATUS, data, offset, "Device 3", defects)
    if third is None:
        return None
    return ThirdDevice(
        l0p_enabled=bool(third.control & L0P_ENABLE), initial_width=INITIAL_WIDTHS.get(third.status & 7)
    )


def decode_data_link_feature(data: bytes, offset: int, defects: list[str]) -> DataLinkFeature | None:
    feature = read(_FEATURE, data, offset, "Data Link Feature", defects)
    if feature is None:
        return None
    return DataLinkFeature(
        scaled_flow_control=bool(feature.local & 1),
        exchange_enabled=bool(feature.local >> 31),
        remote_valid=bool(feature.remote >> 31),
    )


def _lanes(mask: int) -> tuple[int, ...]:
    return tuple(lane for lane in range(32) if mask >> lane & 1)


# The first five bits of the status are the same at all three speeds.
EQUALIZATION = {0: "EquComplete", 1: "EquPhase1", 2: "EquPhase2", 3: "EquPhase3", 4: "LinkEquRequest"}
L0P_ENABLE = 1 << 3  # Device Control 3
# Device Status 3, lanes.
INITIAL_WIDTHS = {0: 1, 1: 2, 2: 4, 3: 8, 4: 16}
