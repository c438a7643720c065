"""Configuration space: registers laid out by the standard, broken chains, dumps as text and as bytes."""

import pytest
from hypothesis import given

from bee_audit.decode import DecodeError
from bee_audit.decode.pci_config import decode_pci_config, decode_pci_file
from lab.pci import (
    COMPLETION_TIMEOUT,
    EXPRESS_AT,
    MALFORMED_TLP,
    RX_ERROR,
    Device,
    Link,
    config_space,
    port,
)
from lab.pci_garbage import check_config, check_dump, config_spaces, dumps

GPU = Device(
    "0000:3b:00.0",
    vendor=0x10DE,
    device=0x2330,
    device_class=0x030200,
    subsystem=(0x10DE, 0x16C1),
    link=Link(speed=2.5, width=16, max_speed=32.0, max_width=16, equalized=(8.0, 16.0, 32.0)),
    serial=0x001B21FFFF2B46E0,
    device_status=0x0009,
    uncorrectable=COMPLETION_TIMEOUT | MALFORMED_TLP,
    uncorrectable_mask=MALFORMED_TLP,
    correctable=RX_ERROR,
)


def test_a_gpu_reads_as_it_was_built() -> None:
    config = decode_pci_config(config_space(GPU))
    assert (config.vendor_id, config.device_id, config.class_id) == ("10de", "2330", "0302")
    assert (config.subsystem_vendor_id, config.subsystem_device_id) == ("10de", "16c1")
    assert config.express and config.express.port_type == "Endpoint"
    link = config.express.link
    assert link and (link.current_speed_gtps, link.current_width) == (2.5, 16)
    assert link.supported_speeds_gtps == (2.5, 5.0, 8.0, 16.0, 32.0)
    assert config.express.device.status == ("CorrErr", "UnsupReq")
    assert config.aer and config.aer.uncorrectable == ("CmpltTO", "MalfTLP")
    assert config.aer.uncorrectable_masked == ("MalfTLP",)
    assert config.aer.correctable == ("RxErr",)
    assert config.serial_number == "00-1b-21-ff-ff-2b-46-e0"
    assert config.physical_layer_32 and "EquComplete" in config.physical_layer_32.status
    assert config.defects == ()


def test_a_port_that_has_cut_off_its_card_says_why() -> None:
    slot = Device(
        "0000:3a:00.0", device_class=0x060400, kind=4, bus=0x3B, slot=7, card_present=True, contained=True
    )
    config = decode_pci_config(config_space(slot))
    assert config.containment and config.containment.triggered
    assert config.containment.reason == "a fatal error message from below"
    assert config.containment.source == "3b:00.0"
    assert config.express and config.express.slot
    assert config.express.slot.number == 7 and "PresDet" in config.express.slot.status
    assert config.bridge and config.bridge.secondary_bus == 0x3B


def test_sixty_four_bytes_say_that_more_was_not_readable() -> None:
    config = decode_pci_config(config_space(GPU, 64))
    assert config.capabilities is None and config.express is None
    assert config.vendor_id == "10de" and config.defects == ()


def test_without_the_extended_space_the_first_chain_is_whole() -> None:
    config = decode_pci_config(config_space(GPU, 256))
    assert config.express is not None and config.aer is None


@pytest.mark.parametrize("status", [0xC0010000, 0x40010000])
def test_an_adapter_of_pci_x_2_has_the_extended_space_too(status: int) -> None:
    serial = "11-22-33-44-55-66-77-88"
    data = bytearray(4096)
    data[0:8] = b"\xe4\x14\x48\x16\x06\x00\x10\x00"
    data[0x34] = 0x50
    data[0x50:0x58] = b"\x07\x00\x00\x00" + status.to_bytes(4, "little")
    data[0x100:0x10C] = b"\x03\x00\x01\x00" + bytes.fromhex(serial.replace("-", ""))[::-1]
    assert decode_pci_config(bytes(data)).serial_number == serial
    data[0x57] = 0x03  # 133 MHz: behind the first 256 bytes is whatever the bus returns
    assert decode_pci_config(bytes(data)).serial_number is None


def test_a_device_that_has_fallen_off_the_bus_does_not_answer() -> None:
    config = decode_pci_config(b"\xff" * 4096)
    assert not config.answers and config.capabilities is None
    assert "does not answer" in config.defects[0]


@pytest.mark.parametrize("size", [0, 1, 63, 4097, 1 << 20])
def test_what_is_no_configuration_space_is_refused(size: int) -> None:
    with pytest.raises(DecodeError):
        decode_pci_config(bytes(size))


def broken(at: int, value: bytes) -> bytes:
    data = bytearray(config_space(GPU))
    data[at : at + len(value)] = value
    return bytes(data)


