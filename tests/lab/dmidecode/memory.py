"""Memory arrays and devices as dmidecode prints them."""

import re
from collections.abc import Callable
from typing import Any

from lab.dmidecode.words import IfPrinted, Rendered, row, size, unit, word


def device_size(number: int | None, wide: bool) -> str | None:
    """Type 17: with the 31-bit field, the greatest unit without a remainder."""
    if number is None or not wide:
        return size(number, "kB")
    mebibytes = number >> 20
    for name, shift in (("TB", 20), ("GB", 10)):
        if mebibytes % (1 << shift) == 0:
            return f"{mebibytes >> shift} {name}"
    return f"{mebibytes} MB"


def _volts(millivolts: int | None) -> str | None:
    if millivolts is None:
        return None
    return f"{millivolts / 1000:.1f} V" if millivolts % 100 == 0 else f"{millivolts / 1000:g} V"


def _memory_array(our: Any) -> Rendered:
    yield "Location", word(our["location"])
    yield "Use", word(our["use"])
    yield "Error Correction Type", word(our["error_correction_type"])
    yield "Maximum Capacity", size(our["maximum_capacity_bytes"])
    yield "Error Information Handle", our["error_information_handle"]
    yield "Number Of Devices", str(our["number_of_devices"])


def _memory_device(our: Any) -> Rendered:
    yield "Array Handle", our["array_handle"]
    yield "Error Information Handle", our["error_information_handle"]
    yield "Total Width", unit(our["total_width_bits"], "bits")
    yield "Data Width", unit(our["data_width_bits"], "bits")
    installed, number = our["installed"], our["size_bytes"]
    yield (
        "Size",
        device_size(number, wide=number is not None and number >= 0x7FFF << 20) if installed else None,
    )
    yield "Form Factor", word(our["form_factor"])
    number = our["device_set"]
    yield "Set", None if number is None else str(number)
    yield "Locator", our["locator"]
    yield "Bank Locator", our["bank_locator"]
    yield "Type", word(our["memory_type"])
    yield "Type Detail", row(our["type_detail"])
    yield "Speed", unit(our["speed_mts"], "MT/s")
    yield "Manufacturer", our["manufacturer"]
    yield "Serial Number", our["serial_number"]
    yield "Asset Tag", our["asset_tag"]
    yield "Part Number", our["part_number"]
    rank = our["rank"]
    yield "Rank", None if rank is None else str(rank)
    yield "Configured Memory Speed", unit(our["configured_speed_mts"], "MT/s")
    for name in ("Minimum Voltage", "Maximum Voltage", "Configured Voltage"):
        yield name, _volts(our[f"{name.lower().replace(' ', '_')}_millivolts"])
    yield "Memory Technology", word(our["technology"])
    yield "Memory Operating Mode Capability", row(our["operating_modes"])
    yield "Firmware Version", our["firmware_version"]
    yield "Module Manufacturer ID", our["module_manufacturer_id"]
    yield "Module Product ID", our["module_product_id"]
    yield "Memory Subsystem Controller Manufacturer ID", our["controller_manufacturer_id"]
    yield "Memory Subsystem Controller Product ID", our["controller_product_id"]
    for name in ("Non-Volatile Size", "Volatile Size", "Cache Size", "Logical Size"):
        number = our[f"{name.lower().replace(' ', '_').replace('-', '_')}_bytes"]
        yield name, None if not number else size(number)
    for part in ("PMIC0", "RCD"):
        yield f"{part} Manufacturer ID", our[f"{part.lower()}_manufacturer_id"]
        yield from _part_revision(part, our[f"{part.lower()}_revision"], our["memory_type"])

    # dmidecode prints nothing of a module in a slot that says it is empty.
    yield "Leftover Part Number", IfPrinted(str(our["leftover_part_number"]))
    yield "Leftover Serial Number", IfPrinted(str(our["leftover_serial_number"]))


def _part_revision(part: str, revision: str | None, memory_type: str) -> Rendered:
    if memory_type not in ("DDR5", "LPDDR5") or revision is None:
        yield f"{part} Revision Number", revision and revision.lower()
    elif revision == "Not Installed":
        yield f"{part} Device Type", revision
    else:
        numbers = re.fullmatch(r"Type (\d+), Revision (\S+)", revision)
        assert numbers
        yield f"{part} Device Type", numbers[1]
        yield f"{part} Device Revision", numbers[2]


RENDER: dict[int, Callable[[Any], Rendered]] = {16: _memory_array, 17: _memory_device}
