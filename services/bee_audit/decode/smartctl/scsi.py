"""The SCSI parts of smartctl's JSON; its keys changed names in 7.3."""

import re
from collections.abc import Mapping

from bee_audit.decode.disk_text import LARGEST_COUNTER
from bee_audit.decode.loose_json import JsonValue
from bee_bus.documents.disk_health import ScsiHealth, SelfTest, SelfTestLog

# Self-test code and result (SPC-5 §7.3.20).
_SELF_TEST_KINDS: Mapping[int, str] = {1: "short", 2: "extended", 5: "short", 6: "extended"}
_OUTCOMES: Mapping[int, tuple[str, str]] = {
    0x0: ("passed", "completed without error"),
    0x1: ("aborted", "aborted by a command"),
    0x2: ("aborted", "aborted by something else than a command"),
    0x3: ("failed", "an unknown error stopped it"),
    0x4: ("failed", "a segment failed, which one is not known"),
    0x5: ("failed", "the first segment failed"),
    0x6: ("failed", "the second segment failed"),
    0x7: ("failed", "a later segment failed"),
    0xF: ("running", "in progress"),
}
_SELF_TESTS_KEPT = 20
# Reassign status of a background scan's result (SBC-4, log page 15h): an unreadable block is not replaced.
_NOT_REPLACED = (1, 4, 8)
_MEDIUM_ERROR = 3  # sense key
# Before 7.2 smartctl's JSON has the bytes of the list for its elements (smartmontools, NEWS). In the format
# that smartctl asks for, bytes from index, an element has 8.
_FIRST_WITH_ELEMENTS = (7, 2)
_DEFECT_BYTES = 8
_FIRST_WITH_SELF_TESTS = (7, 3)
_GBPS = re.compile(r"([\d.]+) Gbps")
_PHY_COUNTERS = (
    "invalid_dword_count",
    "running_disparity_error_count",
    "loss_of_dword_synchronization_count",
)


def vendor(document: JsonValue) -> str | None:
    return document.first("scsi_vendor", "vendor").text()


def health(document: JsonValue) -> ScsiHealth | None:
    exception = document.at("smart_status", "scsi")
    counters = document.at("scsi_error_counter_log")
    read, write, verify = (counters.at(name) for name in ("read", "write", "verify"))
    found = ScsiHealth(
        exception=exception.at("ie_string").text(),
        asc=exception.at("asc").integer(high=255),
        ascq=exception.at("ascq").integer(high=255),
        grown_defects=_grown_defects(document),
        pending_defects=_pending_defects(document),
        uncorrected_reads=read.at("total_uncorrected_errors").integer(),
        uncorrected_writes=write.at("total_uncorrected_errors").integer(),
        uncorrected_verifies=verify.at("total_uncorrected_errors").integer(),
        corrected_reads=read.at("total_errors_corrected").integer(),
        corrected_writes=write.at("total_errors_corrected").integer(),
        bytes_read=_gigabytes(read),
        bytes_written=_gigabytes(write),
        bytes_verified=_gigabytes(verify),
        background_scan=document.at("scsi_background_scan", "status", "string").text(),
        phy_errors=_phy_errors(document),
    )
    return found if found != ScsiHealth() else None


