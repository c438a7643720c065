"""What bee-gpu-stress shows to people, what it reads of links, and the tables that it judges by."""

import subprocess
import sys
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from bee_bus.documents.gpus import GpuTick, SampledGpu
from bee_bus.thresholds import ThresholdError
from bee_sat.gpu_stress import events as e
from bee_sat.gpu_stress import telemetry
from bee_sat.gpu_stress.affinity import local_processors
from bee_sat.gpu_stress.events import AnyEvent, Link
from bee_sat.gpu_stress.floors import built_in
from bee_sat.gpu_stress.parent import Pace
from bee_sat.gpu_stress.phases.link import better, read_link
from bee_sat.gpu_stress.phases.memory import patterns
from bee_sat.gpu_stress.plan import GEMM_PHASES
from bee_sat.gpu_stress.report import WIDTH, Report
from bee_sat.gpu_stress.verdict import judge
from lab.stress import START, Run

# Lines for people.


def shown(events: list[AnyEvent], *, colour: bool = False) -> list[str]:
    report = Report(colour=colour)
    return [line for event in events for line in report.lines(event)]


def story() -> list[AnyEvent]:
    """A run in which everything that can be told happens."""
    run = Run(2)
    run.change(1, "gemm-bf16", wrong=3, not_finite=1)
    run.rate(0, "gemm-fp16", 10.0)
    run.change(0, "memory", e.Errored(reason="no memory " * 20, fault=True, code=2))
    run.happen(1, "xid", "Critical", "Xid 79: GPU has fallen off the bus", xid=79)
    run.happen(0, "throttle-begin", "Critical", reason="hw-thermal")
    run.happen(0, "throttle-end", "Info", at=START + 160, reason="hw-thermal", seconds=60.0)
    ids = [gpu.id for gpu in run.gpus]
    more: list[AnyEvent] = [
        e.PhaseProgress(
            gpu=ids[0],
            phase="gemm-bf16",
            doing="multiplying 8192 × 8192 × 8192",
            elapsed_seconds=100.0,
            steady_seconds=START + 700,
            wrong=3,
            rate=e.Rate(name="tflops", value=712.345, unit="TFLOP/s"),
        ),
        e.Wrong(
            gpu=ids[1],
            phase="gemm-bf16",
            what="result",
            index=10**9,
            row=8191,
            column=8191,
            sm=131,
            address="0x7f0000000000",
            expected="0x40000000",
            got="0x7fc00000",
        ),
        e.WorkerEnded(gpu=ids[0], ending="hung", message="it said nothing for 30 s", doing="memory: pass 2"),
        e.Telemetry(watching=False, reason="the service ended " * 10),
        e.Stopped(signal="SIGTERM"),
    ]
    run.events[20:20] = more
    run.events.append(judge(run.events, built_in()))
    return run.events


def test_a_hang_before_the_first_pair_is_nobodys() -> None:
    run = Run(2)
    first = run.gpus[0].id
    ended = e.WorkerEnded(gpu=first, ending="hung", message="it said nothing", doing="starting", peers=True)
    assert shown([run.events[0], ended])[-1] == "all pairs  hung while starting: it said nothing"


def test_every_line_fits_a_console() -> None:
    lines = shown(story())
    assert max(map(len, lines)) <= WIDTH
    text = " ".join(" ".join(lines).split())
    for part in (
        "WRONG",
        "expected 0x40000000, got 0x7fc00000",
        "hung",
        "Xid 79",
        "TOO SLOW",
        "712.3",
        "hw-thermal",
    ):
        assert part in text
    assert lines[-2].startswith("FAILED") or lines[-1].startswith("FAILED")


def test_colour_is_for_terminals_that_have_it() -> None:
    assert not any("\033" in line for line in shown(story()))
    assert any("\033[31m" in line for line in shown(story(), colour=True))


def test_hostile_names_steer_no_terminal() -> None:
    run = Run(1, name="\033[2J\x07GPU\r\n<script>")
    lines = shown([*run.events, judge(run.events, built_in())])
    assert not any(set("\033\x07\r\n") & set(line) for line in lines)


