"""Forms that start acceptance tests, one for each pack, with defaults that can be started as they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import urwid

from bee_bus.text import clean
from bee_bus.words import GPU_STATES, lasting
from bee_tui.fields import Choice, Field, Toggle
from bee_tui.screen import Key, Screen
from bee_tui.widgets import Button, Scroll, button_row

if TYPE_CHECKING:
    from bee_bus.documents.sat import SatOption, SatPack
    from bee_tui.app import App
    from bee_tui.model import Live
    from bee_tui.models.sat_setup import NvidiaGpu, NvidiaGpus, Packs

DURATION, GPUS = "duration", "gpus"
PRESETS = (("600", "10 min"), ("3600", "1 h"), ("28800", "8 h"), ("86400", "24 h"))

# "short or extended": words to choose from, and nothing else.
_WORDS = re.compile(r"[a-z]+( or [a-z]+)+")
_LABEL_COLUMNS = 12
_FIELD_COLUMNS = 24


class Form(Screen):
    """The form of any pack, made of what the service says of its options."""

    def __init__(
        self, app: App, packs: Packs, name: str, *models: Live, open_run: Callable[[str], Screen]
    ) -> None:
        super().__init__(app, packs, *models)
        self._packs = packs
        self._name = name
        self._open_run = open_run
        self._starting = False
        self._list = Scroll()
        self._pack: SatPack | None = None
        self._shown: object = self
        self._inputs: dict[str, Choice | Field] = {}

    def body(self) -> urwid.Widget:
        return self._list

    def keys(self) -> tuple[Key, ...]:
        return (Key(("f5", "s"), "start", self.start),) if self._pack is not None else ()

    def refresh(self) -> None:
        pack = next((one for one in self._packs.packs or () if one.name == self._name), None)
        if pack is None:
            return
        if pack != self._pack:
            self._pack = pack
            self.title = clean(pack.title)
            self._inputs = {}
        made_of = self.made_of(pack)
        if made_of != self._shown:
            self._shown = made_of
            self._list.replace(self._lines(pack))

    def made_of(self, pack: SatPack) -> object:
        """What the form is made of: when that changes, it is made anew, and keeps what was filled in."""
        return pack

    def start(self) -> None:
        """Begin the run, and show it."""
        if self._pack is not None and not self._starting:
            self._starting = True
            self.app.work(self._start(), f"Starting {clean(self._pack.title)}")

    def options(self) -> Mapping[str, str] | None:
        """What stands in the form; None when it cannot be started so, which has been said."""
        values = {
            name: one.value if isinstance(one, Choice) else one.text for name, one in self._inputs.items()
        }
        return {name: value for name, value in values.items() if value}

    def rows_of(self, option: SatOption) -> list[urwid.Widget]:
        """The lines of one option."""
        words = clean(option.help)
        choices = _choices(option)
        if choices:
            choice = self.input(option, lambda: Choice(choices, option.default or choices[0][0]))
            return [urwid.Text(("quiet", f" {words}")), labelled(option.name, choice), urwid.Divider()]
        field = self.input(option, lambda: Field(option.default))
        return [
            urwid.Text(("quiet", f" {words}")),
            labelled(option.name, field, width=_FIELD_COLUMNS),
            urwid.Padding(urwid.Text(("quiet", clean(option.allowed))), left=_LABEL_COLUMNS + 1),
            urwid.Divider(),
        ]

    def input(self, option: SatOption, make: Callable[[], Choice | Field]) -> Choice | Field:
        """What the option's value is put into, made once."""
        if option.name not in self._inputs:
            self._inputs[option.name] = make()
        return self._inputs[option.name]

    def _lines(self, pack: SatPack) -> list[urwid.Widget]:
        head = [urwid.Padding(urwid.Text(clean(pack.summary)), left=1), urwid.Divider()]
        rows = [row for option in pack.options for row in self.rows_of(option)]
        return [*head, *rows, urwid.Padding(button_row(Button("Start", self.start)), left=1)]

    async def _start(self) -> None:
        try:
            options = self.options()
            if options is None:
                return
            run = await self._packs.start_run(self._name, options)
        finally:
            self._starting = False
        if self.app.top is self:
            self.app.replace(self._open_run(run))
        else:
            self.app.say(f"Run {run} has been started; Results has it.")


