"""The receiving half of a connection: dbus-next's own, with a bound on what a stranger may make it do."""

from dbus_next._private.unmarshaller import Unmarshaller
from dbus_next.constants import MessageType
from dbus_next.message import Message

# No call of bee comes near it, and the bus carries up to 32 MiB, which take dbus-next seconds to decode.
CALL_LIMIT_BYTES = 1 << 20


class _TooLarge(Exception):
    """The call is here, and its arguments will not be looked at."""


class BoundedUnmarshaller(Unmarshaller):
    """Leaves the arguments of a call that is too large undecoded: it has a signature, and no body."""

    def unmarshall(self) -> Message | None:
        """The message, or None while some of it is still to come."""
        try:
            message: Message | None = super().unmarshall()  # type: ignore[no-untyped-call]
        except _TooLarge:
            message = super().unmarshall()  # type: ignore[no-untyped-call]
        return message

    def read(self, n: int, prefetch: bool = False) -> int:
        offset: int = super().read(n, prefetch)  # type: ignore[no-untyped-call]
        # It fetches the fixed header first, at offset 0, and then the rest, up to the last byte.
        complete = prefetch and self.offset > 0 and len(self.buf) > CALL_LIMIT_BYTES
        if complete and self.buf[1] == MessageType.METHOD_CALL.value:
            body_length = slice(4, 8)  # in the fixed header, see the D-Bus specification, "Message Format"
            if any(self.buf[body_length]):
                self.buf[body_length] = bytes(4)
                raise _TooLarge
        return offset


def is_too_large(message: Message) -> bool:
    """Whether the message's arguments were left undecoded."""
    return bool(message.signature) and not message.body
