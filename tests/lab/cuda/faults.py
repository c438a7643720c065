"""Everything that can go wrong with a GPU's work, by the name that a person gives it.

Say it before the program initialises CUDA; each program counts for itself. ``operation`` is a shell pattern
for a kernel's symbol ("gemm_bf16*") or one of copy_to_device, copy_to_host, copy_on_device, copy_to_peer and
fill. ``nth`` is which of those on that GPU, from 1; 0 is every one.
"""

from lab.cuda.machine import CudaMachine

LAUNCH_FAILED, DEVICE_UNAVAILABLE, ECC_UNCORRECTABLE = 719, 46, 214


class FakeCuda(CudaMachine):
    def lose(self, slot: int, operation: str = "*", *, nth: int = 1, code: int = LAUNCH_FAILED) -> None:
        """The GPU is lost at that operation: it and every later call give this error."""
        self._fault(slot, "lose", operation, nth, code)

    def hang(self, slot: int, operation: str = "*", *, nth: int = 1) -> None:
        """That operation never ends: what waits for it waits until it is killed."""
        self._fault(slot, "hang", operation, nth)

    def slow(self, slot: int, factor: float, operation: str = "*") -> None:
        """Operations take that many times as long, by the events' time."""
        self._fault(slot, "slow", operation, 0, factor)

    def wait(self, slot: int, seconds: float, operation: str = "*", *, nth: int = 0) -> None:
        """Operations take that much longer, by every clock."""
        self._fault(slot, "wait", operation, nth, seconds)

    def flip(
        self, slot: int, operation: str, *, nth: int = 1, parameter: int = 2, offset: int = 0, bit: int = 0
    ) -> None:
        """After that operation one bit is wrong, ``bit`` counted from the byte ``offset`` of what it wrote.

        ``parameter`` is which of a kernel's parameters points to that, from 0: 2 is C of the products, 0 is
        what is filled. A copy has only parameter 0.
        """
        self._fault(slot, "flip", operation, nth, parameter, offset, bit)

    def nan(
        self, slot: int, operation: str, *, nth: int = 1, parameter: int = 2, offset: int = 0, width: int = 4
    ) -> None:
        """After that operation there is no number at ``offset``."""
        self._fault(slot, "nan", operation, nth, parameter, offset, width)

    def stick(self, slot: int, cell: int, bit: int = 0, *, value: bool = True) -> None:
        """One bit of the GPU's memory keeps its value. ``cell``: the byte's place on the GPU."""
        self._fault(slot, "stuck", "*", 0, cell, bit, int(value))

    def withhold(self, slot: int, size_bytes: int) -> None:
        """That much of what is said to be free cannot be had."""
        self.set(slot, "withheld", size_bytes)

    def separate(self, slot: int, other: int) -> None:
        """These two cannot reach each other's memory."""
        self._faults.append(f"strangers {slot} {other}")
        self.write()

    def fail(self, code: int, function: str = "cuInit", slot: int | None = None, *, nth: int = 0) -> None:
        """A call gives this CUresult: cuInit 100, 802, 803; cuCtxCreate_v2 46 of one GPU."""
        self._faults.append(f"rule {'*' if slot is None else slot} {function} error {nth} {code}")
        self.write()

    def hang_call(self, function: str, slot: int | None = None, *, nth: int = 0) -> None:
        """A call never comes back."""
        self._faults.append(f"rule {'*' if slot is None else slot} {function} hang {nth}")
        self.write()

    def _fault(self, slot: int, action: str, operation: str, nth: int, *numbers: float) -> None:
        words = (f"{number!r}" for number in numbers)
        self._faults.append(" ".join(("fault", str(slot), action, operation, str(nth), *words)))
        self.write()
