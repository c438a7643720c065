"""Reports of real disks: the facts are what the JSON says, the verdict what a technician would say."""

import json
from pathlib import Path
from typing import Any

import pytest

from bee_audit.collectors.disks.block import with_report
from bee_audit.decode.smartctl import decode_report, decode_scan
from bee_audit.rules.storage import RULES
from bee_audit.rules.thresholds import built_in
from bee_bus.documents.audit import Finding, Hardware, Summary
from bee_bus.documents.storage import Disk, StorageSection
from lab.data import shared_data

SERVER = [f"x11dph-t/{name}" for name in (*(f"sd{letter}" for letter in "abcdefghijklmn"), "nvme0", "nvme1")]
MIXED = [
    f"mixed/smart-{name}"
    for name in (
        *("ata", "ata-failed-scrutiny", "fail", "fail2", "megaraid0"),
        *("nvme", "nvme-failed", "sat", "scsi"),
    )
]


def document(name: str) -> tuple[Any, Disk]:
    path: Path = shared_data(f"smartctl/{name}.json")
    output = path.read_bytes()
    return json.loads(output), with_report(Disk(id=path.stem), decode_report(output))


def findings(*disks: Disk) -> list[Finding]:
    nothing = Summary(verdict="OK", failure_count=0, warning_count=0, unknown_count=0, findings=())
    hardware = Hardware(summary=nothing, storage=StorageSection(disks=disks))
    limits = built_in()
    return [finding for rule in RULES for finding in rule(hardware, limits)]


@pytest.mark.parametrize("name", [*SERVER, *MIXED])
def test_facts_are_what_the_json_says(name: str) -> None:
    said, disk = document(name)
    assert disk.serial in (said.get("serial_number"), None)
    assert disk.model in (said.get("model_name"), said.get("product"))
    assert disk.firmware == said.get("firmware_version", said.get("revision"))
    assert disk.size_bytes == said.get("user_capacity", {}).get("bytes")
    assert disk.logical_block_bytes == said.get("logical_block_size")
    assert disk.smart_status_passed == said.get("smart_status", {}).get("passed")
    assert disk.power_cycles == said.get("power_cycle_count")
    assert disk.smartctl_exit_status == said.get("smartctl", {}).get("exit_status")
    if "temperature" in said:
        assert disk.temperature_celsius == said["temperature"]["current"]
    if "power_on_time" in said:
        assert disk.power_on_hours == said["power_on_time"]["hours"]
    if "rotation_rate" in said:
        assert disk.kind == ("hdd" if said["rotation_rate"] else "ssd")
    table = said.get("ata_smart_attributes", {}).get("table", [])
    assert len(disk.attributes) == len(table)
    for attribute, row in zip(disk.attributes, table, strict=True):
        told = (
            attribute.number,
            attribute.name,
            attribute.value,
            attribute.worst,
            attribute.threshold,
            attribute.raw,
        )
        assert told == (
            row["id"],
            row["name"],
            row["value"],
            row["worst"],
            row["thresh"],
            row["raw"]["value"],
        )
        assert (attribute.failed or "") == row["when_failed"]
        # A text that begins with the count gives the count.
        assert str(attribute.count) == row["raw"]["string"].split()[0]
    health = said.get("nvme_smart_health_information_log")
    if health is not None:
        assert disk.nvme is not None
        assert disk.nvme.media_errors == health["media_errors"]
        assert disk.nvme.bytes_read == health["data_units_read"] * 512000
        assert disk.available_spare_percent == health["available_spare"]
        assert disk.percentage_used == health["percentage_used"]
    log = said.get("ata_smart_self_test_log", {})
    rows: list[Any] = next((part["table"] for part in log.values() if part.get("table")), [])
    assert disk.self_tests is None or len(disk.self_tests.results) == len(rows)


def test_the_disks_of_a_healthy_server_have_no_finding() -> None:
    assert findings(*(document(name)[1] for name in SERVER)) == []


@pytest.mark.parametrize("name", ["mixed/smart-ata", "mixed/smart-megaraid0", "mixed/smart-nvme"])
def test_a_healthy_disk_has_no_finding(name: str) -> None:
    assert findings(document(name)[1]) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "mixed/smart-fail2",
            {
                "storage.smart-failed": "Critical",
                "storage.attribute-failing": "Critical",
                "storage.reallocated-sectors": "Warning",
                "storage.reallocation-events": "Warning",
                "storage.pending-sectors": "Warning",
                "storage.self-test-failed-before": "Warning",
            },
        ),
        ("mixed/smart-nvme-failed", {"storage.nvme-media-errors": "Warning"}),
        (
            "mixed/smart-ata-failed-scrutiny",
            {"storage.interface-crc": "Warning", "storage.link-crc": "Warning"},
        ),
        ("mixed/smart-scsi", {"storage.grown-defects": "Warning"}),
        ("mixed/smart-fail", {"storage.health-unread": "Unknown"}),
        ("mixed/smart-sat", {"storage.health-unread": "Unknown"}),  # `smartctl -A` alone asks for no status
    ],
)
def test_a_disk_that_is_not_well_is_named(name: str, expected: dict[str, str]) -> None:
    assert {one.rule: one.severity for one in findings(document(name)[1])} == expected


def test_the_scan_of_a_server_has_nothing_behind_a_controller() -> None:
    devices = decode_scan(shared_data("smartctl/x11dph-t/scan.json").read_bytes())
    assert len(devices) == 16
    assert not any(device.behind_controller for device in devices)
