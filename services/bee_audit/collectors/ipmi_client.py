"""Questions to the BMC: completion codes, busy BMCs, and BMCs that stop answering."""

import time
from typing import NamedTuple

from bee_audit.decode.ipmi_names import completion_code_text
from bee_audit.decode.sdr import Owner
from bee_machine import Question

BUDGET_SECONDS = 90.0  # for everything that is asked in one audit, below the sections' deadlines
DEADLINE_SECONDS = 5.0
BRIDGED_DEADLINE_SECONDS = 3.0
BUSY_PAUSES_SECONDS = (0.05, 0.1, 0.3, 0.6)


class Command(NamedTuple):
    network_function: int
    number: int
    name: str


GET_CHASSIS_STATUS = Command(0x00, 0x01, "Get Chassis Status")
GET_DEVICE_SDR = Command(0x04, 0x21, "Get Device SDR")
RESERVE_DEVICE_SDRS = Command(0x04, 0x22, "Reserve Device SDR Repository")
GET_READING_FACTORS = Command(0x04, 0x23, "Get Sensor Reading Factors")
GET_SENSOR_THRESHOLDS = Command(0x04, 0x27, "Get Sensor Thresholds")
GET_SENSOR_READING = Command(0x04, 0x2D, "Get Sensor Reading")
GET_DEVICE_ID = Command(0x06, 0x01, "Get Device ID")
GET_SELF_TEST = Command(0x06, 0x04, "Get Self Test Results")
GET_SYSTEM_GUID = Command(0x06, 0x37, "Get System GUID")
GET_CHANNEL_INFO = Command(0x06, 0x42, "Get Channel Info")
GET_FRU_INFO = Command(0x0A, 0x10, "Get FRU Inventory Area Info")
READ_FRU = Command(0x0A, 0x11, "Read FRU Data")
RESERVE_SDRS = Command(0x0A, 0x22, "Reserve SDR Repository")
GET_SDR = Command(0x0A, 0x23, "Get SDR")
GET_SEL_INFO = Command(0x0A, 0x40, "Get SEL Info")
GET_SEL_ENTRY = Command(0x0A, 0x43, "Get SEL Entry")
GET_SEL_TIME = Command(0x0A, 0x48, "Get SEL Time")
GET_LAN_PARAMETER = Command(0x0C, 0x02, "Get LAN Configuration Parameters")

BUSY, TIMEOUT, RESERVATION_LOST, NOT_PRESENT = 0xC0, 0xC3, 0xC5, 0xCB
FRU_BUSY = 0x81
# What firmwares answer to a request for more bytes than they can return at once.
TOO_MUCH = frozenset({0xC4, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xCC, 0xFF})


class BmcError(Exception):
    """What went wrong, for people."""


class Unanswered(BmcError):
    """This question has no answer; others may have."""


class Refused(Unanswered):
    """The answer has a completion code other than 0."""

    def __init__(self, command: Command, code: int) -> None:
        super().__init__(f"{command.name}: {completion_code_text(code)}")
        self.code = code


class Silent(BmcError):
    """The BMC does not answer any more, or no time is left to ask it."""


class BmcClient:
    """One BMC, asked one question after the other, as its interface can take no more.

    Whatever asks it is part of a `Conversation`.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        self._ends_at = time.monotonic() + BUDGET_SECONDS
        self._silent = False
        self._gone: set[Owner] = set()  # controllers behind the BMC that do not answer

    async def ask(self, command: Command, data: bytes = b"", *, owner: Owner | None = None) -> bytes:
        """The answer's data. ``owner``: the controller to ask, by default the BMC. Raises BmcError."""
        if self._silent:
            raise Silent("the BMC does not answer any more")
        if time.monotonic() > self._ends_at:
            raise Silent(f"the {BUDGET_SECONDS:g} s that an audit has for the BMC are used up")
        lun = owner.lun if owner else 0
        request = bytes((command.network_function, lun, command.number)) + data
        if owner is None or owner.is_bmc:
            return await self._ask_bmc(command, request)
        return await self._ask_other(command, request, owner)

    async def _ask_bmc(self, command: Command, request: bytes) -> bytes:
        try:
            answer = await self._patiently(command, "ipmi", request, DEADLINE_SECONDS)
        except OSError as error:  # ControlError, and TimeoutError from a capture
            await self._check_alive(command, error.strerror or str(error))
            raise Unanswered(f"{command.name}: {error.strerror or error}") from error
        if answer[0] == TIMEOUT:
            # Said by a BMC of one slow sensor, and by the kernel of a BMC that says nothing.
            await self._check_alive(command, completion_code_text(TIMEOUT))
        return _data(command, answer)

    async def _check_alive(self, command: Command, failure: str) -> None:
        """Raises Silent when the BMC does not even say who it is: each more question would cost seconds."""
        request = bytes((GET_DEVICE_ID.network_function, 0, GET_DEVICE_ID.number))
        try:
            answer = await Question("ipmi", request, DEADLINE_SECONDS)
        except OSError:
            answer = bytes((TIMEOUT,))
        if answer[:1] == bytes((TIMEOUT,)):
            self._silent = True
            raise Silent(f"{command.name}: {failure}")

    async def _ask_other(self, command: Command, request: bytes, owner: Owner) -> bytes:
        if owner in self._gone:
            raise Refused(command, TIMEOUT)
        bridged = bytes((owner.channel, owner.address)) + request
        try:
            answer = await self._patiently(command, "ipmi-bridged", bridged, BRIDGED_DEADLINE_SECONDS)
        except OSError as error:
            self._gone.add(owner)
            raise Refused(command, TIMEOUT) from error
        if answer[0] == TIMEOUT:
            self._gone.add(owner)
        return _data(command, answer)

    async def _patiently(
        self, command: Command, operation: str, request: bytes, deadline_seconds: float
    ) -> bytes:
        """The answer, completion code first, asked again while the controller is busy. Raises OSError."""
        for pause_seconds in (0.0, *BUSY_PAUSES_SECONDS):
            answer = await Question(operation, request, deadline_seconds, pause_seconds)
            if not answer:
                raise OSError("an empty answer")
            is_busy = answer[0] == BUSY or (command is READ_FRU and answer[0] == FRU_BUSY)
            if not is_busy:
                break
        return answer


def _data(command: Command, answer: bytes) -> bytes:
    if answer[0]:
        raise Refused(command, answer[0])
    return answer[1:]
