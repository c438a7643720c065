"""A bare Debian live image: a kernel, systemd and a login, made of the same packages as bee's. What booting
costs without bee.
"""

import hashlib
import subprocess
import tempfile
from pathlib import Path

from lab import rootfs
from lab.rootfs import CACHE, CHECKOUT, SUITE, debian_mirror

PACKAGES = ("live-boot", "live-boot-initramfs-tools", "systemd", "systemd-sysv", "udev", "initramfs-tools")
HOST_NAME = "bare"
LOGIN = f"{HOST_NAME} login:"

MENU = """serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
set timeout=3
menuentry "Debian" {
    linux /live/vmlinuz boot=live quiet console=tty0 console=ttyS0,115200
    initrd /live/initrd.img
}
"""


def image(kernel_abi: str, *, compression_level: int) -> Path:
    """The image, built when its recipe has changed; it boots by BIOS and by UEFI."""
    recipe = [
        *("mmdebstrap", "--quiet", "--variant=minbase", '--aptopt=APT::Install-Recommends "false"'),
        f"--include={','.join((*PACKAGES, f'linux-image-{kernel_abi}'))}",
        f'--customize-hook=echo {HOST_NAME} > "$1/etc/hostname"',
        '--customize-hook=rm -rf "$1"/var/cache/apt/*.bin "$1"/var/lib/apt/lists/*',
        SUITE,
    ]
    key = hashlib.sha256("\0".join([*recipe, MENU, str(compression_level)]).encode()).hexdigest()[:16]
    path = CACHE / f"bare-{key}.iso"
    with rootfs.lock():
        if not path.exists():
            rootfs.report(f"building a bare live image {path}")
            with tempfile.TemporaryDirectory(dir=CACHE, prefix="bare-") as work:
                _build(Path(work), recipe, kernel_abi, compression_level).rename(path)
            rootfs.prune("bare-*.iso", keep=1)
    return path


def _build(work: Path, recipe: list[str], kernel_abi: str, compression_level: int) -> Path:
    tree, disc, result = work / "tree", work / "disc", work / "bare.iso"
    for folder in (tree, disc / "live", disc / "boot/grub"):
        folder.mkdir(parents=True)
    tree.chmod(0o755)
    _run(*recipe, tree, debian_mirror())
    (tree / f"boot/vmlinuz-{kernel_abi}").rename(disc / "live/vmlinuz")
    (tree / f"boot/initrd.img-{kernel_abi}").rename(disc / "live/initrd.img")
    (disc / "boot/grub/grub.cfg").write_text(MENU)
    squash = ("mksquashfs", tree, disc / "live/filesystem.squashfs", "-quiet", "-no-progress")
    _run(*squash, "-comp", "zstd", "-Xcompression-level", compression_level)
    _run("grub-mkrescue", "-o", result, disc)
    return result


def _run(*words: object) -> None:
    subprocess.run([str(word) for word in words], check=True, capture_output=True)


def pinned_kernel() -> str:
    """The kernel of bee's image."""
    lines = (CHECKOUT / "iso/builder/VERSIONS").read_text().splitlines()
    return next(line.partition("=")[2] for line in lines if line.startswith("DEBIAN_KERNEL_ABI="))
