"""bee audit: ask the service to audit this machine, or replay a capture, and show what it found."""

import sys
from argparse import Namespace
from importlib import import_module
from typing import TYPE_CHECKING

from bee_cli import arguments, exits
from bee_cli.terminal import of_stream, show

if TYPE_CHECKING:
    from bee_bus.client import Bus


def run(asked: Namespace) -> int:
    sections = arguments.sections(asked.section)
    if asked.replay is not None:
        from bee_cli import offline

        return _present(offline.replay(asked.replay, sections), asked)

    from bee_bus.client import Bus
    from bee_cli.session import on_bus

    async def audit(bus: Bus) -> int:
        needed = "documents" if asked.json else "qr" if asked.qr else "render"
        return _present(await audit_snapshot(bus, sections, load=f"bee_cli.{needed}"), asked)

    return on_bus(audit, private=asked.private)


async def audit_snapshot(bus: "Bus", sections: tuple[str, ...] = (), *, load: str = "bee_cli.render") -> str:
    """Run an audit over the bus to its end; the snapshot as JSON text. Raises BeeError.

    ``load``: the module that will show it, loaded while the service works.
    """
    from bee_bus.client import AuditClient
    from bee_bus.errors import from_name
    from bee_cli.progress import follow

    job = await AuditClient(bus).run({"sections": ",".join(sections)} if sections else {})
    import_module(load)
    ended = await follow(job, "audit")
    if ended["ErrorName"]:
        raise from_name(ended["ErrorName"], ended["ErrorMessage"])
    return await job.get_snapshot()


def _present(text: str, asked: Namespace) -> int:
    """Show the snapshot as it was asked for; its verdict is the exit code."""
    from bee_cli.documents import read_snapshot, readable_json

    snapshot = read_snapshot(text)
    terminal = of_stream(sys.stdout, no_color=asked.no_color)
    if asked.json:
        show(readable_json(text, terminal))
    elif asked.qr:
        from bee_cli.qr import qr_code

        show(qr_code(snapshot, terminal))
    else:
        from bee_cli.render import summary

        show(summary(snapshot, terminal))
    return exits.of_verdict(snapshot.hardware.summary.verdict)
