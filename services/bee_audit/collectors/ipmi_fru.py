"""FRU images of the machine's parts, as far as they have content."""

import msgspec

from bee_audit.collectors.ipmi_client import (
    GET_FRU_INFO,
    READ_FRU,
    TOO_MUCH,
    BmcClient,
    Refused,
    Unanswered,
)
from bee_audit.decode import DecodeError
from bee_audit.decode.filler import genuine
from bee_audit.decode.fru import decode_fru, fru_extent
from bee_audit.decode.fru_facts import Fru
from bee_audit.decode.sdr import FruLocator, Owner

BMC = Owner(0x20, 0, 0)
_FIRST_CHUNK_BYTES, _LEAST_CHUNK_BYTES = 128, 8


class FruFacts(msgspec.Struct, frozen=True):
    """``fru`` is None when nothing could be read or it is no FRU image; ``failure`` says why."""

    locator: FruLocator
    fru: Fru | None = None
    failure: str = ""


def fru_id(locator: FruLocator) -> str:
    """The device's id in the bmc section."""
    name = f"fru{locator.fru_id}"
    return name if locator.owner.is_bmc else f"{name}-at-{locator.owner.address:02x}h"


def first_genuine(*texts: str | None) -> str | None:
    """The first text that names something."""
    return next((text for text in map(genuine, texts) if text), None)


class FruReader:
    """Reads one image after the other, with the chunk size that the BMC has been seen to take."""

    def __init__(self, client: BmcClient) -> None:
        self._client = client
        self._chunk_bytes = _FIRST_CHUNK_BYTES

    async def read(self, locator: FruLocator) -> FruFacts:
        """Raises Silent."""
        try:
            return FruFacts(locator, decode_fru(await self._image(locator)))
        except (Unanswered, DecodeError) as error:
            return FruFacts(locator, failure=str(error))

    async def _image(self, locator: FruLocator) -> bytes:
        identity = bytes((locator.fru_id,))
        info = await self._client.ask(GET_FRU_INFO, identity, owner=locator.owner)
        if len(info) < 3:
            raise Unanswered(f"inventory area info of {len(info)} bytes")
        size, word_bytes = int.from_bytes(info[:2], "little"), 2 if info[2] & 1 else 1
        data = b""
        while len(data) < (end := fru_extent(data, size)):
            # Whole chunks: the first one usually holds the header and the areas both.
            wanted = max(end - len(data), min(self._chunk_bytes, size - len(data)))
            part = await self._part(locator, len(data) // word_bytes, wanted, word_bytes)
            if not part:
                break  # the device is smaller than it says; the decoder names what is missing
            data += part
        return data

    async def _part(self, locator: FruLocator, offset: int, wanted: int, word_bytes: int) -> bytes:
        """At most ``wanted`` bytes from an offset in words, as many as the BMC gives at once."""
        chunk_bytes = self._chunk_bytes
        while True:
            words = max(1, min(wanted, chunk_bytes) // word_bytes)
            request = bytes((locator.fru_id,)) + offset.to_bytes(2, "little") + bytes((words,))
            try:
                answer = await self._client.ask(READ_FRU, request, owner=locator.owner)
            except Refused as error:
                if error.code not in TOO_MUCH or chunk_bytes <= _LEAST_CHUNK_BYTES:
                    raise
                chunk_bytes //= 2
                continue
            self._chunk_bytes = chunk_bytes
            returned = answer[0] * word_bytes if answer else 0
            part = answer[1 : 1 + min(returned, words * word_bytes)]
            return part[: len(part) // word_bytes * word_bytes]
