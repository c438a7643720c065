"""The verdict on stress runs that went well, that went wrong, and that only look as if they had gone well."""

import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from bee_bus.documents.findings import Finding, Severity
from bee_bus.documents.gpus import EventSeverity, GpuEvent
from bee_sat.gpu_stress import events as e
from bee_sat.gpu_stress.events import Verdict
from bee_sat.gpu_stress.floors import built_in
from bee_sat.gpu_stress.plan import PEER, PHASES
from bee_sat.gpu_stress.verdict import exit_code, judge
from lab.stress import H100, START, Run, done, sample

UNKNOWN_MODEL = "NVIDIA Something New"


def verdict_of(run: Run) -> Verdict:
    return judge(run.events, built_in())


def rules_of(verdict: Verdict) -> dict[str, str]:
    """Rule → severity, without the "gpu-stress." that all have."""
    return {each.rule.removeprefix("gpu-stress."): each.severity for each in verdict.findings}


def found(verdict: Verdict, rule: str) -> Finding:
    return next(each for each in verdict.findings if each.rule == f"gpu-stress.{rule}")


def ended_of(index: int, ending: e.Ending, **more: Any) -> Callable[[Run], None]:
    """The worker of that GPU ends so, in the midst of its work."""

    def story(run: Run) -> None:
        gpu = run.gpus[index].id
        run.drop(
            lambda event: (
                (
                    isinstance(event, e.PhaseEnded)
                    and gpu in (event.gpu, event.peer)
                    and event.phase != "gemm-bf16"
                )
                or (isinstance(event, e.Farewell | e.WorkerEnded) and event.gpu == gpu)
            )
        )
        run.events.append(e.WorkerEnded(gpu=gpu, ending=ending, **more))

    return story


# What is OK.


@pytest.mark.parametrize("count", [1, 2, 8])
@pytest.mark.parametrize("seconds", [10, 600, 86_400])
def test_a_healthy_machine_is_ok(count: int, seconds: float) -> None:
    verdict = verdict_of(Run(count, seconds=seconds))
    assert (verdict.result, verdict.findings) == ("OK", ())
    assert exit_code(verdict, None) == 0
    assert [gpu.result for gpu in verdict.gpus] == ["OK"] * count
    assert f"{count} GPU" in verdict.summary


def test_what_the_hardware_has_not_does_not_spoil_it_and_is_told() -> None:
    verdict = verdict_of(
        Run(2, name="NVIDIA A40", capability=(8, 6), phases=("gemm-fp8", "gemm-fp64", "memory"))
    )
    assert verdict.result == "OK"
    assert any("gemm-fp8 is not supported: fp8 begins with Ada" in note for note in verdict.notes)


def test_without_telemetry_it_is_ok_on_the_arithmetic_alone_and_says_so() -> None:
    verdict = verdict_of(Run(2, telemetry=False))
    assert verdict.result == "OK"
    assert "not watched" in verdict.summary
    assert any("The GPU service was not asked" in note for note in verdict.notes)


def test_the_report_tells_power_against_the_limit_clocks_and_load_steps() -> None:
    run = Run(1)
    one = run.gpus[0]
    starts = [
        place
        for place, event in enumerate(run.events)
        if isinstance(event, e.PhaseStarted) and event.phase == "load-steps"
    ]
    run.events.insert(starts[0] + 1, sample(one, START + 500, power_instant_watts=120.0, clock_sm_mhz=345))
    run.events.insert(2, sample(one, START, power_instant_watts=90.0))
    (report,) = verdict_of(run).gpus
    assert (report.power_max_watts, report.power_limit_watts, report.power_share) == (680.0, 700.0, 0.9714)
    assert (report.sm_clock_min_mhz, report.sm_clock_max_mhz) == (1700, 1700), "while products ran"
    assert report.burst_power_watts == (120.0, 680.0)
    assert report.temperature_max_celsius == 66


# What only looks as if it had gone well. Each of these must never be OK.


def nothing_compared(run: Run) -> None:
    run.change(0, "gemm-bf16", compared=0)


def no_iterations(run: Run) -> None:
    run.change(0, "gemm-bf16", iterations=0)


def no_time(run: Run) -> None:
    run.change(1, "memory", seconds=0.0)


def nothing_checked(run: Run) -> None:
    run.change(0, "gemm-bf16", checked_share=0.0)


def rate_of_zero(run: Run) -> None:
    run.rate(1, "gemm-fp32", 0.0)


def all_rates_of_zero(run: Run) -> None:
    for index in range(2):
        run.rate(index, "bandwidth", 0.0)


def no_rate(run: Run) -> None:
    run.change(0, "gemm-bf16", rates=())


def check_not_proven(run: Run) -> None:
    run.change(0, "memory", self_proof=False)


