"""Damaged configuration spaces, dumps and VPD, and what must hold of any reading of them."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from bee_audit.decode import DecodeError
from bee_audit.decode.pci_config import PciConfig, decode_pci_config, decode_pci_file
from bee_audit.decode.vpd import Vpd, decode_vpd
from lab.pci import Device, Link, config_space, port
from lab.vpd import vpd

_LINK = Link(speed=2.5, width=16, max_speed=32.0, max_width=16, equalized=(8.0, 16.0, 32.0))
_BASES = (
    config_space(Device("0000:3b:00.0", link=_LINK, serial=0x001B21FFFF2B46E0)),
    config_space(port("0000:3a:01.0", 0x3B, link=_LINK)),
    config_space(Device("0000:00:1f.0", kind=None, link=None)),
)
_VPD = vpd("a card of some kind", PN="PART-NUMBER", SN="SERIAL-NUMBER", V1="more" * 20)


@st.composite
def _damaged(draw: st.DrawFn, base: bytes) -> bytes:
    """A good image with some bytes changed, often where chains and lengths are, and cut somewhere."""
    data = bytearray(base)
    near = st.one_of(st.integers(0, 0x120), st.integers(0, len(data) - 1))
    for at, value in draw(st.lists(st.tuples(near, st.integers(0, 255)), max_size=30)):
        data[at % len(data)] = value
    return bytes(data[: draw(st.one_of(st.just(len(data)), st.integers(0, len(data))))])


def _row(offset: int, content: bytes) -> str:
    return f"{offset:02x}: {content.hex(' ')}"


config_spaces = st.one_of(st.binary(max_size=4200), *(_damaged(base) for base in _BASES))
vpds = st.one_of(
    st.binary(max_size=600), st.binary(max_size=600).map(lambda noise: b"\x82" + noise), _damaged(_VPD)
)
_hex_rows = st.lists(st.builds(_row, st.integers(0, 4200), st.binary(max_size=20)), max_size=12)
_titles = st.sampled_from(["3b:00.0 card", "10000:01:00.0 card", "", "\tnote", "zz:00.0 card", "00:1f.7"])
dumps = st.one_of(
    st.lists(st.tuples(_titles, _hex_rows), max_size=6).map(
        lambda blocks: "\n".join("\n".join((title, *rows)) for title, rows in blocks).encode()
    ),
    st.text(alphabet="0123456789abcdef:. \n\tx", max_size=400).map(str.encode),
)


def refuses_cleanly(decode: Callable[[bytes], Any], data: bytes) -> Any | None:
    """The document, None when the bytes were refused. Any other error is a bug."""
    try:
        return decode(data)
    except DecodeError:
        return None


def check_config(data: bytes) -> None:
    config: PciConfig | None = refuses_cleanly(decode_pci_config, data)
    if config is not None:
        chain = config.capabilities or ()
        assert len(chain) == len({one.offset for one in chain}) <= 48 + 960
        assert len(config.defects) <= len(chain) + 3


def check_dump(data: bytes) -> None:
    document = refuses_cleanly(decode_pci_file, data)
    if document is not None:
        assert all("vendor_id" in device or "error" in device for device in document["devices"])


def check_vpd(data: bytes) -> None:
    facts: Vpd | None = refuses_cleanly(decode_vpd, data)
    if facts is not None:
        assert len(facts.read_only) + len(facts.read_write) <= len(data) // 3
        assert facts.size_bytes <= len(data), (facts.size_bytes, len(data))
        assert len(facts.defects) <= len(data) // 3 + 2
