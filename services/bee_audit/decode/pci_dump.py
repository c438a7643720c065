"""The hex dump of PCI configuration space that ``lspci -x`` to ``-xxxx`` prints, device after device."""

import re
from collections.abc import Iterator

import msgspec

from bee_audit.decode import DecodeError
from bee_audit.decode.pci_capabilities import EXTENDED_END

DEVICES_LIMIT = 65536  # all functions of 256 buses


class DumpedDevice(msgspec.Struct, frozen=True):
    """One device of a dump: full address ("0000:3b:00.0"), the title that lspci gave it, its bytes."""

    address: str
    title: str
    data: bytes


def parse_lspci_dump(text: str) -> Iterator[DumpedDevice]:
    """The devices of a hex dump, in its order. Lines that are no title and no row of bytes are comments.

    A device ends at an empty line or the next title. Bytes that a dump leaves out read FF, as lspci reads
    them.
    """
    device: _Dump | None = None
    count = 0
    for line in text.splitlines():
        title = _TITLE.match(line)
        if title:
            if device is not None:
                yield device.finished()
            count += 1
            if count > DEVICES_LIMIT:
                raise DecodeError(f"more than {DEVICES_LIMIT} devices in one dump")
            device = _Dump(f"{int(title[1] or '0', 16):04x}:{title[2].lower()}", line[title.end() :].strip())
        elif not line.strip():
            if device is not None:
                yield device.finished()
            device = None
        elif device is not None and (row := _ROW.match(line)):
            device.add(int(row[1], 16), line[row.end() :])
    if device is not None:
        yield device.finished()


_TITLE = re.compile(r"(?:([0-9a-fA-F]{4,8}):)?([0-9a-fA-F]{2}:[01][0-9a-fA-F]\.[0-7]) ")
_ROW = re.compile(r"([0-9a-fA-F]{2,3}): ")
_BYTE = re.compile(r"[0-9a-fA-F]{2}")


class _Dump(msgspec.Struct):
    address: str
    title: str
    data: bytearray = msgspec.field(default_factory=bytearray)

    def add(self, offset: int, row: str) -> None:
        for word in row.split():
            if not _BYTE.fullmatch(word) or offset >= EXTENDED_END:
                return
            if offset >= len(self.data):
                self.data.extend(b"\xff" * (offset + 1 - len(self.data)))
            self.data[offset] = int(word, 16)
            offset += 1

    def finished(self) -> DumpedDevice:
        return DumpedDevice(self.address, self.title, bytes(self.data))
