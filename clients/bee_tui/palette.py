"""Styles by name, for terminals of 256 colours, of 16, and of none.

Meaning is never in a colour alone: the word stands there too.
"""

from collections.abc import Sequence

Entry = tuple[
    str, str, str, str, str, str
]  # name, foreground, background, mono, foreground and background high

_DEFAULT = "default"

PALETTE: Sequence[Entry] = (
    ("header", "black", "light gray", "standout", "#fff", "#246"),
    ("footer", "light gray", "black", "", "#ccc", "#333"),
    ("footer key", "white,bold", "black", "bold", "#fff,bold", "#333"),
    ("title", "bold", _DEFAULT, "bold", "bold", _DEFAULT),
    ("quiet", "dark gray", _DEFAULT, "", "#888", _DEFAULT),
    ("focus", "black", "light gray", "standout", "#fff", "#468"),
    ("trouble", "yellow,bold", _DEFAULT, "bold", "#fc6,bold", _DEFAULT),
    ("OK", "light green,bold", _DEFAULT, "bold", "#8d8,bold", _DEFAULT),
    ("Warning", "yellow,bold", _DEFAULT, "bold", "#fc6,bold", _DEFAULT),
    ("Critical", "light red,bold", _DEFAULT, "bold", "#f77,bold", _DEFAULT),
    ("Unknown", "light magenta,bold", _DEFAULT, "bold", "#d9d,bold", _DEFAULT),
    ("running", "light cyan,bold", _DEFAULT, "bold", "#8dd,bold", _DEFAULT),
    ("bar done", "black", "light gray", "standout", "#fff", "#468"),
    ("bar left", "light gray", "black", "", "#ccc", "#333"),
    ("field", "white", "dark blue", "underline", "#fff", "#235"),
    ("field focus", "black", "light cyan", "standout", "#000", "#8cf"),
    ("dialog", "black", "light gray", "standout", "#000", "#ccc"),
    # Said outright, whatever the theme: a reader wants dark modules on light.
    ("qr", "white", "black", "", "#fff", "#000"),
    ("qr light", "black", "light gray", "standout", "#000", "#fff"),
    # Styles of bee_charts (its STYLES), by the same names.
    ("axis", "dark gray", _DEFAULT, "", "#888", _DEFAULT),
    ("mark", "light red,bold", _DEFAULT, "bold", "#f77,bold", _DEFAULT),
    ("limit", "dark magenta", _DEFAULT, "", "#d8f", _DEFAULT),
    ("phase", "dark cyan", _DEFAULT, "", "#8aa", _DEFAULT),
    ("throttle", "yellow,bold", _DEFAULT, "bold", "#f80,bold", _DEFAULT),
    ("fault", "light red,bold", _DEFAULT, "bold", "#f77,bold", _DEFAULT),
    ("red", "light red", _DEFAULT, "", "#f77", _DEFAULT),
    ("blue", "light blue", _DEFAULT, "", "#6af", _DEFAULT),
    ("green", "light green", _DEFAULT, "", "#6d8", _DEFAULT),
    ("yellow", "yellow", _DEFAULT, "", "#fd0", _DEFAULT),
    ("magenta", "light magenta", _DEFAULT, "", "#d8f", _DEFAULT),
    ("cyan", "light cyan", _DEFAULT, "", "#6dd", _DEFAULT),
    ("grey", "light gray", _DEFAULT, "", "#bbb", _DEFAULT),
)

_VERDICTS = {
    "OK": "OK",
    "Warning": "Warning",
    "Critical": "Critical",
    "FAILED": "Critical",
    "UNSUPPORTED": "Warning",
    "ABORTED": "Unknown",
    "INTERRUPTED": "Unknown",
    "RUNNING": "running",
    "running": "running",
    "waiting": "quiet",
}


def style_of(verdict: str) -> str:
    """The style for a verdict of the audit or a status of a run."""
    return _VERDICTS.get(verdict, "Unknown")
