"""PCIe and NVLink, against what both ends of each link can do."""

from collections import Counter
from collections.abc import Iterator

from bee_bus.documents.findings import Finding
from bee_bus.documents.gpus import GpuLink, InventoryGpu
from bee_bus.thresholds import Thresholds
from bee_gpu.health import Observation, Rule, finding, name, own_limit
from bee_gpu.reasons import rests

_RESEAT = "Switch the machine off, reseat the GPU with its riser and cables, and look at the contacts."
_TRAY = (
    "Look at the fabric manager's log (journalctl -u nvidia-fabricmanager), reset all GPUs; if it stays, "
    "have the GPU and its baseboard looked at."
)
# GT/s of each PCIe generation (PCI Express Base 6.0, table 8-1).
_GTPS = {1: 2.5, 2: 5.0, 3: 8.0, 4: 16.0, 5: 32.0, 6: 64.0}
# Links of a card that its bridges can carry, where the GPU lists more: the others lead nowhere and stay down.
# H100 NVL and H100 PCIe: the 600 GB/s of their data sheets are 12 of 18 links of 50 GB/s; that the other six
# are down by design is in issue 162 of Azure/azurehpc-health-checks.
_BRIDGED = {"10de:2321": 12, "10de:2331": 12}


def pcie_width(observation: Observation, limits: Thresholds) -> Iterator[Finding]:
    """Lanes are negotiated once, and stay: fewer than both ends have is a fault."""
    for gpu in observation.gpus:
        width = _width(gpu)
        own = _own_width(gpu)
        if width is None or own is None or width >= own:
            continue
        port = gpu.link.port_max_width if gpu.link else None
        if port is None:
            message = f"{name(gpu)} runs on {width} of its {own} lanes, and the port above it cannot be seen"
            next_step = "Look at the machine without a hypervisor, or at the host's port."
            yield finding(gpu, "pcie-width", "Unknown", message, next_step, width)
        elif width < min(own, port):
            message = f"{name(gpu)} runs on {width} lanes; it has {own}, its port {port}"
            limit = own_limit("pcie_width", min(own, port), "lanes", _ability(gpu))
            yield finding(gpu, "pcie-width", "Critical", message, _RESEAT, width, limit)


def pcie_speed(observation: Observation, limits: Thresholds) -> Iterator[Finding]:
    """Judged while the GPU works: an idle one slows its link down to save power."""
    for gpu in observation.gpus:
        sample, identity = gpu.sample, gpu.identity
        if sample is None or identity is None or sample.pcie_generation is None:
            continue
        working = (sample.utilization_gpu_percent or 0) >= limits.number("gpus.working_percent")
        if not working or rests(sample.performance_state):
            continue
        able = _generation_ability(gpu)
        if able is not None and sample.pcie_generation < able:
            message = (
                f"The PCIe link of {name(gpu)} runs at generation {sample.pcie_generation} while it works; "
                f"both ends can do {able}"
            )
            limit = own_limit("pcie_generation", able, "", _ability(gpu))
            yield finding(gpu, "pcie-speed", "Critical", message, _RESEAT, sample.pcie_generation, limit)


def pcie_replays(observation: Observation, limits: Thresholds) -> Iterator[Finding]:
    """A link that repeats itself often has bad signals. Judged by its rate, not by its total."""
    for gpu in observation.gpus:
        trend, sample = observation.trends.get(gpu.id), gpu.sample
        if trend is None or trend.pcie_replays_per_minute is None or sample is None:
            continue
        generation, width = sample.pcie_generation, sample.pcie_width
        if generation is None or not width:
            continue
        limit = f"gpus.pcie_replays_gen{min(max(generation, 3), 5)}"
        rate = trend.pcie_replays_per_minute / width
        if rate > limits.number(limit):
            message = f"The PCIe link of {name(gpu)} repeats {rate:.2f} packets a minute on each lane"
            yield finding(gpu, "pcie-replays", "Warning", message, _RESEAT, round(rate, 3), limits[limit])


