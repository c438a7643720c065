"""Firmware that reports a fault of the whole machine, and firmware that reports none."""

import pytest

from bee_audit.rules.board import RULES
from lab.judging import findings, firmware_sections, said
from lab.two_sockets import TwoSockets


async def test_a_healthy_server_has_no_findings() -> None:
    assert findings(await firmware_sections(TwoSockets().machine()), RULES) == []


@pytest.mark.parametrize(
    ("states", "rule", "severity"),
    [
        ((5, 3, 3), "board.chassis-boot-up-state", "Critical"),
        ((3, 6, 3), "board.chassis-power-supply-state", "Critical"),
        ((3, 3, 5), "board.chassis-thermal-state", "Critical"),
        ((3, 3, 4), "board.chassis-thermal-state", "Warning"),
    ],
)
async def test_a_chassis_that_was_not_safe_at_boot(
    states: tuple[int, int, int], rule: str, severity: str
) -> None:
    server = TwoSockets(chassis={"states": states})
    found = findings(await firmware_sections(server.machine()), RULES)
    assert said(found) == [(rule, severity, "board/chassis0")]
    assert found[0].where == "Rack Mount Chassis, serial CH-99"


@pytest.mark.parametrize("states", [(1, 1, 1), (2, 2, 2), (0, 9, 255)])
async def test_a_chassis_that_does_not_know_its_state_is_no_finding(states: tuple[int, int, int]) -> None:
    server = TwoSockets(chassis={"states": states})
    assert findings(await firmware_sections(server.machine()), RULES) == []


async def test_firmware_left_in_manufacturing_mode() -> None:
    server = TwoSockets(bios={"extension_2": 0x60})
    found = findings(await firmware_sections(server.machine()), RULES)
    assert said(found) == [("board.manufacturing-mode", "Warning", "board/bios")]
    assert found[0].where == "BIOS 1.2.3"