def phase_never_ran(run: Run) -> None:
    run.drop(
        lambda event: (
            isinstance(event, e.PhaseEnded) and event.phase == "memory" and event.gpu == run.gpus[1].id
        )
    )


def pair_never_ran(run: Run) -> None:
    run.drop(lambda event: isinstance(event, e.PhaseEnded) and event.phase == PEER)


def left_out_silently(run: Run) -> None:
    run.change(0, "gemm-fp8", e.NotSupported(reason="did not feel like it"))


def pair_left_out(run: Run) -> None:
    run.change(0, PEER, e.NotSupported(reason="did not feel like it"))


def no_kernels(run: Run) -> None:
    run.change(0, "gemm-bf16", e.Errored(reason="no kernels", fault=False))


def no_last_word(run: Run) -> None:
    run.drop(lambda event: isinstance(event, e.Farewell) and event.gpu == run.gpus[1].id)


def nobody_saw_it_end(run: Run) -> None:
    run.drop(lambda event: isinstance(event, e.WorkerEnded) and event.gpu == run.gpus[1].id)


def cut_off(run: Run) -> None:
    del run.events[len(run.events) // 2 :]


def covered_too_little(run: Run) -> None:
    coverage = e.Coverage(tested_bytes=60 << 30, free_bytes=79 << 30, total_bytes=80 << 30)
    run.change(0, "memory", coverage=coverage)


def covered_nothing(run: Run) -> None:
    run.change(0, "memory", coverage=e.Coverage(tested_bytes=0, free_bytes=0, total_bytes=80 << 30))


def no_coverage(run: Run) -> None:
    run.change(0, "memory", coverage=None)


def never_watched(run: Run) -> None:
    run.drop(lambda event: isinstance(event, e.Telemetry | e.Looked | e.Sample))


def no_longer_watched(run: Run) -> None:
    run.events.append(e.Telemetry(watching=False, reason="the service ended"))


def never_sampled(run: Run) -> None:
    run.drop(lambda event: isinstance(event, e.Sample) and event.gpu == run.gpus[1].id)


def sampled_without_an_answer(run: Run) -> None:
    run.events = [
        msgspec.structs.replace(event, sample=None) if isinstance(event, e.Sample) else event
        for event in run.events
    ]


def no_look_after(run: Run) -> None:
    run.drop(lambda event: isinstance(event, e.Looked) and event.when == "after")


def unknown_to_the_service(run: Run) -> None:
    for place, event in enumerate(run.events):
        if isinstance(event, e.Looked):
            run.events[place] = msgspec.structs.replace(event, gpus=event.gpus[:1])


def divided(run: Run) -> None:
    run.look_before(0, mig_enabled=True)


def counter_gone(run: Run) -> None:
    run.look_after(0, ecc_volatile_uncorrected=None)


def counter_went_back(run: Run) -> None:
    run.look_before(0, ecc_volatile_uncorrected=3)


@pytest.mark.parametrize(
    ("story", "rule", "result"),
    [
        (nothing_compared, "nothing-compared", "FAILED"),
        (no_iterations, "nothing-compared", "FAILED"),
        (no_time, "nothing-compared", "FAILED"),
        (nothing_checked, "nothing-compared", "FAILED"),
        (rate_of_zero, "no-throughput", "FAILED"),
        (all_rates_of_zero, "no-throughput", "FAILED"),
        (no_rate, "no-throughput", "FAILED"),
        (check_not_proven, "check-not-proven", "UNKNOWN"),
        (phase_never_ran, "not-run", "UNKNOWN"),
        (pair_never_ran, "not-run", "UNKNOWN"),
        (left_out_silently, "left-out", "UNKNOWN"),
        (pair_left_out, "left-out", "UNKNOWN"),
        (no_kernels, "not-done", "UNKNOWN"),
        (no_last_word, "died", "FAILED"),
        (nobody_saw_it_end, "not-ended", "UNKNOWN"),
        (cut_off, "not-run", "UNKNOWN"),
        (covered_too_little, "coverage", "UNKNOWN"),
        (covered_nothing, "coverage", "UNKNOWN"),
        (no_coverage, "coverage", "UNKNOWN"),
        (never_watched, "not-watched", "UNKNOWN"),
        (no_longer_watched, "not-watched", "UNKNOWN"),
        (never_sampled, "not-watched", "UNKNOWN"),
        (sampled_without_an_answer, "not-watched", "UNKNOWN"),
        (no_look_after, "no-look-after", "UNKNOWN"),
        (unknown_to_the_service, "not-watched", "UNKNOWN"),
        (divided, "divided", "UNKNOWN"),
        (counter_gone, "ecc-uncorrected-unknown", "UNKNOWN"),
        (counter_went_back, "ecc-uncorrected-unknown", "UNKNOWN"),
    ],
)
def test_what_was_not_done_is_never_ok(story: Callable[[Run], None], rule: str, result: str) -> None:
    run = Run(2)
    story(run)
    verdict = verdict_of(run)
    assert verdict.result == result
    assert rule in rules_of(verdict)
    assert exit_code(verdict, None) == {"FAILED": 2, "UNKNOWN": 3}[result]


@pytest.mark.parametrize("kept", [0, 1])
def test_nothing_at_all_is_not_ok(kept: int) -> None:
    run = Run(2)
    del run.events[kept:]
    assert verdict_of(run).result == "UNKNOWN"


def test_no_gpu_and_no_phase_are_not_ok() -> None:
    for empty in ({"gpus": ()}, {"plan": ()}):
        run = Run(1)
        run.events[0] = msgspec.structs.replace(run.started, **empty)
        verdict = verdict_of(run)
        assert (verdict.result, exit_code(verdict, None)) == ("UNKNOWN", 3)


def test_a_gpu_that_could_do_none_of_it_is_not_ok() -> None:
    verdict = verdict_of(Run(2, name="NVIDIA A40", capability=(8, 6), phases=("gemm-fp8",)))
    assert verdict.result == "UNKNOWN"
    assert set(rules_of(verdict)) == {"nothing-ran"}


def test_every_event_is_needed_for_an_ok() -> None:
    """Whichever line is lost, a run never becomes OK by it; most lost lines end it as not OK."""
    run = Run(2, phases=("gemm-bf16", "memory", "peer"))
    needed = (e.RunStarted, e.PhaseEnded, e.Farewell, e.WorkerEnded, e.Telemetry, e.Looked)
    for place, event in enumerate(run.events):
        if isinstance(event, needed) and not (isinstance(event, e.WorkerEnded) and event.peers):
            rest = run.events[:place] + run.events[place + 1 :]
            assert judge(rest, built_in()).result != "OK", event


# What is wrong.


def test_a_wrong_result_is_told_with_its_place() -> None:
    run = Run(2)
    run.change(1, "gemm-bf16", wrong=3, compared=10**9)
    wrong = e.Wrong(
        gpu=run.gpus[1].id,
        phase="gemm-bf16",
        what="result",
        index=81920,
        row=10,
        column=0,
        sm=17,
        address="0x7f00",
        expected="0x40000000",
        got="0x40000001",
    )
    run.events.insert(5, wrong)
    verdict = verdict_of(run)
    finding = found(verdict, "wrong-results")
    assert verdict.result == "FAILED"
    assert finding.component == f"gpus/{run.gpus[1].id}"
    for part in ("3 of 1000000000 wrong", "row 10, column 0", "0x7f00", "SM 17", "0x40000000", "0x40000001"):
        assert part in finding.message
    assert [gpu.result for gpu in verdict.gpus] == ["OK", "FAILED"]


def test_each_phase_that_is_wrong_is_told_and_its_rounds_once() -> None:
    run = Run(1, seconds=7200)
    for place, event in enumerate(run.events):
        if isinstance(event, e.PhaseEnded) and event.phase in ("gemm-bf16", "memory"):
            outcome = msgspec.structs.replace(event.outcome, wrong=1)
            run.events[place] = msgspec.structs.replace(event, outcome=outcome)
    messages = [each.message for each in verdict_of(run).findings]
    assert len(messages) == 2
    assert "gemm-bf16:" in messages[0] and "memory:" in messages[1]


def test_nan_is_wrong_even_if_nobody_counted_it_so() -> None:
    run = Run(1)
    run.change(0, "gemm-fp16", not_finite=1)
    assert rules_of(verdict_of(run))["wrong-results"] == "Critical"


@pytest.mark.parametrize("phase", [phase for phase in PHASES if phase != PEER])
def test_a_wrong_result_of_any_phase_fails(phase: str) -> None:
    run = Run(2)
    run.change(0, phase, wrong=1)
    assert verdict_of(run).result == "FAILED"


def test_a_wrong_copy_between_two_gpus_fails() -> None:
    run = Run(3)
    run.change(1, PEER, wrong=1)
    assert "peer with GPU 2" in found(verdict_of(run), "wrong-results").message


def test_a_wrong_result_of_a_later_round_counts_too() -> None:
    run = Run(1, seconds=7200)
    last = max(each.round for each in run.started.plan)
    for place, event in enumerate(run.events):
        if isinstance(event, e.PhaseEnded) and (event.phase, event.round) == ("memory", last):
            outcome = msgspec.structs.replace(event.outcome, wrong=1)
            run.events[place] = msgspec.structs.replace(event, outcome=outcome)
    verdict = verdict_of(run)
    assert verdict.result == "FAILED"
    assert f"memory, round {last}" in found(verdict, "wrong-results").message


@pytest.mark.parametrize(
    ("ending", "more", "rule", "result"),
    [
        ("hung", {"message": "it said nothing for 30 s", "doing": "memory: pass 2"}, "hung", "FAILED"),
        ("died", {"message": "SIGSEGV ended it", "exit_code": -11}, "died", "FAILED"),
        ("died", {"message": "it ended with exit code 0", "exit_code": 0}, "died", "FAILED"),
        ("broken", {"message": "not JSON"}, "broken", "FAILED"),
        ("errored", {"message": "719", "fault": True}, "unusable", "FAILED"),
        ("errored", {"message": "no kernels", "fault": False}, "unusable", "UNKNOWN"),
    ],
)
def test_a_worker_that_does_not_come_to_its_end_is_named(
    ending: e.Ending, more: dict[str, Any], rule: str, result: str
) -> None:
    run = Run(4)
    ended_of(2, ending, **more)(run)
    verdict = verdict_of(run)
    assert verdict.result == result
    assert set(rules_of(verdict)) == {rule}, "what it did not do then is no finding of its own"
    assert found(verdict, rule).component == f"gpus/{run.gpus[2].id}"
    assert [gpu.result for gpu in verdict.gpus].count("OK") == 3


def test_a_pair_that_hangs_is_named_by_both() -> None:
    run = Run(2)
    run.drop(lambda event: isinstance(event, e.PhaseEnded) and event.phase == PEER)
    run.drop(lambda event: isinstance(event, e.WorkerEnded) and event.peers)
    doing = f"peer with {run.gpus[1].id}: copying"
    run.events.append(e.WorkerEnded(gpu=run.gpus[0].id, ending="hung", doing=doing, peers=True))
    verdict = verdict_of(run)
    assert verdict.result == "FAILED"
    assert run.gpus[1].id in found(verdict, "hung").message


def test_a_hang_beside_a_gpu_that_was_lost_is_to_be_run_again_without_that() -> None:
    run = Run(3)
    ended_of(0, "hung", message="it said nothing for 30 s", doing="memory: allocating")(run)
    assert "kernel log" in found(verdict_of(run), "hung").next_step
    run.happen(2, "xid", "Critical", "Xid 79: GPU has fallen off the bus", xid=79)
    verdict = verdict_of(run)
    assert rules_of(verdict) == {"hung": "Critical", "xid": "Critical"}
    assert "See to GPU 2 first" in found(verdict, "hung").next_step
    run.happen(0, "xid", "Critical", "Xid 119: timeout of the GPU's own processor", xid=119)
    assert "kernel log" in found(verdict_of(run), "hung").next_step, "it has its own"


def test_no_gpu_is_blamed_where_any_of_them_may_have_hung_the_start_of_the_pairs() -> None:
    run = Run(3)
    run.drop(lambda event: isinstance(event, e.PhaseEnded) and event.phase == PEER)
    run.drop(lambda event: isinstance(event, e.WorkerEnded) and event.peers)
    ended = e.WorkerEnded(gpu=run.gpus[0].id, ending="hung", message="silent", doing="starting", peers=True)
    run.events.append(ended)
    verdict = verdict_of(run)
    assert verdict.result == "FAILED"
    assert found(verdict, "hung").component == "gpus"
    results = [gpu.result for gpu in verdict.gpus]
    assert results == ["UNKNOWN", "UNKNOWN", "OK"], "the pairs that were promised did not run"


def test_memory_that_others_use_is_not_tested_and_never_ok() -> None:
    run = Run(1)
    coverage = e.Coverage(tested_bytes=39 << 30, free_bytes=40 << 30, total_bytes=80 << 30)
    run.change(0, "memory", coverage=coverage)
    verdict = verdict_of(run)
    assert (verdict.result, rules_of(verdict)) == ("UNKNOWN", {"memory-in-use": "Unknown"})


def test_a_bound_on_the_memory_is_what_was_promised() -> None:
    coverage = e.Coverage(tested_bytes=1000 << 20, free_bytes=79 << 30, total_bytes=80 << 30)
    for size_mb, result in ((1000, "OK"), (2000, "UNKNOWN")):
        run = Run(1, size_mb=size_mb)
        run.change(0, "memory", coverage=coverage)
        assert verdict_of(run).result == result


# Rates.


def test_all_slow_together_fail_by_the_floor() -> None:
    run = Run(4)
    for index in range(4):
        run.rate(index, "gemm-bf16", 300.0)
    verdict = verdict_of(run)
    assert verdict.result == "FAILED"
    finding = found(verdict, "below-floor")
    assert finding.threshold is not None
    assert finding.threshold.value == pytest.approx(518.7)
    assert "798" in finding.threshold.source


def test_one_slower_than_its_peers_fails_above_the_floor() -> None:
    run = Run(4)
    for index in range(4):
        run.rate(index, "gemm-bf16", 540.0 if index == 3 else 740.0)
    verdict = verdict_of(run)
    assert set(rules_of(verdict)) == {"slower-than-peers"}
    assert "73% of its peers' 740 TFLOP/s" in found(verdict, "slower-than-peers").message
    assert [gpu.result for gpu in verdict.gpus] == ["OK", "OK", "OK", "FAILED"]


def test_small_differences_are_normal() -> None:
    run = Run(8)
    chance = random.Random(8)
    for index in range(8):
        run.rate(index, "gemm-bf16", 700.0 * chance.uniform(0.95, 1.05))
    assert verdict_of(run).result == "OK"


def test_a_model_without_a_floor_has_its_peers() -> None:
    run = Run(4, name=UNKNOWN_MODEL)
    assert verdict_of(run).result == "OK"
    run.rate(0, "gemm-bf16", 200.0)
    assert set(rules_of(verdict_of(run))) == {"slower-than-peers"}


def test_with_neither_the_rate_is_reported_and_it_is_said_that_nothing_judged_it() -> None:
    verdict = verdict_of(Run(1, name=UNKNOWN_MODEL, phases=("gemm-bf16",)))
    assert verdict.result == "OK"
    assert any("No floor and no peers judged the rates of gemm-bf16" in note for note in verdict.notes)
    assert [rate.note for rate in verdict.rates] == ["nothing to judge it by"]


def test_other_models_are_no_peers() -> None:
    run = Run(2, name=UNKNOWN_MODEL, phases=("gemm-bf16",))
    gpus = (run.gpus[0], msgspec.structs.replace(run.gpus[1], name="NVIDIA Something Small"))
    run.events[0] = msgspec.structs.replace(run.started, gpus=gpus)
    run.rate(1, "gemm-bf16", 100.0)
    assert verdict_of(run).result == "OK"


def test_a_pair_is_compared_with_its_own_way_back_alone() -> None:
    run = Run(3)
    run.rate(0, PEER, 20.0)  # the first two are connected otherwise than the rest
    assert verdict_of(run).result == "OK"
    rates = (e.Rate(name="there", value=370.0, unit="GB/s"), e.Rate(name="back", value=90.0, unit="GB/s"))
    run.change(0, PEER, rates=rates)
    assert set(rules_of(verdict_of(run))) == {"slower-than-peers"}


def test_memory_is_judged_by_its_own_clock_where_the_model_is_not_known() -> None:
    run = Run(1, name=UNKNOWN_MODEL, phases=("bandwidth",))
    one = msgspec.structs.replace(run.gpus[0], memory_clock_hertz=2_619_000_000, memory_bus_bits=5120)
    run.events[0] = msgspec.structs.replace(run.started, gpus=(one,))
    assert verdict_of(run).result == "OK"
    run.rate(0, "bandwidth", 1500.0)
    finding = found(verdict_of(run), "below-floor")
    assert finding.threshold is not None
    assert finding.threshold.layer == "device"
    assert "5120 bits" in finding.threshold.source


def test_transfers_are_judged_by_the_link_where_the_model_is_not_known() -> None:
    run = Run(1, name=UNKNOWN_MODEL, phases=("transfer",))
    assert verdict_of(run).result == "OK"
    run.rate(0, "transfer", 30.0)
    assert "16 lanes at 32 GT/s" in str(found(verdict_of(run), "below-floor").threshold)


@pytest.mark.parametrize(
    ("link", "rule"),
    [
        (e.Link(speed_gtps=32.0, width=8, max_speed_gtps=32.0, max_width=16), "link-width"),
        (e.Link(speed_gtps=8.0, width=16, max_speed_gtps=32.0, max_width=16), "link-speed"),
    ],
)
def test_a_link_that_is_less_than_both_its_ends_can_do_fails(link: e.Link, rule: str) -> None:
    run = Run(2)
    run.change(1, "transfer", link=link)
    assert rules_of(verdict_of(run)) == {rule: "Critical"}


def test_a_link_that_nobody_can_read_is_no_fault() -> None:
    run = Run(2)
    run.change(1, "transfer", link=e.Link())
    assert verdict_of(run).result == "OK"


# What the GPU service saw.


@pytest.mark.parametrize(
    ("kind", "severity", "details", "rule"),
    [
        ("xid", "Critical", {"xid": 79}, "xid"),
        ("xid", "Warning", {"xid": 31}, "xid"),
        ("lost", "Critical", {}, "lost"),
        ("not-answering", "Critical", {}, "lost"),
        ("needs-reset", "Critical", {}, "lost"),
        ("no-power", "Critical", {}, "lost"),
        ("ecc-uncorrected", "Critical", {}, "ecc-uncorrected"),
        ("rows-remapped", "Warning", {}, "rows-remapped"),
        ("rows-remapped", "Critical", {}, "rows-remapped"),
        ("remap-pending", "Warning", {}, "rows-remapped"),
        ("remap-failed", "Critical", {}, "remap-failed"),
        ("pages-retired", "Warning", {}, "pages-retired"),
        ("recovery-action", "Critical", {}, "recovery-action"),
        ("nvlink-down", "Critical", {}, "nvlink"),
        ("nvlink-errors", "Warning", {}, "nvlink"),
        ("pcie-link-narrowed", "Warning", {"what": "width"}, "link-narrowed"),
        ("something-new", "Critical", {}, "something-new"),
    ],
)
def test_what_must_not_happen_under_load_fails(
    kind: str, severity: str, details: dict[str, Any], rule: str
) -> None:
    run = Run(2)
    run.happen(1, kind, severity, **details)
    verdict = verdict_of(run)
    assert verdict.result == "FAILED"
    assert rules_of(verdict) == {rule: "Critical"}
    assert found(verdict, rule).component == f"gpus/{run.gpus[1].id}"


@pytest.mark.parametrize(
    ("kind", "severity", "details"),
    [
        ("xid", "Info", {"xid": 45}),
        ("ecc-corrected", "Info", {}),
        ("pcie-replays", "Info", {}),
        ("nvlink-errors", "Info", {}),
        ("pcie-link-restored", "Info", {}),
        ("pcie-link-narrowed", "Warning", {"what": "generation"}),
    ],
)
def test_what_may_happen_under_load_does_not_fail(kind: str, severity: str, details: dict[str, Any]) -> None:
    run = Run(2)
    run.happen(0, kind, severity, **details)
    assert verdict_of(run).result == "OK"


@pytest.mark.parametrize(
    ("seconds", "back", "before", "result"),
    [
        (4.0, 1, "not-answering", "OK"),  # others were being started
        (31.0, 1, "not-answering", "FAILED"),  # so long is a hang
        (4.0, 0, "not-answering", "FAILED"),  # another one came back
        (4.0, 1, "lost", "FAILED"),
    ],
)
def test_a_gpu_whose_driver_was_busy_for_a_moment_is_not_lost(
    seconds: float, back: int, before: str, result: str
) -> None:
    run = Run(2)
    run.happen(1, "not-answering", "Critical", before="ok")
    run.happen(back, "back", "Info", at=START + 100 + seconds, before=before)
    verdict = verdict_of(run)
    assert verdict.result == result
    if result == "OK":
        assert rules_of(verdict) == {"not-answering": "Warning"}, "it is told"


def test_a_driver_that_goes_away_is_everybodys() -> None:
    run = Run(2)
    run.happen(None, "driver-gone", "Critical")
    assert verdict_of(run).result == "FAILED"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"ecc_volatile_uncorrected": 1}, "ecc-uncorrected"),
        ({"remapped_rows_uncorrected": 1}, "rows-remapped"),
        ({"remapped_rows_corrected": 2}, "rows-remapped"),
        ({"remapped_rows_pending": True}, "rows-remapped"),
        ({"remap_failed": True}, "remap-failed"),
        ({"condition": "lost", "trouble": "it fell off the bus"}, "lost"),
        ({"xids": {"63": 1}}, "xid"),
    ],
)
def test_what_the_load_added_fails(changes: dict[str, Any], rule: str) -> None:
    run = Run(2)
    run.look_after(1, **changes)
    assert rules_of(verdict_of(run)) == {rule: "Critical"}