def nvlinks_unseen(observation: Observation, limits: Thresholds) -> Iterator[Finding]:
    """A GPU that lives by its NVLinks and tells of none, as where the driver was told to leave them off."""
    kinds = Counter(gpu.pci_id for gpu in observation.gpus)
    for gpu in observation.gpus:
        if gpu.state is None or any(link.active is not None for link in gpu.state.nvlinks or ()):
            continue
        # Cards may be plugged beside a board with switches, but not as many as it has GPUs.
        of_the_board = observation.inventory.nvswitches and kinds[gpu.pci_id] == max(kinds.values())
        if of_the_board or "SXM" in (gpu.name or "") or gpu.state.fabric is not None:
            message = f"{name(gpu)} sits on a board with NVLinks, and its driver tells of none"
            next_step = (
                "Look for NVreg_NvLinkDisable in the options of the nvidia module; otherwise: " + _TRAY
            )
            yield finding(gpu, "nvlinks-unseen", "Unknown", message, next_step)


def nvlinks_down(observation: Observation, limits: Thresholds) -> Iterator[Finding]:
    """Links that are down where links belong.

    A GPU on a card has no partner for its NVLinks unless somebody plugs a bridge; one on a baseboard has one
    for each. That all links of all GPUs are down must not pass, so it is the board that decides, not the
    peers alone: a card that has no bridge where others have one may be meant so.
    """
    full = {gpu.pci_id for gpu in observation.gpus if _active(gpu) >= _wired(gpu) and _links(gpu)}
    for gpu in observation.gpus:
        links = gpu.state.nvlinks if gpu.state else None
        if not links:
            continue
        down = [link.number for link in links if link.active is False]
        nowhere = len(links) - _wired(gpu)
        if len(down) <= nowhere:
            continue
        on_baseboard = _on_baseboard(gpu, observation)
        if len(down) == len(links) and not on_baseboard and gpu.pci_id not in full:
            continue
        if len(down) == len(links) and gpu.state and gpu.state.mig_enabled:
            message = f"All NVLinks of {name(gpu)} are down, which MIG mode may do: nobody knows how they are"
            next_step = f"Switch MIG off (nvidia-smi -i {gpu.id} -mig 0), reset the GPU, and ask again."
            yield finding(gpu, "nvlink-down", "Unknown", message, next_step, 0)
            continue
        numbers = ", ".join(map(str, down)) + (f"; {nowhere} of these lead nowhere" if nowhere else "")
        counted = (
            f"{len(down) - nowhere} of {len(links) - nowhere} NVLinks of {name(gpu)} are down: {numbers}"
        )
        if _partners_are_elsewhere(gpu, observation, every=len(down) == len(links)):
            message = f"{counted}; whether they have a partner cannot be seen from here"
            next_step = (
                "In a virtual machine with a part of a board this is so; otherwise look at the whole board."
            )
            yield finding(gpu, "nvlink-down", "Unknown", message, next_step, len(links) - len(down))
            continue
        limit = own_limit("nvlinks", len(links) - nowhere, "links", "the links that the GPU has")
        yield finding(
            gpu,
            "nvlink-down",
            "Critical" if on_baseboard else "Warning",
            counted,
            _TRAY if on_baseboard else "Look whether all NVLink bridges of this GPU are plugged, and firmly.",
            len(links) - len(down),
            limit,
        )


def nvlink_errors(observation: Observation, limits: Thresholds) -> Iterator[Finding]:
    """DCGM fails one replay or recovery; what was before the watch is not judged."""
    for gpu in observation.gpus:
        trend = observation.trends.get(gpu.id)
        if trend is None:
            continue
        if trend.nvlink_recoveries:
            message = (
                f"NVLinks of {name(gpu)} had to recover {trend.nvlink_recoveries} times while it was watched"
            )
            yield finding(gpu, "nvlink-recoveries", "Critical", message, _TRAY, trend.nvlink_recoveries)
        if trend.nvlink_replays:
            message = f"NVLinks of {name(gpu)} repeated {trend.nvlink_replays} packets while it was watched"
            yield finding(gpu, "nvlink-replays", "Warning", message, _TRAY, trend.nvlink_replays)
        rate = trend.nvlink_crc_per_second
        if rate is not None and rate >= limits.number("gpus.nvlink_crc_per_second"):
            message = f"NVLinks of {name(gpu)} have {rate:.0f} CRC errors a second"
            limit = limits["gpus.nvlink_crc_per_second"]
            yield finding(gpu, "nvlink-crc", "Critical", message, _TRAY, round(rate, 1), limit)


