"""Which PCI functions are GPUs: the one place that decides it, for the audit and for the GPU service."""

NVIDIA, AMD, INTEL, MOORE_THREADS = "10de", "1002", "8086", "1ed5"
# Makers of GPUs. Other display controllers are the BMC's (ASPEED, Matrox) or a hypervisor's.
GPU_VENDORS = {NVIDIA: "NVIDIA", AMD: "AMD", INTEL: "Intel", MOORE_THREADS: "Moore Threads"}
_DISPLAY, _ACCELERATOR = "03", "1200"
_BRIDGE_OTHER = "0680"


def is_gpu(vendor_id: str, class_id: str, *, virtual_function: bool, in_root_complex: bool) -> bool:
    """Whether a PCI function is a GPU or an accelerator, and not a part of a processor or a BMC.

    ``class_id`` is "0302"; ``in_root_complex``: neither a link nor a port above it can be seen.
    """
    # Intel's integrated graphics and accelerators sit in the root complex itself.
    if virtual_function or (vendor_id == INTEL and in_root_complex):
        return False
    return class_id == _ACCELERATOR or (class_id.startswith(_DISPLAY) and vendor_id in GPU_VENDORS)


def is_nvswitch(vendor_id: str, class_id: str) -> bool:
    """The switches between the GPUs of an HGX board."""
    return vendor_id == NVIDIA and class_id == _BRIDGE_OTHER
