"""smartctl's JSON becomes facts: what it says, no more, and nothing that it does not say."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bee_audit.decode import DecodeError
from bee_audit.decode.smartctl import SmartReport, decode_report, decode_scan
from bee_bus.documents.base import to_json
from bee_bus.documents.disk_health import SmartAttribute
from lab import smartctl


def read(report: smartctl.Report) -> SmartReport:
    return decode_report(smartctl.printed(report))


def row(report: SmartReport, number: int) -> SmartAttribute:
    return next(one for one in report.attributes if one.number == number)


def test_a_sata_disk() -> None:
    report = read(smartctl.hdd())
    assert (report.model, report.serial, report.firmware) == ("ST16000NM000J-2TW103", "ZC1234AB", "SN04")
    assert report.wwn is not None
    assert report.wwn.startswith("5000c50")
    assert (report.size_bytes, report.physical_block_bytes) == (16000900661248, 4096)
    assert (report.rotation_rate_rpm, report.transport) == (7200, "sata")
    assert (report.link_gbps, report.link_maximum_gbps) == (6.0, 6.0)
    assert (report.smart_status_passed, report.unread, report.power_on_hours) == (True, None, 20000)


def test_a_sas_disk_that_was_never_tested_may_have_self_tests() -> None:
    tests = read(smartctl.sas()).self_tests
    assert tests is not None
    assert (tests.supported, tests.results) == (None, ())
    # Older versions print no tests of SAS disks at all, and without -x none were asked for.
    assert read(smartctl.sas(v7_0=True)).self_tests is None
    asked_little = {key: value for key, value in smartctl.sas().items() if key != "scsi_error_counter_log"}
    assert read(asked_little).self_tests is None


def test_a_recommended_temperature_is_no_limit() -> None:
    report = read(smartctl.hdd())
    assert (report.temperature_celsius, report.temperature_warning_celsius) == (29, None)
    assert report.temperature_critical_celsius == 70


def test_the_specified_maximum_is_the_warning_temperature() -> None:
    report = read(smartctl.hdd(ata_device_statistics=smartctl.statistics(5, 0x58, 60)))
    assert report.temperature_warning_celsius == 60


@pytest.mark.parametrize(
    ("number", "name", "value", "used"),
    [
        (177, "Wear_Leveling_Count", 98, 2),
        (233, "Media_Wearout_Indicator", 100, 0),
        (202, "Percent_Lifetime_Remain", 5, 95),
        (231, "SSD_Life_Left", 1, 100),  # it falls no further
        (233, "Media_Wearout_Indicator", 0, None),  # no value of an attribute
        (230, "Media_Wearout_Indicator", 1, None),  # a new WD Blue: it rises with its wear
        (
            173,
            "Ave_Block-Erase_Count",
            60,
            None,
        ),  # counted in the raw value; what this one means, only vendors know
    ],
)
def test_an_ssd_without_statistics_tells_its_wear_by_an_attribute(
    number: int, name: str, value: int, used: int | None
) -> None:
    without = smartctl.ssd()
    rows = [one for one in without["ata_smart_attributes"]["table"] if one["id"] != 202]
    rows.append(smartctl.attribute(number, name, value=value, worst=value))
    without["ata_smart_attributes"]["table"] = rows
    without.pop("ata_device_statistics", None)
    assert read(without).percentage_used == used


def test_what_an_ssd_states_of_its_wear_comes_before_an_attribute() -> None:
    worn = smartctl.attribute(202, "Percent_Lifetime_Remain", value=40, worst=40)
    report = smartctl.ssd(worn, ata_device_statistics=smartctl.statistics(7, 8, 12))
    assert read(report).percentage_used == 12


@pytest.mark.parametrize("v7_0", [False, True])
def test_a_sas_disk_of_either_generation_of_names(v7_0: bool) -> None:
    report = read(smartctl.sas(v7_0=v7_0))
    assert (report.vendor, report.model, report.firmware) == ("SEAGATE", "ST4000NM0043", "MS03")
    assert report.wwn == "5000c50085a5e3ab"
    assert report.transport == ("scsi" if v7_0 else "sas")
    assert (report.temperature_warning_celsius, report.temperature_critical_celsius) == (68, None)
    assert report.scsi is not None
    assert (report.scsi.grown_defects, report.scsi.uncorrected_reads) == (0, 0)
    assert report.scsi.bytes_read == 176987332000000


def test_a_sas_disk_without_a_thermometer() -> None:
    report = read(smartctl.sas(temperature={"current": 0, "drive_trip": 0}))
    assert (report.temperature_celsius, report.temperature_warning_celsius) == (None, None)


def test_a_sas_disk_with_environmental_reports_in_place_of_the_temperature() -> None:
    thermometers = {
        "temperature_1": {"parameter_code": 0, "current": 41, "lifetime_maximum": 55},
        "temperature_2": {"parameter_code": 1, "current": 44},
        "temperature_3": {"parameter_code": 2, "current": "unknown"},
        "relative_humidity_1": {"parameter_code": 256, "current": 61},
    }
    for temperature in ({}, {"current": 0, "drive_trip": 0}):
        report = read(smartctl.sas(temperature=temperature, scsi_environmental_reports=thermometers))
        assert report.temperature_celsius == 44


def test_a_reserved_rotation_rate_is_none() -> None:
    rates = [read(smartctl.sas(rotation_rate=rate)).rotation_rate_rpm for rate in (7200, 0, 1024, 65535)]
    assert rates == [7200, 0, None, None]


@pytest.mark.parametrize(
    ("version", "printed", "defects"),
    [([7, 0], 56, 7), ([7, 1], 8, 1), ([7, 1], 0, 0), ([7, 2], 56, 56), ([7, 4], 8, 8), ([], 8, 8)],
)
def test_grown_defects_were_printed_in_bytes_once(version: list[int], printed: int, defects: int) -> None:
    report = read(smartctl.sas(smartctl={"version": version}, scsi_grown_defect_list=printed))
    assert report.scsi is not None
    assert report.scsi.grown_defects == defects


def test_blocks_that_a_background_scan_could_not_read_are_pending_until_they_are_replaced() -> None:
    medium, recovered = 3, 1
    met = smartctl.scan_results(
        (medium, 1), (medium, 2), (medium, 4), (medium, 5), (medium, 7), (medium, 8), (recovered, 1)
    )
    report = read(smartctl.sas(scsi_background_scan=met))
    assert report.scsi is not None
    assert report.scsi.pending_defects == 3
    asked = read(smartctl.sas(scsi_background_scan=met, scsi_pending_defects={"count": 1}))
    assert asked.scsi is not None
    assert asked.scsi.pending_defects == 1


def test_a_sas_disk_that_predicts_its_failure() -> None:
    failing = {
        "asc": 0x5D,
        "ascq": 0x10,
        "ie_string": "HARDWARE IMPENDING FAILURE GENERAL HARD DRIVE FAILURE",
    }
    report = read(smartctl.sas(smart_status={"passed": False, "scsi": failing}))
    assert report.scsi is not None
    assert (report.scsi.asc, report.scsi.ascq) == (0x5D, 0x10)
    assert report.scsi.exception == failing["ie_string"]


def test_the_phys_of_a_sas_disk() -> None:
    phy = {
        "identifier": 0,
        "negotiated logical link rate": "phy enabled; 12 Gbps",
        "Invalid DWORD count": 3,
        "Running disparity error count": 4,
        "Loss of DWORD synchronization count": 1,
        "Phy reset problem count": 9,
    }
    other = {"negotiated_logical_link_rate": "phy disabled", "invalid_dword_count": 1}
    report = read(smartctl.sas(scsi_sas_port_0={"phy_0": phy}, scsi_sas_port_1={"phy_0": other}))
    assert report.link_gbps == 12.0
    assert report.scsi is not None
    assert report.scsi.phy_errors == 9


def test_an_nvme_drive() -> None:
    report = read(smartctl.nvme())
    assert (report.transport, report.size_bytes, report.percentage_used) == ("nvme", 256060514304, 2)
    assert report.nvme is not None
    assert (report.nvme.media_errors, report.nvme.bytes_written) == (0, 3955987 * 512000)
    assert report.available_spare_percent == 100


@pytest.mark.parametrize(
    ("raw", "text", "count"),
    [
        (8, "8", 8),
        (8589934592000, "0 (2000 0)", 0),  # a spare count above the sectors that were moved
        (30089675132, "380 (Average 380)", 380),
        (163210330144, "32 (Min/Max 24/38)", 32),
        (4295032833, "1 1 1", 1),
        (280, "280", 280),
        (1099511627776, "65536/0", None),  # a rate of two numbers
        (42, "0x00000000002a", None),
        (167031278144165, "2725 (151 234 0)", 2725),
        (43549, "43549h+33m+12.345s", 43549),
    ],
)
def test_raw_values_are_unpacked_as_smartctl_prints_them(raw: int, text: str, count: int | None) -> None:
    report = read(smartctl.hdd(smartctl.attribute(5, "Reallocated_Sector_Ct", raw, text=text)))
    assert row(report, 5).count == count


@pytest.mark.parametrize(("raw", "text"), [(4295032835, "1 1 3"), (4295032835, "4295032835"), (3, "3")])
def test_command_timeouts_are_three_numbers_in_one(raw: int, text: str) -> None:
    assert row(read(smartctl.hdd(smartctl.attribute(188, "Command_Timeout", raw, text=text))), 188).count == 3


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({"value": 1, "threshold": 5, "failed": "now"}, "now"),
        ({"value": 5, "threshold": 5}, "now"),  # at its threshold, though smartctl was not asked to say so
        ({"value": 90, "worst": 3, "threshold": 5, "failed": "past"}, "past"),
        (
            {"value": 90, "worst": 3, "threshold": 5},
            None,
        ),  # smartctl knows that this worst value means nothing
        ({"value": 0, "worst": 0, "threshold": 0}, None),
    ],
)
def test_an_attribute_fails_at_its_threshold(changes: dict[str, Any], failed: str | None) -> None:
    assert row(read(smartctl.hdd(smartctl.attribute(3, "Spin_Up_Time", 1, **changes))), 3).failed == failed


def test_the_self_test_log_of_an_ata_disk() -> None:
    report = read(
        smartctl.hdd(
            ata_smart_self_test_log=smartctl.ata_log(
                smartctl.ata_test(1, 249, 3380),
                smartctl.ata_test(2, 121, 300, lba=104870168),
                smartctl.ata_test(0xDF, 0, 3),
                smartctl.ata_test(0x81, 25, 2),
            )
        )
    )
    assert report.self_tests is not None
    assert [(one.kind, one.result) for one in report.self_tests.results] == [
        ("short", "running"),
        ("extended", "failed"),
        ("vendor", "passed"),
        ("short", "aborted"),
    ]
    assert report.self_tests.results[1].first_error_lba == 104870168
    assert (report.self_tests.short_minutes, report.self_tests.extended_minutes) == (1, 1440)


def test_the_older_log_counts_where_the_newer_one_tells_of_no_test() -> None:
    failed = {"type": {"value": 2}, "status": {"value": 0x79, "passed": False}, "lifetime_hours": 100}
    logs = {"extended": {"revision": 1, "count": 0}, "standard": {"revision": 1, "table": [failed]}}
    tests = read(smartctl.hdd(ata_smart_self_test_log=logs)).self_tests
    assert tests is not None and [one.result for one in tests.results] == ["failed"]


def test_a_test_that_runs_now_and_one_that_failed_without_a_log() -> None:
    data = {"self_test": {"status": {"value": 0xF1}}, "capabilities": {"self_tests_supported": True}}
    running = read(smartctl.hdd(ata_smart_data=data)).self_tests
    assert running is not None
    assert (running.running, running.running_percent_done) == ("self-test", 90)
    failed = read(smartctl.hdd(ata_smart_data={"self_test": {"status": {"value": 0x79}}})).self_tests
    assert failed is not None
    assert [one.result for one in failed.results] == ["failed"]


def test_the_self_test_logs_of_sas_and_nvme() -> None:
    tests: dict[str, Any] = {
        "scsi_self_test_0": {"code": {"value": 2}, "result": {"value": 7}, "power_on_time": {"hours": 9}},
        "scsi_self_test_1": {"code": {"value": 1}, "result": {"value": 0}, "power_on_time": {"hours": 3}},
    }
    sas = read(smartctl.sas(scsi_extended_self_test_seconds=28561, **tests)).self_tests
    assert sas is not None
    assert [(one.kind, one.result) for one in sas.results] == [("extended", "failed"), ("short", "passed")]
    assert sas.extended_minutes == 477
    entry = {"self_test_code": {"value": 1}, "self_test_result": {"value": 0}, "power_on_hours": 12}
    log = {"current_self_test_operation": {"value": 0}, "table": [entry]}
    nvme = read(smartctl.nvme(nvme_self_test_log=log)).self_tests
    assert nvme is not None
    assert [(one.kind, one.result, one.power_on_hours) for one in nvme.results] == [("short", "passed", 12)]


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        (smartctl.not_opened(), "Smartctl open device: /dev/sda failed: No such device"),
        (smartctl.hdd(smart_status={}), "smartctl gave no SMART status"),
        (smartctl.hdd(smart_status={"passed": "yes"}), "smartctl gave no SMART status"),
        (smartctl.hdd(ata_smart_attributes={}), "smartctl gave no SMART attributes"),
        (
            smartctl.sas(smart_status={}, smart_support={"available": False}),
            "the disk says that it has no SMART",
        ),
        (
            smartctl.hdd(smart_status={}, smart_support={"available": True, "enabled": False}),
            "SMART is switched off in the disk",
        ),
        # A SAS disk goes on answering, but keeps its failures to itself.
        (
            smartctl.sas(smart_support={"available": True, "enabled": False}),
            "SMART is switched off in the disk",
        ),
        ({"smartctl": {"exit_status": 2}}, "smartctl could not open the disk"),
        (
            smartctl.nvme(smart_status={}, health={"critical_warning": None}),
            "the health log has no critical warning byte",
        ),
        ({}, "smartctl gave no SMART status"),
    ],
)
def test_health_that_is_not_there_is_said_to_be_unread(report: smartctl.Report, reason: str) -> None:
    assert read(report).unread == reason


def test_a_status_from_an_attribute_check_is_a_status() -> None:
    warning = {"string": "Warning: This result is based on an Attribute check.", "severity": "warning"}
    report = read(smartctl.hdd(smartctl={"exit_status": 4, "messages": [warning]}))
    assert report.unread is None
    assert report.messages == (warning["string"],)
    assert report.exit_status == 4


def test_the_exit_code_of_the_process_stands_in_for_one_that_the_json_lacks() -> None:
    assert decode_report(smartctl.printed(smartctl.hdd(smartctl={})), exit_code=8).exit_status == 8
    assert decode_report(smartctl.printed(smartctl.hdd(smartctl={})), exit_code=-9).exit_status is None


def test_a_scan_tells_which_disks_are_behind_a_controller() -> None:
    found = decode_scan(
        smartctl.printed(smartctl.scan(("/dev/sda", "scsi"), ("/dev/bus/0", "sat+megaraid,8")))
    )
    assert [(one.name, one.type, one.behind_controller) for one in found] == [
        ("/dev/sda", "scsi", False),
        ("/dev/bus/0", "sat+megaraid,8", True),
    ]


@pytest.mark.parametrize(
    "output",
    [
        b"",
        b"smartctl: command not understood",
        b'{"smartctl": {"exit_status": 0}, "device"',
        b"[]",
        b"null",
        b'"text"',
        b'{"smartctl": NaN}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"\xff\xfe{\0}\0",
        b"\0" * 1000,
    ],
)
def test_what_is_no_report_is_a_decode_error(output: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_report(output)
    with pytest.raises(DecodeError):
        decode_scan(output)


def test_bytes_that_are_no_text_cost_only_their_text() -> None:
    output = smartctl.printed(smartctl.hdd()).replace(b"Seagate Exos X18", b"Seagate \xff\xfe")
    assert decode_report(output).smart_status_passed is True


def test_other_shapes_and_impossible_numbers_are_absent() -> None:
    report = read(
        smartctl.hdd(
            serial_number=17,
            wwn={"naa": 5, "oui": "x", "id": -1},
            user_capacity={"bytes": "many"},
            rotation_rate=-5,
            interface_speed={"current": {"units_per_second": True, "bits_per_unit": 1}},
            temperature={"current": 4000, "limit_max": "hot"},
            power_on_time={"hours": 1e300},
            ata_smart_attributes={"table": [7, None, {"id": 0}, {"id": 300}, {"id": 5, "raw": []}]},
        )
    )
    assert (report.serial, report.wwn, report.size_bytes, report.rotation_rate_rpm) == (
        None,
        None,
        None,
        None,
    )
    assert (report.link_gbps, report.temperature_celsius, report.power_on_hours) == (None, None, None)
    assert [(one.number, one.count, one.value) for one in report.attributes] == [(5, None, None)]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    here = [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        here += _places(inner, (*path, key))
    return here


REPORTS = (
    smartctl.hdd(
        ata_device_statistics=smartctl.statistics(3, 0x20, 1),
        ata_smart_self_test_log=smartctl.ata_log(smartctl.ata_test(1, 0, 5)),
    ),
    smartctl.ssd(),
    smartctl.sas(
        scsi_self_test_0={"code": {"value": 1}, "result": {"value": 0}}, scsi_sas_port_0={"phy_0": {}}
    ),
    smartctl.nvme(nvme_self_test_log={"table": [{"self_test_code": {"value": 1}}]}),
)


@settings(max_examples=300)
@given(st.data(), st.sampled_from(REPORTS), JSON)
def test_no_mutation_of_a_report_raises_or_cannot_be_written(
    data: st.DataObject, report: Any, junk: Any
) -> None:
    mutated = copy.deepcopy(report)
    for _ in range(data.draw(st.integers(1, 4))):
        path = data.draw(st.sampled_from([place for place in _places(mutated) if place]))
        holder = mutated
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = copy.deepcopy(junk)
    found = read(mutated)
    to_json([found.attributes, found.ata, found.scsi, found.nvme, found.self_tests, found.size_bytes])
