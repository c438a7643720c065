"""The last audit as metrics: its verdict, and the readings that it took."""

from typing import get_args

from bee_bus.documents.audit import Hardware, Snapshot
from bee_bus.documents.findings import Verdict
from bee_bus.documents.sensors import Sensor
from bee_bus.documents.storage import Disk
from bee_web.metrics.families import Families, scaled, unix_seconds
from bee_web.snapshot import Seen

HOUR = 3600
PERCENT = 0.01

_STATES = {"ok": 0, "warning": 1, "critical": 2}  # as other exporters of IPMI have them


def audit_metrics(families: Families, seen: Seen, *, is_running: bool) -> None:
    """Without a snapshot of this start of the machine there is a verdict all the same: Unknown."""
    families.gauge("bee_audit_running", "Whether an audit is under way.", is_running)
    snapshot = seen.snapshot
    current = snapshot is not None and not seen.earlier_boot
    families.states(
        "bee_verdict",
        "The verdict on the machine; Unknown too when it has not been audited since it was started.",
        get_args(Verdict),
        seen.verdict,
    )
    if snapshot is None:
        return
    families.gauge(
        "bee_audit_timestamp_seconds", "When the last audit began.", unix_seconds(snapshot.started_at)
    )
    if current:
        _audit(families, snapshot)
        _hardware(families, snapshot.hardware)


def _audit(families: Families, snapshot: Snapshot) -> None:
    families.gauge("bee_audit_duration_seconds", "How long it took.", snapshot.duration_seconds)
    summary = snapshot.hardware.summary
    counts = {
        "Critical": summary.failure_count,
        "Warning": summary.warning_count,
        "Unknown": summary.unknown_count,
    }
    for severity, count in counts.items():
        families.gauge("bee_findings", "What the last audit found.", count, severity=severity)
    for run in snapshot.collectors:
        families.gauge(
            "bee_audit_collector_success",
            "Whether a section could be read, as far as the machine has it.",
            run.status in ("ok", "absent"),
            collector=run.name,
        )


def _hardware(families: Families, hardware: Hardware) -> None:
    for sensor in hardware.sensors.sensors if hardware.sensors else ():
        _sensor(families, sensor)
    for disk in hardware.storage.disks if hardware.storage else ():
        _disk(families, disk)
    for psu in hardware.psus.psus if hardware.psus else ():
        families.gauge("bee_psu_present", "Whether the bay holds one.", psu.present, psu=psu.id)
        families.gauge("bee_psu_input_watts", "At the last audit.", psu.input_watts, psu=psu.id)
        families.gauge("bee_psu_output_watts", "At the last audit.", psu.output_watts, psu=psu.id)
    if hardware.memory is not None:
        families.gauge("bee_memory_installed_bytes", "In all slots.", hardware.memory.installed_bytes)
        for slot in hardware.memory.slots:
            for kind, count in (
                ("corrected", slot.corrected_error_count),
                ("uncorrected", slot.uncorrected_error_count),
            ):
                families.counter(
                    "bee_memory_errors_total",
                    "As the kernel counts them, at the last audit.",
                    count,
                    slot=slot.id,
                    kind=kind,
                )


def _sensor(families: Families, sensor: Sensor) -> None:
    labels = {"sensor": sensor.id, "location": sensor.location}
    families.gauge(
        "bee_sensor_state",
        "0 is ok, 1 a warning, 2 critical; as the BMC said at the last audit.",
        _STATES.get(sensor.status),
        kind=sensor.kind,
        **labels,
    )
    value = sensor.value
    if value is None or sensor.status == "unavailable":
        return
    words = "At the last audit."
    match sensor.unit:
        case "degrees C":
            families.gauge("bee_sensor_temperature_celsius", words, value, **labels)
        case "degrees F":
            families.gauge("bee_sensor_temperature_celsius", words, (value - 32) / 1.8, **labels)
        case "K":
            families.gauge("bee_sensor_temperature_celsius", words, value - 273.15, **labels)
        case "RPM":
            families.gauge("bee_sensor_fan_speed_rpm", words, value, **labels)
        case "Volts":
            families.gauge("bee_sensor_voltage_volts", words, value, **labels)
        case "Amps":
            families.gauge("bee_sensor_current_amperes", words, value, **labels)
        case "Watts":
            families.gauge("bee_sensor_power_watts", words, value, **labels)
        case unit:
            families.gauge("bee_sensor_value", words, value, unit=unit, **labels)


def _disk(families: Families, disk: Disk) -> None:
    name = disk.id
    families.info(
        "bee_disk",
        "What the disk is.",
        disk=name,
        vendor=disk.vendor,
        model=disk.model,
        serial=disk.serial,
        firmware=disk.firmware,
        kind=disk.kind,
        location=disk.location,
    )
    families.gauge("bee_disk_size_bytes", "Of the disk.", disk.size_bytes, disk=name)
    families.gauge(
        "bee_disk_smart_passed",
        "Whether the disk's own judgement is good, at the last audit.",
        disk.smart_status_passed,
        disk=name,
    )
    families.gauge("bee_disk_temperature_celsius", "At the last audit.", disk.temperature_celsius, disk=name)
    families.gauge(
        "bee_disk_endurance_used_ratio",
        "Of what the maker gives it; may pass 1.",
        scaled(disk.percentage_used, PERCENT),
        disk=name,
    )
    families.gauge(
        "bee_disk_available_spare_ratio",
        "Spare blocks that are left.",
        scaled(disk.available_spare_percent, PERCENT),
        disk=name,
    )
    families.counter(
        "bee_disk_power_on_seconds_total", "In its life.", scaled(disk.power_on_hours, HOUR), disk=name
    )
    if disk.nvme is not None:
        families.counter("bee_disk_media_errors_total", "In its life.", disk.nvme.media_errors, disk=name)
        families.counter("bee_disk_written_bytes_total", "In its life.", disk.nvme.bytes_written, disk=name)
        families.counter("bee_disk_read_bytes_total", "In its life.", disk.nvme.bytes_read, disk=name)
    if disk.ata is not None:
        families.gauge(
            "bee_disk_reallocated_sectors", "At the last audit.", disk.ata.reallocated_sectors, disk=name
        )
        families.gauge("bee_disk_pending_sectors", "At the last audit.", disk.ata.pending_defects, disk=name)
    if disk.scsi is not None:
        families.gauge("bee_disk_grown_defects", "At the last audit.", disk.scsi.grown_defects, disk=name)
