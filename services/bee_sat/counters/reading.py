"""What a counter is, and what one look read of it."""

from collections.abc import Iterator

import msgspec

from bee_bus.documents.findings import Severity


class Kind(msgspec.Struct, frozen=True):
    """A kind of counter, and what its growth during a run means.

    ``judged``: growth above the limit ``sat.<name>`` is a finding of this severity (that name with ``_`` for
    its dot); the others are only shown. ``grave``: above ``..._critical`` it is Critical. ``per_minute``: the
    limit is a rate. ``falls``: it may go down without having been reset. ``is_stock``: it counts what is
    good, so that it is the loss that is judged. ``starts_absent``: where it is not listed it is zero.
    ``same_as``: one event counts in several places, and is told once for all of a group. ``told_by``: the
    findings of the audit or of org.bee.Gpu1 that say the same of the total.
    """

    name: str  # "memory.uncorrected_errors"
    noun: str  # "uncorrected memory errors"
    next_step: str = ""
    severity: Severity = "Critical"
    judged: bool = True
    grave: bool = False
    per_minute: bool = False
    falls: bool = False
    is_stock: bool = False
    starts_absent: bool = False
    same_as: str = ""
    told_by: tuple[str, ...] = ()

    @property
    def area(self) -> str:
        return self.name.partition(".")[0]

    @property
    def limit(self) -> str:
        return "sat." + self.name.replace(".", "_")


def shown(name: str, noun: str) -> Kind:
    """A counter that is shown when it moves, and not judged."""
    return Kind(name, noun, judged=False)


class Reading(msgspec.Struct, frozen=True):
    """``key``: what the component is known by in both looks, as names can change (a disk's serial number).

    ``part``: which one, where a component has several. ``limit``: the limit where the kind's own depends on
    the component; ``units``: of how many things it is the limit (lanes); ``allowed``: growth that is never
    judged. ``severity`` and ``next_step``: where they depend on what is counted.
    """

    kind: Kind
    component: str
    where: str
    value: float
    key: str
    part: str = ""
    limit: str = ""
    units: float = 1.0
    allowed: float = 0.0
    severity: Severity | None = None
    next_step: str = ""

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.kind.name, self.key, self.part

    @property
    def place(self) -> str:
        """The component, with its part."""
        return f"{self.component}/{self.part}" if self.part else self.component


class Part(msgspec.Struct, frozen=True):
    """A component that must still be there after the load. ``name``: in words, "nvme0 (SAMSUNG …)".

    ``lister``: who lists it, where that can fail by itself ("storcli at 0000:18:00.0").
    """

    component: str
    where: str
    name: str
    key: str
    next_step: str
    lister: str = ""


class Seen(msgspec.Struct, frozen=True):
    """All counters and components of one look. ``listers``: those of components that have answered."""

    readings: tuple[Reading, ...]
    parts: tuple[Part, ...]
    listers: frozenset[str] = frozenset()


class Counting:
    """Collects the readings of one component; what is absent is passed over."""

    def __init__(self, component: str, where: str, key: str = "") -> None:
        self.component = component
        self.where = where
        self.key = key or component
        self._readings: list[Reading] = []

    def add(self, kind: Kind, value: float | None, **more: object) -> None:
        if value is not None:
            self._readings.append(
                Reading(kind, self.component, self.where, float(value), self.key, **more)  # type: ignore[arg-type]
            )

    def __iter__(self) -> Iterator[Reading]:
        return iter(self._readings)
