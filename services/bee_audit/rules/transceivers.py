"""What transceivers measure of themselves, against the alarms that they state."""

from collections.abc import Iterator

from bee_audit.rules.network_ports import ports, where
from bee_audit.rules.thresholds import Thresholds
from bee_bus.documents.audit import Finding, Hardware, Threshold
from bee_bus.documents.network import NetworkInterface, Transceiver, TransceiverReading

_OF_THE_MODULE = ("temperature", "voltage")
_COOL = "Look at the airflow around the adapter and at the fans; then try another transceiver."
_CLEAN = "Clean the connectors, try another fibre, then another transceiver; look at the other end's, too."


def past_alarm(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """One finding for all of a module's readings that are past the module's own alarm."""
    for interface in ports(hardware):
        module = interface.transceiver
        past = _past(interface, module) if module and module.checksum_valid else []
        if module is None or not past:
            continue
        first = past[0]
        yield Finding(
            rule="network.transceiver-alarm",
            severity="Warning",
            component=f"network/{interface.id}",
            where=", ".join(filter(None, (where(interface, hardware), module.part_number, module.serial))),
            message=f"The transceiver of {interface.id} is past its own alarm: {', '.join(map(_told, past))}",
            next_step=_COOL if first.quantity in _OF_THE_MODULE else _CLEAN,
            value=first.value,
            threshold=Threshold(
                name=f"network.transceiver_{first.quantity.replace(' ', '_')}",
                value=_limit(first),
                unit=first.unit,
                source="the transceiver's own alarm",
                layer="device",
            ),
        )


def _past(interface: NetworkInterface, module: Transceiver) -> list[TransceiverReading]:
    is_lit = _is_lit(interface, module)
    return [
        reading
        for reading in module.readings
        if (is_lit or reading.quantity in _OF_THE_MODULE)
        and not reading.low_alarm <= reading.value <= reading.high_alarm
    ]


def _is_lit(interface: NetworkInterface, module: Transceiver) -> bool:
    """Whether light is to be expected on all lanes: a slower link can leave some of them dark."""
    has_lanes = any((reading.lane or 1) > 1 for reading in module.readings)
    is_full = (interface.speed_mbps or 0) >= (module.max_speed_mbps or 0)
    return bool(interface.carrier) and (is_full or not has_lanes)


def _told(reading: TransceiverReading) -> str:
    lane = f" of lane {reading.lane}" if reading.lane is not None else ""
    return f"{reading.quantity}{lane} {reading.value:g} {reading.unit} (limit {_limit(reading):g})"


def _limit(reading: TransceiverReading) -> float:
    return reading.low_alarm if reading.value < reading.low_alarm else reading.high_alarm