def test_progress_is_told_now_and_then() -> None:
    events: list[AnyEvent] = [
        e.PhaseProgress(gpu="g", phase="memory", doing="x", elapsed_seconds=second, steady_seconds=second)
        for second in range(100, 200)
    ]
    assert 10 <= len(shown(events)) <= 25


def test_a_day_is_kept_in_a_bounded_number_of_lines() -> None:
    for seconds, most in ((600, 610), (86_400, 1900)):
        pace = Pace(seconds)
        told = sum(
            pace.due(
                e.PhaseProgress(
                    gpu="g", phase="p", doing="x", elapsed_seconds=0, steady_seconds=1000 + at / 2
                )
            )
            for at in range(2 * seconds)
        )
        assert 500 <= told <= most


def test_samples_go_on_when_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    passed, said = count(0.0, 1.0), list[AnyEvent]()
    monkeypatch.setattr(telemetry, "time", SimpleNamespace(monotonic=lambda: next(passed)))
    witness = telemetry.Witness(said.append, ["g"], interval_seconds=1.0)
    for second in (*range(5000, 5010), *range(1000, 1010)):
        witness.take(GpuTick(unix_seconds=second, gpus=(SampledGpu(gpu="g", condition="ok"),)))
    assert len(said) == 20


def test_another_phase_and_another_pair_are_always_told() -> None:
    pace = Pace(86_400)
    for phase, peer in (("memory", None), ("bandwidth", None), ("peer", "one"), ("peer", "other")):
        assert pace.due(
            e.PhaseProgress(
                gpu="g", phase=phase, peer=peer, doing="x", elapsed_seconds=0, steady_seconds=1000
            )
        )


# Links.


def link_tree(sys: Path, **files: str) -> None:
    """A GPU below a port; names with ``port_`` are the port's."""
    port = sys / "devices/pci0000:00/0000:00:01.0"
    device = port / "0000:01:00.0"
    device.mkdir(parents=True)
    for name, value in files.items():
        folder = port if name.startswith("port_") else device
        (folder / name.removeprefix("port_")).write_text(value + "\n")
    listed = sys / "bus/pci/devices"
    listed.mkdir(parents=True)
    (listed / "0000:01:00.0").symlink_to(device)


def test_the_slower_end_decides_what_a_link_can_do(tmp_path: Path) -> None:
    link_tree(
        tmp_path,
        current_link_speed="16.0 GT/s PCIe",
        current_link_width="8",
        max_link_speed="32.0 GT/s PCIe",
        max_link_width="16",
        port_max_link_speed="16.0 GT/s PCIe",
        port_max_link_width="16",
    )
    assert read_link("0000:01:00.0", tmp_path) == Link(
        speed_gtps=16.0, width=8, max_speed_gtps=16.0, max_width=16, path_speed_gtps=16.0, path_width=8
    )


@pytest.mark.parametrize("nonsense", ["Unknown", "", "255", "0", "-1", "\x00"])
def test_what_a_link_does_not_tell_is_absent(tmp_path: Path, nonsense: str) -> None:
    link_tree(tmp_path, current_link_width=nonsense, max_link_width=nonsense, max_link_speed="Unknown")
    assert read_link("0000:01:00.0", tmp_path) == Link()


def test_a_gpu_that_sysfs_does_not_know_has_no_link(tmp_path: Path) -> None:
    assert read_link("0000:99:00.0", tmp_path) == Link()


def test_a_link_that_wakes_up_is_judged_awake() -> None:
    asleep, awake = Link(speed_gtps=2.5, width=16), Link(speed_gtps=32.0, width=16)
    assert better(asleep, awake) == better(awake, asleep) == awake
    assert better(Link(), asleep) == asleep


# Processors and turns.


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0-3,8-9", {0, 1, 2, 3, 8, 9}), ("5", {5}), ("", set()), ("x-y", set()), ("1-", set())],
)
def test_a_worker_stays_beside_its_gpu(tmp_path: Path, text: str, expected: set[int]) -> None:
    device = tmp_path / "bus/pci/devices/0000:01:00.0"
    device.mkdir(parents=True)
    (device / "local_cpulist").write_text(text + "\n")
    assert local_processors("0000:01:00.0", tmp_path) == expected
    assert local_processors("0000:02:00.0", tmp_path) == set()


