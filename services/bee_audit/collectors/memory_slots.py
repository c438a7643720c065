"""The memory slots as the firmware lists them (SMBIOS type 17), with the names that people use for them."""

import re
from collections.abc import Mapping

from bee_audit.collectors.naming import distinct
from bee_audit.decode.filler import genuine
from bee_audit.decode.jedec import known_maker, maker
from bee_audit.decode.memory_locator import slot_place
from bee_audit.decode.smbios import MemoryDevice, Smbios
from bee_bus.documents.memory import Dimm

# The chips that firmware lives in: some boards list them as memory devices (SMBIOS 3.7 §7.18.2).
_FIRMWARE_CHIPS = ("ROM", "Flash", "EEPROM", "FEPROM", "EPROM")


def slots_of(smbios: Smbios) -> tuple[Dimm, ...]:
    """Every slot, empty ones too, in the table's order."""
    flash = {array.handle for array in smbios.memory_arrays if array.use == "Flash Memory"}
    devices = [
        device
        for device in smbios.memory_devices
        if device.memory_type not in _FIRMWARE_CHIPS and device.array_handle not in flash
    ]
    locators = [genuine(device.locator) for device in devices]
    banks = [genuine(device.bank_locator) for device in devices]
    # Where a locator repeats in every bank, the bank is the greater part of the name.
    longer = [
        f"{bank} {locator}" if bank and locator else bank or locator
        for bank, locator in zip(banks, locators, strict=True)
    ]
    ids = distinct(locators, longer, "DIMM")
    arrays = {array.handle: f"array{index}" for index, array in enumerate(smbios.memory_arrays)}
    return tuple(
        _dimm(identity, device, bank, arrays)
        for identity, device, bank in zip(ids, devices, banks, strict=True)
    )


def _dimm(identity: str, device: MemoryDevice, bank: str | None, arrays: Mapping[int, str]) -> Dimm:
    place = slot_place(device.locator, device.bank_locator)
    return Dimm(
        id=identity,
        name=genuine(device.locator) or identity,
        location=bank,
        array=arrays.get(device.array_handle) if device.array_handle is not None else None,
        vendor=_vendor(device),
        part_number=genuine(device.part_number),
        serial=genuine(device.serial_number),
        asset_tag=genuine(device.asset_tag),
        firmware=genuine(device.firmware_version),
        populated=device.installed is not False,
        size_bytes=device.size_bytes,
        form_factor=device.form_factor,
        type=device.memory_type,
        technology=device.technology,
        type_detail=device.type_detail or (),
        volatile_bytes=device.volatile_size_bytes,
        non_volatile_bytes=device.non_volatile_size_bytes,
        ranks=device.rank,
        total_width_bits=device.total_width_bits,
        data_width_bits=device.data_width_bits,
        rated_speed_mts=device.speed_mts,
        configured_speed_mts=device.configured_speed_mts,
        configured_voltage_millivolts=device.configured_voltage_millivolts,
        module_maker=_jedec_maker(device.module_manufacturer_id),
        socket=place.socket or None if place else None,
        channel=place.channel if place else None,
        disabled_part_number=device.leftover_part_number,
        disabled_serial=device.leftover_serial_number,
    )


def _vendor(device: MemoryDevice) -> str | None:
    """The maker's name; some firmware writes its JEDEC number instead, once or twice ("80CE000080CE"), or a
    number of the first bank and zeros ("CE00", "AD00000000000000").
    """
    stated = genuine(device.manufacturer)
    number = re.fullmatch(r"(?:0x)?([0-9A-F]{2})([0-9A-F]{2})(?:[0-9A-F]{8}|0{12})?", stated or "")
    if number is not None:
        first, second = int(number[1], 16), int(number[2], 16)
        return known_maker(first, second) or (None if second else known_maker(0, first)) or stated
    return stated or _jedec_maker(device.module_manufacturer_id)


def _jedec_maker(number: str | None) -> str | None:
    found = re.fullmatch(r"Bank (\d+), Hex 0x([0-9A-F]{2})", number or "")
    return maker(int(found[1]) - 1, int(found[2], 16)) if found else None
