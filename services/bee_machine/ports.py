"""Which PCI ports a hypervisor makes up: decided here once, for the audit and for the GPU service."""

# QEMU's root port, and VMware's.
_MADE_UP = (("1b36", "000c"), ("15ad", "07a0"))


def is_made_up(vendor_id: str, device_id: str) -> bool:
    """Whether a port is no end of a link: the wires of what is below it lead to a port of the host.

    What such a port claims to be able to do (QEMU's has 32 lanes) says nothing of that.
    """
    return (vendor_id, device_id) in _MADE_UP
