"""A USB stick that the machine loses sight of as its kernel starts, as behind a slow hub.

The server's disks hold what a search for the live system would mount or assemble: an unclean filesystem,
halves of an array, swap.
"""

import time

import pytest

from lab import live_server
from lab.iso import Image
from lab.live_server import LOGIN
from lab.prerequisites import LIVE, require
from lab.qemu_command import SAME_ADDRESSES

pytestmark = [pytest.mark.iso, pytest.mark.timeout(2400)]

# live-boot looks once a second; the initramfs is running well before, on any host that these tests end on.
AWAY_SECONDS = 40


def test_it_is_waited_for_and_no_disk_is_mounted_in_its_place(live_image: Image) -> None:
    require(*LIVE)
    with live_server.switched_on(live_image, medium="usb") as server:
        server.tell_kernel(SAME_ADDRESSES)
        server.await_kernel()
        server.pull_stick()
        time.sleep(AWAY_SECONDS)
        assert LOGIN not in server.serial_log(), "it has not even begun"
        server.put_stick(live_image.path)
        server.await_serial(LOGIN)
        assert server.changed_disks() == []
        written = {name: times for name, times in server.writes().items() if times}
        assert written == {}
