"""EEPROMs of memory modules on the I2C bus, as drivers show them and as they do not."""

import errno

from bee_audit.collectors.spd_modules import read_modules
from lab.machine import FakeMachine

I2C = "/sys/bus/i2c/devices"


async def test_an_address_that_no_driver_took_is_no_module() -> None:
    machine = FakeMachine(files={f"{I2C}/0-0050/name": "spd5118\n"})
    assert await read_modules(machine) == ((), ())


async def test_an_eeprom_that_fails_is_named() -> None:
    machine = FakeMachine(
        files={
            f"{I2C}/0-0051/name": "spd5118\n",
            f"{I2C}/0-0051/eeprom": OSError(errno.EIO, "Input/output error"),
        }
    )
    modules, problems = await read_modules(machine)
    assert modules == ()
    assert ["0-0051" in problem and "Input/output error" in problem for problem in problems] == [True]
