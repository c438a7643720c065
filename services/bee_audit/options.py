"""The options that a caller may give to an audit."""

from collections.abc import Mapping

from bee_audit.audit import SECTIONS
from bee_bus.errors import InvalidOption


def sections_option(options: Mapping[str, str]) -> tuple[str, ...]:
    """The sections that the options of Run name. Raises InvalidOption, saying what is allowed."""
    _only_known(options, {"sections"})
    return parse_sections(options.get("sections", ""))


def no_options(options: Mapping[str, str]) -> None:
    """Raises InvalidOption when there is any."""
    _only_known(options, set())


def parse_sections(names: str) -> tuple[str, ...]:
    """Names joined by commas, in the order of the snapshot; empty means all. Raises InvalidOption."""
    wanted = {name.strip() for name in names.split(",") if name.strip()}
    unknown = sorted(wanted - set(SECTIONS))
    if unknown:
        raise InvalidOption(f"there is no section {unknown[0]!r}; known: {', '.join(SECTIONS)}")
    return tuple(name for name in SECTIONS if name in wanted) or SECTIONS


def _only_known(options: Mapping[str, str], known: set[str]) -> None:
    if unknown := sorted(set(options) - known):
        raise InvalidOption(f"there is no option {unknown[0]!r}; known: {', '.join(sorted(known)) or 'none'}")
