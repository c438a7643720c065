"""org.bee.Sat1 on a private bus: the real service, and a machine whose tools, sysfs and GPUs can be broken.

The kernel log is this machine's own, because only the kernel writes there: a run is OK where it can be read.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from lab.bus.private import LabBus, python_command
from lab.disks import DiskShelf
from lab.gpus import gpu_service
from lab.nvml import FakeNvml
from lab.sat import programs
from lab.sat.programs.main import TOOLS
from lab.two_sockets import TwoSockets, edac_controller, edac_dimm

AUDIT, GPU, SAT = "org.bee.Audit1", "org.bee.Gpu1", "org.bee.Sat1"
GPU_STRESS = "bee-gpu-stress"
SLOT = "P1-DIMMB1"  # where the DIMM of `SatMachine.memory_error` sits
LABEL = f"P0_Node0_Channel1_Dimm0 {SLOT}"  # as the firmware tells the kernel (ghes_edac)
MEMORY_MIB = 4096
DIMM_MIB = MEMORY_MIB // 16

_MANNERS_FOLDER, _CHILDREN_FOLDER, _DISKS_FOLDER = "manners", "children", "disks"


class Tools:
    """The folder of scripted programs; it comes first on the service's PATH. A context manager."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bee-tools-"))
        self.folder.chmod(0o755)
        for name in (_MANNERS_FOLDER, _CHILDREN_FOLDER, _DISKS_FOLDER):
            (self.folder / name).mkdir()
        (self.folder / _CHILDREN_FOLDER).chmod(0o777)
        calls = self.folder / "calls"
        calls.touch()
        calls.chmod(0o666)
        (self.folder / "bin").mkdir()
        package = self.folder / "lab/sat/programs"
        shutil.copytree(Path(programs.__file__).parent, package)
        for above in package.parents[:2]:
            (above / "__init__.py").touch()
        python = next(path for path in ("/usr/bin/python3", sys.executable) if os.access(path, os.X_OK))
        for name in TOOLS:
            self._install(name, f"{python} -sS -m lab.sat.programs.main {self.folder} {name}", self.folder)
        self._install(GPU_STRESS, f"{sys.executable} -m lab.sat.gpu_stress {self.folder}")

    def _install(self, name: str, command: str, modules: Path | None = None) -> None:
        path = self.folder / "bin" / name
        setting = f"PYTHONPATH={modules} " if modules else ""
        path.write_text(f'#!/bin/sh\n{setting}exec {command} "$@"\n')
        path.chmod(0o755)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def path(self) -> str:
        return f"{self.folder / 'bin'}:{os.environ.get('PATH', os.defpath)}"

    def behave(self, **manners: str) -> None:
        """How tools behave from now on, by their names with _ in place of - and dots."""
        names = {re.sub(r"[-.]", "_", name): name for name in (*TOOLS, GPU_STRESS)}
        for name, manner in manners.items():
            (self.folder / _MANNERS_FOLDER / names[name]).write_text(manner.replace("_", " "))

    def let_go(self) -> None:
        """Tools that wait go on."""
        (self.folder / "go").touch()

    def remove(self, name: str) -> None:
        (self.folder / "bin" / name).unlink()

    def calls(self, tool: str) -> list[dict[str, Any]]:
        """How it was called so far: words, uid, nice, cuda_visible_devices."""
        lines = map(json.loads, (self.folder / "calls").read_text().splitlines())
        return [line for line in lines if line["tool"] == tool]

    def children(self) -> int:
        """How many stubborn children there have been."""
        return len(os.listdir(self.folder / _CHILDREN_FOLDER))

    def processes(self) -> list[str]:
        """The command lines of all scripts that live, and of their children."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                command = (process / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
                if any(str(self.folder) in word for word in command[:6]):
                    found.append(" ".join(command))
        return found

    def show_gpus(self, fake: FakeNvml) -> None:
        """CUDA and nvidia-smi see these."""
        gpus = [
            {"id": fake.pci_address(slot), "uuid": fake.value(slot, "uuid"), "name": "NVIDIA H100 80GB HBM3"}
            for slot in range(fake.count)
        ]
        (self.folder / "gpus.json").write_text(json.dumps(gpus))

    def add_disk(self, name: str, report: Mapping[str, Any]) -> None:
        """smartctl and nvme know this disk."""
        (self.folder / _DISKS_FOLDER / f"{name}.json").write_text(json.dumps(report))


class SatMachine:
    """``runs``: the folder of all runs, once there is one. ``sys``: what /sys holds, to be changed."""

    def __init__(
        self, bus: LabBus, tools: Tools, sys_folder: Path, runs: Path, fake: FakeNvml | None
    ) -> None:
        self.bus = bus
        self.tools = tools
        self.sys = sys_folder
        self.runs = runs
        self._fake = fake

    @property
    def fake(self) -> FakeNvml:
        assert self._fake is not None, "this machine has no GPUs"
        return self._fake

    def write(self, path: str, text: str) -> None:
        """Another content for a file of /sys."""
        (self.sys.parent / path.lstrip("/")).write_text(text)

    def memory_error(self, *, corrected: int = 0, uncorrected: int = 0) -> None:
        """The memory controller has counted errors of the DIMM in SLOT."""
        files = edac_dimm(0, 1, LABEL, corrected=corrected, uncorrected=uncorrected, size_mib=DIMM_MIB)
        for path, text in {
            **files,
            **edac_controller(0, corrected=corrected, uncorrected=uncorrected),
        }.items():
            self.write(path, text)

    def summary(self, run: str) -> dict[str, str]:
        """summary.txt by name; comments are left out."""
        lines = (self.runs / run / "summary.txt").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@contextmanager
def sat_machine(
    folder: Path,
    *,
    fake: FakeNvml | None = None,
    disks: DiskShelf | None = None,
    idle_seconds: float = 60.0,
    covers: Mapping[str, str | Path] | None = None,
    services: Mapping[str, list[str]] | None = None,
    hurried: bool = True,
) -> Iterator[SatMachine]:
    """A healthy server of two cores and 4 GiB; with ``fake`` it has GPUs, with ``disks`` disks.

    ``services``: further ones on its bus. ``hurried``: nobody minds that its tools take a moment for what
    should take minutes.
    """
    server = _server()
    machine = server.machine()
    files: dict[str, str | bytes] = {
        path: content for path, content in machine.files.items() if isinstance(content, str | bytes)
    }
    links = dict(machine.links)
    if disks is not None:
        files |= disks.files
        links |= disks.links
        links |= {
            path.replace("/sys/block/", "/sys/class/block/"): target for path, target in disks.links.items()
        }
    if fake is not None:
        tree = fake.sysfs()
        files |= tree.files
        links |= tree.links
    _write_tree(folder, files, links)
    runs = folder / "log"
    with Tools() as tools:
        if fake is not None:
            tools.show_gpus(fake)
        settings = {"PATH": tools.path, "BEE_LOG_DIRECTORY": str(runs), "BEE_IDLE_SECONDS": str(idle_seconds)}
        bus = LabBus(
            services={
                AUDIT: _with(settings, python_command("-m", "bee_audit.main")),
                SAT: _with(settings, python_command("-m", "lab.hurried_sat" if hurried else "bee_sat.main")),
                GPU: gpu_service(fake),
                **(services or {}),
            },
            covers={
                "/sys": folder / "sys",
                "/proc/meminfo": folder / "proc/meminfo",
                "/proc/cpuinfo": folder / "proc/cpuinfo",
                "/proc/interrupts": folder / "proc/interrupts",
                **(covers or {}),
            },
        )
        with bus:
            yield SatMachine(bus, tools, folder / "sys", runs / "bee-sat", fake)


def _server() -> TwoSockets:
    """Two processors of one core, sixteen DIMMs of 256 MiB, one memory controller."""
    server = TwoSockets(
        processors=[
            {"socket": name, "cores": 1, "enabled": 1, "threads": 1, "threads_enabled": 1}
            for name in ("CPU1", "CPU2")
        ],
        cores=[1, 1],
        node_memory=[MEMORY_MIB << 19] * 2,
    )
    for dimm in server.dimms:
        dimm["size_bytes"] = DIMM_MIB << 20
    kib = MEMORY_MIB << 10
    server.files["/proc/meminfo"] = (
        f"MemTotal:       {kib} kB\nMemFree:        {kib // 2} kB\nMemAvailable:   {kib // 2} kB\n"
        "HardwareCorrupted:     0 kB\n"
    )
    server.files |= {**edac_controller(0), **edac_dimm(0, 1, LABEL, size_mib=DIMM_MIB)}
    return server


def _write_tree(root: Path, files: Mapping[str, str | bytes], links: Mapping[str, str]) -> None:
    for path, content in files.items():
        file = root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    for path, target in links.items():
        link = root / path.lstrip("/")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)


def _with(settings: Mapping[str, str], command: list[str]) -> list[str]:
    return [command[0], *(f"{name}={value}" for name, value in settings.items()), *command[1:]]


def mount_small(process: int, folder: Path, size: str) -> None:
    """A tmpfs of this size on the folder, in a process's mount namespace: it goes with the namespace."""
    words = ["nsenter", "-t", str(process), "-m", "mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs"]
    subprocess.run([*words, str(folder)], check=True)
