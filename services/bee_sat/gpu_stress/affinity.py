"""The processors beside a GPU: from the far socket transfers are slower, which is not the GPU's fault."""

import os
from collections.abc import Set
from pathlib import Path

SYS = Path("/sys")


def stay_near(address: str, sys: Path = SYS) -> bool:
    """Run on the processors of the GPU's own node from now on, where any of them may be used.

    Whether it does. Firmware that does not tell where a GPU is has Linux name the processors of all nodes.
    """
    beside = local_processors(address, sys)
    nodes = [found for node in sys.glob("devices/system/node/node*") if (found := _list(node / "cpulist"))]
    near = beside & os.sched_getaffinity(0)
    if near:
        os.sched_setaffinity(0, near)
    return len(nodes) < 2 or (bool(near) and not all(node <= beside for node in nodes))


def local_processors(address: str, sys: Path = SYS) -> Set[int]:
    """As sysfs lists them ("0-31,64-95"); none where it does not."""
    return _list(sys / "bus/pci/devices" / address / "local_cpulist")


def _list(path: Path) -> Set[int]:
    try:
        text = path.read_text("ascii").strip()
        ranges = [tuple(map(int, part.split("-"))) for part in text.split(",") if part]
        return {number for ends in ranges for number in range(ends[0], ends[-1] + 1)}
    except (OSError, ValueError):
        return set()
