"""Requests to devices that are neither a file's content nor a tool: one module per kind of device.

An operation is a function ``(device, request, deadline_seconds) -> reply``, all bytes, so that a request and
its reply can be recorded together. It reads only: what could change a device is refused before it is sent.
"""

from collections.abc import Callable
from typing import TypeAlias

from bee_machine.controls import ethtool, ethtool_module, ipmi, nvme

Operation: TypeAlias = Callable[[str, bytes, float], bytes]

OPERATIONS: dict[str, Operation] = {
    ipmi.OPERATION: ipmi.send,
    ipmi.BRIDGED_OPERATION: ipmi.send_bridged,
    nvme.OPERATION: nvme.admin,
    ethtool.OPERATION: ethtool.ask_interface,
    ethtool_module.OPERATION: ethtool_module.ask_module,
}
