"""The lab's BMC behind /dev/ipmi0: as strict as the kernel's interface, with faults to be turned on."""

import errno
from collections import Counter
from collections.abc import Callable

from bee_machine import ControlError, Machine
from bee_machine.controls.ipmi import ALLOWED
from lab.bmc import Bmc
from lab.machine import FakeMachine

DEVICE = "/dev/ipmi0"
Request = tuple[int, int, bytes]  # network function, command, data
Fault = Callable[[Request], bytes | None]  # an answer instead of the BMC's, or None to let it through

GET_SDR, RESERVE_SDRS = (0x0A, 0x23), (0x0A, 0x22)
READ_FRU, GET_SEL_INFO, GET_SEL_ENTRY = (0x0A, 0x11), (0x0A, 0x40), (0x0A, 0x43)
GET_SENSOR_READING, GET_SENSOR_THRESHOLDS = (0x04, 0x2D), (0x04, 0x27)
GET_DEVICE_ID, GET_SELF_TEST, GET_CHASSIS_STATUS = (0x06, 0x01), (0x06, 0x04), (0x00, 0x01)
GET_CHANNEL_INFO, GET_LAN_PARAMETER, GET_GUID = (0x06, 0x42), (0x0C, 0x02), (0x06, 0x37)


class BmcControl:
    """Answers the control "ipmi". ``asked``: how often each command was sent."""

    def __init__(self, bmc: Bmc) -> None:
        self.bmc = bmc
        self.asked: Counter[tuple[int, int]] = Counter()
        self.faults: list[Fault] = []
        self.controllers: dict[tuple[int, int], Bmc] = {}  # others, by channel and address
        self.dies_after: int | None = None
        self.dies_quietly = False  # the kernel gives up waiting before the request's deadline: C3h

    def machine(self, **more: object) -> FakeMachine:
        return FakeMachine(
            files={DEVICE: b"", **more.pop("files", {})},  # type: ignore[dict-item]
            controls={"ipmi": self.ask, "ipmi-bridged": self.ask_bridged},
            **more,  # type: ignore[arg-type]
        )

    def ask(self, device: str, request: bytes) -> bytes:
        network_function, lun, command = request[:3]
        self._check(device, network_function, command)
        if self._is_dead() and self.dies_quietly:
            return b"\xc3"
        if self._is_dead():
            raise ControlError(errno.ETIMEDOUT, f"{DEVICE}: no answer from the BMC in time")
        if lun:
            return b"\xc2"
        data = request[3:]
        for fault in self.faults:
            answer = fault((network_function, command, data))
            if answer is not None:
                return answer
        return self.bmc.answer(network_function, command, data)

    def ask_bridged(self, device: str, request: bytes) -> bytes:
        channel, address, network_function, _, command = request[:5]
        self._check(device, network_function, command)
        other = self.controllers.get((channel, address))
        return other.answer(network_function, command, request[5:]) if other else b"\xc3"

    def _check(self, device: str, network_function: int, command: int) -> None:
        assert device == DEVICE
        assert (network_function, command) in ALLOWED, "the product asks only what reads"
        self.asked[network_function, command] += 1

    def _is_dead(self) -> bool:
        return self.dies_after is not None and self.asked.total() > self.dies_after

    # Faults

    def answers(self, command: tuple[int, int], answer: bytes) -> None:
        """The command always has this answer, completion code first."""
        self.faults.append(lambda request: answer if request[:2] == command else None)

    def is_busy(self, command: tuple[int, int], times: int) -> None:
        """Completion code C0h so many times."""
        left = [times]

        def busy(request: Request) -> bytes | None:
            if request[:2] != command or not left[0]:
                return None
            left[0] -= 1
            return b"\xc0"

        self.faults.append(busy)

    def returns_at_most(self, command: tuple[int, int], count: int, code: int = 0xCA) -> None:
        """The last byte of the request is a count: more than this is refused."""
        self.faults.append(
            lambda request: bytes((code,)) if request[:2] == command and request[2][-1] > count else None
        )

    def loses_reservations(self, times: int) -> None:
        """Somebody else reserves the repository before so many of the reads in parts."""
        left = [times]

        def lose(request: Request) -> bytes | None:
            if request[:2] == GET_SDR and request[2][4] and left[0]:
                left[0] -= 1
                return b"\xc5"
            return None

        self.faults.append(lose)


def without_ipmi() -> Machine:
    return FakeMachine(files={"/dev/null": b""})
