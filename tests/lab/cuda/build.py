"""The fake library and the kernels' host forms, each compiled once for each state of its sources."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CACHE = HERE.parents[2] / "dist" / "lab"
NAME = "libcuda.so.1"
KEPT = 24  # builds for one target
EMULATION = HERE / "emulation"
OURS = ("ptx.cuh", "ptx_hopper.cuh")  # the host forms that stand in for the kernels' own

_COMMON = ("-std=c++17", "-O2", "-fPIC", "-shared", "-pthread", "-fvisibility=hidden", "-Wall", "-Wextra")
_LIBRARY_FLAGS = (*_COMMON, f"-Wl,-soname,{NAME}", "-Wl,-z,defs")
# What a device compiler takes without a word: its own pragmas, parameters that one form of a kernel ignores.
_KERNEL_FLAGS = (*_COMMON, "-Wno-unknown-pragmas", "-Wno-unused-parameter", "-Wno-psabi", "-ffp-contract=off")
_REGISTRY = """
extern "C" __attribute__((visibility("default"))) std::vector<fake::Kernel>& fake_kernels() {
    static std::vector<fake::Kernel> all;
    return all;
}
"""
_KERNEL = re.compile(r"__global__\s+(?:[\w:]+\s+)*?(\w+)\s*\(")


@cache
def library() -> Path:
    """The path of the built library; skips the test where there is no C++ compiler."""
    sources = sorted((*(HERE / "library").glob("*"), *EMULATION.glob("*")))
    built = _place("cuda", _LIBRARY_FLAGS, sources) / NAME
    if not built.exists():
        files = [source for source in sources if source.suffix == ".cpp"]
        with _fresh(built) as fresh:
            _compile(*_LIBRARY_FLAGS, "-o", fresh, *files, "-ldl")
    return built


def kernels(target: str, sources: Sequence[Path], defines: Mapping[str, str]) -> Path:
    """The host forms of the kernels in these sources, for one target ("sm_90a", "compute_80"): a library.

    As for the device, all sources are one unit.
    """
    return _kernels(target, tuple(sources), tuple(sorted(defines.items())))


@cache
def _kernels(target: str, sources: Sequence[Path], defines: Sequence[tuple[str, str]]) -> Path:
    flags = (*_KERNEL_FLAGS, *_architecture(target), *(f"-D{name}={value}" for name, value in defines))
    folders = {source.parent for source in sources}
    headers = sorted(path for folder in folders for path in folder.glob("*.cuh") if path.name not in OURS)
    copied = (*sources, *headers, *(HERE / name for name in OURS))
    state = (*flags, str(library()))
    built = _place(f"kernels-{target}", state, (*copied, *sorted(EMULATION.glob("*.*h")))) / "kernels.so"
    if built.exists():
        return built
    with _fresh(built) as fresh, tempfile.TemporaryDirectory() as folder:
        # Beside the sources the compiler would find the device's own headers first.
        for path in copied:
            shutil.copy(path, folder)
        unit = Path(folder, "unit.cpp")
        text = "".join(f'#include "{source.name}"\n' for source in sources)
        unit.write_text(text)
        include = (f"-I{EMULATION}", "-include", "shim.cuh")
        found = _KERNEL.findall(_compile(*flags, *include, "-DFAKE_CUDA_FIND_KERNELS", "-E", "-P", unit))
        offers = (f'static const bool offered_{name} = fake::offer("{name}", {name});\n' for name in found)
        unit.write_text(text + _REGISTRY + "".join(offers))
        _compile(*flags, *include, "-o", fresh, unit, library())
    return built


def _architecture(target: str) -> tuple[str, ...]:
    number = re.fullmatch(r"(?:sm|compute)_(\d+)([af]?)", target)
    if number is None:
        raise ValueError(f"{target} is no target: sm_90a, compute_80 ...")
    flags = [f"-D__CUDA_ARCH__={number[1]}0"]
    if number[2]:
        flags.append(f"-D__CUDA_ARCH_FEAT_SM{number[1]}_ALL")
    return tuple(flags)


def _place(name: str, flags: Sequence[str], sources: Sequence[Path]) -> Path:
    state = hashlib.sha256(" ".join(flags).encode())
    for source in sources:
        state.update(source.read_bytes())
    return CACHE / f"{name}-{state.hexdigest()[:16]}"


class _fresh:
    """A name to build under; it becomes the real one if all went well. Another process may build it too."""

    def __init__(self, built: Path) -> None:
        self._built = built
        built.parent.mkdir(parents=True, exist_ok=True)
        self._folder = tempfile.TemporaryDirectory(dir=built.parent)

    def __enter__(self) -> Path:
        return Path(self._folder.name, self._built.name)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            os.replace(Path(self._folder.name, self._built.name), self._built)
        self._folder.cleanup()
        _forget_old(self._built.parent.name.rpartition("-")[0])


def _forget_old(name: str) -> None:
    """Of what was built from sources that changed since, the last few stay: other processes use them."""
    found = sorted(CACHE.glob(f"{name}-{'[0-9a-f]' * 16}"), key=lambda folder: folder.stat().st_mtime)
    for folder in found[:-KEPT]:
        shutil.rmtree(folder, ignore_errors=True)


def _compile(*arguments: str | Path) -> str:
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        pytest.skip("the fake CUDA library needs a C++ compiler: apt-get install g++")
    ended = subprocess.run([compiler, *map(str, arguments)], capture_output=True, text=True, check=False)
    if ended.returncode:
        pytest.fail(f"{' '.join(map(str, arguments))}\n{ended.stderr[:8000]}", pytrace=False)
    return ended.stdout
