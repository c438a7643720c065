"""The memory section of the audit snapshot: slots by the firmware, modules by their SPD, errors by EDAC."""

from bee_bus.documents.base import Document, Section


class Spd(Document):
    """What a DDR4 or DDR5 module's EEPROM says (JEDEC 21-C Annex L, JESD400-5).

    ``serial``: its four bytes as hex, as firmware writes them into SMBIOS. ``device``: the EEPROM's place.
    """

    memory_type: str  # "DDR4", "DDR5"
    device: str | None = None  # "0-0050": I2C bus and address
    module_type: str | None = None  # "RDIMM"
    size_bytes: int | None = None
    ranks: int | None = None  # package ranks; of DDR5 per sub-channel
    device_width_bits: int | None = None  # 4 for x4
    ecc: bool | None = None
    rated_speed_mts: int | None = None
    vendor: str | None = None
    dram_vendor: str | None = None
    part_number: str | None = None
    serial: str | None = None
    manufactured: str | None = None  # ISO year and week, "2023-W14"
    checksum_valid: bool = True


class MemoryArray(Document):
    """Slots that form one address space (SMBIOS 3.7 §7.17)."""

    id: str
    location: str | None = None
    use: str | None = None
    error_correction: str | None = None  # "None", "Single-bit ECC", "Multi-bit ECC"
    maximum_capacity_bytes: int | None = None
    slot_count: int | None = None  # as the array states it


class Dimm(Document):
    """One slot, empty ones too (SMBIOS 3.7 §7.18).

    ``socket`` and ``channel`` only where the slot's names state them. The error counts are EDAC's since its
    counters began, where its label names this slot. ``disabled_*``: the module that a slot names although it
    says that it is empty: the firmware found it and does not use it.
    """

    id: str
    populated: bool
    name: str | None = None
    location: str | None = None  # the bank locator
    array: str | None = None
    vendor: str | None = None
    part_number: str | None = None
    serial: str | None = None
    asset_tag: str | None = None
    firmware: str | None = None
    size_bytes: int | None = None  # absent in a populated slot: the firmware could not tell
    form_factor: str | None = None
    type: str | None = None  # "DDR5"
    technology: str | None = None  # "DRAM", "NVDIMM-N"
    type_detail: tuple[str, ...] = ()
    volatile_bytes: int | None = None
    non_volatile_bytes: int | None = None
    ranks: int | None = None
    total_width_bits: int | None = None
    data_width_bits: int | None = None
    rated_speed_mts: int | None = None
    configured_speed_mts: int | None = None
    configured_voltage_millivolts: int | None = None
    module_maker: str | None = None  # by its JEDEC number
    socket: str | None = None
    channel: str | None = None
    corrected_error_count: int | None = None
    uncorrected_error_count: int | None = None
    edac: tuple[str, ...] = ()  # the labels of the EDAC ranks that are this slot
    spd: Spd | None = None
    disabled_part_number: str | None = None
    disabled_serial: str | None = None


class EdacDimm(Document):
    """A DIMM or rank as the kernel's memory controller driver counts it. ``slot``: the id of its slot."""

    label: str
    location: str | None = None  # "channel 0 slot 1"
    size_bytes: int | None = None
    type: str | None = None
    edac_mode: str | None = None
    corrected_error_count: int | None = None
    uncorrected_error_count: int | None = None
    slot: str | None = None  # absent: the label names no slot of the firmware's list


class MemoryController(Document):
    """EDAC's view of one controller. Errors are counted since ``seconds_since_reset``.

    ``*_unlocated_count``: errors that the hardware could not pin to a DIMM.
    """

    id: str
    name: str | None = None
    size_bytes: int | None = None
    seconds_since_reset: int | None = None
    corrected_error_count: int | None = None
    uncorrected_error_count: int | None = None
    corrected_unlocated_count: int | None = None
    uncorrected_unlocated_count: int | None = None
    dimms: tuple[EdacDimm, ...] = ()


class MemorySection(Section):
    """``installed_bytes``: the sum over the slots of system memory, of NVDIMMs their volatile part.
    ``kernel_total_bytes``: what the kernel manages (MemTotal). ``kernel_present_bytes``: what the firmware
    gave it, in whole memory blocks.
    """

    slots: tuple[Dimm, ...] = ()
    arrays: tuple[MemoryArray, ...] = ()
    controllers: tuple[MemoryController, ...] = ()
    processor: str | None = None  # by the firmware: its model limits the memory's speed
    slot_count: int | None = None
    populated_count: int | None = None
    installed_bytes: int | None = None
    kernel_total_bytes: int | None = None
    kernel_present_bytes: int | None = None
    hardware_corrupted_bytes: int | None = None  # pages that the kernel no longer uses after memory errors
    uptime_seconds: int | None = None
    loose_spd: tuple[Spd, ...] = ()  # modules that could not be matched to a slot
