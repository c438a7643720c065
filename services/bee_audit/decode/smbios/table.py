"""The structure table: one structure after the other, each a formatted area and a set of strings."""

import msgspec

from bee_audit.decode.smbios.entry_point import EntryPoint
from bee_audit.decode.smbios.structure import RawStructure

HEADER_LENGTH = 4
END_OF_TABLE = 127
INACTIVE = 126
# Handles are 16 bits and unique (SMBIOS 3.7 §6.1.2), so no honest table has more.
MOST_STRUCTURES = 0x10000


class Table(msgspec.Struct, frozen=True):
    structures: tuple[RawStructure, ...]
    problems: tuple[str, ...]
    complete: bool  # no structure that is stated was lost


def walk(table: bytes, entry: EntryPoint) -> Table:
    """Split a table into its structures, as far as it can be followed; what stops it early is a problem.

    Each structure is at least its header and two nulls further on, so the walk always ends.
    """
    structure_count = entry.structure_count
    structures: list[RawStructure] = []
    problems: list[str] = []
    limit = structure_count or MOST_STRUCTURES
    position = 0
    marker_seen = False
    while len(structures) < limit and position + HEADER_LENGTH <= len(table):
        length = table[position + 1]
        if length < HEADER_LENGTH:
            problems.append(f"structure {len(structures)} at byte {position} states a length of {length}")
            break
        strings_end = table.find(b"\0\0", position + length)
        if strings_end < 0:
            problems.append(f"structure {len(structures)} at byte {position} is cut off")
            break
        structure = _structure(table, position, length, strings_end, entry.version)
        structures.append(structure)
        position = strings_end + 2
        if structure.type == END_OF_TABLE:
            marker_seen = True
            if entry.ends_at_marker:
                break
    if structure_count is not None and len(structures) != structure_count:
        problems.append(f"{structure_count} structures are stated, {len(structures)} are there")
    elif structure_count is None and not marker_seen and not problems:
        problems.append("the table does not reach its end marker (type 127)")
    complete = not problems
    if complete and not marker_seen:
        problems.append("the table has no end marker (type 127)")
    problems += _handle_problems(structures)
    return Table(tuple(structures), tuple(problems), complete)


def _structure(
    table: bytes, position: int, length: int, strings_end: int, version: tuple[int, int, int]
) -> RawStructure:
    if table[position] == 34 and length == 0x10:
        # Some firmware states 5 bytes too many for a management device (type 34), which are its first string.
        tail = table[position + 0x0B : position + 0x10]
        if all(0x20 <= byte < 0x7F for byte in tail):
            length = 0x0B
    start = position + length
    return RawStructure(table[position:start], table[start:strings_end], version)


def _handle_problems(structures: list[RawStructure]) -> list[str]:
    seen: set[int] = set()
    twice: set[int] = set()
    for structure in structures:
        (twice if structure.handle in seen else seen).add(structure.handle)
    if not twice:
        return []
    listed = ", ".join(f"0x{handle:04X}" for handle in sorted(twice)[:8])
    return [f"handles used more than once: {listed}"]
