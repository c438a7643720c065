"""The frame of the menu: a stack of screens, keys, dialogs, work, models that come and go."""

import asyncio
from collections.abc import Sequence

import pytest
import urwid

from bee_bus.errors import AccessDenied, BeeError, Busy
from bee_tui.app import App
from bee_tui.model import Live, Model, Trouble, together
from bee_tui.screen import Key, Screen
from bee_tui.widgets import Pressable, Scroll, find
from lab.tui_views import shown


class Clock(Live):
    """A model that counts its lives."""

    def __init__(self) -> None:
        super().__init__()
        self.started = 0
        self.ended = 0

    async def live(self) -> None:
        self.started += 1
        self.changed()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended += 1


class Page(Screen):
    """A screen with one thing to press and one key."""

    def __init__(self, app: App, title: str, *models: Live) -> None:
        super().__init__(app, *models)
        self.title = title
        self.log: list[str] = []

    def body(self) -> urwid.Widget:
        return Scroll([Pressable(f"press {self.title}", lambda: self.log.append("pressed"))])

    def keys(self) -> Sequence[Key]:
        return (Key(("f5", "r"), "run", lambda: self.log.append("run")),)

    def refresh(self) -> None:
        self.log.append("refresh")


def look(app: App) -> str:
    return shown(app.frame)


def type_keys(app: App, *keys: str) -> None:
    """Keys, first to the widgets and then to the frame, as urwid's loop does it."""
    for key in keys:
        left = app.frame.keypress((80, 24), key)
        if left is not None:
            app.unhandled(left)


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_screens_are_stacked_and_escape_leads_back() -> None:
    app = App()
    app.push(Page(app, ""))
    app.push(Page(app, "One"))
    app.push(Page(app, "Two"))
    assert "bee › One › Two" in look(app)
    assert " Esc back  F5 run" in look(app)
    type_keys(app, "esc")
    assert "bee › One" in look(app)
    type_keys(app, "left")
    type_keys(app, "esc", "q")
    assert "press" in look(app), "from the first screen nothing leads further back"
    assert "Esc back" not in look(app)


async def test_arrows_and_enter_reach_the_keys_at_the_bottom() -> None:
    app = App()
    page = Page(app, "One")
    app.push(Page(app, ""))
    app.push(page)
    type_keys(app, "down", "right", "enter")
    assert "run" in page.log
    type_keys(app, "left", "left")
    assert app.top is page, "left at the first key stays there"
    type_keys(app, "up", "enter")
    assert page.log[-1] == "pressed"


async def test_a_model_is_followed_only_while_its_screen_is_on_top() -> None:
    app, clock = App(), Clock()
    app.push(Page(app, "", clock))
    await settled()
    assert (clock.started, clock.ended) == (1, 0)
    app.push(Page(app, "Over"))
    await settled()
    assert (clock.started, clock.ended) == (1, 1)
    app.back()
    await settled()
    assert (clock.started, clock.ended) == (2, 1)
    app.push(Page(app, "Same", clock))  # two screens share it
    await settled()
    assert (clock.started, clock.ended) == (3, 2)
    await clock.stopped()
    assert clock.ended == 3


async def test_many_changes_are_one_refresh() -> None:
    app, clock = App(), Clock()
    page = Page(app, "", clock)
    app.push(page)
    await asyncio.sleep(0.05)
    page.log.clear()
    for _ in range(50):
        clock.changed()
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.3)
    assert 1 <= page.log.count("refresh") <= 2
    await clock.stopped()


