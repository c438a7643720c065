"""The board section of the audit snapshot: the machine's identity, firmware, boards and chassis."""

from typing import Literal

from bee_bus.documents.base import Document, Section


class System(Document):
    """The machine as its maker sells it (SMBIOS 3.7 §7.2)."""

    id: str
    name: str | None = None  # the product
    vendor: str | None = None
    model: str | None = None
    version: str | None = None
    serial: str | None = None
    uuid: str | None = None
    sku: str | None = None
    family: str | None = None
    wake_up_type: str | None = None  # what started it


class Bios(Document):
    """The firmware that booted the machine (SMBIOS 3.7 §7.1). ``firmware``: its version."""

    id: str
    name: str | None = None
    vendor: str | None = None
    firmware: str | None = None
    release_date: str | None = None  # ISO where it can be read, else as the firmware writes it
    revision: str | None = None
    controller_revision: str | None = None  # of the embedded controller
    rom_size_bytes: int | None = None
    manufacturing_mode: bool | None = None


class Baseboard(Document):
    """A circuit board (SMBIOS 3.7 §7.3)."""

    id: str
    name: str | None = None
    location: str | None = None
    vendor: str | None = None
    model: str | None = None
    version: str | None = None
    serial: str | None = None
    asset_tag: str | None = None
    type: str | None = None  # "Motherboard", "Server Blade", "Daughter Board"
    features: tuple[str, ...] = ()


class Chassis(Document):
    """An enclosure (SMBIOS 3.7 §7.4). The states are those at the last boot, in the standard's words."""

    id: str
    name: str | None = None
    vendor: str | None = None
    version: str | None = None
    serial: str | None = None
    asset_tag: str | None = None
    sku: str | None = None
    type: str | None = None  # "Rack Mount Chassis"
    boot_up_state: str | None = None
    power_supply_state: str | None = None
    thermal_state: str | None = None
    security_status: str | None = None
    height_rack_units: int | None = None
    power_cord_count: int | None = None


class BoardSection(Section):
    """``smbios_defects``: what in the firmware's tables contradicts the standard without hiding anything."""

    system: System | None = None
    bios: Bios | None = None
    baseboards: tuple[Baseboard, ...] = ()
    chassis: tuple[Chassis, ...] = ()
    boot_mode: Literal["UEFI", "BIOS"] | None = None
    secure_boot: bool | None = None
    virtual_machine: bool = False
    smbios_version: str | None = None
    smbios_defects: tuple[str, ...] = ()
