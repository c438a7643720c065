"""Ids of components: unique in their section, and the same at the next audit."""

from collections import Counter
from collections.abc import Iterable, Sequence


def unique_ids(names: Iterable[str]) -> list[str]:
    """The names in their order; one that comes again gets a number behind it."""
    taken: set[str] = set()
    ids = []
    for name in names:
        candidate, number = name, 2
        while candidate in taken:
            candidate, number = f"{name} #{number}", number + 1
        taken.add(candidate)
        ids.append(candidate)
    return ids


def distinct(names: Sequence[str | None], longer: Sequence[str | None], fallback: str) -> list[str]:
    """Each name where no other is the same, else the longer one, else a number after ``fallback``."""
    counts = Counter(names)
    chosen = []
    for index, (name, long) in enumerate(zip(names, longer, strict=True)):
        chosen.append((name if counts[name] == 1 else long) or name or f"{fallback}{index}")
    return unique_ids(chosen)
