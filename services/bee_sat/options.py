"""The options of a run: strings on the bus, checked by name and value before anything happens."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bee_bus.documents.sat import SatOption
from bee_bus.errors import InvalidOption

Check = Callable[[str], str]


@dataclass(frozen=True)
class Option:
    """``check`` gives the value back as it is recorded, or raises ValueError (the message is not shown).

    ``allowed`` ends the sentence "it takes ...". ``default``: "" where the pack finds the value by itself.
    """

    name: str
    help: str
    allowed: str
    check: Check
    default: str = ""
    environment: str | None = None


def integer(minimum: int, maximum: int) -> Check:
    """A whole decimal number in a range."""

    def check(text: str) -> str:
        if not text.isascii() or not text.isdigit() or len(text) > 18 or not minimum <= int(text) <= maximum:
            raise ValueError(text)
        return str(int(text))

    return check


def choice(*allowed: str) -> Check:
    """One of a few words."""

    def check(text: str) -> str:
        if text not in allowed:
            raise ValueError(text)
        return text

    return check


def parse_options(pack: str, options: Sequence[Option], given: Mapping[str, str]) -> dict[str, str]:
    """Every option with its value, in the pack's order. Raises InvalidOption, which says what is allowed."""
    known = {option.name: option for option in options}
    for name in given:
        if name not in known:
            names = ", ".join(known) or "none"
            raise InvalidOption(f"pack {pack} has no option {name!r}; it takes: {names}")
    values = {}
    for option in options:
        text = given.get(option.name)
        if text is None:
            values[option.name] = option.default
            continue
        try:
            values[option.name] = option.check(text)
        except ValueError:
            raise InvalidOption(f"{option.name}={text[:100]!r}: it takes {option.allowed}") from None
    return values


def describe(option: Option) -> SatOption:
    return SatOption(
        name=option.name,
        help=option.help,
        allowed=option.allowed,
        default=option.default,
        environment=option.environment,
    )
