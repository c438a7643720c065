"""System event log records (IPMI 2.0 rev 1.1, chapter 32), and logs of them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lab.bmc import Bmc

NOW = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)  # by the clock of the BMCs that `with_log` makes
THRESHOLD, SPECIFIC = 0x01, 0x6F


@dataclass(frozen=True)
class Event:
    """``days_ago`` None: logged while the clock was not set. ``data``: bytes 2 and 3 that say something,
    ``codes``: what they say, where it is not the usual.
    """

    sensor_type: int
    offset: int
    days_ago: float | None = 1
    number: int = 0x30
    event_type: int = SPECIFIC
    asserted: bool = True
    data: tuple[int | None, int | None] = (None, None)
    generator: tuple[int, int] = (0x20, 0x00)
    codes: tuple[int, int] | None = None

    def record(self, record_id: int) -> bytes:
        second, third = self.data
        # A threshold event states the reading and the limit (code 1), others a specific extension (code 3).
        codes = self.codes or ((1, 1) if self.event_type == THRESHOLD else (3, 3))
        data1 = (
            self.offset
            | (codes[0] << 6 if second is not None else 0)
            | (codes[1] << 4 if third is not None else 0)
        )
        age = timedelta(days=self.days_ago or 0)
        stamp = 300 if self.days_ago is None else int((NOW - age).timestamp())
        return (
            record_id.to_bytes(2, "little")
            + b"\x02"
            + stamp.to_bytes(4, "little")
            + bytes((*self.generator, 0x04, self.sensor_type, self.number))
            + bytes((self.event_type | (0 if self.asserted else 0x80), data1))
            + bytes(0xFF if byte is None else byte for byte in self.data)
        )


def with_log(bmc: Bmc, *events: Event) -> Bmc:
    """The BMC with these events, the oldest first, and its clock at NOW."""
    bmc.log = [event.record(number) for number, event in enumerate(events, start=1)]
    bmc.clock = NOW.timestamp
    return bmc
