"""All GPUs, live: how each is, what is wrong, and what has happened."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import urwid

from bee_bus.gpu_values import power, reasons
from bee_bus.text import clean
from bee_bus.words import GPU_STATES
from bee_tui.palette import style_of
from bee_tui.screen import Screen
from bee_tui.views.findings import FindingLine
from bee_tui.widgets import Markup, Pressable, Scroll, solid

if TYPE_CHECKING:
    from bee_bus.documents.gpus import GpuEvent, GpuInventory, InventoryGpu, SampledGpu
    from bee_tui.app import App
    from bee_tui.models.gpus import Gpus

# Columns of the table in the colours of the charts, which draw the same quantities.
_HEADING: Markup = [
    ("title", f"{'gpu':>3} {'':8} "),
    ("red", f"{'temp':>6}"),
    ("title", f"{'mem':>7}"),
    ("green", f"{'power':>10}"),
    ("blue", f"{'util':>6}"),
    ("title", f"{'memory':>12}"),
    ("yellow", f"{'MHz':>5}"),
    ("title", "  clocks"),
]
_EVENTS_SHOWN = 50
_EVENT_STYLES = {"Critical": "Critical", "Warning": "Warning"}


class GpuTable(Screen):
    """A line for each GPU; pressed, its chart."""

    title = "GPUs"

    def __init__(self, app: App, model: Gpus, open_gpu: Callable[[str], Screen]) -> None:
        super().__init__(app, model)
        self._model = model
        self._open = open_gpu
        self._head = urwid.Text("")
        self._rows: dict[str, Pressable] = {}
        self._list = Scroll([self._head])
        self._shown: object = None

    def body(self) -> urwid.Widget:
        return self._list

    def refresh(self) -> None:
        inventory, events = self._model.inventory, self._model.events
        shown = (inventory, len(events), events[-1] if events else None)
        if shown != self._shown:
            self._shown = shown
            self._list.replace(self._lines())
        self._head.set_text(solid(_head(inventory, self._model.verdict)))
        for gpu in inventory.gpus if inventory else ():
            sampled = self._model.sampled(gpu.id)
            self._rows[gpu.id].set_text(_row(gpu, sampled, self._model.verdict_of(gpu)))

    def _lines(self) -> list[urwid.Widget]:
        lines: list[urwid.Widget] = [self._head]
        inventory = self._model.inventory
        if inventory is None or not inventory.gpus:
            return lines
        lines += [urwid.Divider(), urwid.Text(_HEADING, wrap="clip")]
        self._rows = {
            gpu.id: self._rows.get(gpu.id) or Pressable("", partial(self._show, gpu.id))
            for gpu in inventory.gpus
        }
        lines += self._rows.values()
        if inventory.findings:
            lines += [urwid.Divider(), *(FindingLine(one, self.app.explain) for one in inventory.findings)]
        if self._model.events:
            lines += [urwid.Divider(), urwid.Text(("title", " What happened, the last first"))]
            lines += event_lines(self._model.events, inventory)
        return lines

    def _show(self, gpu: str) -> None:
        self.app.push(self._open(gpu))


def gpu_label(inventory: GpuInventory | None, gpu: str) -> str:
    """ "GPU 3", or its PCI address where the driver does not number it."""
    known = next((one for one in inventory.gpus if one.id == gpu), None) if inventory else None
    index = known.identity.index if known and known.identity else None
    return f"GPU {index}" if index is not None else f"GPU {clean(gpu, limit=20)}"


def event_lines(events: Sequence[GpuEvent], inventory: GpuInventory | None) -> list[urwid.Widget]:
    """The last of them, the newest first."""
    return [_event_line(event, inventory) for event in list(events)[: -_EVENTS_SHOWN - 1 : -1]]


def memory_words(gpu: InventoryGpu, used_bytes: int | None) -> str:
    """ "12.5/80 GiB"."""
    total = gpu.identity.memory_total_bytes if gpu.identity else None
    if used_bytes is None:
        return "-"
    used = f"{used_bytes / (1 << 30):.1f}"
    return f"{used}/{total / (1 << 30):.0f} GiB" if total else f"{used} GiB"


def number(value: float | None, unit: str = "") -> str:
    """A reading, or a dash for what this GPU does not tell."""
    return "-" if value is None else f"{value:.0f} {unit}".rstrip()


def _head(inventory: GpuInventory | None, verdict: str) -> Markup:
    if inventory is None:
        return ("quiet", " looking at the GPUs")
    words = GPU_STATES.get(inventory.state, "")
    if not inventory.gpus:
        return ("quiet", f" GPUs: {words or 'none in this machine'}")
    names = ", ".join(
        sorted({clean(gpu.name or gpu.pci_id or gpu.vendor, limit=40) for gpu in inventory.gpus})
    )
    driver = clean(inventory.driver_version or "", limit=20)
    return [
        (style_of(verdict), f" {verdict.upper()}"),
        f"  {len(inventory.gpus)} × {names}",
        ("quiet", f"  driver {driver}") if driver else "",
        ("Warning", f"  {words}") if words else "",
    ]


def _row(gpu: InventoryGpu, sampled: SampledGpu | None, verdict: str) -> Markup:
    index = gpu.identity.index if gpu.identity else None
    start: list[Markup] = [
        f"{'-' if index is None else index:>3} ",
        (style_of(verdict), f"{clean(verdict, limit=8).upper():<8} "),
    ]
    condition = sampled.condition if sampled else gpu.condition
    troubled = condition.replace("-", " ") if condition != "ok" else ""
    sample = sampled.sample if sampled else gpu.sample
    if sample is None:
        return [*start, ("Critical", f" {troubled or 'no readings'}"), ("quiet", f"  {clean(gpu.id)}")]
    limit = gpu.state.power_limit_enforced_watts if gpu.state else None
    draw = power(sample)
    watts = "-" if draw is None else f"{draw:.0f}/{limit:.0f} W" if limit else f"{draw:.0f} W"
    return [
        *start,
        f"{number(sample.temperature_celsius, '°C'):>6}"
        f"{number(sample.memory_temperature_celsius, '°C'):>7}"
        f"{watts:>10}"
        f"{number(sample.utilization_gpu_percent, '%'):>6}"
        f"{memory_words(gpu, sample.memory_used_bytes):>12}"
        f"{number(sample.clock_sm_mhz or sample.clock_graphics_mhz):>5}",
        ("Critical", f"  {troubled}") if troubled else "",
        f"  {', '.join(reasons(sample))}",
    ]


def _event_line(event: GpuEvent, inventory: GpuInventory | None) -> urwid.Widget:
    clock = time.strftime("%H:%M:%S", time.localtime(event.unix_seconds))
    place = gpu_label(inventory, event.gpu) if event.gpu else "driver"
    style = _EVENT_STYLES.get(event.severity, "quiet")
    return urwid.Text(
        [
            ("quiet", f" {clock}  "),
            f"{place}  ",
            (style, clean(event.kind, limit=30)),
            f"  {clean(event.message)}",
        ]
    )
