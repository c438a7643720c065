"""What is shown of a run while it goes on: each step's state, and how far all of it is."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bee_bus.documents.sat import Status, StepResult
from bee_sat.steps import Plan

SHOW_SECONDS = 0.25
_TEXT_LIMIT = 200

StepStatus = Literal["waiting", "running"] | Status


@dataclass(frozen=True)
class StepView:
    """``doing``: what it is at, or why it ended so. ``progress``: 0 to 1; None when it is not known."""

    name: str
    status: StepStatus
    doing: str = ""
    progress: float | None = None


OnSteps = Callable[[Sequence[StepView]], None]
OnProgress = Callable[[str, float | None], None]


class Board:
    """The steps of one run. Changes of state are shown at once, the rest a few times a second at most."""

    def __init__(self, on_steps: OnSteps, on_progress: OnProgress) -> None:
        """``on_progress`` gets what is going on, in words, and how far the run is."""
        self._on_steps = on_steps
        self._on_progress = on_progress
        self._steps: dict[str, StepView] = {}
        self._shares: dict[str, float] = {}
        self._later: asyncio.TimerHandle | None = None

    def plan(self, plan: Plan) -> None:
        steps = [step for stage in plan for step in stage]
        self._steps = {step.name: StepView(step.name, "waiting") for step in steps}
        self._shares = {step.name: max(step.share, 0.0) for step in steps}
        self._show()

    def doing(self, text: str) -> None:
        """What the run does while no step does."""
        self._on_progress(text, self._progress())

    def begin(self, step: str) -> None:
        self._change(step, status="running")
        self._show()

    def report(self, step: str, doing: str | None, progress: float | None) -> None:
        if doing is not None:
            self._change(step, doing=doing[:_TEXT_LIMIT])
        if progress is not None:
            self._change(step, progress=min(max(progress, 0.0), 1.0))
        if self._later is None:
            self._later = asyncio.get_running_loop().call_later(SHOW_SECONDS, self._show)

    def end(self, step: str, status: Status, reason: str) -> None:
        self._change(step, status=status, doing=reason[:_TEXT_LIMIT])
        if status == "OK":
            self._change(step, progress=1.0)
        self._show()

    def judged(self, steps: Sequence[StepResult]) -> None:
        """What the result says of the steps, which whoever followed them must not see otherwise."""
        for step in steps:
            if step.name in self._steps and step.status != "RUNNING":
                self._change(step.name, status=step.status, doing=step.reason[:_TEXT_LIMIT])
        self._show()

    def close(self) -> None:
        """Show nothing any more."""
        if self._later is not None:
            self._later.cancel()

    def _change(self, step: str, **changes: object) -> None:
        self._steps[step] = replace(self._steps[step], **changes)  # type: ignore[arg-type]

    def _show(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
        self._on_steps(tuple(self._steps.values()))
        running = [step for step in self._steps.values() if step.status == "running"]
        if len(running) == 1:
            self._on_progress(": ".join(filter(None, (running[0].name, running[0].doing))), self._progress())
        elif running:
            self._on_progress(", ".join(step.name for step in running)[:_TEXT_LIMIT], self._progress())

    def _progress(self) -> float | None:
        total = sum(self._shares.values())
        if not total:
            return None
        done = sum(
            share * (1.0 if self._steps[name].status not in ("waiting", "running") else progress)
            for name, share in self._shares.items()
            for progress in [self._steps[name].progress or 0.0]
        )
        return min(done / total, 1.0)
