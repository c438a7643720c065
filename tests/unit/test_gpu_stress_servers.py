"""Healthy GPUs in servers as they are built, which must not fail; and what must not pass beside them."""

import os
from collections.abc import Iterable
from contextlib import ExitStack
from itertools import chain, count, repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from bee_sat.gpu_stress import events as e
from bee_sat.gpu_stress import worker
from bee_sat.gpu_stress.affinity import stay_near
from bee_sat.gpu_stress.bench import Bench, Voice
from bee_sat.gpu_stress.events import PlannedPhase, Verdict
from bee_sat.gpu_stress.floors import built_in
from bee_sat.gpu_stress.parent import Pace
from bee_sat.gpu_stress.phases import peer, product
from bee_sat.gpu_stress.phases import transfer as transfer_phase
from bee_sat.gpu_stress.phases.link import is_translated, read_link
from bee_sat.gpu_stress.verdict import judge
from lab.cuda import FakeCuda
from lab.cuda.here import opened
from lab.stress import START, Run, done, look, sample
from lab.stress_runs import ALONE, run, run_with

A100 = "NVIDIA A100-SXM4-80GB"
FIFTH = {"speed_gtps": 32.0, "max_speed_gtps": 32.0, "width": 16, "max_width": 16}
FOURTH = {"speed_gtps": 16.0, "max_speed_gtps": 16.0, "width": 16, "max_width": 16}


def verdict_of(run: Run) -> Verdict:
    return judge(run.events, built_in())


def rules_of(verdict: Verdict) -> dict[str, str]:
    return {each.rule.removeprefix("gpu-stress."): each.severity for each in verdict.findings}


def transfer(run: Run, index: int, rate: float, **link: Any) -> None:
    run.change(index, "transfer", link=e.Link(**link))
    run.rate(index, "transfer", rate)


# Links.


