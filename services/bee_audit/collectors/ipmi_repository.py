"""The BMC's sensor data repository, read record by record."""

from bee_audit.collectors.ipmi_client import (
    GET_DEVICE_SDR,
    GET_SDR,
    NOT_PRESENT,
    RESERVATION_LOST,
    RESERVE_DEVICE_SDRS,
    RESERVE_SDRS,
    TOO_MUCH,
    BmcClient,
    Refused,
    Unanswered,
)
from bee_audit.decode import DecodeError
from bee_audit.decode.sdr import HEADER_BYTES, SdrRecord, decode_sdr, record_length

RECORDS_LIMIT = 4096
RESERVATIONS_LIMIT = 8  # lost ones for one record: somebody else is reading all the time
_LAST = 0xFFFF
_WHOLE = 0xFF
_FIRST_CHUNK_BYTES, _LEAST_CHUNK_BYTES = 32, 4


class Repository:
    """``records`` and ``problems``: what could be read, and a sentence for each thing that could not."""

    def __init__(self, client: BmcClient, *, device_sdrs: bool = False) -> None:
        self.records: list[SdrRecord] = []
        self.problems: list[str] = []
        self._client = client
        # A controller without a repository has the records of its own sensors at other commands (§35.2).
        self._get = GET_DEVICE_SDR if device_sdrs else GET_SDR
        self._reserve = RESERVE_DEVICE_SDRS if device_sdrs else RESERVE_SDRS
        self._whole = True
        self._chunk_bytes = _FIRST_CHUNK_BYTES
        self._reservation: bytes | None = None

    async def read(self) -> None:
        """Follow the chain of records to its end. Raises Silent."""
        wanted, seen = 0, set[int]()
        while wanted != _LAST and len(seen) < RECORDS_LIMIT:
            if wanted in seen:
                self.problems.append(f"The sensor records run in a circle at record {wanted:04X}h.")
                return
            seen.add(wanted)
            try:
                data, following = await self._record(wanted)
            except Unanswered as error:
                # An empty repository has no first record.
                if not (wanted == 0 and isinstance(error, Refused) and error.code == NOT_PRESENT):
                    self.problems.append(
                        f"Sensor record {wanted:04X}h and those after it could not be read: {error}."
                    )
                return
            try:
                self.records += decode_sdr(data)
            except DecodeError as error:
                self.problems.append(f"A sensor record makes no sense: {error}.")
            wanted = following
        if wanted != _LAST:
            self.problems.append(f"There are more than {RECORDS_LIMIT} sensor records.")

    async def _record(self, record_id: int) -> tuple[bytes, int]:
        """The record's bytes and the id of the next one."""
        if self._whole:
            try:
                data, following = await self._part(record_id, 0, _WHOLE)
            except Refused as error:
                if error.code not in TOO_MUCH | {RESERVATION_LOST}:
                    raise
                self._whole = False
            else:
                if len(data) >= HEADER_BYTES and len(data) >= record_length(data):
                    return data[: record_length(data)], following
                self._whole = False
        for _ in range(RESERVATIONS_LIMIT):
            try:
                return await self._in_parts(record_id)
            except Refused as error:
                if error.code != RESERVATION_LOST:
                    raise
                self._reservation = None
        raise Unanswered("its reservation is lost again and again")

    async def _in_parts(self, record_id: int) -> tuple[bytes, int]:
        if self._reservation is None:
            self._reservation = (await self._client.ask(self._reserve))[:2]
        data, following = await self._part(record_id, 0, HEADER_BYTES)
        if len(data) < HEADER_BYTES:
            raise Unanswered(f"its header has {len(data)} bytes")
        data = data[:HEADER_BYTES]
        length = record_length(data)
        while len(data) < length:
            count = min(self._chunk_bytes, length - len(data))
            try:
                part, _ = await self._part(record_id, len(data), count)
            except Refused as error:
                if error.code not in TOO_MUCH or count <= _LEAST_CHUNK_BYTES:
                    raise
                self._chunk_bytes = max(count // 2, _LEAST_CHUNK_BYTES)
                continue
            if not part:
                raise Unanswered(f"it ends after {len(data)} of {length} bytes")
            data += part[:count]
        return data, following

    async def _part(self, record_id: int, offset: int, count: int) -> tuple[bytes, int]:
        request = (self._reservation or b"\0\0") + record_id.to_bytes(2, "little") + bytes((offset, count))
        answer = await self._client.ask(self._get, request)
        if len(answer) < 2:
            raise Unanswered(f"an answer of {len(answer)} bytes")
        return answer[2:], int.from_bytes(answer[:2], "little")
