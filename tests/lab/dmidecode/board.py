"""BIOS, system, boards, chassis, slots, onboard devices, BMC and power supplies as dmidecode prints them."""

from collections.abc import Callable
from typing import Any

from lab.dmidecode.program import version
from lab.dmidecode.words import Fields, IfPrinted, Rendered, listed, size, unit, word, yes_no


def _bios(our: Any) -> Rendered:
    yield "Vendor", our["vendor"]
    yield "Version", our["version"]
    yield "Release Date", our["release_date"]
    yield "Address", our["address"]
    runtime = our["runtime_size_bytes"]
    yield (
        "Runtime Size",
        None if runtime is None else f"{runtime} bytes" if runtime % 1024 else f"{runtime >> 10} kB",
    )
    rom = our["rom_size_bytes"]
    yield "ROM Size", size(rom, "kB")
    yield "Characteristics", listed(our["characteristics"])
    yield "BIOS Revision", our["bios_revision"]
    yield "Firmware Revision", our["firmware_revision"]


def _system(our: Any) -> Rendered:
    yield "Manufacturer", our["manufacturer"]
    yield "Product Name", our["product_name"]
    yield "Version", our["version"]
    yield "Serial Number", our["serial_number"]
    yield "UUID", our["uuid"]
    yield "Wake-up Type", word(our["wake_up_type"])
    yield "SKU Number", our["sku_number"]
    yield "Family", our["family"]


def _baseboard(our: Any) -> Rendered:
    yield "Manufacturer", our["manufacturer"]
    yield "Product Name", our["product_name"]
    yield "Version", our["version"]
    yield "Serial Number", our["serial_number"]
    yield "Asset Tag", our["asset_tag"]
    yield "Features", listed(our["features"])
    yield "Location In Chassis", our["location_in_chassis"]
    yield "Chassis Handle", our["chassis_handle"]
    yield "Type", word(our["board_type"])
    handles = our["contained_object_handles"]
    yield "Contained Object Handles", None if handles is None else handles or "0"


def _chassis(our: Any) -> Rendered:
    yield "Manufacturer", our["manufacturer"]
    yield "Type", word(our["chassis_type"])
    yield "Lock", yes_no(our["lock_present"], "Present", "Not Present")
    yield "Version", our["version"]
    yield "Serial Number", our["serial_number"]
    yield "Asset Tag", our["asset_tag"]
    yield "Boot-up State", word(our["boot_up_state"])
    yield "Power Supply State", word(our["power_supply_state"])
    yield "Thermal State", word(our["thermal_state"])
    yield "Security Status", word(our["security_status"])
    yield "OEM Information", our["oem_information"]
    yield "Height", unit(our["height_rack_units"], "U")
    cords = our["power_cord_count"]
    yield "Number Of Power Cords", None if cords is None else str(cords)
    elements = our["contained_elements"]
    yield "Contained Elements", None if elements is None else [_element(part) for part in elements] or "0"
    yield "SKU Number", our["sku_number"]


def _element(part: Fields) -> str:
    least, most = part["minimum"], part["maximum"]
    count = str(least) if least == most else f"{least}-{most}"
    return f"{word(part['element_type'])} ({count})"


def _slot(our: Any) -> Rendered:
    yield "Designation", our["designation"]
    width = our["data_bus_width"]
    kind = (word(our["slot_type"]) or "").replace("CXL Flexbus", "CXL FLexbus")  # as dmidecode spells it
    if version() >= (3, 6):
        yield "Type", kind
        yield "Data Bus Width", word(_lanes(width))
    else:
        prefix = "" if width in ("Other", "Unknown") else width.replace(" bit", "-bit") + " "
        yield "Type", prefix + kind
    yield "Current Usage", word(our["current_usage"])
    yield "Length", word(our["length"])
    first, second = our["slot_id"], our["slot_id_second_byte"]
    card = kind == "PC Card (PCMCIA)"
    yield "ID", IfPrinted(f"Adapter {first}, Socket {second}" if card else str(first))
    yield "Characteristics", _list_or_unknown(our["characteristics"])
    yield "Bus Address", our["bus_address"]
    yield from _slot_peers(our)
    generation = our["pcie_generation"]
    if kind.startswith("PCI Express"):
        yield "PCI Express Generation", None if generation is None else str(generation)
    yield "Slot Physical Width", word(_lanes(our["physical_width"]))
    pitch = our["pitch_mm"]
    yield "Pitch", None if pitch is None else f"{pitch:.2f} mm"
    yield "Height", word(our["height"])


