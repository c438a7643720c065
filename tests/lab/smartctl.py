"""smartctl's JSON for disks of every kind, healthy until a test changes something.

Keys and values as smartctl 7.4 prints them; ``v7_0`` in `sas` gives the names of the versions before 7.3.
"""

import json
from typing import Any

Report = dict[str, Any]


def printed(report: Report) -> bytes:
    return json.dumps(report, indent=2).encode()


def attribute(
    number: int,
    name: str,
    raw: int = 0,
    *,
    text: str | None = None,
    value: int = 100,
    worst: int = 100,
    threshold: int = 0,
    failed: str = "",
    prefailure: bool = False,
) -> Report:
    return {
        "id": number,
        "name": name,
        "value": value,
        "worst": worst,
        "thresh": threshold,
        "when_failed": failed,
        "flags": {"value": 0x33, "string": "PO--CK ", "prefailure": prefailure},
        "raw": {"value": raw, "string": str(raw) if text is None else text},
    }


HDD_ATTRIBUTES = (
    attribute(1, "Raw_Read_Error_Rate", 83905456, value=79, worst=64, threshold=44, prefailure=True),
    attribute(5, "Reallocated_Sector_Ct", threshold=10, prefailure=True),
    attribute(7, "Seek_Error_Rate", 13407112, value=71, worst=60, threshold=45, prefailure=True),
    attribute(9, "Power_On_Hours", 20000),
    attribute(10, "Spin_Retry_Count", threshold=97, prefailure=True),
    attribute(184, "End-to-End_Error", threshold=99),
    attribute(187, "Reported_Uncorrect"),
    attribute(188, "Command_Timeout", 4295032833, text="1 1 1"),
    attribute(194, "Temperature_Celsius", 77309411357, text="29 (0 18 0 0 0)"),
    attribute(196, "Reallocated_Event_Count"),
    attribute(197, "Current_Pending_Sector"),
    attribute(198, "Offline_Uncorrectable"),
    attribute(199, "UDMA_CRC_Error_Count"),
)


def hdd(*changed: Report, serial: str = "ZC1234AB", **fields: Any) -> Report:
    """A SATA disk with platters. ``changed``: attributes in place of those with the same number, or added."""
    table = {one["id"]: one for one in (*HDD_ATTRIBUTES, *changed)}
    return {
        "json_format_version": [1, 0],
        "smartctl": {"version": [7, 4], "argv": ["smartctl", "-x", "-j", "/dev/sda"], "exit_status": 0},
        "device": {"name": "/dev/sda", "info_name": "/dev/sda [SAT]", "type": "sat", "protocol": "ATA"},
        "model_family": "Seagate Exos X18",
        "model_name": "ST16000NM000J-2TW103",
        "serial_number": serial,
        "wwn": {"naa": 5, "oui": 3152, "id": sum(serial.encode()) + 3685000000},
        "firmware_version": "SN04",
        "user_capacity": {"blocks": 31251759104, "bytes": 16000900661248},
        "logical_block_size": 512,
        "physical_block_size": 4096,
        "rotation_rate": 7200,
        "interface_speed": {
            "max": {
                "sata_value": 14,
                "string": "6.0 Gb/s",
                "units_per_second": 60,
                "bits_per_unit": 100000000,
            },
            "current": {
                "sata_value": 3,
                "string": "6.0 Gb/s",
                "units_per_second": 60,
                "bits_per_unit": 100000000,
            },
        },
        "smart_support": {"available": True, "enabled": True},
        "smart_status": {"passed": True},
        "ata_smart_data": {
            "self_test": {
                "status": {"value": 0, "string": "completed without error", "passed": True},
                "polling_minutes": {"short": 1, "extended": 1440, "conveyance": 2},
            },
            "capabilities": {"self_tests_supported": True},
        },
        "ata_smart_attributes": {"revision": 10, "table": list(table.values())},
        "power_on_time": {"hours": 20000},
        "power_cycle_count": 12,
        # What this family "recommends" is cooler than any server room.
        "temperature": {
            "current": 29,
            "op_limit_min": 10,
            "op_limit_max": 25,
            "limit_min": 5,
            "limit_max": 70,
        },
        "ata_smart_self_test_log": {"extended": {"revision": 1, "sectors": 1, "count": 0}},
        "ata_smart_error_log": {"extended": {"revision": 1, "sectors": 5, "count": 0}},
        "sata_phy_event_counters": {
            "table": [{"id": 1, "name": "Command failed due to ICRC error", "size": 2, "value": 0}],
            "reset": False,
        },
        **fields,
    }


