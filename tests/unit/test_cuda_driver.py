"""A driver that is not there, is of no use, or sees no GPU: what is said of it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from bee_sat.gpu_stress import cuda
from bee_sat.gpu_stress.cuda import (
    CudaError,
)
from lab.cuda import FakeCuda
from lab.cuda.here import seen_from_here
from lab.nvml import FakeNvml

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("code", "kind", "meaning", "next_step"),
    [
        (100, cuda.NoDevice, "sees no GPU", "/dev/nvidia"),
        (100, cuda.NoDevice, "sees no GPU", "MIG"),  # one divided GPU can hide all others
        (802, cuda.DriverUnusable, "fabric is not ready", "nvidia-fabricmanager"),
        (803, cuda.DriverUnusable, "different versions", "restart the machine"),
        (34, cuda.DriverUnusable, "stub", "LD_LIBRARY_PATH"),
        (999, cuda.DriverUnusable, "does not say", "kernel log"),
        (999, cuda.DriverUnusable, "does not say", "nvidia-uvm"),
        (12345, cuda.CudaError, "does not know", "kernel log"),
    ],
)
def test_a_driver_that_does_not_start_says_why_and_what_to_do(
    code: int, kind: type[CudaError], meaning: str, next_step: str
) -> None:
    with FakeCuda("h100", targets=()) as fake:
        fake.fail(code)
        with seen_from_here(fake), pytest.raises(kind) as error:
            cuda.initialise()
    assert error.value.code == code and error.value.call == "cuInit"
    assert error.value.name.startswith("CUDA_ERROR_")
    assert meaning in str(error.value) and next_step in error.value.next_step


def test_the_version_is_known_without_a_gpu() -> None:
    with FakeCuda("h100", cuda=12040, targets=()) as fake:
        fake.fail(100)
        with seen_from_here(fake):
            assert cuda.cuda_version() == (12, 4)


SAYS = """
import sys
from bee_sat.gpu_stress import cuda
try:
    sys.stdout.write(f"CUDA {cuda.cuda_version()}; ")
    cuda.initialise()
    sys.stdout.write("works")
except cuda.CudaError as error:
    sys.stdout.write(f"{type(error).__name__}: {error}: {error.next_step}")
try:
    cuda.DeviceMemory(4)
except cuda.CudaError as error:
    sys.stdout.write(f"; {error.code}")
"""


def said_by_a_program(environment: Mapping[str, str], program: str = SAYS) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return ended.stdout


def test_a_machine_without_the_library_says_what_to_install(tmp_path: Path) -> None:
    """A file of that name that is no library stands for one that is not there: this machine may have one."""
    (tmp_path / "libcuda.so.1").write_text("")
    said = said_by_a_program({"LD_LIBRARY_PATH": str(tmp_path)})
    assert said.startswith("LibraryMissing: libcuda.so.1: it cannot be loaded")
    assert "install the NVIDIA driver (525 or newer)" in said


def test_a_driver_that_is_too_old_is_named(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler: apt-get install gcc libc6-dev")
    library = tmp_path / "libcuda.so.1"
    source = "int cuInit(unsigned flags) { return (int)flags; }"
    command = [compiler, "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-xc", "-", "-o", str(library)]
    subprocess.run(command, input=source, text=True, check=True)
    said = said_by_a_program({"LD_LIBRARY_PATH": str(tmp_path)})
    assert "libcuda.so.1 has no such function: its driver is too old" in said


def test_a_program_sees_the_fake_machine_by_its_environment() -> None:
    with FakeCuda("a100", cuda=12020, targets=()) as fake:
        assert said_by_a_program(fake.environment) == "CUDA (12, 2); works; 201"


def test_a_program_sees_the_fake_nvml_beside_it_too() -> None:
    both = """
