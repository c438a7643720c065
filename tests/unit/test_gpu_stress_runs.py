"""Whole runs of bee-gpu-stress: its own processes, its own kernels, on GPUs that a library pretends."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pytest

from bee_sat.gpu_stress import events as e
from bee_sat.gpu_stress import parent, supervisor
from bee_sat.gpu_stress.arguments import Options
from bee_sat.gpu_stress.floors import built_in
from bee_sat.gpu_stress.parent import Order
from bee_sat.gpu_stress.plan import PHASES
from bee_sat.gpu_stress.selection import Selection
from bee_sat.gpu_stress.verdict import judge
from lab.cuda import FakeCuda
from lab.stress import gpu as stress_gpu
from lab.stress_runs import ALONE, COMMAND, SMALL, Started, environment, run, run_with

ROOT = Path(__file__).resolve().parents[2]


class Make(Protocol):
    def __call__(self, models: str = "lab", *, count: int = 2, **keywords: Any) -> FakeCuda: ...


@pytest.fixture
def make() -> Iterator[Make]:
    with ExitStack() as stack:

        def make(models: str = "lab", *, count: int = 2, **keywords: Any) -> FakeCuda:
            keywords = {"memory_mib": 16, "context_mib": 1, **keywords}
            return stack.enter_context(FakeCuda(models, count=count, **keywords))

        yield make


# Healthy.


def test_a_healthy_pair_keeps_every_promise(make: Make) -> None:
    fake = make()
    ended = run_with(fake, "--seconds", "3", "--json", *ALONE)
    assert ended.code == 0, ended.verdict.summary
    assert ended.verdict.result == "OK"
    assert isinstance(ended.events[0], e.RunStarted)
    assert ended.events[0].whole_machine
    for address in fake.pci_addresses:
        kept = {event.phase for event in ended.phases(address) if not event.peer}
        assert kept == set(PHASES) - {"peer"}
        for event in ended.phases(address):
            if event.phase == "gemm-fp8":
                assert isinstance(event.outcome, e.NotSupported)
                continue
            assert isinstance(event.outcome, e.Completed), event
            done = event.outcome
            assert done.self_proof and done.wrong == 0 and done.compared > 0 and done.iterations > 0
            if event.phase == "memory":
                assert done.coverage is not None
                assert done.coverage.tested_bytes >= 0.95 * done.coverage.free_bytes
    assert [event.peer for event in ended.phases(fake.pci_addresses[0]) if event.peer] == [
        fake.pci_addresses[1]
    ]
    again = judge(ended.events, built_in())
    now = {"unix_seconds": 0.0, "steady_seconds": 0.0}
    assert msgspec.structs.replace(again, **now) == msgspec.structs.replace(ended.verdict, **now)


def test_a_gpu_alone_has_no_pair_and_is_ok(make: Make) -> None:
    ended = run(make(count=1), "--phases", "memory,peer")
    assert ended.code == 0
    assert any("there is one GPU" in note for note in ended.verdict.notes)


def test_gpus_that_cannot_reach_each_other_copy_through_the_host(make: Make) -> None:
    fake = make()
    fake.separate(0, 1)
    ended = run(fake, "--phases", "memory,peer")
    assert ended.code == 0
    assert any("copied through the host" in note for note in ended.verdict.notes)


def test_lines_for_people_fit_a_console(make: Make) -> None:
    words = ["--seconds", "1", "--size-mb", "4", *ALONE, "--phases", "gemm-bf16,memory", "--inject", "nan@1"]
    ended = subprocess.run(
        [*COMMAND, *words], env=environment(make()), capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 2
    assert max(map(len, ended.stdout.splitlines())) <= 80
    assert "\033" not in ended.stdout, "no colour without a terminal"
    assert "FAILED: GPU 1: gemm-bf16" in ended.stdout
    assert "0x7fc00000" in ended.stdout


# Faults that are made on purpose.


@pytest.mark.parametrize(
    ("fault", "phases", "rule"),
    [
        ("flip-operand", "gemm-bf16", "wrong-results"),
        ("flip-operand", "gemm-fp64", "wrong-results"),
        ("flip-result", "gemm-fp16", "wrong-results"),
        ("nan", "gemm-tf32", "wrong-results"),
        ("nan", "gemm-fp64", "wrong-results"),
        ("flip-memory", "memory", "wrong-results"),
        ("flip-transfer", "transfer", "wrong-results"),
        ("slow", "gemm-fp32", "slower-than-peers"),
        ("die", "memory", "died"),
    ],
)
def test_each_fault_on_purpose_is_found_and_named_right(
    make: Make, fault: str, phases: str, rule: str
) -> None:
    fake = make()
    good, bad = fake.pci_addresses
    ended = run(fake, "--phases", phases, "--inject", f"{fault}@1")
    assert (ended.code, ended.verdict.result) == (2, "FAILED")
    # Where a CPU plays the GPU, what only takes time takes so much of it that the floor is missed too.
    assert ended.at(bad) - ({"below-floor"} if fault == "slow" else set()) == {rule}
    assert ended.at(good) == set()
    assert [gpu.result for gpu in ended.verdict.gpus] == ["OK", "FAILED"]


def test_a_flipped_copy_between_gpus_is_found(make: Make) -> None:
    fake = make()
    ended = run(fake, "--phases", "peer", "--inject", "flip-transfer@1")
    assert ended.code == 2
    wrong = next(event for event in ended.events if isinstance(event, e.Wrong))
    assert (wrong.gpu, wrong.peer) == tuple(fake.pci_addresses)


def test_a_wrong_result_names_its_place_and_both_values(make: Make) -> None:
    fake = make()
    ended = run(fake, "--phases", "gemm-bf16", "--inject", "flip-result@1")
    (wrong,) = (event for event in ended.events if isinstance(event, e.Wrong))
    assert wrong.gpu == fake.pci_addresses[1]
    assert wrong.row is not None and wrong.column is not None and wrong.address is not None
    assert int(wrong.expected, 16) ^ int(wrong.got, 16) == 1 << 5
    assert wrong.sm in (0, 1)


def test_a_hang_on_purpose_is_named_with_what_it_did_and_the_others_go_on(make: Make) -> None:
    fake = make(count=4)
    words = ("--phases", "gemm-bf16,bandwidth", "--inject", "hang@2", "--hang-seconds", "10")
    ended = run(fake, *words)
    assert ended.code == 2
    assert ended.at(fake.pci_addresses[2]) == {"hung"}
    (finding,) = ended.verdict.findings
    assert "gemm-bf16: multiplying" in finding.message
    assert [gpu.result for gpu in ended.verdict.gpus] == ["OK", "OK", "FAILED", "OK"]
    for index in (0, 1, 3):
        assert [event.phase for event in ended.phases(fake.pci_addresses[index])] == [
            "gemm-bf16",
            "bandwidth",
        ]


def test_a_pair_that_hangs_is_named_and_the_other_pairs_go_on(make: Make) -> None:
    fake = make(count=3)
    ended = run(fake, "--phases", "peer", "--inject", "hang@1", "--hang-seconds", "8")
    first, second, third = fake.pci_addresses
    assert ended.code == 2
    assert {rule for rule, _ in ended.rules} == {"hung"}
    (one, two) = (
        event for event in ended.events if isinstance(event, e.WorkerEnded) and event.ending == "hung"
    )
    assert (one.gpu, two.gpu) == (first, second)
    assert second in one.doing and third in two.doing
    pairs = {
        (event.gpu, event.peer) for event in ended.events if isinstance(event, e.PhaseEnded) and event.peer
    }
    assert pairs == {(first, third)}


# Faults of the machine.


def test_one_that_is_lost_among_four_is_named_and_the_others_go_on(make: Make) -> None:
    fake = make(count=4)
    fake.lose(1, "gemm_bf16*", nth=4)
    ended = run(fake, "--phases", "gemm-bf16,bandwidth,peer")
    assert ended.code == 2
    assert ended.at(fake.pci_addresses[1]) == {"failed", "unusable"}
    assert [gpu.result for gpu in ended.verdict.gpus] == ["OK", "FAILED", "OK", "OK"]
    pairs = {
        (event.gpu, event.peer) for event in ended.events if isinstance(event, e.PhaseEnded) and event.peer
    }
    left = [fake.pci_addresses[index] for index in (0, 2, 3)]
    assert pairs == {(left[0], left[1]), (left[0], left[2]), (left[1], left[2])}


def test_one_that_cannot_be_opened_is_named(make: Make) -> None:
    fake = make(count=2)
    fake.fail(46, "cuCtxCreate_v2", slot=1)
    ended = run(fake, "--phases", "bandwidth")
    assert ended.code == 2
    assert ended.at(fake.pci_addresses[1]) == {"unusable"}
    assert [gpu.result for gpu in ended.verdict.gpus] == ["OK", "FAILED"]


def test_one_that_is_reserved_is_not_judged_and_not_called_faulty(make: Make) -> None:
    fake = make()
    fake.set(1, "compute_mode", 3)  # one process, and that is another
    fake.fail(46, "cuCtxCreate_v2", 1)
    ended = run(fake, "--phases", "bandwidth")
    assert (ended.code, ended.rules) == (3, {("unusable", f"gpus/{fake.pci_addresses[1]}"): "Unknown"})
    assert "-c DEFAULT" in ended.verdict.findings[0].next_step


def test_one_that_cuda_counts_and_cannot_give_is_told(make: Make) -> None:
    fake = make(count=2)
    fake.fail(46, "cuDeviceGet", slot=1)
    ended = run(fake, "--phases", "bandwidth")
    assert ended.code == 2
    assert ended.rules == {("lost", "gpus"): "Critical"}
    ended = run(fake, "--phases", "bandwidth", "--gpus", "0")
    assert ended.code == 0, "whoever chooses knows what is left out"


def test_one_whose_driver_hangs_is_named(make: Make) -> None:
    fake = make(count=2)
    fake.hang(1, "memory_check*", nth=3)
    ended = run(fake, "--phases", "memory", "--hang-seconds", "6")
    assert ended.code == 2
    assert ended.at(fake.pci_addresses[1]) == {"hung"}
    assert ended.at(fake.pci_addresses[0]) == set()


def test_one_slower_than_its_peers_is_named(make: Make) -> None:
    fake = make(count=3)
    fake.slow(2, 3.0)
    ended = run(fake, "--phases", "gemm-bf16,bandwidth")
    assert ended.code == 2
    assert "slower-than-peers" in ended.at(fake.pci_addresses[2])
    assert ended.at(fake.pci_addresses[0]) == ended.at(fake.pci_addresses[1]) == set()


def test_all_slow_together_fall_below_the_floor_of_their_memory(make: Make) -> None:
    fake = make(count=2)
    for slot in range(2):
        fake.slow(slot, 3.0, "bandwidth*")
    ended = run(fake, "--phases", "bandwidth")
    assert ended.code == 2
    assert all(ended.at(address) == {"below-floor"} for address in fake.pci_addresses)


def test_a_kernel_that_is_loaded_first_is_not_taken_for_slow_memory(make: Make) -> None:
    fake = make(count=1)
    for kind in ("read", "write", "copy"):
        fake.wait(0, 0.5, f"bandwidth_{kind}", nth=1)  # so that there is time for one round alone
    ended = run(fake, "--phases", "bandwidth")
    assert (ended.code, ended.rules) == (0, {})


def test_a_known_model_is_judged_by_its_floor_even_alone(make: Make) -> None:
    fake = make("h100", count=1, memory_mib=128)
    phases = ("--phases", "gemm-bf16,gemm-fp8,bandwidth,transfer", "--size-mb", "40")
    ended = run(fake, *phases)
    assert ended.code == 0, ended.verdict.summary
    floors = {rate.phase: rate.floor.source for rate in ended.verdict.rates if rate.floor}
    assert "798 TFLOP/s" in floors["gemm-bf16"] and "Azure" in floors["transfer"]
    fake.slow(0, 3.0)
    ended = run(fake, *phases)
    assert ended.code == 2
    assert ended.at(fake.pci_addresses[0]) == {"below-floor"}
    slow = {rate.phase for rate in ended.verdict.rates if not rate.passed}
    assert slow == {"gemm-bf16", "gemm-fp8", "bandwidth", "transfer"}


def test_what_no_phase_loads_of_a_gpu_is_told_with_its_ok(make: Make) -> None:
    ended = run(make("b200", count=1), "--phases", "memory")
    assert ended.code == 0, ended.verdict.summary
    assert any("tcgen05" in note and "not tested" in note for note in ended.verdict.notes)


def test_rates_that_too_little_memory_makes_slow_are_not_judged(make: Make) -> None:
    fake = make("h100", count=1)
    fake.slow(0, 3.0)
    ended = run(fake, "--phases", "transfer", "--size-mb", "2")
    assert ended.code == 0
    assert any("too little memory for its rates to be judged" in note for note in ended.verdict.notes)


def test_a_bit_that_the_gpu_gets_wrong_is_found(make: Make) -> None:
    fake = make(count=2)
    for nth in range(5, 40):
        fake.flip(1, "gemm_bf16*", nth=nth, offset=4 * nth, bit=3)
    ended = run(fake, "--phases", "gemm-bf16")
    assert ended.code == 2
    assert ended.at(fake.pci_addresses[1]) == {"wrong-results"}


def test_a_constant_fault_is_found_from_the_first_result_on(make: Make) -> None:
    """A comparison with the GPU's own first answer would let this pass."""
    fake = make(count=1)
    fake.flip(0, "gemm_bf16*", nth=0, offset=400, bit=20)
    ended = run(fake, "--phases", "gemm-bf16")
    assert ended.code == 2
    assert ended.at(fake.pci_addresses[0]) == {"wrong-results"}


