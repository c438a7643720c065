"""What the BMC tells: itself and its event log, the power supplies, the sensors at their extremes."""

from collections.abc import Iterable, Iterator

from bee_bus.documents.bmc import BmcSection, ChassisStatus, Controller, FruDevice, Sel, SelEvent
from bee_bus.documents.psus import Psu, PsusSection
from bee_bus.documents.sensors import Sensor, SensorsSection
from bee_bus.units import joined, number, quantity, several, without_vendor, words
from bee_cli.render.page import Page

NEAREST = 3  # temperatures shown
EVENTS = 5  # of the event log

_UNITS = {"degrees C": "°C", "degrees F": "°F", "Volts": "V", "Amps": "A", "Watts": "W"}


def put_psus(page: Page, psus: PsusSection) -> None:
    present = sum(1 for psu in psus.psus if psu.present)
    page.heading("psus", joined(several(len(psus.psus), "bay"), f"{present} present" if present else ""))
    page.table(("=psu", "model", "=serial", ">rated", ">now", "state"), map(_psu, psus.psus))


def put_sensors(page: Page, sensors: SensorsSection) -> None:
    off = sum(1 for sensor in sensors.sensors if sensor.status == "unavailable")
    page.heading(
        "sensors", joined(several(len(sensors.sensors), "sensor"), f"{off} without a reading" if off else "")
    )
    page.facts(_extremes(sensors.sensors))


def put_bmc(page: Page, bmc: BmcSection) -> None:
    page.heading("bmc")
    page.facts(
        [
            *(fact for controller in bmc.controllers for fact in _controller(controller)),
            ("chassis", _chassis(bmc.chassis) if bmc.chassis else ""),
            ("event log", _sel(bmc.sel) if bmc.sel else ""),
        ]
    )
    if bmc.sel:
        page.table(("=logged", "sensor", "event", ">times"), map(_event, bmc.sel.events[:EVENTS]))
    named = [fru for fru in bmc.fru_devices if not fru.unreadable]
    page.table(("fru", "what it says it is", "part number", "=serial"), map(_fru, named))


def _psu(psu: Psu) -> tuple[str, ...]:
    presence = {True: "present", False: "absent", None: ""}[psu.present]
    state = joined(*(state.name for state in psu.states if state.severity)) or presence
    watts = next(
        (value for value in (psu.input_watts, psu.power_watts, psu.output_watts) if value is not None), None
    )
    return (
        psu.name,
        words(psu.vendor, psu.model),
        psu.serial or "",
        quantity(psu.capacity_watts, "W"),
        quantity(watts, "W"),
        state,
    )


def _extremes(sensors: Iterable[Sensor]) -> Iterator[tuple[str, str]]:
    """The sensors past their limits, the temperatures nearest to theirs, the fans and the power drawn."""
    read = [sensor for sensor in sensors if sensor.value is not None]
    wrong = [sensor for sensor in sensors if sensor.status in ("warning", "critical")]
    for sensor in wrong:
        states = joined(*(state.name for state in sensor.states if state.severity))
        yield sensor.status, words(_reading(sensor), f"({states})" if states else "")
    temperatures = [one for one in read if one.kind == "temperature" and one not in wrong]
    hot = sorted(temperatures, key=_heat, reverse=True)
    for sensor in hot[:NEAREST]:
        yield "temperature", _reading(sensor)
    fans = [sensor.value for sensor in read if sensor.kind == "fan" and sensor.value is not None]
    if fans:
        unit = next((sensor.unit for sensor in read if sensor.kind == "fan"), None) or ""
        span = number(min(fans)) if min(fans) == max(fans) else f"{number(min(fans))} to {number(max(fans))}"
        yield "fans", f"{several(len(fans), 'reading')}, {span} {unit}"
    for sensor in read:
        if sensor.unit == "Watts" and "consumption" in sensor.name.lower():
            yield "power", _reading(sensor)


def _heat(sensor: Sensor) -> float:
    """How near a temperature is to where its limit says that it is too hot: 1 is there."""
    limit = _upper_limit(sensor)
    return (sensor.value or 0) / (limit if limit and limit > 0 else 100)


def _upper_limit(sensor: Sensor) -> float | None:
    limits = sensor.thresholds
    if limits is None:
        return None
    candidates = (limits.upper_critical, limits.upper_non_recoverable, limits.upper_non_critical)
    return next((limit for limit in candidates if limit is not None), None)


def _reading(sensor: Sensor) -> str:
    unit = _UNITS.get(sensor.unit or "", sensor.unit or "")
    limit = _upper_limit(sensor) if sensor.kind == "temperature" else None
    at_limit = f"(limit {number(limit)})" if limit is not None else ""
    return words(sensor.name, quantity(sensor.value, unit), at_limit)


def _controller(controller: Controller) -> Iterator[tuple[str, object]]:
    yield "controller", words(controller.vendor, without_vendor(controller.name, controller.vendor))
    yield "firmware", words(controller.firmware, "(being updated)" if controller.is_updating else "")
    for channel in controller.channels:
        address = joined(channel.ipv4_address, *channel.ipv6_addresses)
        source = f"({channel.ipv4_source})" if address and channel.ipv4_source else ""
        yield f"channel {channel.channel}", words(address or "no address", source, channel.mac_address)
    yield "self test", joined(*controller.self_test_failures)


def _chassis(chassis: ChassisStatus) -> str:
    """What is wrong with the chassis now; nothing when nothing is."""
    faults = {
        "power overload": chassis.power_overload,
        "power fault": chassis.power_fault,
        "power control fault": chassis.power_control_fault,
        "interlock active": chassis.interlock,
        "intrusion": chassis.intrusion,
        "drive fault": chassis.drive_fault,
        "cooling fault": chassis.cooling_fault,
    }
    return joined(*(name for name, active in faults.items() if active))


def _sel(sel: Sel) -> str:
    return joined(
        several(sel.entry_count, "entry", "entries"),
        f"{number(sel.percent_used)} % full" if sel.percent_used is not None else "",
        "events were lost" if sel.has_overflowed else "",
        f"the newest {sel.last_added_at}" if sel.last_added_at else "",
    )


def _event(event: SelEvent) -> tuple[str, ...]:
    newest = event.occurrences[0] if event.occurrences else None
    detail = f" ({event.detail})" if event.detail else ""
    cleared = " - cleared" if newest is not None and newest.cleared else ""
    when = newest.at if newest is not None and newest.at else ""
    return when.replace("T", " "), event.sensor, f"{event.event}{detail}{cleared}", str(event.count)


def _fru(fru: FruDevice) -> tuple[str, ...]:
    return fru.name, words(fru.vendor, fru.model), fru.part_number or "", fru.serial or ""
