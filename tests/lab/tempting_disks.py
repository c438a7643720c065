"""Disks of a server that comes back from its work: what is on them begs to be assembled, mounted, swapped to.

A system that touches them cannot but write: the array is unclean, so whoever assembles it begins to resync;
the filesystem's journal is not replayed, which even mounting read-only does; its label is the one that
live systems keep their changes on; and the swap space has room.
"""

import hashlib
import os
import struct
import subprocess
from pathlib import Path

from lab import hardware

MD_MAGIC = 0xA92B4EFC
SECTOR = 512
BLOCK = 1 << 16
MD_SUPERBLOCK_SECTOR, MD_DATA_SECTOR = 8, 2048  # version 1.2: 4 KiB from the start
EXT_SUPERBLOCK = 1024
NEEDS_RECOVERY = 0x4  # kernel, Documentation/filesystems/ext4: s_feature_incompat


def write(server: hardware.Server, work: Path) -> None:
    """The disks of the reference server, as files in ``work`` that `lab.qemu_command` takes."""
    for number, nvme in enumerate(server.nvmes):
        with (work / f"nvme{number}.raw").open("wb") as file:
            file.truncate(nvme.size_bytes)
    _unclean_filesystem(work / "nvme0.raw")
    subprocess.run(["mkswap", "--label", "swap", work / "nvme1.raw"], check=True, capture_output=True)
    for number, sata in enumerate(server.satas):
        with (work / f"sata{number}.raw").open("wb") as file:
            file.truncate(sata.size_bytes)
            file.seek(MD_SUPERBLOCK_SECTOR * SECTOR)
            file.write(_unclean_mirror(number, len(server.satas), sata.size_bytes))


def fingerprints(server: hardware.Server, work: Path) -> dict[str, str]:
    """Disk to a checksum of all on it that is not zero, and where; what was never written takes no time."""
    names = [f"nvme{number}" for number in range(len(server.nvmes))]
    names += [f"sata{number}" for number in range(len(server.satas))]
    return {name: _fingerprint(work / f"{name}.raw") for name in names}


def _fingerprint(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        size, at = os.fstat(file.fileno()).st_size, 0
        while at < size:
            try:
                written = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:  # nothing but a hole up to the end
                break
            at = written - written % BLOCK
            block = os.pread(file.fileno(), BLOCK, at)
            if block.strip(b"\0"):
                digest.update(struct.pack("<Q", at) + block)
            at += BLOCK
    return digest.hexdigest()


def _unclean_filesystem(path: Path) -> None:
    make = ["mke2fs", "-q", "-F", "-t", "ext4", "-O", "^metadata_csum", "-L", "persistence"]
    subprocess.run([*make, str(path)], check=True, capture_output=True)
    with path.open("r+b") as file:
        file.seek(EXT_SUPERBLOCK + 0x60)
        (features,) = struct.unpack("<I", file.read(4))
        file.seek(EXT_SUPERBLOCK + 0x60)
        file.write(struct.pack("<I", features | NEEDS_RECOVERY))


def _unclean_mirror(number: int, disks: int, size_bytes: int) -> bytes:
    """The superblock of one half of a RAID 1 (kernel, include/uapi/linux/raid/md_p.h: mdp_superblock_1)."""
    sectors = size_bytes // SECTOR - MD_DATA_SECTOR
    raw = bytearray(256 + 2 * disks)
    struct.pack_into("<III4x", raw, 0, MD_MAGIC, 1, 0)
    raw[16:32] = hashlib.md5(b"lab array").digest()
    raw[32:38] = b"hive:0"
    struct.pack_into("<QIIQII", raw, 64, 1_700_000_000, 1, 0, sectors, 0, disks)
    struct.pack_into("<QQQQI", raw, 128, MD_DATA_SECTOR, sectors, MD_SUPERBLOCK_SECTOR, 0, number)
    raw[168:184] = hashlib.md5(b"lab disk %d" % number).digest()
    # events, then up to where it is in step: from the start on it is not.
    struct.pack_into("<QQQ", raw, 192, 1_700_000_000, 17, 0)
    struct.pack_into("<I", raw, 220, disks)
    struct.pack_into(f"<{disks}H", raw, 256, *range(disks))
    words = struct.unpack(f"<{len(raw) // 4}I", raw[: len(raw) // 4 * 4])
    total = sum(words) + (struct.unpack("<H", raw[-2:])[0] if len(raw) % 4 else 0)
    struct.pack_into("<I", raw, 216, ((total & 0xFFFFFFFF) + (total >> 32)) & 0xFFFFFFFF)
    return bytes(raw)
