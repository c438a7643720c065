"""eMMC, which has no SMART: its wear is a register, shown by the kernel (JEDEC eMMC 5.1 §7.4)."""

import re

import msgspec

from bee_audit.decode.disk_text import clean
from bee_audit.decode.filler import genuine
from bee_bus.documents.storage import Disk
from bee_machine import Machine


async def with_emmc(machine: Machine, disk: Disk) -> Disk:
    folder = f"/sys/block/{disk.id}/device"
    name, serial, firmware, life = [
        await machine.read_text(f"{folder}/{file}") for file in ("name", "serial", "fwrev", "life_time")
    ]
    return msgspec.structs.replace(
        disk,
        model=clean(name or ""),
        serial=genuine(serial),
        firmware=genuine(firmware),
        percentage_used=_used(life),
    )


def _used(life_time: str | None) -> int | None:
    """The worse of two kinds of cells; each in steps of 10 %, 11 being past the end, 0 not known."""
    steps = [int(step, 16) for step in re.findall(r"\b0x([0-9a-fA-F]{1,2})\b", life_time or "")]
    worst = max(steps, default=0)
    return worst * 10 if 1 <= worst <= 11 else None
