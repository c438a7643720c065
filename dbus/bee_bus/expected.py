"""What a machine is expected to have: its order, or a good machine of the same kind, as a file.

    [[gpus]]
    count = 8
    model = "H100 80GB HBM3"

    [[disks]]
    count = 2
    size_gb = 480

Each entry says how many parts of a kind there must be; ``model`` is a piece of the name, in any letter case.
Whoever judges compares the file with `parts`; whoever writes one takes them from a snapshot.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import msgspec

if TYPE_CHECKING:
    from bee_bus.documents.audit import Hardware

EXPECTED_FILE = "/etc/bee/expected.toml"
LIMIT_BYTES = 64 << 10

_Count = Annotated[int, msgspec.Meta(ge=0, le=100_000)]
_Size = Annotated[float, msgspec.Meta(gt=0, le=1e9)]


class ExpectedError(ValueError):
    """A file that cannot be used; the message says what is allowed."""


class Part(msgspec.Struct, frozen=True):
    """A part that is there. ``names``: what it is called, the best name first. ``size``: in its kind's unit.

    ``all_named``: no other name of it can become known.
    """

    names: tuple[str, ...]
    size: float | None = None
    all_named: bool = True


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """So many of a kind."""

    count: _Count
    model: str = ""

    @property
    def size(self) -> float | None:
        return None

    def fits(self, part: Part, tolerance: float) -> bool | None:
        """Whether it is one of these; None where not enough is known of it."""
        by_name: bool | None = True
        if self.model:
            wanted = _one_line(self.model).casefold()
            by_name = any(wanted in name.casefold() for name in part.names)
            if not by_name and not (part.names and part.all_named):
                by_name = None
        by_size: bool | None = True
        if self.size is not None:
            by_size = None if part.size is None else abs(part.size - self.size) <= tolerance * self.size
        if by_name is False or by_size is False:
            return False
        return None if by_name is None or by_size is None else True


class _Cores(Entry, frozen=True):
    cores: _Size | None = None

    @property
    def size(self) -> float | None:
        return self.cores


class _Gib(Entry, frozen=True):
    size_gib: _Size | None = None

    @property
    def size(self) -> float | None:
        return self.size_gib


class _Gb(Entry, frozen=True):
    size_gb: _Size | None = None

    @property
    def size(self) -> float | None:
        return self.size_gb


class _Watts(Entry, frozen=True):
    watts: _Size | None = None

    @property
    def size(self) -> float | None:
        return self.watts


class Expected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file, by kinds."""

    gpus: tuple[Entry, ...] = ()
    cpus: tuple[_Cores, ...] = ()
    memory: tuple[_Gib, ...] = ()
    disks: tuple[_Gb, ...] = ()
    interfaces: tuple[Entry, ...] = ()
    psus: tuple[_Watts, ...] = ()
    devices: tuple[Entry, ...] = ()

    def entries(self, kind: str) -> tuple[Entry, ...]:
        found: tuple[Entry, ...] = getattr(self, kind)
        return found


class Kind(msgspec.Struct, frozen=True):
    """A kind of part. ``section``: of the snapshot that lists it. ``words``: one, several.

    ``absent_is_none``: a section that finds nothing is certain that there is nothing. ``tolerance``: of the
    size, as a share. ``whole``: parts that no entry names are told too.
    """

    name: str
    section: str
    words: tuple[str, str]
    parts: Callable[["Hardware"], Iterator[Part]]
    size_key: str = ""
    unit: str = ""
    absent_is_none: bool = False
    tolerance: float = 0.0
    whole: bool = True


def read_expected(text: str, source: str) -> Expected:
    """Of TOML. Raises ExpectedError."""
    if len(text.encode("utf-8", "replace")) > LIMIT_BYTES:
        raise ExpectedError(f"{source}: larger than {LIMIT_BYTES >> 10} KiB, which no list of parts is")
    try:
        expected = msgspec.toml.decode(text, type=Expected)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ExpectedError(f"{source}: {error}") from error
    if expected == Expected():
        raise ExpectedError(f"{source}: it names nothing; known: {', '.join(kind.name for kind in KINDS)}")
    return expected


