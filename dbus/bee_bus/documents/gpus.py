"""The gpus section of the audit snapshot, and the inventory that org.bee.Gpu1 answers for it.

The section lists GPUs as PCI shows them. What only their driver knows comes from the service, when it is
there; a field that a GPU does not support is absent, not zero.
"""

from bee_bus.documents.base import Document, Section


class EccCounters(Document):
    """Memory errors since the driver was loaded (volatile) and over the GPU's life (aggregate)."""

    volatile_correctable: int | None = None
    volatile_uncorrectable: int | None = None
    aggregate_correctable: int | None = None
    aggregate_uncorrectable: int | None = None


class RowRemapping(Document):
    """Rows of GPU memory that were replaced by spare ones."""

    correctable: int | None = None
    uncorrectable: int | None = None
    pending: bool | None = None
    failed: bool | None = None


class GpuReadings(Document):
    """What the driver says of one GPU."""

    uuid: str | None = None
    minor_number: int | None = None
    board_part_number: str | None = None
    memory_bytes: int | None = None
    ecc_enabled: bool | None = None
    ecc_pending: bool | None = None  # after the next reboot
    mig_enabled: bool | None = None
    persistence_enabled: bool | None = None
    temperature_celsius: float | None = None
    memory_temperature_celsius: float | None = None
    power_watts: float | None = None
    power_limit_watts: float | None = None
    default_power_limit_watts: float | None = None
    max_power_limit_watts: float | None = None
    pcie_replay_count: int | None = None
    ecc: EccCounters | None = None
    remapped_rows: RowRemapping | None = None
    recovery_action: str | None = None


class InventoryGpu(Document):
    """One GPU in the answer of org.bee.Gpu1."""

    pci_address: str  # "0000:53:00.0"
    name: str | None = None
    serial: str | None = None
    vbios_version: str | None = None
    readings: GpuReadings | None = None


class GpuInventory(Document):
    """The answer of org.bee.Gpu1: every GPU that the driver sees."""

    gpus: tuple[InventoryGpu, ...] = ()
    driver_version: str | None = None
    cuda_version: str | None = None


class Gpu(Document):
    """A GPU or accelerator on PCI. ``in_inventory`` is absent when its driver was not asked."""

    id: str  # PCI address, "0000:53:00.0"
    name: str
    vendor_id: str
    device_id: str
    location: str | None = None
    vendor: str | None = None
    model: str | None = None
    part_number: str | None = None
    serial: str | None = None
    firmware: str | None = None  # VBIOS
    subsystem_vendor_id: str | None = None
    subsystem_device_id: str | None = None
    numa_node: int | None = None
    driver: str | None = None  # absent: no driver has taken it
    in_inventory: bool | None = None
    readings: GpuReadings | None = None


class GpusSection(Section):
    """``unplaced``: GPUs that the driver lists at addresses where PCI shows none."""

    gpus: tuple[Gpu, ...] = ()
    driver_version: str | None = None
    cuda_version: str | None = None
    unplaced: tuple[str, ...] = ()
