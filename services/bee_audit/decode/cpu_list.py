"""The kernel's lists of CPUs: "0-3,8" (Documentation/admin-guide/cputopology.rst)."""

import re
from collections.abc import Iterable


def cpu_list(numbers: Iterable[int]) -> str:
    """Numbers as the kernel writes them."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][-1] == number - 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ",".join("-".join(str(edge) for edge in run) for run in runs)


def parse_cpu_list(text: str | None) -> set[int]:
    """The numbers of a list; what is malformed in it is left out."""
    runs = []
    for part in (text or "").split(","):
        found = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", part.strip(), re.ASCII)
        if found is not None:
            runs.append((int(found[1]), int(found[2] or found[1])))
    numbers: set[int] = set()
    known = -1  # of a list that says the same thing over and over each number is counted once
    for first, last in sorted(runs):
        numbers.update(range(max(first, known + 1), last + 1))
        known = max(known, last)
    return numbers
