"""From the event log's records to the events that matter: what, how often, when last, and is it over."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

import msgspec

from bee_audit.collectors.ipmi_sensors import SensorFacts
from bee_audit.decode.ipmi_names import sensor_type_name
from bee_audit.decode.ipmi_states import State, discrete_state, threshold_event
from bee_audit.decode.sdr import THRESHOLDS, Owner, SensorRecord
from bee_audit.decode.sel import MAKERS_OWN, SelEntry, time_text
from bee_audit.decode.sel_details import detail, ranked
from bee_bus.documents.bmc import SelEvent, SelOccurrence

OCCURRENCES_KEPT = 32  # of one event, the newest
EVENTS_KEPT = 256
SETBACK_SECONDS = (
    30 * 86400
)  # more than corrections of a clock amount to, that of a machine just delivered too

# Sensor types that log what is over at once and stays true: a machine check, an ECC error, a bus error. That
# the sensor is quiet again after the next reset does not undo them. Offsets that last are excepted.
_ALL = range(16)
_MOMENTARY = {
    0x06: _ALL,
    0x07: (0, 1, 2, 3, 4, 6, 11, 12),
    0x0C: (0, 1, 2, 3, 5),
    0x0F: _ALL,
    0x11: _ALL,
    0x12: _ALL,
    0x13: range(11),
    0x19: _ALL,
    0x20: _ALL,
    0x23: _ALL,
}
_STATE_TYPES = range(0x03, 0x06)  # "asserted", "predicted", "exceeded": of a processor, that is its IERR line
_STATE_IS_MOMENTARY = (0x07, 0x0C, 0x13)
_THRESHOLD, _SPECIFIC = 0x01, 0x6F
_MEMORY = 0x0C


class Events:
    """``entries`` in the order of the log; ``clock``: the BMC's time now."""

    def __init__(
        self,
        entries: tuple[SelEntry, ...],
        *,
        clock: int | None,
        sensors: Iterable[SensorFacts],
        records: Iterable[SensorRecord],
    ) -> None:
        self._entries = tuple(_in_time(entries, clock))
        self._clock = clock
        self._live = {_address(one.record): one for one in sensors}
        self._records = {_address(record): record for record in records}

    def documents(self) -> tuple[SelEvent, ...]:
        """The events that say that something is or was wrong, the newest first."""
        groups: defaultdict[tuple[object, ...], list[_Logged]] = defaultdict(list)
        for logged in self._logged():
            entry = logged.entry
            state = self._state(entry)
            if entry.asserted and (state.severity or state.correctable):
                part = self._part(entry, state)
                key = (entry.sensor, entry.sensor_type, entry.event_type, entry.offset, part)
                groups[key].append(logged)
        by_weight = sorted(
            groups.values(),
            key=lambda group: (self._state(group[-1].entry).severity == "Critical", group[-1].place),
            reverse=True,
        )
        kept = sorted(by_weight[:EVENTS_KEPT], key=lambda group: group[-1].place, reverse=True)
        return tuple(self._event(group) for group in kept)

    def _part(self, entry: SelEntry, state: State) -> str | int | None:
        """Which part the event is of, as far as its data tells."""
        if entry.event_type == _THRESHOLD:
            return None  # a reading, which differs from time to time
        if state.correctable and entry.sensor_type == _MEMORY and MAKERS_OWN in entry.codes:
            return entry.data[1]  # the module; in the other are ranks and counts, each a count of its own
        return detail(entry, self._records.get(entry.sensor))

    def _event(self, group: list["_Logged"]) -> SelEvent:
        newest = group[-1].entry
        state = self._state(newest)
        occurrences = tuple(
            SelOccurrence(
                record_id=logged.entry.record_id,
                at=time_text(logged.entry.timestamp),
                not_after=time_text(logged.not_after) if logged.entry.timestamp is None else None,
                cleared=self._is_over(logged),
            )
            for logged in reversed(group[-OCCURRENCES_KEPT:])
        )
        return SelEvent(
            id=f"sel-0x{newest.record_id:04x}",
            sensor=self._name(newest),
            kind=sensor_type_name(newest.sensor_type),
            event=state.name,
            severity=state.severity or "Correctable",
            count=len(group),
            occurrences=occurrences,
            detail=detail(newest, self._records.get(newest.sensor)),
            is_so_now=self._is_so_now(newest) is True,
        )

    def _logged(self) -> Iterator["_Logged"]:
        """The standard records with what was logged after them."""
        not_after = self._clock
        ended: set[tuple[object, ...]] = set()
        found = []
        for place in range(len(self._entries) - 1, -1, -1):
            entry = self._entries[place]
            if entry.timestamp is not None:
                not_after = entry.timestamp
            if not entry.is_standard:
                continue
            key = (entry.sensor, entry.event_type, entry.offset)
            found.append(_Logged(entry, place, not_after, key in ended))
            ended |= set(_ends(entry)) if entry.asserted else {key}
        return reversed(found)

    def _state(self, entry: SelEntry) -> State:
        if entry.event_type == _THRESHOLD:
            return threshold_event(entry.offset)
        record = self._records.get(entry.sensor)
        name = record.name if record else ""
        return ranked(entry, discrete_state(entry.sensor_type, entry.event_type, entry.offset, name))

    def _is_over(self, logged: "_Logged") -> bool:
        entry = logged.entry
        if _is_momentary(entry):
            return False
        return logged.ended or self._is_so_now(entry) is False

    def _is_so_now(self, entry: SelEntry) -> bool | None:
        """Whether the sensor itself says the same now; None when it cannot be asked."""
        live = self._live.get(entry.sensor)
        if live is None or live.reading is None or not live.reading.available:
            return None
        if live.record.event_type != entry.event_type:
            return None
        if entry.event_type == _THRESHOLD:
            threshold = THRESHOLDS[entry.offset >> 1] if entry.offset < 12 else ""
            return threshold in live.reading.crossed if threshold in live.record.compared else None
        return entry.offset in live.reading.offsets

    def _name(self, entry: SelEntry) -> str:
        record = self._records.get(entry.sensor)
        if record is not None and record.name:
            return record.name
        return f"{sensor_type_name(entry.sensor_type)} sensor 0x{entry.sensor_number:02X}"


