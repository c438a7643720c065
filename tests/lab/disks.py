"""A machine's disks as sysfs, udev and smartctl show them, put together one by one."""

from collections.abc import Mapping

from bee_machine import ToolError, ToolResult, UdevDevice
from lab import smartctl
from lab.machine import FakeMachine
from lab.nvme_drive import NvmeDrive, control

AHCI_6_GBPS = "c734ff65"  # CAP with ISS = 3
AHCI_3_GBPS = "c724ff65"

ToolAnswer = smartctl.Report | bytes | ToolError | ToolResult


class DiskShelf:
    """Builds a `FakeMachine`. Names of files and shapes of paths are those of a real sysfs."""

    def __init__(self) -> None:
        self.files: dict[str, str | bytes] = {}
        self.links: dict[str, str] = {}
        self.tools: dict[str, str | bytes | ToolError | ToolResult] = {}
        self.drives: dict[str, NvmeDrive] = {}
        self.udev: list[UdevDevice] = []

    def machine(self) -> FakeMachine:
        return FakeMachine(
            files=self.files,
            links=self.links,
            tools=self.tools,
            controls={"nvme-admin": control(self.drives)},
            udev={"block": self.udev},
        )

    def host(self, number: int, driver: str, *, pci: str = "0000:00:17.0", **attributes: str) -> str:
        """A SCSI host; its path, under which disks are placed."""
        path = f"/sys/devices/pci0000:00/{pci}/host{number}"
        if driver == "ahci":
            path = f"/sys/devices/pci0000:00/{pci}/ata{number + 1}/host{number}"
        self.links[f"/sys/class/scsi_host/host{number}"] = f"{path}/scsi_host/host{number}"
        for name, text in {"proc_name": driver, **attributes}.items():
            self.files[f"{path}/scsi_host/host{number}/{name}"] = f"{text}\n"
        return path

    def scsi_disk(
        self,
        name: str,
        answer: ToolAnswer | None,
        *,
        parent: str,
        address: str,
        vendor: str = "ATA",
        model: str = "ST16000NM000J-2T",
        sectors: int = 31251759104,
        removable: str = "0",
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        """An sd disk below ``parent`` (a host, or a port and end device of one)."""
        device = f"{parent}/target{address.rpartition(':')[0]}/{address}"
        files = {
            "size": str(sectors),
            "removable": removable,
            "ro": "0",
            "queue/rotational": "1",
            "queue/logical_block_size": "512",
            "queue/physical_block_size": "4096",
            "device/vendor": f"{vendor:<8}",
            "device/model": f"{model:<16}",
            "device/rev": "SN04",
            "device/state": "running",
            **(attributes or {}),
        }
        self.block(name, f"{device}/block/{name}", device, files)
        if answer is not None:
            self.tool(f"smartctl -x -j /dev/{name}", answer)

    def sata(
        self,
        name: str,
        answer: ToolAnswer | None,
        *,
        caps: str = AHCI_6_GBPS,
        sectors: int = 31251759104,
        removable: str = "0",
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        """A disk on a port of its own of the AHCI controller."""
        number = sum(path.startswith("/sys/class/scsi_host/") for path in self.links)
        parent = self.host(number, "ahci", ahci_host_caps=caps)
        address = f"{number}:0:0:0"
        self.scsi_disk(
            name,
            answer,
            parent=parent,
            address=address,
            sectors=sectors,
            removable=removable,
            attributes=attributes,
        )

    def block(self, name: str, path: str, device: str | None, files: dict[str, str]) -> None:
        self.links[f"/sys/block/{name}"] = path
        if device is not None:
            self.links[f"{path}/device"] = device
        for file, text in files.items():
            place = (
                f"{device}/{file.removeprefix('device/')}" if file.startswith("device/") else f"{path}/{file}"
            )
            self.files[place] = f"{text}\n"

    def nvme(
        self,
        number: int,
        drive: NvmeDrive | None,
        *,
        pci: str = "0000:3b:00.0",
        state: str = "live",
        namespaces: int = 1,
        model: str = "SAMSUNG MZQL23T8HCLS-00A07",
        serial: str = "S64HNE0R500000",
    ) -> None:
        name = f"nvme{number}"
        path = f"/sys/devices/pci0000:3a/0000:3a:00.0/{pci}/nvme/{name}"
        self.links[f"/sys/class/nvme/{name}"] = path
        values = {
            "model": model,
            "serial": serial,
            "firmware_rev": "GDC5602Q",
            "state": state,
            "address": pci,
        }
        for file, text in {**values, "transport": "pcie"}.items():
            self.files[f"{path}/{file}"] = f"{text}\n"
        for space in range(1, namespaces + 1):
            block = f"{name}n{space}"
            files = {"size": "7501476528", "queue/logical_block_size": "512", "nsid": str(space), "ro": "0"}
            self.block(
                block, f"{path}/{block}", None, {**files, "wwid": "eui.36344830525000000025384500000001"}
            )
        if drive is not None:
            self.drives[f"/dev/{name}"] = drive

    def virtio(self, name: str) -> None:
        path = f"/sys/devices/pci0000:00/0000:00:05.0/virtio2/block/{name}"
        device = "/sys/devices/pci0000:00/0000:00:05.0/virtio2"
        self.block(name, path, device, {"size": "41943040", "ro": "0", "device/vendor": "0x1af4"})

    def usb(
        self, name: str, answer: ToolAnswer | None, *, removable: str = "1", sectors: int = 60062500
    ) -> None:
        parent = self.host(40, "usb-storage", pci="0000:00:14.0/usb1/1-3/1-3:1.0")
        self.scsi_disk(
            name,
            answer,
            parent=parent,
            address="40:0:0:0",
            vendor="SanDisk",
            model="Ultra",
            sectors=sectors,
            removable=removable,
        )

    def properties(self, name: str, **properties: str) -> None:
        self.udev.append(
            UdevDevice(f"/sys/block/{name}", name, "block", "disk", f"/dev/{name}", dict(properties))
        )

    def tool(self, line: str, answer: ToolAnswer) -> None:
        self.tools[line] = smartctl.printed(answer) if isinstance(answer, dict) else answer


def exits(code: int, answer: smartctl.Report | bytes) -> ToolResult:
    """A tool's output with its exit status."""
    output = smartctl.printed(answer) if isinstance(answer, dict) else answer
    return ToolResult(("smartctl",), code, output, b"", 0.1)
