"""The audit's result as it stands in the file: read on each request, parsed when it has changed."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple

import msgspec

from bee_bus.documents.audit import SCHEMA_VERSION, Snapshot
from bee_bus.documents.findings import Verdict
from bee_bus.inventory import Inventory, read_inventory

# The largest machine that was seen has two megabytes; what is larger than this is no snapshot.
BYTES_MAX = 64 << 20
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Seen(NamedTuple):
    """What the file held.

    ``text``: its bytes, also of a snapshot that this bee does not understand, as long as they are JSON.
    ``snapshot`` and ``inventory``, which is the same to be browsed, are there together or not at all.
    ``trouble``: why they are not, a sentence.
    ``earlier_boot``: the snapshot is of the time before the machine was started anew: it may have changed.
    """

    text: bytes | None = None
    snapshot: Snapshot | None = None
    inventory: Inventory | None = None
    trouble: str = ""
    earlier_boot: bool = False

    @property
    def verdict(self) -> Verdict:
        """On the machine as it is, which is what the bus says: not known until it was looked at since its
        start.
        """
        return (
            self.snapshot.hardware.summary.verdict if self.snapshot and not self.earlier_boot else "Unknown"
        )


class SnapshotFile:
    """``path``: of bee-audit.json."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: tuple[int, int, int, int] | None = None
        self._seen = Seen()
        self._boot_id = _boot_id()

    def read(self) -> Seen:
        """What the file holds now. Never raises: what is wrong with the file is `trouble`."""
        try:
            # Not to be held up by a pipe or a device that stands in its place.
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return self._keep(None, Seen(trouble="this machine has not been audited"))
        except OSError as error:
            return self._keep(None, _unreadable(error.strerror))
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                return self._keep(None, _unreadable("it is no file"))
            # The time of the last change too: one that keeps size and modification time is one all the same.
            mark = (found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)
            if mark == self._known:
                return self._seen
            with open(descriptor, "rb", closefd=False) as file:
                text = file.read(BYTES_MAX + 1)
        except OSError as error:
            return self._keep(None, _unreadable(error.strerror))
        finally:
            os.close(descriptor)
        return self._keep(mark, _seen(text, self._boot_id))

    def _keep(self, mark: tuple[int, int, int, int] | None, seen: Seen) -> Seen:
        self._known, self._seen = mark, seen
        return seen


def _seen(text: bytes, boot_id: str) -> Seen:
    if len(text) > BYTES_MAX:
        return Seen(trouble="the audit's result is larger than any audit makes it")
    try:
        version = msgspec.json.decode(text, type=_Version).schema_version
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Seen(trouble="the audit's result is damaged: run an audit")
    if version.partition(".")[0] != SCHEMA_VERSION.partition(".")[0]:
        return Seen(text, trouble="the audit's result is of another version of bee: run an audit")
    try:
        snapshot = msgspec.json.decode(text, type=Snapshot)
        inventory = read_inventory(text.decode())
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Seen(text, trouble="the audit's result is not as bee writes it: run an audit")
    earlier = bool(snapshot.boot_id and boot_id and snapshot.boot_id != boot_id)
    return Seen(text, snapshot, inventory, earlier_boot=earlier)


def _unreadable(words: str | None) -> Seen:
    return Seen(trouble=f"the audit's result cannot be read: {words}")


class _Version(msgspec.Struct):
    schema_version: str


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""
