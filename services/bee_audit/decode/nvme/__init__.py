"""NVMe data structures to facts: Identify and the log pages that tell a drive's health (NVMe 2.0).

Each function takes the bytes of one structure and raises DecodeError when they cannot be one.
"""

from bee_audit.decode.nvme.health import DATA_UNIT_BYTES, HEALTH_BYTES, decode_health, warning_names
from bee_audit.decode.nvme.identify import (
    NvmeController,
    NvmeNamespace,
    decode_controller,
    decode_namespace,
)
from bee_audit.decode.nvme.logs import (
    ERROR_ENTRY_BYTES,
    FIRMWARE_BYTES,
    SANITIZE_BYTES,
    SELF_TEST_BYTES,
    SELF_TEST_KINDS,
    decode_errors,
    decode_firmware_slots,
    decode_sanitize,
    decode_self_tests,
    self_test_result,
)

__all__ = [
    "DATA_UNIT_BYTES",
    "ERROR_ENTRY_BYTES",
    "FIRMWARE_BYTES",
    "HEALTH_BYTES",
    "SANITIZE_BYTES",
    "SELF_TEST_BYTES",
    "SELF_TEST_KINDS",
    "NvmeController",
    "NvmeNamespace",
    "decode_controller",
    "decode_errors",
    "decode_firmware_slots",
    "decode_health",
    "decode_namespace",
    "decode_sanitize",
    "decode_self_tests",
    "self_test_result",
    "warning_names",
]
