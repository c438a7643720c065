"""Processors and their caches as dmidecode prints them."""

from collections.abc import Callable
from typing import Any

from lab.dmidecode.words import Rendered, listed, row, size, unit, word, yes_no


def _processor(our: Any) -> Rendered:
    yield "Socket Designation", our["socket_designation"]
    yield "Type", word(our["processor_type"])
    yield "Family", word(our["family"])
    yield "Manufacturer", our["manufacturer"]
    identity = our["processor_id"]
    yield "ID", identity
    family, model, stepping = our["cpuid_family"], our["cpuid_model"], our["cpuid_stepping"]
    signature = None if family is None else f"Family {family}, Model {model}, Stepping {stepping}"
    yield "Signature", signature and _with_type(signature, our, identity)
    flags = our["flags"]
    yield "Flags", flags and [f"{flag} ({CPUID_WORDS[flag]})" for flag in flags]
    yield "Version", our["version"]
    volts = our["voltages_volts"]
    yield (
        "Voltage",
        None if volts is None else " ".join(f"{value:.1f}" for value in volts).replace(" ", " V ") + " V",
    )
    yield "External Clock", unit(our["external_clock_mhz"], "MHz")
    yield "Max Speed", unit(our["max_speed_mhz"], "MHz")
    yield "Current Speed", unit(our["current_speed_mhz"], "MHz")
    yield "Status", yes_no(our["populated"], f"Populated, {word(our['status'])}", "Unpopulated")
    # dmidecode calls the socket 0x24 by another's name.
    yield "Upgrade", (word(our["upgrade"]) or "<OUT OF SPEC>").replace("LGA1155", "BGA1155")
    yield "Socket Type", our["socket_type"]
    for level in (1, 2, 3):
        yield f"L{level} Cache Handle", our[f"l{level}_cache_handle"]
    yield "Serial Number", our["serial_number"]
    yield "Asset Tag", our["asset_tag"]
    yield "Part Number", our["part_number"]
    for name in ("Core Count", "Core Enabled", "Thread Count", "Thread Enabled"):
        count = our[name.lower().replace(" ", "_")]
        yield name, None if count is None else str(count)
    yield "Characteristics", listed(our["characteristics"])


def _with_type(signature: str, our: Any, identity: str) -> str:
    """dmidecode shows the CPUID type of Intel's families only."""
    if any(word in (our["family"] or "") for word in AMD_WORDS):
        return signature
    return f"Type {bytes.fromhex(identity)[1] >> 4 & 3}, {signature}"


AMD_WORDS = (
    *("Athlon", "Opteron", "Zen", "Phenom", "Sempron", "Turion", "Duron", "FX", "FirePro"),
    *("-Series", "K5", "K6"),
)
CPUID_WORDS = {
    "FPU": "Floating-point unit on-chip",
    "VME": "Virtual mode extension",
    "DE": "Debugging extension",
    "PSE": "Page size extension",
    "TSC": "Time stamp counter",
    "MSR": "Model specific registers",
    "PAE": "Physical address extension",
    "MCE": "Machine check exception",
    "CX8": "CMPXCHG8 instruction supported",
    "APIC": "On-chip APIC hardware supported",
    "SEP": "Fast system call",
    "MTRR": "Memory type range registers",
    "PGE": "Page global enable",
    "MCA": "Machine check architecture",
    "CMOV": "Conditional move instruction supported",
    "PAT": "Page attribute table",
    "PSE-36": "36-bit page size extension",
    "PSN": "Processor serial number present and enabled",
    "CLFSH": "CLFLUSH instruction supported",
    "DS": "Debug store",
    "ACPI": "ACPI supported",
    "MMX": "MMX technology supported",
    "FXSR": "FXSAVE and FXSTOR instructions supported",
    "SSE": "Streaming SIMD extensions",
    "SSE2": "Streaming SIMD extensions 2",
    "SS": "Self-snoop",
    "HTT": "Multi-threading",
    "TM": "Thermal monitor supported",
    "PBE": "Pending break enabled",
}


def _cache(our: Any) -> Rendered:
    yield "Socket Designation", our["socket_designation"]
    words = (
        yes_no(our["enabled"], "Enabled", "Disabled"),
        yes_no(our["socketed"], "Socketed", "Not Socketed"),
    )
    yield "Configuration", f"{words[0]}, {words[1]}, Level {our['level']}"
    yield "Operational Mode", our["operational_mode"]
    yield "Location", word(our["location"])
    yield "Installed Size", size(our["installed_size_bytes"], "kB")
    yield "Maximum Size", size(our["maximum_size_bytes"], "kB")
    yield "Supported SRAM Types", listed(our["supported_sram_types"])
    yield "Installed SRAM Type", row(our["installed_sram_types"])
    yield "Speed", unit(our["speed_ns"], "ns")
    yield "Error Correction Type", word(our["error_correction_type"])
    yield "System Type", word(our["system_type"])
    yield "Associativity", word(our["associativity"])


RENDER: dict[int, Callable[[Any], Rendered]] = {4: _processor, 7: _cache}
