"""The ISO's build: what it is asked, what it stages, what it keeps, and what it says when a step fails."""

import hashlib
import os
import re
import signal
import subprocess
import time
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from bee_bus.version import VERSION
from lab.image_build import ImageBuild, image_build, run_builder

ROOT = Path(__file__).resolve().parents[2]
ISO = ROOT / "iso"
STEPS = [
    *("bee", "overlay", "access", "install", "vendor", "nvidia", "modules", "nvidia-smi", "libraries"),
    *("release", "motd", "workdir", "includes", "image"),
]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="an image is built as root")


def _versions() -> dict[str, str]:
    lines = (ISO / "builder/VERSIONS").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def _packages() -> set[str]:
    lists = (ISO / "builder/config/package-lists").glob("*.list.chroot")
    lines = [line for path in lists for line in path.read_text().splitlines()]
    return {line for line in lines if line and not line.startswith("#")}


def _content(*folders: Path) -> dict[str, tuple[int, int, str]]:
    """Every file's mode, change time and hash."""
    return {
        str(path): (
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for folder in folders
        for path in (folder, *folder.rglob("*"))
    }


@pytest.fixture(scope="module")
def key_pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private key's path; the public one has .pub behind it."""
    path = tmp_path_factory.mktemp("keys") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "smith", "-f", path], check=True)
    return path


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[ImageBuild]:
    with image_build(tmp_path) as lab:
        yield lab


# What it is asked


def test_help_names_every_option() -> None:
    ended = run_builder("--help")

    assert ended.returncode == 0
    for name in ("authorized-keys", "expected", "nvidia", "mirror", "engine", "output", "help"):
        assert f"--{name}" in ended.stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--keys", "x"], "--keys is no option of this program"),
        (["image"], "image is no option of this program"),
        (["--engine"], "--engine needs a value"),
        (["--mirror="], "--mirror needs a value that is not empty"),
        (["--engine", "lxc"], "--engine is nspawn, docker or podman, not 'lxc'"),
        (["--nvidia", "nouveau"], "--nvidia is run, debian or none, not 'nouveau'"),
        (["--mirror", "ftp://example.org"], "--mirror is the http or https address"),
        (["--mirror", "http://exam ple.org"], "--mirror is the http or https address"),
        (["--output", "bee.img"], "a file whose name ends in .iso"),
        (["--authorized-keys", "/nowhere/keys"], "there is no such file"),
        (["--authorized-keys", "/"], "no file that can be read"),
        (["--expected", "/nowhere/order.toml"], "there is no such file"),
        (["--expected", "/"], "no file that can be read"),
    ],
)
def test_bad_usage_is_a_sentence_and_makes_nothing(tmp_path: Path, words: list[str], sentence: str) -> None:
    ended = run_builder(*words, BEE_ISO_DIRECTORY=tmp_path / "work")

    assert ended.returncode == 2
    assert sentence in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stdout == ""
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("level", ["0", "23", "fast", "-1", "1.5"])
def test_a_compression_level_is_a_number_that_zstd_has(level: str) -> None:
    ended = run_builder(BEE_ISO_COMPRESSION_LEVEL=level)

    assert ended.returncode == 2
    assert f"not '{level}'" in ended.stderr


def test_a_private_key_does_not_get_into_an_image(key_pair: Path) -> None:
    ended = run_builder("--authorized-keys", key_pair)

    assert ended.returncode == 2
    assert "this is a private key" in ended.stderr


def test_a_line_that_is_no_key_is_named(tmp_path: Path, key_pair: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"# mine\n{key_pair.with_suffix('.pub').read_text()}ssh-ed25519 AAAAC3 typo\n")

    ended = run_builder("--authorized-keys", keys)

    assert ended.returncode == 2
    assert "line 3 is no OpenSSH public key" in ended.stderr


def test_a_file_without_keys_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("# none yet\n\n")

    ended = run_builder("--authorized-keys", tmp_path / "keys")

    assert ended.returncode == 2
    assert "there is no key in it" in ended.stderr


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("DEBIAN_SUITE=trixie\n", "DEBIAN_KERNEL_ABI is missing"),
        ("DEBIAN_SUITE=trixie\nDEBIAN_KERNEL_ABI=6.12.1+deb13-arm64\n", "ends in -amd64"),
        ("DEBIAN_SUITE=$(id)\n", "is not NAME=value"),
        ("DEBIAN_SUITE=trixie; id\n", "is not NAME=value"),
    ],
)
def test_versions_are_data(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "VERSIONS").write_text(text)

    ended = run_builder(BEE_VERSIONS=tmp_path / "VERSIONS")

    assert ended.returncode == 2
    assert sentence in ended.stderr