def ssd(*changed: Report, serial: str = "20032613EE70", **fields: Any) -> Report:
    """A SATA SSD of a server, with the raw values that healthy ones have."""
    table = {
        one["id"]: one
        for one in (
            attribute(1, "Raw_Read_Error_Rate", threshold=50, prefailure=True),
            attribute(5, "Reallocated_Sector_Ct", 2, threshold=1),
            attribute(9, "Power_On_Hours", 4238),
            attribute(174, "Unexpect_Power_Loss_Ct", 27),
            attribute(180, "Unused_Rsvd_Blk_Cnt_Tot", 18839, value=0, worst=0, prefailure=True),
            attribute(187, "Reported_Uncorrect"),
            attribute(188, "Command_Timeout", 107),
            attribute(197, "Current_Pending_Sector"),
            attribute(199, "UDMA_CRC_Error_Count"),
            attribute(202, "Percent_Lifetime_Remain", threshold=1),
            *changed,
        )
    }
    return hdd(serial=serial) | {
        "model_family": "Micron 5100 Pro / 52x0 / 5300 SSDs",
        "model_name": "Micron_5200_MTFDDAK960TDN",
        "firmware_version": "D1MU020",
        "rotation_rate": 0,
        "user_capacity": {"blocks": 1875385008, "bytes": 960197124096},
        "ata_smart_attributes": {"revision": 16, "table": list(table.values())},
        "temperature": {"current": 39, "op_limit_max": 70, "limit_max": 75},
        "ata_device_statistics": {
            "pages": [
                {
                    "number": 7,
                    "table": [
                        {
                            "offset": 8,
                            "name": "Percentage Used Endurance Indicator",
                            "size": 1,
                            "value": 2,
                            "flags": {"value": 192, "valid": True},
                        }
                    ],
                }
            ]
        },
        **fields,
    }


def statistics(page: int, offset: int, value: int, *, valid: bool = True, normalized: bool = False) -> Report:
    """A device statistics log with one entry; ``normalized``: the number is a percentage."""
    flags = {"valid": valid, "normalized": normalized}
    row = {"offset": offset, "name": "x", "size": 4, "value": value, "flags": flags}
    return {"pages": [{"number": page, "name": "p", "table": [row]}]}


def ata_test(kind: int, status: int, hours: int, lba: int | None = None) -> Report:
    row: Report = {
        "type": {"value": kind, "string": "x"},
        "status": {"value": status, "string": "y"},
        "lifetime_hours": hours,
    }
    return row if lba is None else row | {"lba": lba}


def ata_log(*rows: Report) -> Report:
    return {"extended": {"revision": 1, "sectors": 1, "table": list(rows), "count": len(rows)}}


def sas(*, v7_0: bool = False, serial: str = "Z1Z5DWJK0000R5101GHT", **fields: Any) -> Report:
    names = (
        {
            "vendor": "SEAGATE",
            "product": "ST4000NM0043",
            "model_name": "SEAGATE ST4000NM0043",
            "revision": "MS03",
        }
        if v7_0
        else {
            "scsi_vendor": "SEAGATE",
            "scsi_product": "ST4000NM0043",
            "scsi_model_name": "SEAGATE ST4000NM0043",
            "scsi_revision": "MS03",
            "scsi_transport_protocol": {"name": "SAS (SPL-4)", "value": 6},
        }
    )
    return {
        "smartctl": {"version": [7, 0] if v7_0 else [7, 4], "exit_status": 0},
        "device": {"name": "/dev/sdg", "info_name": "/dev/sdg", "type": "scsi", "protocol": "SCSI"},
        **names,
        "serial_number": serial,
        "logical_unit_id": "0x5000c50085a5e3ab",
        "user_capacity": {"blocks": 7814037168, "bytes": 4000787030016},
        "logical_block_size": 512,
        "rotation_rate": 7200,
        "device_type": {"scsi_value": 0, "name": "disk"},
        "smart_status": {"passed": True},
        "temperature": {"current": 34, "drive_trip": 68},
        "power_on_time": {"hours": 43549, "minutes": 33},
        "scsi_grown_defect_list": 0,
        "scsi_error_counter_log": {
            "read": _counter("176987.332"),
            "write": _counter("86472.611"),
            "verify": _counter("12.000"),
        },
        **fields,
    }


