"""What happened in a run, gathered event by event: all that the verdict needs, however long the run."""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from bee_bus.documents.gpu import GpuSample
from bee_sat.gpu_stress import events as e
from bee_sat.gpu_stress.events import AnyEvent, StressGpu

Severity = Literal["Info", "Warning", "Critical"]

_WRONG_KEPT = 64
_HAPPENED_KEPT = 64  # of one kind at one GPU: corrected errors come by the thousand
# Bits of the clock-event reasons (nvml.h, nvmlClocksEventReasons) that tell of heat or lack of power.
_SLOWDOWNS: dict[int, tuple[str, Severity]] = {
    0x8: ("hw-slowdown", "Critical"),
    0x20: ("sw-thermal", "Warning"),
    0x40: ("hw-thermal", "Critical"),
    0x80: ("hw-power-brake", "Critical"),
}
Key = tuple[str, str, int, str | None]  # gpu, phase, round, peer


@dataclass
class Throttle:
    """One reason on one GPU: seconds so far, and since when it holds, or is known to hold."""

    severity: Severity
    seconds: float = 0.0
    since: float | None = None


@dataclass
class Seen:
    """What the samples of one GPU showed while it was loaded."""

    samples: int = 0
    last_at: float = 0.0
    power_max_watts: float | None = None
    temperature_max_celsius: int | None = None
    memory_temperature_max_celsius: int | None = None
    clock_min_mhz: int | None = None
    clock_max_mhz: int | None = None
    burst_min_watts: float | None = None
    burst_max_watts: float | None = None
    throttles: dict[str, Throttle] = field(default_factory=dict)


