"""Restart and switch off: never at once, and never under work that nobody agreed to cut off."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bee_bus.errors import AccessDenied, BeeError
from bee_bus.names import SAT
from bee_bus.under_way import Work, job_words
from bee_tui.app import App
from bee_tui.models.glance import Job, JobsUnderWay
from bee_tui.models.power import Power
from bee_tui.views.power import PowerScreen
from bee_tui.widgets import find
from lab.tui_views import shown

RUN = Work("/org/bee/Sat1/job/1", "acceptance test nvidia, 43% done")
OTHER = Work("/org/bee/Audit1/job/2", "audit")


class Machine(Power):
    """A machine that says what it was told. ``work``: what is under way at each look, the last stays."""

    def __init__(self, *work: Sequence[Work], error: BeeError | None = None) -> None:
        super().__init__("unix:path=/nonexistent")
        self.work = [tuple(each) for each in work] or [()]
        self.error = error
        self.told: list[str] = []

    async def under_way(self) -> tuple[Work, ...]:
        return self.work.pop(0) if len(self.work) > 1 else self.work[0]

    async def act(self, action: Any) -> None:
        if self.error is not None:
            raise self.error
        self.told.append(action)


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@asynccontextmanager
async def power_screen(machine: Machine) -> AsyncIterator[tuple[App, PowerScreen]]:
    app = App(address="unix:path=/nonexistent")
    jobs = JobsUnderWay("unix:path=/nonexistent")
    screen = PowerScreen(app, machine, jobs)
    app.push(screen)
    try:
        yield app, screen
    finally:
        for model in screen.models:
            await model.stopped()


def text_of(app: App) -> str:
    return shown(app.frame)


async def press(app: App, words: str) -> None:
    find(app.frame.body, words).press()
    await settled()


async def keys(app: App, *names: str) -> None:
    for name in names:
        left = app.frame.keypress((80, 24), name)
        if left is not None:
            app.unhandled(left)
        await settled()


@pytest.mark.parametrize(("words", "action"), [("Restart", "Reboot"), ("Switch off", "PowerOff")])
async def test_a_machine_with_nothing_to_do_asks_once(words: str, action: str) -> None:
    machine = Machine()
    async with power_screen(machine) as (app, _):
        await press(app, words)
        assert f"{words} this machine now?" in text_of(app)
        assert machine.told == []
        await keys(app, "right", "enter")
        assert machine.told == [action]


@pytest.mark.parametrize("refusal", [["enter"], ["esc"]])
async def test_enter_and_escape_alone_stop_nothing(refusal: list[str]) -> None:
    machine = Machine()
    async with power_screen(machine) as (app, _):
        await press(app, "Switch off")
        await keys(app, *refusal)
        assert machine.told == []
        assert "now?" not in text_of(app)


async def test_under_a_run_it_is_refused_until_that_is_confirmed_too() -> None:
    machine = Machine([RUN])
    async with power_screen(machine) as (app, _):
        await press(app, "Restart")
        text = text_of(app)
        assert "Not while this is under way" in text
        assert "acceptance test nvidia, 43% done" in text
        await keys(app, "enter")
        assert machine.told == []
        await press(app, "Restart")
        await keys(app, "right", "enter")
        assert machine.told == ["Reboot"]


async def test_a_run_that_began_while_the_question_stood_is_asked_about() -> None:
    machine = Machine([], [RUN], [RUN])
    async with power_screen(machine) as (app, _):
        await press(app, "Switch off")
        await keys(app, "right", "enter")
        assert machine.told == []
        assert "acceptance test nvidia" in text_of(app)
        await keys(app, "right", "enter")
        assert machine.told == ["PowerOff"]


async def test_a_run_that_ended_meanwhile_changes_nothing() -> None:
    machine = Machine([RUN, OTHER], [OTHER])
    async with power_screen(machine) as (app, _):
        await press(app, "Restart")
        await keys(app, "right", "enter")
        assert machine.told == ["Reboot"]


async def test_who_may_not_is_told_so() -> None:
    machine = Machine(error=AccessDenied("polkit does not allow org.freedesktop.login1.reboot"))
    async with power_screen(machine) as (app, _):
        await press(app, "Restart")
        await keys(app, "right", "enter")
        assert "this user may not do that" in text_of(app)


@pytest.mark.parametrize(
    ("can", "words"),
    [
        ("na", "this machine cannot"),
        ("challenge", "needs an administrator's password"),
        ("no", "this user may not"),
        ("inhibitor-blocked", "a program holds it up now"),
    ],
)
async def test_what_will_be_refused_is_said_beforehand(can: str, words: str) -> None:
    machine = Machine()
    async with power_screen(machine) as (app, screen):
        assert words not in text_of(app)
        machine.can = {"Reboot": can, "PowerOff": "yes"}
        screen.refresh()
        assert f"Restart     {words}" in text_of(app)


async def test_what_runs_stands_there_without_a_question() -> None:
    machine = Machine()
    async with power_screen(machine) as (app, screen):
        assert "Nothing runs." in text_of(app)
        jobs = screen.models[1]
        assert isinstance(jobs, JobsUnderWay)
        jobs.jobs = (Job(SAT.bus_name, "/org/bee/Sat1/job/1", "sat-memory", "memtester \x1b[2J", 0.5, 1.0),)
        screen.refresh()
        assert "memory 50%  memtester \\x1b[2J" in text_of(app)


def test_work_is_named_as_people_name_it() -> None:
    job = {"Kind": "sat-nvidia", "Progress": 0.43, "ProgressValid": True}
    assert job_words(job) == "acceptance test nvidia, 43% done"
    assert job_words({"Kind": "capture", "Progress": 0.0, "ProgressValid": False}) == "capture"
