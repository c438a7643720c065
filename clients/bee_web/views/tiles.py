"""The machine in a few tiles: what there is of each kind, and how it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from bee_bus.documents.audit import Hardware, Snapshot
from bee_bus.units import disk_size, joined, memory_size, quantity, several, tally, words


class Tile(NamedTuple):
    """``verdict``: empty where there is nothing to judge."""

    name: str
    value: str
    detail: str
    href: str
    verdict: str


Facts = tuple[str, str]  # value and detail


def tiles_of(snapshot: Snapshot, verdicts: Mapping[str, str]) -> Iterator[Tile]:
    """``verdicts``: by section."""
    statuses = {run.name: run.status for run in snapshot.collectors}
    for name, section, describe in _TILES:
        facts = describe(snapshot.hardware)
        value, detail = facts or ("–", _missing(statuses.get(section), snapshot.sections))
        yield Tile(name, value or "–", detail, f"/inventory/{section}", verdicts.get(section, ""))


def _missing(status: str | None, asked: tuple[str, ...]) -> str:
    if status is None:
        return "not audited" if asked else ""
    return "could not be read" if status in ("error", "timeout", "partial") else "none, or not told"


def _cpus(hardware: Hardware) -> Facts | None:
    cpus = hardware.cpus
    if cpus is None:
        return None
    models = tally(_model(package.model) for package in cpus.packages) or tally(
        _model(cpu.model) for cpu in cpus.sockets if cpu.populated
    )
    cores = several(cpus.core_count, "core") if cpus.core_count is not None else ""
    threads = several(cpus.thread_count, "thread") if cpus.thread_count is not None else ""
    return models, joined(cores, threads)


def _model(name: str | None) -> str:
    """Without the marks of its maker's lawyers."""
    return " ".join((name or "").replace("(R)", "").replace("(TM)", "").replace("(tm)", "").split())


def _memory(hardware: Hardware) -> Facts | None:
    memory = hardware.memory
    if memory is None:
        return None
    total = memory.installed_bytes or memory.kernel_present_bytes or memory.kernel_total_bytes
    populated = [slot for slot in memory.slots if slot.populated]
    kinds = tally(words(memory_size(slot.size_bytes), slot.type) for slot in populated)
    slots = f"{len(populated)} of {several(len(memory.slots), 'slot')}" if memory.slots else ""
    return memory_size(total), joined(kinds, slots)


def _storage(hardware: Hardware) -> Facts | None:
    storage = hardware.storage
    if storage is None:
        return None
    whole = sum(disk.size_bytes or 0 for disk in storage.disks)
    kinds = tally((disk.kind or "").upper() if disk.kind != "nvme" else "NVMe" for disk in storage.disks)
    return several(len(storage.disks), "disk"), joined(disk_size(whole) if whole else "", kinds)


def _gpus(hardware: Hardware) -> Facts | None:
    gpus = hardware.gpus
    if gpus is None:
        return None
    driver = f"driver {gpus.driver_version}" if gpus.driver_version else ""
    return tally(gpu.name for gpu in gpus.gpus) or "none", driver


def _psus(hardware: Hardware) -> Facts | None:
    if hardware.psus is None:
        return None
    psus = hardware.psus.psus
    present = sum(psu.present is True for psu in psus)
    draws = [draw for psu in psus if (draw := psu.input_watts) is not None]
    count = f"{present} of {len(psus)}" if present < len(psus) else several(len(psus), "PSU")
    models = tally(words(psu.vendor, psu.model) for psu in psus if psu.model)
    return count, joined(quantity(sum(draws), "W drawn") if draws else "", models)


def _network(hardware: Hardware) -> Facts | None:
    if hardware.network is None:
        return None
    ports = [one for one in hardware.network.interfaces if one.physical and not one.virtual_function]
    up = sum(one.carrier is True for one in ports)
    devices = tally(words(one.vendor, one.model) or one.driver or "" for one in ports)
    return f"{up} of {several(len(ports), 'port')} up", devices


def _sensors(hardware: Hardware) -> Facts | None:
    if hardware.sensors is None:
        return None
    sensors = [one for one in hardware.sensors.sensors if one.status != "unavailable"]
    wrong = sum(one.status in ("warning", "critical") for one in sensors)
    hottest = max(
        (one.value for one in sensors if one.kind == "temperature" and one.value is not None), default=None
    )
    detail = joined(
        f"{wrong} past their limits" if wrong else "", f"hottest {hottest:g}" if hottest is not None else ""
    )
    return several(len(sensors), "sensor"), detail


def _firmware(hardware: Hardware) -> Facts | None:
    if hardware.firmware is None:
        return None
    versions = hardware.firmware.versions
    main = [f"{one.kind} {one.version}" for one in versions if one.kind in ("BIOS", "BMC")]
    return several(len(versions), "version"), joined(*main)


_TILES: tuple[tuple[str, str, Callable[[Hardware], Facts | None]], ...] = (
    ("CPU", "cpus", _cpus),
    ("Memory", "memory", _memory),
    ("Disks", "storage", _storage),
    ("GPUs", "gpus", _gpus),
    ("Power supplies", "psus", _psus),
    ("Network", "network", _network),
    ("Sensors", "sensors", _sensors),
    ("Firmware", "firmware", _firmware),
)