_MOVER = """
import sys, time
from bee_sat.gpu_stress.turns import Turns
turns = Turns(int(sys.argv[1]), lambda: None)
def say(word):
    print(word, time.monotonic(), flush=True)
for _ in range(int(sys.argv[2])):
    with getattr(turns, sys.argv[3])():
        say("in")
        time.sleep(0.05)
        say("out")
"""


def spans(count: int, manner: str, descriptor: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", _MOVER, str(descriptor), str(count), manner],
        pass_fds=[descriptor],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_who_measures_alone_is_alone_and_is_not_kept_waiting(tmp_path: Path) -> None:
    with (tmp_path / "turns").open("w+b") as file:
        movers = [spans(40, "together", file.fileno()) for _ in range(3)]
        alone = [spans(3, "alone", file.fileno()) for _ in range(2)]
        told = [mover.communicate(timeout=60)[0] for mover in (*movers, *alone)]
    times = [
        [float(line.split()[1]) for line in text.splitlines() if line.split()[0] == word]
        for text in told
        for word in ("in", "out")
    ]
    pairs = [list(zip(begin, end, strict=True)) for begin, end in zip(times[::2], times[1::2], strict=True)]
    assert [len(each) for each in pairs] == [40, 40, 40, 3, 3]
    for place, mine in enumerate(pairs[3:], 3):
        for begin, end in mine:
            others = [span for number, each in enumerate(pairs) if number != place for span in each]
            assert not any(other_begin < end and begin < other_end for other_begin, other_end in others)
    assert max(end for _, end in (*pairs[3], *pairs[4])) < max(end for _, end in pairs[0]), (
        "not at the very end"
    )


# Tables.


def test_every_floor_is_of_a_phase_and_below_its_figure() -> None:
    limits = built_in().limits
    keys = set(built_in().models.values())
    for name in limits.names():
        area, _, rest = name.partition(".")
        assert area == "gpu_stress"
        assert limits[name].source and limits[name].unit
        owner = next((key for key in keys if rest.startswith(f"{key}-")), None)
        if owner is not None:
            assert rest.removeprefix(f"{owner}-") in (*GEMM_PHASES, "bandwidth", "transfer")
            assert limits.number(name) > 0


def test_models_differ_in_name() -> None:
    assert built_in().floor("NVIDIA H100 PCIe", "gemm-bf16") != built_in().floor(
        "NVIDIA H100 80GB HBM3", "gemm-bf16"
    )
    assert built_in().floor("NVIDIA H1000", "gemm-bf16") is None
    assert built_in().floor("NVIDIA L4", "gemm-fp64") is None


def test_models_of_one_chip_are_held_to_what_they_share() -> None:
    floors = built_in()
    for phase in ("gemm-bf16", "gemm-fp64", "bandwidth"):
        assert floors.floor("NVIDIA A800-SXM4-80GB", phase) == floors.floor("NVIDIA A100-SXM4-80GB", phase)
    for name in ("NVIDIA H800", "NVIDIA H800 PCIe", "NVIDIA H20"):
        assert floors.floor(name, "gemm-bf16") is not None
        assert floors.floor(name, "gemm-fp64") is None, "they have next to none"


# What healthy GPUs reach with the vendor's library, as published: at 8192³, or at the best of some sizes.
PUBLISHED = (
    ("NVIDIA H100 80GB HBM3", "gemm-bf16", 730.0),
    ("NVIDIA H100 80GB HBM3", "gemm-fp8", 1400.0),
    ("NVIDIA H200", "gemm-bf16", 788.0),
    ("NVIDIA H100 PCIe", "gemm-bf16", 447.5),
    ("NVIDIA H800 PCIe", "gemm-fp16", 447.5),
    ("NVIDIA H100 80GB HBM3", "gemm-fp32", 52.1),
    ("NVIDIA H200", "gemm-fp16", 759.4),
    ("NVIDIA H20", "gemm-bf16", 141.9),
    ("NVIDIA H20", "gemm-fp32", 32.0),
    ("NVIDIA A100-SXM4-80GB", "gemm-bf16", 257.0),
    ("NVIDIA A100-SXM4-80GB", "gemm-fp32", 19.2),
    ("NVIDIA A800-SXM4-80GB", "gemm-fp16", 266.0),
    ("NVIDIA A100-PCIE-40GB", "gemm-bf16", 215.3),
    ("NVIDIA A100-PCIE-40GB", "gemm-fp16", 197.5),
    ("NVIDIA A100-PCIE-40GB", "gemm-tf32", 97.3),
    ("NVIDIA A100-PCIE-40GB", "gemm-fp32", 17.6),
    ("NVIDIA A40", "gemm-bf16", 110.6),
    ("NVIDIA A40", "gemm-tf32", 59.5),
    ("NVIDIA A40", "gemm-fp32", 23.7),
    ("NVIDIA L4", "gemm-bf16", 59.4),  # of 121 in the data sheet: its 72 W do not last
    ("NVIDIA L4", "gemm-fp16", 53.8),
    ("NVIDIA L4", "gemm-tf32", 25.7),
    ("NVIDIA L4", "gemm-fp32", 10.7),
    ("NVIDIA L20", "gemm-bf16", 114.1),
    ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "gemm-bf16", 417.3),
    ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "gemm-fp32", 79.0),
    ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "gemm-fp16", 312.8),
    ("NVIDIA L40S", "gemm-bf16", 269.2),
    ("NVIDIA L40S", "gemm-fp32", 46.9),
    ("NVIDIA GeForce RTX 4090", "gemm-bf16", 160.5),
    ("NVIDIA GeForce RTX 4090", "gemm-fp32", 54.7),
    ("Tesla T4", "gemm-fp32", 4.2),  # of 8.1 in the data sheet
    ("Tesla V100-SXM2-16GB", "gemm-fp16", 97.4),
    ("Tesla V100-SXM2-16GB", "gemm-fp32", 14.4),
)


