"""A GPU as its driver lets it be read: a class for each kind of driver, all with the same face."""

from typing import NamedTuple, Protocol

from bee_bus.documents.gpu import GpuCounters, GpuIdentity, GpuSample, GpuState
from bee_bus.documents.gpus import Condition


class Unavailable(Exception):
    """The GPU cannot be read now; ``condition`` and the message say why."""

    def __init__(self, condition: Condition, message: str) -> None:
        super().__init__(message)
        self.condition = condition


class DriverGone(Exception):
    """The driver as a whole is of no use any more; its message says why."""


class Look(NamedTuple):
    """One look of the sampler. ``counters`` only when they were asked for and the device has them."""

    sample: GpuSample
    counters: GpuCounters | None = None


class Device(Protocol):
    """Raises Unavailable for this GPU, DriverGone for all of its driver; nothing else.

    ``shortest_seconds``: looking more often tells nothing new.
    """

    @property
    def shortest_seconds(self) -> float: ...

    @property
    def hanging(self) -> str | None:
        """The call that has not come back, in words."""
        ...

    async def look(self, *, counters: bool) -> Look:
        """What moves. Cheap: it may be asked ten times a second."""
        ...

    async def identity(self) -> GpuIdentity:
        """Who it is: it stays while the driver does."""
        ...

    async def state(self) -> GpuState:
        """What changes now and then."""
        ...