def test_a_gpu_that_is_not_among_those_of_the_look_after_is_lost() -> None:
    run = Run(2)
    for place, event in enumerate(run.events):
        if isinstance(event, e.Looked) and event.when == "after":
            run.events[place] = msgspec.structs.replace(event, gpus=event.gpus[:1])
    verdict = verdict_of(run)
    assert rules_of(verdict) == {"lost": "Critical"}
    assert found(verdict, "lost").component == f"gpus/{run.gpus[1].id}"


def test_what_was_there_before_does_not_fail() -> None:
    run = Run(1)
    for when in (run.look_before, run.look_after):
        when(
            0,
            ecc_volatile_uncorrected=7,
            remapped_rows_uncorrected=3,
            remapped_rows_pending=True,
            xids={"63": 2},
        )
    assert verdict_of(run).result == "OK"


@pytest.mark.parametrize(
    ("rule", "severity", "result"),
    [
        ("nvlink-down", "Critical", "FAILED"),
        ("remap-pending", "Warning", "FAILED"),  # out of use until its row has been replaced
        ("ecc-off", "Warning", "OK"),
        ("xid", "Critical", "OK"),  # of another day: it is shown
        ("log-unread", "Unknown", "OK"),  # the looks tell whether something was added
    ],
)
def test_what_is_wrong_with_a_gpu_before_is_no_less_wrong_for_a_load_that_went_well(
    rule: str, severity: Severity, result: str
) -> None:
    run = Run(2)
    component = f"gpus/{run.gpus[1].id}"
    wrong = Finding(
        rule=f"gpus.{rule}",
        severity=severity,
        component=component,
        where="slot 3",
        message="all NVLinks are down",
        next_step="Reseat it.",
    )
    run.look_before(1, findings=(wrong,))
    run.look_after(1, findings=(wrong,))
    verdict = verdict_of(run)
    assert verdict.result == result
    assert [gpu.result for gpu in verdict.gpus] == ["OK", result]
    told = [(one.component, one.message) for one in verdict.findings]
    assert told == (
        [] if severity == "Unknown" else [(component, f"before the load already: {wrong.message}")]
    )


