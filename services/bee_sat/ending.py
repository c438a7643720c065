"""The end of a run: judged from what stands on the disk, written down, packed.

The archive holds the result, so it comes last but one; the listing tells that all is done, and comes last.
"""

import logging
from pathlib import Path

from bee_bus.documents.base import to_json, to_readable_json
from bee_bus.documents.sat import SatResult, SatRun
from bee_machine.files import write_atomically
from bee_sat.archive import write_archive
from bee_sat.evidence import read_evidence
from bee_sat.layout import FILE_MODE, LISTING, RESULT, SUMMARY, archive_path
from bee_sat.summary import summary_text

log = logging.getLogger(__name__)


def write_ending(folder: Path) -> SatResult:
    """Write result.json and summary.txt, the archive and the listing. Blocks: call it in a thread.

    Raises OSError when the result cannot be written. Without an archive, which can be made of the folder at
    any time, a run is complete all the same.
    """
    result = read_evidence(folder).judged()
    write_atomically(folder / RESULT, result_json(result), mode=FILE_MODE)
    write_atomically(folder / SUMMARY, summary_text(result).encode(), mode=FILE_MODE)
    try:
        write_archive(folder)
    except OSError as error:
        log.error("run %s could not be packed: %s", folder.name, error.strerror or error)
    write_atomically(folder / LISTING, to_json(listing(folder, result)), mode=FILE_MODE)
    return result


def result_json(result: SatResult) -> bytes:
    """The result as it stands in result.json: the same bytes whenever it is made of the same records."""
    return to_readable_json(result).encode() + b"\n"


def listing(folder: Path, result: SatResult) -> SatRun:
    """What a list shows of the run."""
    archive = archive_path(folder)
    return SatRun(
        run=folder.name,
        pack=result.pack,
        status=result.status,
        reason=result.reason,
        started_at=result.started_at,
        finished_at=result.finished_at,
        owner_uid=result.owner_uid,
        directory=str(folder),
        archive=str(archive) if archive.is_file() else None,
    )
