"""A transceiver's pages by netlink: what is sent, what is refused, and what a real kernel says of it."""

import errno
import struct

import pytest

from bee_machine import ControlError
from bee_machine.controls import OPERATIONS
from bee_machine.controls.ethtool_module import OPERATION, ask_module, module_page


def test_this_machines_kernel_understands_the_request() -> None:
    """Of an interface that has no module it says so; of a malformed request it would say EINVAL."""
    assert OPERATIONS[OPERATION] is ask_module
    with pytest.raises(ControlError) as refused:
        ask_module("lo", module_page(0x11, offset=128), 5.0)
    assert refused.value.errno in (errno.EOPNOTSUPP, errno.EPERM)  # EPERM: tested without the capability
    with pytest.raises(ControlError) as missing:
        ask_module("no-such-if0", module_page(0, offset=0), 5.0)
    assert missing.value.errno in (errno.ENODEV, errno.EPERM)


@pytest.mark.parametrize("device", ["", "x" * 16])
def test_a_name_that_no_interface_can_have_is_refused(device: str) -> None:
    with pytest.raises(ControlError, match="no name of an interface"):
        ask_module(device, module_page(0, offset=0), 5.0)


@pytest.mark.parametrize("kind", [1, 7, 9, 0x4000 | 7])
def test_a_request_with_more_than_what_reads_is_refused(kind: int) -> None:
    """Another interface's name, data to write, or what a later kernel may understand."""
    more = struct.pack("=HHI", 8, kind, 0)
    with pytest.raises(ControlError, match="no request that reads"):
        ask_module("lo", module_page(0, offset=0) + more, 5.0)
