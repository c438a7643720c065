"""Which machine a snapshot is of, in the words on its label."""

import msgspec

from bee_bus.documents.audit import Snapshot

_NAMELESS = "a machine that does not say what it is"


class MachineFacts(msgspec.Struct, frozen=True):
    title: str  # "Supermicro SYS-421GE-TNHR"; empty when the audit did not look
    serial: str | None
    host: str


def machine_facts(snapshot: Snapshot) -> MachineFacts:
    """Vendor, product and serial number: the system's, else those of the board or the chassis that it is."""
    board = snapshot.hardware.board
    if board is None:
        unasked = snapshot.sections and "board" not in snapshot.sections
        return MachineFacts("" if unasked else _NAMELESS, None, snapshot.host_name)
    named = [part for part in (board.system, *board.baseboards) if part and (part.model or part.name)]
    serials = [
        part.serial for part in (board.system, *board.chassis, *board.baseboards) if part and part.serial
    ]
    title = _NAMELESS
    if named:
        product = named[0].model or named[0].name or ""
        vendor = named[0].vendor or ""
        title = product if product.lower().startswith(vendor.lower()) else f"{vendor} {product}"
    return MachineFacts(title.strip(), serials[0] if serials else None, snapshot.host_name)