def test_nan_does_not_pass(make: Make) -> None:
    fake = make(count=1)
    fake.nan(0, "gemm_fp32*", nth=0, offset=1024)
    ended = run(fake, "--phases", "gemm-fp32")
    assert ended.code == 2
    (finding,) = ended.verdict.findings
    assert "NaN" in finding.message


def test_a_cell_that_keeps_its_value_is_found(make: Make) -> None:
    fake = make(count=2)
    fake.stick(1, 5 << 20, bit=3)
    ended = run_with(fake, "--seconds", "1", "--json", *ALONE, "--phases", "memory")
    assert ended.code == 2
    assert ended.at(fake.pci_addresses[1]) == {"wrong-results"}


def test_memory_that_cannot_be_had_is_not_covered(make: Make) -> None:
    fake = make(count=1)
    fake.withhold(0, 4 << 20)
    ended = run_with(fake, "--seconds", "1", "--json", *ALONE, "--phases", "memory")
    assert (ended.code, ended.verdict.result) == (3, "UNKNOWN")
    assert ended.at(fake.pci_addresses[0]) == {"coverage"}


# Nothing to run on.


@pytest.mark.parametrize(
    ("code", "said"),
    [(100, "NO_DEVICE"), (802, "fabric"), (803, "different versions"), (999, "UNKNOWN")],
)
def test_a_driver_that_does_not_start_is_no_ok(make: Make, code: int, said: str) -> None:
    fake = make()
    fake.fail(code)
    ended = run(fake)
    assert (ended.code, ended.verdict.result) == (3, "UNKNOWN")
    assert said in ended.verdict.summary


