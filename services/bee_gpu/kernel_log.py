"""What the driver has written to the kernel log about its GPUs since the machine started: Xids.

The log is read whole from /dev/kmsg (Linux, Documentation/ABI/testing/dev-kmsg): a record is one line,
"priority,sequence,microseconds,flags;text", then lines that begin with a blank. A priority above 7 is that of
another program than the kernel, whose word counts for nothing. The driver writes
"NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, name=python3, GPU has fallen off the bus.", and for an instance of
a GPU in MIG mode "NVRM: Xid (PCI:0000:3b:00 GPU-I:05 GPU-CI:00): 94, ..." (kernel_rc.c of its open modules).
"""

import errno
import re

import msgspec

from bee_bus.documents.gpus import XidRecord
from bee_bus.xids import xid
from bee_gpu.pci import pci_address
from bee_machine import Machine

KMSG = "/dev/kmsg"
_LIMIT_BYTES = 16 << 20
_TRIES = 3
_MESSAGE_LIMIT = 300
_XIDS_LIMIT = 200  # kinds that are kept; a machine that has more has been told enough

_RECORD = re.compile(
    rb"^[0-7],\d+,(\d+),[^;\n]*;"
    rb"(.*NVRM: Xid \(PCI:([0-9a-fA-F:.]{7,18})(?: [^()\n]{1,40})?\): (\d{1,6})\b.*)$",
    re.MULTILINE,
)


class LogUnreadable(Exception):
    """The kernel log cannot be read, so what it says is not known."""


async def read_xids(machine: Machine) -> tuple[XidRecord, ...]:
    """Every kind of Xid of every GPU, in the order of their first appearance. Raises LogUnreadable."""
    return parse_xids(await _read_log(machine))


async def _read_log(machine: Machine) -> bytes:
    for attempt in range(1, _TRIES + 1):
        try:
            return await machine.read_bytes(KMSG, limit_bytes=_LIMIT_BYTES)
        except OSError as error:
            # EPIPE: records were overwritten while we read; the next reading begins with those that are left.
            if error.errno != errno.EPIPE or attempt == _TRIES:
                raise LogUnreadable(f"{KMSG}: {error.strerror or error}") from error
    raise AssertionError("unreachable")


class _Seen(msgspec.Struct):
    count: int
    first: float
    last: float
    message: str


def parse_xids(log: bytes) -> tuple[XidRecord, ...]:
    seen: dict[tuple[str, int], _Seen] = {}
    for match in _RECORD.finditer(log):
        seconds = int(match[1]) / 1e6
        key = (_address(match[3].decode()), int(match[4]))
        message = match[2].decode("utf-8", "replace").strip()[:_MESSAGE_LIMIT]
        if key in seen:
            one = seen[key]
            one.count, one.last, one.message = one.count + 1, seconds, message
        elif len(seen) < _XIDS_LIMIT:
            seen[key] = _Seen(1, seconds, seconds, message)
    return tuple(_record(gpu, number, one) for (gpu, number), one in seen.items())


def heard_xid(gpu: str, number: int, boot_seconds: float) -> XidRecord:
    """An Xid that NVML has told of and the log does not show (any more)."""
    return _record(gpu, number, _Seen(1, boot_seconds, boot_seconds, f"Xid {number}, reported by NVML"))


def _record(gpu: str, number: int, seen: _Seen) -> XidRecord:
    known = xid(number)
    return XidRecord(
        gpu=gpu,
        number=number,
        name=known.name,
        severity=known.severity,
        meaning=known.meaning,
        next_step=known.next_step,
        source=known.source,
        count=seen.count,
        first_seconds=seen.first,
        last_seconds=seen.last,
        message=seen.message,
    )


def _address(written: str) -> str:
    """The driver leaves the function out, which is 0 for a GPU, and old ones leave the domain out."""
    address = written if written.count(":") == 2 else f"0000:{written}"
    return pci_address(address if "." in address else f"{address}.0")
