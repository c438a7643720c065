"""A machine's SMBIOS: entry point and table together, structures decoded when they are asked for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bee_audit.decode import DecodeError
from bee_audit.decode.smbios.entry_point import EntryPoint, decode_entry_point
from bee_audit.decode.smbios.power import IpmiDevice, PowerSupply, decode_ipmi_device, decode_power_supply
from bee_audit.decode.smbios.slots import OnboardDevice, SystemSlot, decode_onboard_device, decode_slot
from bee_audit.decode.smbios.structure import RawStructure, Structure
from bee_audit.decode.smbios.table import walk

T = TypeVar("T", bound=Structure)

DUMP_TABLE_OFFSET = 0x20

DECODERS: dict[int, Callable[[RawStructure], Structure]] = {
    SystemSlot.TYPE: decode_slot,
    IpmiDevice.TYPE: decode_ipmi_device,
    PowerSupply.TYPE: decode_power_supply,
    OnboardDevice.TYPE: decode_onboard_device,
}


@dataclass(frozen=True)
class Smbios:
    """What the firmware says of the machine.

    ``problems``: what in the entry point or the table contradicts the standard, a sentence each.
    """

    entry_point: EntryPoint
    raw_structures: tuple[RawStructure, ...]
    problems: tuple[str, ...] = ()
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
    def slots(self) -> tuple[SystemSlot, ...]:
        return self.of(SystemSlot)

    @property
    def onboard_devices(self) -> tuple[OnboardDevice, ...]:
        return self.of(OnboardDevice)

    @property
    def ipmi_devices(self) -> tuple[IpmiDevice, ...]:
        return self.of(IpmiDevice)

    @property
    def power_supplies(self) -> tuple[PowerSupply, ...]:
        return self.of(PowerSupply)


def decode_smbios(entry_point: bytes, table: bytes) -> Smbios:
    """Decode the pair that the kernel exposes in /sys/firmware/dmi/tables. Raises DecodeError.

    Only an entry point that is none, or a table without one structure, is an error.
    """
    entry = decode_entry_point(entry_point)
    problems = list(entry.problems)
    if entry.structure_count is not None and len(table) < entry.table_length:
        problems.append(f"the table is {len(table)} bytes long, {entry.table_length} are stated")
    walked = walk(
        table[: entry.table_length],
        structure_count=entry.structure_count,
        ends_at_marker=entry.ends_at_marker,
    )
    problems += walked.problems
    if not walked.structures:
        raise DecodeError(f"SMBIOS table without a structure: {'; '.join(problems)}")
    return Smbios(entry, walked.structures, tuple(problems))


def decode_smbios_dump(dump: bytes) -> Smbios:
    """Decode a file of ``dmidecode --dump-bin``: entry point first, table at 0x20. Raises DecodeError."""
    entry = decode_entry_point(dump)
    start = entry.table_address
    if not 0 < start < len(dump):
        start = DUMP_TABLE_OFFSET
    return decode_smbios(dump[:DUMP_TABLE_OFFSET], dump[start:])
