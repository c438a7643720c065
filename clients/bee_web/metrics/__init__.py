"""The machine in OpenMetrics, for Prometheus and what reads its format.

What nobody knows now has no sample: a service that does not answer leaves its part out, and says 0 in
``bee_service_up``. Of the audit there is what the last one read; ``bee_audit_timestamp_seconds`` says when.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from bee_bus.errors import BeeError
from bee_bus.names import AUDIT, GPU, SAT
from bee_web.metrics.audit import audit_metrics
from bee_web.metrics.families import Families, encoded
from bee_web.metrics.gpus import gpu_metrics
from bee_web.metrics.runs import run_metrics

if TYPE_CHECKING:
    from bee_web.house import House

__all__ = ["encoded", "gather"]

# Prometheus waits for 10 s by default.
DEADLINE_SECONDS = 8.0

T = TypeVar("T")


async def gather(house: House) -> Families:
    """Everything that is known now, in no more than the deadline."""
    inventory, runs = await asyncio.gather(_asked(house.reads.inventory()), _asked(house.reads.runs()))
    services = house.live.services
    if services.word(SAT) == "missing":
        runs = None  # what is remembered is nothing that anybody could confirm
    families = Families()
    families.info("bee_build", "The version of bee.", version=house.version)
    ups = {
        "audit": services.word(AUDIT) in ("running", "idle"),
        "gpu": inventory is not None and services.word(GPU) != "missing",
        "sat": runs is not None,
    }
    for name, is_up in ups.items():
        families.gauge(
            "bee_service_up", "Whether the service answers, or would if it were asked.", is_up, service=name
        )
    audit_metrics(families, house.snapshot.read(), is_running=house.live.audit.now.running)
    if inventory is not None:
        gpu_metrics(families, inventory)
    if runs is not None:
        run_metrics(families, runs, house.live.runs.under_way)
    return families


async def _asked(question: Coroutine[Any, Any, T]) -> T | None:
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await question
    except (BeeError, TimeoutError):
        return None
