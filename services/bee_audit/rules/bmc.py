"""Rules over the BMC, its FRU devices and what it says of the chassis; the table of all of the area."""

from collections.abc import Iterator

from bee_audit.rules import Rule
from bee_audit.rules.event_log import log_full, log_not_read, recent_events, recurring_events
from bee_audit.rules.thresholds import Thresholds
from bee_bus.documents.audit import Finding, Hardware, Severity
from bee_bus.documents.bmc import FruDevice


def self_test(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """What the BMC's own test found."""
    for controller in hardware.bmc.controllers if hardware.bmc else ():
        if controller.self_test_failures:
            yield Finding(
                rule="bmc.self-test",
                severity="Critical" if controller.self_test_fatal else "Warning",
                component=f"bmc/{controller.id}",
                where=f"{controller.name}, firmware {controller.firmware}",
                message=f"The BMC's self-test failed: {', '.join(controller.self_test_failures)}",
                next_step="Restart the BMC (ipmitool mc reset cold), update its firmware, ask the vendor.",
                value=", ".join(controller.self_test_failures),
            )


def updating(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """A BMC that is not in normal operation: what it says now need not be so."""
    for controller in hardware.bmc.controllers if hardware.bmc else ():
        if controller.is_updating:
            yield Finding(
                rule="bmc.updating",
                severity="Unknown",
                component=f"bmc/{controller.id}",
                where=f"{controller.name}, firmware {controller.firmware}",
                message="The BMC is updating or initializing itself; its sensors and records are incomplete",
                next_step="Wait until it is done, and audit again.",
                value=True,
            )


def fru_damaged(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """FRU data with a wrong checksum or cut off: what it says of the part cannot be relied on."""
    for device in hardware.bmc.fru_devices if hardware.bmc else ():
        if device.defects:
            yield Finding(
                rule="bmc.fru-damaged",
                severity="Warning",
                component=f"bmc/{device.id}",
                where=_where(device),
                message=f"The FRU data of {device.name} is damaged: {'; '.join(device.defects)}",
                next_step="Reseat the part and audit again; if it stays, ask the vendor to write it anew.",
                value=device.defects[0],
            )


def chassis_fault(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """Faults that the BMC sums up for the whole chassis."""
    chassis = hardware.bmc.chassis if hardware.bmc else None
    if chassis is None:
        return
    for field, (severity, message, next_step) in _CHASSIS_FAULTS.items():
        if getattr(chassis, field):
            yield Finding(
                rule=f"bmc.{field.replace('_', '-')}",
                severity=severity,
                component=f"bmc/{chassis.id}",
                where="chassis",
                message=message,
                next_step=next_step,
                value=True,
            )


def intrusion(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """An open chassis, unless a sensor says the same."""
    chassis = hardware.bmc.chassis if hardware.bmc else None
    sensors = hardware.sensors.sensors if hardware.sensors else ()
    told = any(
        sensor.kind == "physical security" and sensor.status != "ok" for sensor in sensors if sensor.states
    )
    if chassis is not None and chassis.intrusion and not told:
        yield Finding(
            rule="bmc.intrusion",
            severity="Warning",
            component=f"bmc/{chassis.id}",
            where="chassis",
            message="The BMC says that the chassis is or was opened",
            next_step="Close the chassis; if it is closed, look at its switch and clear it in the BMC.",
            value=True,
        )


RULES: tuple[Rule, ...] = (
    *(self_test, updating, fru_damaged, chassis_fault, intrusion),
    *(recent_events, recurring_events, log_full, log_not_read),
)

_CHASSIS_FAULTS: dict[str, tuple[Severity, str, str]] = {
    "power_fault": (
        "Critical",
        "The BMC reports a fault of the main power",
        "Look at the power supplies and in the event log for the one that failed.",
    ),
    "power_overload": (
        "Critical",
        "The BMC reports a power overload",
        "Compare the supplies' rating with the machine's load; look for a short after the last part fitted.",
    ),
    "power_control_fault": (
        "Critical",
        "The BMC could not switch the power as it was told",
        "Take the machine off its feeds for a minute; if it returns, replace the power distribution board.",
    ),
    "interlock": (
        "Warning",
        "A panel interlock switch holds the power off",
        "Close the panel whose switch is open.",
    ),
    "drive_fault": (
        "Critical",
        "The BMC reports a drive fault",
        "Look for the drive with its fault lamp on, and at its SMART data in the section storage.",
    ),
    "cooling_fault": (
        "Critical",
        "The BMC reports a cooling or fan fault",
        "Look for the fan that stands still or is absent, and replace it.",
    ),
}


def _where(device: FruDevice) -> str:
    return f"{device.name}, {device.location}" if device.location else device.name
