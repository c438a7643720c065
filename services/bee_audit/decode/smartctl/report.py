"""What `smartctl -x -j` says of one disk."""

from typing import Literal, TypeAlias

import msgspec

from bee_audit.decode.disk_text import LOWEST_LIMIT_CELSIUS
from bee_audit.decode.filler import genuine
from bee_audit.decode.loose_json import JsonValue, parse_json
from bee_audit.decode.smartctl import ata, nvme, scsi
from bee_bus.documents.disk_health import (
    AtaHealth,
    NvmeError,
    NvmeHealth,
    ScsiHealth,
    SelfTestLog,
    SmartAttribute,
)

# smartctl(8), exit status. The bits above these tell of the disk's health, these of a failed reading.
_NOT_RUN = 1 << 0 | 1 << 1


Transport: TypeAlias = Literal["nvme", "sata", "sas", "scsi", "usb"]


class SmartReport(msgspec.Struct, frozen=True):
    """``unread``: why the disk's own verdict on its health is not known, None when it is."""

    exit_status: int | None
    messages: tuple[str, ...]
    device_type: str | None
    protocol: str | None
    vendor: str | None
    model: str | None
    model_family: str | None
    serial: str | None
    firmware: str | None
    wwn: str | None
    size_bytes: int | None
    logical_block_bytes: int | None
    physical_block_bytes: int | None
    rotation_rate_rpm: int | None  # 0: it has no platters
    transport: Transport | None
    link_gbps: float | None
    link_maximum_gbps: float | None
    smart_supported: bool | None
    smart_enabled: bool | None
    smart_status_passed: bool | None
    temperature_celsius: int | None
    temperature_warning_celsius: int | None
    temperature_critical_celsius: int | None
    power_on_hours: int | None
    power_cycles: int | None
    percentage_used: int | None
    available_spare_percent: int | None
    attributes: tuple[SmartAttribute, ...]
    ata: AtaHealth | None
    scsi: ScsiHealth | None
    nvme: NvmeHealth | None
    nvme_errors: tuple[NvmeError, ...]
    self_tests: SelfTestLog | None
    unread: str | None


def decode_report(output: bytes, *, exit_code: int | None = None) -> SmartReport:
    """The report of one disk. ``exit_code``: the process's own, where there was a process.

    Raises DecodeError when the output is no JSON object. What the JSON lacks, or has in a form that cannot be
    right, is None.
    """
    document = parse_json(output, "smartctl")
    exit_status = document.at("smartctl", "exit_status").integer(high=0xFF)
    if exit_status is None and exit_code is not None and exit_code >= 0:
        exit_status = exit_code
    attributes = ata.attributes(document)
    nvme_health = nvme.health(document)
    vendor, model = scsi.vendor(document), _model(document)
    size = document.at("user_capacity", "bytes").integer(low=1)
    temperature = document.at("temperature", "current").integer(low=-60, high=150)
    if temperature == 0 and document.at("temperature", "drive_trip").integer() == 0:
        temperature = None  # a SCSI disk without the page: smartctl prints its zeros
    if temperature is None:
        temperature = scsi.temperature_celsius(document)
    warning, critical = _temperature_limits(document)
    speed, maximum_speed = _link(document)
    return SmartReport(
        exit_status=exit_status,
        messages=_messages(document),
        device_type=document.at("device", "type").text(),
        protocol=document.at("device", "protocol").text(),
        vendor=vendor,
        model=model,
        model_family=document.at("model_family").text(),
        serial=genuine(document.at("serial_number").text()),
        firmware=genuine(document.first("firmware_version", "scsi_revision", "revision").text()),
        wwn=_wwn(document),
        size_bytes=size or document.at("nvme_total_capacity").integer(low=1),
        logical_block_bytes=document.at("logical_block_size").integer(low=1, high=1 << 24),
        physical_block_bytes=document.at("physical_block_size").integer(low=1, high=1 << 24),
        rotation_rate_rpm=_rotation_rate(document),
        transport=_transport(document),
        link_gbps=speed,
        link_maximum_gbps=maximum_speed,
        smart_supported=document.at("smart_support", "available").flag(),
        smart_enabled=document.at("smart_support", "enabled").flag(),
        smart_status_passed=document.at("smart_status", "passed").flag(),
        temperature_celsius=temperature,
        temperature_warning_celsius=warning,
        temperature_critical_celsius=critical,
        power_on_hours=_power_on_hours(document, attributes),
        power_cycles=document.at("power_cycle_count").integer(),
        percentage_used=_percentage_used(document, attributes, nvme_health),
        available_spare_percent=_available_spare(document, nvme_health),
        attributes=attributes,
        ata=ata.health(document),
        scsi=scsi.health(document),
        nvme=nvme_health,
        nvme_errors=nvme.errors(document),
        self_tests=ata.self_tests(document) or nvme.self_tests(document) or scsi.self_tests(document),
        unread=_unread(document, exit_status, attributes, nvme_health),
    )


def _messages(document: JsonValue) -> tuple[str, ...]:
    messages = (one.at("string").text() for one in document.at("smartctl", "messages").items())
    return tuple(dict.fromkeys(message for message in messages if message is not None))


