"""Acceptance runs as metrics."""

from collections import Counter
from collections.abc import Sequence
from typing import get_args

from bee_bus.documents.sat import STATUSES, RunStatus, SatRun
from bee_web.documents import RunNow
from bee_web.metrics.families import Families, unix_seconds


def run_metrics(families: Families, runs: Sequence[SatRun], under_way: Sequence[RunNow]) -> None:
    """``runs``: all, the newest first."""
    counts = Counter(run.status for run in runs)
    for status in get_args(RunStatus):
        families.gauge(
            "bee_runs", "Acceptance runs on record, by their status.", counts[status], status=status
        )
    _last(families, runs)
    for run in under_way:
        if run.state != "finished":
            families.gauge("bee_run_active", "An acceptance run under way.", 1, run=run.run, pack=run.pack)
            families.gauge(
                "bee_run_progress_ratio",
                "How much of a run under way is done.",
                run.progress,
                run=run.run,
                pack=run.pack,
            )


def _last(families: Families, runs: Sequence[SatRun]) -> None:
    seen: set[str] = set()
    for run in runs:
        if run.status == "RUNNING" or run.pack in seen:
            continue
        seen.add(run.pack)
        families.states(
            "bee_run_last_status",
            "How the pack's last run ended.",
            STATUSES,
            run.status,
            pack=run.pack,
        )
        families.gauge(
            "bee_run_last_start_timestamp_seconds",
            "When the pack's last run that has ended was started.",
            unix_seconds(run.started_at),
            pack=run.pack,
        )
        families.gauge(
            "bee_run_last_finish_timestamp_seconds",
            "When it ended.",
            unix_seconds(run.finished_at),
            pack=run.pack,
        )
