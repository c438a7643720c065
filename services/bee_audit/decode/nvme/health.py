"""SMART / Health Information, log page 02h."""

from collections.abc import Mapping

from construct import Array, Int8ul, Int16ul, Int32ul, Seek, Struct

from bee_audit.decode.disk_text import saturated
from bee_audit.decode.nvme.page import Int128ul, celsius, parse
from bee_bus.documents.disk_health import NvmeHealth

DATA_UNIT_BYTES = 512 * 1000  # "thousands of 512 byte units" (fig. 207)
HEALTH_BYTES = 512

_HEALTH = Struct(  # fig. 207
    "critical_warning" / Int8ul,
    "kelvin" / Int16ul,
    "available_spare" / Int8ul,
    "spare_threshold" / Int8ul,
    "percentage_used" / Int8ul,
    "endurance_group_warning" / Int8ul,
    Seek(32),
    "data_units_read" / Int128ul,
    "data_units_written" / Int128ul,
    "host_reads" / Int128ul,
    "host_writes" / Int128ul,
    "busy_minutes" / Int128ul,
    "power_cycles" / Int128ul,
    "power_on_hours" / Int128ul,
    "unsafe_shutdowns" / Int128ul,
    "media_errors" / Int128ul,
    "error_log_entries" / Int128ul,
    "warning_minutes" / Int32ul,
    "critical_minutes" / Int32ul,
    "sensors_kelvin" / Array(8, Int16ul),
    "thermal_transitions" / Array(2, Int32ul),
)

CRITICAL_WARNINGS: Mapping[int, str] = {
    0: "available spare is below its threshold",
    1: "a temperature is outside its limits",
    2: "reliability is degraded by media or internal errors",
    3: "the media is read-only",
    4: "the backup of the volatile memory has failed",
    5: "the persistent memory region is read-only or unreliable",
}
_OF_ENDURANCE_GROUPS = 0b1101  # the bits of their summary that mean something, as those above


def decode_health(data: bytes) -> NvmeHealth:
    """SMART / Health Information (02h), 512 bytes."""
    page = parse(_HEALTH, data, "SMART / Health log")
    return NvmeHealth(
        critical_warning=page.critical_warning,
        critical_warnings=warning_names(page.critical_warning),
        endurance_group_warnings=warning_names(page.endurance_group_warning & _OF_ENDURANCE_GROUPS),
        composite_temperature_celsius=celsius(page.kelvin),
        available_spare_percent=_percent(page.available_spare),
        available_spare_threshold_percent=_percent(page.spare_threshold),
        percentage_used=page.percentage_used,
        bytes_read=saturated(page.data_units_read * DATA_UNIT_BYTES),
        bytes_written=saturated(page.data_units_written * DATA_UNIT_BYTES),
        host_read_commands=saturated(page.host_reads),
        host_write_commands=saturated(page.host_writes),
        controller_busy_minutes=saturated(page.busy_minutes),
        power_cycles=saturated(page.power_cycles),
        power_on_hours=saturated(page.power_on_hours),
        unsafe_shutdowns=saturated(page.unsafe_shutdowns),
        media_errors=saturated(page.media_errors),
        error_log_entries=saturated(page.error_log_entries),
        warning_temperature_minutes=page.warning_minutes,
        critical_temperature_minutes=page.critical_minutes,
        temperature_sensors_celsius=tuple(
            degrees for kelvin in page.sensors_kelvin if (degrees := celsius(kelvin)) is not None
        ),
        thermal_transitions=tuple(page.thermal_transitions) if any(page.thermal_transitions) else (),
    )


def warning_names(critical_warning: int) -> tuple[str, ...]:
    """The bits of a critical warning byte in words; a reserved bit is named by its number."""
    return tuple(
        CRITICAL_WARNINGS.get(bit, f"reserved warning bit {bit} is set")
        for bit in range(8)
        if critical_warning >> bit & 1
    )


def _percent(value: int) -> int | None:
    return value if value <= 100 else None
