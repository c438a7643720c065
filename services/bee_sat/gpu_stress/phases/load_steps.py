"""The phase load-steps: full load and none in turn, for power supplies and voltage regulators.

The bursts of all GPUs begin at the same moments, those of the machine's own clock: the supplies see all of it
at once. Each burst's last result is compared.
"""

import time

from bee_sat.gpu_stress.bench import Bench
from bee_sat.gpu_stress.events import Completed, PlannedPhase, Rate
from bee_sat.gpu_stress.phases.trial import Trial, proved_trial
from bee_sat.gpu_stress.plan import missing_hardware

# Half of each is load. Supplies and regulators answer to changes of power in milliseconds, fans in seconds.
PERIODS_SECONDS = (2.0, 0.2, 0.02)
_SLICE_SECONDS = 0.05  # of a pause, before it looks whether it was told to end
_ELEMENTS = ("bf16", "fp16", "fp32")  # what draws the most power comes first


def run(bench: Bench, planned: PlannedPhase) -> Completed:
    """Raises Stopped, CannotRun, CudaError."""
    with proved_trial(bench, planned, _element(bench), slots=1, shifts=(3, 5)) as trial:
        steps = _Steps(trial, bench.timed(trial.product.multiply))
        progress = trial.progress
        left = max(planned.seconds - progress.elapsed, 0.0)
        for number, period in enumerate(PERIODS_SECONDS, 1):
            steps.run(period, progress.elapsed + left / (len(PERIODS_SECONDS) + 1 - number))
            left = max(planned.seconds - progress.elapsed, 0.0)
        return steps.result()


def _element(bench: Bench) -> str:
    able = (name for name in _ELEMENTS if not missing_hardware(f"gemm-{name}", bench.gpu.compute_capability))
    return next(able)


class _Steps:
    """``taken``: the seconds that one product takes."""

    def __init__(self, trial: Trial, taken: float) -> None:
        self._trial = trial
        self._taken = taken
        self._launches = 0
        self._bursts = 0

    def run(self, period: float, until: float) -> None:
        """Bursts of one period until the phase is so old; one at least."""
        self._trial.progress.now(f"bursts every {period:g} s")
        launches = max(1, int(period / 2 / max(self._taken, 1e-6)))
        while True:
            self._sleep_until_next(period)
            self._burst(launches)
            if self._trial.progress.elapsed >= until or self._trial.tally.enough:
                return

    def _burst(self, launches: int) -> None:
        for _ in range(launches):
            self._trial.product.multiply()
        self._trial.product.check(self._trial.buffer)
        errors = self._trial.count_now()
        self._launches += launches
        self._bursts += 1
        self._trial.progress.tell(errors.compared, self._trial.tally.wrong)

    def _sleep_until_next(self, period: float) -> None:
        """Until the clock that all processes share comes to a whole number of periods."""
        begin = (time.monotonic() // period + 1) * period
        while (left := begin - time.monotonic()) > 0:
            self._trial.bench.check_stop()
            time.sleep(min(left, _SLICE_SECONDS))

    def result(self) -> Completed:
        errors = self._trial.tally.errors
        seconds = self._trial.progress.elapsed
        periods = ", ".join(f"{period:g}" for period in PERIODS_SECONDS)
        return Completed(
            seconds=round(seconds, 3),
            iterations=self._launches,
            compared=errors.compared,
            wrong=self._trial.tally.wrong,
            not_finite=errors.not_finite,
            self_proof=self._trial.proved,
            checked_share=self._bursts / self._launches,
            rates=(Rate(name="bursts", value=self._bursts / seconds, unit="1/s", judged=False),),
            size=f"{self._trial.product.size}, every {periods} s",
        )