def write_link(folder: Path, speed: str, width: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("current", "max"):
        (folder / f"{name}_link_speed").write_text(f"{speed} GT/s PCIe\n")
        (folder / f"{name}_link_width").write_text(f"{width}\n")


def test_the_slowest_link_on_the_way_to_the_processor_is_found(tmp_path: Path) -> None:
    port = tmp_path / "devices/pci0000:10/0000:10:01.0"
    switch = port / "0000:11:00.0"
    downstream = switch / "0000:12:04.0"
    gpu = downstream / "0000:13:00.0"
    for folder, speed in ((port, "8.0"), (switch, "8.0"), (downstream, "16.0"), (gpu, "16.0")):
        write_link(folder, speed, 16)
    known = tmp_path / "bus/pci/devices"
    known.mkdir(parents=True)
    (known / gpu.name).symlink_to(gpu)
    link = read_link(gpu.name, tmp_path)
    assert (link.speed_gtps, link.width, link.max_speed_gtps) == (16.0, 16, 16.0)
    assert (link.path_speed_gtps, link.path_width) == (8.0, 16)


def test_the_rate_of_a_model_is_not_asked_of_an_older_host() -> None:
    run = Run(2, name=A100, capability=(8, 0), phases=("transfer",))
    for index in (0, 1):  # behind a switch of the fourth generation, in a host of the third
        transfer(run, index, 12.5, **FOURTH, path_speed_gtps=8.0, path_width=16)
    assert verdict_of(run).result == "OK"
    for index in (0, 1):
        transfer(run, index, 12.5, **FOURTH)
    assert rules_of(verdict_of(run)) == {"below-floor": "Critical"}, "a host of the fourth does more"


def test_a_link_that_carries_it_is_held_to_the_rate_of_the_model() -> None:
    run = Run(2, phases=("transfer",))
    for index in (0, 1):
        transfer(run, index, 40.0, **FIFTH, path_speed_gtps=32.0, path_width=16)
    verdict = verdict_of(run)
    assert rules_of(verdict) == {"below-floor": "Critical"}
    assert "link's lanes" in verdict.findings[0].next_step
    assert "temperature" not in verdict.findings[0].next_step


def test_a_slot_with_fewer_lanes_is_told_and_is_no_fault_of_the_gpu() -> None:
    run = Run(4, name="NVIDIA L40S", capability=(8, 9), phases=("transfer",))
    for index in range(3):
        transfer(run, index, 25.0, **FOURTH)
    transfer(run, 3, 12.5, **{**FOURTH, "width": 8, "max_width": 8})
    verdict = verdict_of(run)
    assert (verdict.result, rules_of(verdict)) == ("OK", {"link-unlike-peers": "Warning"})
    assert verdict.findings[0].component == f"gpus/{run.gpus[3].id}"
    transfer(run, 3, 5.0, **{**FOURTH, "width": 8, "max_width": 8})
    assert "below-floor" in rules_of(verdict_of(run))


# The processor beside a GPU.


@pytest.mark.parametrize(
    ("nodes", "beside", "allowed", "runs_on", "near"),
    [
        (("0-3", "4-7"), "4-7", "0-7", {4, 5, 6, 7}, True),
        (("0-3", "4-7"), "0-7", "0-7", set(range(8)), False),  # the firmware does not tell
        (("0-3", "4-7"), "4-7", "0-3", {0, 1, 2, 3}, False),  # it may not be used
        (("0-7",), "0-7", "0-7", set(range(8)), True),
        (("0-7", ""), "0-7", "0-7", set(range(8)), True),  # memory alone is no other processor
        (("0-7",), None, "0-7", set(range(8)), True),
    ],
)
def test_it_is_known_whether_a_worker_runs_beside_its_gpu(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    nodes: tuple[str, ...],
    beside: str | None,
    allowed: str,
    runs_on: set[int],
    near: bool,
) -> None:
    def write(path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")

    for number, processors in enumerate(nodes):
        write(tmp_path / f"devices/system/node/node{number}/cpulist", processors)
    if beside is not None:
        write(tmp_path / "bus/pci/devices/0000:3b:00.0/local_cpulist", beside)
    first, last = map(int, allowed.split("-"))
    mine = set(range(first, last + 1))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: mine)
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, chosen: mine.intersection_update(chosen))
    assert stay_near("0000:3b:00.0", tmp_path) == near
    assert mine == runs_on


@pytest.mark.parametrize("near", [True, False])
def test_transfers_tell_whether_they_may_have_come_from_afar(near: bool) -> None:
    with FakeCuda("lab", memory_mib=16, context_mib=1) as fake, ExitStack() as stack:
        silent = Voice(stack.enter_context(open(os.devnull, "wb")).fileno())
        (device,) = stack.enter_context(opened(fake))
        bench = worker._bench(worker._describe(device), device, silent, 4 << 20, (), None, stack)
        bench.near = near
        ended = transfer_phase.run(bench, PlannedPhase(gpu=bench.gpu.id, phase="transfer", seconds=0.0))
    assert ended.far is not near
    assert any("which processor" in note for note in ended.notes) is not near


def test_the_rate_of_a_model_is_not_asked_of_a_worker_on_the_far_processor() -> None:
    run = Run(2, phases=("transfer",))
    for index in (0, 1):
        transfer(run, index, 42.0, **FIFTH)
        run.change(index, "transfer", far=True)
    assert verdict_of(run).result == "OK"
    for index in (0, 1):
        transfer(run, index, 30.0, **FIFTH)
    assert rules_of(verdict_of(run)) == {"below-floor": "Critical"}, "even from there it does more"


# From GPU to GPU through an IOMMU: the driver does not support that over PCIe, and data may be lost
# on the way (CUDA C++ Programming Guide, "IOMMU on Linux").


