"""The network: interfaces, their links and addresses, and a way to ask for addresses anew."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import urwid

from bee_bus.text import clean
from bee_tui.screen import Key, Screen
from bee_tui.widgets import Markup, Pressable, Scroll

if TYPE_CHECKING:
    from bee_tui.app import App
    from bee_tui.models.network import Interface, Network

_NAME_COLUMNS = 16
_QUESTION = (
    "Ask for addresses anew, on every interface?\n\nThe addresses may change, and connections over the "
    "network can break: this one too, if it comes from there."
)


class NetworkScreen(Screen):
    """A line or two for each interface; pressed, what the audit knows of it."""

    title = "Network"

    def __init__(self, app: App, model: Network, open_facts: Callable[[str], Screen]) -> None:
        super().__init__(app, model)
        self._model = model
        self._open = open_facts
        self._list = Scroll([urwid.Text(("quiet", " looking"))])
        self._shown: object = None

    def body(self) -> urwid.Widget:
        return self._list

    def keys(self) -> Sequence[Key]:
        return [Key(("r", "f5"), "renew the addresses (DHCP)", self._ask)]

    def refresh(self) -> None:
        interfaces, gateways, access = self._model.interfaces, self._model.gateways, self._model.access
        if interfaces is None or (interfaces, gateways, access) == self._shown:
            return
        self._shown = (interfaces, gateways, access)
        lines: list[urwid.Widget] = [
            Pressable(
                _words(one),
                partial(self._show, one.name),
                label=("title", f" {clean(one.name, limit=15)}"),
                label_columns=_NAME_COLUMNS,
            )
            for one in interfaces
        ]
        if gateways:
            told = ", ".join(f"{one.address} ({clean(one.interface)})" for one in gateways)
            lines += [urwid.Divider(), _row("Gateway", told)]
        if access:
            lines += [urwid.Divider(), _row("Shell", _shell(access, interfaces))]
        self._list.replace(lines or [urwid.Text(("Warning", " There is no network interface."))])

    def _show(self, name: str) -> None:
        self.app.push(self._open(name))

    def _ask(self) -> None:
        self.app.ask(_QUESTION, yes="Renew").add_done_callback(self._answered)

    def _answered(self, answer: asyncio.Future[bool]) -> None:
        if not answer.cancelled() and answer.result():
            self.app.work(self._renew(), "Asking for addresses anew")

    async def _renew(self) -> None:
        await self._model.renew()
        self.app.say("Asked anew; addresses show here as they come.")


def _row(name: str, told: str) -> urwid.Widget:
    return urwid.Columns([(_NAME_COLUMNS, urwid.Text(("quiet", f" {name}"))), urwid.Text(told)])


def _shell(access: str, interfaces: Sequence[Interface]) -> str:
    """How to come in over SSH, for who has read it off this screen."""
    kind, _, password = clean(access, limit=100).partition(" ")
    if kind == "none":
        return "closed: the image carries neither keys nor leave for a password"
    addresses = [address for one in interfaces if one.physical for address in one.addresses]
    address = next((one for one in addresses if ":" not in one), next(iter(addresses), "ADDRESS"))
    return f"ssh bee@{address}, {f'password {password}' if password else 'with a key that the image carries'}"


def _words(one: Interface) -> Markup:
    where = ", ".join(one.addresses)
    beside = ", ".join(part for part in (clean(one.mac, limit=60), clean(one.driver, limit=40)) if part)
    words: list[Markup] = [_link(one)]
    if where:
        words.append(f"  {where}")
    elif one.physical and one.carrier:
        words.append(("Warning", "  no address"))
    if beside:
        words.append(("quiet", f"\n{beside}"))
    return words


def _link(one: Interface) -> Markup:
    if not one.up:
        return ("quiet", "switched off")
    if not one.physical:
        return ("quiet", "virtual")
    if not one.carrier:
        return ("Warning", "no link: is a cable in?")
    return ("OK", f"link {_speed(one.speed_mbps)}".rstrip())


def _speed(mbps: int | None) -> str:
    if mbps is None:
        return ""
    return f"{mbps / 1000:g} Gb/s" if mbps >= 1000 else f"{mbps} Mb/s"
