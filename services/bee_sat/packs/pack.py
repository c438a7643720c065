"""What a pack is to the service."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from bee_bus.client import Bus
from bee_bus.documents.sat import SatPack
from bee_machine import Machine
from bee_sat.options import Option, describe, parse_options
from bee_sat.steps import Looks, Plan

Options = Mapping[str, str]


@dataclass(frozen=True)
class Claim:
    """What a run needs for itself: ``resources`` like "memory", "cpu", "disk/nvme0", "gpu/0000:3b:00.0".

    ``options``: as given, defaults filled in, as they are shown and recorded.
    """

    resources: tuple[str, ...]
    options: Options


class Pack(ABC):
    """One acceptance pack. ``sections``: the audit's, looked at before and after; ``gpus``: those too."""

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    step_names: ClassVar[tuple[str, ...]]  # the kinds of steps, for people
    options: ClassVar[tuple[Option, ...]]
    sections: ClassVar[tuple[str, ...]] = ()
    gpus: ClassVar[bool] = False

    def parse(self, given: Options) -> Options:
        """Options with defaults, each value allowed by itself. Raises InvalidOption."""
        return parse_options(self.name, self.options, given)

    @abstractmethod
    async def claim(self, options: Options, machine: Machine, bus: Bus) -> Claim:
        """What the run will hold. Quick (tens of milliseconds): no look at the hardware beyond sysfs, or one
        call to org.bee.Gpu1. Raises InvalidOption for a value that this machine does not have (a GPU, a disk,
        more memory than there is), NotSupported when the machine has nothing that the pack could test.
        """

    @abstractmethod
    async def plan(self, claim: Claim, machine: Machine, before: Looks) -> Plan:
        """The stages. What the hardware or a missing tool makes impossible is still a step, which ends as
        `Skipped` with its reason: what was promised and not done must be seen.
        """

    def describe(self) -> SatPack:
        """For GetPacks."""
        return SatPack(
            name=self.name,
            title=self.title,
            summary=self.summary,
            steps=self.step_names,
            options=tuple(describe(option) for option in self.options),
        )