@dataclass
class Story:
    """Give it every event in order with ``take``."""

    run: e.RunStarted | None = None
    started_at: float = 0.0
    ended_at: float = 0.0
    phases: dict[Key, e.PhaseEnded] = field(default_factory=dict)
    wrongs: list[e.Wrong] = field(default_factory=list)
    hellos: list[e.Hello] = field(default_factory=list)
    farewells: set[str] = field(default_factory=set)
    workers: list[e.WorkerEnded] = field(default_factory=list)
    before: e.Looked | None = None
    after: e.Looked | None = None
    telemetry: e.Telemetry | None = None
    happened: list[e.Happened] = field(default_factory=list)
    seen: dict[str, Seen] = field(default_factory=dict)
    stopped: e.Stopped | None = None
    _phase_of: dict[str, str] = field(default_factory=dict)
    _happened_of: Counter[Hashable] = field(default_factory=Counter)

    @property
    def gpus(self) -> dict[str, StressGpu]:
        return {gpu.id: gpu for gpu in self.run.gpus} if self.run else {}

    @property
    def seconds(self) -> float:
        """From the start to the last phase's end."""
        return max(self.ended_at - self.started_at, 0.0)

    def take(self, event: AnyEvent) -> None:
        match event:
            case e.RunStarted():
                self.run, self.started_at = event, event.steady_seconds
            case e.Hello():
                self.hellos.append(event)
            case e.PhaseStarted():
                self._phase_of[event.gpu] = event.phase
            case e.PhaseEnded():
                self.phases[event.gpu, event.phase, event.round, event.peer] = event
                self._phase_of.pop(event.gpu, None)
                self.ended_at = event.steady_seconds
            case e.Wrong():
                if len(self.wrongs) < _WRONG_KEPT or not any(self._like(event, kept) for kept in self.wrongs):
                    self.wrongs.append(event)
            case e.Farewell():
                self.farewells.add(event.gpu)
            case e.WorkerEnded():
                self.workers.append(event)
                self._phase_of.pop(event.gpu, None)
            case e.Telemetry():
                self.telemetry = event
            case e.Looked(when="before"):
                self.before = event
            case e.Looked():
                self.after = event
            case e.Sample():
                self._sample(event)
            case e.Happened():
                self._happened(event)
            case e.Stopped():
                self.stopped = event
            case e.Opening() | e.PhaseProgress() | e.Unusable() | e.Verdict():
                pass

    @staticmethod
    def _like(one: e.Wrong, other: e.Wrong) -> bool:
        return (one.gpu, one.phase) == (other.gpu, other.phase)

    def _sample(self, event: e.Sample) -> None:
        seen = self.seen.setdefault(event.gpu, Seen())
        sample = event.sample
        if sample is None:
            return
        seen.samples += 1
        if seen.samples == 1:
            self._held_already(seen, sample, event.steady_seconds)
        seen.last_at = event.steady_seconds
        power = sample.power_instant_watts
        if power is None:
            power = (
                sample.power_usage_watts
                if sample.power_usage_watts is not None
                else sample.power_average_watts
            )
        seen.power_max_watts = _most(seen.power_max_watts, power)
        seen.temperature_max_celsius = _most(seen.temperature_max_celsius, sample.temperature_celsius)
        seen.memory_temperature_max_celsius = _most(
            seen.memory_temperature_max_celsius, sample.memory_temperature_celsius
        )
        phase = self._phase_of.get(event.gpu, "")
        if phase.startswith("gemm-"):
            seen.clock_min_mhz = _least(seen.clock_min_mhz, sample.clock_sm_mhz)
            seen.clock_max_mhz = _most(seen.clock_max_mhz, sample.clock_sm_mhz)
        if phase == "load-steps":
            seen.burst_min_watts = _least(seen.burst_min_watts, power)
            seen.burst_max_watts = _most(seen.burst_max_watts, power)

    @staticmethod
    def _held_already(seen: Seen, sample: GpuSample, since: float) -> None:
        """What began before anybody of this run watched begins with its first sample."""
        for mask, (reason, severity) in _SLOWDOWNS.items():
            if (sample.clock_event_reasons or 0) & mask and reason not in seen.throttles:
                seen.throttles[reason] = Throttle(severity, since=since)

    def _happened(self, event: e.Happened) -> None:
        news = event.news
        if news.kind not in ("throttle-begin", "throttle-end"):
            kind = (news.gpu, news.kind, news.severity, *map(news.details.get, ("xid", "what")))
            self._happened_of[kind] += 1
            if self._happened_of[kind] <= _HAPPENED_KEPT:
                self.happened.append(event)
            return
        reason = str(news.details.get("reason", "unknown"))
        throttles = self.seen.setdefault(news.gpu, Seen()).throttles
        if news.kind == "throttle-begin":
            throttles.setdefault(reason, Throttle(news.severity)).since = event.steady_seconds
        elif reason in throttles:
            seconds = news.details.get("seconds")
            throttle = throttles[reason]
            added = float(seconds) if isinstance(seconds, int | float) else 0.0
            if throttle.since is not None:
                # The service may have seen it before the load, and may go by a clock that was set meanwhile.
                lasted = max(event.steady_seconds - throttle.since, 0.0)
                added = min(added, lasted) if added >= 0 else lasted
            throttle.seconds += max(added, 0.0)
            throttle.since = None

    def throttled(self, gpu: str) -> tuple[e.Throttled, ...]:
        """How long each reason held the clocks down; those that still do, until the last sample."""
        seen = self.seen.get(gpu, Seen())
        told = []
        for reason, throttle in sorted(seen.throttles.items()):
            running = max(seen.last_at - throttle.since, 0.0) if throttle.since is not None else 0.0
            seconds = round(throttle.seconds + running, 3)
            told.append(e.Throttled(reason=reason, seconds=seconds, severity=throttle.severity))
        return tuple(told)


Number = TypeVar("Number", int, float)


def _most(old: Number | None, new: Number | None) -> Number | None:
    return new if old is None or (new is not None and new > old) else old


def _least(old: Number | None, new: Number | None) -> Number | None:
    return new if old is None or (new is not None and new < old) else old
