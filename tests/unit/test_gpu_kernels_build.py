"""Compiling the kernels: every target, nothing spilled, nothing done twice, errors that say what helps."""

import shutil
import struct
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from bee_sat.gpu_stress.kernel_set import OBJECTS, Kernel, KernelSet, Manifest, Target
from bee_sat.gpu_stress.kernels import build
from bee_sat.gpu_stress.kernels.catalogue import PLANS, Plan
from bee_sat.gpu_stress.kernels.nvrtc import Compiler, CompilerError

ELF_MACHINE_CUDA = 190
BY_NAME: Mapping[str, Plan] = {plan.name: plan for plan in PLANS}
NAMES = list(BY_NAME)
OBJECT_NAMES = [plan.name for plan in PLANS if plan.kind == "object"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole set: what `make kernels` left, if that is of these sources, else made now."""
    if build.is_current(OBJECTS):
        return OBJECTS
    made = tmp_path_factory.mktemp("objects")
    assert build.main(["--to", str(made)]) == 0
    return made


@pytest.fixture(scope="module")
def manifest(folder: Path) -> Manifest:
    return KernelSet.load(folder).manifest


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(folder, tmp_path / "objects")


def target(manifest: Manifest, name: str) -> Target:
    return next(each for each in manifest.targets if each.name == name)


def product(manifest: Manifest, name: str, symbol: str) -> Kernel:
    return next(kernel for kernel in target(manifest, name).kernels if kernel.symbol == symbol)


def entries(content: bytes) -> set[str]:
    """Kernels of an object: each has a section of machine code with its name."""
    (table,) = struct.unpack_from("<Q", content, 0x28)
    size, count, names = struct.unpack_from("<3H", content, 0x3A)
    headers = [struct.unpack_from("<2I4Q", content, table + size * index) for index in range(count)]
    strings = headers[names][4]
    sections = (content[strings + header[0] :].split(b"\0", 1)[0].decode() for header in headers)
    return {name.removeprefix(".text.") for name in sections if name.startswith(".text.")}


def test_the_set_is_for_every_generation_from_volta_on(manifest: Manifest) -> None:
    assert [each.name for each in manifest.targets] == [
        *("sm_70", "sm_75", "sm_80", "sm_86", "sm_89", "sm_90a", "sm_100a", "sm_120", "compute_80")
    ]


@pytest.mark.parametrize("name", OBJECT_NAMES)
def test_an_object_is_machine_code_for_its_chip_with_every_kernel_that_is_promised(
    folder: Path, manifest: Manifest, name: str
) -> None:
    promised = target(manifest, name)
    content = (folder / promised.file).read_bytes()
    assert content[:4] == b"\x7fELF"
    assert struct.unpack_from("<H", content, 18) == (ELF_MACHINE_CUDA,)
    assert entries(content) == {kernel.symbol for kernel in promised.kernels}


def test_ptx_is_for_ampere_and_has_every_kernel_that_is_promised(folder: Path, manifest: Manifest) -> None:
    promised = target(manifest, "compute_80")
    text = (folder / promised.file).read_text()
    assert ".target sm_80" in text
    assert ".version 8.8" in text, "the driver that it needs is for CUDA 12.9"
    for kernel in promised.kernels:
        assert f".visible .entry {kernel.symbol}(" in text


@pytest.mark.parametrize("name", OBJECT_NAMES)
def test_no_kernel_keeps_in_memory_what_belongs_in_registers(manifest: Manifest, name: str) -> None:
    for kernel in target(manifest, name).kernels:
        assert kernel.spill_bytes == 0, f"{kernel.symbol} spills {kernel.spill_bytes} bytes"
        assert kernel.registers is not None and 0 < kernel.registers <= 255
        assert kernel.registers * kernel.threads <= 65536, f"{kernel.symbol} does not fit"


@pytest.mark.parametrize("name", NAMES)
def test_a_block_has_no_more_shared_memory_than_its_chip(manifest: Manifest, name: str) -> None:
    """CUDA C++ Programming Guide, "Technical Specifications per Compute Capability", of a block, in KiB."""
    kib = {"sm_70": 96, "sm_75": 64, "sm_80": 163, "sm_90a": 227, "sm_100a": 227}.get(name, 99)
    for kernel in target(manifest, name).kernels:
        assert kernel.shared_bytes <= kib * 1024, kernel.symbol


@pytest.mark.parametrize(
    ("name", "elements"),
    [
        ("sm_70", {"fp16", "fp32", "fp64"}),
        ("sm_75", {"fp16", "fp32", "fp64"}),
        ("sm_80", {"bf16", "fp16", "tf32", "fp32", "fp64"}),
        ("sm_86", {"bf16", "fp16", "tf32", "fp32", "fp64"}),
        ("sm_89", {"bf16", "fp16", "tf32", "fp8", "fp32", "fp64"}),
        ("sm_90a", {"bf16", "fp16", "tf32", "fp8", "fp32", "fp64"}),
        ("sm_100a", {"bf16", "fp16", "tf32", "fp32", "fp64"}),
        ("sm_120", {"bf16", "fp16", "tf32", "fp8", "fp32", "fp64"}),
        ("compute_80", {"bf16", "fp16", "tf32", "fp32", "fp64"}),
    ],
)
def test_each_chip_has_products_of_the_types_that_its_units_know(
    manifest: Manifest, name: str, elements: set[str]
) -> None:
    assert {kernel.element for kernel in target(manifest, name).kernels} - {None} == elements


@pytest.mark.parametrize("name", NAMES)
def test_every_target_can_fill_check_and_load(manifest: Manifest, name: str) -> None:
    assert {
        *(f"operand_fill_{size}" for size in (1, 2, 4, 8)),
        *("check_result_4", "check_result_8", "memory_fill", "memory_check", "memory_check_fill"),
        *("bandwidth_read", "bandwidth_write", "bandwidth_copy", "spin", "flip"),
    } <= {kernel.symbol for kernel in target(manifest, name).kernels}


@pytest.mark.parametrize("name", NAMES)
def test_streaming_kernels_fill_their_multiprocessor(manifest: Manifest, name: str) -> None:
    """Enough bytes in flight for the memory's latency: at least 512 threads with 64 or more each."""
    for kernel in target(manifest, name).kernels:
        if kernel.element is None and kernel.threads > 1:
            assert kernel.threads * kernel.blocks_per_multiprocessor >= 512, kernel.symbol


def test_only_hopper_has_products_with_tensor_maps(manifest: Manifest) -> None:
    with_maps = {
        (each.name, kernel.symbol)
        for each in manifest.targets
        for kernel in each.kernels
        if kernel.tensor_maps
    }
    assert with_maps == {("sm_90a", f"gemm_{element}_tma") for element in ("bf16", "fp16", "fp8")}


def test_tiles_are_as_large_as_registers_allow(manifest: Manifest) -> None:
    """Tensor cores starve on smaller ones: each byte fetched for 128 × 256 results is worth 85 operations."""
    for name in NAMES:
        tile = product(manifest, name, "gemm_fp16").tile
        assert tile is not None
        assert (tile.m, tile.n) == (128, 256)


def test_a_second_run_changes_nothing(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in copy.iterdir()}
    assert build.main(["--to", str(copy)]) == 0
    assert {path.name: path.stat().st_mtime_ns for path in copy.iterdir()} == before
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("damage", ["missing", "cut short", "of other sources", "no manifest"])
def test_a_set_that_is_not_whole_is_made_again(copy: Path, damage: str) -> None:
    assert build.is_current(copy)
    if damage == "missing":
        (copy / "sm_80.cubin").unlink()
    elif damage == "cut short":
        (copy / "sm_80.cubin").write_bytes((copy / "sm_80.cubin").read_bytes()[:1000])
    elif damage == "of other sources":
        manifest = KernelSet.load(copy).manifest
        other = msgspec.structs.replace(manifest, source_digest="0" * 64)
        (copy / "manifest.json").write_bytes(msgspec.json.encode(other))
    else:
        (copy / "manifest.json").unlink()
    assert not build.is_current(copy)


def test_building_says_what_it_does_and_clears_what_was_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for old in ("sm_60.cubin", "sm_75.cubin.new"):
        (tmp_path / old).write_bytes(b"of another time")
    made = build.build(tmp_path, [BY_NAME["sm_75"]])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "sm_75.cubin"]
    assert KernelSet.load(tmp_path).manifest == made
    assert capsys.readouterr().out.startswith("kernels: sm_75 (")


