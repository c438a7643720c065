"""The EEPROMs of memory modules, where a driver shows them on the I2C bus."""

import asyncio
import errno
from collections.abc import Mapping, Sequence

import msgspec

from bee_audit.decode import DecodeError
from bee_audit.decode.spd import decode_spd
from bee_bus.documents.memory import Spd
from bee_machine import Machine

I2C = "/sys/bus/i2c/devices"
DDR5_DRIVER = "spd5118"
DRIVERS = ("ee1004", DDR5_DRIVER)
USED_BYTES = 640  # all that is decoded; the bus is slow


async def read_modules(machine: Machine) -> tuple[tuple[Spd, ...], tuple[str, ...]]:
    """The modules whose EEPROM can be read, and a sentence for each that cannot."""
    entries = await machine.read_entries(I2C, files=("name",))
    drivers = {entry.name: entry.text("name") or "" for entry in entries if entry.text("name") in DRIVERS}
    answers = await asyncio.gather(*(_read(machine, device) for device in drivers))
    failed = {
        device: answer
        for device, answer in zip(drivers, answers, strict=True)
        if isinstance(answer, Exception) and not isinstance(answer, FileNotFoundError)
    }
    if _write_protected(drivers, answers):
        failed = {device: error for device, error in failed.items() if drivers[device] != DDR5_DRIVER}
    return tuple(answer for answer in answers if isinstance(answer, Spd)), tuple(
        f"The SPD EEPROM of the memory module at {device} could not be read: {error}"
        for device, error in failed.items()
    )


def _write_protected(drivers: Mapping[str, str], answers: Sequence[Spd | Exception]) -> bool:
    """Whether no DDR5 module takes the page that is to be read. Firmware forbids writes to the EEPROMs in the
    bus's controller (SPD Write Disable in Intel's), and DDR5 has its page number at the same address; kernels
    before 6.16 show the files all the same. A single module that fails is a fault of its own.
    """
    ddr5 = [answer for driver, answer in zip(drivers.values(), answers, strict=True) if driver == DDR5_DRIVER]
    there = [answer for answer in ddr5 if not isinstance(answer, FileNotFoundError)]
    return len(there) > 1 and all(
        isinstance(answer, OSError) and answer.errno == errno.ENXIO for answer in there
    )


async def _read(machine: Machine, device: str) -> Spd | Exception:
    """FileNotFoundError where no driver took the device: the kernel only expects an EEPROM there."""
    try:
        data = await machine.read_bytes(f"{I2C}/{device}/eeprom", limit_bytes=USED_BYTES)
        return msgspec.structs.replace(decode_spd(data), device=device)
    except (OSError, DecodeError) as error:
        return error
