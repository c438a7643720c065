"""Which kernels a GPU gets: its own, its family's, or what the driver makes of PTX; and what it is told."""

import hashlib
import shutil
from pathlib import Path

import msgspec
import pytest

from bee_bus.documents.base import to_json
from bee_sat.gpu_stress.kernel_set import Kernel, KernelSet, KernelSetError, Manifest, Target
from bee_sat.gpu_stress.kernels.catalogue import PLANS

CUDA_12_0, CUDA_12_2, CUDA_12_9, CUDA_13_0 = 12000, 12020, 12090, 13000


def content(name: str) -> bytes:
    return f"kernels for {name}".encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The set that ships, with other contents."""
    targets = []
    for plan in PLANS:
        (tmp_path / plan.file).write_bytes(content(plan.name))
        targets.append(
            Target(
                name=plan.name,
                kind=plan.kind,
                file=plan.file,
                digest=hashlib.sha256(content(plan.name)).hexdigest(),
                compute_capability=plan.compute_capability,
                exact=plan.exact,
                needs_driver=plan.needs_driver,
                sources=plan.sources,
                defines=plan.defines,
                kernels=plan.kernels,
            )
        )
    manifest = Manifest(source_digest="", compiler="NVRTC 12.9", targets=tuple(targets))
    (tmp_path / "manifest.json").write_bytes(to_json(manifest))
    return tmp_path


@pytest.mark.parametrize(
    ("gpu", "target"),
    [
        ((7, 0), "sm_70"),
        ((7, 5), "sm_75"),
        ((8, 0), "sm_80"),
        ((8, 6), "sm_86"),
        ((8, 9), "sm_89"),
        ((9, 0), "sm_90a"),
        ((10, 0), "sm_100a"),
        ((12, 0), "sm_120"),
    ],
)
def test_a_known_gpu_gets_its_own_kernels_from_driver_525_on(
    folder: Path, gpu: tuple[int, int], target: str
) -> None:
    choice = KernelSet.load(folder).choose(gpu, CUDA_12_0)
    assert (choice.target, choice.kind, choice.note) == (target, "object", None)
    assert choice.object_bytes == content(target)
    assert all(name == kernel.symbol for name, kernel in choice.kernels.items())


@pytest.mark.parametrize(("gpu", "target"), [((7, 2), "sm_70"), ((8, 7), "sm_86"), ((12, 1), "sm_120")])
def test_a_later_member_of_a_family_gets_the_nearest_earlier_ones_and_says_so(
    folder: Path, gpu: tuple[int, int], target: str
) -> None:
    choice = KernelSet.load(folder).choose(gpu, CUDA_12_0)
    assert (choice.target, choice.kind) == (target, "object")
    assert choice.note == (
        f"the kernels are those for {target}, not made for {gpu[0]}.{gpu[1]}: "
        "rates may be below what this GPU can do"
    )


@pytest.mark.parametrize("gpu", [(9, 1), (10, 3), (11, 0), (13, 0)])
def test_a_gpu_that_no_object_is_for_gets_what_the_driver_makes_of_ptx(
    folder: Path, gpu: tuple[int, int]
) -> None:
    """Neither 9.0's nor 10.0's objects run on anything else, though 10.3 is of 10.0's family."""
    choice = KernelSet.load(folder).choose(gpu, CUDA_13_0)
    assert (choice.target, choice.kind) == ("compute_80", "ptx")
    assert choice.object_bytes == content("compute_80")
    assert choice.note == (
        f"the driver compiled the kernels for {gpu[0]}.{gpu[1]} from the PTX for compute_80: "
        "rates may be below what this GPU can do"
    )


def test_ptx_that_is_newer_than_the_driver_is_not_tried(folder: Path) -> None:
    kernels = KernelSet.load(folder)
    with pytest.raises(KernelSetError) as refused:
        kernels.choose((10, 3), CUDA_12_2)
    assert str(refused.value) == (
        "no kernels for a GPU of compute capability 10.3: compute_80 needs a driver for CUDA 12.9, "
        "this one is for 12.2. Install a newer NVIDIA driver "
        "(525 or later; for the newest GPUs 575 or later)."
    )
    assert kernels.choose((10, 3), CUDA_12_9).kind == "ptx"