# What it stages


@dataclass(frozen=True)
class Built:
    """A build without keys, of a checkout whose vendor folder has one tool."""

    lab: ImageBuild
    ended: subprocess.CompletedProcess[str]
    sources_before: dict[str, tuple[int, int, str]]
    sources_after: dict[str, tuple[int, int, str]]

    @property
    def overlay(self) -> Path:
        """What live-build gets as the image's own files."""
        return self.lab.work / "work/config/includes.chroot"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    if os.geteuid() != 0:
        pytest.skip("an image is built as root")
    folder = tmp_path_factory.mktemp("built")
    (folder / "vendor").mkdir()
    (folder / "vendor/README.md").write_text("what may be here")
    (folder / "vendor/storcli64").write_bytes(b"\x7fELF and so on")
    with image_build(folder) as lab:
        before = _content(ISO / "overlay", ISO / "builder")
        ended = lab.run(SOURCE_DATE_EPOCH="1700000000", BEE_VENDOR_DIRECTORY=folder / "vendor")
        assert ended.returncode == 0, ended.stderr
        yield Built(lab, ended, before, _content(ISO / "overlay", ISO / "builder"))


def test_the_fourteen_steps_in_their_order(built: Built) -> None:
    shown = re.findall(r"^\[ ?(\d+)/14\] (\S+) ", built.ended.stdout, re.MULTILINE)
    logs = sorted(path.name for path in (built.lab.work / "logs").iterdir())

    assert shown == [(str(number), name) for number, name in enumerate(STEPS, 1)]
    assert logs == [f"{number:02}-{name}.log" for number, name in enumerate(STEPS, 1)]
    assert built.lab.image.read_text() == "an image\n"


def test_a_build_writes_neither_overlay_nor_builder(built: Built) -> None:
    assert len(built.sources_before) > 20
    assert built.sources_after == built.sources_before


def test_without_keys_the_image_carries_the_marker(built: Built) -> None:
    assert "no keys given" in built.ended.stdout
    assert (built.overlay / "etc/bee-password-fallback").is_file()
    assert not (built.overlay / "root/.ssh").exists()


def test_bee_and_its_date_are_in_the_overlay_that_lb_gets(built: Built) -> None:
    assert (built.overlay / "usr/local/bin/bee").stat().st_mode & 0o111
    assert (built.overlay / "usr/lib/systemd/system/bee-audit.service").is_file()
    release = dict(
        line.split("=", 1) for line in (built.overlay / "etc/bee-release").read_text().splitlines()
    )
    assert release["BEE_VERSION"] == VERSION
    assert release["BEE_BUILD_DATE"] == "2023-11-14T22:13:20Z"
    assert release["DEBIAN_KERNEL_ABI"] == _versions()["DEBIAN_KERNEL_ABI"]
    assert release["NVIDIA_VERSION"] == release["NVIDIA_SOURCE"] == "none"
    assert f"bee {VERSION}, built 2023-11-14" in (built.overlay / "etc/motd").read_text()


def test_the_overlay_is_readable_whatever_the_checkouts_umask(built: Built) -> None:
    closed = [
        path
        for path in built.overlay.rglob("*")
        if not path.is_symlink() and path.stat().st_mode & 0o044 != 0o044
    ]

    assert closed == []


def test_vendors_tools_become_programs_of_the_image(built: Built) -> None:
    assert (built.overlay / "usr/local/bin/storcli64").stat().st_mode & 0o777 == 0o755
    assert not (built.overlay / "usr/local/bin/README.md").exists()


def test_a_second_build_keeps_what_has_not_changed_and_a_point_release_keeps_nothing(built: Built) -> None:
    assert built.lab.run().returncode == 0
    second = built.lab.calls()
    built.lab.archive_changes("Suite: stable\nVersion: 13.2\n")
    assert built.lab.run().returncode == 0
    third = built.lab.calls()[len(second) :]

    assert second[0] == f"mmdebstrap trixie {built.lab.mirror}"
    assert [line.split()[:2] for line in second[1:]] == [["lb", "config"], ["lb", "build"]] * 2
    assert second[2] == second[4], "the same tree of Debian"
    assert [line.split()[0] for line in third] == ["mmdebstrap", "lb", "lb"]
    assert third[2] != second[2]