def _counter(gigabytes: str, uncorrected: int = 0) -> Report:
    return {
        "errors_corrected_by_eccfast": 300357663,
        "total_errors_corrected": 300357663,
        "gigabytes_processed": gigabytes,
        "total_uncorrected_errors": uncorrected,
    }


def sas_counters(*, read: int = 0, write: int = 0, verify: int = 0, gigabytes: str = "1000.000") -> Report:
    return {
        "read": _counter(gigabytes, read),
        "write": _counter(gigabytes, write),
        "verify": _counter(gigabytes, verify),
    }


def scan_results(*results: tuple[int, int]) -> Report:
    """What a SAS disk's background scans met: the sense key and the reassign status of each block."""
    rows = {
        f"result_{number}": {
            "lba": 1000 * number,
            "sense_key": {"value": sense_key},
            "reassign_status": {"value": reassign_status},
        }
        for number, (sense_key, reassign_status) in enumerate(results, start=1)
    }
    return {"status": {"value": 8, "string": "waiting until BMS interval timer expires"}, **rows}


def nvme(*, serial: str = "Z9DF71TJFY3L", health: Report | None = None, **fields: Any) -> Report:
    log = {
        "critical_warning": 0,
        "temperature": 44,
        "available_spare": 100,
        "available_spare_threshold": 10,
        "percentage_used": 2,
        "data_units_read": 1780859,
        "data_units_written": 3955987,
        "host_reads": 130361717,
        "host_writes": 154683711,
        "controller_busy_time": 392,
        "power_cycles": 127,
        "power_on_hours": 4279,
        "unsafe_shutdowns": 39,
        "media_errors": 0,
        "num_err_log_entries": 12,
        "warning_temp_time": 0,
        "critical_comp_time": 0,
        "temperature_sensors": [44],
        **(health or {}),
    }
    warning = log["critical_warning"]
    return {
        "smartctl": {"version": [7, 4], "exit_status": 8 if warning else 0},
        "device": {"name": "/dev/nvme0", "info_name": "/dev/nvme0", "type": "nvme", "protocol": "NVMe"},
        "model_name": "KXG60ZNV256G TOSHIBA",
        "serial_number": serial,
        "firmware_version": "AGGA4104",
        "nvme_total_capacity": 256060514304,
        "user_capacity": {"blocks": 500118192, "bytes": 256060514304},
        "logical_block_size": 512,
        "smart_status": {"passed": not warning, "nvme": {"value": warning}},
        "nvme_smart_health_information_log": log,
        "temperature": {"current": 44},
        "power_on_time": {"hours": 4279},
        **fields,
    }


def not_opened(device: str = "/dev/sda") -> Report:
    message = f"Smartctl open device: {device} failed: No such device"
    return {
        "smartctl": {
            "version": [7, 4],
            "exit_status": 2,
            "messages": [{"string": message, "severity": "error"}],
        }
    }


def scan(*devices: tuple[str, str]) -> Report:
    """What `--scan-open` lists: (name, type) each."""
    return {
        "smartctl": {"version": [7, 4], "exit_status": 0},
        "devices": [
            {"name": name, "info_name": f"{name} [{kind}]", "type": kind, "protocol": "SCSI"}
            for name, kind in devices
        ],
    }
