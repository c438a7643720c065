"""sas2ircu and sas3ircu: `LIST` and `N DISPLAY`, of LSI's HBAs in their RAID firmware."""

import re

from bee_audit.decode import DecodeError
from bee_audit.decode.filler import genuine
from bee_audit.decode.raid_tools.conditions import drive_condition, volume_condition
from bee_audit.decode.raid_tools.lines import Line, text_lines, whole_number
from bee_bus.documents.storage import RaidDrive, RaidVolume, StorageController

_ADAPTER = re.compile(
    r"\s*(\d{1,3})\s+\S.*?\s([0-9a-f]{2,4})h:([0-9a-f]{2})h:([0-9a-f]{2})h:([0-9a-f]{2})h\b", re.IGNORECASE
)


def decode_sas_ircu_list(output: bytes) -> dict[int, str]:
    """The controllers' numbers with their PCI addresses. Raises DecodeError when the output is no list."""
    adapters = {}
    text = output.decode("utf-8", "replace")
    for line in text.splitlines()[:1000]:
        if found := _ADAPTER.match(line[:200]):
            domain, bus, device, function = (int(found[group], 16) for group in range(2, 6))
            adapters[int(found[1])] = f"{domain:04x}:{bus:02x}:{device:02x}.{function:x}"
    if not adapters and "ircu" not in text.lower():
        raise DecodeError("sas2ircu/sas3ircu: no list of controllers")
    return adapters


def decode_sas_ircu(output: bytes, *, address: str) -> StorageController:
    """One controller. Raises DecodeError when the output is no DISPLAY."""
    part, blocks = "", []
    for line in text_lines(output):
        if line.value is None and line.name.endswith("information"):
            part = line.name
        elif line.value is None and (
            line.name.startswith("ir volume") or line.name.startswith("device is a")
        ):
            blocks.append((line.name, _Block()))
        elif part.startswith("controller"):
            if not blocks:
                blocks.append(("controller", _Block()))
            blocks[0][1].add(line)
        elif part and blocks:
            blocks[-1][1].add(line)
    controller = next((block for name, block in blocks if name == "controller"), None)
    if controller is None:
        raise DecodeError("sas2ircu/sas3ircu: no controller in the output")
    return StorageController(
        id=address,
        model=controller.text("controller type"),
        firmware=controller.text("firmware version"),
        bios_version=controller.text("bios version"),
        raid=any(name.startswith("ir volume") for name, _ in blocks),
        tool="sas_ircu",
        drives=tuple(_drive(block) for name, block in blocks if name == "device is a hard disk"),
        volumes=tuple(
            _volume(block, number)
            for number, block in enumerate((b for n, b in blocks if n.startswith("ir volume")), start=1)
        ),
    )


class _Block:
    """The named values of one part of the output."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def add(self, line: Line) -> None:
        if line.value is not None:
            self._values.setdefault(line.name, line.value)

    def text(self, name: str) -> str | None:
        return self._values.get(name)


def _drive(block: _Block) -> RaidDrive:
    state = block.text("state") or "no state"
    enclosure = block.text("enclosure #") or block.text("enclosure") or "?"
    slot = block.text("slot #") or block.text("slot") or "?"
    size = re.match(r"\d+/(\d{1,15})$", (block.text("size (in mb)/(in sectors)") or "").replace(" ", ""))
    return RaidDrive(
        slot=f"{enclosure}:{slot}",
        condition=drive_condition(state),
        state=state,
        model=block.text("model number"),
        serial=genuine(block.text("serial no")),
        firmware=block.text("firmware revision"),
        size_bytes=(int(size[1]) + 1) * 512 if size else None,  # the last sector's number
    )


def _volume(block: _Block, number: int) -> RaidVolume:
    state = block.text("status of volume") or "no state"
    size = whole_number(block.text("size (in mb)"))
    return RaidVolume(
        number=block.text("volume id") or str(number),
        condition=volume_condition(state),
        state=state,
        name=block.text("volume name"),
        level=block.text("raid level"),
        size_bytes=size << 20 if size is not None else None,
    )
