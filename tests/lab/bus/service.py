"""A small real service on the bus: org.bee.Lab1. Usage: service.py [IDLE_SECONDS]"""

import asyncio
import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import IO

from bee_bus import errors
from bee_bus.calls import caller, caller_uid
from bee_bus.host import Host, serve
from bee_bus.interface import Interface
from bee_bus.interfaces import parse
from bee_bus.job import Job, Jobs

BUS_NAME = "org.bee.Lab1"
PATH = "/org/bee/Lab1"
XML = Path(__file__).with_name("org.bee.Lab1.xml").read_text(encoding="utf-8")


class ItemInterface(Interface, xml=parse(XML, "org.bee.Lab1.Item")):
    """One of the objects that come and go."""


class LabInterface(Interface, xml=parse(XML, "org.bee.Lab1")):
    """The service."""

    def __init__(self, host: Host) -> None:
        super().__init__(Label="lab", Silent=1)
        self._host = host
        self._jobs = Jobs(host, keep_seconds=2, linger_seconds=0.2)

    def validate_Change(self, amount: int) -> None:
        if not 1 <= amount <= 9:
            raise errors.InvalidOption(f"amount is 1 to 9, not {amount}")

    async def Change(self, amount: int) -> int:
        changes: int = self.value("Changes") + 1
        self.update(Changes=changes, Silent=changes, Bulky="x" * changes)
        return changes

    async def Echo(self, text: str, seconds: float) -> str:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.update(Cancelled=self.value("Cancelled") + 1)
            raise
        return text

    async def Whoami(self) -> tuple[str, int]:
        await asyncio.sleep(0.02)  # others call meanwhile
        return caller().sender, await caller_uid()

    async def Fail(self, how: str) -> str:
        if how == "crash":
            raise ZeroDivisionError("secret insides")
        if how == "cancel":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(1)
        if how == "wrong type":
            return 7  # type: ignore[return-value]
        raise errors.from_name(how, f"told to fail with {how}")

    async def Structure(self) -> tuple[list[tuple[str, int, bool]], dict[str, dict[str, int]]]:
        return [("nul\0 and \udcff", 4294967295, True)], {"a": {"b": 2**64 - 1}}

    async def Open(self, text: str) -> IO[bytes]:
        file = tempfile.TemporaryFile()  # noqa: SIM115  (given away)
        file.write(text.encode())
        file.seek(0)
        return file

    async def OpenFiles(self) -> int:
        return len(os.listdir("/proc/self/fd"))

    async def Start(self, seconds: float, outcome: str) -> str:
        async def work(job: Job) -> str:
            for step in range(10):
                job.report(step=f"step {step}", progress=step / 10)
                await asyncio.sleep(seconds / 10)
            if outcome == "crash":
                raise ZeroDivisionError("secret insides")
            if outcome.startswith("org."):
                raise errors.from_name(outcome, "told to fail")
            if outcome == "die":
                os._exit(9)
            return outcome

        job = self._jobs.start("lab", work, owner_uid=await caller_uid(), cancelable=outcome != "stubborn")
        return self._jobs.path(job)

    async def Populate(self, names: list[str], colour: str) -> None:
        items = {f"{PATH}/item/{name}": [ItemInterface(Name=name, Colour=colour)] for name in names}
        self._host.replace(f"{PATH}/item", items)

    async def Tick(self, number: int) -> None:
        self.emit("Ticked", number, "tick")


async def build(host: Host) -> None:
    host.export(PATH, LabInterface(host))


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s:%(name)s: %(message)s")
    idle_seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    return serve(BUS_NAME, build, idle_seconds=idle_seconds)


if __name__ == "__main__":
    sys.exit(main())