@as_root
def test_keys_are_for_root_alone_to_read(lab: ImageBuild, key_pair: Path) -> None:
    public = key_pair.with_suffix(".pub").read_text()
    keys = lab.folder / "keys"
    keys.write_text(f'# two\n{public}from="10.0.0.0/8",no-pty {public}')

    ended = lab.run("--authorized-keys", keys)

    assert ended.returncode == 0, ended.stderr
    staged = lab.staged / "root/.ssh/authorized_keys"
    assert staged.read_bytes() == keys.read_bytes()
    assert [oct(path.stat().st_mode & 0o777) for path in (staged, staged.parent)] == ["0o600", "0o700"]
    assert not (lab.staged / "etc/bee-password-fallback").exists()


@as_root
def test_what_the_machines_must_have_comes_along(lab: ImageBuild) -> None:
    order = lab.folder / "order.toml"
    order.write_text("[[gpus]]\ncount = 8\n")
    ended = lab.run("--expected", order)
    assert ended.returncode == 0, ended.stderr
    assert (lab.staged / "etc/bee/expected.toml").read_bytes() == order.read_bytes()


@as_root
def test_an_order_with_a_typing_error_stops_the_build(lab: ImageBuild) -> None:
    order = lab.folder / "order.toml"
    order.write_text("[[gpu]]\ncount = 8\n")
    ended = lab.run("--expected", order)
    assert ended.returncode == 1
    assert "unknown field `gpu`" in ended.stderr + (lab.work / "logs/04-install.log").read_text()
    assert "order.toml cannot be used" in ended.stderr


@as_root
@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [("storcli", b"\x7fELF", "is not known here"), ("ssacli", b"PK\x03\x04", "is no program")],
)
def test_what_is_no_vendors_tool_stops_the_build(
    lab: ImageBuild, name: str, content: bytes, sentence: str
) -> None:
    (lab.folder / "vendor").mkdir()
    (lab.folder / "vendor" / name).write_bytes(content)

    ended = lab.run(BEE_VENDOR_DIRECTORY=lab.folder / "vendor")

    assert ended.returncode == 1
    assert f"step vendor failed: iso/vendor/{name} {sentence}" in ended.stderr
    assert not lab.image.exists()


def test_the_vendors_readme_names_what_the_build_takes() -> None:
    taken = re.search(r"^VENDOR_TOOLS=\((.*)\)$", (ISO / "lib/stage.sh").read_text(), re.MULTILINE)
    assert taken
    readme = (ISO / "vendor/README.md").read_text()
    assert all(f"`{name}`" in readme for name in taken[1].split())


# What it says when a step fails


@as_root
def test_a_failed_step_is_named_with_its_reason_and_its_log(lab: ImageBuild) -> None:
    said = "cp: the disk is full\nE: An unexpected failure occurred, exiting...\nP: Saving caches..."

    ended = lab.run(LAB_LB_FAILS=said)

    assert ended.returncode == 1
    log = lab.work / "logs/14-image.log"
    assert ended.stderr.splitlines()[-1].endswith(f"step image failed: cp: the disk is full (log: {log})")
    assert "Begin something" in log.read_text()
    assert not lab.image.exists()


@as_root
def test_a_kernel_that_left_the_archive_says_how_to_move_on(lab: ImageBuild) -> None:
    abi = _versions()["DEBIAN_KERNEL_ABI"]

    ended = lab.run(LAB_LB_FAILS=f"E: Unable to locate package linux-image-{abi}")

    assert ended.returncode == 1
    assert f"has no kernel {abi} any more: set DEBIAN_KERNEL_ABI in iso/builder/VERSIONS" in ended.stderr


@as_root
def test_an_archive_that_is_none_is_named(lab: ImageBuild) -> None:
    ended = lab.run("--mirror", f"{lab.mirror}elsewhere")

    assert ended.returncode == 1
    assert f"step image failed: the archive {lab.mirror}elsewhere gives no dists/trixie" in ended.stderr


@as_root
@pytest.mark.parametrize("engine", ["nspawn", "podman"])
def test_a_build_that_is_asked_to_end_ends_with_its_container(lab: ImageBuild, engine: str) -> None:
    build = lab.start("--engine", engine, LAB_LB_WAITS="yes")
    try:
        deadline = time.monotonic() + 240
        while not any(line.startswith("lb build") for line in lab.calls()):
            assert build.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
        build.send_signal(signal.SIGTERM)
        _, errors = build.communicate(timeout=60)  # at the end of the file: nobody holds it any more
    finally:
        with suppress(ProcessLookupError):
            os.killpg(build.pid, signal.SIGKILL)
        build.wait()

    assert build.returncode == 143
    assert "step image failed: asked to end" in errors
    assert lab.run().returncode == 0, "its lock is free again"


