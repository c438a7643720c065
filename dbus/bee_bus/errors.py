"""What can go wrong across the bus: one class per D-Bus error name, the same on both sides.

A service raises these; the adapter sends the name and the message; the client raises the same class again.
The message is one sentence for people, ``hint`` says what they can do about it.
"""

from typing import ClassVar


class BeeError(Exception):
    """An expected failure with its D-Bus error name."""

    name: ClassVar[str] = ""
    hint: ClassVar[str] = ""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Busy(BeeError):
    """Something else holds what this needs."""

    name = "org.bee.Error.Busy"
    hint = "Wait for the other run to end, or cancel it."


class NotFound(BeeError):
    """What was asked for is not there."""

    name = "org.bee.Error.NotFound"
    hint = "Run an audit first, or check the name."


class InvalidOption(BeeError):
    """An option that does not exist, or a value that it does not take."""

    name = "org.bee.Error.InvalidOption"
    hint = "Check the option's name and value."


class NotSupported(BeeError):
    """This machine, or this object in its state, cannot do that."""

    name = "org.bee.Error.NotSupported"
    hint = "This cannot be done here."


class Cancelled(BeeError):
    """The work was told to end before it had finished."""

    name = "org.bee.Error.Cancelled"
    hint = "Start it again if it was not meant to end."


class Internal(BeeError):
    """A fault of bee's own; the service's log has the details."""

    name = "org.bee.Error.Internal"
    hint = "This is a fault in bee: see the service's log (journalctl)."


class AccessDenied(BeeError):
    """Polkit said no, or could not be asked."""

    name = "org.freedesktop.DBus.Error.AccessDenied"
    hint = "Ask as root, or as a member of group bee."


class InvalidArgs(BeeError):
    """The call's arguments are not those of the method."""

    name = "org.freedesktop.DBus.Error.InvalidArgs"
    hint = "Compare the call with the interface: busctl introspect."


class InteractiveAuthorizationRequired(BeeError):
    """Allowed after a password, and the caller did not say that it can wait for one."""

    name = "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"
    hint = "Ask from a session with a polkit agent (pkttyagent), as root, or as a member of group bee."


class UnknownObject(BeeError):
    """Nothing lives at that path (any more)."""

    name = "org.freedesktop.DBus.Error.UnknownObject"
    hint = "It may have ended: list what is there with busctl tree."


class UnknownInterface(BeeError):
    name = "org.freedesktop.DBus.Error.UnknownInterface"
    hint = "Compare the call with the interface: busctl introspect."


class UnknownMethod(BeeError):
    name = "org.freedesktop.DBus.Error.UnknownMethod"
    hint = "Compare the call with the interface: busctl introspect."


class UnknownProperty(BeeError):
    name = "org.freedesktop.DBus.Error.UnknownProperty"
    hint = "Compare the call with the interface: busctl introspect."


class PropertyReadOnly(BeeError):
    name = "org.freedesktop.DBus.Error.PropertyReadOnly"
    hint = "This property can only be read."


class ServiceUnknown(BeeError):
    """The bus knows no such service, or it was just leaving."""

    name = "org.freedesktop.DBus.Error.ServiceUnknown"
    hint = "Is bee installed on this machine? `bee --private` needs no installation."


class ServiceGone(BeeError):
    """The service left the bus while it was needed."""

    name = "org.freedesktop.DBus.Error.NameHasNoOwner"
    hint = "The service ended: see its log (journalctl), and ask again."


class SpawnFailed(BeeError):
    """The service could not be started, or died before it was ready."""

    name = "org.freedesktop.DBus.Error.Spawn.Failed"
    hint = "See the service's log: journalctl -u bee-auditd."


class NoReply(BeeError):
    """No answer before the deadline."""

    name = "org.freedesktop.DBus.Error.NoReply"
    hint = "The service may be hanging: see its log (journalctl)."


class Disconnected(BeeError):
    """There is no bus, or it went away."""

    name = "org.freedesktop.DBus.Error.Disconnected"
    hint = "Is the system bus running? `bee --private` brings its own."


class OtherError(BeeError):
    """A D-Bus error that is not in the table; ``error_name`` is what it was called."""

    name = "org.freedesktop.DBus.Error.Failed"
    hint = "See the service's log (journalctl)."

    def __init__(self, message: str, error_name: str = name) -> None:
        super().__init__(message)
        self.error_name = error_name


TABLE: dict[str, type[BeeError]] = {
    error.name: error
    for error in (
        Busy,
        NotFound,
        InvalidOption,
        NotSupported,
        Cancelled,
        Internal,
        AccessDenied,
        InvalidArgs,
        InteractiveAuthorizationRequired,
        UnknownObject,
        UnknownInterface,
        UnknownMethod,
        UnknownProperty,
        PropertyReadOnly,
        ServiceUnknown,
        ServiceGone,
        SpawnFailed,
        NoReply,
        Disconnected,
        OtherError,
    )
}

# Names that other implementations use for what the table already has.
ALIASES: dict[str, type[BeeError]] = {
    "org.freedesktop.DBus.Error.Timeout": NoReply,
    "org.freedesktop.DBus.Error.TimedOut": NoReply,
    "org.freedesktop.DBus.Error.NoServer": Disconnected,
    "org.freedesktop.DBus.Error.Spawn.ChildExited": SpawnFailed,
    "org.freedesktop.DBus.Error.Spawn.ChildSignaled": SpawnFailed,
    "org.freedesktop.DBus.Error.Spawn.ExecFailed": SpawnFailed,
    "org.freedesktop.DBus.Error.Spawn.ServiceNotFound": ServiceUnknown,
    "org.freedesktop.systemd1.NoSuchUnit": ServiceUnknown,
}


def from_name(name: str, message: str) -> BeeError:
    """The error that a reply of this name and text stands for."""
    error = TABLE.get(name) or ALIASES.get(name)
    if error is None or error is OtherError:
        return OtherError(f"{name}: {message}" if message else name, name)
    return error(message)


# What people are told instead of the bus's words, which are for programs.
_IN_OTHER_WORDS: dict[str, str] = {
    AccessDenied.name: "this user may not do that",
    InteractiveAuthorizationRequired.name: "this needs an administrator's password",
    ServiceUnknown.name: "this service is not on this bus",
}


def in_words(error: BeeError) -> str:
    """One sentence for people; what they can do about it is in ``hint``."""
    return _IN_OTHER_WORDS.get(error.name, error.message) or error.name
