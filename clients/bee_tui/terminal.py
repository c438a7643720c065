"""What the terminal can show: colours and characters, by the environment."""

import os
import sys

from bee_bus.text import shows_unicode as stream_shows_unicode


def colours() -> int:
    """1, 16 or 256. NO_COLOR (no-color.org) and TERM are respected; the Linux console has 16."""
    term = os.environ.get("TERM", "dumb")
    if os.environ.get("NO_COLOR") or term in ("dumb", "vt100", "vt102", "vt220"):
        return 1
    if "256color" in term or os.environ.get("COLORTERM") in ("truecolor", "24bit"):
        return 256
    return 16


def shows_unicode() -> bool:
    """Whether the locale's encoding is UTF-8; one who says C means ASCII."""
    return stream_shows_unicode(sys.stdout)
