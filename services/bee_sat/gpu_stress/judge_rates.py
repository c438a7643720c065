"""Rates against the floor for the model and against the peers; pure."""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from bee_bus.documents.findings import Finding, Threshold
from bee_sat.gpu_stress.events import Completed, JudgedRate, Link, PhaseEnded, Rate, StressGpu
from bee_sat.gpu_stress.findings import AREA, finding
from bee_sat.gpu_stress.floors import Floors
from bee_sat.gpu_stress.plan import PEER

_MOVES = "reseat it or swap its place to see whether the slowness moves with it, and replace it if it does."
_SLOW = (
    "Look at its temperature, power limit, throttling, and clocks that somebody set (nvidia-smi -q -d "
    f"CLOCK); {_MOVES}"
)
_SLOW_LINK = (
    "Look at its link's lanes, speed and error counters, whether the processor beside it has memory in all "
    f"its channels, and whether the IOMMU translates (iommu=pt spares that); {_MOVES}"
)
_PATH = (
    "See in the machine's manual whether its slot has fewer or slower lanes; if not, reseat it and its riser."
)
# A raw GT/s carries that many GB/s: 8b/10b before generation 3, 128b/130b from it on (PCIe specification).
_OLD_CODE, _NEW_CODE, _NEW_FROM_GTPS = 0.1, 128 / 130 / 8, 8.0

# Single-precision units of a multiprocessor (CUDA C++ Programming Guide, throughput of instructions).
_UNITS, _UNITS_USUAL = {(7, 0): 64, (7, 2): 64, (7, 5): 64, (8, 0): 64}, 128
_PART = " MIG "  # in the name of a part of a divided GPU, which has a part of the memory's rate


@dataclass(frozen=True, slots=True)
class Measured:
    """A rate of one GPU: the worst of its rounds."""

    gpu: StressGpu
    phase: str
    peer: str | None
    rate: Rate
    ended: Completed
    power: float = 1.0  # share of the usual power limit

    @property
    def kind(self) -> tuple[str, str, str, str]:
        """What can be compared: the same rate on GPUs of the same model.

        Pairs of GPUs are connected in many ways, within one machine too: of them only the two ways of one
        pair can be compared.
        """
        if self.peer is not None:
            return (f"{self.gpu.id} {self.peer}", self.phase, "", self.rate.unit)
        # Behind a slower switch, or in a narrower slot, a healthy GPU is slower than its peers elsewhere.
        path = _path_gbps(self.ended) if self.phase == "transfer" else None
        name = f"{self.gpu.name} at {self.power:.0%}" if path is None else f"{self.gpu.name} {path:.1f}"
        return (name, self.phase, self.rate.name, self.rate.unit)


def judge_rates(
    ended: Iterable[PhaseEnded],
    gpus: Mapping[str, StressGpu],
    floors: Floors,
    powers: Mapping[str, float] | None = None,
) -> list[JudgedRate]:
    """Every rate that was measured, with what judged it.

    ``powers``: of GPUs whose power limit was lowered, what share is left of it.
    """
    measured = list(_worst(ended, gpus, powers or {}))
    alike: dict[tuple[str, str, str, str], list[Measured]] = defaultdict(list)
    for each in measured:
        if each.rate.judged:
            alike[each.kind].append(each)
    return [_judge(each, alike[each.kind] if each.rate.judged else [], floors) for each in measured]


