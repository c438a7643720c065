"""What an Xid number means, from xids.toml."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

XidSeverity = Literal["Info", "Warning", "Critical"]
XidCause = Literal["hardware", "driver", "application", "any"]


class Xid(msgspec.Struct, frozen=True, kw_only=True):
    """``action`` is the immediate action of NVIDIA's catalogue, in its own word ("RESET_GPU")."""

    number: int
    name: str
    severity: XidSeverity
    cause: XidCause
    meaning: str
    next_step: str
    source: str
    action: str | None = None


def xid(number: int) -> Xid:
    """An Xid that is not in the table is a warning: somebody must look it up."""
    known = xid_table().get(number)
    if known is not None:
        return known
    return Xid(
        number=number,
        name=f"Xid {number}",
        severity="Warning",
        cause="any",
        meaning="The driver reported an error that this version of bee does not know.",
        next_step=f"Look up Xid {number} in NVIDIA's Xid catalogue, and look at the kernel log around it.",
        source="not in the table",
    )


@cache
def xid_table() -> dict[int, Xid]:
    document = tomllib.loads(Path(__file__).with_name("xids.toml").read_text("utf-8"))
    return {
        int(number): msgspec.convert({"number": int(number), **entry}, Xid)
        for number, entry in document.items()
    }
