"""Who holds what: one run per resource at a time.

A resource is a word like "memory" or a path like "gpu/0000:3b:00.0"; different words do not touch each other.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from bee_bus.errors import Busy


class Claims:
    """Resource to run."""

    def __init__(self) -> None:
        self._holder: dict[str, str] = {}

    def held(self) -> dict[str, str]:
        """Resource to the run that holds it."""
        return dict(self._holder)

    @contextmanager
    def holding(self, resources: Sequence[str], run: str) -> Iterator[Callable[[], None]]:
        """Hold the resources for the block, and beyond it once what it gives has been called.

        Raises Busy, with what is held and by whom, and holds nothing then.
        """
        taken = [resource for resource in resources if resource in self._holder]
        if taken:
            said = ", ".join(f"{resource} by run {self._holder[resource]}" for resource in taken)
            raise Busy(f"held already: {said}")
        kept = False

        def keep() -> None:
            nonlocal kept
            kept = True

        self._holder.update(dict.fromkeys(resources, run))
        try:
            yield keep
        finally:
            if not kept:
                self.release(run)

    def release(self, run: str) -> None:
        """Give back all that a run holds."""
        self._holder = {resource: holder for resource, holder in self._holder.items() if holder != run}
