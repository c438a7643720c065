"""A BMC for the emulated server: it answers IPMI requests, and a test turns its knobs while the server runs.

QEMU's own simulated BMC knows no full sensor records, so no thresholds and no units, and nothing of its
network. This one stands outside QEMU, behind its ``ipmi-bmc-extern`` device. Section numbers are those of
the IPMI 2.0 specification, revision 1.1.
"""

import ipaddress
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from lab import sdr

OK = 0x00
INVALID_COMMAND = 0xC1
OUT_OF_SPACE = 0xC4
RESERVATION_LOST = 0xC5
TOO_SHORT = 0xC7
OUT_OF_RANGE = 0xC9
TOO_MANY_BYTES = 0xCA
NOT_PRESENT = 0xCB
INVALID_FIELD = 0xCC

MESSAGE_LIMIT = 240  # what fits QEMU's buffer with its header
NEVER = 0xFFFFFFFF


class Refused(Exception):
    """The request is answered with a completion code other than 0."""

    def __init__(self, code: int) -> None:
        super().__init__(f"completion code {code:#04x}")
        self.code = code


@dataclass
class Bmc:
    """``frus``: FRU id to image. ``silent``: it takes requests and never answers, as a crashed BMC does."""

    firmware: tuple[int, int] = (3, 0x14)  # major, and minor in BCD: 3.14
    manufacturer_id: int = 10876
    product_id: int = 0x1B16
    address: str = "192.0.2.44"
    netmask: str = "255.255.255.0"
    gateway: str = "192.0.2.1"
    mac: bytes = bytes.fromhex("02be00000044")
    sensors: list[sdr.ThresholdSensor | sdr.DiscreteSensor] = field(default_factory=list)
    locators: list[sdr.FruLocator | sdr.ControllerLocator | sdr.RawRecord] = field(default_factory=list)
    frus: dict[int, bytes] = field(default_factory=dict)
    sel_capacity: int = 512
    silent: bool = False
    log: list[bytes] = field(default_factory=list)  # SEL records of 16 bytes
    clock: Callable[[], float] = time.time
    _reservation: int = 1
    _enables: int = 0x08
    _added_at: int = NEVER
    _cleared_at: int = NEVER
    _overflow: bool = False
    _busy: threading.Lock = field(default_factory=threading.Lock)

    def sensor(self, name: str) -> sdr.ThresholdSensor | sdr.DiscreteSensor:
        return next(sensor for sensor in self.sensors if sensor.name == name)

    def answer(self, network_function: int, command: int, data: bytes) -> bytes:
        """The completion code and what follows it."""
        handler = _HANDLERS.get((network_function, command))
        if handler is None:
            return bytes((INVALID_COMMAND,))
        with self._busy:
            try:
                return bytes((OK,)) + handler(self, data)
            except Refused as refused:
                return bytes((refused.code,))
            except IndexError:
                return bytes((TOO_SHORT,))

    def add_event(self, event: bytes) -> int:
        """Log a record: 16 bytes of which the id, and the time of a standard one, are filled in (31.6)."""
        if len(self.log) >= self.sel_capacity:
            self._overflow = True
            raise Refused(OUT_OF_SPACE)
        self._added_at = int(self.clock())
        record_id = len(self.log) + 1
        stamp = event[3:7] if event[2] >= 0xE0 else self._added_at.to_bytes(4, "little")
        self.log.append(record_id.to_bytes(2, "little") + event[2:3] + stamp + event[7:16])
        self._reservation += 1
        return record_id

    # Application (chapter 20 to 22)

    def _device_id(self, data: bytes) -> bytes:
        major, minor = self.firmware
        head = bytes((0x20, 0x81, major, minor, 0x02, 0xBF))
        return (
            head
            + self.manufacturer_id.to_bytes(3, "little")
            + self.product_id.to_bytes(2, "little")
            + bytes(4)
        )

    def _self_test(self, data: bytes) -> bytes:
        return bytes((0x55, 0x00))

    def _set_enables(self, data: bytes) -> bytes:
        self._enables = data[0]
        return b""

    def _get_enables(self, data: bytes) -> bytes:
        return bytes((self._enables,))

    def _nothing(self, data: bytes) -> bytes:
        return b""

    def _message_flags(self, data: bytes) -> bytes:
        return b"\0"

    def _no_message(self, data: bytes) -> bytes:
        raise Refused(0x80)

    def _channel_info(self, data: bytes) -> bytes:
        channel = 0x0F if data[0] & 0x0F == 0x0E else data[0] & 0x0F
        medium, protocol = {0: (0x01, 0x01), 1: (0x04, 0x01), 0x0F: (0x0C, 0x05)}.get(channel, (0, 0))
        if not medium:
            raise Refused(INVALID_FIELD)
        session = 0x80 if channel == 1 else 0x00
        return bytes((channel, medium, protocol, session, 0xF2, 0x1B, 0x00, 0, 0))

    # Chassis and network

    def _chassis_status(self, data: bytes) -> bytes:
        return bytes((0x61, 0, 0, 0))

    def _lan_parameter(self, data: bytes) -> bytes:
        channel, parameter = data[0] & 0x0F, data[1]
        if channel not in (1, 0x0E):
            raise Refused(INVALID_FIELD)
        values = {
            0: b"\0",
            3: ipaddress.IPv4Address(self.address).packed,
            4: b"\x01",  # static
            5: self.mac,
            6: ipaddress.IPv4Address(self.netmask).packed,
            12: ipaddress.IPv4Address(self.gateway).packed,
        }
        if parameter not in values:
            raise Refused(0x80)  # parameter not supported (table 23-2)
        return b"\x11" + (b"" if data[0] & 0x80 else values[parameter])

    # Sensors (chapter 35)

    def _by_number(self, data: bytes) -> sdr.ThresholdSensor | sdr.DiscreteSensor:
        for sensor in self.sensors:
            if sensor.number == data[0]:
                return sensor
        raise Refused(NOT_PRESENT)

    def _reading(self, data: bytes) -> bytes:
        return self._by_number(data).reading()

    def _thresholds(self, data: bytes) -> bytes:
        sensor = self._by_number(data)
        if isinstance(sensor, sdr.DiscreteSensor):
            raise Refused(INVALID_COMMAND)
        return sensor.threshold_answer()

    def _hysteresis(self, data: bytes) -> bytes:
        self._by_number(data)
        return bytes((1, 1))

    def _event_enables(self, data: bytes) -> bytes:
        self._by_number(data)
        return bytes((0xC0, 0xFF, 0x0F, 0xFF, 0x0F))

    def _event_status(self, data: bytes) -> bytes:
        self._by_number(data)
        return bytes((0xC0, 0, 0))

    def _sensor_type(self, data: bytes) -> bytes:
        sensor = self._by_number(data)
        if isinstance(sensor, sdr.DiscreteSensor):
            return bytes((sensor.type, sensor.event_type))
        return bytes((sensor.type, sdr.THRESHOLD_EVENTS))

    def _platform_event(self, data: bytes) -> bytes:
        if len(data) < 8:
            raise Refused(TOO_SHORT)
        self.add_event(bytes(2) + b"\x02" + bytes(4) + bytes((data[0], 0)) + data[1:8])
        return b""

    # Inventory: FRU (34), SDR (33), SEL (31)

    def _fru(self, data: bytes) -> bytes:
        if data[0] not in self.frus:
            raise Refused(NOT_PRESENT)
        return self.frus[data[0]]

    def _fru_info(self, data: bytes) -> bytes:
        return len(self._fru(data)).to_bytes(2, "little") + b"\0"

    def _fru_read(self, data: bytes) -> bytes:
        image, offset, count = self._fru(data), data[1] | data[2] << 8, data[3]
        if offset >= len(image):
            raise Refused(OUT_OF_RANGE)
        if count > MESSAGE_LIMIT:
            raise Refused(TOO_MANY_BYTES)
        part = image[offset : offset + count]
        return bytes((len(part),)) + part

    def _records(self) -> list[sdr.Record]:
        return [*self.locators, *self.sensors]

    def _sdr_info(self, data: bytes) -> bytes:
        stamps = (0x60000000).to_bytes(4, "little") * 2
        return (
            bytes((sdr.VERSION,))
            + len(self._records()).to_bytes(2, "little")
            + b"\xff\xff"
            + stamps
            + b"\x22"
        )

    def _reserve(self, data: bytes) -> bytes:
        self._reservation += 1
        return (self._reservation & 0xFFFF).to_bytes(2, "little")

    def _sdr_read(self, data: bytes) -> bytes:
        records = self._records()
        return self._record_part(len(records), lambda index: sdr.encode(records[index], index + 1), data)

    def _sel_info(self, data: bytes) -> bytes:
        free = min((self.sel_capacity - len(self.log)) * 16, 0xFFFF)
        stamps = self._added_at.to_bytes(4, "little") + self._cleared_at.to_bytes(4, "little")
        head = bytes((sdr.VERSION,)) + len(self.log).to_bytes(2, "little") + free.to_bytes(2, "little")
        return head + stamps + bytes((0x02 | self._overflow << 7,))

    def _sel_read(self, data: bytes) -> bytes:
        return self._record_part(len(self.log), self.log.__getitem__, data)

    def _record_part(self, record_count: int, record_at: Callable[[int], bytes], data: bytes) -> bytes:
        """Get SDR and Get SEL Entry: reservation, record, offset, count to the next id and the bytes."""
        wanted, offset, count = data[2] | data[3] << 8, data[4], data[5]
        if offset and (data[0] | data[1] << 8) != self._reservation & 0xFFFF:
            raise Refused(RESERVATION_LOST)
        index = {0: 0, 0xFFFF: record_count - 1}.get(wanted, wanted - 1)
        if not 0 <= index < record_count:
            raise Refused(NOT_PRESENT)
        record = record_at(index)
        if offset > len(record):
            raise Refused(OUT_OF_RANGE)
        part = record[offset:] if count == 0xFF else record[offset : offset + count]
        if len(part) > MESSAGE_LIMIT:
            raise Refused(TOO_MANY_BYTES)
        following = index + 2 if index + 1 < record_count else 0xFFFF
        return following.to_bytes(2, "little") + part

    def _sel_add(self, data: bytes) -> bytes:
        if len(data) < 16:
            raise Refused(TOO_SHORT)
        return self.add_event(data[:16]).to_bytes(2, "little")

    def _sel_clear(self, data: bytes) -> bytes:
        if (data[0] | data[1] << 8) != self._reservation & 0xFFFF:
            raise Refused(RESERVATION_LOST)
        if data[2:5] != b"CLR":
            raise Refused(INVALID_FIELD)
        if data[5] == 0xAA:
            self.log.clear()
            self._overflow = False
            self._cleared_at = int(self.clock())
        return b"\x01"

    def _time(self, data: bytes) -> bytes:
        return int(self.clock()).to_bytes(4, "little")