def rate_findings(
    rates: Iterable[JudgedRate], gpus: Mapping[str, StressGpu], floors: Floors
) -> Iterator[Finding]:
    for judged in rates:
        if judged.passed or judged.rate.value <= 0:  # a rate of nothing is told with its phase
            continue
        gpu, value, unit = gpus[judged.gpu], judged.rate.value, judged.rate.unit
        step = _SLOW_LINK if judged.phase in ("transfer", PEER) else _SLOW
        what = f"{judged.phase} {judged.rate.name}" + (f" to {judged.peer}" if judged.peer else "")
        if judged.floor is not None and value < float(judged.floor.value):
            message = f"{what}: {_amount(value)} {unit}, below the floor of {judged.floor.value:g} {unit}"
            yield finding(gpu, "below-floor", "Critical", message, step, round(value, 1), judged.floor)
        limit = _peer_limit(judged.phase, floors)
        if (
            judged.median is not None
            and limit is not None
            and value < judged.median * float(limit.value) / 100
        ):
            share = value / judged.median
            message = (
                f"{what}: {_amount(value)} {unit}, {share:.0%} of its peers' {_amount(judged.median)} {unit}"
            )
            yield finding(gpu, "slower-than-peers", "Critical", message, step, round(value, 1), limit)


def path_findings(ended: Iterable[PhaseEnded], gpus: Mapping[str, StressGpu]) -> Iterator[Finding]:
    """GPUs that are connected worse than others of their model, by design or in a wrong slot.

    Those whose own link has lost lanes or speed are told with their phase.
    """
    paths: dict[str, float] = {}
    lame: set[str] = set()
    for event in ended:
        if event.phase == "transfer" and isinstance(event.outcome, Completed) and event.gpu in gpus:
            path = _path_gbps(event.outcome)
            if path is not None:
                paths[event.gpu] = max(path, paths.get(event.gpu, 0.0))
            if event.outcome.link is not None and _is_lame(event.outcome.link):
                lame.add(event.gpu)
    for gpu_id, path in paths.items():
        best = max(paths[other] for other in paths if gpus[other].name == gpus[gpu_id].name)
        if path < best and gpu_id not in lame:
            message = (
                f"its links to the processor carry {path:.1f} GB/s, those of others like it {best:.1f} GB/s"
            )
            yield finding(gpus[gpu_id], "link-unlike-peers", "Warning", message, _PATH, round(path, 1))


def _worst(
    ended: Iterable[PhaseEnded], gpus: Mapping[str, StressGpu], powers: Mapping[str, float]
) -> Iterator[Measured]:
    """One of each rate, the worst of its rounds: a GPU that becomes slow after hours is slow."""
    worst: dict[tuple[str, str, str | None, str], Measured] = {}
    for event in ended:
        if isinstance(event.outcome, Completed) and event.gpu in gpus:
            for rate in event.outcome.rates:
                key = (event.gpu, event.phase, event.peer, rate.name)
                if key not in worst or rate.value < worst[key].rate.value:
                    worst[key] = Measured(
                        *(gpus[event.gpu], event.phase, event.peer, rate, event.outcome),
                        power=powers.get(event.gpu, 1.0),
                    )
    yield from worst.values()


def _judge(measured: Measured, alike: list[Measured], floors: Floors) -> JudgedRate:
    rate = measured.rate
    floor = _floor(measured, floors) if rate.judged else None
    limit = _peer_limit(measured.phase, floors)
    peers = [each.rate.value for each in alike if each is not measured]
    median = statistics.median(peers) if peers and limit is not None else None
    passed = rate.value > 0
    if passed and floor is not None:
        passed = rate.value >= float(floor.value)
    if passed and median is not None and limit is not None:
        passed = rate.value >= median * float(limit.value) / 100
    note = ""
    if rate.judged and floor is None:
        note = "judged by its peers alone" if median is not None else "nothing to judge it by"
    return JudgedRate(
        gpu=measured.gpu.id,
        phase=measured.phase,
        rate=rate,
        peer=measured.peer,
        median=median,
        floor=floor,
        passed=passed,
        note=note,
    )