@as_root
@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_an_engine_gets_the_builder_as_an_image_and_pulls_nothing(lab: ImageBuild, engine: str) -> None:
    assert lab.run("--engine", engine).returncode == 0
    assert lab.run("--engine", engine).returncode == 0

    assert [line.rsplit(" ", 1)[0] for line in lab.calls() if "lb" not in line] == [
        "mmdebstrap trixie",
        engine,
    ], "made and imported once"
    assert lab.image.is_file()


# What it keeps


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of what Debian's tree is made from, to be changed."""
    subprocess.run(["cp", "-a", ISO / "builder", tmp_path / "builder"], check=True)
    (tmp_path / "staged/etc/modprobe.d").mkdir(parents=True)
    (tmp_path / "staged/usr/local/lib/bee").mkdir(parents=True)
    return tmp_path


def _base_key(sources: Path) -> str:
    script = f". {ISO}/lib/keys.sh; . {ISO}/lib/image.sh; ISO=$1 STAGED=$1/staged; base_key"
    environment = {**os.environ, "DEBIAN_SUITE": "trixie", "DEBIAN_KERNEL_ABI": "6", "ARCHIVE_STATE": "x"}
    ended = subprocess.run(
        ["bash", "-euc", script, "bash", sources], env=environment, capture_output=True, text=True, check=True
    )
    return ended.stdout


def test_a_changed_python_file_leaves_debians_tree(sources: Path) -> None:
    before = _base_key(sources)
    (sources / "staged/usr/local/lib/bee/module.py").write_text("changed = True\n")
    (sources / "builder/config/hooks/bee/5000-new.hook.chroot").write_text("#!/bin/sh\n")

    assert _base_key(sources) == before
    assert re.fullmatch(r"[0-9a-f]{16}\n", before)


@pytest.mark.parametrize(
    "changed",
    [
        "builder/config/package-lists/bee.list.chroot",
        "builder/config/hooks/normal/2000-pynvml.hook.chroot",
        "builder/auto/build",
        "staged/etc/modprobe.d/bee.conf",
    ],
)
def test_what_debians_tree_is_made_from_changes_its_key(sources: Path, changed: str) -> None:
    before = _base_key(sources)
    with (sources / changed).open("a") as file:
        file.write("# changed\n")

    assert _base_key(sources) != before