def is_in_group(sys: Path, address: str, kind: str) -> None:
    group = sys / f"kernel/iommu_groups/{kind}"
    group.mkdir(parents=True, exist_ok=True)
    (group / "type").write_text(f"{kind}\n")
    (sys / "bus/pci/devices" / address).mkdir(parents=True)
    (sys / "bus/pci/devices" / address / "iommu_group").symlink_to(group)


@pytest.mark.parametrize(
    ("kinds", "direct", "translated"),
    [
        (("identity", "identity"), True, False),  # iommu=pt
        (("identity", "DMA-FQ"), True, True),
        (("DMA", "DMA"), True, True),
        (("", ""), True, False),  # no IOMMU at all
        (("DMA", "DMA"), False, False),  # through the host it is supported
    ],
)
def test_an_iommu_between_two_gpus_is_seen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kinds: tuple[str, str], direct: bool, translated: bool
) -> None:
    monkeypatch.setattr(peer, "is_translated", lambda address: is_translated(address, tmp_path))
    with FakeCuda("lab", count=2, memory_mib=16, context_mib=1) as fake, ExitStack() as stack:
        for address, kind in zip(fake.pci_addresses, kinds, strict=True):
            if kind:
                is_in_group(tmp_path, address, kind)
        if not direct:
            fake.separate(0, 1)
        silent = Voice(stack.enter_context(open(os.devnull, "wb")).fileno())
        one, other = (
            worker._bench(worker._describe(device), device, silent, 4 << 20, (), None, stack)
            for device in stack.enter_context(opened(fake))
        )
        done = peer.run(one, other, PlannedPhase(gpu=one.gpu.id, phase="peer", seconds=0.0))
    assert (done.translated, done.wrong) == (translated, 0)


def test_data_lost_in_an_iommu_is_no_fault_of_a_gpu_and_never_ok() -> None:
    run = Run(2)
    run.change(0, "peer", wrong=5, translated=True)
    verdict = verdict_of(run)
    assert (verdict.result, rules_of(verdict)) == ("UNKNOWN", {"wrong-results": "Unknown"})
    assert "iommu=pt" in verdict.findings[0].next_step
    run.change(0, "peer", wrong=5, translated=False)
    verdict = verdict_of(run)
    assert verdict.result == "FAILED"
    assert "which pairs are wrong" in verdict.findings[0].next_step
    run.change(0, "peer", wrong=0, translated=True)
    assert verdict_of(run).result == "OK", "newer drivers and NVLink do well with it"


# Power.


def limited(run: Run, watts: float, usual: float = 700.0) -> None:
    gpus = tuple(
        msgspec.structs.replace(look(gpu), power_limit_enforced_watts=watts, power_limit_default_watts=usual)
        for gpu in run.gpus
    )
    run.events = [
        msgspec.structs.replace(event, gpus=gpus) if isinstance(event, e.Looked) else event
        for event in run.events
    ]


def test_a_lowered_power_limit_is_told_and_lowers_the_floor_with_it() -> None:
    run = Run(2)
    for index in (0, 1):
        run.rate(index, "gemm-bf16", 430.0)
    assert verdict_of(run).result == "FAILED"
    limited(run, 400.0)
    verdict = verdict_of(run)
    assert (verdict.result, rules_of(verdict)) == ("OK", {"power-limited": "Warning"})
    (floor,) = {rate.floor for rate in verdict.rates if rate.phase == "gemm-bf16"}
    assert floor is not None
    assert "57%" in floor.source
    for index in (0, 1):
        run.rate(index, "gemm-bf16", 250.0)
    verdict = verdict_of(run)
    assert "below-floor" in rules_of(verdict)
    assert "clocks that somebody set" in verdict.findings[0].next_step


def test_the_usual_power_limit_is_no_news() -> None:
    run = Run(2)
    limited(run, 700.0)
    assert rules_of(verdict_of(run)) == {}


