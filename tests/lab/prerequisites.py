"""What the lab's machines are built and run with (programs, and files by their paths), and the packages."""

import os
import shutil
from pathlib import Path

import pytest

PACKAGES = {
    "ip": "iproute2",
    "mke2fs": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "nsenter": "util-linux",
    "qemu-system-x86_64": "qemu-system-x86",
    "ssh": "openssh-client",
    "systemd-nspawn": "systemd-container",
    "make": "make",
    "xz": "xz-utils",
    "tmux": "tmux",
    "mksquashfs": "squashfs-tools",
    "grub-mkrescue": "grub-common",
    "/usr/lib/grub/i386-pc/boot.img": "grub-pc-bin",
    "/usr/lib/grub/x86_64-efi/moddep.lst": "grub-efi-amd64-bin",
    "xorriso": "xorriso",
    "mformat": "mtools",
    "/usr/share/OVMF/OVMF_CODE_4M.fd": "ovmf",
    "/usr/share/OVMF/OVMF_CODE_4M.ms.fd": "ovmf",
}

CONTAINER = ("mmdebstrap", "systemd-nspawn", "nsenter", "make")
SERVER = ("mmdebstrap", "mke2fs", "qemu-system-x86_64", "ssh", "make", "xz")
BARE_LIVE = (
    "mmdebstrap",
    "mksquashfs",
    "grub-mkrescue",
    "/usr/lib/grub/i386-pc/boot.img",
    "/usr/lib/grub/x86_64-efi/moddep.lst",
    "xorriso",
    "mformat",
)
LIVE = (
    *("mke2fs", "qemu-system-x86_64", "ssh", "tmux", "xorriso"),
    *("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_CODE_4M.ms.fd"),
)


def require(*programs: str) -> None:
    """Skip when this user cannot build machines; fail when only an installation is missing.

    A missing program is a failure, because a skipped test rung would look like a passed one.
    """
    if os.geteuid() != 0:
        pytest.skip("building and booting machines needs root")
    missing = sorted({PACKAGES[program] for program in programs if not _is_there(program)})
    if missing:
        pytest.fail(
            f"the lab needs these Debian packages: apt-get install {' '.join(missing)}", pytrace=False
        )


def _is_there(program: str) -> bool:
    return Path(program).exists() if program.startswith("/") else shutil.which(program) is not None
