"""The compiled kernels beside this package, and which of them a device can run.

A folder holds one file per target and ``manifest.json``, written by ``kernels/build.py``. What can run where
(CUDA C++ Programming Guide, "Binary Compatibility", "PTX Compatibility" and "Feature-Specific Targets"):

- an object for sm_XY runs on X.Y and on later minor versions of the same major one, never on an earlier one;
- an object for sm_XYa runs on X.Y only;
- PTX for compute_XY can be compiled for X.Y and all that is later, by a driver that is as new as the PTX.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import msgspec

from bee_bus.documents.base import Document

OBJECTS = Path(__file__).parent / "objects"
MANIFEST_NAME = "manifest.json"
HOW_TO_BUILD = "run `make kernels` in bee's source tree, or install bee again"


class KernelSetError(Exception):
    """No kernels can be had for a device; says why and what to do."""


class ShapeError(ValueError):
    """A product's size that a kernel cannot compute; says which sizes it can."""


class Tile(Document):
    """What one block computes at a time, in elements: m × n results, k deep."""

    m: int
    n: int
    k: int


class TensorMap(Document):
    """A tensor map (CUtensorMap) that a kernel takes in place of a pointer to a row-major operand.

    ``operand``: "a", "b" or "c". ``box_columns`` and ``box_rows``: the box in elements.
    ``swizzle_bytes``: 0, 32, 64 or 128.
    """

    operand: Literal["a", "b", "c"]
    box_columns: int
    box_rows: int
    swizzle_bytes: int = 0