def test_a_gpu_that_cuda_does_not_show_is_missing() -> None:
    run = Run(3)
    gpus = run.started.gpus[:2]
    plan = tuple(each for each in run.started.plan if each.gpu != run.gpus[2].id)
    for chosen, result in ((True, "FAILED"), (False, "OK")):
        run.events[0] = msgspec.structs.replace(run.started, gpus=gpus, plan=plan, whole_machine=chosen)
        assert verdict_of(run).result == result
        assert ("missing" in rules_of(verdict_of(run))) == chosen


@pytest.mark.parametrize(
    ("reason", "severity", "seconds", "rules", "result"),
    [
        ("sw-power-cap", "Info", 590.0, {}, "OK"),
        ("sw-thermal", "Warning", 100.0, {"slowed-sw-thermal": "Warning"}, "OK"),
        ("hw-thermal", "Critical", 2.0, {"slowed-hw-thermal": "Warning"}, "OK"),
        ("hw-thermal", "Critical", 30.0, {"slowed-hw-thermal": "Critical"}, "FAILED"),
        ("hw-power-brake", "Critical", 30.0, {"slowed-hw-power-brake": "Critical"}, "FAILED"),
        ("hw-slowdown", "Critical", 30.0, {"slowed-hw-slowdown": "Critical"}, "FAILED"),
    ],
)
def test_slowdowns_by_the_hardware_fail_when_they_last(
    reason: str, severity: str, seconds: float, rules: dict[str, str], result: str
) -> None:
    run = Run(1)
    run.happen(0, "throttle-begin", severity, at=START + 1, reason=reason)
    run.happen(0, "throttle-end", "Info", at=START + 600, reason=reason, seconds=seconds)
    verdict = verdict_of(run)
    assert (verdict.result, rules_of(verdict)) == (result, rules)
    assert [(each.reason, each.seconds) for each in verdict.gpus[0].throttled] == [(reason, seconds)]


