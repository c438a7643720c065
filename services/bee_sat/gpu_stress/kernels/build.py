"""Compile the kernels for every target: ``make kernels``, or ``python -m bee_sat.gpu_stress.kernels.build``.

Writes one file per target and then the manifest into ``objects/``. Does nothing where these are of the same
sources.
"""

import argparse
import hashlib
import os
import re
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bee_bus.documents.base import to_readable_json
from bee_sat.gpu_stress.kernel_set import (
    MANIFEST_NAME,
    OBJECTS,
    Kernel,
    KernelSet,
    KernelSetError,
    Manifest,
    Target,
)
from bee_sat.gpu_stress.kernels.catalogue import PLANS, Plan
from bee_sat.gpu_stress.kernels.nvrtc import PACKAGE, Compiler, CompilerError

SOURCES = Path(__file__).parent
_REGISTERS_OF_MULTIPROCESSOR = 65536
_BLOCKS_OF_MULTIPROCESSOR = 16  # the fewest that any of them can hold
_BLOCKS_IF_UNKNOWN = 4
_MACHINE_CODE = re.compile(
    r"Compiling entry function '(?P<symbol>\w+)'.*?"
    r"(?P<stores>\d+) bytes spill stores, (?P<loads>\d+) bytes spill loads.*?"
    r"Used (?P<registers>\d+) registers",
    re.DOTALL,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 if the set is whole, 1 with the compiler's message if not."""
    parser = argparse.ArgumentParser(prog="kernels", description="Compile the kernels for every target.")
    parser.add_argument("--to", type=Path, default=OBJECTS, help="folder to write (default: %(default)s)")
    parser.add_argument("--force", action="store_true", help="compile even if nothing changed")
    options = parser.parse_args(arguments)
    if not options.force and is_current(options.to):
        return 0
    try:
        build(options.to, PLANS)
    except CompilerError as error:
        sys.stderr.write(f"kernels: {error}\n")
        return 1
    return 0


def source_digest() -> str:
    """Of all that a set is made from: sources, plans, and the compiler's version. SHA-256, as hex."""
    files = sorted(path for path in SOURCES.iterdir() if path.suffix in (".cu", ".cuh", ".py"))
    digest = hashlib.sha256(PACKAGE.encode())
    for path in (*files, SOURCES.parent / "kernel_set.py"):
        digest.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def is_current(folder: Path) -> bool:
    """Whether a folder holds the whole set of these sources, undamaged."""
    try:
        manifest = KernelSet.load(folder).manifest
        return manifest.source_digest == source_digest() and all(
            hashlib.sha256((folder / target.file).read_bytes()).hexdigest() == target.digest
            for target in manifest.targets
        )
    except (KernelSetError, OSError):
        return False


def build(folder: Path, plans: Sequence[Plan]) -> Manifest:
    """Compile these targets, then put them into a folder; :class:`CompilerError` where one does not."""
    compiler = Compiler.load()
    digest = source_digest()
    made = []
    with ThreadPoolExecutor(max_workers=min(len(plans), os.cpu_count() or 1)) as pool:
        for one in pool.map(lambda plan: compile_target(compiler, plan), plans):
            made.append(one)
            sys.stdout.write(f"kernels: {one.target.name} ({len(one.content) // 1024} KiB)\n")
            sys.stdout.flush()
    manifest = Manifest(
        source_digest=digest, compiler="NVRTC 12.9", targets=tuple(one.target for one in made)
    )
    folder.mkdir(parents=True, exist_ok=True)
    for one in made:
        _replace(folder / one.target.file, one.content)
    _replace(folder / MANIFEST_NAME, to_readable_json(manifest).encode() + b"\n")
    _remove_others(folder, (one.target.file for one in made))
    return manifest


@dataclass(frozen=True, slots=True)
class Made:
    target: Target
    content: bytes


def compile_target(compiler: Compiler, plan: Plan) -> Made:
    """One target: all its sources as one unit, and what the assembler said of each kernel."""
    unit = "".join(f'#include "{name}"\n' for name in plan.sources)
    compiled = compiler.compile(unit, f"kernels for {plan.name}", plan.kind, _options(plan))
    return Made(
        target=Target(
            name=plan.name,
            kind=plan.kind,
            file=plan.file,
            digest=hashlib.sha256(compiled.content).hexdigest(),
            compute_capability=plan.compute_capability,
            exact=plan.exact,
            needs_driver=plan.needs_driver,
            sources=plan.sources,
            defines=plan.defines,
            kernels=tuple(_as_compiled(plan, compiled.log)),
        ),
        content=compiled.content,
    )


def _options(plan: Plan) -> Sequence[str]:
    return (
        f"--gpu-architecture={plan.name}",
        "--std=c++17",
        f"--include-path={SOURCES}",
        *(f"--define-macro={name}={value}" for name, value in plan.defines.items()),
        *(("--ptxas-options=-v",) if plan.kind == "object" else ()),
    )


def _as_compiled(plan: Plan, log: str) -> Iterable[Kernel]:
    """The plan's kernels with what is known of their machine code. PTX has none yet: a guess must do."""
    said = {found["symbol"]: found for found in _MACHINE_CODE.finditer(log)}
    for kernel in plan.kernels:
        if plan.kind == "ptx":
            streams = kernel.grid == "stride" and kernel.threads > 1
            blocks = _BLOCKS_IF_UNKNOWN if streams else 1
            yield msgspec.structs.replace(kernel, blocks_per_multiprocessor=blocks)
            continue
        if kernel.symbol not in said:
            raise CompilerError(f"{plan.name}: there is no {kernel.symbol} in the object\n{log}")
        found = said[kernel.symbol]
        registers = int(found["registers"])
        yield msgspec.structs.replace(
            kernel,
            registers=registers,
            spill_bytes=int(found["stores"]) + int(found["loads"]),
            blocks_per_multiprocessor=_resident_blocks(plan, kernel, registers),
        )


def _resident_blocks(plan: Plan, kernel: Kernel, registers: int) -> int:
    """How many blocks of a kernel a multiprocessor runs at once. Warps get registers in portions of 256."""
    warp_registers = -(-registers * 32 // 256) * 256
    by_registers = _REGISTERS_OF_MULTIPROCESSOR // (warp_registers * -(-kernel.threads // 32))
    by_shared = plan.shared_limit_bytes // (kernel.shared_bytes + 1024)  # 1 KiB of each block is the system's
    limits = (by_registers, by_shared, plan.resident_threads // kernel.threads, _BLOCKS_OF_MULTIPROCESSOR)
    return max(1, min(limits))


def _replace(path: Path, content: bytes) -> None:
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.write_bytes(content)
    unfinished.replace(path)


def _remove_others(folder: Path, files: Iterable[str]) -> None:
    keep = {*files, MANIFEST_NAME}
    for path in folder.iterdir():
        if path.suffix in (".cubin", ".ptx", ".new") and path.name not in keep:
            path.unlink()


if __name__ == "__main__":
    sys.exit(main())
