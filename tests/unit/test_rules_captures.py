"""The rules over the firmware of real machines: each finding is true, and nothing else is said."""

import pytest

from bee_audit.rules import board, cpus, memory
from bee_bus.documents.audit import Hardware
from lab.data import shared_data
from lab.judging import NOT_JUDGED, findings, firmware_sections, said
from lab.machine import FakeMachine

TABLES = "/sys/firmware/dmi/tables"
# A 16 GiB module beside 8 GiB of soldered memory; two 16 GiB modules beside four of 4 GiB.
TRUE = {
    "Lenovo-ThinkPad-T480": [
        ("memory.unbalanced", "Warning", "memory"),
        ("memory.mixed", "Warning", "memory/ChannelB-DIMM0"),
    ],
    "SuperMicro-X9DBL": [
        ("memory.unbalanced", "Warning", "memory"),
        ("memory.unbalanced", "Warning", "memory"),
        ("memory.mixed", "Warning", "memory"),
    ],
}


RULES = (*board.RULES, *cpus.RULES, *memory.RULES)


def test_what_was_not_read_is_not_judged() -> None:
    assert findings(Hardware(summary=NOT_JUDGED), RULES) == []


@pytest.mark.parametrize(
    "name",
    [
        "Asus-UX307LA",
        "GigaByte-X399",
        "Gigabyte-GA-MA74GMT-S2",
        "Lenovo-ThinkPad-T480",
        "Lenovo-ThinkPad-W510",
        "MSI-MS-7816",
        "SuperMicro-X9DBL",
        "Synology-RS3614xsp",
        "VMWare",
    ],
)
async def test_a_real_machines_firmware(name: str) -> None:
    dump = shared_data(f"smbios/{name}.bin").read_bytes()
    entry_length = 0x18 if dump.startswith(b"_SM3_") else 0x1F
    machine = FakeMachine(
        files={f"{TABLES}/smbios_entry_point": dump[:entry_length], f"{TABLES}/DMI": dump[0x20:]}
    )
    hardware = await firmware_sections(machine)
    assert said(findings(hardware, RULES)) == TRUE.get(name, [])
    assert hardware.board and hardware.cpus and hardware.memory
    assert hardware.board.problems == hardware.cpus.problems == hardware.memory.problems == ()