@pytest.mark.parametrize(("mask", "result"), [(0x4, "OK"), (0x20, "OK"), (0x80, "FAILED"), (0xC8, "FAILED")])
def test_a_gpu_that_was_slowed_down_before_the_load_began_is_not_taken_for_fast(
    mask: int, result: str
) -> None:
    """The service tells what begins; a power brake that was pulled at noon began at noon."""
    run = Run(1)
    first = next(place for place, event in enumerate(run.events) if isinstance(event, e.Sample))
    run.events.insert(first, sample(run.gpus[0], START + 1, clock_event_reasons=mask))
    run.events.append(sample(run.gpus[0], START + 590, clock_event_reasons=mask))
    assert verdict_of(run).result == result


@pytest.mark.parametrize(("seconds", "severity"), [(1.0, "Warning"), (2.1, "Critical")])
def test_one_look_in_a_short_run_is_no_tenth_of_it(seconds: float, severity: str) -> None:
    run = Run(1, seconds=20.0)
    run.happen(0, "throttle-begin", "Critical", at=START + 5, reason="hw-power-brake")
    run.happen(0, "throttle-end", "Info", at=START + 5 + seconds, reason="hw-power-brake", seconds=seconds)
    assert rules_of(verdict_of(run)) == {"slowed-hw-power-brake": severity}


def test_what_slowed_it_down_before_the_load_is_not_counted_as_load() -> None:
    run = Run(1)
    first = next(place for place, event in enumerate(run.events) if isinstance(event, e.Sample))
    run.events.insert(first, sample(run.gpus[0], START + 99, clock_event_reasons=0x40))
    run.happen(0, "throttle-end", "Info", reason="hw-thermal", seconds=5000.0)
    verdict = verdict_of(run)
    assert [each.seconds for each in verdict.gpus[0].throttled] == [1.0]
    assert rules_of(verdict) == {"slowed-hw-thermal": "Warning"}


# Peers.


@pytest.mark.parametrize(("rate", "result"), [(640.0, "OK"), (560.0, "FAILED")])
def test_the_slower_of_two_is_compared_with_the_other_and_not_with_itself(rate: float, result: str) -> None:
    run = Run(2, name="NVIDIA Something New", phases=("gemm-bf16",))
    run.rate(1, "gemm-bf16", rate)
    verdict = verdict_of(run)
    assert verdict.result == result
    assert [gpu.result for gpu in verdict.gpus] == ["OK", result]


def test_where_every_pair_hangs_the_verdict_does_not_wait_for_all_of_them() -> None:
    with FakeCuda(["lab"] * 4, memory_mib=16, context_mib=1) as fake:
        for slot in range(4):
            fake.hang(slot, "copy_to_peer")
        ended = run(fake, "--phases", "bandwidth,peer", "--hang-seconds", "2")
    assert ended.code == 2
    hung = [event for event in ended.events if isinstance(event, e.WorkerEnded) and event.ending == "hung"]
    assert len(hung) == 4, "of six pairs"


# Rates of GPUs that no table knows.


@pytest.mark.parametrize(("tflops", "result"), [(25.0, "OK"), (3.0, "FAILED")])
def test_a_gpu_that_no_table_knows_is_held_to_its_own_clock(tflops: float, result: str) -> None:
    run = Run(1, name="NVIDIA Something New", capability=(8, 9), phases=("gemm-fp32",))
    one = msgspec.structs.replace(run.gpus[0], clock_hertz=1_500_000_000, multiprocessors=100)
    run.events[0] = msgspec.structs.replace(run.started, gpus=(one,))
    run.rate(0, "gemm-fp32", tflops)
    assert verdict_of(run).result == result


def test_a_part_of_a_divided_gpu_is_not_held_to_the_bandwidth_of_the_whole() -> None:
    run = Run(1, name="NVIDIA A100-SXM4-80GB MIG 1g.10gb", capability=(8, 0), phases=("bandwidth",))
    one = msgspec.structs.replace(run.gpus[0], memory_clock_hertz=1_593_000_000, memory_bus_bits=5120)
    run.events[0] = msgspec.structs.replace(run.started, gpus=(one,))
    run.rate(0, "bandwidth", 200.0)
    assert verdict_of(run).result == "OK"


