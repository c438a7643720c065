"""The form of the storage pack: which disks, and which self-test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import urwid

from bee_bus.text import clean
from bee_bus.units import disk_size
from bee_tui.fields import Toggle
from bee_tui.screen import Screen
from bee_tui.views.sat_form import Form, labelled

if TYPE_CHECKING:
    from bee_bus.documents.sat import SatOption, SatPack
    from bee_tui.app import App
    from bee_tui.models.sat_disks import DiskChoice, Disks
    from bee_tui.models.sat_setup import Packs

DISKS = "disks"


class StorageForm(Form):
    """Disks to switch on and off where an audit has seen them, else a line for their names."""

    def __init__(
        self, app: App, packs: Packs, name: str, disks: Disks, *, open_run: Callable[[str], Screen]
    ) -> None:
        super().__init__(app, packs, name, disks, open_run=open_run)
        self._disks = disks
        self._toggles: dict[str, Toggle] = {}

    def made_of(self, pack: SatPack) -> object:
        return pack, self._disks.disks

    def options(self) -> Mapping[str, str] | None:
        """Without the disks where the choice is the usual one: so those without a name are tested too."""
        if self._disks.disks is None:
            self.app.say("The disks are still being looked for.", "Warning")
            return None
        chosen = [disk for disk, toggle in self._toggles.items() if toggle.on]
        if self._toggles and not chosen:
            self.app.say("No disk is chosen: switch on at least one.", "Warning")
            return None
        usual = [disk.id for disk in self._disks.disks if disk.usual]
        return {**(super().options() or {}), **({DISKS: ",".join(chosen)} if chosen != usual else {})}

    def rows_of(self, option: SatOption) -> list[urwid.Widget]:
        if option.name != DISKS or self._disks.disks == ():
            return super().rows_of(option)
        return [labelled("Disks", urwid.Pile(self._disk_rows())), urwid.Divider()]

    def _disk_rows(self) -> list[urwid.Widget]:
        if self._disks.disks is None:
            return [urwid.Text(("quiet", "looking"))]
        before = {disk: toggle.on for disk, toggle in self._toggles.items()}
        self._toggles = {
            disk.id: Toggle(_words(disk), on=before.get(disk.id, disk.usual)) for disk in self._disks.disks
        }
        rows: list[urwid.Widget] = [*self._toggles.values()]
        if count := self._disks.behind_controllers:
            behind = f"{count} behind RAID controllers, tested when all of these are chosen"
            rows.append(urwid.Text(("quiet", behind)))
        return rows


def _words(disk: DiskChoice) -> str:
    name, model = clean(disk.id, limit=12), clean(disk.model, limit=26)
    line = f"{name:<8} {model:<26} {disk_size(disk.size_bytes):>8}  {clean(disk.serial, limit=14)}"
    return f"{line.rstrip()}\n        {disk.note}" if disk.note else line.rstrip()
