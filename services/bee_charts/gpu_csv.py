"""The telemetry of a GPU run, out of its gpu-metrics.csv: as it grows, or whole."""

from __future__ import annotations

from collections.abc import Iterator

from bee_charts.chart import Chart, Span, active_spans
from bee_charts.quantities import GPU_MAIN, Recording
from bee_charts.reducer import Reducer
from bee_charts.words import seen

CSV = "gpu-metrics.csv"

# Columns of the file, and the quantities of bee_charts that they are.
_TIME, _ADDRESS, _NUMBER, _REASONS = b"elapsed_seconds", b"pci_address", b"gpu", b"clock_event_reasons"
_VALUES = {
    b"temperature_celsius": "temperature_celsius",
    b"utilization_percent": "utilization_gpu_percent",
    b"power_watts": "power_watts",
    b"sm_clock_mhz": "clock_sm_mhz",
}
_NEEDED = (_TIME, _ADDRESS, _NUMBER, _REASONS, *_VALUES)

# nvml.h, nvmlClocksEventReasons: what holds a GPU back when something is wrong. The power limit does not.
_HELD_BACK = {0x8: "hw slowdown", 0x20: "sw thermal", 0x40: "hw thermal", 0x80: "power brake"}

_LINE_BYTES_MAX = 4096
_GPUS_MAX = 64


class GpuMetrics:
    """Fed with the file's bytes, in any portions; memory stays bounded. Damaged lines are passed over."""

    def __init__(self) -> None:
        self._rest = b""
        self._columns: dict[bytes, int] = {}
        self._count = 0
        self._recording = Recording(GPU_MAIN)
        self._gpus: dict[bytes, _Gpu] = {}

    def feed(self, portion: bytes) -> bool:
        """Take what comes next in the file; whether there was a sample in it."""
        *lines, rest = (self._rest + portion).split(b"\n")
        self._rest = rest if len(rest) <= _LINE_BYTES_MAX else b""
        taken = False
        for line in lines:
            if not self._columns:
                self._take_header(line)
            elif len(line) <= _LINE_BYTES_MAX:
                taken |= self._take_line(line)
        return taken

    def charts(self) -> tuple[Chart, ...]:
        """One for each GPU, in the order of their addresses."""
        return tuple(self.by_address().values())

    def by_address(self) -> dict[str, Chart]:
        """The charts by the PCI addresses of the GPUs, in their order."""
        return {
            gpu.address: Chart(
                title=f"GPU {gpu.number or '?'}  {gpu.address}",
                series=self._recording.series(gpu.address),
                spans=tuple(gpu.spans()),
            )
            for gpu in sorted(self._gpus.values(), key=lambda gpu: gpu.address)
            if gpu.known
        }

    def _take_header(self, line: bytes) -> None:
        names = line.strip().split(b",")
        if all(name in names for name in _NEEDED):
            self._columns = {name: names.index(name) for name in _NEEDED}
            self._count = len(names)

    def _take_line(self, line: bytes) -> bool:
        values = line.split(b",")
        if len(values) != self._count:
            return False
        at = self._columns
        try:
            seconds = float(values[at[_TIME]])
            quantities = {key: _number(values[at[column]]) for column, key in _VALUES.items()}
            reasons = values[at[_REASONS]]
            mask = int(reasons, 16) if reasons else None
            gpu = self._gpu(values[at[_ADDRESS]], values[at[_NUMBER]])
            self._recording.add(gpu.address, seconds, quantities)
        except ValueError:
            return False
        gpu.known = True
        gpu.held_back(seconds, mask)
        return True

    def _gpu(self, address: bytes, number: bytes) -> _Gpu:
        """Raises ValueError when there are more of them than any machine has."""
        if address not in self._gpus:
            if len(self._gpus) >= _GPUS_MAX:
                raise ValueError(address)
            self._gpus[address] = _Gpu(_words(address), _words(number))
        return self._gpus[address]


class _Gpu:
    def __init__(self, address: str, number: str) -> None:
        self.address = address
        self.number = number
        self.known = False  # there is a sample of it
        self._held: dict[int, Reducer] = {}  # of the reasons that ever held

    def held_back(self, seconds: float, mask: int | None) -> None:
        if mask:
            for bit in _HELD_BACK:
                if mask & bit and bit not in self._held:
                    self._held[bit] = Reducer()
        for bit, reducer in self._held.items():
            reducer.add(seconds, None if mask is None else float(bool(mask & bit)))

    def spans(self) -> Iterator[Span]:
        for bit, reducer in self._held.items():
            yield from active_spans(reducer.curve(), _HELD_BACK[bit])


def _number(text: bytes) -> float | None:
    """Empty is absent, never zero. Raises ValueError for what is no number."""
    return float(text) if text else None


def _words(raw: bytes) -> str:
    return seen(raw.decode("utf-8", "replace"), limit=40)
