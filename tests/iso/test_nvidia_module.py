"""NVIDIA's driver for the image: Debian's packages built for real, NVIDIA's archive through a stand-in."""

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab import nvidia_archive
from lab.nvidia_archive import Archive
from lab.prerequisites import require

CHECKOUT = Path(__file__).resolve().parents[2]
BUILDER = CHECKOUT / "iso" / "build-nvidia-module.sh"
VERSIONS = CHECKOUT / "iso" / "builder" / "VERSIONS"
VENDOR = CHECKOUT / "iso" / "vendor"

BUILD_SECONDS = 1500  # three minutes on two cores of its own; the image may be built beside it

pytestmark = [pytest.mark.iso, pytest.mark.timeout(BUILD_SECONDS + 60)]


def pinned(name: str) -> str:
    found = re.search(rf"^{name}=(.+)$", VERSIONS.read_text(), re.MULTILINE)
    assert found
    return found[1]


ABI = pinned("DEBIAN_KERNEL_ABI")
ANOTHER = "9" + ABI[1:]


def build(
    *arguments: str, versions: Path = VERSIONS, vendor: Path = VENDOR
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BUILDER, *arguments],
        env={**os.environ, "BEE_VERSIONS": str(versions), "BEE_VENDOR_DIRECTORY": str(vendor)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        umask=0o077,  # of a careful root: what is made must not depend on it
        check=False,
    )


def modinfo(module: Path, field: str) -> str:
    """One field of a module: NAME=value between nulls in its .modinfo section."""
    found = re.search(rb"(?:^|\0)" + field.encode() + rb"=([^\0]*)\0", module.read_bytes())
    assert found, f"{module.name} has no {field}"
    return found[1].decode()


def answer(library: Path, call: str) -> int:
    """What a function of a library returns, asked in a process of its own."""
    program = f"import ctypes; print(ctypes.CDLL('{library}').{call})"
    return int(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout)


def tree(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_symlink() or path.is_file()
    }


@pytest.fixture(scope="module", autouse=True)
def _able() -> None:
    require("mmdebstrap", "xz")


@pytest.fixture(scope="module")
def from_debian() -> Path:
    """The driver of Debian's packages, as the image's own build makes it: shared with it, and kept."""
    ended = build("--source", "debian")
    assert ended.returncode == 0, ended.stderr
    return Path(ended.stdout.strip())


def test_debians_driver_is_built_for_the_kernel_of_the_image(from_debian: Path) -> None:
    version = pinned("NVIDIA_DEBIAN_VERSION")
    assert from_debian == CHECKOUT / "dist" / f"nvidia-{version}-{ABI}"
    modules = list((from_debian / "modules").glob("*.ko"))
    assert {module.stem for module in modules} == {"nvidia", "nvidia-modeset", "nvidia-uvm"}
    for module in modules:
        assert modinfo(module, "vermagic").split()[0] == ABI
        assert modinfo(module, "version") == version
    firmware = from_debian / "firmware" / modinfo(from_debian / "modules" / "nvidia.ko", "firmware")
    assert firmware.stat().st_size > 1 << 20
    order = [line.split()[0] for line in (from_debian / "modules" / "load.order").read_text().splitlines()]
    assert order == ["nvidia", "nvidia-uvm", "nvidia-modeset"]


def test_debians_libraries_are_found_by_their_links_and_load(from_debian: Path) -> None:
    version = pinned("NVIDIA_DEBIAN_VERSION")
    library = from_debian / "lib"
    assert (library / "libnvidia-ml.so.1").readlink() == Path(f"libnvidia-ml.so.{version}")
    assert (library / "libcuda.so.1").readlink() == Path(f"libcuda.so.{version}")
    assert (library / "libnvidia-ptxjitcompiler.so.1").exists()
    driver_not_loaded, no_device = 9, 100
    assert answer(library / "libnvidia-ml.so.1", "nvmlInit_v2()") in (0, driver_not_loaded)
    assert answer(library / "libcuda.so.1", "cuInit(0)") in (0, no_device)


