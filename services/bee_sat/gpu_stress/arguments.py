"""What can be typed, and what it means. Bad values are refused by name, with what is allowed."""

import argparse
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from bee_bus.version import VERSION
from bee_sat.gpu_stress import inject, plan
from bee_sat.gpu_stress.inject import Injection

USAGE_ERROR = 3

_PHASES_HELP = """\
phases, in the order of work:
  gemm-bf16 gemm-fp16 gemm-tf32 gemm-fp8 gemm-fp64 gemm-fp32
              matrix products, on tensor cores where the GPU has them for the type;
              results are compared bit for bit with what the CPU knows they must be
  memory      patterns over at least 95 % of the free memory, each read back
  bandwidth   reading, writing and copying the GPU's memory
  transfer    host to GPU and back, the data compared, the PCIe link read meanwhile
  load-steps  bursts and pauses, of all GPUs at once, for the power supplies
  peer        between all pairs of GPUs, both ways, the data compared
  gemm        all of gemm-..."""

_EPILOG = f"""\
examples:
  bee-gpu-stress                              all GPUs, ten minutes, all phases
  bee-gpu-stress --list                       which GPUs there are
  bee-gpu-stress --seconds 60 --gpus 0,1      a minute on two of them
  bee-gpu-stress --phases memory --gpus 3b:00.0
  bee-gpu-stress --seconds 60 --inject flip-result@1     see a fault found

{_PHASES_HELP}

faults for --inject, each for all GPUs or for one (flip-result@1):
{chr(10).join(f"  {name:<13} {meaning}" for name, meaning in inject.MEANINGS.items())}

What is judged: wrong results and NaN, a GPU that hangs, dies or is lost, rates against
the floor for the model and against the other GPUs, and what the GPU service
(org.bee.Gpu1) sees meanwhile: Xid errors, uncorrectable ECC errors, row remaps,
slowdowns by the hardware. CUDA_VISIBLE_DEVICES is respected.

exit codes: 0 OK, 2 failed, 3 not judged or not started, 130 and 143 ended by SIGINT and SIGTERM"""


@dataclass(frozen=True, slots=True)
class Options:
    """``gpus``: names as typed, empty for all that are visible. ``size_mb``: 0 for all that is free."""

    seconds: float = plan.SECONDS_USUAL
    size_mb: int = 0
    gpus: tuple[str, ...] = ()
    phases: tuple[str, ...] = plan.PHASES
    injections: tuple[Injection, ...] = ()
    hang_seconds: float = plan.HANG_SECONDS_USUAL
    json: bool = False
    telemetry: bool = True
    list_only: bool = False
    colour: bool = True


class _Parser(argparse.ArgumentParser):
    """argparse's own exit code 2 would mean "failed" to whoever watches."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE_ERROR, f"{self.prog}: {message}\nTry '{self.prog} --help'.\n")


def parse(words: Sequence[str]) -> Options:
    """Raises SystemExit: 3 for what is not allowed, 0 for --help and --version."""
    parser = _parser()
    typed = parser.parse_args(words)
    phases = tuple(phase for phase in plan.PHASES if phase in typed.phases)
    for injection in typed.inject:
        lacking = inject.needs(injection.fault, phases)
        if lacking is not None:
            parser.error(f"--inject {injection} needs {lacking} among --phases")
    return Options(
        seconds=typed.seconds,
        size_mb=typed.size_mb,
        gpus=typed.gpus,
        phases=phases,
        injections=typed.inject,
        hang_seconds=typed.hang_seconds,
        json=typed.json,
        telemetry=not typed.without_telemetry,
        list_only=typed.list,
        colour=not typed.no_color and not os.environ.get("NO_COLOR"),
    )


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="bee-gpu-stress",
        description="Loads NVIDIA GPUs to their limits and checks every result's arithmetic.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"bee-gpu-stress {VERSION}")
    parser.add_argument(
        "--seconds",
        type=_number(plan.SECONDS_MIN, plan.SECONDS_MAX),
        default=float(plan.SECONDS_USUAL),
        metavar="N",
        help=f"how long in seconds, up to {plan.SECONDS_MAX} (a week), shared out among the phases "
        f"(default {plan.SECONDS_USUAL})",
    )
    parser.add_argument(
        "--size-mb",
        type=_whole(plan.SIZE_MB_MIN, plan.SIZE_MB_MAX),
        default=0,
        metavar="N",
        help="use at most this much memory of each GPU, in MiB; the rest is not tested, and rates may not be "
        "judged below 2048 (default: all that is free)",
    )
    parser.add_argument(
        "--gpus",
        type=_words,
        default=(),
        metavar="LIST",
        help="indices, UUIDs or PCI addresses, with commas (default: all that CUDA shows)",
    )
    parser.add_argument(
        "--phases",
        type=_phases,
        default=plan.PHASES,
        metavar="LIST",
        help="which of those below, with commas (default: all)",
    )
    parser.add_argument(
        "--inject",
        type=_injections,
        default=(),
        metavar="FAULTS",
        help="make faults happen, to see them found; those below, with commas",
    )
    parser.add_argument(
        "--hang-seconds",
        type=_number(plan.HANG_SECONDS_MIN, plan.HANG_SECONDS_MAX),
        default=plan.HANG_SECONDS_USUAL,
        metavar="N",
        help=f"a GPU that is silent for so long hangs (default {plan.HANG_SECONDS_USUAL:g})",
    )
    parser.add_argument("--json", action="store_true", help="JSON Lines instead of lines for people")
    parser.add_argument(
        "--without-telemetry",
        action="store_true",
        help="do not ask the GPU service; the verdict is then on the arithmetic and the rates alone",
    )
    parser.add_argument("--list", action="store_true", help="show the GPUs that would be used, and end")
    parser.add_argument("--no-color", action="store_true", help="no colour, as with NO_COLOR=1")
    return parser


def _number(least: int, most: int) -> Callable[[str], float]:
    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r}: allowed is a number from {least} to {most}")
        return value

    return number


def _whole(least: int, most: int) -> Callable[[str], int]:
    def whole(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r}: allowed is a whole number from {least} to {most}")
        return int(text)

    return whole


def _words(text: str) -> tuple[str, ...]:
    words = tuple(word.strip() for word in text.split(","))
    if not all(words):
        raise argparse.ArgumentTypeError(f"{text!r}: allowed is a list with commas, with nothing empty in it")
    return words


def _phases(text: str) -> tuple[str, ...]:
    chosen: list[str] = []
    for word in _words(text):
        if word not in plan.PHASES and word not in plan.GROUPS:
            allowed = ", ".join((*plan.GROUPS, *plan.PHASES))
            raise argparse.ArgumentTypeError(f"there is no phase {word!r}; allowed are {allowed}")
        chosen += plan.GROUPS.get(word, (word,))
    return tuple(chosen)


def _injections(text: str) -> tuple[Injection, ...]:
    try:
        return inject.parse(text)
    except inject.BadInjection as error:
        raise argparse.ArgumentTypeError(str(error)) from error
