"""A machine's SMBIOS: entry point and table together, structures decoded when they are asked for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bee_audit.decode import DecodeError
from bee_audit.decode.smbios.bios import BiosInformation, decode_bios
from bee_audit.decode.smbios.cache import Cache, decode_cache
from bee_audit.decode.smbios.entry_point import EntryPoint, decode_entry_point
from bee_audit.decode.smbios.memory import (
    MemoryArray,
    MemoryDevice,
    decode_memory_array,
    decode_memory_device,
)
from bee_audit.decode.smbios.power import IpmiDevice, PowerSupply, decode_ipmi_device, decode_power_supply
from bee_audit.decode.smbios.processor import Processor, decode_processor
from bee_audit.decode.smbios.slots import OnboardDevice, SystemSlot, decode_onboard_device, decode_slot
from bee_audit.decode.smbios.structure import RawStructure, Structure
from bee_audit.decode.smbios.system import (
    Baseboard,
    Chassis,
    SystemInformation,
    decode_baseboard,
    decode_chassis,
    decode_system,
)
from bee_audit.decode.smbios.table import walk

T = TypeVar("T", bound=Structure)

DUMP_TABLE_OFFSET = 0x20  # where dmidecode --dump-bin puts the table

DECODERS: dict[int, Callable[[RawStructure], Structure]] = {
    BiosInformation.TYPE: decode_bios,
    SystemInformation.TYPE: decode_system,
    Baseboard.TYPE: decode_baseboard,
    Chassis.TYPE: decode_chassis,
    Processor.TYPE: decode_processor,
    Cache.TYPE: decode_cache,
    SystemSlot.TYPE: decode_slot,
    MemoryArray.TYPE: decode_memory_array,
    MemoryDevice.TYPE: decode_memory_device,
    IpmiDevice.TYPE: decode_ipmi_device,
    PowerSupply.TYPE: decode_power_supply,
    OnboardDevice.TYPE: decode_onboard_device,
}


@dataclass(frozen=True)
class Smbios:
    """What the firmware says of the machine.

    ``problems``: what in the entry point or the table contradicts the standard, a sentence each.
    ``complete``: False when the table could not be followed to its end, so structures may be missing.
    """

    entry_point: EntryPoint
    raw_structures: tuple[RawStructure, ...]
    problems: tuple[str, ...] = ()
    complete: bool = True
    _decoded: dict[int, tuple[Any, ...]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def version(self) -> tuple[int, int, int]:
        return self.entry_point.version

    def of(self, kind: type[T]) -> tuple[T, ...]:
        """All structures of one kind, in the table's order: ``smbios.of(SystemSlot)``."""
        return self.of_type(kind.TYPE)

    def of_type(self, number: int) -> tuple[Any, ...]:
        """All structures of a type that has a decoder, in the table's order."""
        if number not in self._decoded:
            decode = DECODERS[number]
            found = tuple(decode(raw) for raw in self.raw_structures if raw.type == number)
            self._decoded[number] = found
        return self._decoded[number]

    @property
    def bios(self) -> BiosInformation | None:
        return next(iter(self.of(BiosInformation)), None)

    @property
    def system(self) -> SystemInformation | None:
        return next(iter(self.of(SystemInformation)), None)

    @property
    def baseboards(self) -> tuple[Baseboard, ...]:
        return self.of(Baseboard)

    @property
    def chassis(self) -> tuple[Chassis, ...]:
        return self.of(Chassis)

    @property
    def processors(self) -> tuple[Processor, ...]:
        return self.of(Processor)

    @property
    def caches(self) -> tuple[Cache, ...]:
        return self.of(Cache)

    @property
    def slots(self) -> tuple[SystemSlot, ...]:
        return self.of(SystemSlot)

    @property
    def memory_arrays(self) -> tuple[MemoryArray, ...]:
        return self.of(MemoryArray)

    @property
    def memory_devices(self) -> tuple[MemoryDevice, ...]:
        return self.of(MemoryDevice)

    @property
    def ipmi_devices(self) -> tuple[IpmiDevice, ...]:
        return self.of(IpmiDevice)

    @property
    def power_supplies(self) -> tuple[PowerSupply, ...]:
        return self.of(PowerSupply)

    @property
    def onboard_devices(self) -> tuple[OnboardDevice, ...]:
        return self.of(OnboardDevice)


def decode_smbios(entry_point: bytes, table: bytes) -> Smbios:
    """Decode the pair that the kernel exposes in /sys/firmware/dmi/tables. Raises DecodeError.

    Only an entry point that is none, or a table without one structure, is an error.
    """
    entry = decode_entry_point(entry_point)
    problems = list(entry.problems)
    if entry.structure_count is not None and len(table) < entry.table_length:
        problems.append(f"the table is {len(table)} bytes long, {entry.table_length} are stated")
    walked = walk(table[: entry.table_length], entry)
    problems += walked.problems
    if not walked.structures:
        raise DecodeError(f"SMBIOS table without a structure: {'; '.join(problems)}")
    return Smbios(entry, walked.structures, tuple(problems), walked.complete)


def decode_smbios_dump(dump: bytes) -> Smbios:
    """Decode a file of ``dmidecode --dump-bin``: entry point first, table at 0x20. Raises DecodeError."""
    start = decode_entry_point(dump).table_address
    if not 0 < start < len(dump):
        start = DUMP_TABLE_OFFSET
    return decode_smbios(dump[:DUMP_TABLE_OFFSET], dump[start:])


def decode_smbios_table(table: bytes) -> Smbios:
    """Decode a table without its entry point, as the kernel's DMI file alone. Raises DecodeError.

    Its version is unknown: it is read as the newest, fields by each structure's length.
    """
    entry = EntryPoint(
        version=(3, 7, 0),
        stated_version="",
        table_length=len(table),
        table_address=0,
        structure_count=None,
        ends_at_marker=True,
        problems=("the entry point is missing, so the version is not known",),
    )
    walked = walk(table, entry)
    if not walked.structures:
        raise DecodeError(f"neither an SMBIOS dump nor a table: {'; '.join(walked.problems)}")
    return Smbios(entry, walked.structures, entry.problems + walked.problems, walked.complete)