@pytest.mark.parametrize(
    ("set_by", "told"),
    [
        pytest.param(86_400.0, 86_430.0, id="forward while it lasts"),
        pytest.param(-86_400.0, -86_370.0, id="back while it lasts"),
        pytest.param(86_400.0, 30.0, id="forward afterwards"),
        pytest.param(-86_400.0, 30.0, id="back afterwards"),
    ],
)
@pytest.mark.parametrize(("lasted", "result"), [(2.0, "OK"), (30.0, "FAILED")])
def test_a_clock_that_is_set_meanwhile_makes_no_slowdown_longer_or_shorter(
    set_by: float, told: float, lasted: float, result: str
) -> None:
    """Neither the time of the run nor that of the slowdown goes by the clock of the day."""
    run = Run(1)
    run.happen(0, "throttle-begin", "Critical", at=START + 100, reason="hw-thermal")
    told += lasted - 30.0
    run.happen(0, "throttle-end", "Info", at=START + 100 + lasted, reason="hw-thermal", seconds=told)
    half = len(run.events) // 2
    run.events[half:] = [
        msgspec.structs.replace(event, unix_seconds=event.unix_seconds + set_by)
        for event in run.events[half:]
    ]
    verdict = verdict_of(run)
    assert verdict.result == result
    assert [each.seconds for each in verdict.gpus[0].throttled] == [lasted]


