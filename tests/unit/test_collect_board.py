"""The machine's identity as its firmware states it, without what nobody filled in."""

import errno

import pytest

from bee_audit.collectors import board, cpus, memory
from bee_audit.decode import DecodeError
from lab.data import shared_data
from lab.machine import FakeMachine
from lab.smbios import Firmware
from lab.two_sockets import TwoSockets

TABLES = "/sys/firmware/dmi/tables"


def machine_of_dump(name: str) -> FakeMachine:
    dump = shared_data(f"smbios/{name}.bin").read_bytes()
    return FakeMachine(
        files={f"{TABLES}/smbios_entry_point": dump[:0x1F], f"{TABLES}/DMI": dump[0x20:]},
    )


async def test_a_server_that_was_set_up_in_the_factory() -> None:
    section = await board.collect(TwoSockets().machine())
    assert section is not None and section.system and section.bios
    system = section.system
    assert (system.vendor, system.model, system.serial, system.sku) == (
        "Bee Systems",
        "BX-4",
        "S1234567",
        "SKU-7",
    )
    assert system.uuid == "03020100-0504-0706-0809-0a0b0c0d0e0f"
    assert (section.bios.firmware, section.bios.release_date, section.bios.revision) == (
        "1.2.3",
        "2024-02-29",
        "5.17",
    )
    assert section.bios.rom_size_bytes == 2 << 30
    assert [(one.id, one.serial, one.type) for one in section.baseboards] == [
        ("baseboard0", "B7654321", "Motherboard")
    ]
    assert [(one.id, one.serial, one.height_rack_units) for one in section.chassis] == [
        ("chassis0", "CH-99", 4)
    ]
    assert (section.boot_mode, section.smbios_version, section.problems) == ("BIOS", "3.7.0", ())


@pytest.mark.parametrize(("value", "secure"), [(b"\x06\0\0\0\x01", True), (b"\x06\0\0\0\0", False)])
async def test_a_machine_booted_by_uefi(value: bytes, secure: bool) -> None:
    server = TwoSockets(files={board.SECURE_BOOT: value, "/sys/firmware/efi/fw_platform_size": "64\n"})
    section = await board.collect(server.machine())
    assert section is not None and (section.boot_mode, section.secure_boot) == ("UEFI", secure)


async def test_what_nobody_filled_in_is_absent() -> None:
    section = await board.collect(machine_of_dump("SuperMicro-X9DBL"))
    assert section is not None and section.system and section.chassis
    assert section.system.serial == "9000116105" and section.system.sku is None
    assert section.chassis[0].serial is None and section.chassis[0].asset_tag is None
    assert section.baseboards[0].serial == "VM147S018307" and section.baseboards[0].version is None


@pytest.mark.parametrize(
    "filler",
    ["12345678", "0123456789", "0x00000000", "0xFFFFFFFF", "Type2 - Board Version", "Unspecified", "TBD"],
)
async def test_a_placeholder_is_nobodys_serial_number(filler: str) -> None:
    firmware = Firmware()
    firmware.system(serial=filler)
    section = await board.collect(FakeMachine(files=firmware.files()))
    assert section is not None and section.system and section.system.serial is None


@pytest.mark.parametrize("serial", ["1", "12345679", "S12345678", "0x00000001", "J70FG53"])
async def test_a_short_or_plain_serial_number_is_one(serial: str) -> None:
    firmware = Firmware()
    firmware.system(serial=serial)
    section = await board.collect(FakeMachine(files=firmware.files()))
    assert section is not None and section.system and section.system.serial == serial


async def test_a_machine_without_smbios_has_no_board() -> None:
    assert await board.collect(FakeMachine()) is None
    assert await memory.collect(FakeMachine()) is None
    assert await cpus.collect(FakeMachine()) is None


async def test_a_table_that_breaks_off_is_a_problem_of_each_section_made_of_it() -> None:
    machine = TwoSockets().machine()
    table = machine.files[f"{TABLES}/DMI"]
    assert isinstance(table, bytes)
    machine.files[f"{TABLES}/DMI"] = table[:-40]
    for section in (
        await board.collect(machine),
        await cpus.collect(machine),
        await memory.collect(machine),
    ):
        assert section is not None and "breaks off" in section.problems[0]


async def test_a_table_that_is_none_is_an_error() -> None:
    machine = FakeMachine(files={f"{TABLES}/smbios_entry_point": b"\xff" * 31, f"{TABLES}/DMI": b"\xff" * 90})
    with pytest.raises(DecodeError, match="no SMBIOS entry point"):
        await board.collect(machine)


async def test_without_root_the_kernels_side_is_still_there() -> None:
    denied = PermissionError(errno.EACCES, "Permission denied")
    machine = TwoSockets(files={f"{TABLES}/smbios_entry_point": denied}).machine()
    with pytest.raises(PermissionError):
        await board.collect(machine)
    section = await cpus.collect(machine)
    assert section is not None and "Permission denied" in section.problems[0]
    assert [cpu.id for cpu in section.sockets] == ["CPU0", "CPU1"] and section.core_count == 112


async def test_the_table_is_read_once_for_all_sections() -> None:
    machine = TwoSockets().machine()
    await board.collect(machine)
    del machine.files[f"{TABLES}/DMI"]
    section = await memory.collect(machine)
    assert section is not None and section.slot_count == 16


@pytest.mark.parametrize(
    ("date", "iso"),
    [
        ("02/29/2024", "2024-02-29"),
        ("08/03/97", "1997-08-03"),
        ("05/17/19", "2019-05-17"),
        ("2024-02-29", "2024-02-29"),
    ],
)
async def test_release_dates(date: str, iso: str) -> None:
    firmware = Firmware()
    firmware.add(0, b"\x00\x00\x00\xf0\x01\xff" + bytes(14), (date,))
    section = await board.collect(FakeMachine(files=firmware.files()))
    assert section is not None and section.bios and section.bios.release_date == iso


@pytest.mark.parametrize(
    ("product", "virtual"),
    [("VMware Virtual Platform", True), ("Standard PC (Q35 + ICH9, 2009)", True), ("BX-4", False)],
)
async def test_virtual_machines_are_known_by_their_names(product: str, virtual: bool) -> None:
    firmware = Firmware()
    firmware.system(product=product)
    section = await board.collect(FakeMachine(files=firmware.files()))
    assert section is not None and section.virtual_machine is virtual
