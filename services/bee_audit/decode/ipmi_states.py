"""What the states of discrete sensors are called, and which of them mean that something is wrong.

Names are those of IPMI 2.0 rev 1.1, tables 42-2 (generic) and 42-3 (specific to a sensor type). The standard
ranks only some of them (type 07h); the rest is ranked here by what it means for the machine: Critical for a
part that has failed or lost data, Warning for one that is about to or runs on less than it should. States
that say only "asserted" are ranked by the type of the sensor, and vendors' own states are not ranked at all.
"""

import re
from typing import Final, Literal, NamedTuple

Severity = Literal["Critical", "Warning"]

THRESHOLD_TYPE, REDUNDANCY_TYPE, PRESENCE_TYPE, SPECIFIC_TYPE = 0x01, 0x0B, 0x08, 0x6F


class State(NamedTuple):
    """``correctable``: one alone is no fault, a growing number of them is."""

    name: str
    severity: Severity | None = None
    correctable: bool = False


def discrete_state(sensor_type: int, event_type: int, offset: int, name: str = "") -> State:
    """The state that ``offset`` means for a sensor of this type and event/reading type.

    ``name``: the sensor's, which may say that "asserted" is as it should be.
    """
    is_specific = event_type == SPECIFIC_TYPE
    table = _SPECIFIC.get(sensor_type, ()) if is_specific else _GENERIC.get(event_type, ())
    if offset >= len(table):
        return State(f"state {offset}")
    state = table[offset]
    if event_type == _STATE and _GOOD_WHEN_ASSERTED.search(name) and not _BAD_WHEN_ASSERTED.search(name):
        return State(state.name)
    if (event_type, offset) in _DIGITAL:
        return State(state.name, _DIGITAL[event_type, offset].get(sensor_type))
    return state


def threshold_event(offset: int) -> State:
    """An event of a threshold sensor (event type 01h)."""
    return _THRESHOLD_EVENTS[offset] if offset < len(_THRESHOLD_EVENTS) else State(f"event {offset}")


C: Final = "Critical"
W: Final = "Warning"
E: Final = "correctable"


def _states(*states: str | tuple[str, Literal["Critical", "Warning", "correctable"]]) -> tuple[State, ...]:
    return tuple(_state(state) for state in states)


def _state(state: str | tuple[str, Literal["Critical", "Warning", "correctable"]]) -> State:
    if isinstance(state, str):
        return State(state)
    name, rank = state
    return State(name, correctable=True) if rank == E else State(name, rank)


_THRESHOLD_EVENTS = _states(
    ("lower non-critical going low", W),
    "lower non-critical going high",
    ("lower critical going low", C),
    "lower critical going high",
    ("lower non-recoverable going low", C),
    "lower non-recoverable going high",
    "upper non-critical going low",
    ("upper non-critical going high", W),
    "upper critical going low",
    ("upper critical going high", C),
    "upper non-recoverable going low",
    ("upper non-recoverable going high", C),
)

_GENERIC: Final = {  # table 42-2
    0x02: _states("idle", "active", "busy"),
    0x03: _states("state deasserted", "state asserted"),
    0x04: _states("predictive failure deasserted", ("predictive failure asserted", W)),
    0x05: _states("limit not exceeded", "limit exceeded"),
    0x06: _states("performance met", ("performance lags", W)),
    0x07: _states(
        "OK",
        ("non-critical", W),
        ("critical", C),
        ("non-recoverable", C),
        ("non-critical from more severe", W),
        ("critical from non-recoverable", C),
        ("non-recoverable", C),
        "monitor",
        "informational",
    ),
    0x08: _states("device absent", "device present"),
    0x09: _states("device disabled", "device enabled"),
    0x0A: _states(
        *("running", "in test", "power off", "on line", ("off line", W), "off duty", ("degraded", W)),
        *("power save", ("install error", C)),
    ),
    0x0B: _states(
        "fully redundant",
        ("redundancy lost", W),
        ("redundancy degraded", W),
        ("non-redundant: sufficient resources from redundant", W),
        ("non-redundant: sufficient resources from insufficient resources", W),
        ("non-redundant: insufficient resources", C),
        ("redundancy degraded from fully redundant", W),
        ("redundancy degraded from non-redundant", W),
    ),
    0x0C: _states("D0 power state", "D1 power state", "D2 power state", "D3 power state"),
}

