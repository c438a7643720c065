"""SMBIOS (DMTF DSP0134) up to 3.7: what the firmware says of the machine's parts."""

from bee_audit.decode.smbios.power import IpmiDevice, PowerSupply
from bee_audit.decode.smbios.slots import OnboardDevice, SlotPeer, SystemSlot
from bee_audit.decode.smbios.smbios import Smbios, decode_smbios, decode_smbios_dump
from bee_audit.decode.smbios.structure import Structure

__all__ = [
    "IpmiDevice",
    "OnboardDevice",
    "PowerSupply",
    "SlotPeer",
    "Smbios",
    "Structure",
    "SystemSlot",
    "decode_smbios",
    "decode_smbios_dump",
]
