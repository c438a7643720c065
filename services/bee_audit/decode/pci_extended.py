"""The extended capabilities that tell of errors, or identify a device (PCIe 6.0 §7.7 to §7.9)."""

from construct import Array, Int16ul, Int32ul, Int64ul

from bee_audit.decode.pci_registers import Layout, bits, read
from bee_bus.documents.base import Document


class ErrorReporting(Document):
    """Advanced Error Reporting, §7.8.4. Errors are named as the kernel and lspci name them.

    Status bits stay until software or a power cycle clears them. ``uncorrectable_fatal``: those that the
    device would report as fatal. ``header_log``: the first dwords of the packet of the first error.
    """

    uncorrectable: tuple[str, ...] = ()
    uncorrectable_masked: tuple[str, ...] = ()
    uncorrectable_fatal: tuple[str, ...] = ()
    correctable: tuple[str, ...] = ()
    correctable_masked: tuple[str, ...] = ()
    first_error_pointer: int = 0
    header_log: tuple[str, ...] = ()  # four dwords in hex, absent when all are zero


class SrIov(Document):
    """Single Root I/O Virtualization, §9.3.3."""

    total_vfs: int
    initial_vfs: int
    vf_count: int
    vf_offset: int
    vf_stride: int
    vf_device_id: str
    enabled: bool = False


class AlternativeRouting(Document):
    next_function: int
    capabilities: tuple[str, ...] = ()


class AccessControl(Document):
    capabilities: tuple[str, ...] = ()
    control: tuple[str, ...] = ()


class VendorSpecific(Document):
    """A block of registers that a vendor defines; ``vendor_id`` is absent where it is the device's own.

    DVSEC of vendor 1e98 is CXL, and its id says which part of it (CXL 3.0 §8.1).
    """

    offset: int
    id: int
    revision: int
    length: int
    vendor_id: str | None = None
    name: str | None = None


class Containment(Document):
    """Downstream Port Containment, §7.9.14: a port that has cut itself off from what is below."""

    triggered: bool
    reason: str | None = None
    source: str | None = None  # bus:device.function that sent the error message


_AER = Layout(
    "header" / Int32ul,
    "uncorrectable" / Int32ul,
    "uncorrectable_mask" / Int32ul,
    "uncorrectable_severity" / Int32ul,
    "correctable" / Int32ul,
    "correctable_mask" / Int32ul,
    "control" / Int32ul,
    "header_log" / Array(4, Int32ul),
)
_SERIAL = Layout("header" / Int32ul, "serial" / Int64ul)
_SRIOV = Layout(
    "header" / Int32ul,
    "capabilities" / Int32ul,
    "control" / Int16ul,
    "status" / Int16ul,
    "initial_vfs" / Int16ul,
    "total_vfs" / Int16ul,
    "vf_count" / Int16ul,
    "dependency" / Int16ul,
    "vf_offset" / Int16ul,
    "vf_stride" / Int16ul,
    "reserved" / Int16ul,
    "vf_device" / Int16ul,
)
_CAPABILITY_AND_CONTROL = Layout("header" / Int32ul, "capabilities" / Int16ul, "control" / Int16ul)
_VSEC = Layout("header" / Int32ul, "vendor_header" / Int32ul)
_DVSEC = Layout("header" / Int32ul, "vendor_header" / Int32ul, "id" / Int16ul)
_DPC = Layout(
    "header" / Int32ul,
    "capabilities" / Int16ul,
    "control" / Int16ul,
    "status" / Int16ul,
    "source" / Int16ul,
)


def decode_aer(data: bytes, offset: int, defects: list[str]) -> ErrorReporting | None:
    aer = read(_AER, data, offset, "Advanced Error Reporting", defects)
    if aer is None:
        return None
    return ErrorReporting(
        uncorrectable=bits(aer.uncorrectable, UNCORRECTABLE_ERRORS),
        uncorrectable_masked=bits(aer.uncorrectable_mask, UNCORRECTABLE_ERRORS),
        uncorrectable_fatal=bits(aer.uncorrectable_severity, UNCORRECTABLE_ERRORS),
        correctable=bits(aer.correctable, CORRECTABLE_ERRORS),
        correctable_masked=bits(aer.correctable_mask, CORRECTABLE_ERRORS),
        first_error_pointer=aer.control & 0x1F,
        header_log=tuple(f"{dword:08x}" for dword in aer.header_log) if any(aer.header_log) else (),
    )


def decode_serial_number(data: bytes, offset: int, defects: list[str]) -> str | None:
    """The EUI-64 as lspci prints it, "00-1b-21-ff-ff-2b-46-e0"; None when every bit is the same."""
    serial = read(_SERIAL, data, offset, "the Device Serial Number", defects)
    if serial is None or serial.serial in (0, 0xFFFFFFFFFFFFFFFF):
        return None
    return bytes(serial.serial.to_bytes(8, "big")).hex("-")


