"""What the kernel says of a stick that somebody pulls is no fault of the machine that is tested."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bee_machine.kmsg import KernelMessage
from bee_sat import kernel_log
from bee_sat.book import Book
from bee_sat.kernel_log import KernelLog
from bee_sat.kernel_messages import judge_message
from bee_sat.ledger import Ledger
from bee_sat.usb_disks import UsbDisks
from lab.kernel_log import FakeKernelLog

STICK = "../../devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4:1.0/host6/target6:0:0/6:0:0:0/block/sdb"
SAS = "../../devices/pci0000:17/0000:17:00.0/0000:18:00.0/host0/target0:0:3/0:0:3:0/block/sda"

# As kernels 6.1 and 6.12 say it when a stick is pulled.
PULLED = (
    "I/O error, dev sdb, sector 2048 op 0x0:(READ) flags 0x80700 phys_seg 1 prio class 2",
    "Buffer I/O error on dev sdb1, logical block 0, async page read",
    "sd 6:0:0:0: [sdb] Synchronize Cache(10) failed: Result: hostbyte=DID_NO_CONNECT driverbyte=DRIVER_OK",
    "scsi 6:0:0:0: rejecting I/O to dead device",
    "EXT4-fs error (device sdb3): ext4_lookup:1785: inode #2: comm bash: reading directory lblock 0",
    "EXT4-fs (sdb3): Remounting filesystem read-only",
)


def message(text: str) -> KernelMessage:
    return KernelMessage(priority=3, facility=0, sequence=1, boot_seconds=1.0, text=text)


@pytest.fixture
def block(tmp_path: Path) -> Path:
    """/sys/class/block of a server with a SAS disk that was booted from a stick."""
    folder = tmp_path / "block"
    folder.mkdir()
    (folder / "sda").symlink_to(SAS)
    (folder / "sdb").symlink_to(STICK)
    (folder / "sdb1").symlink_to(f"{STICK}/sdb1")
    (folder / "loop0").symlink_to("../../devices/virtual/block/loop0")
    return folder


@pytest.mark.parametrize("text", PULLED)
def test_a_stick_that_is_pulled_is_worth_a_look_and_no_failure(text: str, block: Path) -> None:
    finding = judge_message(message(text), UsbDisks.of_machine(str(block)))
    assert finding is not None
    assert finding.severity == "Warning"
    assert "it is on USB" in finding.message


@pytest.mark.parametrize("text", PULLED)
def test_the_same_of_a_disk_of_the_machine_fails(text: str, block: Path) -> None:
    of_sas = text.replace("sdb", "sda").replace("6:0:0:0", "0:0:3:0")
    finding = judge_message(message(of_sas), UsbDisks.of_machine(str(block)))
    assert finding is not None
    assert finding.severity == "Critical"
    assert "USB" not in finding.message


def test_a_machine_without_sysfs_has_none(tmp_path: Path) -> None:
    assert UsbDisks.of_machine(str(tmp_path / "none")).names == set()


def test_a_stick_that_comes_later_is_known_by_the_kernel_s_words() -> None:
    usb = UsbDisks()
    for text in (
        "usb 1-4: new high-speed USB device number 6 using xhci_hcd",
        "usb-storage 1-4:1.0: USB Mass Storage device detected",
        "scsi host7: usb-storage 1-4:1.0",
        "scsi 7:0:0:0: Direct-Access     SanDisk  Ultra            1.00 PQ: 0 ANSI: 6",
        "sd 7:0:0:0: [sdc] 60062500 512-byte logical blocks: (30.8 GB/28.6 GiB)",
    ):
        usb.learn(text)
    assert (usb.hosts, usb.names) == ({"7"}, {"sdc"})
    # It is pulled, and an SAS host gets its number and its name.
    usb.learn("scsi host7: mpt3sas")
    usb.learn("sd 7:0:0:0: [sdc] 7814037168 512-byte logical blocks: (4.00 TB/3.64 TiB)")
    assert (usb.hosts, usb.names) == (set(), set())


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKernelLog]:
    log = FakeKernelLog()
    monkeypatch.setattr(kernel_log, "open_kernel_log", lambda path: log.file)
    yield log
    log.close()


async def test_a_run_goes_on_over_sticks_that_are_pulled_and_fails_by_a_disk(
    log: FakeKernelLog, tmp_path: Path, block: Path
) -> None:
    book = Book.create(tmp_path, "run")
    async with KernelLog(Ledger(book, lambda: None), disks=str(block)) as watched:
        await watched.begin("memtester")
        log.say("scsi host7: uas", priority=6)
        log.say("sd 7:0:0:0: [sdc] Attached SCSI disk", priority=5)
        log.say("I/O error, dev sdb, sector 0 op 0x0:(READ)")
        log.say("I/O error, dev sdc, sector 0 op 0x0:(READ)")
        assert await watched.end("memtester") is False
        await watched.begin("stressapptest")
        log.say("I/O error, dev sda, sector 0 op 0x0:(READ)")
        assert await watched.end("stressapptest") is True
    book.close()
