"""A pretended H100 that runs the Hopper products, by themselves and in any shape."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bee_sat.gpu_stress import kernels
from bee_sat.gpu_stress.cuda import Context, Module, c_uint32, c_uint64
from bee_sat.gpu_stress.kernel_set import Kernel
from bee_sat.gpu_stress.kernels.hopper import BF16, FP8, FP16, SOURCE, TARGET, Shape, defines
from bee_sat.gpu_stress.kernels.nvrtc import Compiler
from lab.cuda import FakeCuda
from lab.cuda.here import opened
from lab.products import Product

FOLDER = Path(kernels.__path__[0])
SHIPPED = (BF16, FP16, FP8)


@dataclass(frozen=True)
class Gpu:
    """A pretended H100 with the products loaded, of which only some multiprocessors are used."""

    module: Module
    kernels: Mapping[str, Kernel]
    multiprocessors: int = 4

    def run(self, kernel: Kernel, product: Product, makers: int = 0) -> None:
        """Into a C of which no element was a number before. ``makers``: where to note who computed what."""
        product.spoil()
        function = self.module.function(kernel.symbol)
        function.allow_shared(kernel.shared_bytes)
        function.launch(
            (self.blocks(kernel, *product.size), 1, 1),
            (kernel.threads, 1, 1),
            [*product.maps(kernel), *map(c_uint32, product.size), c_uint64(makers)],
            shared_bytes=kernel.shared_bytes,
        )

    def blocks(self, kernel: Kernel, m: int, n: int, k: int) -> int:
        """As the kernel set counts them, for sizes that need not be whole tiles."""
        assert kernel.tile is not None
        tile = (kernel.tile.m, kernel.tile.n, kernel.tile.k)
        return kernel.blocks(
            self.multiprocessors, *(-(-size // of) * of for size, of in zip((m, n, k), tile, strict=True))
        )


@contextmanager
def running(
    folder: Path, shapes: Sequence[Shape] = SHIPPED, *, early: bool = False, old: str = "", new: str = ""
) -> Iterator[Gpu]:
    """The products in these shapes, of sources in which ``old`` became ``new``; one at a time in a process.

    ``early``: copies happen at once and products as late as they may, not the other way round.
    """
    for path in (FOLDER / SOURCE, *FOLDER.glob("hopper*.cuh")):
        (folder / path.name).write_text(path.read_text().replace(old, new) if old else path.read_text())
    chosen = folder / "chosen.cu"
    chosen.write_text("".join(f"#define {name} {value}\n" for name, value in defines(*shapes).items()))
    elements = (("bf16", 2), ("fp16", 2), ("fp8", 1))
    products = {name: shape.kernel(name, size) for shape, (name, size) in zip(shapes, elements, strict=True)}
    with FakeCuda("h100", early=early, targets=()) as fake:
        fake.add_kernels(TARGET, [chosen, folder / SOURCE])
        with opened(fake) as (device,), Context(device), Module(image(*shapes)) as module:
            yield Gpu(module, products)


@cache
def image(*shapes: Shape) -> bytes:
    options = (
        f"--gpu-architecture={TARGET}",
        "--std=c++17",
        f"--include-path={FOLDER}",
        *(f"--define-macro={name}={value}" for name, value in defines(*shapes).items()),
    )
    return Compiler.load().compile(f'#include "{SOURCE}"', "products", "object", options).content
