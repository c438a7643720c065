"""ssacli of HPE: `ssacli ctrl all show config detail`."""

import re
from collections.abc import Iterator

from bee_audit.decode import DecodeError
from bee_audit.decode.filler import genuine
from bee_audit.decode.raid_tools.conditions import battery_condition, drive_condition, volume_condition
from bee_audit.decode.raid_tools.lines import text_lines, whole_number
from bee_bus.documents.storage import RaidBattery, RaidDrive, RaidVolume, StorageController

_CONTROLLER = re.compile(r"(.+?) in slot (\S+).*", re.IGNORECASE)
_ADDRESS = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$", re.IGNORECASE)

_Block = tuple[str, str, dict[str, str]]


def decode_ssacli(output: bytes) -> tuple[StorageController, ...]:
    """The controllers. Raises DecodeError when the output names none."""
    groups: list[list[_Block]] = []
    for block in _blocks(output):
        if block[0] == "controller":
            groups.append([])
        if groups:
            groups[-1].append(block)
    if not groups:
        raise DecodeError("ssacli: no controller in the output")
    return tuple(_controller(group) for group in groups)


def _blocks(output: bytes) -> Iterator[_Block]:
    """The parts that a heading begins; the values of the rest (arrays, enclosures) are not ours."""
    current: _Block | None = None
    for line in text_lines(output):
        started: _Block | None = None
        if line.indent == 0 and (found := _CONTROLLER.fullmatch(line.text)):
            started = ("controller", found[2], {"model": found[1]})
        elif line.name == "logical drive":
            started = ("volume", line.value or "?", {})
        elif line.name.startswith("physicaldrive "):
            # With a bracket it only names a member: "physicaldrive 1I:1:4 (port 1I:box 1:bay 4, ..., OK)".
            kind = "other" if "(" in line.text else "drive"
            started = (kind, line.text.split()[1], {})
        elif line.value is None or line.name in ("array", "mirror group", "enclosure"):
            started = ("other", line.name, {})
        if started is not None:
            if current is not None:
                yield current
            current = started
        elif current is not None and line.value is not None:
            current[2].setdefault(line.name, line.value)
    if current is not None:
        yield current


def _controller(blocks: list[_Block]) -> StorageController:
    _, slot, values = blocks[0]
    status = values.get("controller status")
    battery = values.get("battery/capacitor status")
    # "PCI Address (Domain:Bus:Device.Function): 0000:5C:00.0" has a colon in its name.
    address = _ADDRESS.search(values.get("pci address (domain", ""))
    return StorageController(
        id=address[0].lower() if address else f"slot{slot}",
        location=f"slot {slot}",
        model=values["model"],
        serial=genuine(values.get("serial number")),
        firmware=values.get("firmware version"),
        tool="ssacli",
        status=status,
        condition=volume_condition(status) if status is not None else None,
        drives=tuple(_drive(name, values) for kind, name, values in blocks if kind == "drive"),
        volumes=tuple(_volume(name, values) for kind, name, values in blocks if kind == "volume"),
        batteries=(RaidBattery(condition=battery_condition(battery), state=battery),) if battery else (),
    )


def _drive(slot: str, values: dict[str, str]) -> RaidDrive:
    state = values.get("status") or "no state"
    condition = drive_condition(state)
    if condition in ("ok", "spare") and values.get("ssd smart trip wearout", "").lower() == "true":
        condition, state = "predicted", f"{state}, SSD Smart Trip Wearout"
    return RaidDrive(
        slot=slot,
        condition=condition,
        state=state,
        model=values.get("model"),
        serial=genuine(values.get("serial number")),
        firmware=(values.get("firmware revision") or "").split(" (")[0] or None,
        temperature_celsius=whole_number(values.get("current temperature (c)")),
    )


def _volume(number: str, values: dict[str, str]) -> RaidVolume:
    state = values.get("status") or "no state"
    return RaidVolume(
        number=number,
        condition=volume_condition(state),
        state=state,
        level=values.get("fault tolerance"),
        name=values.get("logical drive label"),
    )
