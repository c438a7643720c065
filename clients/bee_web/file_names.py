"""Names for files that people save: what a machine calls itself may hold anything."""

import re

_PART_CHARACTERS = 64


def safe_name(*parts: str, suffix: str = "") -> str:
    """``safe_name("bee-audit", serial, suffix=".json")``: never a hidden file, and never a path.

    What is no letter, digit, dot or dash becomes ``_``; empty parts are left out.
    """
    clean = (re.sub(r"[^A-Za-z0-9.-]+", "_", part).strip("._-")[:_PART_CHARACTERS] for part in parts)
    return "-".join(part for part in clean if part) + suffix


def attachment(name: str) -> str:
    """The Content-Disposition of a file to be saved under such a name."""
    return f'attachment; filename="{name}"'