def test_what_is_passed_on_comes_with_its_terms_and_without_setuid(from_debian: Path) -> None:
    assert "libcuda1.copyright" in tree(from_debian / "LICENSES")
    assert (from_debian / "bin" / "nvidia-smi").stat().st_mode & 0o7777 == 0o755
    assert (from_debian / "lib").stat().st_mode & 0o7777 == 0o755
    assert not [
        path for path in from_debian.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o6000
    ]


def test_the_manifest_names_every_file(from_debian: Path) -> None:
    lines = (from_debian / "manifest").read_text().splitlines()
    named = {line[66:] for line in lines if re.match("[0-9a-f]{64}  ", line)}
    regular = {name for name in tree(from_debian) if not (from_debian / name).is_symlink()}
    assert named == regular - {"manifest"}
    assert "NVIDIA_SOURCE=debian" in lines
    assert f"DEBIAN_KERNEL_ABI={ABI}" in lines


def test_what_was_built_is_used_again(from_debian: Path) -> None:
    before = (from_debian / "manifest").stat()
    ended = build("--source", "debian")
    assert ended.returncode == 0
    assert ended.stdout == f"{from_debian}\n"
    assert "is there already" in ended.stderr
    assert (from_debian / "manifest").stat() == before


@dataclass
class Bench:
    """A folder of results of its own, with the compiler and headers of the real one."""

    folder: Path

    def pin(self, archive: Path, digest: str | None = None, **changed: str) -> Path:
        pins = {
            "DEBIAN_SUITE": pinned("DEBIAN_SUITE"),
            "DEBIAN_KERNEL_ABI": ABI,
            "NVIDIA_DEBIAN_VERSION": pinned("NVIDIA_DEBIAN_VERSION"),
            "NVIDIA_RUN_VERSION": nvidia_archive.VERSION,
            "NVIDIA_RUN_URL": archive.as_uri(),
            "NVIDIA_RUN_SHA256": digest or nvidia_archive.sha256(archive),
            **changed,
        }
        versions = self.folder / "VERSIONS"
        versions.write_text("".join(f"{name}={value}\n" for name, value in pins.items()))
        return versions

    def build(self, archive: Archive) -> subprocess.CompletedProcess[str]:
        file = archive.write(self.folder)
        cached = self.folder / "dist" / "nvidia" / file.name
        cached.unlink(missing_ok=True)
        return build(
            "--source",
            "run",
            "--dist",
            str(self.folder / "dist"),
            versions=self.pin(file),
            vendor=self.vendor,
        )

    @property
    def vendor(self) -> Path:
        return self.folder / "vendor"

    @property
    def result(self) -> Path:
        return self.folder / "dist" / f"nvidia-{nvidia_archive.VERSION}-{ABI}"

    def left(self) -> set[str]:
        """What is in the folder of results beside caches."""
        caches = re.compile(r"nvidia|tools-.*|lock|compile-.*\.log|NVIDIA-.*\.run")
        dist = self.folder / "dist"
        names = [path.name for path in (*dist.iterdir(), *(dist / "nvidia").iterdir())]
        return {name for name in names if not caches.fullmatch(name)}


@pytest.fixture
def bench(tmp_path: Path, from_debian: Path) -> Bench:
    cache = tmp_path / "dist" / "nvidia"
    cache.mkdir(parents=True)
    for tools in (from_debian.parent / "nvidia").glob("tools-*"):
        (cache / tools.name).symlink_to(tools)
    (tmp_path / "vendor").mkdir()
    return Bench(tmp_path)


