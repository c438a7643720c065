"""A run as lines for people: 80 columns wide, with colour where the terminal has it."""

import math
import textwrap
from collections.abc import Iterable
from typing import Any

import msgspec

from bee_sat.gpu_stress import events as e
from bee_sat.gpu_stress.events import AnyEvent, GpuReport, JudgedRate, StressGpu, Verdict

WIDTH = 80
_PROGRESS_SECONDS = 5.0
_COLOURS = {"OK": "32", "FAILED": "31", "UNKNOWN": "33", "ABORTED": "33", "Critical": "31", "Warning": "33"}
_FLAGS = {"Critical": "CRITICAL", "Warning": "WARNING", "Unknown": "UNKNOWN"}


class Report:
    """Give it every event; ``lines`` are what is to be shown of it."""

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour
        self._gpus: dict[str, StressGpu] = {}
        self._many = False
        self._told_at: dict[str, float] = {}

    def lines(self, event: AnyEvent) -> list[str]:
        return self._lines(_cleaned(event))

    def _lines(self, event: AnyEvent) -> list[str]:
        match event:
            case e.RunStarted():
                return self._start(event)
            case e.Hello(note=note) if note:
                return _wrapped(f"{self._name(event.gpu)}: {note}")
            case e.PhaseProgress():
                return self._progress(event)
            case e.PhaseEnded():
                return self._phase(event)
            case e.Wrong():
                return _wrapped(f"{self._name(event.gpu)}  {self._red('WRONG')} {_wrong(event)}")
            case e.WorkerEnded(ending=ending) if ending not in ("completed", "aborted"):
                doing = f" while {event.doing}" if event.doing else ""
                who = "all pairs" if event.blames_nobody else self._name(event.gpu)
                return _wrapped(f"{who}  {self._red(ending)}{doing}: {event.message}")
            case e.Telemetry(watching=False):
                return _wrapped(f"not watched: {event.reason}")
            case e.Happened(news=news) if news.severity != "Info":
                return _wrapped(f"{self._name(news.gpu)}  {self._red(news.kind)} {news.message}")
            case e.Stopped():
                return [f"{event.signal}: ending"]
            case Verdict():
                return self._verdict(event)
            case _:
                return []

    def _start(self, event: e.RunStarted) -> list[str]:
        self._gpus = {gpu.id: gpu for gpu in event.gpus}
        phases = dict.fromkeys(planned.phase for planned in event.plan)
        rounds = max((planned.round for planned in event.plan), default=1)
        head = f"bee-gpu-stress {event.version}: {len(event.gpus)} GPUs, {event.seconds:g} s"
        more = f" in {rounds} rounds" if rounds > 1 else ""
        return [head + more, *listing(event.gpus), *_wrapped(f"phases: {' '.join(phases)}"), ""]

    def _progress(self, event: e.PhaseProgress) -> list[str]:
        if event.steady_seconds - self._told_at.get(event.gpu, -math.inf) < _PROGRESS_SECONDS:
            return []
        self._told_at[event.gpu] = event.steady_seconds
        rate = f"  {event.rate.value:.4g} {event.rate.unit}" if event.rate else ""
        wrong = f"  {self._red(f'{event.wrong} wrong')}" if event.wrong else ""
        text = f"{self._name(event.gpu)}  {event.phase:<10} {event.elapsed_seconds:4.0f} s  {event.doing}"
        return [text[: WIDTH - len(rate)] + rate + wrong]

    def _phase(self, event: e.PhaseEnded) -> list[str]:
        self._told_at[event.gpu] = event.steady_seconds
        name = f"{event.phase} {self._name(event.peer)}" if event.peer else event.phase
        head = f"{self._name(event.gpu)}  {name:<10} "
        match event.outcome:
            case e.Completed() as done:
                state = self._red(f"{done.wrong} WRONG") if done.wrong else "done"
                return _wrapped(f"{head}{state}, {_amounts(done)}")
            case e.NotSupported(reason=reason):
                return _wrapped(f"{head}not supported: {reason}")
            case e.Errored(reason=reason):
                return _wrapped(f"{head}{self._red('failed')}: {reason}")
            case e.Aborted(reason=reason):
                return _wrapped(f"{head}aborted: {reason}")

    def _verdict(self, verdict: Verdict) -> list[str]:
        lines = ["", *(line for gpu in verdict.gpus for line in self._gpu(gpu, verdict.rates))]
        for each in verdict.findings:
            flag = self._paint(_FLAGS[each.severity], each.severity)
            lines += ["", *_wrapped(f"{flag} {each.message}")]
            if each.threshold is not None:
                limit = each.threshold
                lines += _wrapped(f"  limit: {limit.value:g} {limit.unit} ({limit.source})")
            lines += _wrapped(f"  {each.where}. {each.next_step}")
        lines += ["", *(line for note in verdict.notes for line in _wrapped(f"note: {note}"))]
        word, _, rest = verdict.summary.partition(":")
        return [*lines, *_wrapped(f"{self._paint(word, verdict.result)}:{rest}")]

    def _gpu(self, gpu: GpuReport, rates: Iterable[JudgedRate]) -> list[str]:
        lines = [f"{self._name(gpu.gpu)}  {gpu.name}: {self._paint(gpu.result, gpu.result)}"]
        if gpu.power_max_watts is not None:
            share = f" ({gpu.power_share:.0%} of its limit)" if gpu.power_share is not None else ""
            heat = f", {gpu.temperature_max_celsius} °C" if gpu.temperature_max_celsius is not None else ""
            lines.append(f"  power up to {gpu.power_max_watts:.0f} W{share}{heat}")
        if gpu.burst_power_watts is not None:
            low, high = gpu.burst_power_watts
            lines.append(f"  load steps from {low:.0f} to {high:.0f} W")
        for throttled in gpu.throttled:
            lines.append(f"  {throttled.reason} for {throttled.seconds:.1f} s")
        for judged in rates:
            if judged.gpu == gpu.gpu and judged.rate.judged:
                lines += _wrapped(f"  {self._rate(judged)}", indent="    ")
        return lines

    def _rate(self, judged: JudgedRate) -> str:
        rate = judged.rate
        what = f"{judged.phase} {rate.name}" + (f" {self._name(judged.peer)}" if judged.peer else "")
        by = []
        if judged.floor is not None:
            by.append(f"floor {judged.floor.value:g}")
        if judged.median is not None:
            by.append(f"median {judged.median:.4g}")
        text = f"{what:<24} {rate.value:8.4g} {rate.unit:<8} {', '.join(by) or judged.note}"
        return text if judged.passed else f"{text} {self._red('TOO SLOW')}"

    def _name(self, gpu: str | None) -> str:
        known = self._gpus.get(gpu or "")
        return f"GPU {known.index}" if known else gpu or "driver"

    def _red(self, text: str) -> str:
        return self._paint(text, "FAILED")

    def _paint(self, text: str, meaning: str) -> str:
        code = _COLOURS.get(meaning)
        return f"\033[{code}m{text}\033[0m" if self._colour and code else text