import sys
import pynvml
from bee_sat.gpu_stress import cuda
cuda.initialise()
pynvml.nvmlInit()
sys.stdout.write(pynvml.nvmlDeviceGetUUID(pynvml.nvmlDeviceGetHandleByIndex(1)) + " " + cuda.device(1).uuid)
"""
    with FakeNvml("h100", count=2) as nvml, FakeCuda("h100", count=2, beside=nvml, targets=()) as fake:
        one, other = said_by_a_program(fake.environment, both).split()
        assert one == other == fake.uuids[1]


@pytest.fixture(scope="session")
def debians_libcuda(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with Debian 13's own libcuda.so.1, fetched once; skips where it cannot be had."""
    folder = ROOT / "dist" / "lab" / "libcuda-trixie"
    inside = folder / "usr/lib/x86_64-linux-gnu/nvidia/current"
    if (inside / "libcuda.so.1").exists():
        return inside
    keyring = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    if shutil.which("apt-get") is None or not keyring.exists():
        pytest.skip("Debian 13's libcuda1 is fetched with apt, which is not here")
    apt = tmp_path_factory.mktemp("apt")
    for name in ("state/lists/partial", "cache/archives/partial"):
        (apt / name).mkdir(parents=True)
    mirror = os.environ.get("BEE_DEBIAN_MIRROR", "http://deb.debian.org/debian")
    (apt / "sources.list").write_text(f"deb [signed-by={keyring}] {mirror} trixie non-free\n")
    options = {
        "Dir::State": apt / "state",
        "Dir::State::status": "/dev/null",
        "Dir::Cache": apt / "cache",
        "Dir::Etc::SourceList": apt / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "APT::Architectures": "amd64",
        "APT::Sandbox::User": "root",
        "Acquire::Retries": 1,
        "Acquire::http::Timeout": 20,
    }
    command = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items())]
    for words in (["update"], ["download", "libcuda1:amd64"]):
        ended = subprocess.run([*command, *words], cwd=apt, capture_output=True, text=True, check=False)
        if ended.returncode:
            pytest.skip(f"Debian 13's libcuda1 cannot be had: {ended.stderr.strip()[-200:]}")
    (package,) = apt.glob("libcuda1_*.deb")
    partial = apt / "unpacked"
    subprocess.run(["dpkg-deb", "--extract", package, partial], check=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.move(partial, folder)
    return inside


def test_the_real_library_without_a_gpu_gives_its_real_errors(debians_libcuda: Path) -> None:
    """Debian 13's driver 550: every function that we use is there, and there is no GPU."""
    if Path("/proc/driver/nvidia/version").exists():
        pytest.skip("this machine has an NVIDIA driver")
    said = said_by_a_program({"LD_LIBRARY_PATH": str(debians_libcuda)})
    assert said.startswith(
        "CUDA (12, 4); NoDevice: cuInit: the driver sees no GPU (CUDA_ERROR_NO_DEVICE, 100)"
    )
    assert said.endswith("; 3")


@pytest.mark.parametrize("words", [(), ("--list",), ("--gpus", "0")])
def test_bee_gpu_stress_on_the_real_library_without_a_gpu_says_so_in_one_sentence_and_is_no_verdict(
    debians_libcuda: Path, words: tuple[str, ...]
) -> None:
    if Path("/proc/driver/nvidia/version").exists():
        pytest.skip("this machine has an NVIDIA driver")
    ended = subprocess.run(
        [sys.executable, "-m", "bee_sat.gpu_stress.main", *words],
        env={**os.environ, "LD_LIBRARY_PATH": str(debians_libcuda)},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr == (
        "bee-gpu-stress: cuInit: the driver sees no GPU (CUDA_ERROR_NO_DEVICE, 100). See that nvidia-smi "
        "lists the GPUs and divides none (MIG), that /dev/nvidia* may be opened, and CUDA_VISIBLE_DEVICES.\n"
    )


def test_errors_have_the_names_that_the_real_library_gives_them(debians_libcuda: Path) -> None:
    program = """
import ctypes, sys
from bee_sat.gpu_stress.cuda.errors import error_for
library, name = ctypes.CDLL("libcuda.so.1"), ctypes.c_char_p()
for code in range(1, 1000):
    if library.cuGetErrorName(code, ctypes.byref(name)) == 0:
        ours = error_for(code, "cuInit").name
        sys.stdout.write(f"{code} {name.value.decode()} {ours}\\n")
"""
    told = [
        line.split()
        for line in said_by_a_program({"LD_LIBRARY_PATH": str(debians_libcuda)}, program).splitlines()
    ]
    known = [(real, ours) for code, real, ours in told if ours != f"CUDA_ERROR_{code}"]
    assert len(told) > 90 and len(known) > 50
    assert all(real == ours for real, ours in known)


def test_one_module_loads_the_library() -> None:
    loading = {
        path.relative_to(ROOT).as_posix()
        for room in ("services", "dbus", "clients")
        for path in (ROOT / room).rglob("*.py")
        if "libcuda" in path.read_text() and "CDLL" in path.read_text()
    }
    assert loading == {"services/bee_sat/gpu_stress/cuda/library.py"}
