"""SMBIOS (DMTF DSP0134) up to 3.8: what the firmware says of the machine's parts."""

from bee_audit.decode.smbios.bios import BiosInformation
from bee_audit.decode.smbios.cache import Cache
from bee_audit.decode.smbios.memory import MemoryArray, MemoryDevice
from bee_audit.decode.smbios.power import IpmiDevice, PowerSupply
from bee_audit.decode.smbios.processor import Processor
from bee_audit.decode.smbios.report import decode_smbios_file, smbios_document
from bee_audit.decode.smbios.slots import OnboardDevice, SlotPeer, SystemSlot
from bee_audit.decode.smbios.smbios import Smbios, decode_smbios, decode_smbios_dump, decode_smbios_table
from bee_audit.decode.smbios.structure import Structure
from bee_audit.decode.smbios.system import Baseboard, Chassis, ContainedElement, SystemInformation

__all__ = [
    "Baseboard",
    "BiosInformation",
    "Cache",
    "Chassis",
    "ContainedElement",
    "IpmiDevice",
    "MemoryArray",
    "MemoryDevice",
    "OnboardDevice",
    "PowerSupply",
    "Processor",
    "SlotPeer",
    "Smbios",
    "Structure",
    "SystemInformation",
    "SystemSlot",
    "decode_smbios",
    "decode_smbios_dump",
    "decode_smbios_file",
    "decode_smbios_table",
    "smbios_document",
]