def _floor(measured: Measured, floors: Floors) -> Threshold | None:
    """The model's floor; else what the device's own figures say."""
    phase = measured.phase
    floor = floors.floor(measured.gpu.name, phase)
    path = _path_gbps(measured.ended)
    # From the far processor, or behind an older link, no GPU of the model does so much.
    near = not measured.ended.far
    if floor is not None and near and (phase != "transfer" or path is None or float(floor.value) <= path):
        return _for_power(floor, measured.power) if phase.startswith("gemm-") else floor
    if phase == "gemm-fp32":
        figure = _plain_floor(measured.gpu, floors)
        return _for_power(figure, measured.power) if figure is not None else None
    if phase == "bandwidth":
        return _memory_floor(measured.gpu, floors)
    if phase == "transfer":
        return _link_floor(measured.ended, floors)
    return None


def _for_power(floor: Threshold, power: float) -> Threshold:
    """Products are slower with less power, by less than the power is less."""
    if power >= 1:
        return floor
    source = f"{power:.0%} of {floor.value:g}, as its power limit was lowered so far; {floor.source}"
    return replace(floor, value=round(float(floor.value) * power, 2), source=source)


def _plain_floor(gpu: StressGpu, floors: Floors) -> Threshold | None:
    """Single precision without tensor cores, of which each chip's own figures tell how much it can do."""
    if not gpu.clock_hertz or not gpu.multiprocessors:
        return None
    units = _UNITS.get(gpu.compute_capability, _UNITS_USUAL)
    figure = 2 * gpu.clock_hertz * gpu.multiprocessors * units / 1e12
    source = f"{gpu.clock_hertz / 1e6:g} MHz × {gpu.multiprocessors} × {units} units, the GPU's own figures"
    return _share_of(figure, "clock_share", source, floors, unit="TFLOP/s")


def _memory_floor(gpu: StressGpu, floors: Floors) -> Threshold | None:
    if not gpu.memory_clock_hertz or not gpu.memory_bus_bits or _PART in gpu.name:
        return None
    # Two transfers in each cycle of the clock that the driver tells, whatever the kind of memory.
    figure = 2 * gpu.memory_clock_hertz * gpu.memory_bus_bits / 8 / 1e9
    source = f"{gpu.memory_clock_hertz / 1e6:g} MHz × 2 × {gpu.memory_bus_bits} bits, the GPU's own figures"
    return _share_of(figure, "memory_clock_share", source, floors)


def _link_floor(ended: Completed, floors: Floors) -> Threshold | None:
    link, path = ended.link, _path_gbps(ended)
    if link is None or path is None:
        return None
    speed, width = _slowest(link)
    source = f"{width} lanes at {speed:g} GT/s, the slowest link to the processor as it was under load"
    return _share_of(path, "link_share", source, floors)


def _path_gbps(ended: Completed) -> float | None:
    """What the links between the GPU and the processor carry, in GB/s; None where that is not known."""
    speed, width = _slowest(ended.link) if ended.link is not None else (None, None)
    if not speed or not width:
        return None
    return speed * (_NEW_CODE if speed >= _NEW_FROM_GTPS else _OLD_CODE) * width


def _is_lame(link: Link) -> bool:
    return (link.width or 0) < (link.max_width or 0) or (link.speed_gtps or 0) < (link.max_speed_gtps or 0)


def _slowest(link: Link) -> tuple[float | None, int | None]:
    if link.path_speed_gtps and link.path_width:
        return link.path_speed_gtps, link.path_width
    return link.speed_gtps, link.width


def _share_of(figure: float, limit: str, source: str, floors: Floors, unit: str = "GB/s") -> Threshold:
    share = floors.share(limit)
    return Threshold(
        name=f"{AREA}.{limit}",
        value=round(figure * share, 1 if unit == "GB/s" else 3),
        unit=unit,
        source=f"{share:.0%} of {figure:.4g} {unit}: {source}",
        layer="device",
    )


def _peer_limit(phase: str, floors: Floors) -> Threshold | None:
    name = "gemm" if phase.startswith("gemm-") else phase
    return floors.limit(f"peers_{name}") if name in ("gemm", "bandwidth", "transfer", "peer") else None


def _amount(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
