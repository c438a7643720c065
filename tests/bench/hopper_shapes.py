"""Which shape of the Hopper products is fastest: compiled anywhere, measured on an H100 or H200.

    python tests/bench/hopper_shapes.py make FOLDER
    python tests/bench/hopper_shapes.py run FOLDER [--size M N K] [--elements bf16 fp16 fp8]

`make` needs NVRTC and no GPU; `run` needs a GPU with its driver, msgspec, and no compiler. Every shape is
proven first: all of C must be exact. Then they take turns, so that clocks and heat hit all alike, timed by
the GPU's own clock. Where there is PyTorch, its matmul (cuBLAS) takes turns with them, on operands that are
as random; it writes bf16, half as many bytes as our fp32.
"""

import argparse
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / folder) for folder in ("dbus", "services", "tests")]

from bee_sat.gpu_stress import kernels  # noqa: E402
from bee_sat.gpu_stress.cuda import (  # noqa: E402
    Argument,
    Context,
    Event,
    Module,
    c_uint32,
    c_uint64,
    device,
    initialise,
)
from bee_sat.gpu_stress.kernels.hopper import SOURCE, TARGET, Shape, defines  # noqa: E402
from bee_sat.gpu_stress.kernels.nvrtc import Compiler  # noqa: E402
from lab.products import Product  # noqa: E402

ELEMENT_BYTES = {"bf16": 2, "fp16": 2, "fp8": 1}
SHAPES = (
    Shape(),
    Shape(band=4),
    Shape(band=16),
    Shape(band=32),
    Shape(outputs=1),
    Shape(slots=3),
    Shape(slots=3, outputs=4),
    Shape(cluster=1),
    Shape(cluster=4),
    Shape(columns=192),
    Shape(columns=128, slots=6),
    Shape(consumers=1, slots=5),
)
TURNS = 7
LAUNCHES = 10

Size = tuple[int, int, int]
Turn = Callable[[], float]  # seconds for one product, by several


def make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for shape in SHAPES:
        options = (
            f"--gpu-architecture={TARGET}",
            "--std=c++17",
            f"--include-path={Path(kernels.__path__[0])}",
            *(f"--define-macro={name}={value}" for name, value in defines(shape, shape, shape).items()),
        )
        compiled = Compiler.load().compile(f'#include "{SOURCE}"', shape.arguments(), "object", options)
        (folder / f"{shape.arguments()}.cubin").write_bytes(compiled.content)
        sys.stdout.write(f"{shape.arguments()}\n")


def run(folder: Path, size: Size, elements: Sequence[str]) -> None:
    initialise()
    gpu = device(0)
    names = ",".join(field.name for field in fields(Shape))
    sys.stdout.write(
        f"{gpu.name}, {' × '.join(map(str, size))}, TFLOP/s: median (lowest, highest)\n{names}\n"
    )
    with Context(gpu):
        modules = {path.stem: Module(path.read_bytes()) for path in sorted(folder.glob("*.cubin"))}
        for element in elements:
            with Product(element, *size) as product:
                compare(element, product, modules, gpu.multiprocessor_count)


def compare(element: str, product: Product, modules: dict[str, Module], multiprocessors: int) -> None:
    turns: dict[str, Turn] = {}
    for name, module in modules.items():
        turn = prepared(element, product, name, module, multiprocessors)
        product.spoil()
        turn()
        wrong = product.wrong(product.result())
        if wrong:
            sys.stdout.write(f"{element} {name}: WRONG, {len(wrong)} elements, the first {wrong[0]}\n")
        else:
            turns[name] = turn
    with Cublas(element, product.size) as cublas:
        if cublas.there:
            turns["cuBLAS"] = cublas.turn
        seconds: dict[str, list[float]] = {name: [] for name in turns}
        for number in range(TURNS + 1):
            for name, turn in turns.items():
                taken = turn()
                if number:  # the first round warms up
                    seconds[name].append(taken)
    say(element, product.size, seconds)


