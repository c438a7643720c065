"""Corrected errors that wait in the processors until the kernel asks for them.

Where they raise no interrupt (AMD below its threshold, Intel without CMCI) the kernel asks every five
minutes. Errors of a run's last minutes would then be missing from its last look, and older ones be blamed on
it. A new interval makes the kernel ask at once (Documentation/ABI/testing/sysfs-mce; mce_restart in
arch/x86/kernel/cpu/mce/core.c).
"""

import logging
import threading
import time
from collections.abc import Container
from pathlib import Path

log = logging.getLogger(__name__)

INTERVAL = "/sys/devices/system/machinecheck/machinecheck0/check_interval"
SECTIONS = ("cpus", "memory")  # those of the audit that count them
SETTLE_SECONDS = 1.5  # for the EDAC drivers, which are told by another thread of the kernel

_one_at_a_time = threading.Lock()  # two runs must not restore each other's interval


def are_looked_at(sections: Container[str]) -> bool:
    """Whether a run with these sections counts them."""
    return any(name in sections for name in SECTIONS)


def collect(path: str = INTERVAL, *, settle_seconds: float = SETTLE_SECONDS) -> None:
    """Have the kernel ask now, and leave the interval as it was. Blocks.

    Nothing where there are no machine checks, or somebody has switched the asking off (0).
    """
    file = Path(path)
    with _one_at_a_time:
        try:
            interval = int(file.read_text())
            if interval == 0:
                return
            file.write_text("1" if interval != 1 else "2")
            try:
                time.sleep(settle_seconds)
            finally:
                file.write_text(f"{interval}")
        except (OSError, ValueError) as error:
            log.info("corrected machine checks are not asked for: %s", error)
