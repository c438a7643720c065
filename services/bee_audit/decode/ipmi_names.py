"""The words of the IPMI 2.0 specification (revision 1.1) for its numbers."""

from typing import Final

# Table 42-3, sensor types.
SENSOR_TYPES: Final = dict(
    enumerate(
        (
            *("temperature", "voltage", "current", "fan", "physical security", "platform security violation"),
            *("processor", "power supply", "power unit", "cooling device", "other", "memory", "drive slot"),
            *("POST memory resize", "system firmware progress", "event logging", "watchdog 1"),
            *("system event", "critical interrupt", "button", "module", "microcontroller", "add-in card"),
            *("chassis", "chip set", "other FRU", "cable", "terminator", "system boot", "boot error"),
            *("OS boot", "OS stop", "slot", "ACPI power state", "watchdog 2", "platform alert"),
            *("entity presence", "monitor ASIC", "LAN", "management subsystem health", "battery"),
            *("session audit", "version change", "FRU state"),
        ),
        start=1,
    )
)

# Table 43-13, entity IDs.
ENTITIES: Final = dict(
    enumerate(
        (
            *("unspecified", "other", "unknown", "processor", "disk bay", "peripheral bay"),
            *("system management module", "system board", "memory module", "processor module"),
            *("power supply", "add-in card", "front panel board", "back panel board", "power system board"),
            *("drive backplane", "internal expansion board", "other system board", "processor board"),
            *("power unit", "power module", "power distribution board", "chassis back panel board"),
            *("system chassis", "sub-chassis", "other chassis board", "disk drive bay", "peripheral bay"),
            *("device bay", "fan", "cooling unit", "cable", "memory device", "system management software"),
            *("system firmware", "operating system", "system bus", "group", "remote management device"),
            *("external environment", "battery", "processing blade", "connectivity switch"),
            *("processor/memory module", "I/O module", "processor/I/O module", "BMC firmware"),
            *("IPMI channel", "PCI bus", "PCI Express bus", "SCSI bus", "SATA/SAS bus", "processor bus"),
            *("real-time clock", "reserved", "air inlet"),
        )
    )
) | {0x40: "air inlet", 0x41: "processor", 0x42: "system board"}  # the last three are DCMI's

ENTITY_POWER_SUPPLY: Final = 0x0A
DEVICE_RELATIVE: Final = 0x60  # instances from here on count per controller (§39.1)

# Table 43-15, sensor units.
UNITS: Final = dict(
    enumerate(
        (
            *(
                "",
                "degrees C",
                "degrees F",
                "K",
                "Volts",
                "Amps",
                "Watts",
                "Joules",
                "Coulombs",
                "VA",
                "nits",
            ),
            *("lumen", "lux", "candela", "kPa", "PSI", "Newton", "CFM", "RPM", "Hz", "microseconds"),
            *("milliseconds", "seconds", "minutes", "hours", "days", "weeks", "mil", "inches", "feet"),
            *("cubic inches", "cubic feet", "mm", "cm", "m", "cubic cm", "cubic m", "litres"),
            *("fluid ounces", "radians", "steradians", "revolutions", "cycles", "gravities", "ounces"),
            *("pounds", "foot-pounds", "ounce-inches", "gauss", "gilberts", "henries", "millihenries"),
            *("farads", "microfarads", "ohms", "siemens", "moles", "becquerels", "PPM", "reserved"),
            *("decibels", "dBA", "dBC", "grays", "sieverts", "K colour temperature", "bits", "kilobits"),
            *("megabits", "gigabits", "bytes", "kilobytes", "megabytes", "gigabytes", "words", "dwords"),
            *("qwords", "lines", "hits", "misses", "retries", "resets", "overruns", "underruns"),
            *("collisions", "packets", "messages", "characters", "errors", "correctable errors"),
            *("uncorrectable errors", "fatal errors", "grams"),
        )
    )
)
RATES: Final = ("", "us", "ms", "s", "minute", "hour", "day", "")

# Table 5-2, and those above 80h that several commands share.
COMPLETION_CODES: Final = {
    0x80: "not supported or not available",
    0x81: "FRU device busy, or set in progress",
    0xC0: "node busy",
    0xC1: "invalid command",
    0xC2: "command invalid for this LUN",
    0xC3: "timeout inside the BMC",
    0xC4: "out of space",
    0xC5: "reservation cancelled or invalid",
    0xC6: "request data truncated",
    0xC7: "request data length invalid",
    0xC8: "request data too long",
    0xC9: "parameter out of range",
    0xCA: "cannot return so many bytes",
    0xCB: "not present",
    0xCC: "invalid data field in request",
    0xCD: "command illegal for this sensor or record",
    0xCE: "response could not be provided",
    0xCF: "duplicated request",
    0xD0: "SDR repository in update mode",
    0xD1: "device in firmware update mode",
    0xD2: "BMC initialization in progress",
    0xD3: "destination unavailable",
    0xD4: "insufficient privilege",
    0xD5: "not supported in the present state",
    0xD6: "command disabled",
    0xFF: "unspecified error",
}

# IANA private enterprise numbers of those who make servers and BMC firmware.
MANUFACTURERS: Final = {
    2: "IBM",
    11: "Hewlett-Packard",
    42: "Sun Microsystems",
    111: "Oracle",
    343: "Intel",
    674: "Dell",
    2011: "Huawei",
    2623: "ASUS",
    5703: "NVIDIA",
    6569: "Inventec",
    6653: "Tyan",
    7244: "Quanta",
    10368: "Fujitsu",
    10876: "Supermicro",
    15370: "GIGABYTE",
    19046: "Lenovo",
    20301: "IBM eServer X",
    20569: "Inventec",
    20974: "American Megatrends",
    25506: "H3C",
    37945: "Inspur",
    40092: "Wiwynn",
    47196: "Hewlett Packard Enterprise",
    47488: "Supermicro",  # registered by another, but what many of its boards state
    49622: "ASRock Rack",
    49769: "YADRO",
    52538: "Ampere",
}


def sensor_type_name(code: int) -> str:
    return SENSOR_TYPES.get(code) or ("OEM" if code >= 0xC0 else "reserved")


def entity_name(entity_id: int, instance: int) -> str:
    """Where a part sits, "power supply 2"."""
    name = ENTITIES.get(entity_id)
    if name is None:
        kind = "chassis" if 0x90 <= entity_id <= 0xAF else "board" if 0xB0 <= entity_id <= 0xCF else "OEM"
        name = f"{kind} entity {entity_id:#04x}"
    number = instance - DEVICE_RELATIVE if instance >= DEVICE_RELATIVE else instance
    return f"{name} {number}" if number else name


def completion_code_text(code: int) -> str:
    meaning = COMPLETION_CODES.get(code)
    return f"{meaning} ({code:02X}h)" if meaning else f"completion code {code:02X}h"
