"""Which screens the menu leads to, and how each is made with its models.

They are loaded when they are opened: a first screen that comes at once is worth more.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from bee_tui.app import App
    from bee_tui.models.glance import Job
    from bee_tui.models.sat_setup import Packs
    from bee_tui.screen import Screen


class Door(NamedTuple):
    """``open``: makes the screen, or does it all itself. ``key``: a letter, the shortcut at home."""

    key: str
    title: str
    words: str
    open: Callable[[App], Screen | None]


def home(app: App) -> Screen:
    from bee_tui.models.addresses import Addresses
    from bee_tui.models.glance import GpusAtAGlance, JobsUnderWay, LastAudit
    from bee_tui.views.home import Home

    return Home(
        app,
        addresses=Addresses(),
        audit=LastAudit(app.address),
        jobs=JobsUnderWay(app.address),
        gpus=GpusAtAGlance(app.address),
        doors=DOORS,
        open_job=lambda job: app.push(_job(app, job)),
    )


def _job(app: App, job: Job) -> Screen:
    """The screen of work under way."""
    from bee_bus.names import AUDIT

    return audit(app) if job.service == AUDIT.bus_name else run(app, job.id)


def audit(app: App) -> Screen:
    from bee_tui.models.audit import AuditModel
    from bee_tui.views.audit import Audit

    return Audit(app, AuditModel(app.address))


def tests(app: App) -> Screen:
    from bee_tui.models.glance import JobsUnderWay
    from bee_tui.models.sat_setup import Packs
    from bee_tui.views.sat import AcceptanceTests

    packs = Packs(app.address)
    return AcceptanceTests(
        app,
        packs,
        JobsUnderWay(app.address),
        open_form=lambda pack: _form(app, packs, pack),
        open_run=partial(run, app),
    )


def _form(app: App, packs: Packs, pack: str) -> Screen:
    from bee_tui.models.sat_setup import NVIDIA, STORAGE
    from bee_tui.views.sat_form import Form

    if pack == NVIDIA:
        from bee_tui.models.sat_setup import NvidiaGpus
        from bee_tui.views.sat_form import NvidiaForm

        open_run = partial(run, app, nvtop=True)
        return NvidiaForm(app, packs, pack, NvidiaGpus(app.address), open_run=open_run)
    if pack == STORAGE:
        from bee_tui.models.sat_disks import Disks
        from bee_tui.views.sat_disks import StorageForm

        return StorageForm(app, packs, pack, Disks(app.address), open_run=partial(run, app))
    return Form(app, packs, pack, open_run=partial(run, app))


def run(app: App, run_id: str, *, nvtop: bool = False) -> Screen:
    """A run, under way or ended."""
    from bee_tui.models.sat_run import RunModel
    from bee_tui.views.sat_run import Run

    return Run(app, RunModel(run_id, app.address), nvtop=nvtop)


def results(app: App) -> Screen:
    from bee_tui.models.sat_runs import Runs
    from bee_tui.views.sat import Results

    return Results(app, Runs(app.address), open_run=partial(run, app))


def gpus(app: App) -> Screen:
    from bee_tui.models.gpus import Gpus
    from bee_tui.views.gpu import GpuChart
    from bee_tui.views.gpus import GpuTable

    model = Gpus(app.address)
    return GpuTable(app, model, open_gpu=partial(GpuChart, app, model))


def network(app: App) -> Screen:
    from bee_tui.models.audit import AuditModel
    from bee_tui.models.network import Network
    from bee_tui.views.network import NetworkScreen
    from bee_tui.views.sections import ComponentScreen

    audit = AuditModel(app.address)
    return NetworkScreen(
        app, Network(app.address), open_facts=lambda name: ComponentScreen(app, audit, "network", name)
    )


def power(app: App) -> Screen:
    from bee_tui.models.glance import JobsUnderWay
    from bee_tui.models.power import Power
    from bee_tui.views.power import PowerScreen

    return PowerScreen(app, Power(app.address), JobsUnderWay(app.address))


def shell(app: App) -> None:
    from bee_tui.shell import give_shell

    app.work(give_shell(app), "Starting a shell")


DOORS: tuple[Door, ...] = (
    Door("a", "Audit", "what this machine is made of, and whether it is sound", audit),
    Door("t", "Acceptance tests", "load the machine, and have it prove itself", tests),
    Door("g", "GPUs", "temperature, power, load and clocks of each, live", gpus),
    Door("r", "Results", "acceptance tests that were run, and what came of them", results),
    Door("n", "Network", "interfaces, links and addresses; renew DHCP", network),
    Door("p", "Power", "restart, switch off", power),
    Door("s", "Shell", "a command line, and back with exit", shell),
)
