"""What the audit can do without a bus and without a machine: replay a capture, decode one captured file."""

import asyncio
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from bee_audit.audit import run_audit
from bee_audit.decode import DecodeError
from bee_bus.documents.audit import Snapshot
from bee_bus.expected import LIMIT_BYTES, ExpectedError, read_expected
from bee_machine.archive import CaptureError, read_archive
from bee_machine.replay import ReplayMachine

FILE_LIMIT_BYTES = 64 << 20  # of a file to decode: an SMBIOS table or an EEPROM is far below


class OfflineError(Exception):
    """Bad input; the message says what is wrong with it, for people."""


def replay(source: BinaryIO, sections: tuple[str, ...], expected: str = "", limits: str = "") -> Snapshot:
    """The snapshot of a captured machine, with the time of its capture. Raises OfflineError.

    ``expected``: what it must have, in place of the file that the capture may hold. ``limits``: over those of
    its site.
    """
    try:
        archive = read_archive(source)
        captured_at = datetime.fromisoformat(archive.manifest.captured_at)
    except (CaptureError, ValueError) as error:
        raise OfflineError(str(error)) from error
    if captured_at.tzinfo is None:
        raise OfflineError(f"damaged capture: its time {archive.manifest.captured_at} is of no time zone")
    machine = ReplayMachine(archive)
    audit = run_audit(machine, sections=sections, started_at=captured_at, expected=expected, limits=limits)
    return asyncio.run(audit)


def read_expected_file(name: str) -> str:
    """What a machine must have, TOML, "-" for standard input. Raises OfflineError."""
    with open_input(name) as source:
        data = source.read(LIMIT_BYTES + 1)
    try:
        text = data.decode("utf-8")
        read_expected(text, name)
    except (UnicodeDecodeError, ExpectedError) as error:
        raise OfflineError(str(error)) from error
    return text


def decode(kind: str, source: BinaryIO) -> dict[str, object]:
    """One captured binary as JSON-able facts. Raises OfflineError."""
    data = source.read(FILE_LIMIT_BYTES + 1)
    if len(data) > FILE_LIMIT_BYTES:
        raise OfflineError(f"the file is larger than {FILE_LIMIT_BYTES >> 20} MiB, which no {kind} image is")
    try:
        return DECODERS[kind](data)
    except DecodeError as error:
        raise OfflineError(f"not {WHAT[kind]}: {error}") from error


def open_input(name: str) -> BinaryIO:
    """The file of that name, "-" for standard input. Raises OfflineError."""
    if name == "-":
        return sys.stdin.buffer
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise OfflineError(f"cannot read {name}: {error.strerror}") from error


def _smbios(data: bytes) -> dict[str, object]:
    from bee_audit.decode.smbios import decode_smbios_file

    return decode_smbios_file(data)


def _fru(data: bytes) -> dict[str, object]:
    from bee_audit.decode.fru import decode_fru_file

    return decode_fru_file(data)


def _vpd(data: bytes) -> dict[str, object]:
    from bee_audit.decode.vpd import decode_vpd_file

    return decode_vpd_file(data)


def _pci(data: bytes) -> dict[str, object]:
    from bee_audit.decode.pci_config import decode_pci_file

    return decode_pci_file(data)


DECODERS: dict[str, Callable[[bytes], dict[str, object]]] = {
    "smbios": _smbios,
    "fru": _fru,
    "vpd": _vpd,
    "pci": _pci,
}
WHAT = {
    "smbios": "an SMBIOS table",
    "fru": "a FRU image",
    "vpd": "PCI vital product data",
    "pci": "PCI configuration space, as bytes or as `lspci -xxx` prints it",
}
