"""The JSON of storcli and perccli: `storcli64 /call show all J` and `storcli64 /call/eall/sall show all J`.

The first gives controllers, volumes and a line per drive; the second what each drive has counted.
"""

import re
from collections.abc import Iterator

import msgspec

from bee_audit.decode import DecodeError
from bee_audit.decode.filler import genuine
from bee_audit.decode.loose_json import JsonValue, parse_json
from bee_audit.decode.raid_tools.conditions import battery_condition, drive_condition, volume_condition
from bee_bus.documents.storage import RaidBattery, RaidDrive, RaidVolume, StorageController

_PCI_ADDRESS = re.compile(r"([0-9a-f]{2}):([0-9a-f]{2}):([0-9a-f]{2}):([0-9a-f]{2})", re.IGNORECASE)
_DRIVE_DETAILS = re.compile(r"Drive /c(\d+)(?:/e(\d+))?/s(\d+) - Detailed Information")
_CELSIUS = re.compile(r"(-?\d+) ?C\b")
_SECTORS = re.compile(r"\[0x([0-9a-f]{1,16}) Sectors\]", re.IGNORECASE)


class _Counts(msgspec.Struct, frozen=True):
    """What `show all` of one drive adds to its line in the list."""

    serial: str | None
    firmware: str | None
    size_bytes: int | None
    media_errors: int | None
    other_errors: int | None
    predicted_failures: int | None
    alert: bool
    temperature_celsius: int | None


def decode_storcli(output: bytes, drives_output: bytes | None = None) -> tuple[StorageController, ...]:
    """The controllers. Raises DecodeError when the first output is none of storcli's.

    Without ``drives_output``, or where it is no JSON, the drives' counters are absent.
    """
    document = parse_json(output, "storcli")
    if not document.at("Controllers").is_list():
        raise DecodeError("storcli: JSON, but without Controllers")
    counts = _all_counts(drives_output)
    controllers = []
    for index, part in enumerate(document.at("Controllers").items()):
        data = part.at("Response Data")
        number = part.at("Command Status", "Controller").integer(high=1000)
        if data.is_object():
            controllers.append(_controller(data, index if number is None else number, counts))
    return tuple(controllers)


def _controller(data: JsonValue, number: int, counts: dict[tuple[int, str], _Counts]) -> StorageController:
    basics, version, status = data.at("Basics"), data.at("Version"), data.at("Status")
    flat = data  # `show` without `all` has the same under other names, at the top
    said = status.at("Controller Status").text()
    address = basics.first("PCI Address").text() or flat.at("PCI Address").text() or ""
    found = _PCI_ADDRESS.fullmatch(address)
    return StorageController(
        id=f"00{found[1]}:{found[2]}:{found[3]}.{int(found[4], 16)}".lower() if found else f"storcli{number}",
        model=basics.at("Model").text() or flat.at("Product Name").text(),
        serial=genuine(basics.at("Serial Number").text() or flat.at("Serial Number").text()),
        firmware=version.at("Firmware Version").text() or flat.at("FW Version").text(),
        bios_version=version.at("Bios Version").text() or flat.at("BIOS Version").text(),
        tool="storcli",
        status=said,
        condition=volume_condition(said) if said is not None else None,
        memory_uncorrectable_errors=status.at("Memory Uncorrectable Errors").integer(),
        drives=tuple(_drives(data, number, counts)),
        volumes=tuple(_volumes(data)),
        batteries=tuple(_batteries(data)),
    )


def _drives(data: JsonValue, number: int, counts: dict[tuple[int, str], _Counts]) -> Iterator[RaidDrive]:
    for row in data.first("PD LIST", "Physical Device Information").items():
        slot, state = row.at("EID:Slt").text(), row.at("State").text()
        if slot is None or state is None:
            continue
        drive = RaidDrive(
            slot=slot, condition=drive_condition(state), state=state, model=row.at("Model").text()
        )
        counted = counts.get((number, slot.replace(" ", "").removeprefix(":")))
        yield drive if counted is None else _with_counts(drive, counted)


def _with_counts(drive: RaidDrive, counted: _Counts) -> RaidDrive:
    predicted = counted.alert or bool(counted.predicted_failures)
    return msgspec.structs.replace(
        drive,
        condition="predicted"
        if predicted and drive.condition in ("ok", "spare", "unknown")
        else drive.condition,
        serial=counted.serial,
        firmware=counted.firmware,
        size_bytes=counted.size_bytes,
        media_errors=counted.media_errors,
        other_errors=counted.other_errors,
        predicted_failures=counted.predicted_failures,
        temperature_celsius=counted.temperature_celsius,
    )


def _volumes(data: JsonValue) -> Iterator[RaidVolume]:
    for row in data.at("VD LIST").items():
        number, state = row.first("DG/VD", "VD").scalar_text(), row.at("State").text()
        if number is not None and state is not None:
            yield RaidVolume(
                number=number,
                condition=volume_condition(state),
                state=state,
                name=row.at("Name").text(),
                level=row.at("TYPE").text(),
            )


def _batteries(data: JsonValue) -> Iterator[RaidBattery]:
    for row in (*data.at("BBU_Info").items(), *data.at("Cachevault_Info").items()):
        state = row.at("State").text()
        if state is not None:
            yield RaidBattery(
                condition=battery_condition(state),
                state=state,
                model=row.at("Model").text(),
                temperature_celsius=_celsius(row.at("Temp")),
            )


def _all_counts(output: bytes | None) -> dict[tuple[int, str], _Counts]:
    """By controller number and "enclosure:slot" ("slot" alone without an enclosure)."""
    if output is None:
        return {}
    try:
        document = parse_json(output, "storcli")
    except DecodeError:
        return {}
    counts = {}
    for part in document.at("Controllers").items():
        for name, details in part.at("Response Data").members():
            found = _DRIVE_DETAILS.fullmatch(name)
            if found:
                address = f"{found[2]}:{found[3]}" if found[2] else found[3]
                drive = name.removesuffix(" - Detailed Information")
                counts[int(found[1]), address] = _counts(details, drive)
    return counts


def _counts(details: JsonValue, drive: str) -> _Counts:
    state, attributes = details.at(f"{drive} State"), details.at(f"{drive} Device attributes")
    sectors = _SECTORS.search(attributes.at("Raw size").text() or "")
    block = (attributes.at("Logical Sector Size").text() or "512B").upper()
    block_bytes = {"512B": 512, "4 KB": 4096, "4KB": 4096, "4096B": 4096}.get(block)
    return _Counts(
        serial=genuine(attributes.at("SN").text()),
        firmware=attributes.at("Firmware Revision").text(),
        size_bytes=int(sectors[1], 16) * block_bytes if sectors and block_bytes else None,
        media_errors=state.at("Media Error Count").integer(),
        other_errors=state.at("Other Error Count").integer(),
        predicted_failures=state.at("Predictive Failure Count").integer(),
        alert=(state.at("S.M.A.R.T alert flagged by drive").text() or "").lower() == "yes",
        temperature_celsius=_celsius(state.at("Drive Temperature")),
    )


def _celsius(value: JsonValue) -> int | None:
    found = _CELSIUS.search(value.text() or "")
    return int(found[1]) if found and 0 < int(found[1]) < 150 else None
