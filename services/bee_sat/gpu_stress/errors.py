"""What the checking kernels found, as they leave it in the GPU's memory (kernels/errors.cuh)."""

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from bee_sat.gpu_stress.bench import Bench, CannotRun
from bee_sat.gpu_stress.cuda import DeviceMemory, Event, HostMemory, copy_to_host
from bee_sat.gpu_stress.cuda.context import Owned
from bee_sat.gpu_stress.events import PlannedPhase, Wrong

_HEAD = struct.Struct("<QQQQ")
_RECORD = struct.Struct("<QQQII")
_RECORDS = 64
_SIZE = _HEAD.size + _RECORDS * _RECORD.size

# How many wrong elements of a phase are told one by one, and after how many nobody needs to know more.
TOLD_MAX = 16
WRONG_ENOUGH = 10_000_000


@dataclass(frozen=True, slots=True)
class Record:
    """One wrong element: its index, the bits, and the multiprocessor that looked."""

    index: int
    expected: int
    got: int
    multiprocessor: int


@dataclass(frozen=True, slots=True)
class Errors:
    """Counted since the buffer was cleared. ``records``: the first of them."""

    compared: int = 0
    wrong: int = 0
    not_finite: int = 0
    records: tuple[Record, ...] = ()


class ErrorBuffer(Owned):
    """The counters on the GPU, and slots on the host where copies of them arrive."""

    def __init__(self, bench: Bench, slots: int) -> None:
        self._bench = bench
        self._memory = DeviceMemory(_SIZE)
        self._host = HostMemory(_SIZE * slots)
        self.clear()

    @property
    def argument(self) -> DeviceMemory:
        """As the kernels take it."""
        return self._memory

    def clear(self) -> None:
        self._memory.fill(0, self._bench.stream)

    def fetch(self, slot: int) -> None:
        """Have a copy made once the work so far is done."""
        copy_to_host(self._host, self._memory, _SIZE, self._bench.stream, target_offset=slot * _SIZE)

    def read(self, slot: int) -> Errors:
        """The copy, when it has arrived."""
        raw = bytes(self._host.view[slot * _SIZE : (slot + 1) * _SIZE])
        compared, wrong, not_finite, used = _HEAD.unpack_from(raw)
        places = (_HEAD.size + number * _RECORD.size for number in range(min(used, _RECORDS)))
        records = tuple(Record(*_RECORD.unpack_from(raw, place)[:4]) for place in places)
        return Errors(compared, wrong, not_finite, records)

    def now(self) -> Errors:
        """Wait for all work, and read."""
        self.fetch(0)
        self._bench.finish()
        return self.read(0)

    def close(self) -> None:
        self._memory.close()
        self._host.close()


@dataclass(frozen=True, slots=True)
class Shown:
    """One element that a check is shown wrong: where it is, and how the check is started.

    ``compared``: how many elements one check compares.
    """

    check: Callable[[], None]
    describe: Callable[[Record], Wrong]
    compared: int
    address: int
    index: int
    width_bytes: int


@dataclass
class Tally:
    """What a phase has counted so far, and what it has to have compared by then."""

    bench: Bench
    planned: PlannedPhase
    peer: str | None = None
    errors: Errors = field(default_factory=Errors)
    due: int = 0
    more_wrong: int = 0  # found otherwise than by a kernel
    _told: int = 0
    _known: int = 0

    def take(self, errors: Errors, compared: int, describe: Callable[[Record], Wrong]) -> None:
        """A newer copy of the counters, after ``compared`` more. Tells the wrong elements that are new.

        Raises CannotRun when not all was compared.
        """
        self.due += compared
        self.errors = errors
        if errors.compared != self.due:
            raise CannotRun(f"the check compared {errors.compared} of {self.due} elements", fault=True)
        for record in errors.records[self._known :]:
            self._tell(describe(record))
        self._known = len(errors.records)

    def count(self, errors: Errors, describe: Callable[[Record], Wrong]) -> None:
        """Add what was found before counting began."""
        self.more_wrong += errors.wrong
        for record in errors.records:
            self._tell(describe(record))

    def add(self, wrong: Wrong) -> None:
        """One that the host found."""
        self.more_wrong += 1
        self._tell(wrong)

    @property
    def wrong(self) -> int:
        return self.errors.wrong + self.more_wrong

    @property
    def enough(self) -> bool:
        return self.wrong >= WRONG_ENOUGH

    def _tell(self, wrong: Wrong) -> None:
        if self._told < TOLD_MAX:
            self.bench.voice.say(wrong)
            self._told += 1


def prove(tally: Tally, buffer: ErrorBuffer, shown: Shown) -> bool:
    """Show the check one wrong element, and see that it finds that one and no other.

    What was there is restored. A GPU that computes wrong already proves nothing; what is wrong is counted.
    """
    bench = tally.bench
    buffer.clear()
    shown.check()
    first = buffer.now()
    if first.wrong:
        tally.count(first, shown.describe)
        buffer.clear()
        return False
    bench.flip(shown.address, 1, shown.width_bytes)
    buffer.clear()
    shown.check()
    flipped = buffer.now()
    bench.flip(shown.address, 1, shown.width_bytes)
    buffer.clear()
    shown.check()
    last = buffer.now()
    buffer.clear()
    if last.wrong:
        tally.count(last, shown.describe)
        return False
    return (
        first.compared == flipped.compared == last.compared == shown.compared > 0
        and flipped.wrong == 1
        and [(record.index, record.expected ^ record.got) for record in flipped.records] == [(shown.index, 1)]
    )


def bits(value: int, width_bytes: int) -> str:
    return f"0x{value:0{2 * width_bytes}x}"


def number(value: int, width_bytes: int) -> float | str:
    """The floating-point number of these bits; a word where JSON has no number for it."""
    raw = value.to_bytes(8, "little")[:width_bytes]
    decoded: float = struct.unpack("<d" if width_bytes == 8 else "<f", raw)[0]
    return decoded if math.isfinite(decoded) else str(decoded)


class Flights:
    """Batches under way, each with an event at its end; at most ``depth``."""

    def __init__(self, bench: Bench, depth: int) -> None:
        self._bench = bench
        self._events = [Event() for _ in range(depth)]
        self._landings: list[tuple[Event, Callable[[], None]]] = []
        self.next = 0  # the number of the batch that departs next, below ``depth``

    def depart(self, land: Callable[[], None]) -> None:
        """All launched so far is a batch; ``land`` is called when it is done, batch after batch."""
        event = self._events[self.next]
        self.next = (self.next + 1) % len(self._events)
        event.record(self._bench.stream)
        self._landings.append((event, land))
        while len(self._landings) >= len(self._events):
            self._land()

    def land_all(self) -> None:
        while self._landings:
            self._land()

    def _land(self) -> None:
        event, land = self._landings.pop(0)
        self._bench.wait(event)
        land()

    def close(self) -> None:
        for event in self._events:
            event.close()
