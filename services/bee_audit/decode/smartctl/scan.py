"""What `smartctl --scan-open -j` lists."""

import msgspec

from bee_audit.decode.loose_json import parse_json


class ScannedDevice(msgspec.Struct, frozen=True):
    name: str  # "/dev/bus/0"
    type: str  # "megaraid,3": what smartctl wants after -d
    open_error: str | None = None

    @property
    def behind_controller(self) -> bool:
        """Several disks share the name, and the type says which one is meant."""
        return "," in self.type


def decode_scan(output: bytes) -> tuple[ScannedDevice, ...]:
    """The devices listed. Raises DecodeError when the output is no scan."""
    document = parse_json(output, "smartctl --scan-open")
    found = []
    for device in document.at("devices").items():
        name, kind = device.at("name").text(), device.at("type").text()
        if name is not None and kind is not None:
            found.append(ScannedDevice(name, kind, device.at("open_error").text()))
    return tuple(found)
