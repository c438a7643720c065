"""bee audit: ask the service to audit this machine, or replay a capture, and show what it found."""

import sys
from argparse import Namespace
from collections.abc import Mapping
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

        limits = arguments.limits(asked.limit)
        return _present(offline.replay(asked.replay, sections, asked.expected, limits), asked)

    options = {"sections": ",".join(sections)} if sections else {}
    if asked.limit:
        options["limits"] = arguments.limits(asked.limit)
    if asked.expected is not None:
        from bee_cli.expected_file import read

        options["expected"] = read(asked.expected)

    from bee_bus.client import Bus
    from bee_cli.session import on_bus

    async def audit(bus: Bus) -> int:
        needed = "documents" if asked.json else "qr" if asked.qr else "brief" if asked.brief else "render"
        text = await audit_snapshot(bus, options, load=f"bee_cli.{needed}")
        return _present(text, asked)

    return on_bus(audit, private=asked.private)


async def audit_snapshot(
    bus: "Bus", options: Mapping[str, str] | None = None, *, load: str = "bee_cli.render"
) -> str:
    """Run an audit over the bus to its end; the snapshot as JSON text. Raises BeeError.

    ``options``: of Run. ``load``: the module that will show it, loaded while the service works.
    """
    from bee_bus.client import AuditClient
    from bee_bus.errors import from_name
    from bee_cli.progress import follow

    job = await AuditClient(bus).run(options)
    import_module(load)
    ended = await follow(job, "audit")
    if ended["ErrorName"]:
        raise from_name(ended["ErrorName"], ended["ErrorMessage"])
    return await job.get_snapshot()


def _present(text: str, asked: Namespace) -> int:
    """Show the snapshot as it was asked for; its verdict is the exit code."""
    if asked.brief:
        from bee_cli.brief import brief, read

        audited = read(text)
        show(brief(audited))
        return exits.of_verdict(audited.verdict)

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
