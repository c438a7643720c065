"""The PCI Express capability: what a port or device is, its link, its slot (PCIe 6.0 §7.5.3)."""

from typing import Any

from construct import Int16ul, Int32ul

from bee_audit.decode.pci_registers import SPEEDS_GTPS, Layout, bits, read, speeds
from bee_bus.documents.base import Document


class ExpressDevice(Document):
    """Device Capabilities, Control and Status. Flags are named as lspci names them."""

    max_payload_supported_bytes: int
    max_payload_bytes: int | None = None
    max_read_request_bytes: int | None = None
    capabilities: tuple[str, ...] = ()
    control: tuple[str, ...] = ()
    status: tuple[str, ...] = ()  # "CorrErr", "NonFatalErr", "FatalErr", "UnsupReq": seen since last cleared
    slot_power_limit_watts: float | None = None  # as the slot told an upstream port


class ExpressLink(Document):
    """Link Capabilities, Control and Status, with those of the second set. Speeds in GT/s per lane."""

    port_number: int
    max_width: int
    current_width: int  # 0: the link is down
    max_speed_gtps: float | None = None  # Link Capabilities; some GPUs lower it with the clock
    current_speed_gtps: float | None = None
    supported_speeds_gtps: tuple[float, ...] = ()  # Link Capabilities 2
    target_speed_gtps: float | None = None  # Link Control 2: what software allows
    capabilities: tuple[str, ...] = ()
    aspm_supported: tuple[str, ...] = ()
    aspm_enabled: tuple[str, ...] = ()
    disabled: bool = False
    control: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    status_2: tuple[str, ...] = ()  # "EqualizationComplete": at 8 GT/s, since the link came up


class ExpressSlot(Document):
    """Slot Capabilities, Control and Status of a port that has a slot."""

    number: int
    power_limit_watts: float
    capabilities: tuple[str, ...] = ()
    status: tuple[str, ...] = ()  # "PresDet": a card is present
    changed: tuple[str, ...] = ()
    power_off: bool = False  # by the slot's power controller


class Express(Document):
    version: int
    port_type: str
    interrupt_message: int
    slot_implemented: bool
    device: ExpressDevice
    link: ExpressLink | None = None
    slot: ExpressSlot | None = None


_HEAD = Layout("id" / Int16ul, "flags" / Int16ul)
_REGISTERS = Layout("capabilities" / Int32ul, "control" / Int16ul, "status" / Int16ul)
_DEVICE_AT, _LINK_AT, _SLOT_AT, _LINK_2_AT = 0x04, 0x0C, 0x14, 0x2C


def decode_express(data: bytes, offset: int, defects: list[str]) -> Express | None:
    """The capability at ``offset``; None with a defect when its first registers are not there."""
    head = read(_HEAD, data, offset, "the Express capability", defects)
    device = read(_REGISTERS, data, offset + _DEVICE_AT, "Express device registers", defects)
    if head is None or device is None:
        return None
    kind = head.flags >> 4 & 0xF
    version = head.flags & 0xF
    # Only a port that leads downstream has a slot; in others the bit is undefined.
    slot_implemented = bool(head.flags & 0x100) and kind in (_ROOT_PORT, _DOWNSTREAM, _TO_EXPRESS)
    return Express(
        version=version,
        port_type=PORT_TYPES.get(kind, f"Unknown type {kind}"),
        interrupt_message=head.flags >> 9 & 0x1F,
        slot_implemented=slot_implemented,
        device=_device(device, kind),
        link=_link(data, offset, version, defects) if kind not in _WITHOUT_LINK else None,
        slot=_slot(data, offset, defects) if slot_implemented else None,
    )


def _device(registers: Any, kind: int) -> ExpressDevice:
    capabilities, control = registers.capabilities, registers.control
    limit = _power_limit(capabilities >> 18 & 0xFF, capabilities >> 26 & 3)
    return ExpressDevice(
        max_payload_supported_bytes=128 << (capabilities & 7),
        max_payload_bytes=128 << (control >> 5 & 7),
        max_read_request_bytes=128 << (control >> 12 & 7),
        capabilities=bits(capabilities, DEVICE_CAPABILITIES),
        control=bits(control, DEVICE_CONTROL),
        status=bits(registers.status, DEVICE_STATUS),
        slot_power_limit_watts=limit if limit and kind in _UPSTREAM_SIDE else None,
    )


