"""The words of the QEMU command that boots a live image on a described server."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from lab import hardware, qemu_command

# "secure": UEFI with Secure Boot on, and the keys in it that servers are sold with.
Firmware = Literal["bios", "uefi", "secure"]
Medium = Literal["cd", "usb", "network"]

STICK, STICK_PORT = "stick", "bus=usb.0,removable=on"
OVMF = Path("/usr/share/OVMF")
WIRED = "nic0"


def command(
    described: hardware.Server,
    image: Path,
    firmware: Firmware,
    medium: Medium,
    work: Path,
    ports: Mapping[int, int],
    script: str = "",
) -> list[str]:
    """``ports``: the server's, to those of this machine that lead there. ``script``: where iPXE finds it."""
    # Not restricted to the host: a machine that reaches for the internet shall be able to, and be seen.
    forwards = ",".join(f"hostfwd=tcp:127.0.0.1:{port}-:{guest}" for guest, port in ports.items())
    if script:
        forwards += f",bootfile={script}"
    words = qemu_command.machine(described, work, {WIRED: forwards}, boots_by=WIRED if script else "")
    for nic in described.nics:
        dump = f"netdev={nic.name}-net,file={work / nic.name}.pcap"
        words += ["-object", f"filter-dump,id={nic.name}-dump,{dump}"]
    words += ["-device", "VGA,bus=pcie.0,addr=0x2"]
    serial = f"socket,id=serial,path={work / 'serial'},server=on,wait=off,logfile={work / 'serial.log'}"
    words += ["-chardev", serial, "-serial", "chardev:serial"]
    words += _medium(medium, image, free_sata_port=len(described.satas))
    return [*words, *_firmware(firmware, work)]


def _firmware(firmware: Firmware, work: Path) -> Iterator[str]:
    if firmware == "bios":
        return
    kind = "_4M.ms.fd" if firmware == "secure" else "_4M.fd"
    shutil.copyfile(OVMF / f"OVMF_VARS{kind}", work / "variables")
    yield from ("-drive", f"if=pflash,format=raw,readonly=on,file={OVMF / f'OVMF_CODE{kind}'}")
    yield from ("-drive", f"if=pflash,format=raw,file={work / 'variables'}")
    if firmware == "secure":
        # Its variables are written in system management mode alone, which the kernel cannot enter.
        yield from ("-machine", "smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on")


def _medium(medium: Medium, image: Path, free_sata_port: int) -> Iterator[str]:
    drive = f"if=none,id=medium,file={image},format=raw"
    match medium:
        case "cd":
            yield from ("-drive", f"{drive},media=cdrom,readonly=on")
            yield from ("-device", f"ide-cd,drive=medium,bus=ide.{free_sata_port},bootindex=0")
        case "usb":
            # A stick can be written to: that nobody does is for a test to see.
            yield from ("-drive", f"{drive},snapshot=on")
            yield from ("-device", "qemu-xhci,id=usb,bus=pcie.0,addr=0x3")
            yield from ("-device", f"usb-storage,id={STICK},drive=medium,{STICK_PORT},bootindex=0")
