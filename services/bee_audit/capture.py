"""A capture: an audit of this machine with everything that it read kept in one archive."""

import tempfile
from datetime import UTC, datetime
from typing import IO

from bee_audit.audit import OnProgress, run_audit
from bee_bus.documents.audit import Snapshot
from bee_bus.version import VERSION
from bee_machine import Machine
from bee_machine.answers import Manifest
from bee_machine.archive import Archive, write_archive
from bee_machine.recording import RecordingMachine
from bee_machine.threads import in_thread


async def capture_machine(machine: Machine, *, on_progress: OnProgress) -> tuple[Snapshot, IO[bytes]]:
    """Audit ``machine`` and record it: its snapshot, and the archive as a file without a name, at its start.

    Raises OSError when there is no room for the archive.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    manifest = Manifest(
        bee_version=VERSION,
        host_name=await machine.read_text("/proc/sys/kernel/hostname") or "",
        captured_at=now.isoformat(),
    )
    archive = Archive(manifest)
    snapshot = await run_audit(RecordingMachine(machine, archive), on_progress=on_progress, started_at=now)
    return snapshot, await in_thread(_packed, archive)


def _packed(archive: Archive) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - handed on open
    write_archive(archive, file)
    file.flush()
    file.seek(0)
    return file