TEMPERATURE, VOLTAGE, CURRENT, FAN, PROCESSOR, POWER_SUPPLY, POWER_UNIT, COOLING, MEMORY, DRIVE = (
    *(0x01, 0x02, 0x03, 0x04, 0x07, 0x08, 0x09, 0x0A, 0x0C, 0x0D),
)

_STATE = 0x03
# Presence, and power that is good: PSU1_PWRGD. A bare "PG" says nothing: Dell's are asserted when it is bad.
_GOOD_WHEN_ASSERTED = re.compile(r"pres(?!s)|prs|instal|p(wr|ower)?[ _-]?(gd|good|ok)", re.IGNORECASE)
_BAD_WHEN_ASSERTED = re.compile(r"fail|fault|err|lost|alarm|alert|time[ _-]?out|not[ _-]", re.IGNORECASE)

# "Asserted" and "limit exceeded" name no fault by themselves: it depends on what the sensor watches.
_DIGITAL: Final[dict[tuple[int, int], dict[int, Severity]]] = {
    (0x03, 1): {
        **dict.fromkeys((TEMPERATURE, VOLTAGE, CURRENT, FAN, POWER_SUPPLY, POWER_UNIT, COOLING), W),
        **dict.fromkeys((PROCESSOR, MEMORY), C),  # CATERR, IERR, MEMHOT: how these sensors are used
    },
    (0x05, 1): {
        **dict.fromkeys((TEMPERATURE, VOLTAGE, FAN), C),
        **dict.fromkeys((CURRENT, POWER_SUPPLY, POWER_UNIT, COOLING, PROCESSOR, MEMORY), W),
    },
}