class NvidiaForm(Form):
    """A duration, and which GPUs. How much memory is tested is found by itself."""

    def __init__(
        self, app: App, packs: Packs, name: str, gpus: NvidiaGpus, *, open_run: Callable[[str], Screen]
    ) -> None:
        super().__init__(app, packs, name, gpus, open_run=open_run)
        self._gpus = gpus
        self._toggles: dict[str, Toggle] = {}
        self._memory = urwid.Text("")

    def made_of(self, pack: SatPack) -> object:
        return pack, self._gpus.gpus

    def options(self) -> Mapping[str, str] | None:
        chosen = [gpu for gpu, toggle in self._toggles.items() if toggle.on]
        if self._gpus.gpus is None:
            self.app.say("The GPUs are still being looked for.", "Warning")
            return None
        if self._toggles and not chosen:
            self.app.say("No GPU is chosen: switch on at least one.", "Warning")
            return None
        # Without a GPU the service says what is missing.
        return {**(super().options() or {}), **({GPUS: ",".join(chosen)} if chosen else {})}

    def rows_of(self, option: SatOption) -> list[urwid.Widget]:
        if option.name == DURATION:
            default = option.default if option.default in dict(PRESETS) else PRESETS[0][0]
            choice = self.input(option, lambda: Choice(PRESETS, default))
            return [labelled("Duration", choice), urwid.Divider()]
        if option.name == GPUS:
            gpus = urwid.Pile(self._gpu_rows())
            self._show_memory()
            return [
                labelled("GPUs", gpus),
                urwid.Divider(),
                labelled("Memory", self._memory),
                urwid.Divider(),
            ]
        return []

    def _gpu_rows(self) -> list[urwid.Widget]:
        if self._gpus.gpus is None:
            return [urwid.Text(("quiet", "looking"))]
        off = {gpu for gpu, toggle in self._toggles.items() if not toggle.on}
        self._toggles = {
            gpu.id: Toggle(_gpu_words(gpu), on=gpu.id not in off, changed=self._show_memory)
            for gpu in self._gpus.gpus
        }
        return [*self._toggles.values()] or [urwid.Text(("Warning", self._none()))]

    def _show_memory(self) -> None:
        chosen = [gpu for gpu in self._gpus.gpus or () if self._toggles[gpu.id].on]
        sizes = [gpu.memory_bytes for gpu in chosen if gpu.memory_bytes]
        largest = f"; the largest GPU has {max(sizes) / (1 << 30):.0f} GiB" if sizes else ""
        self._memory.set_text(("quiet", f"found by itself{largest}"))

    def _none(self) -> str:
        return f"no NVIDIA GPU can be tested: {GPU_STATES.get(self._gpus.state, 'the driver shows none')}"


def labelled(name: str, widget: urwid.Widget, *, width: int | None = None) -> urwid.Widget:
    """A name in front of what is to be filled in."""
    label = urwid.Text(("title", f" {clean(name).replace('_', ' ')}"))
    field = widget if width is None else (width, widget)
    return urwid.Columns([(_LABEL_COLUMNS, label), field], dividechars=1, focus_column=1)


def _choices(option: SatOption) -> list[tuple[str, str]]:
    """What an option may be, when that is a choice among few."""
    if option.name == DURATION:
        presets = list(PRESETS)
        if option.default.isdigit() and option.default not in dict(presets):
            presets.insert(0, (option.default, lasting(int(option.default))))
        return presets
    if _WORDS.fullmatch(option.allowed):
        words = option.allowed.split(" or ")
        return [(word, word) for word in words] if option.default in words else []
    return []


def _gpu_words(gpu: NvidiaGpu) -> str:
    number = "?" if gpu.number is None else str(gpu.number)
    memory = f"{gpu.memory_bytes / (1 << 30):.0f} GiB" if gpu.memory_bytes else ""
    trouble = f"\n        {clean(gpu.trouble, limit=58)}" if gpu.trouble else ""
    return f"{number:>2}  {clean(gpu.name, limit=34):<26}  {memory:>8}  {clean(gpu.id)}{trouble}"
