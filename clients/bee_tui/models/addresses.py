"""Where this machine can be reached, and what logs people in there."""

import asyncio
from pathlib import Path

from bee_bus.addresses import Address, own_addresses
from bee_bus.web_token import TokenError, read_token, web_directory
from bee_tui.model import Live

LOOK_SECONDS = 3.0
WEB_PORT = 80

_LISTENING = "0A"  # TCP_LISTEN, include/net/tcp_states.h


class Addresses(Live):
    """``addresses``: those that others can reach, IPv4 first. ``web``: whether port 80 is listened on.

    ``token``: of the web page; empty while there is none, or for who may not see it.
    """

    addresses: tuple[Address, ...] = ()
    web: bool = False
    token: str = ""

    async def live(self) -> None:
        while True:
            now = (own_addresses(), web_listens(), _token())
            if now != (self.addresses, self.web, self.token):
                self.addresses, self.web, self.token = now
                self.changed()
            await asyncio.sleep(LOOK_SECONDS)


def web_listens(proc: Path = Path("/proc/net")) -> bool:
    """Whether somebody listens on port 80, on any address."""
    for name in ("tcp", "tcp6"):
        try:
            lines = (proc / name).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            _, local, _, state, *_ = line.split()
            if state == _LISTENING and int(local.rpartition(":")[2], 16) == WEB_PORT:
                return True
    return False


def _token() -> str:
    try:
        return read_token(web_directory())
    except TokenError:
        return ""
