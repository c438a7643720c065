"""arcconf of Adaptec and Microchip: `arcconf getconfig N`."""

import re

from bee_audit.decode import DecodeError
from bee_audit.decode.filler import genuine
from bee_audit.decode.raid_tools.conditions import battery_condition, drive_condition, volume_condition
from bee_audit.decode.raid_tools.lines import megabytes, text_lines, whole_number
from bee_bus.documents.storage import RaidBattery, RaidDrive, RaidVolume, StorageController

_ADDRESS = re.compile(r"pci address \(domain:bus:device:function\)\s*:\s*([0-9a-f:]{7,16})", re.IGNORECASE)
_VOLUME = re.compile(r"logical device number (\d+)")
_DRIVE = re.compile(r"device #\s*(\d+)")
_LOCATION = re.compile(
    r"connector (\d+), device (\d+)|(?:enclosure|backplane) (\d+), slot (\d+)", re.IGNORECASE
)
_OF_A_DRIVE = "device phy information"  # a heading within a drive; its error counters follow
_BATTERY_NAMES = ("overall backup unit status", "supercap status", "status")


def decode_arcconf_count(output: bytes) -> int:
    """How many controllers there are, 0 when the output does not say."""
    found = re.search(rb"Controllers found:\s*(\d{1,3})", output)
    return int(found[1]) if found else 0


def decode_arcconf(output: bytes, *, number: int) -> StorageController:
    """One controller. Raises DecodeError when the output is no configuration."""
    blocks: list[tuple[str, str, dict[str, str]]] = []
    for line in text_lines(output):
        if line.value is None and line.name.endswith(" information") and line.name != _OF_A_DRIVE:
            blocks.append(("part", line.name, {}))
        elif line.value is None and (found := _VOLUME.fullmatch(line.name)):
            blocks.append(("volume", found[1], {}))
        elif line.value is None and (found := _DRIVE.fullmatch(line.name)):
            blocks.append(("drive", found[1], {}))
        elif blocks:
            values = blocks[-1][2]
            values.setdefault(line.name, line.value if line.value is not None else "")
    parts = {name: values for kind, name, values in blocks if kind == "part"}
    controller = parts.get("controller information")
    if controller is None:
        raise DecodeError("arcconf: no controller in the output")
    status = controller.get("controller status") or None
    versions = parts.get("controller version information", {}) or parts.get("version information", {})
    return StorageController(
        id=_address(output) or f"arcconf{number}",
        model=controller.get("controller model") or None,
        serial=genuine(controller.get("controller serial number") or None),
        firmware=versions.get("firmware") or None,
        bios_version=versions.get("bios") or None,
        tool="arcconf",
        status=status,
        condition=volume_condition(status) if status is not None else None,
        drives=tuple(
            _drive(name, values)
            for kind, name, values in blocks
            if kind == "drive" and "state" in values  # an enclosure is a device too, without a state
        ),
        volumes=tuple(_volume(name, values) for kind, name, values in blocks if kind == "volume"),
        batteries=_batteries(parts),
    )


def _address(output: bytes) -> str | None:
    found = _ADDRESS.search(output.decode("utf-8", "replace"))
    numbers = found[1].split(":") if found else []
    if len(numbers) != 4 or not all(numbers):
        return None
    domain, bus, device, function = (int(number, 16) for number in numbers)
    return f"{domain:04x}:{bus:02x}:{device:02x}.{function:x}"


def _drive(number: str, values: dict[str, str]) -> RaidDrive:
    state = values.get("state") or "no state"
    condition = drive_condition(state)
    warnings = _largest(values, "s.m.a.r.t. warnings", "smart warning count", "predictive failures")
    if condition in ("ok", "spare") and (warnings or values.get("s.m.a.r.t.", "").lower() == "yes"):
        condition = "predicted"
    location = _LOCATION.search(values.get("reported location", ""))
    slot = ":".join(group for group in location.groups() if group) if location else f"#{number}"
    return RaidDrive(
        slot=slot,
        condition=condition,
        state=state,
        model=values.get("model") or None,
        serial=genuine(values.get("serial number") or None),
        firmware=values.get("firmware") or None,
        size_bytes=megabytes(values.get("total size")),
        predicted_failures=warnings,
        media_errors=_largest(values, "medium error count", "media failures"),
        temperature_celsius=whole_number(values.get("current temperature") or values.get("temperature")),
    )


def _largest(values: dict[str, str], *names: str) -> int | None:
    """Of one count under the names of several versions."""
    counts = (whole_number(values.get(name)) for name in names)
    return max((count for count in counts if count is not None), default=None)


def _volume(number: str, values: dict[str, str]) -> RaidVolume:
    state = values.get("status of logical device") or "no state"
    return RaidVolume(
        number=number,
        condition=volume_condition(state),
        state=state,
        name=values.get("logical device name") or None,
        level=values.get("raid level") or None,
        size_bytes=megabytes(values.get("size")),
    )


def _batteries(parts: dict[str, dict[str, str]]) -> tuple[RaidBattery, ...]:
    for name in ("controller cache backup unit information", "controller battery information"):
        values = parts.get(name, {})
        for key in _BATTERY_NAMES:
            if state := values.get(key):
                return (
                    RaidBattery(
                        condition=battery_condition(state),
                        state=state,
                        model=values.get("backup unit type") or None,
                    ),
                )
    return ()