def test_nvidias_archive_goes_the_same_way(bench: Bench) -> None:
    ended = bench.build(Archive())
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == f"{bench.result}\n"
    version = nvidia_archive.VERSION
    assert tree(bench.result) == {
        "manifest",
        "modules/load.order",
        "modules/nvidia.ko",
        "modules/nvidia-uvm.ko",
        "modules/nvidia-modeset.ko",
        f"lib/libnvidia-ml.so.{version}",
        "lib/libnvidia-ml.so.1",
        f"lib/libcuda.so.{version}",
        "lib/libcuda.so.1",
        f"lib/libnvidia-ptxjitcompiler.so.{version}",
        "lib/libnvidia-ptxjitcompiler.so.1",
        f"lib/libnvidia-nvvm.so.{version}",
        "lib/libnvidia-nvvm.so.4",
        "bin/nvidia-smi",
        "bin/nvidia-bug-report.sh",
        "bin/nvidia-modprobe",
        f"firmware/nvidia/{version}/gsp_ga10x.bin",
        f"firmware/nvidia/{version}/gsp_tu10x.bin",
        "LICENSES/NVIDIA-LICENSE",
    }
    order = (bench.result / "modules" / "load.order").read_text()
    assert order == "nvidia ecdh_generic ecdsa_generic\nnvidia-uvm\nnvidia-modeset\n"
    for module in (bench.result / "modules").glob("*.ko"):
        assert modinfo(module, "vermagic").split()[0] == ABI
    assert not (bench.folder / "ran").exists()
    assert bench.left() == {bench.result.name}


def test_an_archive_with_another_hash_is_refused_before_anything_of_it_runs(bench: Bench) -> None:
    file = Archive().write(bench.folder)
    versions = bench.pin(file, digest="0" * 64)
    ended = build("--source", "run", "--dist", str(bench.folder / "dist"), versions=versions)
    assert ended.returncode == 1
    assert "is not the pinned one" in ended.stderr
    assert nvidia_archive.sha256(file) in ended.stderr
    assert ended.stdout == ""
    assert not (bench.folder / "ran").exists()
    assert bench.left() == set()


def test_a_kept_archive_is_checked_each_time(bench: Bench) -> None:
    file = Archive().write(bench.folder)
    versions = bench.pin(file)
    kept = bench.folder / "dist" / "nvidia" / file.name
    kept.write_bytes(file.read_bytes() + b"more")
    ended = build("--source", "run", "--dist", str(bench.folder / "dist"), versions=versions)
    assert ended.returncode == 1
    assert "is not the pinned one" in ended.stderr


def test_an_archive_that_is_nowhere_is_told(bench: Bench) -> None:
    versions = bench.pin(bench.folder / "nowhere.run", digest="0" * 64)
    ended = build("--source", "run", "--dist", str(bench.folder / "dist"), versions=versions)
    assert ended.returncode == 1
    assert "cannot be fetched from here" in ended.stderr


FAULTS = {
    "another kernel's modules": (
        Archive(after_build=f"sed -i s/{ABI}/{ANOTHER}/g nvidia-uvm.ko"),
        f"nvidia-uvm.ko is built for kernel {ANOTHER}, the image has {ABI}",
    ),
    "another driver's modules": (
        Archive(module_version="570.0"),
        f"nvidia.ko says it is of driver 570.0, not of {nvidia_archive.VERSION}",
    ),
    "no compiler for PTX": (
        Archive(left_out=(f"libnvidia-ptxjitcompiler.so.{nvidia_archive.VERSION}",)),
        f"the driver has no libnvidia-ptxjitcompiler.so.{nvidia_archive.VERSION}",
    ),
    "a library with another name": (
        Archive(libraries={**Archive().libraries, "libcuda": "libopencl.so.1"}),
        f"libcuda.so.{nvidia_archive.VERSION} calls itself libopencl.so.1",
    ),
    "a library that the image has not": (
        Archive(linked_with=("libforeign.so.3",)),
        f"libcuda.so.{nvidia_archive.VERSION} needs libforeign.so.3",
    ),
    "no firmware": (
        Archive(left_out=("firmware/gsp_ga10x.bin", "firmware/gsp_tu10x.bin")),
        "the driver has no GSP firmware",
    ),
    "no terms": (Archive(left_out=("LICENSE",)), "without one nothing of it may be passed on"),
    "code that does not compile": (
        Archive(module_version='1.0"); MODULE_ALIAS(1, 2, "'),
        f"driver {nvidia_archive.VERSION} does not compile against {ABI}",
    ),
}


