"""Every field that we report of a dump equals what dmidecode says of it."""

import struct
from pathlib import Path

import pytest

from bee_audit.decode.smbios import decode_smbios_file
from lab import dmidecode
from lab.data import shared_data
from lab.smbios import GIB, Firmware

DUMPS = (
    "Asus-UX307LA",
    "GigaByte-X399",
    "Gigabyte-GA-MA74GMT-S2",
    "Lenovo-ThinkPad-T480",
    "Lenovo-ThinkPad-W510",
    "MSI-MS-7816",
    "SuperMicro-X9DBL",
    "Synology-RS3614xsp",
    "VMWare",
)


@pytest.mark.parametrize("name", DUMPS)
def test_a_real_machine_reads_as_dmidecode_reads_it(name: str) -> None:
    dump = shared_data(f"smbios/{name}.bin")
    assert dmidecode.differences(decode_smbios_file(dump.read_bytes()), dump) == []


def test_every_captured_machine_is_compared() -> None:
    assert sorted(path.stem for path in shared_data("smbios").glob("*.bin")) == sorted(DUMPS)


def compare(firmware: Firmware, folder: Path) -> list[str]:
    dump = folder / "dump.bin"
    dump.write_bytes(firmware.dump())
    return dmidecode.differences(decode_smbios_file(dump.read_bytes()), dump)


def test_a_server_of_today(tmp_path: Path) -> None:
    server = Firmware()
    server.bios()
    server.system()
    server.baseboard(contained=(0x0401, 0x0402))
    server.chassis(elements=((10, 1, 1), (0x80 | 39, 2, 4)))
    for socket in range(2):
        caches = [
            server.cache(level=level, kilobytes=size) for level, size in ((1, 80), (2, 2048), (3, 107520))
        ]
        server.processor(socket=f"CPU{socket + 1}", caches=(caches[0], caches[1], caches[2]))
    server.processor(socket="CPU3", status=0, cores=0, enabled=0, threads=0, threads_enabled=0)
    server.slot()
    server.memory_array(slots=16)
    for channel in "ABCDEFGH":
        server.memory_device(locator=f"DIMM_{channel}1")
        server.memory_device(locator=f"DIMM_{channel}2", size_bytes=0)
    server.ipmi()
    server.power_supply()
    server.power_supply(location="PSU2", characteristics=0x1121 | 4)
    server.onboard()
    assert compare(server, tmp_path) == []


@pytest.mark.parametrize(
    "size_bytes", [512 << 10, 1 << 20, 16 * GIB, 32 * GIB - (1 << 20), 32 * GIB, 96 * GIB]
)
def test_a_dimm_of_any_size(size_bytes: int, tmp_path: Path) -> None:
    firmware = Firmware()
    code = 0x8000 | size_bytes >> 10 if size_bytes < 1 << 20 else None
    firmware.memory_device(size_bytes=size_bytes, size_code=code)
    firmware.memory_device(size_bytes=size_bytes, size_code=0xFFFF)
    assert compare(firmware, tmp_path) == []
    assert decode_smbios_file(firmware.dump())["structures"][0]["size_bytes"] == size_bytes


@pytest.mark.parametrize(
    "length", [0x15, 0x17, 0x1B, 0x1C, 0x20, 0x22, 0x28, 0x34, 0x3C, 0x44, 0x4C, 0x54, 0x5C, 0x64]
)
def test_a_dimm_of_every_version_of_the_standard(length: int, tmp_path: Path) -> None:
    firmware = Firmware()
    firmware.memory_device(length=length, size_bytes=16 * GIB)
    assert compare(firmware, tmp_path) == []


def test_a_dimm_faster_than_16_bits_can_say(tmp_path: Path) -> None:
    firmware = Firmware()
    firmware.memory_device(speed=70400, configured=67200)
    assert compare(firmware, tmp_path) == []
    device = decode_smbios_file(firmware.dump())["structures"][0]
    assert (device["speed_mts"], device["configured_speed_mts"]) == (70400, 67200)


def test_nvdimms_and_cxl_memory(tmp_path: Path) -> None:
    firmware = Firmware()
    firmware.memory_array()
    firmware.add(16, struct.pack("<BBBIHHQ", 0xA4, 3, 7, 0x80000000, 0xFFFE, 1, 4096 * GIB))
    for technology in range(1, 8):
        firmware.memory_device(
            technology=technology,
            kind=0x1F,
            modes=0x38,
            non_volatile_bytes=128 * GIB,
            volatile_bytes=0xFFFFFFFFFFFFFFFF,
        )
    assert compare(firmware, tmp_path) == []


@pytest.mark.parametrize("kind", range(1, 0x25))
def test_memory_of_every_type(kind: int, tmp_path: Path) -> None:
    firmware = Firmware()
    firmware.memory_device(kind=kind, form_factor=min(kind, 16), detail=1 << kind % 16)
    firmware.memory_device(kind=kind, pmic=(0, 0xFF00), rcd=(0, 0x0011))
    assert compare(firmware, tmp_path) == []


