"""A link on the page: what runs below its ability must be seen to."""

from bee_bus.documents.pcie import PcieLink
from bee_cli.render.pcie import link_text

SLOW_NOW = PcieLink(
    current_speed_gtps=2.5,
    current_width=16,
    ability_speed_gtps=32,
    ability_width=16,
    equalized_gtps=32,
)


def test_a_disk_that_runs_slow_is_shown_slow_although_its_link_has_been_fast() -> None:
    assert link_text(SLOW_NOW) == "2.5 GT/s x16 of 32 GT/s x16"


def test_an_idle_gpu_is_shown_with_the_speed_that_it_has_proven() -> None:
    assert link_text(SLOW_NOW, idles=True) == "32 GT/s x16"


def test_a_narrow_link_is_shown_beside_what_both_ends_can_do() -> None:
    narrow = PcieLink(current_speed_gtps=32, current_width=8, ability_speed_gtps=32, ability_width=16)
    assert link_text(narrow, idles=True) == "32 GT/s x8 of 32 GT/s x16"