class Kernel(Document, kw_only=True):
    """One entry of an object, and how it is launched.

    ``element``: the operands' type ("bf16" …) for products, else absent.
    ``threads``: of a block. ``shared_bytes``: dynamic shared memory; above 48 KiB it must be allowed first
    (CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES).
    ``grid``: "tiles" is one block for each tile of C, "persistent" is as many clusters as fit on the
    multiprocessors, "stride" is any number of blocks, best ``blocks_per_multiprocessor`` for each.
    ``cluster``: blocks in a cluster, in x. As compiled, if known: ``registers`` of a thread, ``spill_bytes``
    (stores and loads).
    """

    symbol: str
    element: str | None = None
    threads: int
    shared_bytes: int = 0
    tile: Tile | None = None
    grid: Literal["tiles", "persistent", "stride"] = "stride"
    blocks_per_multiprocessor: int = 1
    cluster: int = 1
    tensor_maps: tuple[TensorMap, ...] = ()
    registers: int | None = None
    spill_bytes: int | None = None

    def check_shape(self, m: int, n: int, k: int) -> None:
        """Whether C[m × n] over ``k`` can be computed: whole tiles only, else :class:`ShapeError`."""
        if self.tile is None:
            raise ShapeError(f"{self.symbol} computes no product")
        for name, size, step in (("M", m, self.tile.m), ("N", n, self.tile.n), ("K", k, self.tile.k)):
            if size <= 0 or size % step:
                raise ShapeError(
                    f"{self.symbol}: {name} is {size}, but must be a multiple of {step}, and not 0"
                )

    def blocks(self, multiprocessors: int, m: int = 0, n: int = 0, k: int = 0) -> int:
        """The grid's size in x (y and z are 1). Products need their sizes; raises :class:`ShapeError`."""
        if self.tile is None:
            return multiprocessors * self.blocks_per_multiprocessor
        self.check_shape(m, n, k)
        tiles = self.tiles(m, n)
        if self.grid == "tiles":
            return tiles
        fitting = multiprocessors * self.blocks_per_multiprocessor // self.cluster
        return min(fitting, -(-tiles // self.cluster)) * self.cluster

    def tiles(self, m: int, n: int) -> int:
        """How many tiles C[m × n] has, which is how many entries ``makers`` needs."""
        return (m // self.tile.m) * (n // self.tile.n) if self.tile else 0

    def tile_index(self, row: int, column: int, n: int) -> int:
        """Which entry of ``makers`` holds the multiprocessor that computed an element of C[… × n]."""
        if self.tile is None:
            raise ShapeError(f"{self.symbol} computes no product")
        return row // self.tile.m * (n // self.tile.n) + column // self.tile.n


class Target(Document, kw_only=True):
    """One file of the set. ``digest``: SHA-256 of the file. ``needs_driver``: as cuDriverGetVersion counts.

    ``sources`` (names in ``kernels/``) and ``defines`` are what it was compiled from.
    """

    name: str
    kind: Literal["object", "ptx"]
    file: str
    digest: str
    compute_capability: tuple[int, int]
    exact: bool = False
    needs_driver: int
    sources: tuple[str, ...]
    defines: dict[str, str]
    kernels: tuple[Kernel, ...]

    def runs_on(self, device: tuple[int, int]) -> bool:
        if self.exact:
            return self.compute_capability == device
        if self.kind == "object" and self.compute_capability[0] != device[0]:
            return False
        return self.compute_capability <= device


class Manifest(Document):
    """What ``manifest.json`` holds. ``source_digest``: of all that the set was made from."""

    source_digest: str
    compiler: str
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class Choice:
    """The kernels for one device. ``note``: what a reader of rates must know, if these are not its own."""

    object_bytes: bytes
    kind: Literal["object", "ptx"]
    target: str
    note: str | None
    kernels: Mapping[str, Kernel]


class KernelSet:
    """The files of one folder."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._folder = folder
        self.manifest = manifest

    @classmethod
    def load(cls, folder: Path = OBJECTS) -> Self:
        """Read a folder's manifest; :class:`KernelSetError` if there is none that can be read."""
        path = folder / MANIFEST_NAME
        try:
            return cls(folder, msgspec.json.decode(path.read_bytes(), type=Manifest))
        except FileNotFoundError:
            raise KernelSetError(f"there are no compiled kernels in {folder}: {HOW_TO_BUILD}") from None
        except (OSError, msgspec.MsgspecError) as error:
            raise KernelSetError(f"{path} cannot be read ({error}): {HOW_TO_BUILD}") from error

    def choose(
        self, compute_capability: tuple[int, int], driver_version: int, refused: Collection[str] = ()
    ) -> Choice:
        """The best that this device can run: its own object, else its family's, else PTX.

        ``driver_version``: as cuDriverGetVersion counts (12040 is CUDA 12.4). :class:`KernelSetError`, with
        all that was tried, if nothing can run. ``refused``: targets that the driver would not load.
        """
        passed_over: list[str] = []
        for target in self._in_order(compute_capability):
            if target.needs_driver > driver_version:
                passed_over.append(
                    f"{target.name} needs a driver for CUDA {_version(target.needs_driver)}, "
                    f"this one is for {_version(driver_version)}"
                )
                continue
            if target.name in refused:
                passed_over.append(f"the driver refuses {target.file}")
                continue
            content = self._content(target)
            if isinstance(content, str):
                passed_over.append(content)
                continue
            return Choice(
                object_bytes=content,
                kind=target.kind,
                target=target.name,
                note=_note(target, compute_capability, passed_over),
                kernels={kernel.symbol: kernel for kernel in target.kernels},
            )
        have = ", ".join(target.name for target in self.manifest.targets) or "nothing"
        tried = "; ".join(passed_over) or f"the set is for {have}"
        raise KernelSetError(
            f"no kernels for a GPU of compute capability {_dotted(compute_capability)}: {tried}. "
            f"{_advice(passed_over)}"
        )

    def _in_order(self, device: tuple[int, int]) -> Sequence[Target]:
        """What this device can run, best first."""

        def worth(target: Target) -> tuple[bool, tuple[int, int], bool]:
            return (target.kind == "object", target.compute_capability, target.exact)

        return sorted((t for t in self.manifest.targets if t.runs_on(device)), key=worth, reverse=True)

    def _content(self, target: Target) -> bytes | str:
        """The file, or why it cannot be used."""
        try:
            content = (self._folder / target.file).read_bytes()
        except FileNotFoundError:
            return f"{target.file} is missing"
        except OSError as error:
            return f"{target.file} cannot be read ({error.strerror})"
        if hashlib.sha256(content).hexdigest() != target.digest:
            return f"{target.file} is damaged"
        return content


def _note(target: Target, device: tuple[int, int], passed_over: Sequence[str]) -> str | None:
    if target.kind == "object" and target.compute_capability == device:
        return None
    if target.kind == "object":
        how = f"the kernels are those for {target.name}, not made for {_dotted(device)}"
    else:
        how = f"the driver compiled the kernels for {_dotted(device)} from the PTX for {target.name}"
    why = f" ({'; '.join(passed_over)})" if passed_over else ""
    return f"{how}{why}: rates may be below what this GPU can do"


def _advice(passed_over: Sequence[str]) -> str:
    if not passed_over:
        return "This GPU is older than Volta (compute capability 7.0), which is the oldest that bee can load."
    if any("driver" not in reason for reason in passed_over):
        return HOW_TO_BUILD.capitalize() + "."
    return "Install a newer NVIDIA driver (525 or later; for the newest GPUs 575 or later)."


def _dotted(compute_capability: tuple[int, int]) -> str:
    return f"{compute_capability[0]}.{compute_capability[1]}"


def _version(driver_version: int) -> str:
    return f"{driver_version // 1000}.{driver_version % 1000 // 10}"
