"""Power supplies that are missing, broken, without input or unlike each other."""

import pytest

from bee_bus.documents.audit import Finding
from lab import fru
from lab.bmc import Bmc
from lab.bmc_control import BmcControl
from lab.hardware import bmc
from lab.ipmi_findings import findings_of, hardware_of, judge
from lab.sdr import DiscreteSensor, Entity, SensorType, ThresholdSensor, Unit
from lab.smbios import Firmware


def status(machine: Bmc, name: str) -> DiscreteSensor:
    sensor = machine.sensor(name)
    assert isinstance(sensor, DiscreteSensor)
    return sensor


def psu_findings(findings: list[Finding]) -> list[tuple[str, str, str]]:
    return [(one.rule, one.severity, one.component) for one in findings]


async def test_supplies_in_order_have_none() -> None:
    assert not await findings_of(BmcControl(bmc()))


async def test_one_pulled_out_of_its_bay() -> None:
    machine = bmc()
    status(machine, "PS2 Status").states = 0
    del machine.frus[2]

    (finding,) = await findings_of(BmcControl(machine))

    assert (finding.rule, finding.severity, finding.component) == ("psus.absent", "Warning", "psus/psu2")
    assert finding.message == "PS2 is absent; 1 of 2 power supplies are there"
    assert finding.where == "PS2, power supply 2"
    assert finding.threshold is not None and finding.threshold.value == 0


async def test_a_bay_that_the_site_leaves_empty() -> None:
    machine = bmc()
    status(machine, "PS2 Status").states = 0
    del machine.frus[2]

    assert not await findings_of(BmcControl(machine), "[psus]\nempty_bays = 1")


def all_called_empty() -> Bmc:
    machine = bmc()
    machine.frus = {0: machine.frus[0]}
    for name in ("PS1 Status", "PS2 Status"):
        status(machine, name).states = 0
    return machine


async def test_bays_that_all_say_empty_are_no_fault_of_one_and_prove_nothing() -> None:
    """A machine that runs has power: the sensors are of no use, and would not show a supply that failed."""
    (finding,) = await findings_of(BmcControl(all_called_empty()))

    assert (finding.rule, finding.severity, finding.component) == ("psus.unseen", "Unknown", "psus")
    assert finding.where == "PS1, PS2"


async def test_a_machine_whose_chassis_has_the_supplies() -> None:
    assert not await findings_of(BmcControl(all_called_empty()), "[psus]\nempty_bays = 2")


async def test_one_supply_alone_that_is_called_absent_feeds_the_machine_all_the_same() -> None:
    machine = all_called_empty()
    machine.sensors = [one for one in machine.sensors if not one.name.startswith("PS2")]

    assert not await findings_of(BmcControl(machine))


@pytest.mark.parametrize(
    ("states", "rule", "severity"),
    [
        (0x03, "psus.failed", "Critical"),
        (0x05, "psus.predictive-failure", "Warning"),
        (0x09, "psus.input-lost", "Critical"),
        (0x11, "psus.input-lost", "Critical"),
        (0x21, "psus.input-out-of-range", "Warning"),
        (0x41, "psus.configuration-error", "Critical"),
    ],
)
async def test_what_its_own_sensor_says(states: int, rule: str, severity: str) -> None:
    machine = bmc()
    status(machine, "PS1 Status").states = states

    (finding,) = await findings_of(BmcControl(machine))

    assert (finding.rule, finding.severity, finding.component) == (rule, severity, "psus/psu1")
    assert finding.where == "PS1, power supply 1, serial P2K2ACL37HT0815"
    assert finding.next_step


async def test_two_faults_at_once_are_both_seen() -> None:
    machine = bmc()
    status(machine, "PS1 Status").states = 0x0B

    assert psu_findings(await findings_of(BmcControl(machine))) == [
        ("psus.failed", "Critical", "psus/psu1"),
        ("psus.input-lost", "Critical", "psus/psu1"),
    ]


async def test_one_in_standby_is_as_it_was_told_to_be() -> None:
    machine = bmc()
    status(machine, "PS1 Status").states = 0x81

    assert not await findings_of(BmcControl(machine))


async def test_an_empty_bay_is_not_also_without_input() -> None:
    machine = bmc()
    status(machine, "PS2 Status").states = 0x08
    machine.sensors.append(
        ThresholdSensor(
            *(0x40, "PS2 Fan", SensorType.FAN, Unit.RPM, 0),
            entity=Entity.POWER_SUPPLY,
            instance=2,
            thresholds={"lower_critical": 5},
        )
    )
    del machine.frus[2]

    assert psu_findings(await findings_of(BmcControl(machine))) == [("psus.absent", "Warning", "psus/psu2")]


async def test_one_of_another_rating() -> None:
    machine = bmc()
    machine.frus[2] = fru.image(
        product=fru.Product("Ablecom", "PWS-1K62A-1R", "PWS-1K62A-1R", "1.0", "P1K6"),
        power_supply=fru.PowerSupply(1600),
    )

    (finding,) = await findings_of(BmcControl(machine))

    assert (finding.rule, finding.component) == ("psus.rating-unlike-peers", "psus/psu2")
    assert finding.message == "PS2 is rated 1600 W, 1 of 2 are 2200 W"


async def test_one_of_another_model_and_the_same_rating() -> None:
    machine = bmc()
    machine.frus[2] = fru.image(
        product=fru.Product("Delta", "DPS-2200AB", "DPS-2200AB", "1.0", "D22"),
        power_supply=fru.PowerSupply(2200),
    )

    (finding,) = await findings_of(BmcControl(machine))

    assert (finding.rule, finding.severity) == ("psus.model-unlike-peers", "Warning")
    assert finding.message == "PS2 is a DPS-2200AB, 1 of 2 are PWS-2K20A-1R"


async def test_one_that_only_the_firmware_names_is_no_odd_one() -> None:
    machine = bmc()
    del machine.frus[2]
    firmware = Firmware()
    firmware.power_supply(location="PS2")
    hardware = await hardware_of(BmcControl(machine), firmware.files())

    assert hardware.psus and [psu.capacity_watts for psu in hardware.psus.psus] == [2200, 2700]
    assert not psu_findings(judge(hardware))


async def test_a_machine_that_tells_no_models_has_no_odd_one() -> None:
    machine = bmc()
    machine.frus[2] = fru.image(product=fru.Product("Ablecom", "N/A", "N/A", "1.0", "P2"))

    assert not await findings_of(BmcControl(machine))
