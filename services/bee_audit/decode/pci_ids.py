"""Names from the pci.ids database, looked up without parsing it.

The file has 1.4 MB and 35 000 lines, a machine some dozens of ids. Its vendors are sorted, so one search from
vendor to vendor passes over it once; a vendor's own block is searched for its devices.
"""

import re
import zlib

from bee_audit.decode import DecodeError

DATABASE_LIMIT_BYTES = 32 << 20
_GZIP_MAGIC = b"\x1f\x8b"


class PciIds:
    """``database``: the content of pci.ids, plain or gzipped. Raises DecodeError when it does not unpack."""

    def __init__(self, database: bytes) -> None:
        if database.startswith(_GZIP_MAGIC):
            database = _unpacked(database)
        self._data = b"\n" + database
        self._blocks: dict[bytes, bytes] = {}
        self._devices: dict[tuple[str, str], bytes] = {}
        self._position = 0

    def vendor(self, vendor_id: str) -> str | None:
        return _first_line(self._block(vendor_id.encode()))

    def device(self, vendor_id: str, device_id: str) -> str | None:
        return _first_line(self._device_block(vendor_id, device_id))

    def subsystem(
        self, vendor_id: str, device_id: str, subsystem_vendor_id: str, subsystem_device_id: str
    ) -> str | None:
        block = self._device_block(vendor_id, device_id)
        key = f"\n\t\t{subsystem_vendor_id} {subsystem_device_id}  ".encode()
        at = block.find(key)
        return _first_line(block[at + len(key) :]) if at >= 0 else None

    def device_class(self, class_id: str) -> str | None:
        """The subclass's name, or the base class's when the subclass has none."""
        block = self._block(f"C {class_id[:2]}".encode())
        return _first_line(_sub_block(block, class_id[2:].encode())) or _first_line(block)

    def _device_block(self, vendor_id: str, device_id: str) -> bytes:
        key = (vendor_id, device_id)
        if key not in self._devices:
            self._devices[key] = _sub_block(self._block(vendor_id.encode()), device_id.encode())
        return self._devices[key]

    def _block(self, key: bytes) -> bytes:
        """What follows a top-level id up to the next one, empty when it is not listed."""
        block = self._blocks.get(key)
        if block is None:
            mark = b"\n" + key + b"  "
            at = self._data.find(mark, self._position)
            if at < 0:
                at = self._data.find(mark, 0, self._position + len(mark))
            if at < 0:
                block = b""
            else:
                self._position = at
                start = at + len(mark)
                end = _NEXT_TOP.search(self._data, start)
                block = self._data[start : end.start() if end else len(self._data)]
            self._blocks[key] = block
        return block


_NEXT_TOP = re.compile(rb"\n[^\t#\n]")
_NEXT_SUB = re.compile(rb"\n\t[^\t]")


def _sub_block(block: bytes, key: bytes) -> bytes:
    mark = b"\n\t" + key + b"  "
    at = block.find(mark)
    if at < 0:
        return b""
    start = at + len(mark)
    end = _NEXT_SUB.search(block, start)
    return block[start : end.start() if end else len(block)]


def _first_line(block: bytes) -> str | None:
    return block.partition(b"\n")[0].decode("utf-8", "replace").strip() or None


def _unpacked(packed: bytes) -> bytes:
    unpack = zlib.decompressobj(wbits=31)
    try:
        return unpack.decompress(packed, DATABASE_LIMIT_BYTES)
    except zlib.error as error:
        raise DecodeError(f"the packed pci.ids cannot be unpacked: {error}") from error
