"""A run's folder as one .tar.gz: the same bytes for the same folder, and only plain files in it."""

import contextlib
import gzip
import logging
import os
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from bee_sat.layout import FILE_MODE, archive_path

log = logging.getLogger(__name__)

# Outputs and telemetry are text, which shrinks well at once; a slow level would cost the machine minutes.
COMPRESSION_LEVEL = 1
MEMBER_LIMIT = 10_000
DEPTH_LIMIT = 8
NICENESS = 10


def write_archive(folder: Path) -> Path:
    """Pack the folder of a run beside it, and give the archive its name when it is whole and on the disk.

    Blocks for as long as that takes, with a low priority of its own. Links, devices, pipes and hidden files
    are left out. Raises OSError.
    """
    with ThreadPoolExecutor(1, "bee-archive", initializer=_step_back) as low:
        return low.submit(_write, folder).result()


def _write(folder: Path) -> Path:
    target = archive_path(folder)
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), FILE_MODE)
            _pack(folder, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, target)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    return target


def _step_back() -> None:
    """Linux gives each thread a niceness of its own, and the disk goes by that as well."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, max(os.getpriority(os.PRIO_PROCESS, 0), NICENESS))


def _pack(folder: Path, target: IO[bytes]) -> None:
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        with (
            gzip.GzipFile(
                fileobj=target, mode="wb", compresslevel=COMPRESSION_LEVEL, filename="", mtime=0
            ) as packed,
            tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
        ):
            left = MEMBER_LIMIT
            for name, descriptor in _plain_files(root, folder.name, DEPTH_LIMIT):
                with os.fdopen(descriptor, "rb") as file:
                    if left == 0:
                        log.warning("%s has more than %d files: the rest is not packed", folder, MEMBER_LIMIT)
                        break
                    _add(tar, name, file)
                    left -= 1
    finally:
        os.close(root)


def _add(tar: tarfile.TarFile, name: str, file: IO[bytes]) -> None:
    state = os.fstat(file.fileno())
    member = tarfile.TarInfo(name)
    member.size = state.st_size
    member.mtime = int(state.st_mtime)
    member.mode = FILE_MODE
    tar.addfile(member, _Exactly(file, state.st_size))  # type: ignore[arg-type]


class _Exactly:
    """A file of the size that it had: what a program that still writes adds is left out, what it takes away
    is zeros."""

    def __init__(self, file: IO[bytes], size_bytes: int) -> None:
        self._file = file
        self._left_bytes = size_bytes

    def read(self, size_bytes: int) -> bytes:
        wanted = min(size_bytes, self._left_bytes)
        self._left_bytes -= wanted
        return self._file.read(wanted).ljust(wanted, b"\0")


def _plain_files(folder: int, name: str, depth: int) -> Iterator[tuple[str, int]]:
    """Each plain file below an open folder, in the order of names: its name in the archive, and it, open."""
    for entry in sorted(os.listdir(folder)):
        if entry.startswith("."):
            continue
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            if not _is_packable(os.stat(entry, dir_fd=folder, follow_symlinks=False).st_mode):
                continue
            descriptor = os.open(entry, flags, dir_fd=folder)
        except OSError:
            continue  # it went away, or was exchanged for a link meanwhile
        inner = f"{name}/{_plain(entry)}"
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISREG(mode):
            yield inner, descriptor
        else:
            try:
                if stat.S_ISDIR(mode) and depth > 1:
                    yield from _plain_files(descriptor, inner, depth - 1)
            finally:
                os.close(descriptor)


def _is_packable(mode: int) -> bool:
    # A device is not even opened: that alone can do something.
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def _plain(name: str) -> str:
    """A name of any bytes as one that every program can unpack."""
    return "".join(
        char if char.isprintable() and char != "\\" else "".join(f"%{byte:02X}" for byte in os.fsencode(char))
        for char in name
    )
