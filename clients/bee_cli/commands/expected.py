"""bee expected: what a good machine has, as the file that others of its kind are compared with."""

from argparse import Namespace

from bee_bus.client import Bus
from bee_bus.expected import write_expected
from bee_cli import exits, offline
from bee_cli.commands.audit import audit_snapshot
from bee_cli.documents import read_snapshot
from bee_cli.facts import machine_facts
from bee_cli.session import on_bus
from bee_cli.terminal import show
from bee_cli.text import clean_lines


def run(asked: Namespace) -> int:
    if asked.replay is not None:
        return _present(offline.replay(asked.replay))

    async def audit(bus: Bus) -> int:
        return _present(await audit_snapshot(bus, load="bee_cli.documents"))

    return on_bus(audit, private=asked.private)


def _present(text: str) -> int:
    """Whatever is wrong with the machine, it is its parts that were asked for."""
    snapshot = read_snapshot(text)
    facts = machine_facts(snapshot)
    show(clean_lines(write_expected(snapshot.hardware, facts.title or facts.host)))
    return exits.OK