def _grown_defects(document: JsonValue) -> int | None:
    count = document.at("scsi_grown_defect_list").integer()
    version = document.at("smartctl", "version").integers(low=0, high=1000)
    if count is None or not version or version >= _FIRST_WITH_ELEMENTS:
        return count
    return -(-count // _DEFECT_BYTES)


def _pending_defects(document: JsonValue) -> int | None:
    """By the disk's own list; a disk without one tells of such blocks in what its background scans met."""
    count = document.at("scsi_pending_defects", "count").integer()
    scan = document.at("scsi_background_scan")
    if count is not None or not scan:
        return count
    blocks = {
        row.at("lba").integer()
        for name, row in scan.members()
        if name.startswith("result_")
        and row.at("sense_key", "value").integer() == _MEDIUM_ERROR
        and row.at("reassign_status", "value").integer() in _NOT_REPLACED
    }
    return len(blocks)


def temperature_celsius(document: JsonValue) -> int | None:
    """The warmest of the disk's thermometers, by its environmental reports (SPC-5, log page 0Dh, 01h).

    Since 7.3 `smartctl -x` prints them in place of the temperature page. A thermometer may say "unknown".
    """
    readings = (
        report.at("current").integer(low=-60, high=150)
        for name, report in document.at("scsi_environmental_reports").members()
        if name.startswith("temperature_")
    )
    return max((celsius for celsius in readings if celsius is not None), default=None)


def _gigabytes(counter: JsonValue) -> int | None:
    """ "176987.332": units of 10^9 bytes, written as text."""
    text = counter.at("gigabytes_processed").text() or ""
    if not re.fullmatch(r"\d{1,12}(\.\d{1,9})?", text):
        return None
    return min(int(float(text) * 1e9), LARGEST_COUNTER)


def _phys(document: JsonValue) -> list[dict[str, JsonValue]]:
    """Each phy of the disk's ports, its keys in one spelling."""
    return [
        {re.sub(r"[^a-z0-9]+", "_", key.lower()): value for key, value in phy.members()}
        for port_name, port in document.members()
        if port_name.startswith("scsi_sas_port_")
        for phy_name, phy in port.members()
        if phy_name.startswith("phy_")
    ]


def _phy_errors(document: JsonValue) -> int | None:
    counts = [
        count
        for phy in _phys(document)
        for key in _PHY_COUNTERS
        if key in phy and (count := phy[key].integer(high=(1 << 32) - 1)) is not None
    ]
    return sum(counts) if counts else None


def link_gbps(document: JsonValue) -> float | None:
    """The fastest of the disk's phys that are connected."""
    speeds = []
    for phy in _phys(document):
        rate = phy.get("negotiated_logical_link_rate", JsonValue(None)).text() or ""
        if found := _GBPS.search(rate):
            speeds.append(float(found[1]))
    return max(speeds, default=None)


def self_tests(document: JsonValue) -> SelfTestLog | None:
    seconds = document.at("scsi_extended_self_test_seconds").integer(low=1, high=10_000_000)
    rows = [
        row
        for index in range(_SELF_TESTS_KEPT)
        if (row := document.at(f"scsi_self_test_{index}")).is_object()
    ]
    if not rows and seconds is None:
        return SelfTestLog() if _had_no_test(document) else None
    results = tuple(_self_test(row) for row in rows)
    running = next((one for one in results if one.result == "running"), None)
    return SelfTestLog(
        supported=True,
        running=running.kind if running is not None else None,
        extended_minutes=-(-seconds // 60) if seconds is not None else None,
        results=results,
    )


def _had_no_test(document: JsonValue) -> bool:
    """smartctl leaves the whole log out, and how long a test takes, where no test was made yet: such a disk
    may well have tests. Whether logs were asked for shows in the others.
    """
    version = document.at("smartctl", "version").integers(low=0, high=1000)
    return version >= _FIRST_WITH_SELF_TESTS and document.at("scsi_error_counter_log").is_object()


def _self_test(row: JsonValue) -> SelfTest:
    code = row.at("code", "value").integer(high=7)
    result = row.at("result", "value").integer(high=15)
    outcome, description = _OUTCOMES.get(
        -1 if result is None else result, ("unknown", row.at("result", "string").text() or "no result")
    )
    return SelfTest(
        kind=_SELF_TEST_KINDS.get(-1 if code is None else code, "vendor"),
        result=outcome,  # type: ignore[arg-type]
        description=description,
        power_on_hours=row.at("power_on_time", "hours").integer(high=0xFFFF),
        first_error_lba=row.at("lba_first_failure", "value").integer(),
    )
