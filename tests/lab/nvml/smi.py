"""What the door reads, in the words of ``nvidia-smi -q -x``: to compare with a capture, or with the tool.

Only values that both have. A value that the GPU does not support is "N/A".
"""

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping

from bee_bus.documents.gpu import GpuIdentity, GpuSample, GpuState
from bee_gpu.reasons import REASONS

NOT_THERE = ("N/A", "Requested functionality has been deprecated")
# What moves between two looks: path to how far apart they may be.
LIVE: Mapping[str, float] = {
    "temperature/gpu_temp": 2,
    "temperature/gpu_temp_tlimit": 2,
    "temperature/memory_temp": 2,
    "gpu_power_readings/instant_power_draw": 3,
    "gpu_power_readings/average_power_draw": 3,
    "utilization/gpu_util": 3,
    "utilization/memory_util": 3,
    "fb_memory_usage/used": 2,
    "fb_memory_usage/free": 2,
    "fb_memory_usage/reserved": 1,
    "bar1_memory_usage/used": 1,
    "clocks/graphics_clock": 30,
    "clocks/sm_clock": 30,
    "clocks/mem_clock": 0,
}


def from_xml(gpu: ElementTree.Element) -> dict[str, str]:
    """Every text of one <gpu> element, by its path."""
    found: dict[str, str] = {}

    def walk(element: ElementTree.Element, path: str) -> None:
        for child in element:
            here = f"{path}/{child.tag}" if path else child.tag
            if len(child):
                walk(child, here)
            else:
                found.setdefault(here, (child.text or "").strip())

    walk(gpu, "")
    return found


def differences(smi: Mapping[str, str], door: Mapping[str, str]) -> list[str]:
    """Sentences about each value that differs more than it may."""
    told = []
    for path, ours in door.items():
        theirs = smi.get(path, "N/A")
        theirs = "N/A" if theirs in NOT_THERE else theirs
        if ours == theirs:
            continue
        both = "N/A" not in (ours, theirs)
        if both and path in LIVE and abs(float(ours.split()[0]) - float(theirs.split()[0])) <= LIVE[path]:
            continue
        told.append(f"{path}: nvidia-smi says {theirs!r}, the door {ours!r}")
    return told


def from_door(identity: GpuIdentity, state: GpuState, sample: GpuSample) -> dict[str, str]:
    return {
        **_identity(identity),
        **_memory(identity, state, sample),
        **_heat_and_power(identity, state, sample),
        **_clocks(identity, state, sample),
        **_errors(state),
        **_links(identity, sample, state),
    }


def _text(value: object, unit: str = "") -> str:
    return "N/A" if value is None else f"{value}{' ' if unit else ''}{unit}"


def _watts(value: float | None) -> str:
    return "N/A" if value is None else f"{value:.2f} W"


def _mib(value: int | None) -> str:
    return "N/A" if value is None else f"{value >> 20} MiB"


def _said(value: bool | None, yes: str, no: str) -> str:
    return "N/A" if value is None else yes if value else no


def _switched(value: bool | None) -> str:
    return _said(value, "Enabled", "Disabled")


def _identity(identity: GpuIdentity) -> dict[str, str]:
    bus = identity.id.upper()
    device, subsystem = (
        ("".join(reversed((i or ":").split(":")))).upper()
        for i in (identity.pci_id, identity.pci_subsystem_id)
    )
    return {
        "product_name": _text(identity.name),
        "product_brand": _text(identity.brand),
        "product_architecture": {"Ada": "Ada Lovelace"}.get(
            identity.architecture or "", _text(identity.architecture)
        ),
        "serial": _text(identity.serial),
        "minor_number": _text(identity.minor),
        "vbios_version": _text(identity.firmware),
        "multigpu_board": _said(identity.multi_gpu_board, "Yes", "No"),
        "board_id": "N/A" if identity.board_id is None else f"0x{identity.board_id:x}",
        "board_part_number": _text(identity.part_number),
        "platformInfo/module_id": _text(identity.module_id),
        "inforom_version/img_version": _text(identity.inforom_image),
        "inforom_version/oem_object": _text(identity.inforom_oem),
        "inforom_version/ecc_object": _text(identity.inforom_ecc),
        "inforom_version/pwr_object": _text(identity.inforom_power),
        "gsp_firmware_version": _text(identity.gsp_firmware),
        "pci/pci_bus_id": f"0000{bus}" if len(bus) == 12 else bus,
        "pci/pci_device_id": device,
        "pci/pci_sub_system_id": subsystem,
    }


