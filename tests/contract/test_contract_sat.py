"""What is said of the packs in several places is the same: the service, the command line, its manual."""

from pathlib import Path

import pytest

from bee_cli.sat_arguments import FORMATS, PACKS
from bee_sat.packs import PACK_NAMES, load_pack
from bee_sat.shelf import ARCHIVE
from bee_sat.shelf import FORMATS as SERVED

MANUAL = Path(__file__).resolve().parents[2] / "clients/man/bee.1"
SECTIONS = (
    "board",
    "cpus",
    "memory",
    "storage",
    "pcie",
    "network",
    "psus",
    "sensors",
    "bmc",
    "gpus",
    "firmware",
)


def test_the_command_line_has_every_pack_and_format() -> None:
    assert tuple(PACKS) == PACK_NAMES
    assert set(FORMATS) == {ARCHIVE, *SERVED}


@pytest.mark.parametrize("name", PACK_NAMES)
def test_the_command_line_has_every_option_of_a_pack_and_its_variable(name: str) -> None:
    flags = {flag.option: flag.environment for flag in PACKS[name][1]}
    assert flags == {option.name: option.environment for option in load_pack(name).options}


@pytest.mark.parametrize("name", PACK_NAMES)
def test_the_manual_has_every_option_of_a_pack(name: str) -> None:
    manual = MANUAL.read_text("utf-8")
    assert f".It Cm {name}\n" in manual
    for option in load_pack(name).options:
        assert f"Fl -{option.name.replace('_', '-')} Ar" in manual
        assert option.environment is None or option.environment in manual


@pytest.mark.parametrize("name", PACK_NAMES)
def test_a_pack_describes_itself_and_its_defaults_are_allowed(name: str) -> None:
    pack = load_pack(name)
    said = pack.describe()
    assert said.name == name
    assert said.title and said.summary and said.steps
    for option in pack.options:
        assert option.help and option.allowed
        if option.default:
            assert option.check(option.default) == option.default
    assert set(pack.sections) <= set(SECTIONS)
    assert pack.parse({}) == {option.name: option.default for option in pack.options}
