"""A product on one GPU whose check has been proved: with it begin the GEMM phases and the load steps."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from bee_sat.gpu_stress.bench import Bench, Progress
from bee_sat.gpu_stress.errors import ErrorBuffer, Errors, Tally, prove
from bee_sat.gpu_stress.events import PlannedPhase
from bee_sat.gpu_stress.phases.product import Product, largest_fitting


@dataclass(frozen=True, slots=True)
class Trial:
    """``proved``: the check was shown one wrong element, and found it alone."""

    bench: Bench
    planned: PlannedPhase
    progress: Progress
    product: Product
    buffer: ErrorBuffer
    tally: Tally
    proved: bool

    def count_now(self) -> Errors:
        """Wait for the product's last check, and count what it found."""
        errors = self.buffer.now()
        self.tally.take(errors, self.product.results, self.product.describer(self.planned))
        return errors


@contextmanager
def proved_trial(
    bench: Bench, planned: PlannedPhase, element: str, *, slots: int, shifts: tuple[int, int] = (0, 0)
) -> Iterator[Trial]:
    """The largest product that fits, its memory freed afterwards. ``slots``: of checks under way at a time.

    Raises Stopped, CannotRun, CudaError.
    """
    progress = Progress(bench, planned)
    progress.now("choosing a size")
    with ExitStack() as stack:
        buffer = stack.enter_context(ErrorBuffer(bench, slots))
        product = stack.enter_context(largest_fitting(bench, element, progress, planned.seconds))
        progress.now("proving the check")
        product.fill(*shifts)
        product.multiply()
        tally = Tally(bench, planned)
        proved = prove(tally, buffer, product.shown(buffer, planned))
        yield Trial(bench, planned, progress, product, buffer, tally, proved)