def listing(gpus: Iterable[StressGpu]) -> list[str]:
    """One line for each GPU."""
    return [
        f"  {gpu.index:>2}  {gpu.id}  {_clean(gpu.name)[:34]:<34} {_gib(gpu.memory_total_bytes):>11}"
        for gpu in gpus
    ]


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 30):.1f} GiB"


def _amounts(done: e.Completed) -> str:
    parts = [f"{rate.value:.4g} {rate.unit} {rate.name}".replace(" tflops", "") for rate in done.rates]
    if done.coverage is not None and done.coverage.free_bytes:
        parts.append(f"{done.coverage.tested_bytes / done.coverage.free_bytes:.1%} of the free memory")
    if done.link is not None and done.link.width:
        parts.append(f"link x{done.link.width} at {done.link.speed_gtps or 0:g} GT/s")
    if done.check_cost is not None:
        parts.append(f"{done.checked_share:.0%} checked for {done.check_cost:.1%} of the time")
    return ", ".join([*parts, f"{done.compared:.3g} compared"])


def _wrong(wrong: e.Wrong) -> str:
    place = f"[{wrong.row}, {wrong.column}]" if wrong.row is not None else f"{wrong.index}"
    sm = f", SM {wrong.sm}" if wrong.sm is not None else ""
    at = f" at {wrong.address}" if wrong.address else ""
    return f"{wrong.phase} {wrong.what} {place}{at}{sm}: expected {wrong.expected}, got {wrong.got}"


def _wrapped(text: str, indent: str = "      ") -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent) or [""]


def _cleaned(event: AnyEvent) -> AnyEvent:
    """Names and messages come from devices and drivers: what steers a terminal is not shown."""
    cleaned: AnyEvent = msgspec.convert(_clean(msgspec.to_builtins(event)), AnyEvent)
    return cleaned


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return "".join(each if each.isprintable() else "?" for each in value)
    if isinstance(value, dict):
        return {_clean(name): _clean(each) for name, each in value.items()}
    return [_clean(each) for each in value] if isinstance(value, list | tuple) else value
