"""The machine's identity, firmware, boards and chassis: SMBIOS types 0 to 3, and how it was booted."""

import re

from bee_audit.collectors.smbios import is_virtual, losses, read_smbios
from bee_audit.decode.filler import genuine
from bee_audit.decode.smbios import BiosInformation, Smbios, SystemInformation
from bee_bus.documents.board import Baseboard, Bios, BoardSection, Chassis, System
from bee_machine import Machine

EFI = "/sys/firmware/efi"
# UEFI 2.10 §3.3: a global variable; four bytes of attributes, then the value.
SECURE_BOOT = f"{EFI}/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"


async def collect(machine: Machine) -> BoardSection | None:
    smbios = await read_smbios(machine)
    if smbios is None:
        return None
    uefi = await machine.exists(EFI)
    variable = (await machine.read_files([SECURE_BOOT])).get(SECURE_BOOT) if uefi else None
    bios = smbios.bios
    return BoardSection(
        problems=losses(smbios),
        system=_system(smbios.system) if smbios.system else None,
        bios=_bios(bios) if bios else None,
        baseboards=_baseboards(smbios),
        chassis=_chassis(smbios),
        boot_mode="UEFI" if uefi else "BIOS",
        secure_boot=variable[4] == 1 if variable and len(variable) == 5 else None,
        virtual_machine=is_virtual(smbios),
        smbios_version=smbios.entry_point.stated_version,
        smbios_defects=smbios.problems if smbios.complete else (),
    )


def _system(system: SystemInformation) -> System:
    model = genuine(system.product_name)
    return System(
        id="system",
        name=model,
        vendor=genuine(system.manufacturer),
        model=model,
        version=genuine(system.version),
        serial=genuine(system.serial_number),
        uuid=system.uuid,
        sku=genuine(system.sku_number),
        family=genuine(system.family),
        wake_up_type=system.wake_up_type,
    )


def _bios(bios: BiosInformation) -> Bios:
    characteristics = bios.characteristics or ()
    return Bios(
        id="bios",
        name="BIOS",
        vendor=genuine(bios.vendor),
        firmware=genuine(bios.version),
        release_date=_iso_date(bios.release_date),
        revision=bios.bios_revision,
        controller_revision=bios.firmware_revision,
        rom_size_bytes=bios.rom_size_bytes,
        manufacturing_mode="Manufacturing mode is enabled" in characteristics or None,
    )


def _baseboards(smbios: Smbios) -> tuple[Baseboard, ...]:
    return tuple(
        Baseboard(
            id=f"baseboard{index}",
            name=genuine(board.product_name),
            location=genuine(board.location_in_chassis),
            vendor=genuine(board.manufacturer),
            model=genuine(board.product_name),
            version=genuine(board.version),
            serial=genuine(board.serial_number),
            asset_tag=genuine(board.asset_tag),
            type=board.board_type,
            features=board.features or (),
        )
        for index, board in enumerate(smbios.baseboards)
    )


def _chassis(smbios: Smbios) -> tuple[Chassis, ...]:
    return tuple(
        Chassis(
            id=f"chassis{index}",
            name=chassis.chassis_type,
            vendor=genuine(chassis.manufacturer),
            version=genuine(chassis.version),
            serial=genuine(chassis.serial_number),
            asset_tag=genuine(chassis.asset_tag),
            sku=genuine(chassis.sku_number),
            type=chassis.chassis_type,
            boot_up_state=chassis.boot_up_state,
            power_supply_state=chassis.power_supply_state,
            thermal_state=chassis.thermal_state,
            security_status=chassis.security_status,
            height_rack_units=chassis.height_rack_units,
            power_cord_count=chassis.power_cord_count,
        )
        for index, chassis in enumerate(smbios.chassis)
    )


def _iso_date(text: str | None) -> str | None:
    """mm/dd/yyyy, or mm/dd/yy of the last century (SMBIOS 3.7 §7.1).

    Two digits are only allowed before 2.3, of 1998: where they say a year before the first BIOS, this century
    is meant.
    """
    found = re.fullmatch(r"(\d\d)/(\d\d)/(\d{4}|\d\d)", text or "")
    if found is None:
        return genuine(text)
    month, day, year = found.groups()
    if len(year) == 2:
        year = f"{'19' if year >= '80' else '20'}{year}"
    return f"{year}-{month}-{day}"
