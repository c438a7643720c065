"""What a memory module's own EEPROM says, and what is made of a bad one."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bee_audit.decode import DecodeError
from bee_audit.decode.spd import decode_spd
from bee_bus.documents.memory import Spd
from lab import spd

GIB = 1 << 30


def test_a_ddr4_rdimm() -> None:
    assert decode_spd(spd.ddr4()) == Spd(
        memory_type="DDR4",
        module_type="RDIMM",
        size_bytes=64 * GIB,
        ranks=2,
        device_width_bits=4,
        ecc=True,
        rated_speed_mts=3200,
        vendor="Samsung",
        dram_vendor="Samsung",
        part_number="M393A8G40AB2-CWE",
        serial="03F7A1C2",
        manufactured="2022-W07",
    )


def test_a_ddr5_rdimm() -> None:
    assert decode_spd(spd.ddr5()) == Spd(
        memory_type="DDR5",
        module_type="RDIMM",
        size_bytes=64 * GIB,
        ranks=2,
        device_width_bits=4,
        ecc=True,
        rated_speed_mts=4800,
        vendor="SK hynix",
        dram_vendor="SK hynix",
        part_number="HMCG94AGBRA177N",
        serial="8C2F01A7",
        manufactured="2023-W41",
    )


@pytest.mark.parametrize(
    ("cycle", "rate"),
    [
        ((10, 0), 1600),
        ((9, -54), 1866),
        ((8, -62), 2133),
        ((7, -42), 2400),
        ((6, 0), 2666),
        ((6, -68), 2933),
        ((5, 0), 3200),
    ],
)
def test_ddr4_rates(cycle: tuple[int, int], rate: int) -> None:
    assert decode_spd(spd.ddr4(cycle=cycle)).rated_speed_mts == rate


@pytest.mark.parametrize(
    ("cycle", "rate"),
    [(500, 4000), (454, 4400), (416, 4800), (384, 5200), (357, 5600), (312, 6400), (227, 8800)],
)
def test_ddr5_rates(cycle: int, rate: int) -> None:
    assert decode_spd(spd.ddr5(cycle=cycle)).rated_speed_mts == rate


@pytest.mark.parametrize(
    ("image", "size_bytes"),
    [
        (spd.ddr4(density=5, ranks=1, device_width=1, ecc=False, module=2), 8 * GIB),
        (spd.ddr4(density=6, ranks=2, device_width=0, package=0xB2), 256 * GIB),  # 3DS, 4 dies high
        (spd.ddr4(density=6, ranks=2, device_width=0, package=0x91), 64 * GIB),  # two dies, not 3DS
        (spd.ddr5(density=4, ranks=1, io_width=1), 16 * GIB),
        (spd.ddr5(density=5, ranks=2, io_width=0), 96 * GIB),
        (spd.ddr5(density=4 | 3 << 5, ranks=2, io_width=0), 256 * GIB),
        (spd.ddr5(density=6, ranks=1, io_width=0), 64 * GIB),
    ],
)
def test_sizes(image: bytes, size_bytes: int) -> None:
    assert decode_spd(image).size_bytes == size_bytes


def test_a_flipped_bit_is_seen_by_the_checksum() -> None:
    for image, places in ((spd.ddr4(), (4, 130)), (spd.ddr5(), (4, 300))):
        for place in places:
            broken = bytearray(image)
            broken[place] ^= 0x80
            assert not decode_spd(bytes(broken)).checksum_valid


def test_fields_that_nobody_wrote_are_absent() -> None:
    module = decode_spd(
        spd.ddr5(maker=b"\xff\xff", serial=b"\0" * 4, part=b"", made=(0xFF, 0xFF)),
    )
    assert (module.vendor, module.serial, module.part_number, module.manufactured) == (None,) * 4


def test_a_maker_without_a_name_keeps_its_number() -> None:
    assert decode_spd(spd.ddr5(maker=b"\x04\x15")).vendor == "JEDEC bank 5 code 0x15"


@pytest.mark.parametrize(
    "data", [b"", b"\xff" * 512, bytes(512), spd.ddr4()[:300], spd.ddr5()[:500], b"\x23\x10\x0b"]
)
def test_what_is_no_ddr4_or_ddr5_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_spd(data)


@settings(max_examples=300)
@given(st.binary(max_size=1100), st.sampled_from([0x0C, 0x12, 0x0B]))
def test_garbage_is_decoded_or_refused(data: bytes, kind: int) -> None:
    with contextlib.suppress(DecodeError):
        decode_spd(data)
    with contextlib.suppress(DecodeError):
        decode_spd((data[:2] + bytes((kind,)) + data[3:]).ljust(1024, b"\xa5"))