def _memory(identity: GpuIdentity, state: GpuState, sample: GpuSample) -> dict[str, str]:
    return {
        "fb_memory_usage/total": _mib(identity.memory_total_bytes),
        "fb_memory_usage/reserved": _mib(sample.memory_reserved_bytes),
        "fb_memory_usage/used": _mib(sample.memory_used_bytes),
        "fb_memory_usage/free": _mib(sample.memory_free_bytes),
        "bar1_memory_usage/total": _mib(identity.bar1_total_bytes),
        "bar1_memory_usage/used": _mib(state.bar1_used_bytes),
    }


def _heat_and_power(identity: GpuIdentity, state: GpuState, sample: GpuSample) -> dict[str, str]:
    limits = identity.temperature_limits
    assert limits is not None
    return {
        "temperature/gpu_temp": _text(sample.temperature_celsius, "C"),
        "temperature/gpu_temp_tlimit": _text(sample.temperature_margin_celsius, "C"),
        "temperature/memory_temp": _text(sample.memory_temperature_celsius, "C"),
        "temperature/gpu_temp_max_threshold": _text(limits.shutdown_celsius, "C"),
        "temperature/gpu_temp_slow_threshold": _text(limits.slowdown_celsius, "C"),
        "temperature/gpu_temp_max_gpu_threshold": _text(limits.gpu_max_celsius, "C"),
        "temperature/gpu_temp_max_mem_threshold": _text(limits.memory_max_celsius, "C"),
        "temperature/gpu_temp_max_tlimit_threshold": _text(limits.shutdown_margin_celsius, "C"),
        "temperature/gpu_temp_slow_tlimit_threshold": _text(limits.slowdown_margin_celsius, "C"),
        "temperature/gpu_temp_max_gpu_tlimit_threshold": _text(limits.gpu_max_margin_celsius, "C"),
        "temperature/gpu_temp_max_mem_tlimit_threshold": _text(limits.memory_max_margin_celsius, "C"),
        "gpu_power_readings/average_power_draw": _watts(sample.power_average_watts),
        "gpu_power_readings/instant_power_draw": _watts(sample.power_instant_watts),
        "gpu_power_readings/current_power_limit": _watts(state.power_limit_enforced_watts),
        "gpu_power_readings/requested_power_limit": _watts(state.power_limit_watts),
        "gpu_power_readings/default_power_limit": _watts(identity.power_limit_default_watts),
        "gpu_power_readings/min_power_limit": _watts(identity.power_limit_min_watts),
        "gpu_power_readings/max_power_limit": _watts(identity.power_limit_max_watts),
    }


_SMI_REASONS = {
    "gpu-idle": "gpu_idle",
    "applications-clocks": "applications_clocks_setting",
    "sw-power-cap": "sw_power_cap",
    "hw-slowdown": "hw_slowdown",
    "hw-thermal": "hw_thermal_slowdown",
    "hw-power-brake": "hw_power_brake_slowdown",
    "sync-boost": "sync_boost",
    "sw-thermal": "sw_thermal_slowdown",
    "display-clocks": "display_clocks_setting",
}


def _clocks(identity: GpuIdentity, state: GpuState, sample: GpuSample) -> dict[str, str]:
    reasons = {
        f"clocks_event_reasons/clocks_event_reason_{_SMI_REASONS[reason.name]}": _said(
            bool((sample.clock_event_reasons or 0) & reason.mask), "Active", "Not Active"
        )
        for reason in REASONS
        if reason.name in _SMI_REASONS  # the captured ones are older than the newest two
    }
    return {
        **reasons,
        "performance_state": "N/A" if sample.performance_state is None else f"P{sample.performance_state}",
        "utilization/gpu_util": _text(sample.utilization_gpu_percent, "%"),
        "utilization/memory_util": _text(sample.utilization_memory_percent, "%"),
        "clocks/graphics_clock": _text(sample.clock_graphics_mhz, "MHz"),
        "clocks/sm_clock": _text(sample.clock_sm_mhz, "MHz"),
        "clocks/mem_clock": _text(sample.clock_memory_mhz, "MHz"),
        "applications_clocks/graphics_clock": _text(state.clock_application_graphics_mhz, "MHz"),
        "applications_clocks/mem_clock": _text(state.clock_application_memory_mhz, "MHz"),
        "max_clocks/graphics_clock": _text(identity.clock_graphics_max_mhz, "MHz"),
        "max_clocks/sm_clock": _text(identity.clock_sm_max_mhz, "MHz"),
        "max_clocks/mem_clock": _text(identity.clock_memory_max_mhz, "MHz"),
        "max_clocks/video_clock": _text(identity.clock_video_max_mhz, "MHz"),
        "max_customer_boost_clocks/graphics_clock": _text(identity.clock_boost_max_mhz, "MHz"),
    }