_CHASSIS, _SENSOR, _APPLICATION, _STORAGE, _TRANSPORT = 0x00, 0x04, 0x06, 0x0A, 0x0C
_HANDLERS: dict[tuple[int, int], Callable[[Bmc, bytes], bytes]] = {
    (_APPLICATION, 0x01): Bmc._device_id,
    (_APPLICATION, 0x04): Bmc._self_test,
    (_APPLICATION, 0x2E): Bmc._set_enables,
    (_APPLICATION, 0x2F): Bmc._get_enables,
    (_APPLICATION, 0x30): Bmc._nothing,  # clear message flags
    (_APPLICATION, 0x31): Bmc._message_flags,
    (_APPLICATION, 0x33): Bmc._no_message,
    (_APPLICATION, 0x35): Bmc._no_message,  # event message buffer
    (_APPLICATION, 0x42): Bmc._channel_info,
    (_CHASSIS, 0x01): Bmc._chassis_status,
    (_TRANSPORT, 0x02): Bmc._lan_parameter,
    (_SENSOR, 0x02): Bmc._platform_event,
    (_SENSOR, 0x25): Bmc._hysteresis,
    (_SENSOR, 0x27): Bmc._thresholds,
    (_SENSOR, 0x29): Bmc._event_enables,
    (_SENSOR, 0x2B): Bmc._event_status,
    (_SENSOR, 0x2D): Bmc._reading,
    (_SENSOR, 0x2F): Bmc._sensor_type,
    (_STORAGE, 0x10): Bmc._fru_info,
    (_STORAGE, 0x11): Bmc._fru_read,
    (_STORAGE, 0x20): Bmc._sdr_info,
    (_STORAGE, 0x22): Bmc._reserve,
    (_STORAGE, 0x23): Bmc._sdr_read,
    (_STORAGE, 0x28): Bmc._time,
    (_STORAGE, 0x40): Bmc._sel_info,
    (_STORAGE, 0x42): Bmc._reserve,
    (_STORAGE, 0x43): Bmc._sel_read,
    (_STORAGE, 0x44): Bmc._sel_add,
    (_STORAGE, 0x47): Bmc._sel_clear,
    (_STORAGE, 0x48): Bmc._time,
}
