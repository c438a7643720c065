"""What the firmware says is wrong with the machine as a whole (SMBIOS 3.7 §7.1, §7.4)."""

from collections.abc import Iterator

from bee_audit.rules import Rule
from bee_audit.rules.thresholds import Thresholds
from bee_bus.documents.audit import Finding, Hardware, Severity
from bee_bus.documents.board import Chassis

_SEVERITY: dict[str, Severity] = {
    "Warning": "Warning",
    "Critical": "Critical",
    "Non-recoverable": "Critical",
}
# The field, what people call it, and what to do.
_STATES = (
    ("boot_up_state", "boot-up state", "Read the BMC's event log for what happened at the last start."),
    (
        "power_supply_state",
        "power supply state",
        "Check every power supply's lamp, input and seat, and read the BMC's event log.",
    ),
    (
        "thermal_state",
        "thermal state",
        "Check fans, air filters, shrouds and the room's temperature, and read the BMC's sensors.",
    ),
)


def chassis_states(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """The firmware found a fault when it last started the machine."""
    for chassis in hardware.board.chassis if hardware.board else ():
        for field, name, next_step in _STATES:
            state = getattr(chassis, field)
            severity = _SEVERITY.get(state or "")
            if severity is not None:
                yield Finding(
                    rule=f"board.chassis-{name.replace(' ', '-')}",
                    severity=severity,
                    component=f"board/{chassis.id}",
                    where=_where(chassis),
                    message=f"The firmware reported the {name} {state} when the machine was last started",
                    next_step=next_step + " Start the machine again and audit it.",
                    value=state,
                )


def manufacturing_mode(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """The firmware still runs as in the factory, with its protections open."""
    bios = hardware.board.bios if hardware.board else None
    if bios is not None and bios.manufacturing_mode:
        yield Finding(
            rule="board.manufacturing-mode",
            severity="Warning",
            component=f"board/{bios.id}",
            where=f"BIOS {bios.firmware or ''}".strip(),
            message="The firmware is in manufacturing mode, which leaves its protections open",
            next_step="Ask the vendor how to end manufacturing mode (a jumper or a tool of theirs).",
            value=True,
        )


def _where(chassis: Chassis) -> str:
    name = chassis.name or "chassis"
    return f"{name}, serial {chassis.serial}" if chassis.serial else name


RULES: tuple[Rule, ...] = (chassis_states, manufacturing_mode)
