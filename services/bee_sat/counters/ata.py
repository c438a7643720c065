"""ATA attributes that count faults: what their growth during a run means."""

from bee_bus import ata_counters
from bee_bus.ata_counters import AtaCounter
from bee_sat.counters.reading import Kind

REPLACE = "Replace the disk; send the vendor the output of `smartctl -x` with its serial number."
CABLE = "Reseat or replace the cable, the backplane or the tray, and run again."
POWER = "Look at its power: connector, backplane, supply."
COOL = "Check fans and air flow, and run again."

COUNTERS: tuple[tuple[Kind, AtaCounter], ...] = (
    (
        Kind(
            "storage.reallocated_sectors",
            "sectors that it moved to spare ones",
            REPLACE,
            told_by=("storage.reallocated-sectors", "storage.reallocation-events"),
        ),
        ata_counters.REALLOCATED_SECTORS,
    ),
    (
        Kind(
            "storage.retired_blocks",
            "blocks of flash that it retired",
            "Run again: replace the disk if the count goes on growing.",
            severity="Warning",
            told_by=("storage.reallocated-blocks",),
        ),
        ata_counters.RETIRED_BLOCKS,
    ),
    (
        Kind(
            "storage.spin_retries",
            "times that it needed more than one start to spin up",
            POWER,
            severity="Warning",
            told_by=("storage.spin-retries",),
        ),
        ata_counters.SPIN_RETRIES,
    ),
    (
        Kind(
            "storage.end_to_end_errors",
            "times that data was corrupted in its own electronics",
            REPLACE,
            told_by=("storage.end-to-end-errors",),
        ),
        ata_counters.END_TO_END_ERRORS,
    ),
    (
        Kind(
            "storage.reported_uncorrectable",
            "times that it could not give back data",
            REPLACE,
            told_by=("storage.reported-uncorrectable",),
        ),
        ata_counters.REPORTED_UNCORRECTABLE,
    ),
    (
        Kind(
            "storage.command_timeouts",
            "commands that ran into a timeout",
            CABLE,
            severity="Warning",
            told_by=("storage.command-timeouts",),
        ),
        ata_counters.COMMAND_TIMEOUTS,
    ),
    (
        Kind(
            "storage.pending_sectors",
            "sectors that cannot be read now",
            REPLACE,
            falls=True,
            told_by=("storage.pending-sectors",),
        ),
        ata_counters.PENDING_SECTORS,
    ),
    (
        Kind(
            "storage.offline_uncorrectable",
            "sectors that its own scan could not read",
            REPLACE,
            falls=True,
            told_by=("storage.offline-uncorrectable",),
        ),
        ata_counters.OFFLINE_UNCORRECTABLE,
    ),
    (
        Kind(
            "storage.soft_read_errors",
            "uncorrected read errors off its surface",
            REPLACE,
            told_by=("storage.soft-read-errors",),
        ),
        ata_counters.SOFT_READ_ERRORS,
    ),
    (
        Kind(
            "storage.interface_crc_errors",
            "transfers that arrived damaged over its cable",
            CABLE,
            severity="Warning",
            grave=True,
            told_by=("storage.interface-crc",),
        ),
        ata_counters.INTERFACE_CRC_ERRORS,
    ),
)
KINDS = tuple(kind for kind, _ in COUNTERS)
PENDING = next(kind for kind in KINDS if kind.name == "storage.pending_sectors")
