"""The programs that the lab's machines are built and run with, and the Debian packages that hold them."""

import os
import shutil

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
}

CONTAINER = ("mmdebstrap", "systemd-nspawn", "nsenter", "make")
SERVER = ("mmdebstrap", "mke2fs", "qemu-system-x86_64", "ssh", "make", "xz")


def require(*programs: str) -> None:
    """Skip when this user cannot build machines; fail when only an installation is missing.

    A missing program is a failure, because a skipped test rung would look like a passed one.
    """
    if os.geteuid() != 0:
        pytest.skip("building and booting machines needs root")
    missing = sorted({PACKAGES[program] for program in programs if shutil.which(program) is None})
    if missing:
        pytest.fail(
            f"the lab needs these Debian packages: apt-get install {' '.join(missing)}", pytrace=False
        )
