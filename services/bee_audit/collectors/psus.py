"""The psus section: supplies and their bays, by sensors, FRU data and SMBIOS type 39."""

import re
from collections.abc import Iterable

import msgspec

from bee_audit.collectors.ipmi import IpmiFacts, read_ipmi
from bee_audit.collectors.ipmi_fru import FruFacts, first_genuine, fru_id
from bee_audit.collectors.ipmi_sensors import SensorFacts
from bee_audit.collectors.sensors import sensors_of
from bee_audit.collectors.smbios import read_smbios
from bee_audit.decode import DecodeError
from bee_audit.decode.filler import genuine
from bee_audit.decode.fru_facts import Fru, FruBoard, FruProduct
from bee_audit.decode.fru_records import POWER_SUPPLY as POWER_SUPPLY_RECORD
from bee_audit.decode.ipmi_names import DEVICE_RELATIVE, ENTITY_POWER_SUPPLY, entity_name
from bee_audit.decode.ipmi_states import POWER_SUPPLY, PRESENCE_TYPE, REDUNDANCY_TYPE, SPECIFIC_TYPE
from bee_audit.decode.sdr import FruLocator, SensorRecord
from bee_audit.decode.smbios import PowerSupply
from bee_bus.documents.psus import Psu, PsusSection
from bee_bus.documents.sensors import Sensor, SensorState
from bee_machine import Machine


async def collect(machine: Machine) -> PsusSection | None:
    facts = await read_ipmi(machine)
    if facts is None:
        return None
    bays = _bays(facts)
    problems = [*facts.problems["psus"]]
    for bay in bays:
        if bay.present and bay.fru and bay.fru.fru is None:
            problems.append(f"The FRU data of {bay.name} could not be read: {bay.fru.failure}.")
    supplies = await _type_39(machine)
    psus = tuple(_completed(_psu(bay, number), supplies) for number, bay in _numbered(bays))
    return PsusSection(psus=psus, problems=tuple(problems))


class _Bay(msgspec.Struct):
    """What belongs to one supply: the entity that sensors and FRU locators name."""

    location: str
    instance: int
    sensors: list[tuple[SensorFacts, Sensor]] = []
    fru: FruFacts | None = None

    @property
    def status_sensors(self) -> list[tuple[SensorFacts, Sensor]]:
        return [
            (one, sensor)
            for one, sensor in self.sensors
            if one.record.sensor_type in (POWER_SUPPLY, _ENTITY_PRESENCE) and not one.record.is_threshold
        ]

    @property
    def name(self) -> str:
        for one, sensor in self.status_sensors:
            if one.record.sensor_type == POWER_SUPPLY:
                return _STATUS_WORD.sub("", sensor.name).strip(" _-.") or sensor.name
        if self.fru and self.fru.locator.name:
            return self.fru.locator.name
        return self.location

    @property
    def present(self) -> bool | None:
        told = [_presence(one) for one, _ in self.status_sensors]
        if any(told):
            return True
        if False in told:
            return False
        if self.fru and self.fru.fru:
            return True
        # Of a part that is not there a BMC has no reading (IPMI 2.0 §35.14); a dead supply looks the same.
        return False if self._silent and not self._makers_own else None

    @property
    def of_another_chassis(self) -> bool:
        """Its maker lists the bays of the largest chassis, and switches off what this one lacks."""
        return self._silent and self._makers_own and self.fru is None and self.present is None

    @property
    def _silent(self) -> bool:
        return any(one.reading is not None and not one.reading.available for one, _ in self.status_sensors)

    @property
    def _makers_own(self) -> bool:
        return all(one.record.entity_id >= _MAKERS_ENTITIES for one, _ in self.status_sensors)


_ENTITY_PRESENCE = 0x25
_MAKERS_ENTITIES = 0x90  # from here on chassis-specific, board-specific and OEM entities (table 43-13)
_STATUS_WORD = re.compile(r"[ _-]*(status|stat|presence|present|state)$", re.IGNORECASE)


