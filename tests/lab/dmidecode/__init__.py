"""dmidecode's reading of a dump, and what our own reading would look like in its words.

`differences` renders each of our structures as dmidecode prints that type and compares the two, attribute by
attribute and in both directions: a field of ours that is not rendered here, an attribute of theirs that we
have no field for, and a value that differs are each a difference.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab.dmidecode import board, memory, processor
from lab.dmidecode.program import Attributes, read, version
from lab.dmidecode.words import Fields, IfPrinted

RENDER = board.RENDER | processor.RENDER | memory.RENDER

# What dmidecode prints where the standard says that nothing is known; our field is then absent.
NOTHING = {
    *("", "Not Specified", "Unknown", "None", "Not Provided", "No Error", "Not Present", "Not Settable"),
    *("Unspecified", "<BAD INDEX>", "No Module Installed", "No L1 Cache", "No L2 Cache", "No L3 Cache"),
}
# What 3.4, which Debian 12 has, does not print yet.
NEWER_THAN_3_4 = {
    *("Thread Enabled", "Socket Type", "PCI Express Generation", "Slot Physical Width", "Pitch", "Height"),
    *("PMIC0 Manufacturer ID", "PMIC0 Device Type", "PMIC0 Device Revision", "PMIC0 Revision Number"),
    *("RCD Manufacturer ID", "RCD Device Type", "RCD Device Revision", "RCD Revision Number"),
}
NEWER_WORDS = {"Arm64 SoC ID", "Manufacturing mode is supported", "Manufacturing mode is enabled"} | {
    *("Async/surprise removal is supported", "Flexbus slot, CXL 1.0 capable"),
    *("Flexbus slot, CXL 2.0 capable", "Flexbus slot, CXL 3.0 capable"),
}
NEWER_NAMES = {"CXL Flexbus 1.0": "CXL Add-on Card"}


def differences(document: Fields, dump: Path) -> list[str]:
    """One sentence for each attribute in which our document and dmidecode's reading of the dump differ."""
    theirs = read(dump)
    ours = json.loads(json.dumps(document))["structures"]
    heads = [(fields["type"], int(fields["handle"], 16)) for fields in ours]
    if heads != [(kind, handle) for kind, handle, _ in theirs]:
        return [f"our structures are {heads}, dmidecode's {[structure[:2] for structure in theirs]}"]
    return [
        f"type {kind} handle {handle:#06x} {sentence}"
        for fields, (kind, handle, attributes) in zip(ours, theirs, strict=True)
        if kind in RENDER
        for sentence in _compare(fields, attributes)
    ]


class _Watched:
    """Our fields, remembering which were looked at."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self.unseen = set(fields) - {"type", "handle", "name", "problems"}

    def __getitem__(self, name: str) -> Any:
        self.unseen.discard(name)
        return self._fields.get(name)


def _compare(fields: Fields, theirs: Attributes) -> Iterator[str]:
    watched = _Watched(fields)
    expected = dict(RENDER[fields["type"]](watched))
    for name in sorted(watched.unseen):
        yield f"has the field {name}, which no comparison knows"
    for name, ours in expected.items():
        if isinstance(ours, IfPrinted):
            if name not in theirs:
                continue
            ours = ours.value
        if ours is None:
            if name in theirs and _plain(theirs[name]) not in NOTHING:
                yield f"{name}: ours is absent, theirs {theirs[name]!r}"
        elif name not in theirs:
            # dmidecode prints neither "None" features of a short structure nor what it does not know yet
            if not (version() < (3, 6) and name in NEWER_THAN_3_4):
                yield f"{name}: ours {ours!r}, theirs is absent"
        elif _plain(theirs[name]) != ours and not _older(theirs[name], ours):
            yield f"{name}: ours {ours!r}, theirs {_plain(theirs[name])!r}"
    for name in theirs.keys() - expected.keys():
        yield f"{name}: theirs {theirs[name]!r}, we have no field for it"


def _plain(value: Any) -> Any:
    return list(value[1]) if isinstance(value, tuple) else value


def _older(theirs: Any, ours: Any) -> bool:
    """This dmidecode is too old for the word, or for bits, that the standard has now."""
    if version() >= (3, 6):
        return False
    if isinstance(theirs, tuple):
        return (
            isinstance(ours, list)
            and set(_plain(theirs)) < set(ours)
            and set(ours) - set(_plain(theirs)) <= NEWER_WORDS
        )
    return "<OUT OF SPEC>" in theirs or NEWER_NAMES.get(theirs) == ours
