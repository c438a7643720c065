"""A GPU whose driver shows itself in files: amdgpu, i915 and xe.

amdgpu: Linux, Documentation/gpu/amdgpu (driver-misc.rst, thermal.rst, ras.rst). i915 and xe: their ABI files
in Documentation/ABI/testing. Both: Documentation/hwmon/sysfs-interface.rst, millidegrees, microwatts,
microjoules, Hz.
"""

import re
import time
from collections.abc import Mapping

from bee_bus.documents.gpu import EccCounts, GpuCounters, GpuIdentity, GpuSample, GpuState
from bee_gpu.devices import Look
from bee_gpu.pci import DEVICES, PciGpu
from bee_machine import Entry, Machine
from bee_machine.gpus import INTEL

_ONCE = ("product_name", "product_number", "serial_number", "vbios_version", "unique_id")
_NUMBERS = ("mem_info_vram_total", "mem_info_vram_used", "gpu_busy_percent", "mem_busy_percent")
_SENSORS = (
    *("temp1_label", "temp1_input", "temp2_label", "temp2_input", "temp3_label", "temp3_input"),
    *("power1_average", "power1_input", "power1_cap", "power1_cap_default", "power1_max"),
    *("energy1_input", "freq1_input", "freq2_input"),
)
_RAS = ("umc", "sdma", "gfx", "mmhub", "athub", "pcie_bif", "hdp", "xgmi_wafl")
# What a label of hwmon names: amdgpu has edge, junction and mem, xe has pkg and vram.
_MEMORY_LABELS = ("mem", "vram")


class FileDevice:
    """One such GPU. What is not there is absent."""

    hanging = None
    shortest_seconds = 0.9  # these files are read one by one, in threads

    def __init__(self, machine: Machine, gpu: PciGpu) -> None:
        self._machine = machine
        self._gpu = gpu
        self._folder = f"{DEVICES}/{gpu.id}"
        self._energy: tuple[float, float] | None = None  # when, and joules

    async def look(self, *, counters: bool) -> Look:
        sensors, numbers = await self._sensors(), await self._numbers()
        temperatures = _temperatures(sensors)
        core = next((value for label, value in temperatures.items() if label not in _MEMORY_LABELS), None)
        used, total = numbers.get("mem_info_vram_used"), numbers.get("mem_info_vram_total")
        clock = _whole(_scaled(sensors, "freq1_input", 1e-6))
        energy = _scaled(sensors, "energy1_input", 1e-6)
        average = _scaled(sensors, "power1_average", 1e-6)
        sample = GpuSample(
            unix_seconds=time.time(),
            temperature_celsius=core,
            memory_temperature_celsius=next(
                (temperatures[label] for label in _MEMORY_LABELS if label in temperatures), None
            ),
            utilization_gpu_percent=numbers.get("gpu_busy_percent"),
            utilization_memory_percent=numbers.get("mem_busy_percent"),
            power_average_watts=self._power(energy) if average is None else average,
            power_instant_watts=_scaled(sensors, "power1_input", 1e-6),
            energy_joules=energy,
            clock_graphics_mhz=await self._intel_clock() if clock is None else clock,
            clock_memory_mhz=_whole(_scaled(sensors, "freq2_input", 1e-6)),
            memory_used_bytes=used,
            memory_free_bytes=None if total is None or used is None else total - used,
        )
        return Look(sample, await self._errors() if counters else None)

    async def identity(self) -> GpuIdentity:
        files = await self._machine.read_files(f"{self._folder}/{name}" for name in _ONCE)
        texts = {
            path.rpartition("/")[2]: raw.decode("utf-8", "replace").strip() for path, raw in files.items()
        }
        numbers, sensors = await self._numbers(), await self._sensors()
        return GpuIdentity(
            id=self._gpu.id,
            uuid=texts.get("unique_id") or None,
            name=texts.get("product_name") or None,
            serial=texts.get("serial_number") or None,
            part_number=texts.get("product_number") or None,
            firmware=texts.get("vbios_version") or None,
            pci_id=self._gpu.pci_id,
            pci_subsystem_id=self._gpu.pci_subsystem_id,
            numa_node=self._gpu.numa_node,
            memory_total_bytes=numbers.get("mem_info_vram_total"),
            power_limit_default_watts=_scaled(sensors, "power1_cap_default", 1e-6),
        )

    async def state(self) -> GpuState:
        sensors, errors = await self._sensors(), await self._errors()
        limit = _scaled(sensors, "power1_cap", 1e-6) or _scaled(sensors, "power1_max", 1e-6)
        volatile = None
        if errors is not None:
            volatile = EccCounts(
                dram_corrected=errors.ecc_volatile_corrected, dram_uncorrected=errors.ecc_volatile_uncorrected
            )
        return GpuState(
            power_limit_watts=limit,
            power_limit_enforced_watts=limit,
            ecc_volatile=volatile,
            counters=errors or GpuCounters(),
        )

    def _power(self, joules: float | None) -> float | None:
        """Intel's drivers count energy only: its rise since the look before."""
        now, before = time.monotonic(), self._energy
        self._energy = None if joules is None else (now, joules)
        if joules is None or before is None or now - before[0] < 0.05 or joules < before[1]:
            return None
        return round((joules - before[1]) / (now - before[0]), 1)

    async def _intel_clock(self) -> int | None:
        if self._gpu.vendor_id != INTEL:
            return None
        cards = await self._machine.read_entries(f"{self._folder}/drm", files=("gt_act_freq_mhz",))
        i915 = next((mhz for card in cards if (mhz := card.integer("gt_act_freq_mhz")) is not None), None)
        xe = await self._machine.read_text(f"{self._folder}/tile0/gt0/freq0/act_freq")
        return int(xe) if i915 is None and xe is not None and xe.isdecimal() else i915

    async def _numbers(self) -> dict[str, int]:
        files = await self._machine.read_files(f"{self._folder}/{name}" for name in _NUMBERS)
        texts = {path.rpartition("/")[2]: raw.strip() for path, raw in files.items()}
        return {name: int(text) for name, text in texts.items() if text.isdigit()}

    async def _sensors(self) -> Entry | None:
        entries = await self._machine.read_entries(f"{self._folder}/hwmon", files=_SENSORS)
        return entries[0] if entries else None

    async def _errors(self) -> GpuCounters | None:
        """amdgpu's RAS counters since the driver was loaded, a file for each block: "ue: 0" and "ce: 3"."""
        paths = [f"{self._folder}/ras/{block}_err_count" for block in _RAS]
        files = await self._machine.read_files(paths)
        counts: dict[str, int] = {}
        for raw in files.values():
            for kind, count in re.findall(rb"^(ue|ce):\s*(\d{1,18})\s*$", raw, re.MULTILINE):
                counts[kind.decode()] = counts.get(kind.decode(), 0) + int(count)
        if not counts:
            return None
        return GpuCounters(ecc_volatile_corrected=counts.get("ce"), ecc_volatile_uncorrected=counts.get("ue"))


def _temperatures(sensors: Entry | None) -> Mapping[str, int]:
    """By label, in the order of hwmon; one without a label under its own name."""
    found: dict[str, int] = {}
    for name in ("temp1", "temp2", "temp3"):
        raw = sensors.integer(f"{name}_input") if sensors else None
        if sensors and raw is not None:
            found[sensors.text(f"{name}_label") or name] = round(raw / 1000)
    return found


def _scaled(sensors: Entry | None, name: str, factor: float) -> float | None:
    raw = sensors.integer(name) if sensors else None
    return None if raw is None else round(raw * factor, 6)


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
