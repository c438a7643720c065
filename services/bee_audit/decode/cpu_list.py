"""The kernel's lists of CPUs: "0-3,8" (Documentation/admin-guide/cputopology.rst)."""

from collections.abc import Iterable

MOST_CPUS = 1 << 16


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
    numbers: set[int] = set()
    for part in (text or "").split(","):
        first, _, last = part.strip().partition("-")
        last = last or first
        if first.isdecimal() and last.isdecimal() and int(last) < MOST_CPUS:
            numbers.update(range(int(first), int(last) + 1))
    return numbers