# What is told of itself by each worker that is run in place of the real one.
_TELLS_ITS_CACHE = """
import json, os, sys
task = json.loads(sys.stdin.readline())
gpu = (task.get("gpu") or task["gpus"][0])["id"]
folder = os.environ["CUDA_CACHE_PATH"]
with open(os.environ["NOTES"], "a") as file:
    file.write(f"{task['task']} {folder} {len(os.listdir(folder))}\\n")
open(os.path.join(folder, gpu), "w").close()
print(json.dumps({"event": "farewell", "gpu": gpu}), flush=True)
"""


@pytest.mark.parametrize("chosen", [False, True])
def test_what_the_driver_compiled_is_kept_for_the_whole_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: bool
) -> None:
    """Its own place is below the home folder, which a service has not: all pairs would wait for it again."""
    notes, script, own = tmp_path / "notes", tmp_path / "worker.py", tmp_path / "own"
    own.mkdir()
    script.write_text(_TELLS_ITS_CACHE)
    monkeypatch.setattr(supervisor, "worker_command", lambda: (sys.executable, str(script)))
    monkeypatch.setenv("NOTES", str(notes))
    monkeypatch.delenv("CUDA_CACHE_PATH", raising=False)
    if chosen:
        monkeypatch.setenv("CUDA_CACHE_PATH", str(own))
    options = Options(seconds=1, phases=("memory", "peer"), telemetry=False)
    selection = Selection((stress_gpu(0), stress_gpu(1)), whole_machine=True, faults={})
    order = Order(options, selection, built_in())
    asyncio.run(parent.run(order, lambda event: None, asyncio.Event(), lambda: None))
    told = [line.split() for line in notes.read_text().splitlines()]
    assert [task for task, _, _ in told] == ["load", "load", "copy-pairs"]
    (folder,) = {folder for _, folder, _ in told}
    assert told[-1][2] == "2", "what was made for the GPUs is there for the pairs"
    assert (folder == str(own)) == chosen
    assert Path(folder).exists() == chosen