def _link(data: bytes, offset: int, version: int, defects: list[str]) -> ExpressLink | None:
    first = read(_REGISTERS, data, offset + _LINK_AT, "Express link registers", defects)
    if first is None:
        return None
    # A version 1 capability ends before the second set, and other capabilities may follow at once.
    second = None
    if version >= 2:
        second = read(_REGISTERS, data, offset + _LINK_2_AT, "Express link registers 2", defects)
    return ExpressLink(
        port_number=first.capabilities >> 24,
        max_speed_gtps=SPEEDS_GTPS.get(first.capabilities & 0xF),
        max_width=first.capabilities >> 4 & 0x3F,
        current_speed_gtps=SPEEDS_GTPS.get(first.status & 0xF),
        current_width=first.status >> 4 & 0x3F,
        capabilities=bits(first.capabilities, LINK_CAPABILITIES),
        aspm_supported=bits(first.capabilities >> 10, ASPM),
        aspm_enabled=bits(first.control, ASPM),
        disabled=bool(first.control & 0x10),
        control=bits(first.control, LINK_CONTROL),
        status=bits(first.status, LINK_STATUS),
        supported_speeds_gtps=speeds(second.capabilities >> 1 & 0x7F) if second else (),
        # A component that knows only 2.5 GT/s may have zero here.
        target_speed_gtps=SPEEDS_GTPS.get(second.control & 0xF or 1) if second else None,
        status_2=bits(second.status, LINK_STATUS_2) if second else (),
    )


def _slot(data: bytes, offset: int, defects: list[str]) -> ExpressSlot | None:
    slot = read(_REGISTERS, data, offset + _SLOT_AT, "Express slot registers", defects)
    if slot is None:
        return None
    has_power_controller = bool(slot.capabilities & 0x02)
    return ExpressSlot(
        number=slot.capabilities >> 19,
        power_limit_watts=_power_limit(slot.capabilities >> 7 & 0xFF, slot.capabilities >> 15 & 3),
        capabilities=bits(slot.capabilities, SLOT_CAPABILITIES),
        status=bits(slot.status, SLOT_STATUS),
        changed=bits(slot.status, SLOT_CHANGED),
        power_off=has_power_controller and bool(slot.control & 0x400),
    )


def _power_limit(value: int, scale: int) -> float:
    """Watts of a slot power limit (PCIe 6.0 §7.5.3.9): from F0h on, steps of 25 W above 225."""
    if scale == 0 and value >= 0xF0:
        return 250.0 + 25.0 * (value - 0xF0)
    return round(value * (1.0, 0.1, 0.01, 0.001)[scale], 3)


_ROOT_PORT, _DOWNSTREAM, _TO_EXPRESS = 4, 6, 8
_UPSTREAM_SIDE = (0, 1, 5, 7)
_WITHOUT_LINK = (9, 10)
PORT_TYPES = {
    0: "Endpoint",
    1: "Legacy Endpoint",
    4: "Root Port",
    5: "Upstream Port",
    6: "Downstream Port",
    7: "PCI-Express to PCI/PCI-X Bridge",
    8: "PCI/PCI-X to PCI-Express Bridge",
    9: "Root Complex Integrated Endpoint",
    10: "Root Complex Event Collector",
}
# Those whose link is the one below them.
DOWNSTREAM_PORTS = tuple(PORT_TYPES[kind] for kind in (_ROOT_PORT, _DOWNSTREAM, _TO_EXPRESS))
DEVICE_CAPABILITIES = {5: "ExtTag", 12: "AttnBtn", 13: "AttnInd", 14: "PwrInd", 15: "RBE", 28: "FLReset"}
DEVICE_CONTROL = {
    0: "CorrErr",
    1: "NonFatalErr",
    2: "FatalErr",
    3: "UnsupReq",
    4: "RlxdOrd",
    8: "ExtTag",
    9: "PhantFunc",
    10: "AuxPwr",
    11: "NoSnoop",
}
DEVICE_STATUS = {
    0: "CorrErr",
    1: "NonFatalErr",
    2: "FatalErr",
    3: "UnsupReq",
    4: "AuxPwr",
    5: "TransPend",
    6: "EmergencyPowerReduction",
}
LINK_CAPABILITIES = {18: "ClockPM", 19: "Surprise", 20: "LLActRep", 21: "BwNot", 22: "ASPMOptComp"}
ASPM = {0: "L0s", 1: "L1"}
LINK_CONTROL = {
    4: "Disabled",
    6: "CommClk",
    7: "ExtSynch",
    8: "ClockPM",
    9: "AutWidDis",
    10: "BWInt",
    11: "AutBWInt",
}
LINK_STATUS = {10: "TrErr", 11: "Train", 12: "SlotClk", 13: "DLActive", 14: "BWMgmt", 15: "ABWMgmt"}
LINK_STATUS_2 = {
    1: "EqualizationComplete",
    2: "EqualizationPhase1",
    3: "EqualizationPhase2",
    4: "EqualizationPhase3",
    5: "LinkEqualizationRequest",
    6: "Retimer",
    7: "2Retimers",
}
SLOT_CAPABILITIES = {
    0: "AttnBtn",
    1: "PwrCtrl",
    2: "MRL",
    3: "AttnInd",
    4: "PwrInd",
    5: "Surprise",
    6: "HotPlug",
    17: "Interlock",
    18: "NoCompl",
}
SLOT_STATUS = {0: "AttnBtn", 1: "PowerFlt", 4: "CmdCplt", 5: "MRL", 6: "PresDet", 7: "Interlock"}
SLOT_CHANGED = {2: "MRL", 3: "PresDet", 8: "LinkState"}
