"""The ATA parts of smartctl's JSON: attributes, device statistics, self-tests."""

import re
from collections.abc import Iterator, Mapping
from typing import Literal

from bee_audit.decode.disk_text import LOWEST_LIMIT_CELSIUS
from bee_audit.decode.loose_json import JsonValue
from bee_bus.ata_counters import VOID_THRESHOLDS
from bee_bus.documents.disk_health import AtaHealth, SelfTest, SelfTestLog, SmartAttribute

# How smartctl prints raw values whose low part is a count (atacmds.cpp): "8", "8 (1 2)", "8 (Average 9)",
# "31 (Min/Max 20/40)". A count in three words, "0 0 8", has the total in the last (Seagate's 188).
_COUNT = re.compile(r"(\d+)(?: \(.*\))?")
_THREE_WORDS = re.compile(r"\d+ \d+ (\d+)")
_HOURS = re.compile(r"(\d+)h\+")
COMMAND_TIMEOUT = 188
# Attributes of flash whose value falls from 100 to 1 with the share of its life that is left, by the names of
# smartctl's drive database; their numbers differ from vendor to vendor.
LIFE_LEFT = (
    *("Media_Wearout_Indicator", "Wear_Leveling_Count", "Percent_Lifetime_Remain", "Percent_Life_Remaining"),
    *("Remaining_Lifetime_Perc", "SSD_Life_Left", "SSD_Life_Left_Perc", "Drive_Life_Remaining%"),
)
# WD and SanDisk have "Media_Wearout_Indicator" under this number, whose value is what is used on some models,
# so that it is 1 on a new disk, and what is left on others. They state it in their statistics as well.
_EITHER_WAY = 230

_SELF_TEST_KINDS: Mapping[int, str] = {
    0: "offline",
    1: "short",
    2: "extended",
    3: "conveyance",
    4: "selective",
}
_CAPTIVE = 0x80
_RUNNING = 0xF


def attributes(document: JsonValue) -> tuple[SmartAttribute, ...]:
    return tuple(_attributes(document))


def _attributes(document: JsonValue) -> Iterator[SmartAttribute]:
    for row in document.at("ata_smart_attributes", "table").items():
        number = row.at("id").integer(low=1, high=255)
        if number is None:
            continue
        raw = row.at("raw", "value").integer(high=(1 << 64) - 1)
        raw_text = row.at("raw", "string").text()
        value, worst, threshold = (row.at(key).integer(high=255) for key in ("value", "worst", "thresh"))
        yield SmartAttribute(
            number=number,
            name=row.at("name").text() or f"Attribute_{number}",
            raw=raw,
            raw_text=raw_text if raw_text != str(raw) else None,
            count=_count(number, raw, raw_text),
            value=value,
            worst=worst,
            threshold=threshold,
            prefailure=row.at("flags", "prefailure").flag(),
            failed=_failed(row, value, worst, threshold),
        )


def life_used_percent(attributes: tuple[SmartAttribute, ...]) -> int | None:
    """By the attribute that says what is left, where there is one; 100 once that is at its end, 1."""
    left = [
        one.value
        for one in attributes
        if one.name in LIFE_LEFT and one.number != _EITHER_WAY and one.value is not None
    ]
    worst = min((value for value in left if 1 <= value <= 100), default=None)
    if worst is None:
        return None
    return 100 - worst if worst > 1 else 100


def _count(number: int, raw: int | None, raw_text: str | None) -> int | None:
    """The number that a raw value stands for, None where its packing is not known.

    smartctl's text knows the packing better than the bare 48 bits, because its drive database does.
    """
    if number == COMMAND_TIMEOUT and raw is not None and raw > 0xFFFF:
        return raw & 0xFFFF  # three words, the total in the lowest, also where the text does not split them
    if raw_text is None:
        return raw
    for pattern in (_COUNT, _THREE_WORDS, _HOURS):
        if found := (pattern.match if pattern is _HOURS else pattern.fullmatch)(raw_text):
            return int(found[1])
    return None


def _failed(
    row: JsonValue, value: int | None, worst: int | None, threshold: int | None
) -> Literal["now", "past"] | None:
    """As smartctl says, which knows the disks whose worst value means nothing; else by its own rule.

    A threshold of 0 never fails. FFh always does, to test hosts by it, and FEh is no threshold (SFF-8035i):
    on a disk in use both are filler, which smartctl takes at its word.
    """
    if threshold in VOID_THRESHOLDS:
        return None
    said = row.at("when_failed")
    if said.text() == "now" or (threshold and value is not None and value <= threshold):
        return "now"
    if said.text() is not None:
        return "past"  # "past", or another word for having failed
    if not said and threshold and worst is not None and worst <= threshold:
        return "past"
    return None


def statistic(document: JsonValue, page: int, offset: int) -> int | None:
    """A value of the device statistics log (ACS-4 §9.5), None unless the disk marks it as valid."""
    row = _statistic(document, page, offset)
    return row.at("value").integer() if row.at("flags", "valid").flag() else None