def test_no_driver_is_no_ok() -> None:
    ended = run(None)
    assert (ended.code, ended.verdict.result) == (3, "UNKNOWN")
    assert "libcuda.so.1" in ended.verdict.summary


def test_no_gpu_is_no_ok(make: Make) -> None:
    ended = run(make(), more={"CUDA_VISIBLE_DEVICES": ""})
    assert (ended.code, ended.verdict.result) == (3, "UNKNOWN")


@pytest.mark.parametrize(
    ("code", "step"), [(221, "libnvidia-ptxjitcompiler1"), (223, "CUDA_DISABLE_PTX_JIT")]
)
def test_a_driver_that_may_not_compile_says_why_it_refused(make: Make, code: int, step: str) -> None:
    fake = make("next", count=1, targets=())
    fake.fail(code, "cuModuleLoadDataEx", 0)
    ended = run(fake, "--phases", "memory")
    assert (ended.code, ended.verdict.result) == (3, "UNKNOWN")
    assert step in ended.verdict.summary


def test_a_driver_too_old_for_the_kernels_is_no_ok(make: Make) -> None:
    ended = run(make("next", count=1, cuda=12040, targets=()), "--phases", "memory")
    assert (ended.code, ended.verdict.result) == (3, "UNKNOWN")
    assert "needs a driver" in ended.verdict.summary