def _errors(state: GpuState) -> dict[str, str]:
    counters, sram, banks = state.counters, state.sram_errors, state.remap_availability
    volatile, aggregate = state.ecc_volatile, state.ecc_aggregate
    found: dict[str, str] = {
        "persistence_mode": _switched(state.persistence_mode),
        "compute_mode": _text(state.compute_mode and state.compute_mode.capitalize()),
        "ecc_mode/current_ecc": _switched(state.ecc_enabled),
        "ecc_mode/pending_ecc": _switched(state.ecc_pending),
        "mig_mode/current_mig": _switched(state.mig_enabled),
        "mig_mode/pending_mig": _switched(state.mig_pending),
        "gpu_recovery_action": _text(counters.recovery_action and counters.recovery_action.capitalize()),
        "remapped_rows/remapped_row_corr": _text(counters.remapped_rows_corrected),
        "remapped_rows/remapped_row_unc": _text(counters.remapped_rows_uncorrected),
        "remapped_rows/remapped_row_pending": _said(counters.remapped_rows_pending, "Yes", "No"),
        "remapped_rows/remapped_row_failure": _said(counters.remap_failed, "Yes", "No"),
        "retired_pages/pending_retirement": _said(counters.retired_pages_pending, "Yes", "No"),
        "retired_pages/double_bit_retirement/retired_count": _text(counters.retired_pages_double_bit),
        "ecc_errors/channel_repair_pending": _said(state.channel_repair_pending, "Yes", "No"),
        "ecc_errors/tpc_repair_pending": _said(state.tpc_repair_pending, "Yes", "No"),
    }
    for since, counts in (("volatile", volatile), ("aggregate", aggregate)):
        if counts is not None:
            found[f"ecc_errors/{since}/sram_correctable"] = _text(counts.sram_corrected)
            found[f"ecc_errors/{since}/dram_correctable"] = _text(counts.dram_corrected)
            found[f"ecc_errors/{since}/dram_uncorrectable"] = _text(counts.dram_uncorrected)
    if sram is not None:
        found["ecc_errors/volatile/sram_uncorrectable_parity"] = _text(sram.volatile_parity)
        found["ecc_errors/volatile/sram_uncorrectable_secded"] = _text(sram.volatile_secded)
        found["ecc_errors/aggregate/sram_uncorrectable_parity"] = _text(sram.aggregate_parity)
        found["ecc_errors/aggregate/sram_uncorrectable_secded"] = _text(sram.aggregate_secded)
        found["ecc_errors/aggregate/sram_threshold_exceeded"] = _said(sram.threshold_exceeded, "Yes", "No")
    if banks is not None:
        for left in ("max", "high", "partial", "low", "none"):
            path = f"remapped_rows/row_remapper_histogram/row_remapper_histogram_{left}"
            found[path] = f"{getattr(banks, f'banks_{left}')} bank(s)"
    return found


def _links(identity: GpuIdentity, sample: GpuSample, state: GpuState) -> dict[str, str]:
    link = "pci/pci_gpu_link_info"
    return {
        f"{link}/pcie_gen/max_link_gen": _text(identity.pcie_generation_max),
        f"{link}/pcie_gen/current_link_gen": _text(sample.pcie_generation),
        f"{link}/pcie_gen/max_device_link_gen": _text(identity.pcie_generation_gpu_max),
        f"{link}/link_widths/max_link_width": "N/A"
        if identity.pcie_width_max is None
        else f"{identity.pcie_width_max}x",
        f"{link}/link_widths/current_link_width": "N/A"
        if sample.pcie_width is None
        else f"{sample.pcie_width}x",
        "pci/replay_counter": _text(sample.pcie_replays),
        "pci/replay_rollover_counter": _text(state.counters.pcie_replay_rollovers),
        "fabric/state": "N/A" if state.fabric is None else state.fabric.state.capitalize(),
        "fabric/status": "N/A"
        if state.fabric is None
        else _text(state.fabric.status and state.fabric.status.capitalize()),
    }
