"""The EEPROMs of memory modules, where a driver shows them on the I2C bus."""

import asyncio

import msgspec

from bee_audit.decode import DecodeError
from bee_audit.decode.spd import decode_spd
from bee_bus.documents.memory import Spd
from bee_machine import Machine

I2C = "/sys/bus/i2c/devices"
DRIVERS = ("ee1004", "spd5118")
USED_BYTES = 640  # all that is decoded; the bus is slow


async def read_modules(machine: Machine) -> tuple[tuple[Spd, ...], tuple[str, ...]]:
    """The modules whose EEPROM can be read, and a sentence for each that cannot."""
    entries = await machine.read_entries(I2C, files=("name",))
    devices = [entry.name for entry in entries if entry.text("name") in DRIVERS]
    answers = await asyncio.gather(*(_read(machine, device) for device in devices))
    modules = tuple(answer for answer in answers if isinstance(answer, Spd))
    return modules, tuple(answer for answer in answers if isinstance(answer, str))


async def _read(machine: Machine, device: str) -> Spd | str | None:
    """None where no driver took the device: the kernel only expects an EEPROM at this address."""
    try:
        data = await machine.read_bytes(f"{I2C}/{device}/eeprom", limit_bytes=USED_BYTES)
        return msgspec.structs.replace(decode_spd(data), device=device)
    except FileNotFoundError:
        return None
    except (OSError, DecodeError) as error:
        return f"The SPD EEPROM of the memory module at {device} could not be read: {error}"
