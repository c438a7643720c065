"""What a disk says of its own health: the parts of a `Disk` in the storage section."""

from typing import Literal

from bee_bus.documents.base import Document


class SmartAttribute(Document):
    """One row of an ATA disk's SMART table, as smartctl's drive database names and reads it.

    ``value``, ``worst`` and ``threshold`` are the vendor's normalised figures: good is high, and a value at
    or below its threshold is a failure (``failed``: now, or at some time in the past). ``count`` is the
    number that ``raw`` stands for; absent where the raw bytes are packed in a way that only the vendor knows.
    """

    number: int  # the attribute's id, 1 to 255
    name: str
    raw: int | None = None
    raw_text: str | None = None
    count: int | None = None
    value: int | None = None
    worst: int | None = None
    threshold: int | None = None
    prefailure: bool | None = None  # else it tells age or usage
    failed: Literal["now", "past"] | None = None


class SelfTest(Document):
    """One row of a disk's self-test log."""

    kind: str  # "short", "extended", "conveyance", "selective", "offline", "vendor"
    result: Literal["passed", "failed", "aborted", "running", "unknown"]
    description: str  # the result in the words of the standard
    power_on_hours: int | None = None  # the disk's age when the test ended; 16 bits wide on ATA and SCSI
    first_error_lba: int | None = None


class SelfTestLog(Document):
    """The self-tests that a disk remembers, the newest first."""

    supported: bool | None = None
    running: str | None = None  # what runs now: "extended"
    running_percent_done: int | None = None
    short_minutes: int | None = None  # how long the disk says that they take
    extended_minutes: int | None = None
    results: tuple[SelfTest, ...] = ()


class NvmeHealth(Document):
    """SMART / Health Information (log page 02h, NVMe 2.0 fig. 207) of the whole controller.

    Counters of 128 bits stand still at 2^63 - 1. ``critical_warnings``: the set bits in words;
    ``endurance_group_warnings``: those of which one of its endurance groups warns.
    """

    critical_warning: int | None = None
    critical_warnings: tuple[str, ...] = ()
    endurance_group_warnings: tuple[str, ...] = ()
    composite_temperature_celsius: int | None = None
    available_spare_percent: int | None = None
    available_spare_threshold_percent: int | None = None
    percentage_used: int | None = None  # of the rated endurance; may pass 100, stands still at 255
    bytes_read: int | None = None
    bytes_written: int | None = None
    host_read_commands: int | None = None
    host_write_commands: int | None = None
    controller_busy_minutes: int | None = None
    power_cycles: int | None = None
    power_on_hours: int | None = None
    unsafe_shutdowns: int | None = None
    media_errors: int | None = None
    error_log_entries: int | None = None
    warning_temperature_minutes: int | None = None
    critical_temperature_minutes: int | None = None
    temperature_sensors_celsius: tuple[int, ...] = ()
    thermal_transitions: tuple[int, ...] = ()  # into light and heavy throttling


class NvmeError(Document):
    """One entry of the Error Information log (01h, NVMe 2.0 fig. 206)."""

    number: int  # which error of the controller's life
    description: str
    status_type: int | None = None
    status_code: int | None = None
    lba: int | None = None
    namespace: int | None = None


class FirmwareSlot(Document):
    """One firmware slot (log 03h, NVMe 2.0 fig. 208). ``next``: becomes active at the next reset."""

    slot: int
    revision: str
    active: bool = False
    next: bool = False


class ScsiHealth(Document):
    """What a SAS disk counts (SPC-5 and SBC-4 log pages).

    ``uncorrected_*``: errors that its own correction could not repair. ``exception``: the additional sense of
    its informational exceptions page (asc 5Dh a predicted failure, 0Bh a warning), in words.
    """

    exception: str | None = None
    asc: int | None = None
    ascq: int | None = None
    grown_defects: int | None = None
    pending_defects: int | None = None
    uncorrected_reads: int | None = None
    uncorrected_writes: int | None = None
    uncorrected_verifies: int | None = None
    corrected_reads: int | None = None
    corrected_writes: int | None = None
    bytes_read: int | None = None
    bytes_written: int | None = None
    bytes_verified: int | None = None
    background_scan: str | None = None
    phy_errors: int | None = None  # invalid dwords, disparity and sync losses, of all its phys


class AtaHealth(Document):
    """What an ATA disk counts beside its attributes (ACS-4 §9.5 device statistics, SATA phy events)."""

    reallocated_sectors: int | None = None
    reported_uncorrectable: int | None = None
    pending_defects: int | None = None
    interface_crc_errors: int | None = None
    link_crc_failures: int | None = None  # commands that failed by it, since the counters were last reset
    error_log_entries: int | None = None
    locked: bool | None = None  # by a password (ACS-4 Security), without which it is neither read nor written
