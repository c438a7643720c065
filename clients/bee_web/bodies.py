"""What the API takes and gives that is the web's own: the rest are the documents of the bus."""

from typing import Literal

import msgspec

from bee_bus.login1 import PowerAction

# What is typed to have the machine go down, and what is typed while something would be cut off by that.
POWER_WORDS: dict[str, PowerAction] = {"reboot": "Reboot", "poweroff": "PowerOff"}
ALTHOUGH_A_RUN_IS_ON = "RUN-IS-ON"


class _Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class _Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    pass


class LogIn(_Asked, frozen=True):
    """``token``: as the console shows it, in whatever case, with or without dashes."""

    token: str


class StartRun(_Asked, frozen=True):
    """``options``: see the pack's options; all values are text, as on the command line."""

    pack: str
    options: dict[str, str] = {}


class StartAudit(_Asked, frozen=True):
    """``options``: as Run of org.bee.Audit1 takes them."""

    options: dict[str, str] = {}


class GoDown(_Asked, frozen=True):
    """``confirm``: the action itself, "reboot" or "poweroff"; "RUN-IS-ON" to cut off what is under way."""

    confirm: str


class SessionState(_Answer, frozen=True):
    """``expires_in_seconds``: how long this session can last at most; absent when logged out."""

    logged_in: bool
    expires_in_seconds: int | None = None


class RunStarted(_Answer, frozen=True):
    """``run``: the name of the run."""

    run: str


class AuditStarted(_Answer, frozen=True):
    """``job``: the name of its job on the bus."""

    job: str


class Done(_Answer, frozen=True):
    """What was asked for has been done, or has begun."""

    done: Literal["cancel", "renew", "reboot", "poweroff"]


class Problem(_Answer, frozen=True):
    """``error``: a name for programs. ``message``: a sentence for people."""

    error: str
    message: str
