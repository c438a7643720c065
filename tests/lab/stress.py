"""Stories of stress runs: a healthy one, told event by event, of which a test changes a word."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from bee_bus.documents.gpu import GpuCounters, GpuSample
from bee_bus.documents.gpus import GpuEvent
from bee_sat.gpu_stress import events as e
from bee_sat.gpu_stress.events import AnyEvent, StressGpu
from bee_sat.gpu_stress.plan import PEER, PHASES, make_plan, missing_hardware

H100 = "NVIDIA H100 80GB HBM3"
START = 1_000_000.0

# What healthy GPUs of that model do.
_TFLOPS = {
    "gemm-bf16": 700.0,
    "gemm-fp16": 700.0,
    "gemm-tf32": 300.0,
    "gemm-fp8": 1300.0,
    "gemm-fp64": 45.0,
    "gemm-fp32": 40.0,
}


def gpu(index: int, name: str = H100, capability: tuple[int, int] = (9, 0)) -> StressGpu:
    return StressGpu(
        id=f"0000:{0x1B + 0x10 * index:02x}:00.0",
        index=index,
        uuid=f"GPU-{index:08x}-0000-0000-0000-000000000000",
        name=name,
        compute_capability=capability,
        memory_total_bytes=80 << 30,
        multiprocessors=132,
    )


def look(one: StressGpu, **changes: Any) -> e.GpuLook:
    counters = GpuCounters(
        ecc_volatile_corrected=0,
        ecc_volatile_uncorrected=0,
        remapped_rows_corrected=0,
        remapped_rows_uncorrected=0,
        remapped_rows_pending=False,
        remap_failed=False,
    )
    known = e.GpuLook(gpu=one.id, name=one.name, counters=counters, power_limit_enforced_watts=700.0)
    counted = {name: changes.pop(name) for name in list(changes) if name in GpuCounters.__struct_fields__}
    changes["counters"] = msgspec.structs.replace(counters, **counted)
    return msgspec.structs.replace(known, **changes)


def sample(one: StressGpu, at: float, **values: Any) -> e.Sample:
    base = {"power_instant_watts": 680.0, "temperature_celsius": 66, "clock_sm_mhz": 1700}
    return e.Sample(
        gpu=one.id, condition="ok", steady_seconds=at, sample=GpuSample(unix_seconds=at, **{**base, **values})
    )


def done(phase: str, **changes: Any) -> e.Completed:
    """A phase that went well on an H100."""
    outcome = e.Completed(seconds=10.0, iterations=1000, compared=10**9, wrong=0, self_proof=True)
    link = e.Link(speed_gtps=32.0, width=16, max_speed_gtps=32.0, max_width=16)
    more: dict[str, Any] = {}
    if phase in _TFLOPS:
        more["rates"] = (e.Rate(name="tflops", value=_TFLOPS[phase], unit="TFLOP/s"),)
    elif phase == "memory":
        more["coverage"] = e.Coverage(tested_bytes=78 << 30, free_bytes=79 << 30, total_bytes=80 << 30)
        more["rates"] = (e.Rate(name="patterns", value=2500.0, unit="GB/s", judged=False),)
    elif phase == "bandwidth":
        more["rates"] = tuple(
            e.Rate(name=name, value=3000.0, unit="GB/s") for name in ("read", "write", "copy")
        )
    elif phase == "transfer":
        rates = (("to-device", 55.0), ("to-host", 54.0))
        more["rates"] = tuple(e.Rate(name=name, value=value, unit="GB/s") for name, value in rates)
        more["link"] = link
    elif phase == "load-steps":
        more["rates"] = (e.Rate(name="bursts", value=5.0, unit="1/s", judged=False),)
    elif phase == PEER:
        more["rates"] = tuple(e.Rate(name=name, value=370.0, unit="GB/s") for name in ("there", "back"))
    return msgspec.structs.replace(outcome, **{**more, **changes})


class Run:
    """A healthy run, and what a test makes of it.

    ``events`` can be changed in place; ``change`` replaces what a phase of a GPU came to.
    """

    def __init__(
        self,
        count: int = 2,
        *,
        phases: tuple[str, ...] = PHASES,
        name: str = H100,
        capability: tuple[int, int] = (9, 0),
        seconds: float = 600.0,
        telemetry: bool = True,
        **started: Any,
    ) -> None:
        self.gpus = tuple(gpu(index, name, capability) for index in range(count))
        plan = make_plan(self.gpus, seconds, phases)
        self.started = e.RunStarted(
            format=e.FORMAT,
            version="0.1.0",
            seconds=seconds,
            gpus=self.gpus,
            plan=plan.phases,
            with_telemetry=telemetry,
            steady_seconds=START,
            **{"whole_machine": True, **started},
        )
        self.events: list[AnyEvent] = [self.started]
        if telemetry:
            self.events += [self.looked("before"), e.Telemetry(watching=True)]
        for one in self.gpus:
            self.events += self._worker(one)
        if any(each.phase == PEER for each in plan.phases):
            self.events += self._pairs()
        if telemetry:
            self.events.append(self.looked("after"))

    def looked(self, when: str) -> e.Looked:
        return e.Looked(when="before" if when == "before" else "after", gpus=tuple(map(look, self.gpus)))

    def _worker(self, one: StressGpu) -> Iterator[AnyEvent]:
        yield e.Hello(
            gpu=one.id, pid=1, memory_total_bytes=80 << 30, memory_free_bytes=79 << 30, kernels="sm_90a"
        )
        for planned in self.started.plan:
            if planned.gpu != one.id or planned.phase == PEER:
                continue
            yield e.PhaseStarted(
                gpu=one.id, phase=planned.phase, seconds=planned.seconds, round=planned.round
            )
            yield sample(one, START + 10)
            lacking = missing_hardware(planned.phase, one.compute_capability)
            seconds = max(planned.seconds, 10.0)
            outcome = e.NotSupported(reason=lacking) if lacking else done(planned.phase, seconds=seconds)
            yield e.PhaseEnded(
                gpu=one.id,
                phase=planned.phase,
                round=planned.round,
                outcome=outcome,
                steady_seconds=START + self.started.seconds,
            )
        yield e.Farewell(gpu=one.id)
        yield e.WorkerEnded(gpu=one.id, ending="completed", exit_code=0)

    def _pairs(self) -> Iterator[AnyEvent]:
        if len(self.gpus) == 1:
            yield e.PhaseEnded(
                gpu=self.gpus[0].id,
                phase=PEER,
                outcome=e.NotSupported(reason="one GPU"),
                steady_seconds=START + self.started.seconds,
            )
            return
        for place, one in enumerate(self.gpus):
            for other in self.gpus[place + 1 :]:
                yield e.PhaseEnded(
                    gpu=one.id,
                    peer=other.id,
                    phase=PEER,
                    outcome=done(PEER, seconds=60.0),
                    steady_seconds=START + self.started.seconds,
                )
        yield e.WorkerEnded(gpu=self.gpus[0].id, ending="completed", exit_code=0, peers=True)

    def change(self, index: int, phase: str, outcome: e.Outcome | None = None, **changes: Any) -> None:
        """Another outcome of a phase of one GPU, or other numbers in it."""
        for place, event in enumerate(self.events):
            if isinstance(event, e.PhaseEnded) and (event.gpu, event.phase) == (self.gpus[index].id, phase):
                new = outcome if outcome is not None else msgspec.structs.replace(event.outcome, **changes)
                self.events[place] = msgspec.structs.replace(event, outcome=new)
                return
        raise KeyError(phase)

    def rate(self, index: int, phase: str, value: float) -> None:
        """All rates of a phase."""
        for event in self.events:
            if isinstance(event, e.PhaseEnded) and (event.gpu, event.phase) == (self.gpus[index].id, phase):
                assert isinstance(event.outcome, e.Completed)
                rates = tuple(msgspec.structs.replace(rate, value=value) for rate in event.outcome.rates)
                self.change(index, phase, rates=rates)
                return

    def drop(self, unwanted: Callable[[AnyEvent], bool]) -> None:
        self.events = [event for event in self.events if not unwanted(event)]

    def look_after(self, index: int, **changes: Any) -> None:
        self._look(index, "after", changes)

    def look_before(self, index: int, **changes: Any) -> None:
        self._look(index, "before", changes)

    def _look(self, index: int, when: str, changes: dict[str, Any]) -> None:
        for place, event in enumerate(self.events):
            if isinstance(event, e.Looked) and event.when == when:
                gpus = list(event.gpus)
                gpus[index] = look(self.gpus[index], **changes)
                self.events[place] = msgspec.structs.replace(event, gpus=tuple(gpus))

    def happen(
        self,
        index: int | None,
        kind: str,
        severity: str,
        message: str = "",
        *,
        at: float = START + 100,
        **details: Any,
    ) -> None:
        """Something that the GPU service tells in the midst of it. None: of the driver as a whole.

        ``at``: by the clock that nobody sets; what is told first comes first.
        """
        news = GpuEvent(
            unix_seconds=at,
            gpu="" if index is None else self.gpus[index].id,
            kind=kind,
            severity=severity,  # type: ignore[arg-type]
            message=message or kind,
            details=details,
        )
        later = [
            place
            for place, event in enumerate(self.events)
            if isinstance(event, e.Happened) and event.steady_seconds <= at
        ]
        place = later[-1] + 1 if later else len(self.events) // 2
        self.events.insert(place, e.Happened(news=news, steady_seconds=at))
