"""The root filesystem of the lab's machines: Debian 13 with what bee depends on, and bee installed into it.

Two layers, both folders under ``dist/lab/``: the *base*, made by mmdebstrap and keyed by its recipe, and
*bee*, what ``make install`` and a package's postinst would add to it, keyed by the sources. An overlay of the
two is what a machine boots. Both are caches: deleting ``dist/lab`` costs two minutes and nothing else.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
CACHE = CHECKOUT / "dist" / "lab"

SUITE = "trixie"

# What Debian 13 must hold for bee to run, then what a machine needs to be one.
BEE_DEPENDS = (
    "dbus",
    "dmidecode",
    "ipmitool",
    "lshw",
    "memtester",
    "nvme-cli",
    "pci.ids",
    "pciutils",
    "polkitd",
    "python3-argcomplete",
    "python3-construct",
    "python3-dbus-next",
    "python3-msgspec",
    "python3-prometheus-client",
    "python3-pyudev",
    "python3-qrcode",
    "python3-rich",
    "python3-tornado",
    "python3-urwid",
    "smartmontools",
    "stress-ng",
    "stressapptest",
    "udev",
    "util-linux",
)
MACHINE = (
    "busybox-static",
    "ethtool",
    "iproute2",
    "linux-image-amd64",
    "openssh-server",
    "systemd",
    "systemd-resolved",
    "systemd-sysv",
)

# The initrd is our own (disk_image.py); manuals and translations are never read.
DPKG_EXCLUDES = (
    "/etc/kernel/postinst.d/initramfs-tools",
    "/usr/share/doc/*",
    "/usr/share/locale/*",
    "/usr/share/man/*",
)

# Background work of a long-lived Debian machine, which would only disturb a short one, and what needs an
# infrastructure that the lab does not have.
MASKED_UNITS = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "nvmf-autoconnect.service",
    "smartmontools.service",
    "systemd-networkd-wait-online.service",
    "systemd-resolved.service",
)

STRANGER = "stranger"  # a user of the machine who is not in group bee
MEMBER = "member"  # one who is, once bee is installed

# By its files alone: the package depends on the driver's own library, which comes with a GPU.
PYNVML = (
    'cd "$1/tmp" && APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get download python3-pynvml'
    ' && dpkg-deb --extract python3-pynvml_*.deb "$1" && rm python3-pynvml_*.deb'
)

CUSTOMIZE = (
    PYNVML,
    'echo lab > "$1/etc/hostname"',
    f'chroot "$1" useradd --create-home --shell /bin/bash {STRANGER}',
    f'chroot "$1" useradd --create-home --shell /bin/bash {MEMBER}',
    f'systemctl --root="$1" --quiet mask {" ".join(MASKED_UNITS)}',
    'systemctl --root="$1" --quiet enable systemd-networkd.service ssh.service',
    'rm -rf "$1"/var/cache/apt/*.bin "$1"/var/lib/apt/lists/*',
)

OVERLAY = CHECKOUT / "iso" / "overlay"
INSTALL_SOURCES = ("Makefile", "clients", "dbus", "pyproject.toml", "services", "systemd")


def report(text: str) -> None:
    """Say on the terminal what takes long; pytest shows it with ``-s`` or on failure."""
    print(f"lab: {text}", file=sys.stderr, flush=True)  # noqa: T201


def base_layer() -> Path:
    """The Debian tree without bee, built when the recipe has changed."""
    recipe = _recipe()
    folder = CACHE / f"base-{_hash(recipe)}"
    with lock():
        if not folder.is_dir():
            report(f"building a Debian {SUITE} tree in {folder}")
            partial = _emptied(folder.with_suffix(".partial"))
            _logged([*recipe, SUITE, str(partial), debian_mirror()], CACHE / "base.log")
            partial.rename(folder)
            os.utime(folder)  # a Debian tree is as old as its packages, and the oldest goes
            prune("base-*", keep=2)
    return folder


def bee_layer() -> Path:
    """What installing bee adds to the base, built when bee's sources have changed."""
    base = base_layer()
    folder = CACHE / f"bee-{_hash([base.name, *_source_digests()])}"
    with lock():
        if not folder.is_dir():
            report(f"installing bee in {folder}")
            partial = _emptied(folder.with_suffix(".partial"))
            with merged(base, upper=partial) as root:
                _install(root)
            partial.rename(folder)
            prune("bee-*", keep=4)
    return folder


def live_layers() -> tuple[Path, Path, Path]:
    """The live system, topmost first: what its overlay and the building of an image add, bee, and Debian."""
    base, bee = base_layer(), bee_layer()
    folder = CACHE / f"live-{_hash([base.name, bee.name, *_digests(OVERLAY), _digest(Path(__file__))])}"
    with lock():
        if not folder.is_dir():
            report(f"making the live system in {folder}")
            partial = _emptied(folder.with_suffix(".partial"))
            with merged(bee, base, upper=partial) as root:
                _make_live(root)
            partial.rename(folder)
            os.utime(folder)  # else it is as old as the overlay
            prune("live-*", keep=2)
    return folder, bee, base