@pytest.mark.parametrize(
    ("at", "value", "words"),
    [
        (EXPRESS_AT + 1, bytes([EXPRESS_AT]), "in a circle"),
        (EXPRESS_AT + 1, b"\x04", "outside its space"),
        (EXPRESS_AT, b"\xff", "broken"),
        (0x102, b"\x01\x10", "in a circle"),
        (0x102, b"\x41\x00", "outside its space"),
    ],
)
def test_a_broken_chain_ends_with_its_defect(at: int, value: bytes, words: str) -> None:
    config = decode_pci_config(broken(at, value))
    assert any(words in defect for defect in config.defects)
    assert config.vendor_id == "10de"


def test_a_capability_at_the_very_end_is_named_and_not_read() -> None:
    data = bytearray(config_space(GPU, 256))
    data[0x34] = 0xFC
    data[0xFC:0x100] = b"\x10\x00\x02\x00"
    config = decode_pci_config(bytes(data))
    assert config.capabilities and config.capabilities[0].name == "Express"
    assert config.express is None and "needs" in config.defects[0]


def test_the_subsystem_of_a_bridge_stands_in_its_capability() -> None:
    data = bytearray(config_space(port("0000:00:01.0", 1)))
    data[EXPRESS_AT + 1] = 0x90
    data[0x90:0x98] = b"\x0d\x00\x00\x00\x43\x10\x6b\x83"
    config = decode_pci_config(bytes(data))
    assert (config.subsystem_vendor_id, config.subsystem_device_id) == ("1043", "836b")


def test_a_cardbus_bridge_has_its_chain_and_subsystem_elsewhere() -> None:
    data = bytearray(256)
    data[0:4] = b"\x17\x12\x33\x69"
    data[6] = 0x10
    data[0x0E] = 2
    data[0x14] = 0xA0
    data[0x18:0x1B] = b"\x02\x03\x06"
    data[0x40:0x44] = b"\xcf\x10\x5d\x13"
    data[0xA0:0xA6] = b"\x01\x00\x02\xfe\x03\x00"
    config = decode_pci_config(bytes(data))
    assert config.header_type == 2
    assert config.bridge and config.bridge.subordinate_bus == 6
    assert (config.subsystem_vendor_id, config.subsystem_device_id) == ("10cf", "135d")
    assert config.power_management and config.power_management.state == "D3"


def test_addresses_of_64_bits_take_two_registers() -> None:
    data = bytearray(config_space(GPU))
    data[0x10:0x28] = (
        b"\x0c\x00\x00\xe8" + b"\x01\x00\x00\x00" + b"\x01\xd0\x00\x00" + b"\x00\x00\x00\xf9" + b"\0" * 8
    )
    bars = decode_pci_config(bytes(data)).base_addresses
    assert [(bar.index, bar.kind, bar.address, bar.bits) for bar in bars] == [
        (0, "memory", "0x1e8000000", 64),
        (2, "io", "0xd000", 32),
        (3, "memory", "0xf9000000", 32),
    ]
    assert bars[0].prefetchable


def hex_dump(address: str, data: bytes, title: str = "Ethernet controller") -> str:
    rows = (f"{offset:02x}: {data[offset : offset + 16].hex(' ')}" for offset in range(0, len(data), 16))
    return "\n".join((f"{address} {title}", *rows)) + "\n"


def test_a_dump_has_several_devices_with_and_without_a_domain() -> None:
    text = hex_dump("3b:00.0", config_space(GPU)) + "\n" + hex_dump("10000:01:00.0", config_space(GPU, 64))
    devices = decode_pci_file(text.encode())["devices"]
    assert [device["address"] for device in devices] == ["0000:3b:00.0", "10000:01:00.0"]
    assert [device["size_bytes"] for device in devices] == [4096, 64]


def test_a_dump_with_lines_of_windows_and_explanations_reads_the_same() -> None:
    text = hex_dump("3b:00.0", config_space(GPU)).replace("\n", "\n\tCapabilities: [40] Express\n", 1)
    plain = decode_pci_file(hex_dump("3b:00.0", config_space(GPU)).encode())
    assert decode_pci_file(text.replace("\n", "\r\n").encode()) == plain


def test_a_device_cut_short_does_not_hide_the_others() -> None:
    text = "00:00.0 Host bridge\n00: 86 80\n\n" + hex_dump("3b:00.0", config_space(GPU, 64))
    first, second = decode_pci_file(text.encode())["devices"]
    assert "64 to 4096 bytes" in first["error"] and second["vendor_id"] == "10de"


def test_raw_bytes_are_told_from_text() -> None:
    (device,) = decode_pci_file(config_space(GPU))["devices"]
    assert device["vendor_id"] == "10de" and "address" not in device
    (lost,) = decode_pci_file(b"\xff" * 256)["devices"]
    assert lost["answers"] is False


@pytest.mark.parametrize("data", [b"", b"hello\n", b"00: 86 80\n", b"\x01\x02", b"\xff\xfe\x00"])
def test_a_file_that_is_neither_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_pci_file(data)


@given(config_spaces)
def test_damaged_configuration_space_is_read_or_refused(data: bytes) -> None:
    check_config(data)


@given(dumps)
def test_a_damaged_dump_is_read_or_refused(data: bytes) -> None:
    check_dump(data)
