"""The disk and the initrd that the lab's server boots from, made of the layers of `lab.rootfs`.

The initrd is a static busybox, the modules that reach a virtio disk, and files to lay over the root: no
udev and no scripts, which saves ten seconds of emulated time at every boot.
"""

import lzma
import stat
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab import rootfs

ROOT_MODULES = ("virtio_blk", "crc32c_generic", "ext4")  # ext4 asks for crc32c without naming the module
DISK_BYTES = 3 << 30  # sparse; what is not used takes no room

INIT = """#!/bin/busybox sh
bb=/bin/busybox
$bb mkdir -p /proc /sys /dev /root
$bb mount -t proc proc /proc
$bb mount -t sysfs sysfs /sys
$bb mount -t devtmpfs devtmpfs /dev
while read module; do $bb insmod "$module"; done < /modules/order
tries=0
until [ -b /dev/vda ]; do
    tries=$((tries + 1))
    if [ $tries -gt 200 ]; then echo "lab: no root disk"; $bb poweroff -f; fi
    $bb usleep 50000
done
$bb mount -t ext4 /dev/vda /root
$bb cp -a /overlay/. /root/
$bb mount --move /dev /root/dev
$bb umount /sys /proc
exec $bb switch_root /root /sbin/init
"""


@dataclass(frozen=True)
class BootFiles:
    disk: Path  # raw ext4, to be used with snapshot=on
    kernel: Path
    kernel_release: str


def boot_files() -> BootFiles:
    """The disk image of a machine with bee installed, built when bee or the base has changed."""
    base, bee = rootfs.base_layer(), rootfs.bee_layer()
    kernel = next(iter((base / "boot").glob("vmlinuz-*")))
    # With a journal, as every server's disk has: one is reset under a run, and keeps what was synced.
    disk = rootfs.CACHE / f"server-journal-{bee.name.removeprefix('bee-')}.ext4"
    with rootfs.lock():
        if not disk.exists():
            rootfs.report(f"writing the server's disk {disk}")
            partial = disk.with_suffix(".partial")
            partial.unlink(missing_ok=True)
            with partial.open("wb") as file:
                file.truncate(DISK_BYTES)
            with rootfs.merged(bee, base) as tree:
                subprocess.run(
                    ["mke2fs", "-q", "-F", "-t", "ext4", "-d", tree, partial],
                    check=True,
                )
            partial.rename(disk)
            rootfs.prune("server-*.ext4", keep=2)
    return BootFiles(disk, kernel, kernel.name.removeprefix("vmlinuz-"))


def write_initrd(path: Path, *, kernel_release: str, overlay: Mapping[str, tuple[bytes, int]]) -> None:
    """Write an initrd that lays ``overlay`` (absolute path to content and mode) over the root disk."""
    base = rootfs.base_layer()
    files: dict[str, tuple[bytes, int]] = {
        "init": (INIT.encode(), 0o755),
        "bin/busybox": ((base / "bin/busybox").read_bytes(), 0o755),
    }
    order = []
    for module in _modules(base, kernel_release):
        name = module.name.removesuffix(".xz")
        raw = module.read_bytes()
        files[f"modules/{name}"] = (lzma.decompress(raw) if module.suffix == ".xz" else raw, 0o644)
        order.append(f"/modules/{name}\n")
    files["modules/order"] = ("".join(order).encode(), 0o644)
    for target, content in overlay.items():
        files[f"overlay{target}"] = content
    path.write_bytes(b"".join(_cpio(files)))


def _modules(base: Path, kernel_release: str) -> Iterator[Path]:
    """The files of the modules that reach the root disk, each after what it needs."""
    depmod = base / "usr/lib/modules" / kernel_release / "modules.dep"
    needs = {}
    for line in depmod.read_text().splitlines():
        module, _, others = line.partition(":")
        # modules.dep lists what a module needs with the nearest first: load it from the back.
        needs[Path(module).name.split(".")[0].replace("-", "_")] = [module, *others.split()][::-1]
    seen = set()
    for wanted in ROOT_MODULES:
        for relative in needs.get(wanted, []):  # none: it is built into the kernel
            if relative not in seen:
                seen.add(relative)
                yield depmod.parent / relative


def _cpio(files: Mapping[str, tuple[bytes, int]]) -> Iterator[bytes]:
    """A cpio archive of the "newc" kind, which is what kernels unpack (initramfs buffer format)."""
    folders = {parent.as_posix() for name in files for parent in Path(name).parents} - {"."}
    entries = [(folder, b"", stat.S_IFDIR | 0o755) for folder in sorted(folders)]
    # The overlay is copied with its modes: sshd refuses keys in a folder that others may write.
    entries = [
        (name, data, stat.S_IFDIR | 0o700) if name.endswith("/.ssh") else (name, data, mode)
        for name, data, mode in entries
    ]
    entries += [(name, data, stat.S_IFREG | mode) for name, (data, mode) in files.items()]
    entries.append(("TRAILER!!!", b"", 0))
    for number, (name, data, mode) in enumerate(entries, start=1):
        encoded = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
        header = b"070701" + b"".join(b"%08x" % value for value in fields) + encoded
        yield header + b"\0" * (-len(header) % 4)
        yield data + b"\0" * (-len(data) % 4)