@pytest.mark.parametrize(("name", "phase", "reached"), PUBLISHED)
def test_kernels_a_quarter_slower_than_the_vendors_pass_and_a_gpu_a_third_as_fast_does_not(
    name: str, phase: str, reached: float
) -> None:
    """bee's kernels have not been measured on most of these."""
    floor = built_in().floor(name, phase)
    assert floor is not None
    assert reached * 0.4 < float(floor.value) < reached * 0.75


def test_a_site_changes_a_floor_by_name() -> None:
    floors = built_in().with_site(
        "[gpu_stress.h100-sxm-gemm-bf16]\nvalue = 600\n[gpus.uncorrected_errors]\nvalue = 3\n"
    )
    floor = floors.floor("NVIDIA H100 80GB HBM3", "gemm-bf16")
    assert floor is not None
    assert (floor.value, floor.layer, floor.unit) == (600, "site", "TFLOP/s")
    run = Run(1)
    run.rate(0, "gemm-bf16", 590.0)
    assert judge(run.events, built_in()).result == "OK"
    assert judge(run.events, floors).result == "FAILED"


def test_a_site_file_with_an_unknown_floor_is_refused() -> None:
    with pytest.raises(ThresholdError, match=r"there is no threshold gpu_stress\.h100"):
        built_in().with_site("[gpu_stress.h100]\nvalue = 1\n")


# Patterns.


def test_each_pattern_is_followed_by_its_complement_and_no_pass_is_like_another() -> None:
    first, second = patterns(0), patterns(1)
    assert [pattern.number for pattern in first] == list(range(8))
    for even, odd in zip(first[::2], first[1::2], strict=True):
        assert (odd.number, odd.seed) == (even.number + 1, even.seed)
    assert first[2].seed != second[2].seed


# Events.


def test_every_event_survives_its_line() -> None:
    for event in story():
        assert e.read(e.line(event)) == event


def test_an_event_of_a_newer_bee_may_know_more() -> None:
    words = {"event": "farewell", "gpu": "g", "unix_seconds": 1.0, "steady_seconds": 2.0, "mood": "good"}
    assert e.read(msgspec.json.encode(words)) == e.Farewell(gpu="g", unix_seconds=1.0, steady_seconds=2.0)