def test_a_driver_from_before_525_runs_nothing(folder: Path) -> None:
    with pytest.raises(KernelSetError, match=r"sm_80 needs a driver for CUDA 12\.0, this one is for 11\.8"):
        KernelSet.load(folder).choose((8, 0), 11080)


def test_a_gpu_older_than_volta_is_named_as_such(folder: Path) -> None:
    with pytest.raises(
        KernelSetError, match=r"compute capability 6.1: the set is for sm_70, .*older than Volta"
    ):
        KernelSet.load(folder).choose((6, 1), CUDA_12_9)


@pytest.mark.parametrize("how", ["missing", "damaged", "cut short"])
def test_without_its_own_object_a_gpu_falls_back_and_says_why(folder: Path, how: str) -> None:
    own = folder / "sm_86.cubin"
    if how == "missing":
        own.unlink()
    else:
        own.write_bytes(own.read_bytes()[:-1] if how == "cut short" else b"x" + own.read_bytes()[1:])
    choice = KernelSet.load(folder).choose((8, 6), CUDA_12_9)
    assert choice.target == "sm_80"
    told = "missing" if how == "missing" else "damaged"
    assert choice.note == (
        f"the kernels are those for sm_80, not made for 8.6 (sm_86.cubin is {told}): "
        "rates may be below what this GPU can do"
    )


def test_a_hopper_without_its_own_object_has_only_ptx(folder: Path) -> None:
    (folder / "sm_90a.cubin").unlink()
    choice = KernelSet.load(folder).choose((9, 0), CUDA_12_9)
    assert choice.target == "compute_80"
    assert choice.note is not None and "(sm_90a.cubin is missing)" in choice.note
    with pytest.raises(KernelSetError) as refused:
        KernelSet.load(folder).choose((9, 0), CUDA_12_2)
    assert "sm_90a.cubin is missing; compute_80 needs a driver for CUDA 12.9" in str(refused.value)
    assert "Run `make kernels`" in str(refused.value), "that helps, whatever the driver"


def test_what_the_driver_refuses_to_load_is_not_tried_again(folder: Path) -> None:
    kernels = KernelSet.load(folder)
    choice = kernels.choose((8, 9), CUDA_12_9, refused=["sm_89"])
    assert choice.target == "sm_86"
    assert choice.note is not None and "(the driver refuses sm_89.cubin)" in choice.note
    with pytest.raises(KernelSetError, match=r"refuses sm_80.cubin; the driver refuses compute_80.ptx"):
        kernels.choose((8, 9), CUDA_12_9, refused=["sm_89", "sm_86", "sm_80", "compute_80"])


def test_when_all_that_fits_is_damaged_the_set_must_be_made_again(folder: Path) -> None:
    for file in ("sm_70.cubin", "compute_80.ptx"):
        (folder / file).write_bytes(b"")
    with pytest.raises(KernelSetError, match=r"sm_70.cubin is damaged\. Run `make kernels`"):
        KernelSet.load(folder).choose((7, 0), CUDA_12_9)


def test_a_missing_set_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(KernelSetError, match=r"no compiled kernels in .*: run `make kernels`"):
        KernelSet.load(tmp_path / "objects")


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"source_digest": "", "compiler": "", "targets": [{}]}'])
def test_a_manifest_that_makes_no_sense_is_named(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text)
    with pytest.raises(KernelSetError, match=r"manifest.json cannot be read .*: run `make kernels`"):
        KernelSet.load(folder)


def test_a_set_may_be_anywhere(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "elsewhere")
    assert KernelSet.load(tmp_path / "elsewhere").choose((8, 0), CUDA_12_0).target == "sm_80"


def test_streaming_kernels_get_as_many_blocks_as_run_at_once() -> None:
    kernel = Kernel(symbol="memory_fill", threads=256, blocks_per_multiprocessor=6)
    assert kernel.blocks(84) == 504
    assert msgspec.json.decode(to_json(kernel), type=Kernel) == kernel