async def test_work_that_takes_a_moment_shows_and_then_does_not() -> None:
    app = App()
    app.push(Page(app, ""))
    goes_on = asyncio.Event()

    async def slow() -> int:
        await goes_on.wait()
        return 7

    task = app.work(slow(), "Reading the results")
    await asyncio.sleep(0.02)
    assert "Reading" not in look(app), "what is quick does not flicker"
    await asyncio.sleep(0.15)
    assert "Reading the results ..." in look(app)
    goes_on.set()
    assert await task == 7
    assert "Reading" not in look(app)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (AccessDenied("org.bee.sat.run"), "this user may not do that"),
        (Busy("GPU 0 is held by run 7"), "GPU 0 is held by run 7"),
        (Trouble("The stick is full."), "The stick is full."),
    ],
)
async def test_what_is_refused_is_explained_and_gone_with_enter(error: Exception, words: str) -> None:
    app = App()
    app.push(Page(app, ""))

    async def refused() -> None:
        raise error

    await app.work(refused(), "Starting the run")
    assert "Starting the run" in look(app)
    assert words in look(app)
    if isinstance(error, BeeError):
        assert error.hint.split(",")[0] in look(app), "and what can be done about it"
    type_keys(app, "enter")
    assert words not in look(app)


async def test_a_fault_of_ours_ends_the_menu_and_is_not_lost() -> None:
    app = App()
    app.push(Page(app, ""))

    async def broken() -> None:
        raise ZeroDivisionError("ours")

    app.work(broken(), "Working")
    await settled()
    assert isinstance(app.fault, ZeroDivisionError)
    assert app.ended


async def test_a_question_waits_for_its_answer_under_a_second_dialog() -> None:
    app = App()
    app.push(Page(app, ""))
    answer = app.ask("Abort the run?", yes="Abort")
    app.explain("Also", "something else")
    type_keys(app, "enter")
    assert not answer.done()
    assert "Abort the run?" in look(app)
    type_keys(app, "right", "enter")
    assert await answer is True


async def test_a_question_stays_when_another_screen_comes() -> None:
    app = App()
    app.push(Page(app, ""))
    answer = app.ask("Abort the run?")
    app.push(Page(app, "Other"))
    assert "Abort the run?" in look(app)
    type_keys(app, "esc")
    assert await answer is False
    assert app.top.title == "Other", "escape was for the question"


async def test_no_key_reaches_the_screen_below_a_dialog() -> None:
    app = App()
    page = Page(app, "One")
    app.push(page)
    app.explain("Title", "text")
    type_keys(app, "r", "f5", "down", "tab")
    assert "run" not in page.log


async def test_words_stay_until_the_next_key() -> None:
    app = App()
    app.push(Page(app, ""))
    app.say("Done\x1b[2J.")
    assert r"Done\x1b[2J." in look(app)
    type_keys(app, "x")
    assert "Done" not in look(app)


async def test_trouble_of_a_model_stands_above_the_keys() -> None:
    app, clock = App(), Clock()
    app.push(Page(app, "", clock))
    clock.trouble = "the service does not answer"
    clock.changed()
    await asyncio.sleep(0.3)
    assert "the service does not answer" in look(app)
    clock.well()
    await asyncio.sleep(0.3)
    assert "the service does not answer" not in look(app)
    await clock.stopped()


async def test_a_bus_that_is_not_there_is_told_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bee_tui.model.RETRY_SECONDS", 0.05)
    tries = 0

    class Follower(Model):
        async def follow(self, bus: object) -> None:
            raise AssertionError("there is no bus")

    follower = Follower("unix:path=/nonexistent/bus")
    told: list[str] = []
    follower.listen(lambda: told.append(follower.trouble))
    follower.start()
    for _ in range(100):
        await asyncio.sleep(0.02)
        tries = len(told)
        if tries:
            break
    assert "there is no bus" in told[0]
    await follower.stopped()


async def test_of_things_done_together_the_first_error_is_raised_as_it_is() -> None:
    ended: list[str] = []

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("waits")

    async def fails() -> None:
        await asyncio.sleep(0)
        raise Busy("held")

    with pytest.raises(Busy):
        await together(waits(), fails())
    assert ended == ["waits"]


async def test_a_screen_that_is_left_is_forgotten_and_can_be_replaced() -> None:
    app = App()
    app.push(Page(app, ""))
    app.push(Page(app, "Form"))
    app.replace(Page(app, "Run"))
    assert "bee › Run" in look(app)
    app.back()
    assert "Run" not in look(app)
    assert find(app.frame, "press").words == "press "