@pytest.mark.parametrize(("archive", "told"), FAULTS.values(), ids=FAULTS)
def test_a_driver_that_is_not_whole_is_refused(bench: Bench, archive: Archive, told: str) -> None:
    ended = bench.build(archive)
    assert ended.returncode == 1
    assert told in ended.stderr
    assert ended.stdout == ""
    assert bench.left() == set()


def test_fabric_manager_comes_along_where_somebody_has_put_it(bench: Bench) -> None:
    nvidia_archive.fabric_manager(bench.vendor)
    ended = bench.build(Archive())
    assert ended.returncode == 0, ended.stderr
    assert {
        "bin/nv-fabricmanager",
        "share/nvidia/nvswitch/fabricmanager.cfg",
        "share/nvidia/nvswitch/dgxh100_hgxh100_topology",
        "LICENSES/fabricmanager-LICENSE",
    } <= tree(bench.result)


def test_a_fabric_manager_of_another_version_is_refused(bench: Bench) -> None:
    nvidia_archive.fabric_manager(bench.vendor, version="570.1")
    ended = bench.build(Archive())
    assert ended.returncode == 1
    assert f"archive.tar.xz is not of driver {nvidia_archive.VERSION}" in ended.stderr
    assert bench.left() == set()


def test_a_build_that_is_ended_leaves_nothing(bench: Bench) -> None:
    file = Archive(after_build="touch begun && sleep 600").write(bench.folder)
    argv = [str(BUILDER), "--source", "run", "--dist", str(bench.folder / "dist")]
    environment = {
        **os.environ,
        "BEE_VERSIONS": str(bench.pin(file)),
        "BEE_VENDOR_DIRECTORY": str(bench.vendor),
    }
    building = subprocess.Popen(argv, env=environment, start_new_session=True, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not list((bench.folder / "dist" / "nvidia").glob("work-*/source/driver/kernel-open/begun")):
        assert building.poll() is None and time.monotonic() < deadline
        time.sleep(0.2)
    os.killpg(building.pid, signal.SIGTERM)
    assert building.wait(60) == 128 + signal.SIGTERM
    assert bench.left() == set()


def test_a_result_that_was_touched_or_is_of_another_recipe_is_made_anew(bench: Bench) -> None:
    assert bench.build(Archive()).returncode == 0
    (bench.result / "bin" / "nvidia-smi").write_text("changed")
    ended = bench.build(Archive())
    assert ended.returncode == 0
    assert "is there already" not in ended.stderr
    assert "changed" not in (bench.result / "bin" / "nvidia-smi").read_text()
    assert "is there already" in bench.build(Archive()).stderr


def test_a_kernel_that_the_archive_no_longer_has_is_told_with_the_way_on(bench: Bench) -> None:
    file = Archive().write(bench.folder)
    versions = bench.pin(file, DEBIAN_KERNEL_ABI="6.12.1+deb13-amd64")
    ended = build("--source", "run", "--dist", str(bench.folder / "dist"), versions=versions)
    assert ended.returncode == 1
    assert "the archive has no headers of 6.12.1+deb13-amd64" in ended.stderr
    assert "DEBIAN_KERNEL_ABI in iso/builder/VERSIONS" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "--source must be debian or run"),
        (("--source", "cloud"), "--source must be debian or run"),
        (("--source",), "--source needs a value"),
        (("--sauce", "run"), "unknown argument --sauce"),
    ],
)
def test_what_is_asked_wrongly_is_told(arguments: tuple[str, ...], told: str) -> None:
    ended = build(*arguments)
    assert ended.returncode == 1
    assert told in ended.stderr
