"""The names of the structure types (SMBIOS 3.7 §7)."""

STRUCTURE_NAMES = dict(
    enumerate(
        (
            *("BIOS", "System", "Base Board", "Chassis", "Processor", "Memory Controller", "Memory Module"),
            *("Cache", "Port Connector", "System Slots", "On Board Devices", "OEM Strings"),
            *("System Configuration Options", "BIOS Language", "Group Associations", "System Event Log"),
            *("Physical Memory Array", "Memory Device", "32-bit Memory Error", "Memory Array Mapped Address"),
            *("Memory Device Mapped Address", "Built-in Pointing Device", "Portable Battery"),
            *("System Reset", "Hardware Security", "System Power Controls", "Voltage Probe"),
            *("Cooling Device", "Temperature Probe", "Electrical Current Probe"),
            *("Out-of-band Remote Access", "Boot Integrity Services", "System Boot", "64-bit Memory Error"),
            *("Management Device", "Management Device Component", "Management Device Threshold Data"),
            *("Memory Channel", "IPMI Device", "Power Supply", "Additional Information", "Onboard Device"),
            *("Management Controller Host Interface", "TPM Device", "Processor Additional Information"),
            *("Firmware Inventory", "String Property"),
        )
    )
) | {126: "Inactive", 127: "End Of Table"}


def structure_name(number: int) -> str:
    """The name of a structure type; types from 128 on belong to vendors."""
    return STRUCTURE_NAMES.get(number) or ("OEM-specific" if number >= 128 else "Unknown")