def say(element: str, size: Size, seconds: dict[str, list[float]]) -> None:
    work = 2e-12 * size[0] * size[1] * size[2]
    rates = {name: sorted(work / taken for taken in values) for name, values in seconds.items()}
    reference = statistics.median(rates["cuBLAS"]) if "cuBLAS" in rates else None
    for name, values in sorted(rates.items(), key=lambda item: -statistics.median(item[1])):
        median = statistics.median(values)
        part = "" if reference is None else f"  {median / reference:.3f} of cuBLAS"
        sys.stdout.write(f"{element:5}{name:24}{median:8.1f} ({values[0]:.1f}, {values[-1]:.1f}){part}\n")


def prepared(element: str, product: Product, name: str, module: Module, multiprocessors: int) -> Turn:
    numbers = dict(zip((field.name for field in fields(Shape)), map(int, name.split(",")), strict=True))
    kernel = Shape(**numbers).kernel(element, ELEMENT_BYTES[element])
    function = module.function(kernel.symbol)
    function.allow_shared(kernel.shared_bytes)
    arguments: list[Argument] = [*product.maps(kernel), *map(c_uint32, product.size), c_uint64(0)]
    blocks = kernel.blocks(multiprocessors, *product.size)

    def turn() -> float:
        with Event() as before, Event() as after:
            before.record()
            for _ in range(LAUNCHES):
                function.launch(
                    (blocks, 1, 1), (kernel.threads, 1, 1), arguments, shared_bytes=kernel.shared_bytes
                )
            after.record()
            after.synchronise()
            return after.seconds_since(before) / LAUNCHES

    return turn


class Cublas:
    """PyTorch in a process of its own, with a context of its own: a line for each turn."""

    def __init__(self, element: str, size: Size) -> None:
        argv = [sys.executable, __file__, "cublas", element, *map(str, size)]
        self._child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.there = self._answer() == "ready"

    def turn(self) -> float:
        assert self._child.stdin
        self._child.stdin.write("\n")
        self._child.stdin.flush()
        return float(self._answer())

    def _answer(self) -> str:
        assert self._child.stdout
        return self._child.stdout.readline().strip()

    def __enter__(self) -> "Cublas":
        return self

    def __exit__(self, *_: object) -> None:
        self._child.communicate()


def serve_cublas(element: str, size: Size) -> None:
    try:
        torch = import_module("torch")
    except ImportError:
        return
    m, n, k = size
    largest = {"bf16": 255, "fp16": 511, "fp8": 15}[element]
    kind = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp8": torch.float8_e4m3fn}[element]
    a, b = (torch.randint(-largest, largest + 1, shape, device="cuda").to(kind) for shape in ((m, k), (n, k)))
    one = torch.ones((), device="cuda")

    def product() -> None:
        if element == "fp8":
            torch._scaled_mm(
                a, b.t(), scale_a=one, scale_b=one, out_dtype=torch.bfloat16, use_fast_accum=True
            )
        else:
            torch.matmul(a, b.t())

    product()
    torch.cuda.synchronize()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for _ in sys.stdin:
        before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        before.record()
        for _ in range(LAUNCHES):
            product()
        after.record()
        torch.cuda.synchronize()
        sys.stdout.write(f"{before.elapsed_time(after) / 1e3 / LAUNCHES!r}\n")
        sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("make").add_argument("folder", type=Path)
    running = commands.add_parser("run")
    running.add_argument("folder", type=Path)
    running.add_argument("--size", type=int, nargs=3, default=(8192, 8192, 8192))
    running.add_argument("--elements", nargs="+", default=list(ELEMENT_BYTES), choices=list(ELEMENT_BYTES))
    reference = commands.add_parser("cublas")
    reference.add_argument("element", choices=list(ELEMENT_BYTES))
    reference.add_argument("size", type=int, nargs=3)
    options = parser.parse_args()
    if options.command == "make":
        make(options.folder)
    elif options.command == "run":
        run(options.folder, tuple(options.size), options.elements)
    else:
        serve_cublas(options.element, tuple(options.size))


if __name__ == "__main__":
    main()