def _presence(one: SensorFacts) -> bool | None:
    """Whether a sensor says that its supply is there; None when it cannot tell."""
    if one.reading is None or not one.reading.available:
        return None
    offsets, record = one.reading.offsets, one.record
    if record.event_type == PRESENCE_TYPE:
        return None if not offsets else 1 in offsets
    if record.event_type != SPECIFIC_TYPE:
        return None
    if record.sensor_type == _ENTITY_PRESENCE:
        return True if 0 in offsets else False if 1 in offsets else None
    if 0 in offsets:
        return True
    return False if record.state_mask & 1 else None


def _bays(facts: IpmiFacts) -> list[_Bay]:
    """The bays in the order of their numbers. A redundancy sensor is about all of them and makes none."""
    sensors = [(one, sensor) for one, sensor in sensors_of(facts) if one.record.event_type != REDUNDANCY_TYPE]
    status = [one.record for one, _ in sensors if _is_status(one.record)]
    keys = _Keys(status)
    numbered = {record.entity_id for record in status if _number(record.name) is not None}
    bays: dict[_Key, _Bay] = {}
    for one, sensor in sensors:
        # "PSU Mismatch" beside "PSU 1 Status" and "PSU 2 Status" is about all supplies.
        about_all = _number(one.record.name) is None and one.record.entity_id in numbered
        if _makes_bay(one.record) and not (about_all and one.record.entity_id != ENTITY_POWER_SUPPLY):
            bay = _Bay(sensor.location or sensor.name, one.record.entity_instance)
            bays.setdefault(keys.of(one.record), bay)
    for fru in facts.frus:
        place = fru.locator
        if place.entity_id == ENTITY_POWER_SUPPLY:
            bay = _Bay(entity_name(place.entity_id, place.entity_instance), place.entity_instance)
            bays.setdefault(keys.of(place), bay).fru = fru
    for one, sensor in sensors:
        if (found := bays.get(keys.of(one.record))) is not None:
            found.sensors.append((one, sensor))
    return [bays[key] for key in sorted(bays) if not bays[key].of_another_chassis]


_Key = tuple[int, int, int, int]


class _Keys:
    """Which bay a sensor or a FRU device belongs to: its entity, as far as entities tell supplies apart."""

    def __init__(self, status: list[SensorRecord]) -> None:
        numbers = {(_entity(record), _number(record.name)) for record in status}
        entities = [entity for entity, _ in numbers]
        # "PS1 Status" and "PS2 Status" of one and the same entity: their names are all that tells them apart.
        self._shared = {entity for entity in entities if entities.count(entity) > 1}

    def of(self, place: SensorRecord | FruLocator) -> _Key:
        entity = _entity(place)
        number = _number(place.name)
        if isinstance(place, SensorRecord) and _is_status(place) and place.entity_id != ENTITY_POWER_SUPPLY:
            return *entity, 0x100 + place.number if number is None else number  # a supply of its own
        return *entity, number or 0 if entity in self._shared else 0


def _entity(place: SensorRecord | FruLocator) -> tuple[int, int, int]:
    owner = place.owner.address if place.entity_instance >= DEVICE_RELATIVE else 0
    return place.entity_id, owner, place.entity_instance


def _numbered(bays: list[_Bay]) -> list[tuple[int, _Bay]]:
    """The bays with the numbers of their entities, or counted where these are no numbers of bays."""
    numbers = [bay.instance % DEVICE_RELATIVE for bay in bays]
    if 0 in numbers or len(set(numbers)) < len(numbers):
        numbers = list(range(1, len(bays) + 1))
    return list(zip(numbers, bays, strict=True))


def _is_status(record: SensorRecord) -> bool:
    return record.sensor_type == POWER_SUPPLY and record.event_type == SPECIFIC_TYPE


def _makes_bay(record: SensorRecord) -> bool:
    on_supply = record.entity_id == ENTITY_POWER_SUPPLY
    return _is_status(record) or (
        on_supply and (record.sensor_type == POWER_SUPPLY or "Watts" in record.unit)
    )


def _psu(bay: _Bay, number: int) -> Psu:
    psu = Psu(
        id=f"psu{number}",
        name=bay.name,
        location=bay.location,
        present=bay.present,
        states=_states(bay),
        sensors=tuple(sensor.id for _, sensor in bay.sensors),
    )
    readings = _power_readings(sensor for one, sensor in bay.sensors if one.is_available)
    psu = msgspec.structs.replace(psu, **readings)
    return _with_fru(psu, bay.fru.locator, bay.fru.fru) if bay.fru and bay.fru.fru else psu


