"""What a BMC says of itself, its network and the chassis (IPMI 2.0 rev 1.1, chapters 20, 22, 23 and 28)."""

import ipaddress
from uuid import UUID

import msgspec
from construct import Int8ub, Int16ul, Int24ul, Struct

from bee_audit.decode import DecodeError

LAN_MEDIUM = 0x04  # 802.3 (table 6-3)


class DeviceId(msgspec.Struct, frozen=True, kw_only=True):
    """Get Device ID (§20.1). ``firmware``: "3.14"; its minor part is two BCD digits."""

    device_id: int
    device_revision: int
    firmware: str
    ipmi_version: str
    manufacturer_id: int
    product_id: int
    is_updating: bool  # firmware, SDRs or itself: not in normal operation
    has_device_sdrs: bool
    has_sdr_repository: bool
    auxiliary_firmware: str | None = None  # hex, the maker's own


class SelfTest(msgspec.Struct, frozen=True, kw_only=True):
    """Get Self Test Results (§20.4). ``failures`` is empty when it passed or is not implemented."""

    code: int
    failures: tuple[str, ...] = ()
    is_fatal: bool = False


class ChassisState(msgspec.Struct, frozen=True, kw_only=True):
    """Get Chassis Status (§28.2): what is so now."""

    power_on: bool
    power_overload: bool
    interlock: bool
    power_fault: bool
    power_control_fault: bool
    intrusion: bool
    front_panel_lockout: bool
    drive_fault: bool
    cooling_fault: bool
    last_power_event: tuple[str, ...] = ()


def decode_device_id(answer: bytes) -> DeviceId:
    """Raises DecodeError."""
    _need("device id", answer, _DEVICE_ID.sizeof())
    facts = _DEVICE_ID.parse(answer)
    auxiliary = answer[_DEVICE_ID.sizeof() :][:4]
    return DeviceId(
        device_id=facts.device_id,
        device_revision=facts.revision & 0x0F,
        firmware=f"{facts.firmware_major & 0x7F}.{facts.firmware_minor:02x}",
        ipmi_version=f"{facts.ipmi_version & 0x0F}.{facts.ipmi_version >> 4}",
        manufacturer_id=facts.manufacturer_id & 0x0FFFFF,
        product_id=facts.product_id,
        is_updating=bool(facts.firmware_major & 0x80),
        has_device_sdrs=bool(facts.revision & 0x80),
        has_sdr_repository=bool(facts.support & 0x02),
        auxiliary_firmware=auxiliary.hex() if len(auxiliary) == 4 and any(auxiliary) else None,
    )


def decode_self_test(answer: bytes) -> SelfTest:
    """Raises DecodeError."""
    _need("self-test result", answer, 2)
    code, detail = answer[:2]
    if code in (_PASSED, _NOT_IMPLEMENTED):
        return SelfTest(code=code)
    if code == _DATA_FAILURE:
        failures = tuple(name for bit, name in _DATA_FAILURES.items() if detail >> bit & 1)
        fatal = bool(detail & 0x03)  # its own firmware is damaged
        return SelfTest(code=code, failures=failures or ("data could not be read",), is_fatal=fatal)
    if code == _HARDWARE_FAILURE:
        return SelfTest(code=code, failures=(f"hardware error {detail:02X}h",), is_fatal=True)
    return SelfTest(code=code, failures=(f"internal failure {code:02X}h, detail {detail:02X}h",))


def decode_chassis_state(answer: bytes) -> ChassisState:
    """Raises DecodeError."""
    _need("chassis status", answer, 3)
    power, last, misc = answer[:3]
    return ChassisState(
        power_on=bool(power & 0x01),
        power_overload=bool(power & 0x02),
        interlock=bool(power & 0x04),
        power_fault=bool(power & 0x08),
        power_control_fault=bool(power & 0x10),
        intrusion=bool(misc & 0x01),
        front_panel_lockout=bool(misc & 0x02),
        drive_fault=bool(misc & 0x04),
        cooling_fault=bool(misc & 0x08),
        last_power_event=tuple(name for bit, name in _LAST_POWER_EVENTS.items() if last >> bit & 1),
    )


def channel_medium(answer: bytes) -> int:
    """The medium of a channel, from Get Channel Info (§22.24). Raises DecodeError."""
    _need("channel info", answer, 2)
    return answer[1] & 0x7F


def lan_parameter(answer: bytes, least_bytes: int) -> bytes:
    """A parameter's data, from Get LAN Configuration Parameters (§23.2). Raises DecodeError."""
    _need("LAN parameter", answer, 1 + least_bytes)
    return answer[1:]


def ipv4_text(data: bytes) -> str | None:
    """The address, None when it is 0.0.0.0."""
    return str(ipaddress.IPv4Address(data[:4])) if any(data[:4]) else None


def ipv6_text(data: bytes) -> str | None:
    """An address from LAN parameter 56 or 59 (selector, source, 16 bytes, prefix, status), in CIDR notation.

    None for one that is not active.
    """
    if len(data) < 20 or data[19] != 0 or not any(data[2:18]):
        return None
    return f"{ipaddress.IPv6Address(data[2:18])}/{data[18]}"


def mac_text(data: bytes) -> str | None:
    return data[:6].hex(":") if any(data[:6]) and set(data[:6]) != {0xFF} else None


def decode_guid(answer: bytes) -> str | None:
    """The system's GUID (§22.14); None when it is unset. Raises DecodeError.

    The standard sends it lowest byte first. Many BMCs use the order of SMBIOS or of RFC 4122 instead; the
    version field, which has five legal values, tells which.
    """
    _need("GUID", answer, 16)
    data = answer[:16]
    if not any(data) or set(data) == {0xFF}:
        return None
    orders = (UUID(bytes=data[::-1]), UUID(bytes_le=data), UUID(bytes=data))
    return str(next((guid for guid in orders if guid.version in range(1, 6)), orders[0]))


_DEVICE_ID = Struct(
    "device_id" / Int8ub,
    "revision" / Int8ub,
    "firmware_major" / Int8ub,
    "firmware_minor" / Int8ub,
    "ipmi_version" / Int8ub,
    "support" / Int8ub,
    "manufacturer_id" / Int24ul,
    "product_id" / Int16ul,
)
_PASSED, _NOT_IMPLEMENTED, _DATA_FAILURE, _HARDWARE_FAILURE = 0x55, 0x56, 0x57, 0x58
_DATA_FAILURES = {
    7: "the event log cannot be accessed",
    6: "the sensor data repository cannot be accessed",
    5: "the BMC's FRU cannot be accessed",
    4: "the IPMB signal lines do not respond",
    3: "the sensor data repository is empty",
    2: "the internal use area of the BMC's FRU is corrupted",
    1: "the controller's boot block firmware is corrupted",
    0: "the controller's operational firmware is corrupted",
}
_LAST_POWER_EVENTS = {
    0: "AC failed",
    1: "power down by overload",
    2: "power down by interlock",
    3: "power down by power fault",
    4: "power on by IPMI command",
}


def _need(what: str, answer: bytes, least_bytes: int) -> None:
    if len(answer) < least_bytes:
        raise DecodeError(f"{len(answer)} bytes of {what}, at least {least_bytes} expected")
