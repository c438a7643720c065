"""EEPROMs of memory modules on the I2C bus, as drivers show them and as they do not."""

import errno

from bee_audit.collectors.spd_modules import read_modules
from lab import spd
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


async def test_a_board_whose_firmware_protects_the_eeproms_shows_none_of_them() -> None:
    """No page can be selected, so none of the modules answers; one alone that does not is broken."""
    refusal = OSError(errno.ENXIO, "No such device or address")
    machine = FakeMachine()
    for device in ("0-0050", "0-0051", "0-0052"):
        machine.files |= {f"{I2C}/{device}/name": "spd5118\n", f"{I2C}/{device}/eeprom": refusal}
    machine.files |= {f"{I2C}/0-0053/name": "spd5118\n"}
    assert await read_modules(machine) == ((), ())
    machine.files[f"{I2C}/0-0051/eeprom"] = spd.ddr5()
    modules, problems = await read_modules(machine)
    assert [module.device for module in modules] == ["0-0051"]
    assert [problem.split(" could")[0][-6:] for problem in problems] == ["0-0050", "0-0052"]