def _list_or_unknown(words: list[str] | None) -> Any:
    return None if words == ["Unknown"] else words or None


def _lanes(width: str | None) -> str | None:
    if version() < (3, 6):
        return width
    return f"{width[1:]}x or {width}" if width and width.startswith("x") else width


def _slot_peers(our: Any) -> Rendered:
    base, peers = our["data_bus_width_base"], our["peer_devices"]
    name = "Data Bus Width (Base)" if version() >= (3, 6) else "Data Bus Width"
    yield name, None if base is None else str(base)
    yield "Peer Devices", None if peers is None else str(len(peers))
    for number, peer in enumerate(peers or (), 1):
        yield f"Peer Device {number}", f"{peer['bus_address']} (Width {peer['data_bus_width']})"


def _ipmi(our: Any) -> Rendered:
    # dmidecode writes "Control Style"; the standard says Controller.
    kind = our["interface_type"]
    yield "Interface Type", (word(kind) or "").replace("Controller Style", "Control Style")
    yield "Specification Version", our["specification_version"]
    yield "I2C Slave Address", our["i2c_address"].lower()
    storage = our["nv_storage_device_address"]
    if storage is None:
        yield "NV Storage Device", "Not Present"
    else:
        yield "NV Storage Device Address", str(storage)
    yield "Base Address", f"{our['base_address']} ({our['base_address_space']})"
    yield "Register Spacing", word(our["register_spacing"])
    yield "Interrupt Polarity", our["interrupt_polarity"]
    yield "Interrupt Trigger Mode", our["interrupt_trigger_mode"]
    number = our["interrupt_number"]
    yield "Interrupt Number", None if number is None else str(number)


def _power_supply(our: Any) -> Rendered:
    group = our["power_unit_group"]
    yield "Power Unit Group", None if group is None else str(group)
    yield "Location", our["location"]
    yield "Name", our["device_name"]
    yield "Manufacturer", our["manufacturer"]
    yield "Serial Number", our["serial_number"]
    yield "Asset Tag", our["asset_tag"]
    yield "Model Part Number", our["model_part_number"]
    yield "Revision", our["revision"]
    yield "Max Power Capacity", unit(our["max_power_capacity_watts"], "W")
    yield "Status", yes_no(our["present"], f"Present, {word(our['status'])}", "Not Present")
    yield "Type", word(our["supply_type"])
    switching = our["input_voltage_range_switching"]
    yield "Input Voltage Range Switching", "N/A" if switching == "Not applicable" else word(switching)
    yield "Plugged", yes_no(our["plugged"], "Yes", "No")
    yield "Hot Replaceable", yes_no(our["hot_replaceable"], "Yes", "No")
    yield "Input Voltage Probe Handle", our["input_voltage_probe_handle"]
    yield "Cooling Device Handle", our["cooling_device_handle"]
    yield "Input Current Probe Handle", our["input_current_probe_handle"]


def _onboard(our: Any) -> Rendered:
    yield "Reference Designation", our["reference_designation"]
    yield "Type", word(our["device_type"])
    yield "Status", yes_no(our["enabled"], "Enabled", "Disabled")
    yield "Type Instance", str(our["type_instance"])
    yield "Bus Address", our["bus_address"]


RENDER: dict[int, Callable[[Any], Rendered]] = {
    0: _bios,
    1: _system,
    2: _baseboard,
    3: _chassis,
    9: _slot,
    38: _ipmi,
    39: _power_supply,
    41: _onboard,
}
