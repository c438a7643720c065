"""The disks that tempt a live system: they are what they seem, and a change on them is seen."""

import subprocess
from pathlib import Path

import pytest

from lab import hardware, tempting_disks

REFERENCE = hardware.REFERENCE


@pytest.fixture
def disks(tmp_path: Path) -> Path:
    tempting_disks.write(REFERENCE, tmp_path)
    return tmp_path


def seen(disk: Path) -> dict[str, str]:
    said = subprocess.run(
        ["blkid", "--probe", "--output", "export", str(disk)], check=True, capture_output=True, text=True
    ).stdout
    return dict(line.split("=", 1) for line in said.splitlines())


def test_they_are_what_they_seem(disks: Path) -> None:
    filesystem, swap = seen(disks / "nvme0.raw"), seen(disks / "nvme1.raw")
    assert (filesystem["TYPE"], filesystem["LABEL"], swap["TYPE"]) == ("ext4", "persistence", "swap")
    halves = [seen(disks / f"sata{number}.raw") for number in range(2)]
    # blkid takes a superblock only when its checksum is right.
    assert {half["TYPE"] for half in halves} == {"linux_raid_member"}
    assert len({half["UUID"] for half in halves}) == 1
    assert len({half["UUID_SUB"] for half in halves}) == 2
    features = subprocess.run(
        ["dumpe2fs", "-h", str(disks / "nvme0.raw")], check=True, capture_output=True, text=True
    ).stdout
    assert "needs_recovery" in features


@pytest.mark.parametrize(("name", "offset"), [("nvme0", 0x460), ("sata1", 4096), ("sata0", (2 << 30) - 1)])
def test_one_byte_is_seen(disks: Path, name: str, offset: int) -> None:
    before = tempting_disks.fingerprints(REFERENCE, disks)
    assert set(before) == {"nvme0", "nvme1", "sata0", "sata1"}
    assert tempting_disks.fingerprints(REFERENCE, disks) == before
    with (disks / f"{name}.raw").open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes((byte[0] ^ 0x04,)))
    after = tempting_disks.fingerprints(REFERENCE, disks)
    assert [disk for disk in before if before[disk] != after[disk]] == [name]
