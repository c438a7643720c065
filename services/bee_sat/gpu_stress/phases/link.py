"""The PCIe link of a GPU, as sysfs shows it. Links save power when idle: look while data is moving."""

import re
from collections.abc import Iterator
from pathlib import Path

from bee_sat.gpu_stress.events import Link

SYS = Path("/sys")
_ADDRESS = re.compile(r"[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")


def read_link(address: str, sys: Path = SYS) -> Link:
    """What the link is now, and what its two ends can do together; empty where sysfs does not tell."""
    try:
        device = (sys / "bus/pci/devices" / address).resolve(strict=True)
    except OSError:
        return Link()
    port = device.parent
    speeds = [_speed(end / "max_link_speed") for end in (device, port)]
    widths = [_width(end / "max_link_width") for end in (device, port)]
    current = _current(device)
    slowest = min((_current(each) for each in (device, *_above(device))), key=_worth)
    return Link(
        speed_gtps=current[0],
        width=current[1],
        max_speed_gtps=min((speed for speed in speeds if speed), default=None),
        max_width=min((width for width in widths if width), default=None),
        path_speed_gtps=slowest[0],
        path_width=slowest[1],
    )


def _above(device: Path) -> Iterator[Path]:
    """The bridges between a device and the processor whose links can be read, the nearest first."""
    for bridge in device.parents:
        if not _ADDRESS.match(bridge.name):
            return
        if all(_current(bridge)):
            yield bridge


def _current(device: Path) -> tuple[float | None, int | None]:
    return _speed(device / "current_link_speed"), _width(device / "current_link_width")


def _worth(link: tuple[float | None, int | None]) -> float:
    return (link[0] or 0.0) * (link[1] or 0)


def is_translated(address: str, sys: Path = SYS) -> bool:
    """Whether the IOMMU gives this device addresses of its own, not those of memory and of other devices.

    Types of a group are "DMA" and "DMA-FQ" then, "identity" with iommu=pt (sysfs-kernel-iommu_groups).
    """
    return _text(sys / "bus/pci/devices" / address / "iommu_group/type").startswith("DMA")


def better(one: Link, other: Link) -> Link:
    """The faster of two looks: a link may just have begun to wake up."""

    def worth(link: Link) -> tuple[float, int, float]:
        path = _worth((link.path_speed_gtps, link.path_width))
        return (link.speed_gtps or 0.0, link.width or 0, path)

    return max(one, other, key=worth)


def _speed(path: Path) -> float | None:
    """ "32.0 GT/s PCIe" in GT/s; None for "Unknown"."""
    try:
        return float(_text(path).split()[0]) or None
    except (ValueError, IndexError):
        return None


def _width(path: Path) -> int | None:
    """Lanes; 0 and 255 mean that nobody knows."""
    try:
        width = int(_text(path))
    except ValueError:
        return None
    return width if 0 < width <= 64 else None


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace").strip()
    except OSError:
        return ""
