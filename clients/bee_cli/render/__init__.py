"""A snapshot as a page for people: verdict first, then what is wrong, then what the machine is made of."""

from bee_bus.documents.audit import Snapshot
from bee_cli.render.collectors import put_collectors
from bee_cli.render.findings import put_findings
from bee_cli.render.inventory import put_inventory
from bee_cli.render.page import Page
from bee_cli.render.verdict import put_verdict
from bee_cli.terminal import Terminal


def summary(snapshot: Snapshot, terminal: Terminal) -> str:
    """The whole page."""
    page = Page(terminal)
    put_verdict(page, snapshot)
    put_findings(page, snapshot.hardware.summary)
    put_inventory(page, snapshot.hardware)
    put_collectors(page, snapshot.collectors)
    return page.text()
