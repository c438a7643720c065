"""The GPUs: all of them, and one."""

from __future__ import annotations

from typing import Any

from bee_bus.documents.gpus import GpuEvent
from bee_web.handlers.base import Page, Refusal
from bee_web.views.gpus import (
    cards_of_inventory,
    findings_of,
    gpu_facts,
    gpu_title,
    state_words,
    verdict_of,
)
from bee_web.views.machine import finding_lines

EVENTS_SHOWN = 50


class Gpus(Page):
    async def get(self) -> None:
        inventory = await self.house.reads.inventory()
        verdicts = {gpu.id: verdict_of(inventory, gpu) for gpu in inventory.gpus}
        cards = cards_of_inventory(inventory, verdicts)
        driver = f"driver {inventory.driver_version}" if inventory.driver_version else ""
        cuda = f"CUDA {inventory.cuda_version}" if inventory.cuda_version else ""
        events: tuple[GpuEvent, ...] = ()
        if inventory.gpus:
            events = (await self.house.reads.health()).events
        self.show(
            "gpus.html",
            title="GPUs",
            verdict=inventory.verdict,
            remark=" · ".join(word for word in (driver, cuda) if word),
            trouble=state_words(inventory) if inventory.gpus else "",
            nothing=state_words(inventory) or "This machine has no GPU.",
            findings=finding_lines(inventory.findings),
            gpu_cards=cards.cards,
            all_gpus=True,
            gpus_when=cards.when,
            events=tuple(reversed(events))[:EVENTS_SHOWN],
            scripts=("js/live.js",),
        )


class Gpu(Page):
    async def get(self, address: str) -> None:
        inventory = await self.house.reads.inventory()
        gpu = next((one for one in inventory.gpus if one.id == address), None)
        if gpu is None:
            raise Refusal(404, "NotFound", f"there is no GPU {address}")
        cards = cards_of_inventory(inventory, {one.id: verdict_of(inventory, one) for one in inventory.gpus})
        self.show(
            "gpu.html",
            title=gpu_title(gpu),
            heading=gpu_title(gpu),
            gpu=gpu,
            verdict=verdict_of(inventory, gpu),
            findings=finding_lines(findings_of(inventory, gpu.id)),
            gpu_cards=tuple(card for card in cards.cards if card.id == gpu.id),
            all_gpus=False,
            gpus_when=cards.when,
            facts=gpu_facts(gpu),
            scripts=("vendor/uPlot.iife.min.js", "js/gpu.js"),
            sheets=("vendor/uPlot.min.css",),
        )


ROUTES: list[Any] = [
    (r"/gpus", Gpus),
    (r"/gpus/([0-9a-fA-F:.]{1,20})", Gpu),
]