def test_what_comes_by_the_thousand_hides_nothing_that_comes_after_it() -> None:
    run = Run(2)
    for second in range(12_000):
        run.events.append(corrected_error(run, START + second / 20))
    run.events.append(event_of(run, "nvlink-down", "Critical"))
    assert rules_of(verdict_of(run)) == {"nvlink": "Critical"}


def corrected_error(run: Run, at: float) -> e.Happened:
    return msgspec.structs.replace(event_of(run, "pcie-replays", "Info"), steady_seconds=at)


def event_of(run: Run, kind: str, severity: EventSeverity, **details: str) -> e.Happened:
    news = GpuEvent(
        unix_seconds=START + 600,
        gpu=run.gpus[0].id,
        kind=kind,
        severity=severity,
        message=kind,
        details=dict(details),
    )
    return e.Happened(news=news, steady_seconds=START + 600)


def test_a_link_whose_speed_flaps_is_still_seen_to_lose_its_lanes() -> None:
    run = Run(1)
    run.events += [event_of(run, "pcie-link-narrowed", "Warning", what="generation") for _ in range(500)]
    assert verdict_of(run).result == "OK"
    run.events.append(event_of(run, "pcie-link-narrowed", "Warning", what="width"))
    assert rules_of(verdict_of(run)) == {"link-narrowed": "Critical"}


