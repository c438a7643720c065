"""All that the web changes, and the only way to it: who asks is logged in, or nothing is asked of the bus.

On the bus the web is one caller for all its visitors. Polkit lets its user do what is here, so it is here
that a visitor without a login is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bee_bus.client import AuditClient
from bee_bus.errors import Busy
from bee_bus.sat_client import SatClient
from bee_web.login.sessions import NotLoggedIn, Session

if TYPE_CHECKING:
    from bee_bus.login1 import PowerAction
    from bee_web.door import Door

log = logging.getLogger(__name__)


class Deeds:
    """Each raises NotLoggedIn before anything else, and BeeError as the services do."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def start_run(self, session: Session | None, pack: str, options: Mapping[str, str]) -> str:
        """Begin an acceptance run; returns its name."""
        _allow(session, f"start {pack!r:.40} {dict(options)!r:.400}")
        async with self._door.bus() as bus:
            return (await SatClient(bus).start(pack, options)).run

    async def cancel_run(self, session: Session | None, run: str) -> None:
        """End an acceptance run early. Raises NotFound when it is not under way."""
        _allow(session, f"cancel {run!r:.80}")
        async with self._door.bus() as bus:
            await (await SatClient(bus).attach(run)).cancel()

    async def run_audit(self, session: Session | None, options: Mapping[str, str]) -> str:
        """Begin an audit, or join one that is under way; returns the name of its job."""
        _allow(session, f"audit {dict(options)!r:.400}")
        async with self._door.bus() as bus:
            return (await AuditClient(bus).run(options)).path.rpartition("/")[2]

    async def renew_addresses(self, session: Session | None) -> None:
        """Ask for network addresses anew, on all interfaces."""
        _allow(session, "renew DHCP")
        from bee_bus.systemd1 import Systemd1Client

        async with self._door.bus() as bus:
            await Systemd1Client(bus).restart()

    async def go_down(
        self, session: Session | None, action: PowerAction, *, although_work_is_under_way: bool = False
    ) -> None:
        """Restart the machine, or switch it off. Raises Busy when that would cut off what is under way."""
        _allow(session, f"{action}, {although_work_is_under_way=}")
        from bee_bus.login1 import Login1Client
        from bee_bus.under_way import work_under_way

        async with self._door.bus() as bus:
            work = () if although_work_is_under_way else await work_under_way(bus)
            if work:
                raise Busy(f"this would cut off: {'; '.join(each.words for each in work)}")
            await Login1Client(bus).act(action)


def _allow(session: Session | None, deed: str) -> None:
    """Raise NotLoggedIn unless somebody is logged in; who did what is in the log."""
    if session is None or session.ended:
        raise NotLoggedIn
    log.info("%s: %s", session.client, deed)
