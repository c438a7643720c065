"""What is plugged into a port: the memory of a transceiver or cable, as its interface's driver reads it."""

from typing import Any, Protocol

from bee_audit.decode.ethtool import decode_module_eeprom, decode_module_info
from bee_audit.decode.transceiver import decode_transceiver
from bee_audit.decode.transceiver_readings import has_cmis_pages, has_page_3
from bee_machine.controls import ethtool, ethtool_module

FLAT_BYTES = 512  # what the names and an SFP's diagnostics need
FIRST_PAGES_BYTES = 256  # what the names need, and every module has
PAGE_3_AT, PAGE_BYTES = 512, 128  # the limits of a QSFP's diagnostics, in a memory that is longer
# Behind the first: a module's own limits and the lanes' readings, where the kernel has them in a flat memory.
CMIS_PAGES = (0x01, 0x02, 0x10, 0x11)
CMIS_PAGES_READ = (0x02, 0x11)


class Ask(Protocol):
    """One question to the driver; None when it does not have the answer."""

    async def __call__(self, request: bytes, operation: str = ...) -> bytes | None: ...


async def read_transceiver(ask: Ask) -> dict[str, Any]:
    """``transceiver``, if one is plugged in that can be read. Raises DecodeError when its memory is none."""
    info = await ask(ethtool.module_info())
    memory = await _flat(ask, decode_module_info(info)) if info is not None else await _by_pages(ask)
    return {"transceiver": decode_transceiver(memory)} if memory else {}


async def _flat(ask: Ask, length: int) -> bytes:
    # Drivers refuse all that is asked for when the module has not all of it (mlx5e_get_module_eeprom).
    memory = await _read(ask, min(length, FLAT_BYTES))
    if not memory and length > FIRST_PAGES_BYTES:
        memory = await _read(ask, FIRST_PAGES_BYTES)
    if length >= PAGE_3_AT + PAGE_BYTES and len(memory) == PAGE_3_AT and has_page_3(memory):
        memory += await _read(ask, PAGE_BYTES, offset=PAGE_3_AT)
    return memory


async def _read(ask: Ask, length: int, *, offset: int = 0) -> bytes:
    reply = await ask(ethtool.module_eeprom(length, offset=offset)) if length else None
    return decode_module_eeprom(reply) if reply is not None else b""


async def _by_pages(ask: Ask) -> bytes:
    """As the kernel would string the pages together, those that nobody needs left empty."""
    lower = await _page(ask, 0, offset=0)
    memory = lower + await _page(ask, 0) if lower else b""
    if len(memory) < FIRST_PAGES_BYTES or not has_cmis_pages(memory):
        return memory
    pages = {number: await _page(ask, number) for number in CMIS_PAGES_READ}
    if not all(pages.values()):
        return memory
    return memory + b"".join(pages.get(number, bytes(PAGE_BYTES)) for number in CMIS_PAGES)


async def _page(ask: Ask, number: int, *, offset: int = PAGE_BYTES) -> bytes:
    reply = await ask(ethtool_module.module_page(number, offset=offset), ethtool_module.OPERATION)
    return reply if reply is not None and len(reply) == PAGE_BYTES else b""