def write_expected(hardware: "Hardware", title: str) -> str:
    """The file for machines like this one, for a person to look through: this one meets it."""
    lines = [
        f"# What a machine like {_one_line(title)} must have. Look it through: it says what is there now."
    ]
    for kind in KINDS:
        parts = tuple(kind.parts(hardware)) if kind.whole else ()
        for fields in dict.fromkeys(_told(kind, part) for part in parts):
            entry = msgspec.convert({kind.name: [dict(fields, count=0)]}, Expected).entries(kind.name)[0]
            # Of all that fit: a name may be a piece of another's ("ConnectX-6", "ConnectX-6 Dx").
            count = sum(entry.fits(part, kind.tolerance) is True for part in parts)
            lines += ["", f"[[{kind.name}]]", f"count = {count}"]
            lines += [f"{name} = {_toml(value)}" for name, value in fields]
    return "\n".join(lines) + "\n"


def _told(kind: Kind, part: Part) -> tuple[tuple[str, str | float], ...]:
    """By what an entry names it. Makers of modules and disks are mixed in one order: there it is the size."""
    fields: list[tuple[str, str | float]] = []
    if part.names and not (kind.size_key.startswith("size") and part.size is not None):
        fields.append(("model", part.names[0]))
    if part.size and kind.size_key:
        fields.append((kind.size_key, float(f"{part.size:g}")))
    return tuple(fields)


def _toml(value: str | float) -> str:
    """A basic string of TOML 1.0, which escapes like JSON, or a number."""
    return msgspec.json.encode(value).decode() if isinstance(value, str) else f"{value:g}"


def _one_line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _named(*names: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line for name in names if name and (line := _one_line(name))))


def _gpus(hardware: "Hardware") -> Iterator[Part]:
    for gpu in hardware.gpus.gpus if hardware.gpus else ():
        # Without its driver a GPU has only the name that the PCI list has for its chip.
        yield Part(_named(gpu.name, gpu.model), all_named=gpu.identity is not None or gpu.vendor != "NVIDIA")


def _cpus(hardware: "Hardware") -> Iterator[Part]:
    for package in hardware.cpus.packages if hardware.cpus else ():
        yield Part(_named(package.model), package.core_count)


def _memory(hardware: "Hardware") -> Iterator[Part]:
    for slot in hardware.memory.slots if hardware.memory else ():
        if slot.populated:
            size = None if slot.size_bytes is None else slot.size_bytes / (1 << 30)
            yield Part(_named(slot.part_number, slot.module_maker, slot.vendor, slot.type), size)


def _disks(hardware: "Hardware") -> Iterator[Part]:
    """Not what is plugged in for a while, nor the volumes that a controller makes of its disks."""
    for disk in hardware.storage.disks if hardware.storage else ():
        if disk.transport != "usb" and not disk.removable and not disk.raid_volume:
            size = None if disk.size_bytes is None else round(disk.size_bytes / 1e9, 1)
            yield Part(_named(disk.model, disk.model_family, disk.vendor, disk.kind), size)


def _interfaces(hardware: "Hardware") -> Iterator[Part]:
    """Ports of network cards, of both kinds. Not the BMC's, which is on USB."""
    for one in hardware.network.interfaces if hardware.network else ():
        if one.physical and not one.virtual_function and one.bus != "usb":
            yield Part(_named(one.model, f"{one.vendor or ''} {one.model or ''}", one.driver))


def _psus(hardware: "Hardware") -> Iterator[Part]:
    for psu in hardware.psus.psus if hardware.psus else ():
        if psu.present is not False:
            yield Part(_named(psu.model, psu.part_number, psu.vendor), psu.capacity_watts)


def _devices(hardware: "Hardware") -> Iterator[Part]:
    for device in hardware.pcie.devices if hardware.pcie else ():
        if device.physical_function is None:
            yield Part(
                _named(device.name, device.model, device.product, device.subsystem, device.part_number)
            )


KINDS = (
    Kind("gpus", "gpus", ("GPU", "GPUs"), _gpus, absent_is_none=True),
    Kind("cpus", "cpus", ("processor", "processors"), _cpus, "cores", "cores"),
    Kind("memory", "memory", ("memory module", "memory modules"), _memory, "size_gib", "GiB", tolerance=0.01),
    Kind("disks", "storage", ("disk", "disks"), _disks, "size_gb", "GB", absent_is_none=True, tolerance=0.02),
    Kind("interfaces", "network", ("network port", "network ports"), _interfaces, absent_is_none=True),
    Kind("psus", "psus", ("power supply", "power supplies"), _psus, "watts", "W"),
    Kind("devices", "pcie", ("PCI device", "PCI devices"), _devices, whole=False),
)
