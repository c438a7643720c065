"""Numbers that transceivers state of themselves, in words (SFF-8024 rev 4.11, tables 4-1 and 4-3 to 4-5)."""

from collections.abc import Mapping

TYPES = {
    0x03: "SFP",
    0x0B: "DWDM-SFP",
    0x0C: "QSFP",
    0x0D: "QSFP+",
    0x11: "QSFP28",
    0x18: "QSFP-DD",
    0x19: "OSFP",
    0x1A: "SFP-DD",
    0x1B: "DSFP",
    0x1E: "QSFP with CMIS",
    0x1F: "SFP-DD with CMIS",
    0x20: "SFP with CMIS",
    0x21: "OSFP-XD with CMIS",
}
SFP_IDENTIFIERS = (0x03, 0x0B, 0x1A)
QSFP_IDENTIFIERS = (0x0C, 0x0D, 0x11)
CMIS_IDENTIFIERS = (0x18, 0x19, 0x1B, 0x1E, 0x1F, 0x20, 0x21)
NO_SEPARABLE = 0x23
CONNECTORS = {
    0x01: "SC",
    0x07: "LC",
    0x0B: "optical pigtail",
    0x0C: "MPO 1x12",
    0x0D: "MPO 2x16",
    0x21: "copper pigtail",
    0x22: "RJ45",
    NO_SEPARABLE: "none, fixed cable",
    0x24: "MXC 2x16",
    0x25: "CS",
    0x26: "SN",
    0x27: "MPO 2x12",
    0x28: "MPO 1x16",
}

# Extended specification compliance: the standard, and the Mb/s of all lanes. One number is another standard
# in a module of one lane than in one of four.
QSFP_STANDARDS: Mapping[int, tuple[str, int]] = {
    0x01: ("100G AOC", 100000),
    0x02: ("100GBASE-SR4", 100000),
    0x03: ("100GBASE-LR4", 100000),
    0x04: ("100GBASE-ER4", 100000),
    0x05: ("100GBASE-SR10", 100000),
    0x06: ("100G CWDM4", 100000),
    0x07: ("100G PSM4", 100000),
    0x08: ("100G ACC", 100000),
    0x0B: ("100GBASE-CR4 or 25GBASE-CR", 100000),
    0x0C: ("25GBASE-CR CA-25G-S", 100000),
    0x0D: ("25GBASE-CR CA-25G-N", 100000),
    0x10: ("40GBASE-ER4", 40000),
    0x11: ("4 x 10GBASE-SR", 40000),
    0x12: ("40G PSM4", 40000),
    0x17: ("100G CLR4", 100000),
    0x18: ("100G AOC", 100000),
    0x19: ("100G ACC", 100000),
    0x1A: ("100GE-DWDM2", 100000),
    0x1B: ("100G 1550 nm WDM", 100000),
    0x1F: ("40G SWDM4", 40000),
    0x20: ("100G SWDM4", 100000),
    0x21: ("100G PAM4 BiDi", 100000),
    0x22: ("100G 4WDM-10", 100000),
    0x23: ("100G 4WDM-20", 100000),
    0x24: ("100G 4WDM-40", 100000),
    0x25: ("100GBASE-DR", 100000),
    0x26: ("100GBASE-FR1", 100000),
    0x27: ("100GBASE-LR1", 100000),
    0x30: ("200G ACC", 200000),
    0x31: ("200G AOC", 200000),
    0x32: ("200G ACC", 200000),
    0x33: ("200G AOC", 200000),
    0x3F: ("400GBASE-CR4", 400000),
    0x40: ("50GBASE-CR, 100GBASE-CR2 or 200GBASE-CR4", 200000),
    0x41: ("50GBASE-SR, 100GBASE-SR2 or 200GBASE-SR4", 200000),
    0x42: ("50GBASE-FR or 200GBASE-DR4", 200000),
    0x43: ("200GBASE-FR4", 200000),
    0x46: ("200GBASE-LR4", 200000),
}
SFP_STANDARDS: Mapping[int, tuple[str, int]] = {
    0x01: ("25G AOC", 25000),
    0x02: ("25GBASE-SR", 25000),
    0x03: ("25GBASE-LR", 25000),
    0x04: ("25GBASE-ER", 25000),
    0x08: ("25G ACC", 25000),
    0x0B: ("25GBASE-CR CA-25G-L", 25000),
    0x0C: ("25GBASE-CR CA-25G-S", 25000),
    0x0D: ("25GBASE-CR CA-25G-N", 25000),
    0x16: ("10GBASE-T", 10000),
    0x18: ("25G AOC", 25000),
    0x19: ("25G ACC", 25000),
    0x1C: ("10GBASE-T short reach", 10000),
    0x1D: ("5GBASE-T", 5000),
    0x1E: ("2.5GBASE-T", 2500),
    0x30: ("50G ACC", 50000),
    0x31: ("50G AOC", 50000),
    0x32: ("50G ACC", 50000),
    0x33: ("50G AOC", 50000),
    0x3F: ("100GBASE-CR1", 100000),
    0x40: ("50GBASE-CR", 50000),
    0x41: ("50GBASE-SR", 50000),
    0x42: ("50GBASE-FR", 50000),
    0x45: ("50GBASE-LR", 50000),
}

# Host electrical interfaces of a module with CMIS, those of Ethernet: Mb/s.
HOST_INTERFACES_MBPS: Mapping[int, int] = {
    number: mbps
    for mbps, numbers in {
        1000: (0x01,),
        10000: (0x02, 0x03, 0x04, 0x13),
        25000: (0x05, 0x14, 0x15, 0x16),
        40000: (0x06, 0x07, 0x17),
        50000: (0x08, 0x09, 0x0A, 0x18, 0x43, 0x44, 0x45),
        100000: (0x0B, 0x0C, 0x0D, 0x19, 0x1A, 0x1B, 0x41, 0x42, 0x46, 0x4B, 0x4C),
        200000: (0x0E, 0x0F, 0x1C, 0x47, 0x4D, 0x4E, 0x80),
        400000: (0x10, 0x11, 0x1D, 0x48, 0x4F, 0x50, 0x81),
        800000: (0x49, 0x51, 0x52, 0x57, 0x82),
        1600000: (0x55, 0x56, 0x58, 0x83),
    }.items()
    for number in numbers
}
HOST_INTERFACES_OF_INFINIBAND = (*range(0x2C, 0x33), 0xA0)