class _Logged(msgspec.Struct, frozen=True):
    entry: SelEntry
    place: int  # in the log
    not_after: int | None  # when it was logged at the latest
    ended: bool  # by a later record


def _in_time(entries: Iterable[SelEntry], clock: int | None) -> Iterator[SelEntry]:
    """The entries, without a time those that are older by theirs than what was logged before them.

    Clocks without a battery start at the day when their firmware was built: what they stamp until somebody
    sets them would look years old on the day when it happens.
    """
    newest = 0
    for entry in entries:
        stamp = entry.timestamp
        if stamp is not None and stamp < newest - SETBACK_SECONDS:
            yield msgspec.structs.replace(entry, timestamp=None)
            continue
        # A clock that was ahead once says nothing of what came after it.
        if stamp is not None and clock is not None and stamp <= clock:
            newest = max(newest, stamp)
        yield entry


def _is_momentary(entry: SelEntry) -> bool:
    if entry.event_type == _SPECIFIC:
        return entry.offset in _MOMENTARY.get(entry.sensor_type, ())
    return entry.event_type in _STATE_TYPES and entry.sensor_type in _STATE_IS_MOMENTARY


def _address(record: SensorRecord) -> tuple[Owner, int]:
    """As `SelEntry.sensor`."""
    return record.owner, record.number


def _ends(entry: SelEntry) -> Iterator[tuple[object, ...]]:
    """The events that this one says are over: a sensor with generic states is in one of them at a time."""
    if entry.event_type == _THRESHOLD:
        # "Going high" past an upper threshold is over with "going low" past the same one, and the reverse.
        yield entry.sensor, entry.event_type, entry.offset ^ 1
    elif entry.event_type != _SPECIFIC and entry.event_type < _SPECIFIC:
        yield from (
            (entry.sensor, entry.event_type, offset) for offset in range(16) if offset != entry.offset
        )
