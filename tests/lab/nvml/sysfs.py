"""What sysfs shows of the fake GPUs, for FakeMachine or as a folder: NVML must agree with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.nvml.machine import NvmlMachine, Value

SPEEDS = {1: "2.5", 2: "5.0", 3: "8.0", 4: "16.0", 5: "32.0", 6: "64.0"}


@dataclass(frozen=True)
class SysfsTree:
    """``files`` and ``links`` as FakeMachine takes them."""

    files: dict[str, str]
    links: dict[str, str]

    def write(self, root: Path) -> None:
        """The same under a folder."""
        for path, text in self.files.items():
            file = root / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        for path, target in self.links.items():
            link = root / path.lstrip("/")
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)


def pci_tree(machine: NvmlMachine) -> SysfsTree:
    files: dict[str, str] = {}
    links: dict[str, str] = {}
    for slot, address in enumerate(machine.pci_addresses):
        port = f"/sys/devices/pci{address[:7]}/{address[:7]}:01.0"
        folder = f"{port}/{address}"
        device_id = _number(machine.value(slot, "pci_device_id"))
        subsystem_id = _number(machine.value(slot, "pci_subsystem_id"))
        links[f"/sys/bus/pci/devices/{address}"] = f"../../..{folder.removeprefix('/sys')}"
        links[f"/sys/bus/pci/devices/{port[-12:]}"] = f"../../..{port.removeprefix('/sys')}"
        values = {
            "vendor": f"0x{device_id & 0xFFFF:04x}",
            "device": f"0x{device_id >> 16:04x}",
            "subsystem_vendor": f"0x{subsystem_id & 0xFFFF:04x}",
            "subsystem_device": f"0x{subsystem_id >> 16:04x}",
            "class": "0x030200",  # 3D controller
            "revision": "0xa1",
            "numa_node": str(_number(machine.value(slot, "numa_node"))),
            "current_link_speed": f"{SPEEDS[_number(machine.value(slot, 'pcie_gen'))]} GT/s PCIe",
            "max_link_speed": f"{SPEEDS[_number(machine.value(slot, 'pcie_gen_gpu_max'))]} GT/s PCIe",
            "current_link_width": str(_number(machine.value(slot, "pcie_width"))),
            "max_link_width": str(_number(machine.value(slot, "pcie_width_max"))),
            "enable": "1",
        }
        files |= {f"{folder}/{name}": f"{value}\n" for name, value in values.items()}
        # The driver holds a GPU that it could not start, too: NVML alone does not list it.
        links[f"{folder}/driver"] = "../../../../bus/pci/drivers/nvidia"
        bridge = {
            "vendor": "0x8086",
            "device": "0x352a",
            "class": "0x060400",
            **{name: values[name] for name in values if "_link_" in name},
        }
        files |= {f"{port}/{name}": f"{value}\n" for name, value in bridge.items()}
    files["/sys/module/nvidia/version"] = machine.profile.driver_version + "\n"
    return SysfsTree(files, links)


def _number(value: Value) -> int:
    assert isinstance(value, int | float), value
    return int(value)
