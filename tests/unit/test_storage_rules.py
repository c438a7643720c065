"""Each fault that a disk can have is injected and seen; each healthy peculiarity is not."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from bee_audit.collectors import storage
from bee_audit.rules.storage import RULES
from bee_audit.rules.thresholds import Thresholds, built_in
from bee_bus.documents.audit import Finding, Hardware, Summary
from bee_bus.documents.storage import (
    Disk,
    MdArray,
    MdMember,
    RaidBattery,
    RaidDrive,
    RaidVolume,
    StorageController,
    StorageSection,
)
from bee_machine import ToolHung
from lab import smartctl
from lab.disks import AHCI_3_GBPS, DiskShelf, exits
from lab.nvme_drive import (
    NvmeDrive,
    controller_page,
    health_page,
    sanitize_page,
    self_test_entry,
    self_test_page,
)

LIMITS = built_in()


def judged(section: StorageSection | None, limits: Thresholds = LIMITS) -> list[Finding]:
    nothing = Summary(verdict="OK", failure_count=0, warning_count=0, unknown_count=0, findings=())
    hardware = Hardware(summary=nothing, storage=section)
    return [finding for rule in RULES for finding in rule(hardware, limits)]


def of_shelf(shelf: DiskShelf) -> list[Finding]:
    return judged(asyncio.run(storage.collect(shelf.machine())))


def of_sata(*reports: smartctl.Report) -> list[Finding]:
    shelf = DiskShelf()
    for index, report in enumerate(reports):
        size = report.get("user_capacity", {}).get("bytes", 512)
        shelf.sata(f"sd{chr(97 + index)}", report, sectors=size // 512)
    return of_shelf(shelf)


def of_sas(report: smartctl.Report) -> list[Finding]:
    shelf = DiskShelf()
    parent = f"{shelf.host(0, 'mpt3sas')}/port-0:0/end_device-0:0"
    shelf.scsi_disk("sda", report, parent=parent, address="0:0:0:0", vendor="SEAGATE", model="ST4000NM0043")
    return of_shelf(shelf)


def of_nvme(drive: NvmeDrive, **options: Any) -> list[Finding]:
    shelf = DiskShelf()
    shelf.nvme(0, drive, **options)
    return of_shelf(shelf)


def names(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    return [(one.rule.removeprefix("storage."), one.severity) for one in findings]


def changed(number: int, name: str, raw: int, **more: Any) -> smartctl.Report:
    return smartctl.attribute(number, name, raw, **more)


def test_healthy_disks_of_every_kind_have_no_finding() -> None:
    assert of_sata(smartctl.hdd(), smartctl.ssd()) == []
    assert of_sas(smartctl.sas()) == []
    assert of_sas(smartctl.sas(v7_0=True)) == []
    assert of_nvme(NvmeDrive()) == []
    assert judged(None) == []


def test_a_finding_says_what_where_and_against_which_limit() -> None:
    (finding,) = of_sata(smartctl.hdd(changed(197, "Current_Pending_Sector", 8)))
    assert finding.component == "storage/sda"
    assert finding.where == "0000:00:17.0, serial ZC1234AB"
    assert finding.message == "sda (ST16000NM000J-2TW103) has 8 sectors that cannot be read now."
    assert finding.value == 8
    assert finding.threshold is not None
    assert (finding.threshold.value, finding.threshold.layer) == (0, "built-in")
    assert "Backblaze" in finding.threshold.source
    assert finding.next_step.startswith("Save its data")


def test_a_disk_that_says_it_fails() -> None:
    (finding,) = of_sata(smartctl.hdd(smart_status={"passed": False}))
    assert (finding.rule, finding.severity) == ("storage.smart-failed", "Critical")
    assert finding.threshold is not None
    assert finding.threshold.layer == "device"


def test_the_failing_bit_of_the_exit_status_is_enough() -> None:
    report = smartctl.hdd(smartctl={"exit_status": 8}, smart_status={})
    assert ("smart-failed", "Critical") in names(of_sata(report))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (1 << 2, []),  # some command failed: what was read is what counts
        (1 << 4, [("attribute-failing", "Critical")]),
        (1 << 5, [("attribute-failed-in-past", "Warning")]),
        (1 << 6, []),  # errors in the log may be the host's, and stay there for ever
        (1 << 7, [("self-test-failed", "Warning")]),
    ],
)
def test_the_other_bits_of_the_exit_status(status: int, expected: list[tuple[str, str]]) -> None:
    assert names(of_sata(smartctl.hdd(smartctl={"exit_status": status}))) == expected


def test_a_self_test_that_smartctl_calls_failed_and_the_log_does_not_show_as_such() -> None:
    row = {"code": {"value": 1}, "result": {"string": "a word of the next version"}}
    report = smartctl.sas(smartctl={"exit_status": 1 << 7}, scsi_self_test_0=row)
    assert names(of_sas(report)) == [("self-test-failed", "Warning")]


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        (
            changed(3, "Spin_Up_Time", 1, value=1, threshold=20, failed="now", prefailure=True),
            "attribute-failing",
        ),
        (changed(3, "Spin_Up_Time", 1, value=20, threshold=20, prefailure=True), "attribute-failing"),
    ],
)
def test_a_prefailure_attribute_at_its_threshold(attribute: smartctl.Report, expected: str) -> None:
    assert names(of_sata(smartctl.hdd(attribute))) == [(expected, "Critical")]


def test_an_attribute_of_age_at_its_threshold_and_one_that_was_there_once() -> None:
    old = changed(4, "Start_Stop_Count", 99999, value=1, threshold=20, failed="now")
    assert names(of_sata(smartctl.hdd(old))) == [("attribute-failing", "Warning")]
    once = changed(3, "Spin_Up_Time", 30, value=70, worst=20, threshold=21, failed="past")
    assert names(of_sata(smartctl.hdd(once))) == [("attribute-failed-in-past", "Warning")]


def test_a_threshold_that_is_none_fails_no_disk() -> None:
    # Seagate's Nytro and IronWolf SSDs have it, under a number of the vendor's own.
    filler = changed(246, "Unknown_Attribute", 0, value=100, worst=100, threshold=255, failed="now")
    assert of_sata(smartctl.ssd(filler, smartctl={"exit_status": 1 << 5})) == []
    worse = changed(246, "Unknown_Attribute", 0, value=100, threshold=254, failed="now", prefailure=True)
    assert of_sata(smartctl.ssd(worse, smartctl={"exit_status": 1 << 4})) == []
    # The disk's own verdict stands, whatever its thresholds are.
    failing = smartctl.ssd(filler, smart_status={"passed": False}, smartctl={"exit_status": 8})
    assert names(of_sata(failing)) == [("smart-failed", "Critical")]


def test_a_disk_that_was_warm_once_is_not_accused_of_it_for_ever() -> None:
    airflow = changed(190, "Airflow_Temperature_Cel", 27, value=73, worst=31, threshold=40, failed="past")
    assert of_sata(smartctl.hdd(airflow, smartctl={"exit_status": 1 << 5})) == []
    # A maker with the threshold 50 for everything: 52 °C once, where 70 °C are allowed.
    ssd = changed(194, "Temperature_Celsius", 36, value=64, worst=48, threshold=50, failed="past")
    assert of_sata(smartctl.ssd(ssd)) == []


def test_a_disk_too_warm_by_its_threshold_is_to_be_cooled_and_not_replaced() -> None:
    airflow = changed(190, "Airflow_Temperature_Cel", 57, value=43, worst=43, threshold=45, failed="now")
    (finding,) = of_sata(smartctl.hdd(airflow, temperature={"current": 57}))
    assert (finding.rule, finding.severity) == ("storage.attribute-failing", "Warning")
    assert finding.message.endswith("at 43, its threshold is 45; this says it is too warm.")
    assert "air flow" in finding.next_step
    # With a limit in degrees that is the one to judge by.
    ssd = changed(194, "Temperature_Celsius", 51, value=49, worst=48, threshold=50, failed="now")
    assert of_sata(smartctl.ssd(ssd, temperature={"current": 51, "op_limit_max": 70})) == []
    warm = of_sata(smartctl.ssd(ssd, temperature={"current": 71, "op_limit_max": 70}))
    assert names(warm) == [("too-hot", "Warning")]
    # A disk that calls it prefailure predicts its failure by it.
    doom = changed(194, "Temperature_Celsius", 90, value=10, threshold=20, failed="now", prefailure=True)
    assert names(of_sata(smartctl.hdd(doom))) == [("attribute-failing", "Critical")]


@pytest.mark.parametrize(
    ("attribute", "rule"),
    [
        (changed(5, "Reallocated_Sector_Ct", 5), "reallocated-sectors"),
        (changed(5, "Reallocated_Sector_Ct", 3298534883369, text="41 (768 0)"), "reallocated-sectors"),
        (changed(10, "Spin_Retry_Count", 1), "spin-retries"),
        (changed(184, "End-to-End_Error", 1), "end-to-end-errors"),
        (changed(187, "Reported_Uncorrect", 1), "reported-uncorrectable"),
        (changed(188, "Command_Timeout", 101), "command-timeouts"),
        (changed(188, "Command_Timeout", 8590000000 + 300, text="2 2 62596"), "command-timeouts"),
        (changed(196, "Reallocated_Event_Count", 12), "reallocation-events"),
        (changed(197, "Current_Pending_Sector", 1), "pending-sectors"),
        (changed(198, "Offline_Uncorrectable", 1), "offline-uncorrectable"),
        (changed(199, "UDMA_CRC_Error_Count", 101), "interface-crc"),
        (changed(201, "Soft_Read_Error_Rate", 1), "soft-read-errors"),
    ],
)
def test_counts_that_predict_a_failure(attribute: smartctl.Report, rule: str) -> None:
    assert names(of_sata(smartctl.hdd(attribute))) == [(rule, "Warning")]


@pytest.mark.parametrize(
    "attribute",
    [
        changed(5, "Reallocated_Sector_Ct", 4),  # as rare a failure as with none
        changed(5, "Reallocated_Sector_Ct", 8589934592000, text="0 (2000 0)"),
        changed(188, "Command_Timeout", 4295032833, text="1 1 1"),
        changed(188, "Command_Timeout", 100),
        changed(196, "Reallocated_Event_Count", 53416508262463, text="2111 (12437 0)"),
        changed(197, "Bogus_Current_Pend_Sect", 1),
        changed(199, "UDMA_CRC_Error_Count", 100),
        changed(1, "Raw_Read_Error_Rate", 240_000_000),
        changed(7, "Seek_Error_Rate", 4_294_967_296_000),
        changed(195, "Hardware_ECC_Recovered", 83905456),
        changed(240, "Head_Flying_Hours", 281_474_976_715_000, text="4264h+33m+12.001s"),
        changed(184, "Initial_Bad_Block_Count", 12),
        changed(198, "Host_Reads_GiB", 123456),
        changed(201, "Power_Loss_Cap_Test", 1),
        changed(196, "Total_Erase_Failures", 7),
    ],
)
def test_raw_values_of_healthy_disks_are_no_findings(attribute: smartctl.Report) -> None:
    assert of_sata(smartctl.hdd(attribute)) == []


def test_on_a_young_disk_the_first_reallocated_sector_counts() -> None:
    one = changed(5, "Reallocated_Sector_Ct", 1)
    assert of_sata(smartctl.hdd(one)) == []
    (finding,) = of_sata(smartctl.hdd(one, power_on_time={"hours": 200}))
    assert finding.rule == "storage.reallocated-sectors"
    assert finding.threshold is not None
    assert finding.threshold.value == 0


def test_an_ssd_retires_blocks_in_the_course_of_its_life() -> None:
    assert of_sata(smartctl.ssd(changed(5, "Reallocated_Sector_Ct", 60, threshold=1))) == []
    assert names(of_sata(smartctl.ssd(changed(5, "Reallocate_NAND_Blk_Cnt", 300, threshold=1)))) == [
        ("reallocated-blocks", "Warning")
    ]
    assert of_sata(smartctl.ssd(changed(10, "Unknown_SSD_Attribute", 5))) == []


@pytest.mark.parametrize(
    ("attribute", "rule"),
    [
        (changed(195, "Uncorrectable_Error_Cnt", 3), "reported-uncorrectable"),
        (changed(198, "Uncor_Read_Error_Ct", 2), "offline-uncorrectable"),
        (changed(170, "Grown_Bad_Block_Ct", 101), "reallocated-blocks"),
        (changed(218, "CRC_Error_Count", 101), "interface-crc"),
        (changed(197, "Current_Pending_ECC_Cnt", 2), "pending-sectors"),
        (changed(180, "End_to_End_Err_Detect", 1), "end-to-end-errors"),
    ],
)
def test_makers_of_ssds_number_the_same_counts_otherwise(attribute: smartctl.Report, rule: str) -> None:
    assert names(of_sata(smartctl.ssd(attribute))) == [(rule, "Warning")]


@pytest.mark.parametrize(
    "attribute",
    [
        changed(195, "Hardware_ECC_Recovered", 4_000_000),
        changed(170, "Reserve_Block_Count", 5000),
        changed(180, "Unused_Rsvd_Blk_Cnt_Tot", 18839, value=100),
        changed(218, "Unknown_SandForce_Attr", 4096),
        changed(197, "Current_Pending_ECC_Cnt", 1),  # it comes and goes on sound drives
    ],
)
def test_what_else_stands_under_those_numbers_is_no_fault(attribute: smartctl.Report) -> None:
    assert of_sata(smartctl.ssd(attribute)) == []


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"ata_device_statistics": smartctl.statistics(3, 0x20, 16)}, "reallocated-sectors"),
        ({"ata_device_statistics": smartctl.statistics(4, 0x08, 2)}, "reported-uncorrectable"),
        ({"ata_device_statistics": smartctl.statistics(6, 0x18, 500)}, "interface-crc"),
        ({"ata_pending_defects_log": {"count": 3}}, "pending-sectors"),
        ({"sata_phy_event_counters": {"table": [{"id": 1, "value": 7}]}}, "link-crc"),
    ],
)
def test_the_same_counts_in_the_standards_own_logs(fields: smartctl.Report, rule: str) -> None:
    assert names(of_sata(smartctl.hdd(**fields))) == [(rule, "Warning")]


def test_a_statistic_that_the_disk_calls_invalid_counts_for_nothing() -> None:
    assert of_sata(smartctl.hdd(ata_device_statistics=smartctl.statistics(4, 0x08, 9, valid=False))) == []


def test_a_percentage_of_the_spare_sectors_is_no_number_of_sectors() -> None:
    used = smartctl.statistics(3, 0x20, 6, normalized=True)
    assert of_sata(smartctl.hdd(ata_device_statistics=used)) == []
    worn = smartctl.statistics(7, 8, 104, normalized=True)
    assert names(of_sata(smartctl.ssd(ata_device_statistics=worn))) == [("worn-out", "Warning")]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {
                "smart_status": {
                    "passed": False,
                    "scsi": {"asc": 0x5D, "ascq": 0x32, "ie_string": "DATA CHANNEL"},
                }
            },
            [("smart-failed", "Critical")],
        ),
        (
            {"smart_status": {"passed": False, "scsi": {"asc": 0x0B, "ascq": 1, "ie_string": "HOT"}}},
            [("drive-warning", "Warning")],
        ),
        (
            {"smart_status": {"passed": False, "scsi": {"asc": 0x5D, "ascq": 0xFF, "ie_string": "FALSE"}}},
            [("drive-warning", "Warning")],
        ),
        ({"scsi_grown_defect_list": 56}, [("grown-defects", "Warning")]),
        ({"scsi_grown_defect_list": 4}, []),
        ({"scsi_grown_defect_list": 1, "power_on_time": {"hours": 10}}, [("grown-defects", "Warning")]),
        ({"scsi_pending_defects": {"count": 2}}, [("pending-sectors", "Warning")]),
        ({"scsi_background_scan": smartctl.scan_results((3, 1))}, [("pending-sectors", "Warning")]),
        ({"scsi_background_scan": smartctl.scan_results((1, 5), (3, 2))}, []),
        (
            {"scsi_background_scan": {"status": {"value": 3, "string": "halted due to fatal error"}}},
            [("background-scan", "Warning")],
        ),
        (
            {
                "scsi_background_scan": {
                    "status": {"value": 5, "string": "halted due to medium formatted without P-List"}
                }
            },
            [],
        ),
        # A 3.5 inch disk whose highest temperature for continuous use is 50 °C has not failed at 51 °C.
        ({"temperature": {"current": 51, "drive_trip": 50}}, [("too-hot", "Warning")]),
        ({"temperature": {"current": 49, "drive_trip": 50}}, []),
        (
            {"temperature": {}, "scsi_environmental_reports": {"temperature_1": {"current": 63}}},
            [("too-hot", "Warning")],
        ),
        ({"smart_support": {"available": True, "enabled": False}}, [("health-unread", "Unknown")]),
        ({"scsi_error_counter_log": smartctl.sas_counters(read=1)}, [("scsi-uncorrected", "Warning")]),
        ({"scsi_error_counter_log": smartctl.sas_counters(write=3)}, [("scsi-uncorrected", "Warning")]),
        ({"scsi_error_counter_log": smartctl.sas_counters(verify=1)}, [("scsi-uncorrected", "Warning")]),
        # One error in 2 PB is what the data sheet allows.
        ({"scsi_error_counter_log": smartctl.sas_counters(read=1, gigabytes="2000000.000")}, []),
        ({"scsi_percentage_used_endurance_indicator": 101}, [("worn-out", "Warning")]),
        ({"smart_status": {}}, [("health-unread", "Unknown")]),
    ],
)
def test_sas_disks(fields: smartctl.Report, expected: list[tuple[str, str]]) -> None:
    assert names(of_sas(smartctl.sas(**fields))) == expected


@pytest.mark.parametrize("bit", range(8))
def test_each_critical_warning_of_nvme_is_named(bit: int) -> None:
    (finding,) = of_nvme(NvmeDrive(health=health_page(critical_warning=1 << bit)))
    assert (finding.rule, finding.severity) == ("storage.nvme-critical-warning", "Critical")
    assert finding.threshold is not None
    assert finding.threshold.layer == "device"


def test_an_endurance_group_that_is_read_only_while_the_drive_as_a_whole_does_not_warn() -> None:
    grouped = controller_page(endurance_groups=True)
    (finding,) = of_nvme(NvmeDrive(grouped, health=health_page(endurance_group_warning=0b1000)))
    assert (finding.rule, finding.severity) == ("storage.nvme-critical-warning", "Critical")
    assert finding.message.endswith("warns of one of its endurance groups: the media is read-only.")
    # What the drive says as a whole is said once; without endurance groups the byte is reserved.
    both = health_page(critical_warning=0b1000, endurance_group_warning=0b1000)
    assert len(of_nvme(NvmeDrive(grouped, health=both))) == 1
    assert of_nvme(NvmeDrive(health=health_page(endurance_group_warning=0xFF))) == []


def test_two_warnings_at_once_are_two_findings() -> None:
    found = of_nvme(NvmeDrive(health=health_page(critical_warning=0b0110)))
    assert len({finding.message for finding in found}) == 2


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (health_page(spare=9), [("nvme-spare", "Critical")]),
        (health_page(spare=10), []),  # at the threshold is not below it
        (health_page(spare=100, spare_threshold=100), []),
        (health_page(used=99), []),
        (health_page(used=100), [("worn-out", "Warning")]),
        (health_page(used=255), [("worn-out", "Critical")]),
        (health_page(media_errors=1), [("nvme-media-errors", "Warning")]),
        (health_page(media_errors=1 << 90), [("nvme-media-errors", "Warning")]),
        # One error in 20 PB is what the data sheet allows; ten are not.
        (health_page(media_errors=1, units_read=39062500000), []),
        (health_page(media_errors=10, units_read=39062500000), [("nvme-media-errors", "Warning")]),
        (health_page(error_entries=100000), []),  # hosts ask nonsense
        (health_page(kelvin=353), [("too-hot", "Warning")]),
        (health_page(kelvin=358), [("too-hot", "Critical")]),
        (bytes(512), [("health-unread", "Unknown")]),
        (b"\xff" * 512, [("health-unread", "Unknown")]),
    ],
)
def test_nvme_health(page: bytes, expected: list[tuple[str, str]]) -> None:
    assert names(of_nvme(NvmeDrive(health=page))) == expected


def test_our_temperature_is_used_only_where_the_drive_states_none() -> None:
    hot = NvmeDrive(health=health_page(kelvin=273 + 81))
    silent = NvmeDrive(
        controller=controller_page(warning_kelvin=0, critical_kelvin=0), health=health_page(kelvin=273 + 81)
    )
    (own,), (ours,) = of_nvme(hot), of_nvme(silent)
    assert own.threshold is not None
    assert ours.threshold is not None
    assert (own.threshold.layer, ours.threshold.layer) == ("device", "built-in")


@pytest.mark.parametrize(
    ("temperature", "expected"),
    [
        ({"current": 36, "op_limit_max": 25, "limit_max": 60}, []),  # a wish, not a limit
        ({"current": 60, "op_limit_max": 60, "limit_max": 70}, [("too-hot", "Warning")]),
        ({"current": 70, "limit_max": 70}, [("too-hot", "Critical")]),
        ({"current": 61}, [("too-hot", "Warning")]),
        ({"current": 59}, []),
        ({}, []),
    ],
)
def test_temperatures_of_sata_disks(temperature: smartctl.Report, expected: list[tuple[str, str]]) -> None:
    assert names(of_sata(smartctl.hdd(temperature=temperature))) == expected


def test_the_newest_self_test_counts() -> None:
    failed, passed = smartctl.ata_test(1, 0x79, 300, 4711), smartctl.ata_test(1, 0, 200)
    (finding,) = of_sata(smartctl.hdd(ata_smart_self_test_log=smartctl.ata_log(failed, passed)))
    assert (finding.rule, finding.severity) == ("storage.self-test-failed", "Critical")
    assert "first at block 4711" in finding.message


def test_the_hour_of_a_self_test_begins_anew_on_a_disk_that_is_old() -> None:
    failed = smartctl.ata_log(smartctl.ata_test(1, 0x79, 300))
    old = smartctl.hdd(ata_smart_self_test_log=failed, power_on_time={"hours": 65_900})
    young = smartctl.hdd(ata_smart_self_test_log=failed, power_on_time={"hours": 65_800})
    assert "(short at 300 or 65836 h: read failure" in of_sata(old)[0].message
    assert "(short at 300 h: read failure" in of_sata(young)[0].message


def test_an_old_failure_counts_until_an_extended_test_has_passed() -> None:
    failed, short, extended = (
        smartctl.ata_test(kind, status, 9) for kind, status in ((2, 0x79), (1, 0), (2, 0))
    )
    standing = smartctl.hdd(ata_smart_self_test_log=smartctl.ata_log(short, failed))
    outdated = smartctl.hdd(ata_smart_self_test_log=smartctl.ata_log(short, extended, failed))
    assert names(of_sata(standing)) == [("self-test-failed-before", "Warning")]
    assert of_sata(outdated) == []


def test_tests_that_were_aborted_or_are_running_are_no_failures() -> None:
    rows = [smartctl.ata_test(1, status, 9) for status in (0xF9, 0x19, 0x29, 0x00)]
    assert of_sata(smartctl.hdd(ata_smart_self_test_log=smartctl.ata_log(*rows))) == []


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (sanitize_page(0), []),  # never
        (sanitize_page(0x109), []),  # done, one pass of overwriting
        (sanitize_page(4), []),  # done, and nothing deallocated
        (sanitize_page(2, progress=0x4000), [("sanitize-running", "Warning")]),
        (sanitize_page(3), [("sanitize-failed", "Critical")]),
        (b"\xff" * 512, []),
    ],
)
def test_a_drive_that_erases_itself(page: bytes, expected: list[tuple[str, str]]) -> None:
    assert names(of_nvme(NvmeDrive(sanitize=page))) == expected
    never = NvmeDrive(controller_page(sanitize=False), sanitize=page)
    assert of_nvme(never) == []


def test_a_failed_self_test_of_nvme() -> None:
    log = self_test_page(self_test_entry(code=1, result=6, hours=5))
    assert names(of_nvme(NvmeDrive(self_tests=log))) == [("self-test-failed", "Critical")]


def slow_link(**fields: Any) -> smartctl.Report:
    speed = smartctl.hdd()["interface_speed"]
    current = {"sata_value": 2, "string": "3.0 Gb/s", "units_per_second": 30, "bits_per_unit": 100000000}
    return smartctl.hdd(interface_speed={**speed, "current": current}, **fields)


def test_a_link_slower_than_both_ends_allow() -> None:
    (finding,) = of_sata(slow_link())
    assert (finding.rule, finding.value) == ("storage.link-slow", 3.0)


def test_a_link_as_fast_as_the_port_or_with_an_unknown_end_is_none() -> None:
    old_port, unknown = DiskShelf(), DiskShelf()
    old_port.sata("sda", slow_link(), caps=AHCI_3_GBPS)
    unknown.sata("sda", slow_link(), caps="zz")
    assert of_shelf(old_port) == of_shelf(unknown) == []


def test_one_disk_slower_than_its_peers() -> None:
    shelf = DiskShelf()
    for name, report in (("sda", smartctl.hdd(serial="1")), ("sdb", slow_link(serial="2"))):
        shelf.sata(name, report, caps="zz")
    (finding,) = of_shelf(shelf)
    assert (finding.rule, finding.component) == ("storage.link-unlike-peers", "storage/sdb")


def test_one_disk_with_another_firmware_or_size_than_its_peers() -> None:
    reports = [smartctl.hdd(serial=f"Z{index}") for index in range(3)]
    (finding,) = of_sata(*reports, smartctl.hdd(serial="Z9", firmware_version="SN02"))
    assert (finding.rule, finding.component, finding.value) == (
        "storage.firmware-unlike-peers",
        "storage/sdd",
        "SN02",
    )
    clipped = {"blocks": 31251759103, "bytes": 16000900660736}
    (finding,) = of_sata(*reports, smartctl.hdd(serial="Z9", user_capacity=clipped))
    assert (finding.rule, finding.component) == ("storage.size-unlike-peers", "storage/sdd")


def test_between_two_disks_the_older_firmware_is_named_once() -> None:
    (finding,) = of_sata(smartctl.hdd(serial="1", firmware_version="SN02"), smartctl.hdd(serial="2"))
    assert finding.component == "storage/sda"
    assert "has firmware SN02, 1 of the same model have SN04" in finding.message


def test_a_disk_that_could_not_be_asked_is_unknown_and_never_ok() -> None:
    shelf = DiskShelf()
    shelf.sata("sda", ToolHung("smartctl did not end within 20 s"))
    (finding,) = of_shelf(shelf)
    assert (finding.rule, finding.severity) == ("storage.health-unread", "Unknown")
    assert "did not end within 20 s" in finding.message
    assert "`smartctl -x /dev/sda`" in finding.next_step
    behind = Disk(id="megaraid,3@/dev/bus/0", device_nodes=("/dev/bus/0",), health_unread="it hangs")
    (finding,) = judged(StorageSection(disks=(behind,)))
    assert "`smartctl -x -d megaraid,3 /dev/bus/0`" in finding.next_step


def test_a_disk_whose_smart_is_off_is_to_be_switched_on() -> None:
    off = {"available": True, "enabled": False}
    for report in (
        of_sas(smartctl.sas(smart_support=off)),
        of_sata(smartctl.hdd(smart_status={}, smart_support=off)),
    ):
        (finding,) = report
        assert finding.severity == "Unknown"
        assert finding.next_step == "Switch it on with `smartctl -s on /dev/sda` and audit again."


def test_disks_that_have_no_health_of_their_own_are_not_asked_for_it() -> None:
    shelf = DiskShelf()
    shelf.virtio("vda")
    shelf.usb("sda", exits(1, smartctl.not_opened()))
    assert of_shelf(shelf) == []


def test_a_usb_disk_that_stays_is_a_part_of_the_machine_unless_it_started_it() -> None:
    shelf = DiskShelf()
    shelf.usb("sda", exits(1, smartctl.not_opened()), removable="0")
    assert names(of_shelf(shelf)) == [("health-unread", "Unknown")]
    shelf.properties("sda", ID_FS_TYPE="iso9660")
    assert of_shelf(shelf) == []


def test_an_emulated_disk_that_fails_is_judged_as_any_other() -> None:
    shelf = DiskShelf()
    failing = smartctl.hdd(model_name="QEMU HARDDISK", smart_status={"passed": False})
    shelf.sata("sda", failing, attributes={"device/model": "QEMU HARDDISK"})
    assert names(of_shelf(shelf)) == [("smart-failed", "Critical")]


def test_disks_that_the_kernel_lost() -> None:
    shelf = DiskShelf()
    shelf.sata("sda", smartctl.hdd(), attributes={"device/state": "offline"})
    assert names(of_shelf(shelf)) == [("offline", "Critical")]
    found = names(of_nvme(NvmeDrive(), state="dead"))
    assert found == [("offline", "Critical")]


def test_disks_without_room() -> None:
    shelf = DiskShelf()
    shelf.sata("sda", smartctl.hdd(user_capacity={}), sectors=0)
    assert names(of_shelf(shelf)) == [("no-capacity", "Critical")]
    assert names(of_nvme(NvmeDrive(), namespaces=0)) == [("no-namespace", "Warning")]


def test_a_disk_that_knows_its_size_and_that_the_kernel_cannot_use_has_no_room() -> None:
    shelf = DiskShelf()
    shelf.sata("sda", smartctl.hdd(), sectors=0)
    shelf.sata("sdb", smartctl.hdd(serial="in a hot-plug bay"), sectors=0, removable="1")
    assert names(of_shelf(shelf)) == [("no-capacity", "Critical")] * 2


def test_a_disk_out_of_an_array_with_blocks_that_the_kernel_does_not_know() -> None:
    shelf = DiskShelf()
    parent = f"{shelf.host(0, 'mpt3sas')}/port-0:0/end_device-0:0"
    report = smartctl.sas(logical_block_size=520)
    shelf.scsi_disk("sda", report, parent=parent, address="0:0:0:0", vendor="SEAGATE", sectors=0)
    (finding,) = of_shelf(shelf)
    assert (finding.rule, finding.severity, finding.value) == ("storage.block-size", "Warning", 520)
    assert "/dev/sda" in finding.next_step


def test_a_namespace_that_the_kernel_cannot_use() -> None:
    shelf = DiskShelf()
    shelf.nvme(0, NvmeDrive(), namespaces=2)
    shelf.files[f"{shelf.links['/sys/block/nvme0n2']}/size"] = "0\n"
    (finding,) = of_shelf(shelf)
    assert (finding.rule, finding.severity) == ("storage.namespace-unusable", "Warning")
    assert finding.message.endswith("gives no size: nvme0n2.")


@pytest.mark.parametrize(
    ("state", "string", "expected"),
    [
        (0x0021, "Disabled, NOT FROZEN [SEC1]", []),
        (0x0029, "Disabled, frozen [SEC2]", []),
        (0x0123, "ENABLED, PW level MAX, not locked, not frozen [SEC5]", []),
        (0x0027, "ENABLED, PW level HIGH, **LOCKED** [SEC4]", [("locked", "Warning")]),
    ],
)
def test_a_disk_that_somebody_locked(state: int, string: str, expected: list[tuple[str, str]]) -> None:
    security = {"state": state, "string": string, "enabled": bool(state & 2)}
    assert names(of_sata(smartctl.hdd(ata_security=security))) == expected


def test_disks_that_take_no_writes() -> None:
    shelf = DiskShelf()
    shelf.sata("sda", smartctl.ssd(), attributes={"ro": "1"})
    shelf.nvme(0, NvmeDrive())
    shelf.files[f"{shelf.links['/sys/block/nvme0n1']}/ro"] = "1\n"
    assert names(of_shelf(shelf)) == [("read-only", "Warning")] * 2


def controller(**fields: Any) -> StorageSection:
    one = StorageController(id="0000:3b:00.0", model="MegaRAID 9361-8i", serial="SK1", raid=True, **fields)
    return StorageSection(controllers=(one,))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("ok", []),
        ("spare", []),
        ("failed", [("raid-drive", "Critical")]),
        ("predicted", [("raid-drive", "Critical")]),
        ("missing", [("raid-drive", "Critical")]),
        ("rebuilding", [("raid-drive", "Warning")]),
        ("unknown", [("raid-drive", "Unknown")]),
    ],
)
def test_drives_of_a_raid_controller(condition: Any, expected: list[tuple[str, str]]) -> None:
    drive = RaidDrive(slot="252:3", condition=condition, state="word", serial="ZC8")
    found = judged(controller(drives=(drive,)))
    assert names(found) == expected
    assert all("slot 252:3" in one.where and "serial ZC8" in one.where for one in found)


def test_media_errors_that_a_raid_controller_counted() -> None:
    drive = RaidDrive(slot="252:3", condition="ok", state="Onln", media_errors=2)
    assert names(judged(controller(drives=(drive,)))) == [("raid-drive-media-errors", "Warning")]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("ok", []),
        ("degraded", [("raid-volume", "Critical")]),
        ("failed", [("raid-volume", "Critical")]),
        ("rebuilding", [("raid-volume", "Warning")]),
        ("unknown", [("raid-volume", "Unknown")]),
    ],
)
def test_volumes_of_a_raid_controller(condition: Any, expected: list[tuple[str, str]]) -> None:
    volume = RaidVolume(number="0/239", condition=condition, state="word", level="RAID1", name="os")
    assert names(judged(controller(volumes=(volume,)))) == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("ok", []),
        ("charging", []),
        ("failed", [("raid-battery", "Warning")]),
        ("missing", [("raid-battery", "Warning")]),
        ("unknown", [("raid-battery", "Unknown")]),
    ],
)
def test_batteries_of_a_raid_controller(condition: Any, expected: list[tuple[str, str]]) -> None:
    battery = RaidBattery(condition=condition, state="word")
    assert names(judged(controller(batteries=(battery,)))) == expected


def test_a_raid_controller_that_needs_attention_for_a_reason_already_told() -> None:
    degraded = RaidVolume(number="0", condition="degraded", state="Dgrd")
    told = judged(controller(condition="degraded", status="Degraded", volumes=(degraded,)))
    assert names(told) == [("raid-volume", "Critical")]
    assert names(judged(controller(condition="degraded", status="Needs Attention"))) == [
        ("raid-controller", "Warning")
    ]
    assert names(judged(controller(condition="failed", status="Failed"))) == [("raid-controller", "Critical")]
    assert names(judged(controller(memory_uncorrectable_errors=1))) == [("raid-memory", "Critical")]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"state": "clean", "missing_disks": 0, "sync_action": "idle"}, []),
        ({"state": "active", "missing_disks": 0, "sync_action": "check"}, []),
        ({"state": "clean", "missing_disks": 1}, [("md-degraded", "Critical")]),
        (
            {"state": "clean", "members": (MdMember(name="sdb1", state="faulty"),)},
            [("md-degraded", "Critical")],
        ),
        (
            {"state": "clean", "sync_action": "recover", "sync_completed": "1 / 9"},
            [("md-rebuilding", "Warning")],
        ),
        ({"state": "inactive", "level": "raid1"}, [("md-inactive", "Warning")]),
        ({"state": "inactive", "level": "container"}, []),
        ({"state": "broken", "level": "raid0"}, [("md-inactive", "Critical")]),
    ],
)
def test_arrays_of_the_kernel(fields: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert names(judged(StorageSection(arrays=(MdArray(id="md0", **fields),)))) == expected


def test_a_site_may_set_other_limits() -> None:
    strict = LIMITS.layered("[storage]\nreallocated_sectors = 0\n", "site", "/etc/bee/thresholds.toml")
    shelf = DiskShelf()
    shelf.sata("sda", smartctl.hdd(changed(5, "Reallocated_Sector_Ct", 1)))
    section = asyncio.run(storage.collect(shelf.machine()))
    (finding,) = judged(section, strict)
    assert finding.threshold is not None
    assert finding.threshold.layer == "site"


def test_every_limit_is_used_and_says_where_it_comes_from() -> None:
    from pathlib import Path

    import bee_audit.rules.disks as package

    source = "".join(path.read_text("utf-8") for path in Path(package.__path__[0]).glob("*.py"))
    for name in LIMITS.names():
        if name.startswith("storage.temperature_"):
            continue
        if name.startswith("storage."):
            assert name in source, name
            assert len(LIMITS[name].source) > 30
