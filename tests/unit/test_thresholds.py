"""Limits are data in layers; a site's mistake in its file is said, not swallowed."""

import pytest

from bee_audit.rules.thresholds import ThresholdError, Thresholds, built_in
from bee_bus.documents.audit import Threshold

BASE = Thresholds(
    {
        "storage.spare": Threshold(
            name="storage.spare", value=10, unit="%", source="NVMe 2.0", layer="built-in"
        ),
        "board.name": Threshold(name="board.name", value="x", source="us", layer="built-in"),
    }
)


def test_a_site_file_changes_a_number_and_keeps_its_unit() -> None:
    limits = BASE.layered("[storage.spare]\nvalue = 20\n", "site", "/etc/bee/thresholds.toml")
    assert limits["storage.spare"] == Threshold(
        name="storage.spare", value=20, unit="%", source="/etc/bee/thresholds.toml", layer="site"
    )
    assert BASE.number("storage.spare") == 10


def test_a_plain_number_is_enough() -> None:
    assert BASE.layered("[storage]\nspare = 7", "option", "flag").number("storage.spare") == 7


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[storage", "not TOML"),
        (
            "[storage.sparr]\nvalue = 1",
            r"there is no threshold storage\.sparr; known: storage\.spare$",
        ),
        ("spare = 1", "must be a table"),
        ("[storage.spare]\nunit = '%'", "needs a value"),
        ("[storage.spare]\nvalue = 'ten'", "of the kind of 10"),
        ("[storage.spare]\nvalue = [1]", "needs a value"),
    ],
)
def test_a_site_file_that_cannot_be_used_says_why(text: str, says: str) -> None:
    with pytest.raises(ThresholdError, match=says):
        BASE.layered(text, "site", "/etc/bee/thresholds.toml")


def test_the_one_file_of_a_site_may_name_what_another_service_judges() -> None:
    audit = built_in()
    assert audit.layered("[gpus.pcie_replays]\nvalue = 9", "site", "/etc/bee/thresholds.toml") == audit
    with pytest.raises(ThresholdError, match=r"there is no threshold gpu\.pcie_replays"):
        audit.layered("[gpu.pcie_replays]\nvalue = 9", "site", "/etc/bee/thresholds.toml")


def test_every_built_in_limit_states_its_source() -> None:
    limits = built_in()
    assert limits.names()
    for name in limits.names():
        assert limits[name].layer == "built-in"
        assert not limits[name].source.endswith(".toml"), f"{name} has no source"
