"""Views of the menu without a terminal: what they show, and what a key does to them."""

from typing import Any

COLUMNS, ROWS = 80, 24


def shown(widget: Any, columns: int = COLUMNS, rows: int = ROWS) -> str:
    """The characters of a box widget."""
    canvas = widget.render((columns, rows), focus=True)
    return "\n".join(line.decode("utf-8").rstrip() for line in canvas.text)