def _make_live(root: Path) -> None:
    log = CACHE / "live.log"
    for unit in MASKED_UNITS:
        (root / "etc/systemd/system" / unit).unlink(missing_ok=True)  # the overlay's word is tested
    _logged(["cp", "--archive", "--no-preserve=ownership", f"{OVERLAY}/.", str(root)], log)
    _logged(["systemd-sysusers", f"--root={root}"], log)
    _logged(["chroot", str(root), "systemctl", "--quiet", "preset-all"], log)
    for left in ("etc/hostname", "etc/apt/sources.list", *_names(root, "etc/ssh/ssh_host_*")):
        (root / left).unlink(missing_ok=True)
    (root / "etc/machine-id").write_text("")  # each boot has one of its own, and none is a first boot
    for name in ("etc", "var"):
        (root / name / ".updated").touch()


def _names(root: Path, pattern: str) -> list[str]:
    return [str(path.relative_to(root)) for path in root.glob(pattern)]


def _install(root: Path) -> None:
    log = CACHE / "bee.log"
    _logged(["make", "-C", str(CHECKOUT), "install", f"DESTDIR={root}"], log)
    # What a package's postinst does: users, compiled Python for the target's own interpreter, enabled units.
    _logged(["systemd-sysusers", f"--root={root}"], log)
    _logged(["chroot", str(root), "usermod", "--append", "--groups", "bee", MEMBER], log)
    _logged(["chroot", str(root), "python3", "-m", "compileall", "-q", "/usr/local/lib/bee"], log)
    units = ("bee-audit.service", "bee-web.socket", "bee-web-token.service")
    _logged(["systemctl", f"--root={root}", "enable", *units], log)
    # First-boot work (compiling caches, users) is done: the machine shall boot as on its second day.
    for name in ("etc", "var"):
        (root / name / ".updated").touch()


@contextmanager
def merged(*lower: Path, upper: Path | None = None) -> Iterator[Path]:
    """The layers (topmost first) as one tree, writable into ``upper`` when there is one."""
    CACHE.mkdir(parents=True, exist_ok=True)
    work = CACHE / f"mount-{os.getpid()}-{os.urandom(4).hex()}"
    tree = work / "tree"
    tree.mkdir(parents=True)
    options = "lowerdir=" + ":".join(str(layer) for layer in lower)
    if upper is not None:
        (work / "work").mkdir()
        options += f",upperdir={upper},workdir={work / 'work'}"
    elif len(lower) == 1:
        (work / "empty").mkdir()
        options += f":{work / 'empty'}"  # an overlay of one layer alone is refused
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(tree)], check=True)
    try:
        yield tree
    finally:
        subprocess.run(["umount", "--lazy", str(tree)], check=True)
        shutil.rmtree(work)


def debian_mirror() -> str:
    """The Debian archive that this machine itself installs from; ``BEE_DEBIAN_MIRROR`` names another."""
    if chosen := os.environ.get("BEE_DEBIAN_MIRROR"):
        return chosen
    codename = _os_release().get("VERSION_CODENAME", "")
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(CREATED_BY) $(REPO_URI)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for line in targets.splitlines():
        release, component, created_by, uri = line.split(" ", 3)
        if (release, component, created_by) == (codename, "main", "Packages"):
            return uri
    raise RuntimeError(
        "apt on this machine knows no Debian archive; set BEE_DEBIAN_MIRROR to the address of one"
    )


def _recipe() -> list[str]:
    words = ["mmdebstrap", "--variant=minbase", "--components=main,contrib"]
    words.append(f"--include={','.join(BEE_DEPENDS + MACHINE)}")
    words += ['--aptopt=APT::Install-Recommends "false"', '--aptopt=Acquire::Retries "5"']
    words += [f"--dpkgopt=path-exclude={path}" for path in DPKG_EXCLUDES]
    words += [f"--customize-hook={hook}" for hook in CUSTOMIZE]
    return words


def _source_digests() -> Iterator[str]:
    for name in INSTALL_SOURCES:
        yield from _digests(CHECKOUT / name)
    yield _digest(Path(__file__))


def _digests(top: Path) -> Iterator[str]:
    files = sorted(top.rglob("*")) if top.is_dir() else [top]
    for file in files:
        if file.is_symlink():
            yield f"{file.relative_to(CHECKOUT)} -> {file.readlink()}"
        elif file.is_file() and "__pycache__" not in file.parts:
            yield f"{file.relative_to(CHECKOUT)} {file.stat().st_mode:o} {_digest(file)}"


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _hash(words: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]


def _os_release() -> dict[str, str]:
    lines = Path("/etc/os-release").read_text().splitlines()
    return {key: value.strip('"') for key, found, value in (line.partition("=") for line in lines) if found}


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    folder.chmod(0o755)  # whatever the umask: it becomes a machine's root folder
    return folder


def _logged(argv: Sequence[str], log: Path) -> None:
    """Run a build step with its output in ``log``; the end of it is in the error when it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        ended = subprocess.run(
            argv, check=False, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    if ended.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
        raise RuntimeError(f"{' '.join(argv[:4])} … ended with {ended.returncode}:\n{tail}")


def prune(pattern: str, *, keep: int) -> None:
    """Drop the oldest folders of one kind, so that the cache does not grow with every edit."""
    found = sorted(CACHE.glob(pattern), key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in found[keep:]:
        shutil.rmtree(folder, ignore_errors=True) if folder.is_dir() else folder.unlink(missing_ok=True)


@contextmanager
def lock() -> Iterator[None]:
    """One build at a time, also across test runs."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
