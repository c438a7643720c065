"""The standard's words for memory arrays and devices."""

from bee_audit.decode.smbios.structure import numbered

ARRAY_LOCATION = numbered(  # §7.17.1
    *("Other", "Unknown", "System Board Or Motherboard", "ISA Add-on Card", "EISA Add-on Card"),
    *("PCI Add-on Card", "MCA Add-on Card", "PCMCIA Add-on Card", "Proprietary Add-on Card", "NuBus"),
) | numbered(
    *("PC-98/C20 Add-on Card", "PC-98/C24 Add-on Card", "PC-98/E Add-on Card"),
    *("PC-98/Local Bus Add-on Card", "CXL Add-on Card"),
    first=0xA0,
)
ARRAY_USE = numbered(  # §7.17.2
    *("Other", "Unknown", "System Memory", "Video Memory", "Flash Memory", "Non-volatile RAM"),
    "Cache Memory",
)
ARRAY_ERROR_CORRECTION = numbered(  # §7.17.3
    "Other", "Unknown", "None", "Parity", "Single-bit ECC", "Multi-bit ECC", "CRC"
)
FORM_FACTOR = numbered(  # §7.18.1; the last three came after 3.7
    *("Other", "Unknown", "SIMM", "SIP", "Chip", "DIP", "ZIP", "Proprietary Card", "DIMM", "TSOP"),
    *("Row Of Chips", "RIMM", "SODIMM", "SRIMM", "FB-DIMM", "Die", "CAMM", "CUDIMM", "CSODIMM"),
)
MEMORY_TYPE = numbered(  # §7.18.2; the last one came after 3.7
    *("Other", "Unknown", "DRAM", "EDRAM", "VRAM", "SRAM", "RAM", "ROM", "Flash", "EEPROM", "FEPROM"),
    *("EPROM", "CDRAM", "3DRAM", "SDRAM", "SGRAM", "RDRAM", "DDR", "DDR2", "DDR2 FB-DIMM"),
    *("Reserved", "Reserved", "Reserved", "DDR3", "FBD2", "DDR4", "LPDDR", "LPDDR2", "LPDDR3", "LPDDR4"),
    *("Logical non-volatile device", "HBM", "HBM2", "DDR5", "LPDDR5", "HBM3", "MRDIMM"),
)
TYPE_DETAIL = numbered(  # §7.18.3
    *("Other", "Unknown", "Fast-paged", "Static Column", "Pseudo-static", "RAMBus", "Synchronous"),
    *("CMOS", "EDO", "Window DRAM", "Cache DRAM", "Non-Volatile", "Registered (Buffered)"),
    *("Unbuffered (Unregistered)", "LRDIMM"),
)
MEMORY_TECHNOLOGY = numbered(  # §7.18.6; the last one was moved to the types above after 3.7
    *("Other", "Unknown", "DRAM", "NVDIMM-N", "NVDIMM-F", "NVDIMM-P"),
    *("Intel Optane DC persistent memory", "MRDIMM"),
)
OPERATING_MODE = numbered(  # §7.18.7
    *("Other", "Unknown", "Volatile memory", "Byte-accessible persistent memory"),
    "Block-accessible persistent memory",
)
