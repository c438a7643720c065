"""The capture archive: a gzipped tar of ``manifest.json``, ``answers.json``, ``files/...``, ``tools/...``.

Members are named after what they hold (``files/sys/firmware/dmi/tables/DMI``), so that a person finds the raw
inputs with tar alone. Reading one trusts nothing: no member is ever written to disk, all sizes are bounded,
links and devices are refused.
"""

import gzip
import io
import tarfile
import time
import zlib
from typing import IO, TypeVar

import msgspec

from bee_machine.answers import CAPTURE_FORMAT, CAPTURE_VERSION, Answers, Manifest

T = TypeVar("T", Manifest, Answers)

MEMBER_LIMIT = 200_000
CONTENT_LIMIT_BYTES = 1 << 30
# Of a JSON document, which takes many times that once it is read. That of a large server has a few MiB.
DOCUMENT_LIMIT_BYTES = 64 << 20
# Between the contents of two members: the header, those of a long name, and what tarfile reads ahead.
HEADERS_LIMIT_BYTES = 32 << 10
# Compression 1: sysfs text shrinks well at once, and a capture must not cost the machine a minute.
COMPRESSION_LEVEL = 1


class CaptureError(ValueError):
    """The file is no capture, or a damaged one; the message says which."""


class Archive(msgspec.Struct):
    manifest: Manifest
    answers: Answers = msgspec.field(default_factory=Answers)
    files: dict[str, bytes] = {}  # by absolute path of the machine
    outputs: dict[str, bytes] = {}  # by member name: tools/0001.stdout


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
        with _Unpacked(fileobj=source) as unpacked, tarfile.open(fileobj=unpacked, mode="r|") as tar:
            for member in tar:
                left_bytes -= member.size
                if left_bytes < 0 or len(members) >= MEMBER_LIMIT:
                    raise CaptureError("not a bee capture: it unpacks to more than a capture can hold")
                unpacked.left_bytes = member.size + HEADERS_LIMIT_BYTES
                content = tar.extractfile(member) if member.isfile() else None
                if content is None:
                    raise CaptureError(f"not a bee capture: {member.name!r} in it is not a plain file")
                members[member.name] = content.read()
    except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError) as error:
        if isinstance(error, CaptureError):
            raise
        raise CaptureError(f"not a bee capture, or a damaged one: {error}") from error
    return members


class _Unpacked(gzip.GzipFile):
    """tarfile takes all that belongs to a header into memory before it shows the member.

    ``left_bytes``: how much may be read before the next member has been seen.
    """

    left_bytes = HEADERS_LIMIT_BYTES

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(size)
        self.left_bytes -= len(content)
        if self.left_bytes < 0:
            raise CaptureError("not a bee capture: a header in it is longer than any of a capture")
        return content


def _decode(members: dict[str, bytes], name: str, kind: type[T]) -> T:
    if name not in members:
        raise CaptureError(f"not a bee capture: there is no {name} in it")
    if len(members[name]) > DOCUMENT_LIMIT_BYTES:
        raise CaptureError(f"not a bee capture: {name} in it is longer than that of any machine")
    try:
        return msgspec.json.decode(members[name], type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CaptureError(f"damaged capture: {name}: {error}") from error
