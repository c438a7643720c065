"""Structures that pynvml 12.550 declares wrongly, not at all, or with more than a tick can pay for.

They are as nvml.h has them. pynvml's fabric structures have a text of 80 bytes where NVML writes 16 bytes, so
all that follows is read from the wrong place. A version word is the size, with the version in the top byte.
"""

import ctypes
from typing import TypeVar


class _Versioned(ctypes.Structure):
    pass


class FabricInfo(_Versioned):
    """nvmlGpuFabricInfo_v2_t."""

    _fields_ = (
        ("version", ctypes.c_uint),
        ("cluster_uuid", ctypes.c_ubyte * 16),
        ("status", ctypes.c_uint),
        ("clique_id", ctypes.c_uint),
        ("state", ctypes.c_ubyte),
        ("health_mask", ctypes.c_uint),
    )


class OldFabricInfo(ctypes.Structure):
    """nvmlGpuFabricInfo_t, of drivers before 550. The rest is room, should one of them write more."""

    _fields_ = (
        ("cluster_uuid", ctypes.c_ubyte * 16),
        ("status", ctypes.c_uint),
        ("clique_id", ctypes.c_uint),
        ("state", ctypes.c_ubyte),
        ("room", ctypes.c_ubyte * 99),
    )


class Temperature(_Versioned):
    """nvmlTemperature_v1_t."""

    _fields_ = (("version", ctypes.c_uint), ("sensor", ctypes.c_uint), ("celsius", ctypes.c_int))


class MarginTemperature(_Versioned):
    """nvmlMarginTemperature_v1_t."""

    _fields_ = (("version", ctypes.c_uint), ("celsius", ctypes.c_int))


class Utilization(ctypes.Structure):
    """nvmlUtilization_t, in percent."""

    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class Memory(ctypes.Structure):
    """nvmlMemory_t, in bytes."""

    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class MemoryWithReserved(_Versioned):
    """nvmlMemory_v2_t, in bytes."""

    _fields_ = (
        ("version", ctypes.c_uint),
        ("total", ctypes.c_ulonglong),
        ("reserved", ctypes.c_ulonglong),
        ("free", ctypes.c_ulonglong),
        ("used", ctypes.c_ulonglong),
    )


class RepairStatus(_Versioned):
    """nvmlRepairStatus_v1_t."""

    _fields_ = (
        ("version", ctypes.c_uint),
        ("channel_pending", ctypes.c_uint),
        ("tpc_pending", ctypes.c_uint),
    )


class SramErrors(_Versioned):
    """nvmlEccSramErrorStatus_v1_t."""

    _fields_ = (
        ("version", ctypes.c_uint),
        ("aggregate_parity", ctypes.c_ulonglong),
        ("aggregate_secded", ctypes.c_ulonglong),
        ("aggregate_corrected", ctypes.c_ulonglong),
        ("volatile_parity", ctypes.c_ulonglong),
        ("volatile_secded", ctypes.c_ulonglong),
        ("volatile_corrected", ctypes.c_ulonglong),
        ("aggregate_l2", ctypes.c_ulonglong),
        ("aggregate_sm", ctypes.c_ulonglong),
        ("aggregate_pcie", ctypes.c_ulonglong),
        ("aggregate_microcontroller", ctypes.c_ulonglong),
        ("aggregate_other", ctypes.c_ulonglong),
        ("threshold_exceeded", ctypes.c_uint),
    )


S = TypeVar("S", bound=_Versioned)


def versioned(kind: type[S], version: int = 1) -> S:
    filled = kind()
    filled.version = ctypes.sizeof(kind) | version << 24
    return filled
