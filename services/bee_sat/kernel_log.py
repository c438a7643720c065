"""The kernel's messages while a run goes on: kept in one file, counted for each step, and judged.

The file ``kernel-log.txt`` holds every message from the first look to the last, and between them a line where
a step begins and ends: a step's window. What is found wrong goes to the step that it concerns, or to the run
where several were at work and nothing tells them apart.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import BinaryIO, Self

from bee_bus.documents.findings import Finding
from bee_machine.kmsg import KMSG, KernelLogReader, KernelMessage, LogUnreadable, open_kernel_log
from bee_machine.threads import in_thread
from bee_sat.book import ArtifactRefused, BookError
from bee_sat.kernel_messages import UNRECOGNISED, judge_message, with_count
from bee_sat.ledger import Ledger, now
from bee_sat.records import Found, KernelLogKept
from bee_sat.usb_disks import BLOCK, UsbDisks

log = logging.getLogger(__name__)

ARTIFACT = "kernel-log.txt"
ARTIFACT_LIMIT_BYTES = 64 << 20
FINDINGS_LIMIT = 100  # kinds of one window; a machine that has more has been told enough
RUN = ""  # the window of all that happens while no step runs

_BATCH = 128
_BATCHES_AT_A_BORDER = 256
_WRITE_SECONDS = 60.0
_PAUSE_SECONDS = 0.1
_STORM_PAUSE_SECONDS = 0.01  # so that others have their turn; what is lost meanwhile is counted


@dataclass
class _Window:
    component: str = ""
    messages: int = 0
    lost: int = 0
    critical: bool = False
    findings: dict[tuple[str, str, str], Finding] = field(default_factory=dict)
    counts: dict[tuple[str, str, str], int] = field(default_factory=dict)


class KernelLog:
    """Use it as ``async with`` around a run. It never fails; what cannot be read is recorded as such."""

    def __init__(self, ledger: Ledger, *, path: str = KMSG, disks: str = BLOCK) -> None:
        self._ledger = ledger
        self._path = path
        self._disks = disks
        self._usb = UsbDisks()
        self._error = ""
        self._reader: KernelLogReader | None = None
        self._artifact: BinaryIO | None = None
        self._written_bytes = 0
        self._pending: list[str] = []
        self._writing = asyncio.Lock()
        self._following: asyncio.Task[None] | None = None
        self._run = _Window()
        self._steps: dict[str, _Window] = {}
        self._lost = 0

    async def __aenter__(self) -> Self:
        try:
            self._reader = KernelLogReader(open_kernel_log(self._path))
            self._usb = await in_thread(UsbDisks.of_machine, self._disks)
            self._artifact = await in_thread(self._ledger.book.open_artifact, ARTIFACT)
        except (LogUnreadable, ArtifactRefused, BookError) as error:
            self._error = str(error)
            log.warning("the kernel log cannot be kept: %s", error)
            return self
        self._following = asyncio.create_task(self._follow(self._reader))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait({self._following})
        await self._catch_up()
        self._close(RUN, self._run)
        await self._write()
        if self._reader is not None:
            self._reader.close()
        if self._artifact is not None:
            with suppress(OSError):  # what a full disk did not take has been said
                await in_thread(self._artifact.close)

    async def begin(self, step: str, component: str = "") -> None:
        """From now on messages are this step's too. ``component``: the one thing that it tests, if any."""
        await self._catch_up()
        self._note(f"step {step} begins")
        self._steps[step] = _Window(component)

    async def end(self, step: str) -> bool:
        """Record the step's window; whether it holds something that fails the step."""
        await self._catch_up()
        window = self._steps.pop(step)
        self._note(f"step {step} ends")
        self._close(step, window)
        await self._write()
        return window.critical

    async def _follow(self, reader: KernelLogReader) -> None:
        while not self._error:
            await reader.wait()
            storm = self._take()
            await self._write()
            await asyncio.sleep(_STORM_PAUSE_SECONDS if storm else _PAUSE_SECONDS)

    async def _catch_up(self) -> None:
        """All that is in the log by now, or very much."""
        for _ in range(_BATCHES_AT_A_BORDER):
            if not self._take():
                return
            await asyncio.sleep(0)

    def _take(self) -> bool:
        """A batch of what is in the log; whether there may be more."""
        if self._reader is None or self._error:
            return False
        try:
            messages = self._reader.read(_BATCH)
        except LogUnreadable as error:
            self._error = str(error)
            log.warning("%s", error)
            return False
        self._count_lost(self._reader.lost)
        for message in messages:
            self._one(message)
        return len(messages) == _BATCH

    def _count_lost(self, lost: int) -> None:
        if lost == self._lost:
            return
        self._note(f"{lost - self._lost} messages were lost here")
        for window in self._open_windows().values():
            window.lost += lost - self._lost
        self._lost = lost

    def _one(self, message: KernelMessage) -> None:
        self._keep(message)
        windows = self._open_windows()
        for window in windows.values():
            window.messages += 1
        self._usb.learn(message.text)
        finding = judge_message(message, self._usb)
        if finding is not None:
            step = _whose(finding, windows)
            self._found(step, windows.get(step, self._run), finding)

    def _open_windows(self) -> Mapping[str, _Window]:
        return self._steps or {RUN: self._run}

    def _found(self, step: str, window: _Window, finding: Finding) -> None:
        """Something critical is recorded at once; the rest with its count when the window closes."""
        key = (finding.rule, "" if finding.rule == UNRECOGNISED else finding.component, finding.where)
        if key in window.counts:
            window.counts[key] += 1
        elif len(window.counts) < FINDINGS_LIMIT or (finding.severity == "Critical" and not window.critical):
            window.counts[key] = 1
            if finding.severity == "Critical":
                window.critical = True
                self._ledger.append(Found(at=now(), step=step, finding=finding))
            else:
                window.findings[key] = finding

    def _close(self, step: str, window: _Window) -> None:
        for key, finding in window.findings.items():
            found = with_count(finding, window.counts[key])
            self._ledger.append(Found(at=now(), step=step, finding=found))
        self._ledger.append(
            KernelLogKept(
                at=now(),
                step=step,
                artifact=None if self._artifact is None else ARTIFACT,
                messages=window.messages,
                lost=window.lost,
                error=self._error,
            )
        )

    def _keep(self, message: KernelMessage) -> None:
        device = message.fields.get("DEVICE", "")
        self._pending.append(
            f"[{message.boot_seconds:12.6f}] <{message.priority}> {message.text}"
            f"{f'  ({device})' if device else ''}\n"
        )

    def _note(self, text: str) -> None:
        self._pending.append(f"--- {now()} {text}\n")

    async def _write(self) -> None:
        async with self._writing:
            lines, self._pending = self._pending, []
            if self._artifact is None or not lines or self._written_bytes > ARTIFACT_LIMIT_BYTES:
                return
            content = "".join(lines).encode("utf-8", "replace")
            self._written_bytes += len(content)
            if self._written_bytes > ARTIFACT_LIMIT_BYTES:
                content += b"--- what came after this is judged and counted, and not kept\n"
            try:
                async with asyncio.timeout(_WRITE_SECONDS):
                    await in_thread(_write, self._artifact, content)
            except TimeoutError:
                self._ledger.fail(BookError(f"{ARTIFACT} was not written within {_WRITE_SECONDS:g} s"))
            except OSError as error:
                self._ledger.fail(BookError(f"{ARTIFACT} cannot be written: {error.strerror}"))


def _whose(finding: Finding, windows: Mapping[str, _Window]) -> str:
    """The step that a finding concerns, of those at work; the run where that is not known, and for what names
    another thing than the one that the only step at work tests.
    """
    if len(windows) == 1:
        ((step, window),) = windows.items()
        section, _, identity = finding.component.partition("/")
        is_another = identity and window.component not in ("", finding.component)
        return RUN if is_another and window.component.startswith(f"{section}/") else step
    identity = finding.component.partition("/")[2]
    return identity if identity in windows else RUN


def _write(file: BinaryIO, content: bytes) -> None:
    file.write(content)
    file.flush()
