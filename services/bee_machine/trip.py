"""A conversation with a device of this machine, in a thread of its own for as long as nothing hangs."""

import asyncio
import errno
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from bee_machine.controls import OPERATIONS
from bee_machine.conversation import Conversation, Question
from bee_machine.machine import ControlError
from bee_machine.threads import in_thread

T = TypeVar("T")

# An operation keeps its question's deadline; this much later it is taken for one that hangs in the kernel.
GRACE_SECONDS = 1.0
_WATCH_SECONDS = 0.5


async def converse_in_thread(device: str, conversation: Conversation[T]) -> T:
    """The conversation's result or its exception.

    When a question hangs in the kernel its thread is left to it. For the conversation it has failed
    (ETIMEDOUT), and what else is to be asked goes on in another thread.
    """
    begin: Callable[[], Question] = partial(conversation.send, None)
    while True:
        trip = _Trip(device, conversation)
        made = asyncio.ensure_future(in_thread(trip.make, begin))
        try:
            while not made.done() and (hanging := trip.left_if_hanging()) is None:
                await asyncio.wait({made}, timeout=_WATCH_SECONDS)
            if made.done():
                return made.result()
        finally:
            trip.leave()
            made.cancel()
        assert hanging is not None
        message = f"{device} did not answer within {hanging.deadline_seconds:g} s"
        begin = partial(conversation.throw, ControlError(errno.ETIMEDOUT, message))


class _Left(Exception):
    """Nobody waits for this thread any more, and the conversation is not its own."""


class _Trip(Generic[T]):
    """Whose the conversation is, the thread's or that of who waits for it, is settled under the lock."""

    def __init__(self, device: str, conversation: Conversation[T]) -> None:
        self._device = device
        self._conversation = conversation
        self._lock = threading.Lock()
        self._left = False
        self._asking: Question | None = None
        self._hangs_from = 0.0  # monotonic

    def make(self, begin: Callable[[], Question]) -> T:
        """In the thread: ask and answer until the conversation ends."""
        step = begin
        try:
            while True:
                step = self._ask(step())
        except StopIteration as end:
            result: T = end.value
            return result

    def leave(self) -> None:
        with self._lock:
            self._left = True

    def left_if_hanging(self) -> Question | None:
        """The question that hangs, if one does; the conversation is then free to go on elsewhere."""
        with self._lock:
            if self._asking is None or time.monotonic() < self._hangs_from:
                return None
            self._left = True
            return self._asking

    def _ask(self, question: Question) -> Callable[[], Question]:
        """How the conversation goes on."""
        if question.pause_seconds:
            time.sleep(question.pause_seconds)
        self._note(question)
        step: Callable[[], Question]
        try:
            operation = OPERATIONS[question.operation]
            answer = operation(self._device, question.request, question.deadline_seconds)
            step = partial(self._conversation.send, answer)
        except OSError as error:
            step = partial(self._conversation.throw, error)
        self._note(None)
        return step

    def _note(self, asking: Question | None) -> None:
        with self._lock:
            if self._left:
                raise _Left
            self._asking = asking
            if asking is not None:
                self._hangs_from = time.monotonic() + asking.deadline_seconds + GRACE_SECONDS