def _states(bay: _Bay) -> tuple[SensorState, ...]:
    states = {
        (state.name, state.severity): state for _, sensor in bay.status_sensors for state in sensor.states
    }
    return tuple(states.values())


_INPUT = re.compile(r"(^|[^a-z])p?(in|input|ac)([^a-z]|$)", re.IGNORECASE)
_OUTPUT = re.compile(r"(^|[^a-z])p?(out|output|dc)([^a-z]|$)", re.IGNORECASE)


def _power_readings(sensors: Iterable[Sensor]) -> dict[str, float]:
    """Watts and volts by what the sensors' names say: "PS1 Input Power", "PSU2_PIN", "PS1 POUT"."""
    readings: dict[str, float] = {}
    for sensor in sensors:
        if sensor.value is None:
            continue
        if sensor.unit == "Watts":
            side = (
                "input"
                if _INPUT.search(sensor.name)
                else "output"
                if _OUTPUT.search(sensor.name)
                else "power"
            )
            readings.setdefault(f"{side}_watts", sensor.value)
        elif sensor.unit == "Volts" and _INPUT.search(sensor.name):
            readings.setdefault("input_volts", sensor.value)
    return readings


def _with_fru(psu: Psu, locator: FruLocator, fru: Fru) -> Psu:
    product = fru.product or FruProduct(language_code=0)
    board = fru.board or FruBoard(language_code=0)
    ratings = next((one.facts for one in fru.records if one.type_code == POWER_SUPPLY_RECORD), {})
    capacity, hot_swap = ratings.get("capacity_watts"), ratings.get("hot_swap")

    return msgspec.structs.replace(
        psu,
        vendor=first_genuine(product.manufacturer, board.manufacturer),
        model=first_genuine(product.product_name, board.product_name),
        part_number=first_genuine(product.part_number, board.part_number),
        serial=first_genuine(product.serial_number, board.serial_number),
        version=first_genuine(product.version),
        manufactured_at=board.manufactured_at,
        fru=fru_id(locator),
        capacity_watts=capacity if isinstance(capacity, int) else None,
        hot_swap=hot_swap if isinstance(hot_swap, bool) else None,
    )


async def _type_39(machine: Machine) -> list[PowerSupply]:
    """What the firmware lists as power supplies and identifies; much of it is filler."""
    try:
        smbios = await read_smbios(machine)
    except (DecodeError, OSError):
        return []  # the board section says so
    supplies = smbios.of(PowerSupply) if smbios else ()
    return [one for one in supplies if genuine(one.serial_number) or genuine(one.model_part_number)]


def _completed(psu: Psu, supplies: list[PowerSupply]) -> Psu:
    """The supply with what SMBIOS adds: the entry of its serial number, else the only one of its bay."""
    matches = [one for one in supplies if psu.serial and one.serial_number == psu.serial]
    number = _number(psu.name)
    if not matches and psu.serial is None and psu.present is not False and number is not None:
        matches = [one for one in supplies if _bay_number(one) == number]
    if len(matches) != 1:
        return psu
    supply = matches[0]
    return msgspec.structs.replace(
        psu,
        vendor=psu.vendor or genuine(supply.manufacturer),
        model=psu.model or genuine(supply.device_name),
        part_number=psu.part_number or genuine(supply.model_part_number),
        serial=psu.serial or genuine(supply.serial_number),
        version=psu.version or genuine(supply.revision),
        capacity_watts=psu.capacity_watts or supply.max_power_capacity_watts,
        hot_swap=psu.hot_swap if psu.hot_swap is not None else supply.hot_replaceable,
    )


def _bay_number(supply: PowerSupply) -> int | None:
    by_location = _number(supply.location)
    return by_location if by_location is not None else _number(supply.device_name)


def _number(text: str | None) -> int | None:
    """The number in a bay's name."""
    found = re.search(r"\d+", text or "")
    return int(found[0]) if found else None
