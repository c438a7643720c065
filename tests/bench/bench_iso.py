"""What the live image costs: its size and what fills it, and its boot against that of a bare Debian live
image of the same kernel on the same emulated server.

Ratios, reported and not asserted; RESULTS.md keeps them.
"""

import sys
import time
from pathlib import Path
from statistics import median

import pytest

from lab import bare_live, live_server
from lab.iso import Image
from lab.live_server import LiveServer
from lab.prerequisites import BARE_LIVE, LIVE, require
from lab.qemu_command import SAME_ADDRESSES
from lab.server import await_boot, await_ssh

pytestmark = [pytest.mark.iso, pytest.mark.timeout(0)]

ROUNDS = 3
LARGEST = 25
# The menu's first line stays as it is from when the menu is there, and nothing before it looks like it.
LINE_PIXELS = 16
LOOK_SECONDS, CALM_SECONDS, MENU_SECONDS = 0.5, 60, 600
AUDIT_ENDED = "systemctl show --property=ActiveEnterTimestampMonotonic --value bee-audit.service"


@pytest.fixture(scope="module")
def bare() -> Path:
    require(*BARE_LIVE, *LIVE)
    return bare_live.image(bare_live.pinned_kernel(), compression_level=1)


def seconds_to_login(image: Path, key: Path) -> float:
    """From the power button to the login prompt of an image that knows nobody."""
    with live_server.switched_on(Image(image, key)) as server:
        assert server.tell_kernel(SAME_ADDRESSES), "the host was too busy: measure again"
        server.await_serial(bare_live.LOGIN)
        return time.time() - server.powered_on_at


def seconds_to_menu_and_audit(image: Image) -> tuple[float, float]:
    """From the power button to the menu on the screen, and to the audit's end; nobody logs in before both."""
    with live_server.switched_on(image) as server:
        assert server.tell_kernel(SAME_ADDRESSES), "the host was too busy: measure again"
        looks = [(0.0, first_line(server))]  # what is there, from when on
        looked_at = 0.0
        while len(looks) == 1 or looked_at < looks[-1][0] + CALM_SECONDS:
            assert looked_at < MENU_SECONDS, "no menu"
            time.sleep(LOOK_SECONDS)
            looked_at, line = time.time() - server.powered_on_at, first_line(server)
            if line != looks[-1][1]:
                looks.append((looked_at, line))
        await_ssh(server)
        assert "Verdict" in server.text()
        await_boot(server)
        audit = kernel_began(server) + int(server.run(AUDIT_ENDED).stdout) / 1e6
        return looks[-1][0], audit


def first_line(server: LiveServer) -> bytes:
    """The pixels of the screen's first line, and how wide they are."""
    picture = server.picture()
    return picture.width.to_bytes(4, "big") + picture.pixels[: picture.width * LINE_PIXELS * 3]


def kernel_began(server: LiveServer) -> float:
    """When the kernel began, in seconds since the power button."""
    uptime = float(server.fetch("/proc/uptime").split()[0])
    return time.time() - uptime - server.powered_on_at


def test_boot_against_a_bare_live_image(live_image: Image, bare: Path) -> None:
    bares, menus, audits = [], [], []
    for _ in range(ROUNDS):
        bares.append(seconds_to_login(bare, live_image.key))
        menu, audit = seconds_to_menu_and_audit(live_image)
        menus.append(menu)
        audits.append(audit)
    base = median(bares)
    table = [f"{'':32}{'median s':>10}{'of bare':>10}"]
    for name, seconds in (("bare Debian, to its login", bares), ("menu", menus), ("audit done", audits)):
        table.append(f"{name:32}{median(seconds):10.1f}{median(seconds) / base:10.2f}")
    sys.stdout.write("\n" + "\n".join(table) + "\n")


def test_size_and_what_fills_it(live_image: Image, bare: Path) -> None:
    rows = [("image", live_image.path.stat().st_size), ("bare image", bare.stat().st_size)]
    with live_server.running(live_image) as server:
        sizes = server.run("stat --format '%s %n' /run/live/medium/live/*").stdout
        rows += [(name.rpartition("/")[2], int(size)) for size, name in map(str.split, sizes.splitlines())]
        tree = "du --bytes --one-file-system --max-depth=3 /usr | sort -rn | head"
        folders = server.run(f"{tree} -n {LARGEST}", deadline_seconds=900).stdout
        rows += [(name, int(size)) for size, name in map(str.split, folders.splitlines())]
    sys.stdout.write("\n" + "\n".join(f"{name:40}{size / 1e6:10.1f} MB" for name, size in rows) + "\n")
