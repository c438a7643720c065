"""The live system on emulated server hardware. Each module boots the one machine that it is about."""

from collections.abc import Iterator

import pytest

from lab import live_server
from lab.iso import Image
from lab.live_server import LiveServer
from lab.prerequisites import LIVE, require


@pytest.fixture(scope="module")
def by_bios(live_image: Image) -> Iterator[LiveServer]:
    """Booted from CD by BIOS, a cable in one of its two network cards."""
    require(*LIVE)
    with live_server.running(live_image) as booted:
        yield booted


@pytest.fixture(scope="module")
def by_uefi(live_image: Image) -> Iterator[LiveServer]:
    """Booted from a USB stick by UEFI and under Secure Boot, with no cable at all and nobody there."""
    require(*LIVE)
    with live_server.running(
        live_image, firmware="secure", medium="usb", cables=False, unattended=True
    ) as booted:
        yield booted
