"""What does not change while the driver is loaded."""

from bee_bus.documents.base import Document


class TemperatureLimits(Document):
    """The device's own limits, as temperatures (until Ampere) or as margins (Ada, Hopper and later).

    A margin counts down to the limit: 0 is "at the highest temperature of normal work", and the slowdown
    margin (−2) says how far below that the hardware slows down.
    """

    shutdown_celsius: int | None = None
    slowdown_celsius: int | None = None
    gpu_max_celsius: int | None = None
    memory_max_celsius: int | None = None
    shutdown_margin_celsius: int | None = None
    slowdown_margin_celsius: int | None = None
    gpu_max_margin_celsius: int | None = None
    memory_max_margin_celsius: int | None = None


class GpuIdentity(Document):
    """``id`` is the PCI address ("0000:3b:00.0"); ``index`` is NVML's number, which can change;
    absent for a GPU that another driver runs.

    ``clock_event_reasons_supported`` and ``event_types_supported`` are masks of NVML.
    ``inforom_valid`` is the result of the infoROM's own checksums.
    """

    id: str
    index: int | None = None
    uuid: str | None = None
    name: str | None = None
    brand: str | None = None
    architecture: str | None = None
    compute_capability: str | None = None
    serial: str | None = None
    part_number: str | None = None
    firmware: str | None = None  # the VBIOS
    inforom_image: str | None = None
    inforom_oem: str | None = None
    inforom_ecc: str | None = None
    inforom_power: str | None = None
    inforom_valid: bool | None = None
    gsp_firmware: str | None = None
    minor: int | None = None  # of /dev/nvidiaN
    module_id: int | None = None  # the socket on the baseboard
    board_id: int | None = None
    multi_gpu_board: bool | None = None
    pci_id: str | None = None  # "10de:2330"
    pci_subsystem_id: str | None = None
    numa_node: int | None = None
    cuda_cores: int | None = None
    memory_bus_bits: int | None = None
    memory_total_bytes: int | None = None
    bar1_total_bytes: int | None = None
    virtualization: str | None = None
    clock_graphics_max_mhz: int | None = None
    clock_sm_max_mhz: int | None = None
    clock_memory_max_mhz: int | None = None
    clock_video_max_mhz: int | None = None
    clock_boost_max_mhz: int | None = None
    pcie_generation_max: int | None = None  # what slot and GPU can do together
    pcie_generation_gpu_max: int | None = None
    pcie_width_max: int | None = None
    power_limit_default_watts: float | None = None
    power_limit_min_watts: float | None = None
    power_limit_max_watts: float | None = None
    temperature_limits: TemperatureLimits | None = None
    clock_event_reasons_supported: int | None = None
    event_types_supported: int | None = None
    problems: tuple[str, ...] = ()