def test_a_slowdown_that_does_not_end_lasts_until_the_last_sample() -> None:
    run = Run(1)
    run.happen(0, "throttle-begin", "Critical", reason="hw-thermal")
    run.events.append(sample(run.gpus[0], START + 400))
    assert rules_of(verdict_of(run)) == {"slowed-hw-thermal": "Critical"}


# Faults on purpose, and ends before the end.


def test_a_fault_on_purpose_that_is_found_fails() -> None:
    run = Run(2)
    run.events[0] = msgspec.structs.replace(run.started, injections=(f"nan@{run.gpus[1].id}",))
    run.change(1, "gemm-bf16", wrong=1, not_finite=1)
    verdict = verdict_of(run)
    assert set(rules_of(verdict)) == {"wrong-results"}
    assert any("made on purpose" in note for note in verdict.notes)


def test_a_fault_on_purpose_that_nobody_finds_is_never_ok() -> None:
    run = Run(2)
    run.events[0] = msgspec.structs.replace(run.started, injections=(f"nan@{run.gpus[1].id}",))
    run.change(0, "gemm-bf16", wrong=1)  # at another GPU it does not count
    assert rules_of(verdict_of(run))["missed-nan"] == "Unknown"


@pytest.mark.parametrize(("signal", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_run_that_was_ended_is_aborted(signal: str, code: int) -> None:
    run = Run(2)
    cut_off(run)
    stopped = e.Stopped(signal=signal)
    run.events += [
        *(e.WorkerEnded(gpu=gpu.id, ending="aborted") for gpu in run.gpus),
        stopped,
    ]
    verdict = verdict_of(run)
    assert verdict.result == "ABORTED"
    assert exit_code(verdict, stopped) == code
    assert signal in verdict.summary


def test_a_run_that_was_ended_after_a_wrong_result_has_failed() -> None:
    run = Run(2)
    run.change(0, "gemm-bf16", wrong=1)
    stopped = e.Stopped(signal="SIGTERM")
    run.events.append(stopped)
    verdict = verdict_of(run)
    assert (verdict.result, exit_code(verdict, stopped)) == ("FAILED", 2)


# The lines.


def test_the_verdict_can_be_computed_again_from_the_lines() -> None:
    run = Run(2)
    run.change(1, "memory", wrong=2)
    lines = [e.line(event) for event in run.events]
    again = judge([e.read(line) for line in lines], built_in())
    first = verdict_of(run)
    now = {"unix_seconds": 0, "steady_seconds": 0}
    assert msgspec.structs.replace(again, **now) == msgspec.structs.replace(first, **now)


@pytest.mark.parametrize("cut", [1, 10, 50])
def test_a_line_that_was_cut_off_is_no_event(cut: int) -> None:
    whole = e.line(e.PhaseEnded(gpu="g", phase="memory", outcome=done("memory")))
    with pytest.raises(e.BadLine):
        e.read(whole[: -cut - 1])


@pytest.mark.parametrize(
    "line", [b"", b"{}", b"[]", b'{"event":"other"}', b"\xff\xfe", b'{"event":"farewell"}']
)
def test_what_is_no_event_is_refused(line: bytes) -> None:
    with pytest.raises(e.BadLine):
        e.read(line)


def test_a_phase_that_did_not_run_cannot_carry_numbers() -> None:
    text = (
        b'{"event":"phase-ended","gpu":"g","phase":"memory","outcome":{"execution":"errored","compared":5}}'
    )
    with pytest.raises(e.BadLine):
        e.read(text)


def test_the_floor_names_are_those_that_the_driver_gives() -> None:
    assert built_in().models[H100] == "h100-sxm"
