"""The BMC's event log before and after a run: what was added, however much of it could be read."""

from collections.abc import Iterable
from typing import Any

import pytest
from msgspec.structs import replace

from bee_bus.documents.bmc import BmcSection, Sel, SelEvent, SelOccurrence
from bee_sat.deltas import Comparison, compare_snapshots
from bee_sat.thresholds import built_in
from lab.sat_runs import server

KEPT = 32  # of one event, the newest, as bee_audit keeps them


def day(number: int) -> str:
    return f"2026-{number // 28 + 1:02}-{number % 28 + 1:02}T08:00:00"


def ecc(records: Iterable[int], times: Iterable[str | None], **changes: Any) -> SelEvent:
    """Corrected errors of one module: these records, the newest last."""
    logged = [SelOccurrence(record_id=one, at=at) for one, at in zip(records, times, strict=True)]
    event = SelEvent(
        id="sel-0x0001",
        sensor="DIMM_A1",
        kind="memory",
        event="correctable ECC",
        severity="Correctable",
        count=len(logged),
        occurrences=tuple(reversed(logged[-KEPT:])),
        detail="memory module 3",
    )
    return replace(event, **changes)


def log(*events: SelEvent, entries: int, read: int | None = None, oldest: str | None = None) -> Sel:
    return Sel(
        id="sel",
        entry_count=entries,
        entries_read=entries if read is None else read,
        oldest_read_at=oldest,
        events=events,
    )


def added(before: Sel, after: Sel) -> Comparison:
    first, last = (
        replace(server(), hardware=replace(server().hardware, bmc=BmcSection(sel=sel)))
        for sel in (before, after)
    )
    return compare_snapshots(first, last, built_in(), 10.0)


def told(comparison: Comparison) -> list[tuple[str, str, float]]:
    return [(one.rule, one.severity, one.value) for one in comparison.findings]  # type: ignore[misc]


NEW = "2026-11-22T14:35:00"


def test_old_events_that_a_slow_bmc_told_only_the_second_time_are_none_of_this_run() -> None:
    """It was given half a minute both times: 100 of 900 records were read before the run, 104 after it."""
    window = range(800, 900)
    before = log(ecc(window, map(day, range(100))), entries=900, read=100, oldest=day(0))
    more = [f"2025-12-{number:02}T08:00:00" for number in (28, 29, 30, 31)]
    after = log(
        ecc([*range(796, 800), *window], [*more, *map(day, range(100))]),
        entries=900,
        read=104,
        oldest=more[0],
    )
    assert added(before, after).findings == ()
    few = log(ecc(range(890, 900), map(day, range(90, 100))), entries=900, read=10, oldest=day(90))
    assert (
        added(few, log(ecc(range(885, 900), map(day, range(85, 100))), entries=900, read=15)).findings == ()
    )


def test_new_events_are_not_hidden_by_old_ones_that_could_not_be_read_the_second_time() -> None:
    before = log(ecc(range(800, 900), map(day, range(100))), entries=900, read=100, oldest=day(0))
    after = log(
        ecc(range(830, 902), [*map(day, range(30, 100)), NEW, NEW]), entries=902, read=72, oldest=day(30)
    )
    comparison = added(before, after)
    assert told(comparison) == [("bmc.events-added", "Critical", 2.0)]
    (change,) = comparison.changes
    assert (change.before, change.after) == (70.0, 72.0)


def test_new_events_are_not_hidden_by_those_that_a_full_log_gave_up_for_them() -> None:
    """A ring: ten records, of which two were overwritten, by the same numbers or by others."""
    before = log(ecc(range(1, 11), map(day, range(10))), entries=10)
    for numbers in (range(3, 13), [*range(3, 11), 1, 2], range(1, 11)):
        after = log(ecc(numbers, [*map(day, range(2, 10)), NEW, NEW]), entries=10)
        assert told(added(before, after)) == [("bmc.events-added", "Critical", 2.0)]


def test_more_new_events_than_are_kept_one_by_one_are_all_counted() -> None:
    before = log(ecc(range(1, 5), map(day, range(4))), entries=4)
    after = log(ecc(range(1, 105), [*map(day, range(4)), *[NEW] * 100]), entries=104)
    assert told(added(before, after)) == [("bmc.events-added", "Critical", 100.0)]


def test_two_events_of_one_second_are_two() -> None:
    before = log(ecc([1, 2], [day(1), NEW]), entries=2)
    assert told(added(before, log(ecc([1, 2, 3], [day(1), NEW, NEW]), entries=3))) == [
        ("bmc.events-added", "Critical", 1.0)
    ]


def test_an_event_is_new_though_one_of_the_same_second_has_left_the_log() -> None:
    before = log(ecc([1], [NEW]), entries=1)
    assert told(added(before, log(ecc([2], [NEW]), entries=1))) == [("bmc.events-added", "Critical", 1.0)]


def test_events_without_a_time_are_known_by_their_number() -> None:
    before = log(ecc([1, 2], [None, None]), entries=2)
    assert added(before, before).findings == ()
    after = log(ecc([1, 2, 3], [None] * 3), entries=3)
    assert told(added(before, after)) == [("bmc.events-added", "Critical", 1.0)]


def test_a_sensor_whose_name_could_not_be_read_the_second_time_has_logged_nothing_new() -> None:
    before = log(ecc([1, 2], [day(1), day(2)]), entries=2)
    after = log(ecc([1, 2], [day(1), day(2)], sensor="memory 0x35"), entries=2)
    assert added(before, after).findings == ()


def test_records_that_the_bmc_numbered_anew_are_the_same_records() -> None:
    before = log(ecc(range(5, 9), map(day, range(4))), entries=4)
    assert added(before, log(ecc(range(1, 5), map(day, range(4))), entries=4)).findings == ()


@pytest.mark.parametrize(
    ("entries", "read", "said"), [(12, 12, []), (15, 2, ["Unknown"]), (12, 0, ["Unknown"])]
)
def test_what_was_logged_in_the_run_and_could_not_be_read_is_not_judged(
    entries: int, read: int, said: list[str]
) -> None:
    after = log(entries=entries, read=read)
    found = [one for one in added(log(entries=10), after).findings if one.rule == "bmc.events-lost"]
    assert [one.severity for one in found] == said
