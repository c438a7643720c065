"""CPU lists as the kernel writes them: "0-31,64-95"."""

import re

_RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")


def parse_cpu_list(text: str) -> tuple[int, ...]:
    """The CPUs of a list, in its order; what is no number or range is left out."""
    cpus: list[int] = []
    for part in text.strip().split(","):
        if match := _RANGE.fullmatch(part):
            cpus += range(int(match[1]), int(match[2] or match[1]) + 1)
    return tuple(cpus)


def cpu_count(text: str) -> int:
    """How many CPUs a list names, one at least: somebody runs this program."""
    return max(len(parse_cpu_list(text)), 1)
