"""What the folder of a run gives to judge by: its records and its looks, read without trusting any of it."""

from pathlib import Path

import msgspec

from bee_bus.documents.sat import SatResult
from bee_sat.judge import judge
from bee_sat.layout import RECORDS, is_artifact_name, read_limited
from bee_sat.records import DAMAGED, LookTaken, Record, from_line

# Above what a book writes and an audit says; only somebody else's file is longer.
RECORDS_LIMIT_BYTES = 64 << 20
LOOK_LIMIT_BYTES = 64 << 20


class Evidence(msgspec.Struct, frozen=True):
    """``damaged_lines``: those that are no records; a last line that was not written whole is one."""

    records: tuple[Record, ...]
    looks: dict[str, bytes] = msgspec.field(default_factory=dict)
    damaged_lines: int = 0

    def judged(self, *, under_way: bool = False) -> SatResult:
        return judge(self.records, self.looks, damaged_lines=self.damaged_lines, under_way=under_way)


def read_evidence(folder: Path) -> Evidence:
    """The evidence in a run's folder. Raises OSError when there are no records to be read."""
    records, damaged_lines = parse_records(read_limited(folder / RECORDS, RECORDS_LIMIT_BYTES))
    looks = {}
    for record in records:
        if (
            isinstance(record, LookTaken)
            and record.artifact is not None
            and is_artifact_name(record.artifact)
        ):
            try:
                looks[record.artifact] = read_limited(folder / record.artifact, LOOK_LIMIT_BYTES)
            except OSError:
                continue  # the judge says that it is missing
    return Evidence(records, looks, damaged_lines)


def parse_records(content: bytes) -> tuple[tuple[Record, ...], int]:
    """The records in a file of them, and how many of its lines are none."""
    lines = content.split(b"\n")
    # What stands behind the last line end is nothing, or a line that was not written whole.
    damaged = 1 if lines.pop() else 0
    records: list[Record] = []
    for line in lines:
        try:
            records.append(from_line(line))
        except DAMAGED:
            damaged += 1
    return tuple(records), damaged
