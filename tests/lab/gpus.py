"""The GPU service on a private bus whose machine has the fake GPUs: NVML, PCI and the kernel log agree."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.bus.private import LabBus, python_command
from lab.nvml import FakeNvml

BUS_NAME = "org.bee.Gpu1"


def gpu_service(fake: FakeNvml | None, idle_seconds: float = 60.0) -> list[str]:
    """The command of the real service, which finds the fake library; without one there is none."""
    command = python_command("-m", "bee_gpu.main")
    settings = {"BEE_IDLE_SECONDS": str(idle_seconds), **(fake.environment if fake else {})}
    return [command[0], *(f"{name}={value}" for name, value in settings.items()), *command[1:]]


class GpuMachine:
    """A private bus with org.bee.Gpu1, for a machine with these GPUs.

    ``sys`` is its /sys, and ``log`` its kernel log as /dev/kmsg shows it; both can be changed at any time.
    """

    def __init__(self, fake: FakeNvml, bus: LabBus, sys: Path, log: Path) -> None:
        self.fake = fake
        self.bus = bus
        self.sys = sys
        self.log = log

    def log_xid(self, slot: int, number: int, text: str = "", *, seconds: float = 120.0) -> None:
        """A line of the driver in the kernel log."""
        place = self.fake.pci_address(slot).rpartition(".")[0]
        with self.log.open("a") as log:
            log.write(f"4,{number},{seconds * 1e6:.0f},-;NVRM: Xid (PCI:{place}): {number}, {text}\n")


@contextmanager
def gpu_machine(
    fake: FakeNvml,
    folder: Path,
    *,
    with_library: bool = True,
    idle_seconds: float = 60.0,
    services: dict[str, list[str]] | None = None,
) -> Iterator[GpuMachine]:
    fake.sysfs().write(folder)
    # A bind mount shows the file itself, so it is changed in place.
    log = folder / "kmsg"
    log.write_text("6,1,1000,-;Linux version 6.12\n")
    command = gpu_service(fake if with_library else None, idle_seconds)
    bus = LabBus(
        services={BUS_NAME: command, **(services or {})},
        covers={"/sys": folder / "sys", "/dev/kmsg": log},
    )
    with bus:
        yield GpuMachine(fake, bus, folder / "sys", log)
