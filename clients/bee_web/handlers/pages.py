"""The first page, and those that lead to changes: starting tests, logging in, power."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from bee_bus.documents.gpus import GpuInventory
from bee_bus.documents.sat import SatPack, SatRun
from bee_bus.errors import BeeError, in_words
from bee_charts import CHART_CSS
from bee_web.handlers.base import Handler, Page, Static
from bee_web.handlers.session import own_address
from bee_web.rendering import since
from bee_web.vendor import vendor_folder
from bee_web.views.forms import forms
from bee_web.views.gpus import cards_of_audit
from bee_web.views.machine import machine_of
from bee_web.views.runs import run_lines

RECENT_RUNS = 6
# A page does not wait for a service that hangs: it says so, and shows the rest.
PATIENCE_SECONDS = 3.0
ASKED = {"reboot": "The machine is restarting.", "poweroff": "The machine is being switched off."}
SERVICE_WORDS = {"audit": "audit", "sat": "acceptance", "gpu": "GPU"}


class Dashboard(Page):
    async def get(self) -> None:
        live = self.house.live
        machine = machine_of(self.house.snapshot.read())
        runs, runs_trouble = await list_runs(self)
        gpus = cards_of_audit(machine.snapshot, live.gpus.now, live.gpus.inventory)
        audit = live.audit.now
        self.show(
            "dashboard.html",
            often=True,
            title="Overview",
            machine_view=machine,
            since_audit=since(machine.snapshot.started_at, time.time()) if machine.snapshot else "",
            audit_doing=f"An audit is under way: {audit.step or 'it begins'}" if audit.running else "",
            findings=machine.findings,
            services=service_sentences(self),
            gpu_cards=gpus.cards,
            all_gpus=True,
            gpus_when=gpus.when,
            runs=run_lines(runs, live.runs.under_way, RECENT_RUNS),
            runs_trouble=runs_trouble,
            no_runs="" if runs_trouble else "No acceptance run has been started yet.",
            scripts=("js/live.js",),
        )


class Start(Page):
    async def get(self) -> None:
        packs: tuple[SatPack, ...] = ()
        gpus: GpuInventory | None = None
        trouble = ""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                packs = await self.house.reads.packs()
        except (BeeError, TimeoutError) as error:
            trouble = trouble_of("acceptance", error)
        if any(pack.name == "nvidia" for pack in packs):
            try:
                async with asyncio.timeout(2 * PATIENCE_SECONDS):
                    gpus = await self.house.reads.inventory()
            except (BeeError, TimeoutError):
                pass  # the form says that they are not known
        self.show("start.html", title="Start a test", forms=forms(packs, gpus), trouble=trouble)


class LogIn(Page):
    def get(self) -> None:
        after = own_address(self.get_query_argument("next", "/") or "/")
        self.show("login.html", title="Log in", next=after, scripts=("js/login.js",))


class Power(Page):
    def get(self) -> None:
        live = self.house.live
        under_way = [run for run in live.runs.under_way if run.state != "finished"]
        self.show(
            "power.html",
            title="Power",
            asked=ASKED.get(self.get_query_argument("asked", "") or "", ""),
            under_way=run_lines((), under_way),
        )


class ChartSheet(Handler):
    """The colours of pictures that bee_charts makes."""

    def get(self) -> None:
        self.set_header("Content-Type", "text/css; charset=UTF-8")
        self.set_header("Cache-Control", "no-cache")
        self.finish(CHART_CSS)


async def list_runs(page: Page) -> tuple[tuple[SatRun, ...], str]:
    """All runs, or a sentence why they cannot be listed."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await page.house.reads.runs(), ""
    except (BeeError, TimeoutError) as error:
        return (), trouble_of("acceptance", error)


def trouble_of(service: str, error: BeeError | TimeoutError) -> str:
    """Why a service's part of a page is empty, a sentence."""
    words = in_words(error) if isinstance(error, BeeError) else "it does not answer in time"
    return f"The {service} service: {words}."


def service_sentences(page: Page) -> list[str]:
    """What is not well of the services, a sentence each."""
    now = page.house.live.services.now
    if not now.bus:
        return ["The system bus is not there: what is shown is the last audit, and nothing is live."]
    return [
        f"The {SERVICE_WORDS.get(name, name)} service is not there: {words}."
        for name, words in sorted(now.messages.items())
    ]


ROUTES: list[Any] = [
    (r"/", Dashboard),
    (r"/start", Start),
    (r"/login", LogIn),
    (r"/power", Power),
    (r"/charts\.css", ChartSheet),
    (r"/vendor/(.*)", Static, {"path": str(vendor_folder())}),
]
