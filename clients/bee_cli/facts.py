"""Which machine a snapshot is of, in the words on its label."""

from dataclasses import dataclass

from bee_bus.documents.audit import Snapshot


@dataclass(frozen=True)
class MachineFacts:
    title: str  # "Supermicro SYS-421GE-TNHR"
    serial: str | None
    host: str


def machine_facts(snapshot: Snapshot) -> MachineFacts:
    """Vendor, product and serial number: the system's, else those of the board or the chassis that it is."""
    board = snapshot.hardware.board
    if board is None:
        return MachineFacts("a machine that does not say what it is", None, snapshot.host_name)
    named = [part for part in (board.system, *board.baseboards) if part and (part.model or part.name)]
    serials = [
        part.serial for part in (board.system, *board.chassis, *board.baseboards) if part and part.serial
    ]
    title = "a machine that does not say what it is"
    if named:
        product = named[0].model or named[0].name or ""
        vendor = named[0].vendor or ""
        title = product if product.lower().startswith(vendor.lower()) else f"{vendor} {product}"
    return MachineFacts(title.strip(), serials[0] if serials else None, snapshot.host_name)