def test_processors_with_more_than_255_cores(tmp_path: Path) -> None:
    firmware = Firmware()
    firmware.processor(cores=288, enabled=256, threads=288, threads_enabled=256)
    firmware.processor(cores=255, enabled=254, threads=510, threads_enabled=0)
    firmware.processor(cores=12, enabled=11, threads=24, length=0x2A)
    assert compare(firmware, tmp_path) == []
    first = decode_smbios_file(firmware.dump())["structures"][0]
    assert (first["core_count"], first["core_enabled"], first["thread_enabled"]) == (288, 256, 256)


@pytest.mark.parametrize("first", range(0, 0x280, 0x40))
def test_processors_of_every_family(first: int, tmp_path: Path) -> None:
    firmware = Firmware()
    # 0x05 and 0x06 (386, 486), ARM and LoongArch have identities of their own that dmidecode writes out.
    own_identity = {0x05, 0x06, *range(0x100, 0x104), 0x118, 0x119, *range(0x258, 0x280)}
    for family in set(range(first, first + 0x40)) - own_identity:
        firmware.processor(family=0xFE, family_2=family, manufacturer="AMD")
        firmware.processor(family=min(family, 0xFD), processor_id=bytes.fromhex("A20F5600 FFFB8B17"))
    assert compare(firmware, tmp_path) == []


def test_processors_in_every_state_and_socket(tmp_path: Path) -> None:
    firmware = Firmware()
    for status in range(0x48):
        firmware.processor(status=status)
    assert compare(firmware, tmp_path) == []


def test_processors_in_every_socket(tmp_path: Path) -> None:
    firmware = Firmware(version=(3, 8, 0))
    for upgrade in range(256):
        firmware.processor(upgrade=upgrade)
    firmware.processor(upgrade=0xFF, socket_type="Socket SP7")
    assert compare(firmware, tmp_path) == []


@pytest.mark.parametrize("kilobytes", [64, 2048, 32767, 65536, 393216, 2 << 20])
def test_caches_of_any_size(kilobytes: int, tmp_path: Path) -> None:
    firmware = Firmware()
    firmware.cache(kilobytes=kilobytes)
    firmware.cache(level=3, kilobytes=kilobytes, kilobytes_2=1 << 31 | kilobytes >> 6, ways=14)
    firmware.cache(level=2, kilobytes=kilobytes, length=0x13)
    firmware.cache(level=2, kilobytes=kilobytes, length=0x0F)
    assert compare(firmware, tmp_path) == []


def test_slots_with_peers_height_and_pitch(tmp_path: Path) -> None:
    firmware = Firmware()
    firmware.slot(peers=((0, 0x3C, 0, 8), (1, 0x3D, 0x0A, 4)), base_width=4)
    firmware.slot(kind=0xA5, tail=struct.pack("<BBH", 6, 0x0B, 1905), address=(0xFFFF, 0xFF, 0xFF))
    firmware.slot(kind=7, tail=b"")
    assert compare(firmware, tmp_path) == []


def test_a_slot_of_every_type(tmp_path: Path) -> None:
    firmware = Firmware()
    for kind in range(256):
        firmware.slot(kind=kind, width=kind % 16 or 1, usage=kind % 6, tail=b"")
    assert compare(firmware, tmp_path) == []


@pytest.mark.parametrize(("size", "extended"), [(0, 0), (0x0F, 0), (0xFE, 0), (0xFF, 32), (0xFF, 0x4002)])
def test_bios_chips_of_any_size(size: int, extended: int, tmp_path: Path) -> None:
    firmware = Firmware()
    firmware.bios(rom_size=size, extended_rom_size=extended, extension_2=0x7F)
    assert compare(firmware, tmp_path) == []


@pytest.mark.parametrize("version", [(2, 0, 0), (2, 5, 0), (2, 6, 0), (2, 8, 0), (3, 0, 0), (3, 7, 0)])
def test_the_uuid_in_the_byte_order_of_each_version(version: tuple[int, int, int], tmp_path: Path) -> None:
    firmware = Firmware(version=version)
    firmware.system()
    firmware.system(uuid=b"\xff" * 16)
    firmware.system(uuid=bytes(16))
    assert compare(firmware, tmp_path) == []


@pytest.mark.parametrize("interface", range(6))
def test_bmcs_on_every_interface(interface: int, tmp_path: Path) -> None:
    firmware = Firmware()
    for modifier in (0, 0x0B, 0x51, 0x98):
        firmware.ipmi(
            interface=interface, modifier=modifier, address=0x40 if interface == 4 else 0xCA2 | modifier & 1
        )
    assert compare(firmware, tmp_path) == []
