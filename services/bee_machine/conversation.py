"""Many questions to one device, asked in one go.

To change threads for a question costs ten times what a BMC's answer does. A conversation holds all that is to
be asked of a device and what follows from each answer: a coroutine that awaits `Question` and nothing else.
So it needs no event loop and can run in whichever thread asks: `Machine.converse` takes it there as a whole.
"""

from collections.abc import Coroutine, Generator
from typing import Any, TypeAlias, TypeVar

import msgspec

T = TypeVar("T")


class Question(msgspec.Struct, frozen=True):
    """One control request, as `Machine.control` takes it. ``pause_seconds``: to wait before it.

    Its answer, by ``await``. Raises ControlError, of a captured machine also TimeoutError.
    """

    operation: str
    request: bytes
    deadline_seconds: float = 10.0
    pause_seconds: float = 0.0

    def __await__(self) -> Generator["Question", bytes, bytes]:
        return (yield self)


Conversation: TypeAlias = Coroutine[Any, Any, T]