def _counted(document: JsonValue, page: int, offset: int) -> int | None:
    """A statistic that counts; None where the disk says that its number is a percentage ("normalized")."""
    row = _statistic(document, page, offset)
    return None if row.at("flags", "normalized").flag() else statistic(document, page, offset)


def _statistic(document: JsonValue, page: int, offset: int) -> JsonValue:
    for part in document.at("ata_device_statistics", "pages").items():
        if part.at("number").integer() == page:
            for row in part.at("table").items():
                if row.at("offset").integer() == offset:
                    return row
    return JsonValue(None)


def specified_maximum_celsius(document: JsonValue) -> int | None:
    celsius = statistic(document, 5, 0x58)
    return celsius if celsius is not None and LOWEST_LIMIT_CELSIUS <= celsius <= 125 else None


def health(document: JsonValue) -> AtaHealth | None:
    errors = document.at("ata_smart_error_log")
    found = AtaHealth(
        reallocated_sectors=_counted(document, 3, 0x20),
        reported_uncorrectable=_counted(document, 4, 0x08),
        interface_crc_errors=_counted(document, 6, 0x18),
        pending_defects=document.at("ata_pending_defects_log", "count").integer(),
        link_crc_failures=_link_crc_failures(document),
        error_log_entries=errors.first("extended", "summary").at("count").integer(),
        locked=_locked(document),
    )
    return found if found != AtaHealth() else None


def _link_crc_failures(document: JsonValue) -> int | None:
    """Phy event counter 001h: commands that failed because of an interface CRC error (SATA 3.2 §13.9)."""
    for row in document.at("sata_phy_event_counters", "table").items():
        if row.at("id").integer() == 1:
            return row.at("value").integer()
    return None


def _locked(document: JsonValue) -> bool | None:
    """By its security status, word 128 of ACS-4's IDENTIFY DEVICE data: bit 1 enabled, bit 2 locked."""
    status = document.at("ata_security", "state").integer(high=0xFFFF)
    return status & 0b110 == 0b110 if status is not None else None


def self_tests(document: JsonValue) -> SelfTestLog | None:
    """The newer of the two logs that tells of tests, and what the disk says of one that runs now."""
    data = document.at("ata_smart_data")
    both = document.at("ata_smart_self_test_log")
    log = (
        both.at("extended")
        if any(both.at("extended", "table").items())
        else both.first("standard", "extended")
    )
    if not data and not log:
        return None
    status = data.at("self_test", "status", "value").integer(high=255)
    running = status is not None and status >> 4 == _RUNNING and status & 0xF > 0
    results = tuple(_result(row) for row in log.at("table").items())
    if not results and status is not None and 3 <= status >> 4 <= 8:
        results = (_by_status(status, "unknown", None, None),)  # the last test failed, and no log tells of it
    return SelfTestLog(
        supported=data.at("capabilities", "self_tests_supported").flag(),
        running="self-test" if running else None,
        running_percent_done=100 - 10 * (status & 0xF) if running and status is not None else None,
        short_minutes=data.at("self_test", "polling_minutes", "short").integer(low=1, high=100_000),
        extended_minutes=data.at("self_test", "polling_minutes", "extended").integer(low=1, high=100_000),
        results=results,
    )


def _result(row: JsonValue) -> SelfTest:
    kind_code = row.at("type", "value").integer(high=255)
    kind = "unknown" if kind_code is None else _SELF_TEST_KINDS.get(kind_code & ~_CAPTIVE, "vendor")
    status = row.at("status", "value").integer(high=255)
    hours = row.at("lifetime_hours").integer(high=0xFFFF)
    lba = row.at("lba").integer()
    if status is not None:
        return _by_status(status, kind, hours, lba)
    passed = row.at("status", "passed").flag()
    return SelfTest(
        kind=kind,
        result={True: "passed", False: "failed", None: "unknown"}[passed],  # type: ignore[arg-type]
        description=row.at("status", "string").text() or "no result",
        power_on_hours=hours,
        first_error_lba=lba,
    )


# Self-test execution status (ACS-4 table 138).
_OUTCOMES: Mapping[int, tuple[str, str]] = {
    0x0: ("passed", "completed without error"),
    0x1: ("aborted", "aborted by the host"),
    0x2: ("aborted", "interrupted by a reset"),
    0x3: ("failed", "a fatal or unknown error stopped it"),
    0x4: ("failed", "failed, which element is not known"),
    0x5: ("failed", "electrical failure"),
    0x6: ("failed", "servo or seek failure"),
    0x7: ("failed", "read failure"),
    0x8: ("failed", "handling damage suspected"),
    0xF: ("running", "in progress"),
}


def _by_status(status: int, kind: str, hours: int | None, lba: int | None) -> SelfTest:
    outcome, description = _OUTCOMES.get(status >> 4, ("unknown", f"reserved status {status >> 4:x}h"))
    return SelfTest(
        kind=kind,
        result=outcome,  # type: ignore[arg-type]
        description=description,
        power_on_hours=hours,
        first_error_lba=lba,
    )