def test_a_source_that_does_not_compile_is_shown_and_leaves_the_old_set(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = Plan("sm_80", (8, 0), {}, 163 * 1024, 2048)
    monkeypatch.setattr(Plan, "sources", ("no_such.cu",))
    monkeypatch.setattr(build, "PLANS", (broken,))
    assert build.main(["--to", str(copy), "--force"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("kernels: kernels for sm_80: NVRTC_ERROR_COMPILATION")
    assert 'cannot open source file "no_such.cu"' in said
    assert KernelSet.load(copy).choose((8, 0), 12000).target == "sm_80"


def test_a_kernel_that_is_planned_but_not_in_the_sources_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Plan, "sources", ("load.cu",))
    with pytest.raises(CompilerError, match="sm_80: there is no gemm_bf16 in the object"):
        build.compile_target(Compiler.load(), BY_NAME["sm_80"])


def test_without_the_compiler_one_is_told_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert build.main(["--to", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        "kernels: NVRTC is not installed: pip install nvidia-cuda-nvrtc-cu12==12.9.86\n"
    )


def test_another_compiler_than_the_pinned_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """13.0 compiles nothing for Volta, and its objects need driver 580."""
    monkeypatch.setattr(Compiler, "version", (13, 0))
    with pytest.raises(CompilerError, match=r"NVRTC is 13\.0, but must be 12\.9: pip install nvidia-cuda"):
        Compiler.load()
