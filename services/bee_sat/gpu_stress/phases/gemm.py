"""The GEMM phases: products without pause, and every result that is checked compared element by element.

Two batches are under way at any time, so the GPU never waits for us; a batch is short, so that a worker that
is told to end has little before it. Operands are written anew for each batch, shifted, so that no place sees
the same data for long.
"""

import math
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

from bee_sat.gpu_stress.bench import BATCH_SECONDS, Bench, Unsupported
from bee_sat.gpu_stress.cuda import Event
from bee_sat.gpu_stress.errors import Flights
from bee_sat.gpu_stress.events import Completed, PlannedPhase, Rate
from bee_sat.gpu_stress.inject import SLOWDOWN
from bee_sat.gpu_stress.phases.trial import Trial, proved_trial
from bee_sat.gpu_stress.plan import missing_hardware

_IN_FLIGHT = 2
_BATCH_MAX = 64  # products
_BATCH_SECONDS_MAX = 3 * BATCH_SECONDS
_TIMES = 3  # that one product is measured: a busy host is late now and then
_CHECK_COST = 0.08  # of the time, which sets how many results are compared
_SHIFT_STEPS = (7, 11)  # from batch to batch; no divisors of the tables' periods


def run(bench: Bench, planned: PlannedPhase) -> Completed:
    """Raises Unsupported, Stopped, CannotRun, CudaError."""
    lacking = missing_hardware(planned.phase, bench.gpu.compute_capability)
    if lacking is not None:
        raise Unsupported(lacking)
    element = planned.phase.removeprefix("gemm-")
    with proved_trial(bench, planned, element, slots=_IN_FLIGHT * _BATCH_MAX) as trial:
        load = _Load(trial)
        trial.progress.now(f"multiplying {trial.product.size}")
        with closing(Flights(bench, _IN_FLIGHT)) as flights:
            while not (load.batches and (trial.progress.time_is_up or trial.tally.enough)):
                load.start_batch(flights)
            flights.land_all()
        return load.result()


@dataclass
class _Batch:
    """Products between two events, and the checks between pairs of them; ``number``: of those under way."""

    number: int
    launches: int
    begin: Event = field(default_factory=Event)
    end: Event = field(default_factory=Event)
    checks: list[tuple[Event, Event]] = field(default_factory=list)

    def close(self) -> None:
        for event in (self.begin, self.end, *(event for pair in self.checks for event in pair)):
            event.close()


class _Load:
    def __init__(self, trial: Trial) -> None:
        bench, product = trial.bench, trial.product
        self.batches = 0
        self._trial = trial
        self._launches = 0
        self._checks = 0
        self._seconds = 0.0
        self._check_seconds = 0.0
        self._product_seconds, wall = min(
            (bench.clocked(product.multiply) for _ in range(_TIMES)), key=lambda seconds: seconds[1]
        )
        check_seconds, _ = bench.clocked(lambda: product.check(trial.buffer))
        trial.count_now()
        taken = max(self._product_seconds, wall, 1e-6)
        # A batch holds a check, and stays short: how many results go unchecked is bounded by that too.
        wanted = math.ceil(check_seconds / (_CHECK_COST * max(self._product_seconds, 1e-9)))
        self._every = max(1, min(wanted, _BATCH_MAX, int(_BATCH_SECONDS_MAX / taken)))
        self._batch = max(self._every, min(_BATCH_MAX, int(BATCH_SECONDS / taken)))
        self._makers = [product.new_makers(self._batch // self._every) for _ in range(_IN_FLIGHT)]

    def start_batch(self, flights: Flights) -> None:
        first = self.batches == 0 and self._trial.planned.round == 1
        faults = self._trial.bench.faults if first else frozenset()
        shifts = (self.batches * _SHIFT_STEPS[0], self.batches * _SHIFT_STEPS[1])
        self.batches += 1
        self._trial.product.fill(*shifts)
        if "flip-operand" in faults:
            self._trial.product.break_operand()
        batch = _Batch(flights.next, self._batch)
        makers = self._makers[batch.number]
        batch.begin.record(self._trial.bench.stream)
        for number in range(1, self._batch + 1):
            checked = number % self._every == 0
            self._trial.product.multiply(makers.address(len(batch.checks)) if checked else 0)
            if "slow" in self._trial.bench.faults:
                self._trial.bench.spin(self._product_seconds * (SLOWDOWN - 1))
            if checked:
                self._check(batch, {"flip-result", "nan"} & faults if not batch.checks else set())
        batch.end.record(self._trial.bench.stream)
        makers.fetch()
        flights.depart(lambda: self._land(batch))
        if "hang" in faults:
            flights.land_all()
            self._trial.bench.hang_if_told()

    def _check(self, batch: _Batch, faults: set[str]) -> None:
        pair = (Event(), Event())
        pair[0].record(self._trial.bench.stream)
        if faults:
            self._trial.product.break_result(nan="nan" in faults)
        self._trial.product.check(self._trial.buffer)
        self._trial.buffer.fetch(batch.number * _BATCH_MAX + len(batch.checks))
        pair[1].record(self._trial.bench.stream)
        batch.checks.append(pair)

    def _land(self, batch: _Batch) -> None:
        seconds = batch.end.seconds_since(batch.begin)
        check_seconds = sum(end.seconds_since(begin) for begin, end in batch.checks)
        self._launches += batch.launches
        self._checks += len(batch.checks)
        self._seconds += seconds
        self._check_seconds += check_seconds
        batch.close()
        for number in range(len(batch.checks)):
            errors = self._trial.buffer.read(batch.number * _BATCH_MAX + number)
            makers = partial(self._makers[batch.number].of, number)
            self._trial.tally.take(
                errors,
                self._trial.product.results,
                self._trial.product.describer(self._trial.planned, makers),
            )
        done = batch.launches * self._trial.product.operations
        now = _tflops("tflops", done, seconds - check_seconds)
        self._trial.progress.tell(self._trial.tally.errors.compared, self._trial.tally.wrong, now)

    def result(self) -> Completed:
        errors = self._trial.tally.errors
        done = self._launches * self._trial.product.operations
        return Completed(
            seconds=round(self._trial.progress.elapsed, 3),
            iterations=self._launches,
            compared=errors.compared,
            wrong=self._trial.tally.wrong,
            not_finite=errors.not_finite,
            self_proof=self._trial.proved,
            checked_share=self._checks / self._launches,
            check_cost=round(self._check_seconds / self._seconds, 4) if self._seconds > 0 else None,
            rates=(
                _tflops(
                    "tflops",
                    done,
                    self._seconds - self._check_seconds,
                    judged=not self._trial.product.lacking,
                ),
                _tflops("with-checks", done, self._seconds, judged=False),
            ),
            size=self._trial.product.size,
            notes=self._notes(),
        )

    def _notes(self) -> tuple[str, ...]:
        notes = []
        if self._trial.tally.enough:
            notes.append("ended early: more wrong results than anybody needs to count")
        if lacking := self._trial.product.lacking:
            notes.append(f"too little {lacking} for its rate to be judged: {self._trial.product.size}")
        return tuple(notes)


def _tflops(name: str, operations: int, seconds: float, *, judged: bool = True) -> Rate:
    value = operations / seconds / 1e12 if seconds > 0 else 0.0
    return Rate(name=name, value=value, unit="TFLOP/s", judged=judged)