def _unread(
    document: JsonValue,
    exit_status: int | None,
    attributes: tuple[SmartAttribute, ...],
    nvme_health: NvmeHealth | None,
) -> str | None:
    passed = document.at("smart_status", "passed").flag()
    is_ata = document.at("device", "protocol").text() == "ATA" or bool(attributes)
    if nvme_health is not None:
        return (
            None
            if nvme_health.critical_warning is not None
            else "the health log has no critical warning byte"
        )
    if passed is None or (is_ata and not attributes):
        said = _error_message(document)
        if said is not None:
            return said
        if exit_status is not None and exit_status & _NOT_RUN:
            return "smartctl could not open the disk"
        if document.at("smart_support", "available").flag() is False:
            return "the disk says that it has no SMART"
        if document.at("smart_support", "enabled").flag() is False:
            return "SMART is switched off in the disk"
        return "smartctl gave no SMART status" if passed is None else "smartctl gave no SMART attributes"
    if passed and not is_ata and document.at("smart_support", "enabled").flag() is False:
        # DEXCPT of the mode page 1Ch (SPC-5): the disk answers, but it was told to keep failures to itself.
        return "SMART is switched off in the disk"
    return None


def _error_message(document: JsonValue) -> str | None:
    for message in document.at("smartctl", "messages").items():
        if message.at("severity").text() == "error":
            return message.at("string").text()
    return None


def _model(document: JsonValue) -> str | None:
    # SCSI gives vendor and product one by one, and both in one as the model.
    return document.first("scsi_product", "product", "model_name", "scsi_model_name").text()


def _rotation_rate(document: JsonValue) -> int | None:
    """None for the reserved rates, 2 to 1024 and FFFFh (SBC-4, VPD page B1h; ACS-4, IDENTIFY word 217)."""
    rate = document.at("rotation_rate").integer(high=0xFFFE)
    return rate if rate is None or rate == 0 or rate > 0x400 else None


def _wwn(document: JsonValue) -> str | None:
    """The world wide name as 16 or 32 hexadecimal digits."""
    wwn = document.at("wwn")
    naa, oui, unique = (wwn.at(key).integer() for key in ("naa", "oui", "id"))
    if naa is not None and oui is not None and unique is not None and naa < 16 and oui < 1 << 24:
        return genuine(f"{naa:x}{oui:06x}{unique:09x}") if unique < 1 << 36 else None
    unit = document.at("logical_unit_id").text()
    return genuine(unit.removeprefix("0x").lower()) if unit is not None else None


def _transport(document: JsonValue) -> Transport | None:
    kind = document.at("device", "type").text() or ""
    if kind.startswith("usb"):
        return "usb"
    protocol = document.at("device", "protocol").text()
    if protocol == "SCSI":
        name = document.at("scsi_transport_protocol", "name").text() or ""
        return "sas" if name.startswith("SAS") else "scsi"
    return "sata" if protocol == "ATA" else "nvme" if protocol == "NVMe" else None


def _link(document: JsonValue) -> tuple[float | None, float | None]:
    """Current and highest speed in Gb/s, the latter only where the disk states it."""
    speed = document.at("interface_speed")
    current, maximum = (_gbps(speed.at(key)) for key in ("current", "max"))
    return (current or scsi.link_gbps(document)), maximum


def _gbps(speed: JsonValue) -> float | None:
    units = speed.at("units_per_second").integer(low=1, high=10_000)
    bits = speed.at("bits_per_unit").integer(low=1, high=1 << 40)
    return units * bits / 1e9 if units is not None and bits is not None else None


def _temperature_limits(document: JsonValue) -> tuple[int | None, int | None]:
    """The disk's own warning and critical temperature.

    ATA: the specified maximum, and the limit above it (SCT, ACS-4 §A.9). SCSI: what smartctl calls the trip
    temperature is the highest for continuous use (SPC-5, log page 0Dh), and there is none above it. Some
    disks "recommend" 25 °C, which is a wish and not a limit: below 45 °C neither is taken.
    """
    temperature = document.at("temperature")
    specified = ata.specified_maximum_celsius(document)
    warning, critical = (
        temperature.first(*names).integer(LOWEST_LIMIT_CELSIUS, high=125)
        for names in (("op_limit_max", "drive_trip"), ("critical_limit_max", "limit_max"))
    )
    return specified or warning, critical


def _power_on_hours(document: JsonValue, attributes: tuple[SmartAttribute, ...]) -> int | None:
    hours = document.at("power_on_time", "hours").integer(high=1_000_000)
    if hours is not None:
        return hours
    counts = (one.count for one in attributes if one.number == 9 and "Hours" in one.name)
    return next((count for count in counts if count is not None and count <= 1_000_000), None)


def _percentage_used(
    document: JsonValue, attributes: tuple[SmartAttribute, ...], nvme_health: NvmeHealth | None
) -> int | None:
    if nvme_health is not None and nvme_health.percentage_used is not None:
        return nvme_health.percentage_used
    places = (
        ata.statistic(document, 7, 8),
        document.at("scsi_percentage_used_endurance_indicator").integer(high=255),
        document.at("endurance_used", "current_percent").integer(high=255),
        ata.life_used_percent(attributes),
    )
    return next((used for used in places if used is not None), None)


def _available_spare(document: JsonValue, nvme_health: NvmeHealth | None) -> int | None:
    if nvme_health is not None and nvme_health.available_spare_percent is not None:
        return nvme_health.available_spare_percent
    return document.at("spare_available", "current_percent").integer(high=100)