def test_a_checkout_elsewhere_has_the_same_key(
    sources: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("elsewhere") / "again"
    subprocess.run(["cp", "-a", sources, other], check=True)

    assert _base_key(other) == _base_key(sources)


def test_a_mode_is_part_of_a_key(sources: Path) -> None:
    before = _base_key(sources)
    (sources / "builder/config/hooks/normal/2000-pynvml.hook.chroot").chmod(0o644)

    assert _base_key(sources) != before


# What an image is made of


def test_one_kernel_is_pinned_and_the_drivers_archive_with_its_hash() -> None:
    versions = _versions()

    assert re.fullmatch(r"\d+\.\d+\.\d+\+deb13-amd64", versions["DEBIAN_KERNEL_ABI"])
    assert re.fullmatch(r"[0-9a-f]{64}", versions["NVIDIA_RUN_SHA256"])
    assert versions["NVIDIA_RUN_URL"].endswith(f"/NVIDIA-Linux-x86_64-{versions['NVIDIA_RUN_VERSION']}.run")
    config = (ISO / "builder/auto/config").read_text()
    assert '--linux-flavours "$DEBIAN_KERNEL_ABI"' in config


def test_the_image_has_what_bee_runs_with() -> None:
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    needed = re.search(r"^RUN_PACKAGES := (.*)$", makefile, re.MULTILINE)

    assert needed
    assert set(needed[1].split()) - _packages() == set()


def test_the_image_has_the_tools_of_the_packs_and_nvtop() -> None:
    tools = {"memtester", "mstflint", "nvme-cli", "nvtop", "smartmontools", "stress-ng", "stressapptest"}

    assert tools - _packages() == set()


def test_the_images_python_packages_are_those_that_bee_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {f"python3-{line.split('==')[0]}" for line in project["dependencies"]}
    by_its_files = "python3-pynvml"
    hook = (ISO / "builder/config/hooks/normal/2000-pynvml.hook.chroot").read_text()

    assert f"apt-get download {by_its_files}" in hook
    shipped = {name for name in _packages() if name.startswith("python3-")}
    assert shipped == needed - {"python3-nvidia-ml-py"}


def test_the_boot_menu_waits_three_seconds_on_screen_and_serial_line() -> None:
    menu = (ISO / "builder/config/bootloaders/grub-pc/grub.cfg").read_text()

    assert "set timeout=3\n" in menu
    assert "set default=0\n" in menu
    assert "serial --unit=0 --speed=115200" in menu
    assert "terminal_output console serial" in menu


def test_the_kernel_speaks_on_the_serial_line_and_looks_for_nothing_on_disks() -> None:
    config = (ISO / "builder/auto/config").read_text()
    line = " ".join(re.findall(r'^BOOT="(?:\$BOOT )?(.*)"$', config, re.MULTILINE)).split()

    assert line.index("console=tty0") < line.index("console=ttyS0,115200")
    assert {"boot=live", "nopersistence", "noresume", "systemd.swap=0", "raid=noautodetect"} <= set(line)


def test_no_archive_is_written_into_the_builder() -> None:
    for path in (ISO / "builder").rglob("*"):
        if path.is_file() and path.name != "VERSIONS" and path.parts[-1] != "smoketest.sh":
            assert "http" not in path.read_text(), path


def test_nobodys_known_password_comes_with_the_live_system() -> None:
    replaced = ISO / "builder/config/package-lists/live.list.chroot"

    assert replaced.is_file(), "without it live-build writes its own, with live-config"
    assert {"live-config", "user-setup", "sudo"} & _packages() == set()


@pytest.mark.parametrize(
    ("filesystem", "mounted"),
    [
        ("iso9660", True),
        ("vfat", True),
        ("ext4", False),
        ("xfs", False),
        ("btrfs", False),
        ("swap", False),
        ("", False),
    ],
)
def test_the_search_for_the_medium_mounts_nothing_that_has_a_journal(filesystem: str, mounted: bool) -> None:
    part = ISO / "builder/config/includes.chroot_before_packages/usr/lib/live/boot/9995-only-media"
    # The kernel of this machine need not have the module; live-boot's has.
    script = 'modprobe() { :; }; . "$1"; is_supported_fs "$2" && is_nice_device anything'

    ended = subprocess.run(["sh", "-c", script, "sh", part, filesystem], check=False)

    assert (ended.returncode == 0) == mounted


def test_the_driver_goes_where_its_unit_and_its_programs_look(tmp_path: Path) -> None:
    driver, staged = tmp_path / "nvidia-1.2-6.12", tmp_path / "staged"
    for name in (
        "modules/nvidia.ko",
        "modules/load.order",
        "bin/nvidia-smi",
        "lib/libcuda.so.1.2",
        "firmware/nvidia/1.2/gsp_ga10x.bin",
        "LICENSES/copyright",
    ):
        (driver / name).parent.mkdir(parents=True, exist_ok=True)
        (driver / name).write_text(name)
    (driver / "bin/nvidia-smi").chmod(0o755)
    (driver / "lib/libcuda.so.1").symlink_to("libcuda.so.1.2")
    script = f". {ISO}/lib/stage.sh; step_modules; step_programs; step_libraries"

    subprocess.run(
        ["bash", "-euc", script],
        env={**os.environ, "NVIDIA_FOLDER": str(driver), "STAGED": str(staged)},
        check=True,
    )

    shipped = sorted(path.relative_to(staged) for path in staged.rglob("*") if not path.is_dir())
    assert [str(path) for path in shipped] == [
        "usr/lib/firmware/nvidia/1.2/gsp_ga10x.bin",
        "usr/lib/x86_64-linux-gnu/libcuda.so.1",
        "usr/lib/x86_64-linux-gnu/libcuda.so.1.2",
        "usr/local/bin/nvidia-smi",
        "usr/local/lib/nvidia/load.order",
        "usr/local/lib/nvidia/nvidia.ko",
        "usr/share/doc/bee-nvidia/copyright",
    ]
    assert (staged / "usr/lib/x86_64-linux-gnu/libcuda.so.1").readlink() == Path("libcuda.so.1.2")
    assert (staged / "usr/local/bin/nvidia-smi").stat().st_mode & 0o111
    assert not (staged / "lib").exists(), "a folder there would stand in the way of Debian's link to usr/lib"
