"""A machine without the driver, without the library, or without pynvml."""

import ctypes.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from bee_gpu import nvml
try:
    getattr(nvml, sys.argv[1])()
    print("open")
except nvml.NvmlError as error:
    print(type(error).__name__, error)
"""


def opening(tmp_path: Path, *, call: str = "open_library", **environment: str) -> str:
    program = tmp_path / "open.py"
    program.write_text(PROGRAM)
    clean = {
        name: value for name, value in os.environ.items() if name not in ("LD_LIBRARY_PATH", "BEE_FAKE_NVML")
    }
    clean |= {"PYTHONPATH": os.pathsep.join(sys.path), **environment}
    told = subprocess.run(
        [sys.executable, str(program), call],
        env=clean,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return told.stdout.strip()


def test_no_library(tmp_path: Path) -> None:
    if ctypes.util.find_library("nvidia-ml"):
        pytest.skip("this machine has NVIDIA's library")
    assert opening(tmp_path) == "LibraryMissing libnvidia-ml.so.1 is not installed"


def test_no_pynvml(tmp_path: Path) -> None:
    (tmp_path / "pynvml.py").write_text("raise ImportError('not here')\n")
    path = os.pathsep.join((str(tmp_path), *sys.path))
    assert opening(tmp_path, PYTHONPATH=path) == "LibraryMissing the Python module pynvml is not installed"


def test_the_real_library_without_a_driver(tmp_path: Path) -> None:
    """Debian's libnvidia-ml1 where there is no GPU gives NVML_ERROR_DRIVER_NOT_LOADED."""
    if not ctypes.util.find_library("nvidia-ml"):
        pytest.skip("needs NVIDIA's library: apt-get install libnvidia-ml1 (non-free)")
    if Path("/proc/driver/nvidia/version").exists():
        pytest.skip("this machine has NVIDIA's driver")
    assert opening(tmp_path) == "DriverNotLoaded the NVIDIA driver is not loaded"


def test_nothing_is_answered_before_opening(tmp_path: Path) -> None:
    assert opening(tmp_path, call="gpu_count") == "NotOpen NVML is not initialised"
