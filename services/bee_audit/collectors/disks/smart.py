"""Asking smartctl, the one tool that knows how each disk is to be read."""

import asyncio
import contextlib

import msgspec

from bee_audit.decode import DecodeError
from bee_audit.decode.smartctl import ScannedDevice, SmartReport, decode_report, decode_scan
from bee_machine import Machine, ToolError, ToolHung, ToolMissing

DEADLINE_SECONDS = 20.0  # an ATA disk that retries a bad sector answers after 7 to 15 s
# A process each, most of its time waiting for its disk; more at once than this only costs memory.
PARALLEL = 32
EVERYTHING = ("-x", "-j")
VERDICT = ("-i", "-H", "-A", "-j")  # no log pages, which is where disks and bridges hang


class Smartctl(msgspec.Struct):
    """smartctl on one machine; ``problems`` collects what went wrong with the tool, not with a disk."""

    machine: Machine
    problems: list[str] = []
    missing_for: list[str] = []
    _turns: asyncio.Semaphore = msgspec.field(default_factory=lambda: asyncio.Semaphore(PARALLEL))

    async def report(self, device: str, kind: str | None = None) -> SmartReport | str:
        """What the disk says, or why nothing could be had of it.

        ``kind`` is the type of a disk behind a controller ("megaraid,3"); else smartctl finds it out. A disk
        that hangs when asked for everything is asked once more, for its verdict and its attributes alone.
        """
        words = (*(("-d", kind) if kind is not None else ()), device)
        name = f"{kind} at {device}" if kind is not None else device
        async with self._turns:
            try:
                return await self._run(*EVERYTHING, *words)
            except ToolMissing as error:
                self.missing_for.append(name)
                return str(error)
            except ToolHung as error:
                self.problems.append(f"{name}: {error}")
                with contextlib.suppress(ToolError, DecodeError):
                    return await self._run(*VERDICT, *words)
                return str(error)
            except (ToolError, DecodeError) as error:
                self.problems.append(f"{name}: {error}")
                return str(error)

    async def _run(self, *words: str) -> SmartReport:
        result = await self.machine.run("smartctl", *words, deadline_seconds=DEADLINE_SECONDS)
        return decode_report(result.stdout, exit_code=result.exit_code)

    async def scan(self) -> tuple[ScannedDevice, ...]:
        """The disks behind controllers that smartctl can name by itself."""
        try:
            result = await self.machine.run(
                "smartctl", "--scan-open", "-j", deadline_seconds=DEADLINE_SECONDS
            )
            found = decode_scan(result.stdout)
        except ToolMissing:
            self.missing_for.append("the disks behind the RAID controller")
            return ()
        except (ToolError, DecodeError) as error:
            self.problems.append(f"the scan for disks behind a RAID controller failed: {error}")
            return ()
        return tuple(device for device in found if device.behind_controller)

    def all_problems(self) -> tuple[str, ...]:
        if not self.missing_for:
            return tuple(self.problems)
        names = ", ".join(sorted(self.missing_for))
        return (f"smartctl is not installed: the health of {names} could not be read", *self.problems)