# What is measured, and for how long.


@pytest.mark.parametrize(
    ("seconds", "limit", "told"),
    [
        ((0.3, 0.001), 0.002, 0.001),  # the first launch loads the kernel
        ((0.001, 0.3), 0.002, 0.001),
        ((0.01, 0.009, 0.011), 0.002, 0.009),  # it is slow
        ((0.2, 0.02, 0.1), 0.0, 0.02),
    ],
)
def test_a_host_that_is_late_is_no_slow_gpu(
    monkeypatch: pytest.MonkeyPatch, seconds: Iterable[float], limit: float, told: float
) -> None:
    times = chain(seconds, repeat(9.0))
    monkeypatch.setattr(Bench, "clocked", lambda self, start: (0.0001, next(times)))
    assert Bench.timed(object.__new__(Bench), lambda: None, limit_seconds=limit) == told


def test_bandwidth_of_what_fits_into_the_cache_is_reported_and_not_judged() -> None:
    with FakeCuda(["lab"], memory_mib=16, context_mib=1) as fake:
        fake.set(0, "l2_bytes", 4 << 20)
        fake.slow(0, 20.0, "bandwidth_*")
        words = ("--seconds", "1", "--json", "--phases", "bandwidth", *ALONE)
        ended = run_with(fake, *words, "--size-mb", "2")
    assert ended.code == 0, ended.verdict.summary
    assert "in 2 MiB of each GPU's memory" in ended.verdict.summary
    assert any("too little memory" in note for note in ended.verdict.notes)


@pytest.mark.parametrize("phase", ["gemm-bf16", "memory", "transfer", "load-steps", "peer"])
def test_a_phase_that_ends_before_its_time_is_not_ok(phase: str) -> None:
    run = Run(2)
    run.change(0, phase, done(phase, seconds=0.2))
    assert rules_of(verdict_of(run)) == {"too-short": "Unknown"}


def test_lines_that_repeat_themselves_are_few_however_long_the_run() -> None:
    day, told = Pace(86_400), 0
    for second in range(0, 86_400, 10):  # memory, whose patterns follow each other in parts of a second
        event = e.PhaseProgress(
            gpu="0000:1b:00.0",
            phase="memory",
            doing=f"pass {second}: pattern {second % 8}",
            elapsed_seconds=second,
            steady_seconds=START + second,
        )
        told += day.due(event)
    assert told <= 1800


class QuickProduct:
    """Of any size in no time; what takes time is all around it."""

    def __init__(self, bench: object, kernel: object, tables: object, m: int, n: int, k: int) -> None:
        self.side, self.lacking = m, ""

    def __enter__(self) -> "QuickProduct":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def fill(self, shift_m: int, shift_n: int) -> None:
        pass

    def multiply(self) -> None:
        pass


@pytest.mark.parametrize(("step", "lacking"), [(0.001, ""), (0.4, "time")])
def test_a_size_that_a_slow_host_has_left_no_time_to_find_is_not_judged(
    monkeypatch: pytest.MonkeyPatch, step: float, lacking: str
) -> None:
    clock = count(0.0, step)
    tile = SimpleNamespace(m=128, n=128, k=64)
    monkeypatch.setattr(product, "Product", QuickProduct)
    monkeypatch.setattr(product, "find_kernel", lambda bench, element: SimpleNamespace(tile=tile))
    monkeypatch.setattr(product, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    bench: Any = SimpleNamespace(timed=lambda start, limit_seconds: 1e-6, room_bytes=lambda: 80 << 30)
    progress: Any = SimpleNamespace(tell=lambda compared, wrong: None)
    found: Any = product.largest_fitting(bench, "bf16", progress, 2.0)
    assert found.lacking == lacking
    assert (found.side == 8192) == (not lacking)