def decode_sriov(data: bytes, offset: int, defects: list[str]) -> SrIov | None:
    sriov = read(_SRIOV, data, offset, "SR-IOV", defects)
    if sriov is None:
        return None
    return SrIov(
        total_vfs=sriov.total_vfs,
        initial_vfs=sriov.initial_vfs,
        vf_count=sriov.vf_count,
        vf_offset=sriov.vf_offset,
        vf_stride=sriov.vf_stride,
        vf_device_id=f"{sriov.vf_device:04x}",
        enabled=bool(sriov.control & 1),
    )


def decode_ari(data: bytes, offset: int, defects: list[str]) -> AlternativeRouting | None:
    ari = read(_CAPABILITY_AND_CONTROL, data, offset, "ARI", defects)
    if ari is None:
        return None
    names = {0: "MFVC", 1: "ACS"}
    return AlternativeRouting(next_function=ari.capabilities >> 8, capabilities=bits(ari.capabilities, names))


def decode_acs(data: bytes, offset: int, defects: list[str]) -> AccessControl | None:
    acs = read(_CAPABILITY_AND_CONTROL, data, offset, "Access Control Services", defects)
    if acs is None:
        return None
    return AccessControl(
        capabilities=bits(acs.capabilities, ACCESS_CONTROLS), control=bits(acs.control, ACCESS_CONTROLS)
    )


def decode_vendor_specific(data: bytes, offset: int, defects: list[str]) -> VendorSpecific | None:
    block = read(_VSEC, data, offset, "Vendor Specific Information", defects)
    if block is None:
        return None
    header = block.vendor_header
    return VendorSpecific(offset=offset, id=header & 0xFFFF, revision=header >> 16 & 0xF, length=header >> 20)


def decode_designated(data: bytes, offset: int, defects: list[str]) -> VendorSpecific | None:
    block = read(_DVSEC, data, offset, "Designated Vendor-Specific", defects)
    if block is None:
        return None
    vendor = block.vendor_header & 0xFFFF
    name = None
    if vendor == CXL_VENDOR:
        name = "CXL " + CXL_BLOCKS.get(block.id, f"block {block.id:#06x}")
    return VendorSpecific(
        offset=offset,
        vendor_id=f"{vendor:04x}",
        id=block.id,
        name=name,
        revision=block.vendor_header >> 16 & 0xF,
        length=block.vendor_header >> 20,
    )


def decode_containment(data: bytes, offset: int, defects: list[str]) -> Containment | None:
    port = read(_DPC, data, offset, "Downstream Port Containment", defects)
    if port is None:
        return None
    if not port.status & 1:
        return Containment(triggered=False)
    reason = port.status >> 1 & 3
    source = port.source
    return Containment(
        triggered=True,
        reason=CONTAINMENT_REASONS[reason],
        # Only an error message from below has a sender.
        source=f"{source >> 8:02x}:{source >> 3 & 0x1F:02x}.{source & 7:x}" if reason in (1, 2) else None,
    )


UNCORRECTABLE_ERRORS = {
    4: "DLP",
    5: "SDES",
    12: "TLP",
    13: "FCP",
    14: "CmpltTO",
    15: "CmpltAbrt",
    16: "UnxCmplt",
    17: "RxOF",
    18: "MalfTLP",
    19: "ECRC",
    20: "UnsupReq",
    21: "ACSViol",
    22: "UncorrIntErr",
    23: "BlockedTLP",
    24: "AtomicOpBlocked",
    25: "TLPBlockedErr",
    26: "PoisonTLPBlocked",
    27: "DMWrReqBlocked",
    28: "IDECheck",
    29: "MisIDETLP",
    30: "PCRC_CHECK",
    31: "TLPXlatBlocked",
}
CORRECTABLE_ERRORS = {
    0: "RxErr",
    6: "BadTLP",
    7: "BadDLLP",
    8: "Rollover",
    12: "Timeout",
    13: "AdvNonFatalErr",
    14: "CorrIntErr",
    15: "HeaderOF",
}
ACCESS_CONTROLS = {
    0: "SrcValid",
    1: "TransBlk",
    2: "ReqRedir",
    3: "CmpltRedir",
    4: "UpstreamFwd",
    5: "EgressCtrl",
    6: "DirectTrans",
}
CONTAINMENT_REASONS = (
    "an uncorrectable error of the port itself",
    "a nonfatal error message from below",
    "a fatal error message from below",
    "an error of the root port's programmed I/O or software",
)
CXL_VENDOR = 0x1E98
CXL_BLOCKS = {
    0: "device",
    2: "non-CXL function map",
    3: "extensions for ports",
    4: "GPF for ports",
    5: "GPF for devices",
    7: "flex bus port",
    8: "register locator",
    9: "multi-logical device",
    10: "test capability",
}
