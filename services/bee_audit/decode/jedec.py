"""Names of memory makers by their JEDEC numbers (JEP106)."""

# Bank (continuation codes + 1) and the maker's code in it, odd parity included: those found on server memory.
_MAKERS = {
    (1, 0x2C): "Micron",
    (1, 0x89): "Intel",
    (1, 0x97): "Texas Instruments",
    (1, 0x98): "Kioxia",
    (1, 0xAD): "SK hynix",
    (1, 0xB3): "Renesas",
    (1, 0xC1): "Infineon",
    (1, 0xCE): "Samsung",
    (2, 0x4F): "Transcend",
    (2, 0x7A): "Apacer",
    (2, 0x94): "SMART Modular",
    (2, 0x98): "Kingston",
    (3, 0x9E): "Corsair",
    (3, 0xFE): "Elpida",
    (4, 0x0B): "Nanya",
    (5, 0x43): "Ramaxel",
    (5, 0xCB): "ADATA",
    (5, 0xCD): "G.Skill",
    (5, 0xEF): "Team Group",
    (6, 0x02): "Patriot",
    (6, 0x51): "Qimonda",
    (6, 0x9B): "Crucial",
    (7, 0x32): "Montage",
    (7, 0xF1): "Innodisk",
    (11, 0x91): "CXMT",
}


def maker(continuation: int, code: int) -> str | None:
    """The maker's name, or its JEDEC number in words; None for 0 and for bytes never written, parity aside.

    ``continuation``: the count of continuation codes with its parity bit, as SPD and SMBIOS have it.
    """
    if (continuation & 0x7F, code) in ((0, 0), (0x7F, 0xFF)):
        return None
    bank = (continuation & 0x7F) + 1
    return known_maker(continuation, code) or f"JEDEC bank {bank} code 0x{code:02X}"


def known_maker(continuation: int, code: int) -> str | None:
    """The maker's name, None for one that is not in the table."""
    return _MAKERS.get(((continuation & 0x7F) + 1, code))
