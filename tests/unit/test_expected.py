"""What a machine must have, as a file: what can be written in it, and what is written of a machine."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bee_bus.documents.audit import Hardware
from bee_bus.documents.gpus import Gpu, GpusSection
from bee_bus.documents.network import NetworkInterface, NetworkSection
from bee_bus.documents.storage import Disk, StorageSection
from bee_bus.expected import KINDS, Entry, ExpectedError, Part, read_expected, write_expected
from lab.snapshots import gpu_server

ORDER = """
[[gpus]]
count = 8
model = "H100"

[[disks]]
count = 4
size_gb = 3840
"""


def test_a_file_is_read_by_kinds() -> None:
    expected = read_expected(ORDER, "order.toml")
    assert [(entry.count, entry.model) for entry in expected.gpus] == [(8, "H100")]
    assert [(entry.count, entry.size) for entry in expected.disks] == [(4, 3840.0)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it names nothing; known: gpus, cpus, memory"),
        ("[[gpu]]\ncount = 8", "unknown field `gpu`"),
        ('[[gpus]]\ncount = 8\nmodle = "H100"', "unknown field `modle`"),
        ("[[gpus]]\ncount = 8\nsize_gib = 80", "unknown field `size_gib`"),
        ("[[gpus]]", "missing required field `count`"),
        ("[gpus]\ncount = 8", "Expected `array`"),
        ('[[gpus]]\ncount = "8"', "Expected `int`, got `str`"),
        ("[[gpus]]\ncount = -1", "Expected `int` >= 0"),
        ("[[gpus]]\ncount = 8.5", "Expected `int`"),
        ("[[disks]]\ncount = 1\nsize_gb = 0", "> 0"),
        ("[[disks]]\ncount = 1\nsize_gb = inf", "<= 1000000000"),
        ("[[disks]]\ncount = 1\nsize_gb = nan", "Expected `float`"),
        ("[[gpus", "order.toml: "),
        ("#" * 70_000, "larger than 64 KiB"),
        ("a = " + "[" * 5000, "order.toml: "),
    ],
)
def test_what_cannot_be_used_says_why(text: str, said: str) -> None:
    with pytest.raises(ExpectedError) as refused:
        read_expected(text, "order.toml")
    assert said in str(refused.value) and str(refused.value).startswith("order.toml: ")


@pytest.mark.parametrize(
    ("model", "part", "fits"),
    [
        ("h100", Part(("NVIDIA H100 80GB HBM3",)), True),
        ("H100  80gb", Part(("NVIDIA H100 80GB HBM3",)), True),
        ("H200", Part(("NVIDIA H100 80GB HBM3",)), False),
        ("SXM5", Part(("NVIDIA H100 80GB HBM3", "GH100 [H100 SXM5 80GB]")), True),
        ("", Part(()), True),
        ("H100", Part(()), None),
        ("80GB HBM3", Part(("GH100 [H100 SXM5 80GB]",), all_named=False), None),
    ],
)
def test_a_name_is_a_piece_of_any_of_its_names(model: str, part: Part, fits: bool | None) -> None:
    assert Entry(count=1, model=model).fits(part, 0) is fits


@pytest.mark.parametrize(
    ("size", "fits"), [(3840.8, True), (3800.0, True), (3500.0, False), (4000.0, False), (None, None)]
)
def test_disks_are_sold_by_rounded_sizes(size: float | None, fits: bool | None) -> None:
    (entry,) = read_expected(ORDER, "x").disks
    assert entry.fits(Part(("SAMSUNG",), size), 0.02) is fits


def test_the_file_of_a_good_machine() -> None:
    text = write_expected(gpu_server(), "Supermicro SYS-421GE-TNRT")
    assert text.startswith("# What a machine like Supermicro SYS-421GE-TNRT must have.")
    assert '[[gpus]]\ncount = 8\nmodel = "NVIDIA H100 PCIe"\n' in text
    assert '[[cpus]]\ncount = 2\nmodel = "Intel(R) Xeon(R) Platinum 8480+"\ncores = 56\n' in text
    assert "[[memory]]\ncount = 16\nsize_gib = 64\n" in text
    assert "[[disks]]\ncount = 4\nsize_gb = 3840.8\n" in text
    assert '[[psus]]\ncount = 3\nmodel = "PWS-3K01G-2R"\nwatts = 3000\n' in text, "the fourth bay is empty"
    assert read_expected(text, "x").entries("interfaces")


def network(*models: str | None) -> Hardware:
    return msgspec.structs.replace(
        gpu_server(),
        network=NetworkSection(
            interfaces=tuple(
                NetworkInterface(id=f"eth{number}", name=f"eth{number}", physical=True, model=model)
                for number, model in enumerate(models)
            )
        ),
    )


def test_a_name_that_is_a_piece_of_another_counts_both() -> None:
    text = write_expected(network("ConnectX-6", "ConnectX-6 Dx", "ConnectX-6 Dx", None), "x")
    counted = {entry.model: entry.count for entry in read_expected(text, "x").interfaces}
    assert counted == {"ConnectX-6": 3, "ConnectX-6 Dx": 2, "": 4}


def test_what_comes_and_goes_is_no_part_of_an_order() -> None:
    disks = (
        Disk(id="sda", kind="hdd", size_bytes=4 * 10**12),
        Disk(id="sdb", kind="ssd", transport="usb", size_bytes=32 * 10**9, removable=True),
        Disk(id="sdc", raid_volume=True, size_bytes=8 * 10**12),
        Disk(id="megaraid,3@/dev/bus/0", kind="hdd", size_bytes=4 * 10**12),
    )
    hardware = msgspec.structs.replace(gpu_server(), storage=StorageSection(disks=disks))
    assert "[[disks]]\ncount = 2\nsize_gb = 4000\n" in write_expected(hardware, "x")


@given(st.lists(st.text(max_size=30), min_size=1, max_size=5))
def test_whatever_the_parts_are_called_the_file_can_be_read_again(names: list[str]) -> None:
    gpus = tuple(
        Gpu(id=f"0000:0{number}:00.0", name=name, vendor_id="1002", device_id="74a1")
        for number, name in enumerate(names)
    )
    hardware = msgspec.structs.replace(gpu_server(), gpus=GpusSection(gpus=gpus))
    expected = read_expected(write_expected(hardware, "\n[[gpus]]"), "x")
    (kind,) = (one for one in KINDS if one.name == "gpus")
    parts = tuple(kind.parts(hardware))
    for entry in expected.gpus:
        assert sum(entry.fits(part, 0) is True for part in parts) == entry.count
