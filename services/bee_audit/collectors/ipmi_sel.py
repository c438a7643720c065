"""The system event log, from its newest record back."""

import time

import msgspec

from bee_audit.collectors.ipmi_client import (
    GET_SEL_ENTRY,
    GET_SEL_INFO,
    GET_SEL_TIME,
    NOT_PRESENT,
    BmcClient,
    BmcError,
    Refused,
    Unanswered,
)
from bee_audit.decode import DecodeError
from bee_audit.decode.sel import SelEntry, SelInfo, decode_sel_entry, decode_sel_info, decode_time

ENTRIES_LIMIT = 2048
SECONDS_LIMIT = 30.0  # for a BMC that takes long for each; what is older is not read then
GAPS_LIMIT = 16  # record ids in a row that are not there, before the chain is followed from its beginning
_FIRST, _LAST, _WHOLE = 0x0000, 0xFFFF, 0xFF


class SelFacts(msgspec.Struct, frozen=True):
    """``entries`` in the order of the log, the oldest first; ``clock`` is None when it is not set."""

    info: SelInfo
    entries: tuple[SelEntry, ...] = ()
    clock: int | None = None


async def read_sel(client: BmcClient) -> SelFacts:
    """Raises BmcError or DecodeError when not even the log's size can be read."""
    info = decode_sel_info(await client.ask(GET_SEL_INFO))
    try:
        clock = decode_time(await client.ask(GET_SEL_TIME))
    except (Unanswered, DecodeError):
        clock = None
    entries = await _newest(client, info.entry_count) if info.entry_count else ()
    return SelFacts(info=info, entries=entries, clock=clock)


async def _newest(client: BmcClient, entry_count: int) -> tuple[SelEntry, ...]:
    """Records by counting ids down: firmwares number them in sequence, though they need not."""
    wanted_count = min(entry_count, ENTRIES_LIMIT)
    ends_at = time.monotonic() + SECONDS_LIMIT
    found: list[SelEntry] = []
    try:
        newest, _ = await _entry(client, _LAST)
        found.append(newest)
        wanted, gaps = newest.record_id - 1, 0
        while len(found) < wanted_count and wanted >= 0 and gaps < GAPS_LIMIT:
            if time.monotonic() > ends_at:
                break
            entry = await _entry_if_there(client, wanted)
            gaps = gaps + 1 if entry is None else 0
            if entry is not None:
                found.append(entry)
            wanted -= 1
        else:
            if len(found) < wanted_count:
                return await _from_the_first(client, ends_at) or tuple(reversed(found))
    except (BmcError, DecodeError):
        pass  # what was read stands, and how much of the log it is
    return tuple(reversed(found))


async def _entry_if_there(client: BmcClient, record_id: int) -> SelEntry | None:
    try:
        entry, _ = await _entry(client, record_id)
    except Refused as error:
        if error.code == NOT_PRESENT:
            return None
        raise
    return entry if entry.record_id == record_id else None


async def _from_the_first(client: BmcClient, ends_at: float) -> tuple[SelEntry, ...]:
    """The whole chain, for logs with holes in their numbers; nothing if it was not followed to its end.

    What is missing of it would be the newest, and what is there would look as if it reached far enough back.
    """
    entries: dict[int, SelEntry] = {}
    wanted = _FIRST
    while wanted != _LAST and len(entries) < _LAST and time.monotonic() < ends_at:
        entry, wanted = await _entry(client, wanted)
        if entry.record_id in entries:
            break  # a circle
        entries[entry.record_id] = entry
    return tuple(entries.values()) if wanted == _LAST else ()


async def _entry(client: BmcClient, record_id: int) -> tuple[SelEntry, int]:
    """A record and the id of the one after it. Raises BmcError or DecodeError."""
    request = b"\0\0" + record_id.to_bytes(2, "little") + bytes((0, _WHOLE))
    answer = await client.ask(GET_SEL_ENTRY, request)
    return decode_sel_entry(answer[2:]), int.from_bytes(answer[:2], "little")
