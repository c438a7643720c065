"""The capture archive: a gzipped tar of ``manifest.json``, ``answers.json``, ``files/...``, ``tools/...``.

Members are named after what they hold (``files/sys/firmware/dmi/tables/DMI``), so that a person finds the raw
inputs with tar alone. Reading one trusts nothing: no member is ever written to disk, sizes are bounded, links
and devices are refused.
"""

import gzip
import io
import tarfile
import time
import zlib
from dataclasses import dataclass, field
from typing import IO, TypeVar

import msgspec

from bee_machine.answers import CAPTURE_FORMAT, CAPTURE_VERSION, Answers, Manifest

T = TypeVar("T", Manifest, Answers)

MEMBER_LIMIT = 200_000
CONTENT_LIMIT_BYTES = 1 << 30
# Compression 1: sysfs text shrinks well at once, and a capture must not cost the machine a minute.
COMPRESSION_LEVEL = 1


class CaptureError(ValueError):
    """The file is no capture, or a damaged one; the message says which."""


@dataclass
class Archive:
    manifest: Manifest
    answers: Answers = field(default_factory=Answers)
    files: dict[str, bytes] = field(default_factory=dict)  # by absolute path of the machine
    outputs: dict[str, bytes] = field(default_factory=dict)  # by member name: tools/0001.stdout


def write_archive(archive: Archive, target: IO[bytes]) -> None:
    """Write a capture that `read_archive` reads back to an equal Archive."""
    members = {
        "manifest.json": msgspec.json.format(msgspec.json.encode(archive.manifest)),
        "answers.json": msgspec.json.format(msgspec.json.encode(archive.answers)),
        **{f"files{path}": content for path, content in sorted(archive.files.items())},
        **dict(sorted(archive.outputs.items())),
    }
    with (
        gzip.GzipFile(fileobj=target, mode="wb", compresslevel=COMPRESSION_LEVEL, filename="") as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mtime = int(time.time())
            member.mode = 0o644
            tar.addfile(member, io.BytesIO(content))


def read_archive(source: IO[bytes]) -> Archive:
    """Read a capture. Raises CaptureError, whatever the bytes are."""
    members = _read_members(source)
    manifest = _decode(members, "manifest.json", Manifest)
    if manifest.format != CAPTURE_FORMAT:
        raise CaptureError(f"not a bee capture: its manifest says {manifest.format!r}")
    if manifest.version > CAPTURE_VERSION:
        raise CaptureError(
            f"this capture has format {manifest.version}, this bee reads up to {CAPTURE_VERSION}:"
            " use a newer bee"
        )
    return Archive(
        manifest=manifest,
        answers=_decode(members, "answers.json", Answers),
        files={name[5:]: content for name, content in members.items() if name.startswith("files/")},
        outputs={name: content for name, content in members.items() if name.startswith("tools/")},
    )


def _read_members(source: IO[bytes]) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    left_bytes = CONTENT_LIMIT_BYTES
    try:
        # Unpacked by gzip, not by tarfile's own stream reader, which trips over a truncated header.
        with gzip.GzipFile(fileobj=source) as packed, tarfile.open(fileobj=packed, mode="r|") as tar:
            for member in tar:
                left_bytes -= member.size
                if left_bytes < 0 or len(members) >= MEMBER_LIMIT:
                    raise CaptureError("not a bee capture: it unpacks to more than a capture can hold")
                content = tar.extractfile(member) if member.isfile() else None
                if content is None:
                    raise CaptureError(f"not a bee capture: {member.name!r} in it is not a plain file")
                members[member.name] = content.read()
    except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError) as error:
        if isinstance(error, CaptureError):
            raise
        raise CaptureError(f"not a bee capture, or a damaged one: {error}") from error
    return members


def _decode(members: dict[str, bytes], name: str, kind: type[T]) -> T:
    if name not in members:
        raise CaptureError(f"not a bee capture: there is no {name} in it")
    try:
        return msgspec.json.decode(members[name], type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CaptureError(f"damaged capture: {name}: {error}") from error
