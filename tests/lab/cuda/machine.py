"""The pretended machine, and the file that describes it.

A GPU is named by its slot: its place on PCI, from 0. Without CUDA_DEVICE_ORDER=PCI_BUS_ID the driver puts
faster models first, as the real one does.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from bee_sat.gpu_stress.kernel_set import KernelSet
from lab.cuda import build
from lab.cuda.models import MODELS, Model
from lab.nvml import FakeNvml

MIB = 1 << 20
KERNELS = Path(build.__file__).parents[3] / "services" / "bee_sat" / "gpu_stress" / "kernels"


class CudaMachine:
    """GPUs of the named models, without faults (those are in faults.py).

    ``memory_mib`` is what each GPU has, ``context_mib`` what a context takes of it, ``cuda`` the newest CUDA
    that the driver knows (12090 is 12.9). ``beside`` is a fake NVML that is to show the same GPUs: they get
    its UUIDs and PCI addresses. ``early`` is the other of two extremes that a GPU may come to: copies in
    kernels are done at once, products when they are waited for, and the last thread runs first. A kernel
    that waits for all that it must is right in both. ``targets``: of the kernel set, which host forms there
    are; by default those that the GPUs would choose.

    ``environment`` is what a program needs to load the library and see this machine. A context manager.
    """

    def __init__(
        self,
        models: str | Sequence[str] = "h100",
        *,
        count: int = 1,
        memory_mib: int = 64,
        context_mib: int = 4,
        cuda: int = 12090,
        beside: FakeNvml | None = None,
        early: bool = False,
        targets: Sequence[str] | None = None,
    ) -> None:
        names = [models] * count if isinstance(models, str) else list(models)
        self.models: Sequence[Model] = [MODELS[name] for name in names]
        self.library = build.library()
        self._beside = beside
        self.folder = Path(tempfile.mkdtemp(prefix="bee-cuda-"))
        self.file = self.folder / "machine.conf"
        self.uuids: list[str] = []
        self.pci_addresses: list[str] = []
        self._lines = [f"cuda {cuda}", f"early {int(early)}"]
        self._faults: list[str] = []
        for slot, model in enumerate(self.models):
            self._describe(slot, model, memory_mib * MIB, context_mib * MIB, beside)
        if targets is None:
            targets = sorted({self._target(model, cuda) for model in self.models} - {""})
        self._kernels = self._host_forms(targets)
        self.write()

    def _describe(self, slot: int, model: Model, memory: int, context: int, beside: FakeNvml | None) -> None:
        if beside is None:
            digits = hashlib.sha256(f"{model.name} {slot}".encode()).hexdigest()
            uuid = "GPU-" + "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))
            bus = 0x11 + 0x10 * slot
        else:
            uuid = str(beside.value(slot, "uuid"))
            bus = beside.profile.buses[slot]
        self.uuids.append(uuid)
        self.pci_addresses.append(f"0000:{bus:02x}:00.0")
        values: dict[str, object] = {
            "name": model.name,
            "uuid": uuid,
            "pci_bus": bus,
            "sm": model.sm,
            "memory": memory,
            "context_memory": context,
            "ecc": 1,
            "multiprocessors": model.multiprocessors,
            "clock_khz": model.clock_khz,
            "memory_clock_khz": model.memory_clock_khz,
            "memory_bus_width": model.memory_bus_width,
            "l2_bytes": model.l2_bytes,
            "shared_optin": model.shared_optin,
            "memory_rate": model.memory_rate,
            "link_rate": model.link_rate,
            "peer_rate": model.peer_rate,
            "fp8_bits": model.fp8_bits,
            **{f"rate_{name}": rate for name, rate in model.rates.items()},
        }
        self._lines += [f"device {slot} {name} {value}" for name, value in values.items()]

    @staticmethod
    def _target(model: Model, cuda: int) -> str:
        """What a program will choose for this GPU."""
        return KernelSet.load().choose(model.compute_capability, cuda).target

    @staticmethod
    def _host_forms(targets: Sequence[str]) -> list[str]:
        lines = []
        for target in KernelSet.load().manifest.targets if targets else ():
            if target.name in targets:
                sources = [KERNELS / source for source in target.sources]
                lines.append(f"kernels {target.name} {build.kernels(target.name, sources, target.defines)}")
        return lines

    def add_kernels(self, target: str, sources: Sequence[Path]) -> None:
        """Host forms of other kernels: those of a test."""
        self._kernels.append(f"kernels {target} {build.kernels(target, sources, {})}")
        self.write()

    @property
    def environment(self) -> dict[str, str]:
        """For a program of its own, the fake NVML's included: ``{**os.environ, **fake.environment}``."""
        more = {} if self._beside is None else self._beside.environment
        found = more.get("LD_LIBRARY_PATH") or os.environ.get("LD_LIBRARY_PATH")
        folders = f"{self.library.parent}:{found}" if found else str(self.library.parent)
        return {**more, "LD_LIBRARY_PATH": folders, "BEE_FAKE_CUDA": str(self.file)}

    def set(self, slot: int, name: str, value: object) -> None:
        """Another value of a GPU: "name", "memory", "rate_bf16", "compute_mode" ..."""
        self._lines.append(f"device {slot} {name} {value}")
        self.write()

    def write(self) -> None:
        """A program reads the file when it initialises CUDA."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text("\n".join((*self._lines, *self._kernels, *self._faults)) + "\n")
        os.replace(fresh, self.file)

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
