"""The readings, states and limits of the BMC's sensors."""

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from bee_audit.collectors.ipmi_client import (
    GET_READING_FACTORS,
    GET_SENSOR_READING,
    GET_SENSOR_THRESHOLDS,
    BmcClient,
    Refused,
    Unanswered,
)
from bee_audit.decode import DecodeError
from bee_audit.decode.sdr import SensorRecord
from bee_audit.decode.sensor_reading import SensorReading, decode_limits, decode_reading
from bee_audit.decode.sensor_scale import with_factors

# Not present; not for this kind of sensor or record; not in this state: nothing is there to be read.
NOTHING_THERE = frozenset({0xCB, 0xCD, 0xD5})
NAMES_SHOWN = 6


class SensorFacts(msgspec.Struct, frozen=True):
    """``reading`` is None when the sensor could not be asked, with the reason in ``failure``."""

    record: SensorRecord
    reading: SensorReading | None = None
    value: float | None = None
    limits: dict[str, float] = {}
    raw_limits: dict[str, int] = {}
    failure: str = ""

    @property
    def is_available(self) -> bool:
        return self.reading is not None and self.reading.available


async def read_sensor(client: BmcClient, record: SensorRecord) -> SensorFacts:
    """The sensor as it is now. Raises Silent."""
    number = bytes((record.number,))
    try:
        reading = decode_reading(record, await client.ask(GET_SENSOR_READING, number, owner=record.owner))
    except Refused as error:
        if error.code in NOTHING_THERE:
            return SensorFacts(record=record, reading=SensorReading(available=False))
        return SensorFacts(record=record, failure=str(error))
    except (Unanswered, DecodeError) as error:
        return SensorFacts(record=record, failure=str(error))
    if not reading.available or record.scale is None:
        return SensorFacts(record=record, reading=reading)
    raw_limits = await _limits(client, record)
    return SensorFacts(
        record=record,
        reading=reading,
        value=None if reading.raw is None else await _value(client, record, reading.raw),
        limits={
            name: value
            for name, raw in raw_limits.items()
            if (value := await _value(client, record, raw)) is not None
        },
        raw_limits=raw_limits,
    )


def unread(facts: Iterable[SensorFacts]) -> list[str]:
    """A sentence for every reason why sensors could not be read, with their names."""
    by_reason: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
    for one in facts:
        if one.failure:
            by_reason[one.failure, one.record.owner.address].append(one.record.name)
    problems = []
    for (reason, address), names in by_reason.items():
        who = "" if address == 0x20 else f" of the controller at {address:02X}h"
        shown = ", ".join(names[:NAMES_SHOWN]) + (" and more" if len(names) > NAMES_SHOWN else "")
        plural = "sensors" if len(names) > 1 else "sensor"
        problems.append(f"{len(names)} {plural}{who} could not be read ({shown}): {reason}.")
    return problems


def without_readings(facts: Iterable[SensorFacts]) -> list[str]:
    """A sentence when all that measure answered and have nothing to say: a BMC that measures nothing now.

    One sensor without a reading watches a part that is not there. All of them watch a machine that runs.
    """
    measuring = [one for one in facts if one.record.is_threshold]
    if not measuring or any(one.is_available or one.failure for one in measuring):
        return []
    return [f"None of the BMC's {len(measuring)} sensors of temperatures, fans and voltages has a reading."]


async def _limits(client: BmcClient, record: SensorRecord) -> dict[str, int]:
    """Those in force; where the sensor does not tell them, those of its record."""
    if not record.limits_readable:
        return record.limits
    try:
        answer = await client.ask(GET_SENSOR_THRESHOLDS, bytes((record.number,)), owner=record.owner)
        return decode_limits(answer)
    except (Unanswered, DecodeError):
        return record.limits


async def _value(client: BmcClient, record: SensorRecord, raw: int) -> float | None:
    scale = record.scale
    if scale is None:
        return None
    if scale.is_nonlinear:
        try:
            request = bytes((record.number, raw))
            scale = with_factors(scale, await client.ask(GET_READING_FACTORS, request, owner=record.owner))
        except (Unanswered, DecodeError):
            return None
    return scale.value(raw)