def test_a_run_that_can_do_nothing_is_no_ok(make: Make) -> None:
    ended = run(make(), "--phases", "gemm-fp8")
    assert (ended.code, ended.verdict.result) == (3, "UNKNOWN")
    assert {rule for rule, _ in ended.rules} == {"nothing-ran"}


def test_without_the_gpu_service_it_is_not_judged(make: Make) -> None:
    more = {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"}
    ended = run_with(make(), *SMALL, "--phases", "bandwidth", more=more)
    assert (ended.code, ended.verdict.result) == (3, "UNKNOWN")
    assert ended.rules == {("not-watched", "gpus"): "Unknown"}
    assert all(
        isinstance(event.outcome, e.Completed) for event in ended.events if isinstance(event, e.PhaseEnded)
    )


def test_output_that_cannot_be_written_is_no_ok(make: Make) -> None:
    with Path("/dev/full").open("wb") as full:
        words = [*SMALL, *ALONE, "--phases", "bandwidth"]
        ended = subprocess.run(
            [*COMMAND, *words],
            env=environment(make()),
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert ended.returncode == 3
    assert b"the output cannot be written" in ended.stderr


def test_a_run_whose_reader_left_ends(make: Make) -> None:
    with Started(make(count=1), "--seconds", "600", "--phases", "bandwidth") as started:
        started.until(e.PhaseStarted)
        assert started.process.stdout is not None
        started.process.stdout.close()
        assert started.process.wait(20) == 3
        assert started.workers == []


# Which GPUs.


def test_the_visible_gpus_are_used_and_no_others(make: Make) -> None:
    fake = make(count=3)
    for visible in ("2,0", f"{fake.uuids[2]},{fake.uuids[0]}"):
        ended = run(fake, "--phases", "bandwidth", more={"CUDA_VISIBLE_DEVICES": visible})
        assert ended.code == 0
        assert [gpu.gpu for gpu in ended.verdict.gpus] == [fake.pci_addresses[2], fake.pci_addresses[0]]
        assert isinstance(ended.events[0], e.RunStarted)
        assert not ended.events[0].whole_machine


def test_a_visible_gpu_that_cuda_leaves_out_is_told(make: Make) -> None:
    ended = run(make(), "--phases", "bandwidth", more={"CUDA_VISIBLE_DEVICES": "0,5"})
    assert ended.code == 3
    assert "names 2 GPUs, and CUDA shows 1" in ended.verdict.summary


def test_gpus_are_chosen_by_name_and_a_wrong_name_is_refused(make: Make) -> None:
    fake = make(count=3)
    ended = run(fake, "--phases", "bandwidth", "--gpus", f"{fake.pci_addresses[2]},0")
    assert ended.code == 0
    assert {gpu.gpu for gpu in ended.verdict.gpus} == {fake.pci_addresses[0], fake.pci_addresses[2]}
    ended = run(fake, "--gpus", "7")
    assert ended.code == 3
    assert "there is no GPU 7" in ended.verdict.summary


def test_list_shows_what_would_be_used_and_loads_nothing(make: Make) -> None:
    fake = make(count=2)
    ended = subprocess.run(
        [*COMMAND, "--list", "--gpus", "1"],
        env=environment(fake),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0
    (line,) = ended.stdout.splitlines()
    assert fake.pci_addresses[1] in line and "Lab GPU" in line


# Ended before the end.


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_everything_within_a_second(make: Make, number: signal.Signals, code: int) -> None:
    with Started(make(count=2), "--seconds", "600", "--phases", "memory,bandwidth") as started:
        started.until(e.PhaseStarted, 2)
        time.sleep(0.5)
        exit_code, seconds = started.tell(number)
        assert (exit_code, started.workers) == (code, [])
        assert seconds < 1.5, "a second, and some for a busy machine"
        verdict = started.events[-1]
        assert isinstance(verdict, e.Verdict)
        assert verdict.result == "ABORTED"


def test_a_signal_ends_a_gpu_that_hangs_too(make: Make) -> None:
    with Started(make(count=1), "--phases", "memory", "--inject", "hang") as started:
        started.until(e.PhaseProgress, 3)
        time.sleep(1)
        exit_code, seconds = started.tell(signal.SIGTERM)
        assert (exit_code, started.workers) == (143, [])
        assert seconds < 2


def test_a_signal_ends_it_while_the_driver_hangs_in_its_start(make: Make) -> None:
    fake = make(count=1)
    fake.hang_call("cuInit")
    with Started(fake) as started:
        time.sleep(1)
        exit_code, seconds = started.tell(signal.SIGTERM)
        assert exit_code == 143
        assert seconds < 2.5


def test_workers_do_not_outlive_a_parent_that_was_killed(make: Make) -> None:
    with Started(make(count=2), "--seconds", "600", "--phases", "memory") as started:
        started.until(e.PhaseStarted, 2)
        assert len(started.workers) == 2
        started.process.kill()
        started.process.wait()
        deadline = time.monotonic() + 5
        while started.workers:
            assert time.monotonic() < deadline
            time.sleep(0.02)


# Installed.


def test_the_installed_program_finds_its_packages_and_its_kernels(make: Make, tmp_path: Path) -> None:
    staged = tmp_path / "staged"
    subprocess.run(["make", "install", f"DESTDIR={staged}"], cwd=ROOT, capture_output=True, check=True)
    program = staged / "usr/local/bin/bee-gpu-stress"
    (tmp_path / "bee_sat.py").write_text("raise SystemExit('somebody else')")
    command = (sys.executable, "-I", str(program))
    ended = run(make(count=1), "--phases", "bandwidth", command=command)
    assert ended.code == 0, ended.complaint
