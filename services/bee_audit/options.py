"""The options that a caller may give to an audit."""

from collections.abc import Mapping
from typing import NamedTuple

from bee_audit.audit import SECTIONS
from bee_bus.errors import InvalidOption


class AuditOptions(NamedTuple):
    """``expected``: what the machine must have, TOML; empty: what its own file says. ``limits``: over the
    site's, TOML of the same shape.
    """

    sections: tuple[str, ...]
    expected: str
    limits: str


LIMITS_MAX = 16_384


def audit_options(options: Mapping[str, str]) -> AuditOptions:
    """The options of Run. Raises InvalidOption, saying what is allowed."""
    _only_known(options, {"sections", "expected", "limits"})
    expected = options.get("expected", "")
    if "expected" in options:
        from bee_bus.expected import ExpectedError, read_expected

        try:
            read_expected(expected, "expected")
        except ExpectedError as error:
            raise InvalidOption(str(error)) from error
    limits = options.get("limits", "")
    if "limits" in options:
        check_limits(limits)
    return AuditOptions(parse_sections(options.get("sections", "")), expected, limits)


def check_limits(text: str) -> None:
    """Raises InvalidOption for limits that the audit cannot use, and for those that it leaves to others."""
    from bee_audit.rules.thresholds import ThresholdError, built_in

    if len(text) > LIMITS_MAX:
        raise InvalidOption(f"limits: longer than {LIMITS_MAX} characters")
    try:
        built_in().layered(text, "option", "limits", strict=True)
    except ThresholdError as error:
        raise InvalidOption(str(error)) from error


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