_SPECIFIC: Final = {  # table 42-3
    0x05: _states(
        *(("general chassis intrusion", W), ("drive bay intrusion", W), ("I/O card area intrusion", W)),
        *(("processor area intrusion", W), "system unplugged from LAN", "unauthorized dock"),
        ("fan area intrusion", W),
    ),
    0x06: _states(
        ("front panel lockout violation attempt", W),
        ("pre-boot user password violation", W),
        ("pre-boot setup password violation", W),
        ("pre-boot network boot password violation", W),
        ("other pre-boot password violation", W),
        ("out-of-band access password violation", W),
    ),
    0x07: _states(
        *(("IERR", C), ("thermal trip", C), ("FRB1/BIST failure", C), ("FRB2/hang in POST failure", C)),
        *(("FRB3/startup failure", C), ("configuration error", C), ("uncorrectable CPU-complex error", C)),
        *("presence detected", ("disabled", W), "terminator presence detected", ("throttled", W)),
        *(("uncorrectable machine check exception", C), ("correctable machine check error", E)),
    ),
    0x08: _states(
        "presence detected",
        ("failure detected", C),
        ("predictive failure", W),
        ("input lost", C),
        ("input lost or out of range", C),
        ("input out of range, but present", W),
        ("configuration error", C),
        "inactive (standby)",
    ),
    0x09: _states(
        *("power off", "power cycle", ("240VA power down", C), ("interlock power down", W)),
        *(("AC lost", W), ("soft power control failure", C), ("failure detected", C)),
        ("predictive failure", W),
    ),
    0x0C: _states(
        *(("correctable ECC error", E), ("uncorrectable ECC error", C), ("parity error", C)),
        *(("memory scrub failed", C), ("memory device disabled", C)),
        *(("correctable ECC error logging limit reached", W), "presence detected"),
        *(("configuration error", C), "spare", ("throttled", W), ("critical overtemperature", C)),
    ),
    0x0D: _states(
        *("drive present", ("drive fault", C), ("predictive failure", W), "hot spare"),
        *("consistency check in progress", ("in critical array", W), ("in failed array", C)),
        *("rebuild in progress", ("rebuild aborted", W)),
    ),
    0x0F: _states(("firmware error", C), ("firmware hang", C), "firmware progress"),
    0x10: _states(
        *(("correctable memory error logging disabled", W), ("event logging disabled for a type", W)),
        *("log cleared", ("all event logging disabled", W), "log full", "log almost full"),
        ("correctable machine check error logging disabled", W),
    ),
    0x11: _states(
        *(("BIOS reset", W), ("OS reset", W), ("OS shutdown", W), ("OS power down", W)),
        *(("OS power cycle", W), ("OS NMI", W), ("OS expired, status only", W), "OS pre-timeout interrupt"),
    ),
    0x12: _states(
        *("system reconfigured", "OEM boot event", ("undetermined system hardware failure", C)),
        *("entry added to auxiliary log", "PEF action", "timestamp clock synchronization"),
    ),
    0x13: _states(
        *(("front panel NMI", W), ("bus timeout", C), ("I/O channel check NMI", C), ("software NMI", W)),
        *(("PCI PERR", C), ("PCI SERR", C), ("EISA fail-safe timeout", C), ("bus correctable error", E)),
        *(("bus uncorrectable error", C), ("fatal NMI", C), ("bus fatal error", C), ("bus degraded", W)),
    ),
    0x14: _states(
        *("power button pressed", "sleep button pressed", "reset button pressed", "FRU latch open"),
        "FRU service request button",
    ),
    0x19: _states(("soft power control failure", C), ("thermal trip", C)),
    0x1B: _states("connected", ("configuration error", C)),
    0x1D: _states(
        *("initiated by power up", "initiated by hard reset", "initiated by warm reset"),
        *("user requested PXE boot", "automatic boot to diagnostic", "OS initiated hard reset"),
        *("OS initiated warm reset", "system restart"),
    ),
    0x1E: _states(
        *("no bootable media", "non-bootable diskette in drive", "PXE server not found"),
        *("invalid boot sector", "timeout waiting for boot selection"),
    ),
    0x1F: _states(
        *("A: boot completed", "C: boot completed", "PXE boot completed", "diagnostic boot completed"),
        *("CD-ROM boot completed", "ROM boot completed", "boot completed", "installation started"),
        *("installation completed", "installation aborted", "installation failed"),
    ),
    0x20: _states(
        *(("critical stop during OS load", W), ("run-time critical stop", W), "OS graceful stop"),
        *("OS graceful shutdown", "soft shutdown by PEF", "agent not responding"),
    ),
    0x21: _states(
        *(("fault status asserted", C), "identify status asserted", "device installed"),
        *("ready for device installation", "ready for device removal", "slot power is off"),
        *("device removal request", "interlock asserted", "slot is disabled", "slot holds spare device"),
    ),
    0x22: _states(
        *("S0/G0 working", "S1 sleeping", "S2 sleeping", "S3 sleeping", "S4 suspend to disk"),
        *("S5/G2 soft-off", "S4/S5 soft-off", "G3 mechanical off", "sleeping", "G1 sleeping"),
        *("S5 entered by override", "legacy on", "legacy off", "state 13", "unknown"),
    ),
    0x23: _states(
        *(("timer expired", W), ("hard reset", W), ("power down", W), ("power cycle", W)),
        *("reserved", "reserved", "reserved", "reserved", ("timer interrupt", W)),
    ),
    0x24: _states("page sent", "LAN alert sent", "event trap sent", "OEM SNMP trap sent"),
    0x25: _states("present", "absent", "disabled"),
    0x27: _states("heartbeat lost", "heartbeat"),
    0x28: _states(
        ("sensor access degraded or unavailable", W),
        ("controller access degraded or unavailable", W),
        ("management controller off-line", W),
        ("management controller unavailable", W),
        ("sensor failure", W),
        ("FRU failure", W),
    ),
    0x29: _states(("low", W), ("failed", C), "presence detected"),
    0x2A: _states("session activated", "session deactivated", "invalid user name or password"),
    0x2B: _states(
        *("hardware change detected", "firmware or software change detected"),
        *(("hardware incompatibility detected", W), ("firmware or software incompatibility detected", W)),
        ("invalid or unsupported hardware version", W),
        ("invalid or unsupported firmware or software version", W),
        *("hardware change successful", "firmware or software change successful"),
    ),
    0x2C: _states(
        *("not installed", "inactive", "activation requested", "activation in progress", "active"),
        *("deactivation requested", "deactivation in progress", ("communication lost", W)),
    ),
}