def fabric(observation: Observation, limits: Thresholds) -> Iterator[Finding]:
    """GPUs behind NVSwitches work only once the fabric manager has taken them in."""
    for gpu in observation.gpus:
        state = gpu.state.fabric if gpu.state else None
        if state is None or state.state == "not-supported":
            continue
        if state.state != "completed":
            message = f"{name(gpu)} is not part of its NVSwitch fabric: registration {state.state}"
            next_step = "Start the fabric manager of the driver's version, and look at its log."
            yield finding(gpu, "fabric-not-ready", "Warning", message, next_step, state.state)
        elif state.status != "success":
            message = f"{name(gpu)} could not join its NVSwitch fabric: {state.status}"
            yield finding(gpu, "fabric-failed", "Critical", message, _TRAY, state.status)
        degraded = {
            "bandwidth": state.bandwidth_degraded,
            "routes in recovery": state.route_recovery,
            "routes unhealthy": state.route_unhealthy,
            "access timeouts": state.access_timeout_recovery,
        }
        if wrong := [what for what, holds in degraded.items() if holds]:
            message = f"The NVSwitch fabric of {name(gpu)} is degraded: {', '.join(wrong)}"
            yield finding(gpu, "fabric-degraded", "Critical", message, _TRAY, ", ".join(wrong))


def _on_baseboard(gpu: InventoryGpu, observation: Observation) -> bool:
    return (
        bool(observation.inventory.nvswitches)
        or "SXM" in (gpu.name or "")
        or (gpu.state is not None and gpu.state.fabric is not None)
        or any(link.remote_type == "switch" for link in (gpu.state.nvlinks or () if gpu.state else ()))
    )


def _partners_are_elsewhere(gpu: InventoryGpu, observation: Observation, *, every: bool) -> bool:
    """A part of a board in a virtual machine: GPUs that its NVLinks lead to stayed with the host.

    Not so behind NVSwitches, which are at the other end of every link. ``every``: all of its links are down.
    """
    links = gpu.state.nvlinks or () if gpu.state else ()
    fabric = gpu.state.fabric if gpu.state else None
    if observation.inventory.nvswitches or fabric or any(link.remote_type == "switch" for link in links):
        return False
    virtualization = gpu.identity.virtualization if gpu.identity else None
    return virtualization == "pass-through" or (every and len(observation.gpus) == 1)


def _links(gpu: InventoryGpu) -> int:
    return len(gpu.state.nvlinks or ()) if gpu.state else 0


def _wired(gpu: InventoryGpu) -> int:
    """The links that can have a partner."""
    return min(_links(gpu), _BRIDGED.get(gpu.pci_id or "", _links(gpu)))


def _active(gpu: InventoryGpu) -> int:
    return sum(link.active is True for link in gpu.state.nvlinks or ()) if gpu.state else 0


def _width(gpu: InventoryGpu) -> int | None:
    """As the driver says it now; PCI's own word is older by the time of a look."""
    if gpu.sample is not None and gpu.sample.pcie_width:
        return gpu.sample.pcie_width
    return gpu.link.width if gpu.link else None


def _own_width(gpu: InventoryGpu) -> int | None:
    by_driver = gpu.identity.pcie_width_max if gpu.identity else None
    return by_driver or (gpu.link.max_width if gpu.link else None)


def _generation_ability(gpu: InventoryGpu) -> int | None:
    """What NVML says for GPU and slot together, or less where the port's own registers say less."""
    by_driver = gpu.identity.pcie_generation_max if gpu.identity else None
    link = gpu.link or GpuLink()
    by_port = next((number for number, gtps in _GTPS.items() if gtps == link.port_max_speed_gtps), None)
    known = [generation for generation in (by_driver, by_port) if generation]
    return min(known) if known else None


def _ability(gpu: InventoryGpu) -> str:
    port = gpu.link.port if gpu.link else None
    return f"link capabilities of {gpu.id}" + (f" and its port {port}" if port else "")


RULES: tuple[Rule, ...] = (
    pcie_width,
    pcie_speed,
    pcie_replays,
    nvlinks_unseen,
    nvlinks_down,
    nvlink_errors,
    fabric,
)
