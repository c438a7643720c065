"""The verdict on a run. OK is looked for, never left over."""

import random
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bee_bus.documents.findings import Finding, Severity, Threshold
from bee_bus.documents.sat import (
    Aborted,
    Completed,
    Errored,
    Interrupted,
    Outcome,
    SatResult,
    Skipped,
)
from bee_sat.ending import result_json
from bee_sat.evidence import parse_records
from bee_sat.judge import judge
from bee_sat.records import (
    CommandEnded,
    CommandStarted,
    Found,
    KernelLogKept,
    LookTaken,
    Planned,
    Record,
    RunEnded,
    RunStarted,
    StepEnded,
    StepStarted,
)
from lab.sat_runs import (
    FAILED,
    PASSED,
    RecordedRun,
    at,
    changed,
    finding,
    gpus,
    recorded_run,
    server,
)

NOT_JUDGED = "not judged: "


def verdict(run: RecordedRun, **more: Any) -> SatResult:
    return judge(run.records, run.looks, **more)


def status(run: RecordedRun) -> tuple[str, str]:
    result = verdict(run)
    return result.status, result.reason


def test_a_run_whose_steps_all_passed_and_whose_looks_agree_is_ok() -> None:
    result = verdict(recorded_run())
    assert (result.status, result.reason) == ("OK", "")
    assert [(step.name, step.status) for step in result.steps] == [("step-1", "OK"), ("step-2", "OK")]
    assert (result.findings, result.counters, result.kernel_messages) == ((), (), 2)
    assert (result.duration_seconds, result.system_serial) == (603.0, "SRV0042")
    step = result.steps[0]
    assert (step.command, step.exit_code, step.output) == (("memtester", "64M", "1"), 0, "step-1.txt")


def test_so_is_one_that_looked_at_gpus() -> None:
    assert status(recorded_run(before=gpus())) == ("OK", "")


# Steps and the run as a whole

STOPPED = Aborted(reason="user 1000 cancelled it")
KILLED = Interrupted(reason="the service was killed")
NO_TOOL = Skipped(reason="memtester is not installed")
HUNG = Errored(reason="hung, killed while it tested")


@pytest.mark.parametrize(
    ("outcomes", "promised", "ended", "expected"),
    [
        ((PASSED, FAILED), (), PASSED, "FAILED"),
        ((PASSED, HUNG), (), PASSED, "FAILED"),
        ((PASSED, NO_TOOL), (), PASSED, "UNSUPPORTED"),
        ((PASSED, NO_TOOL), (True, False), PASSED, "OK"),
        ((NO_TOOL, NO_TOOL), (False, False), PASSED, "UNSUPPORTED"),
        ((FAILED, NO_TOOL), (), PASSED, "FAILED"),
        ((FAILED, PASSED), (False, True), PASSED, "FAILED"),
        ((PASSED, STOPPED), (), PASSED, "ABORTED"),
        ((PASSED, KILLED), (), PASSED, "INTERRUPTED"),
        ((PASSED, STOPPED), (), STOPPED, "ABORTED"),
        ((PASSED, STOPPED), (), KILLED, "INTERRUPTED"),
        ((FAILED, STOPPED), (), STOPPED, "FAILED"),
        ((PASSED, PASSED), (), STOPPED, "ABORTED"),
        ((PASSED, PASSED), (), KILLED, "INTERRUPTED"),
        ((PASSED, PASSED), (), HUNG, "FAILED"),
        ((PASSED, PASSED), (), FAILED, "FAILED"),
        ((PASSED, PASSED), (), NO_TOOL, "UNSUPPORTED"),
        ((STOPPED, NO_TOOL), (), STOPPED, "ABORTED"),
    ],
)
def test_what_the_steps_and_the_end_add_up_to(
    outcomes: tuple[Outcome, ...], promised: tuple[bool, ...], ended: Outcome, expected: str
) -> None:
    result = verdict(recorded_run(*outcomes, promised=promised, ended=ended))
    assert result.status == expected
    assert bool(result.reason) == (expected != "OK")


def test_a_step_that_gave_no_verdict_says_what_to_do_and_blames_nothing() -> None:
    result = verdict(recorded_run(FAILED, HUNG))
    assert result.steps[0].findings == (), "it failed by its result"
    (told,) = result.steps[1].findings
    assert (told.rule, told.severity) == ("sat.no-verdict", "Unknown")
    assert HUNG.reason in told.message and "run again" in told.next_step
    assert "output" in told.next_step
    never = verdict(recorded_run(PASSED, ended=HUNG).without(StepStarted)).steps[0].findings
    assert [one.rule for one in never] == ["sat.no-verdict"] and "output" not in never[0].next_step


def test_a_step_that_gave_no_verdict_but_found_something_says_only_that() -> None:
    critical = finding("Critical", "memory/DIMM_A1")
    result = verdict(recorded_run(HUNG, found=[critical]))
    assert result.steps[0].findings == (critical,)


def test_the_reason_says_which_step_and_why() -> None:
    assert status(recorded_run(FAILED, HUNG)) == (
        "FAILED",
        "step-1: 3 errors at address 0x1000 (and 1 more)",
    )
    assert status(recorded_run(PASSED, NO_TOOL)) == ("UNSUPPORTED", "step-2: memtester is not installed")
    assert status(recorded_run(ended=STOPPED)) == ("ABORTED", "user 1000 cancelled it")


@pytest.mark.parametrize(
    ("severity", "expected"), [("Warning", "OK"), ("Critical", "FAILED"), ("Unknown", "FAILED")]
)
def test_a_finding_of_a_step_weighs_more_than_its_outcome(severity: Severity, expected: str) -> None:
    result = verdict(recorded_run(found=[finding(severity)]))
    assert (result.status, result.steps[0].status) == (expected, expected)
    assert result.steps[0].findings == (finding(severity),)
    if severity == "Unknown":
        assert result.steps[0].reason == f"{NOT_JUDGED}It is wrong"


@pytest.mark.parametrize(
    ("severity", "expected"), [("Warning", "OK"), ("Critical", "FAILED"), ("Unknown", "FAILED")]
)
def test_a_finding_of_the_run_as_a_whole_counts_as_much(severity: Severity, expected: str) -> None:
    run = recorded_run()
    run.records.insert(-1, Found(at=at(602), step="", finding=finding(severity)))
    assert status(run)[0] == expected


def test_an_aborted_run_is_not_failed_for_what_it_did_not_look_at() -> None:
    run = recorded_run(PASSED, STOPPED, ended=STOPPED).without(KernelLogKept)
    run.records = [one for one in run.records if not (isinstance(one, LookTaken) and one.when == "after")]
    assert status(run) == ("ABORTED", "user 1000 cancelled it")


def test_what_a_step_has_found_is_not_forgotten_because_it_was_told_to_end() -> None:
    run = recorded_run(PASSED, STOPPED, ended=STOPPED)
    ending = next(
        n for n, one in enumerate(run.records) if isinstance(one, StepEnded) and one.step == "step-2"
    )
    run.records.insert(ending, Found(at=at(20), step="step-2", finding=finding("Critical")))
    assert [step.status for step in verdict(run).steps] == ["OK", "FAILED"]
    assert status(run)[0] == "FAILED"


def test_steps_that_were_cut_short_end_as_the_run_did() -> None:
    run = recorded_run(ended=KILLED)
    run.records = [one for one in run.records if not isinstance(one, StepEnded)]
    run.records = [one for one in run.records if not (isinstance(one, StepStarted) and one.step == "step-2")]
    first, second = verdict(run).steps
    assert (first.status, first.reason) == ("INTERRUPTED", "it was under way: the service was killed")
    assert (second.status, second.reason) == ("INTERRUPTED", "its turn never came: the service was killed")


# Records that are not all there


def lines_cut_at(content: bytes, end: int) -> SatResult:
    records, damaged_lines = parse_records(content[:end])
    return judge(records, recorded_run().looks, damaged_lines=damaged_lines)


def test_records_that_are_cut_off_at_the_end_of_a_line_are_never_ok() -> None:
    content = recorded_run().lines
    ends = [index for index, byte in enumerate(content) if byte == ord("\n")]
    for end in ends:
        for place in (end - 1, end, end + 1):
            assert (lines_cut_at(content, place).status == "OK") == (place == len(content))


@given(st.integers(0, len(recorded_run().lines) - 1))
@settings(max_examples=150, deadline=None)
def test_records_that_are_cut_off_anywhere_are_interrupted(end: int) -> None:
    result = lines_cut_at(recorded_run().lines, end)
    assert result.status == "INTERRUPTED" and result.reason


@given(st.binary(max_size=200), st.integers(0, len(recorded_run().lines)))
@settings(max_examples=100, deadline=None)
def test_garbage_among_the_records_is_never_ok(garbage: bytes, place: int) -> None:
    content = recorded_run().lines
    records, damaged = parse_records(content[:place] + b"\0" + garbage + content[place:])
    assert judge(records, recorded_run().looks, damaged_lines=damaged).status != "OK"


def test_a_run_is_ok_only_with_every_single_record_of_it() -> None:
    whole = recorded_run()
    for index, record in enumerate(whole.records):
        less = RecordedRun(whole.records[:index] + whole.records[index + 1 :], whole.looks)
        assert verdict(less).status != "OK", f"without {record}"


def test_a_record_that_is_there_twice_makes_nobody_sure() -> None:
    whole = recorded_run()
    for index, record in enumerate(whole.records):
        more = RecordedRun([*whole.records[:index], record, *whole.records[index:]], whole.looks)
        assert verdict(more).status != "OK", f"twice {record}"


def test_records_in_any_other_order_never_fail_the_judge_and_rarely_please_it() -> None:
    order = random.Random(7)
    whole = recorded_run()
    for _ in range(200):
        records = list(whole.records)
        order.shuffle(records)
        assert judge(records, whole.looks).status != "OK"


def move(run: RecordedRun, kind: type, place: int, when: str | None = None) -> RecordedRun:
    records: list[Record] = list(run.records)
    (moved, *_) = [
        one for one in records if isinstance(one, kind) and (when is None or getattr(one, "when", "") == when)
    ]
    records.remove(moved)
    records.insert(place if place >= 0 else len(records) + 1 + place, moved)
    return RecordedRun(records, run.looks)


@pytest.mark.parametrize(
    ("kind", "place", "when", "said"),
    [
        (RunStarted, 3, None, "the records do not begin with the start of the run"),
        (RunEnded, 5, None, "there are records after the end of the run"),
        (LookTaken, 6, "before", "the look at audit before the load was taken after its begin"),
        (LookTaken, 5, "after", "the look at audit after the load was taken before its end"),
        (StepEnded, 3, None, "the step step-1 was started after its end"),
        (CommandEnded, 4, None, "a command of the step step-1 ended that was not started"),
    ],
)
def test_records_out_of_order_are_not_judged(kind: type, place: int, when: str | None, said: str) -> None:
    state, reason = status(move(recorded_run(), kind, place, when))
    assert state == "FAILED" and reason.startswith(NOT_JUDGED) and said in reason


def test_a_plan_that_came_after_its_steps_is_no_plan() -> None:
    result = verdict(move(recorded_run(), Planned, -2))
    assert (result.status, [step.status for step in result.steps]) == ("FAILED", ["FAILED", "FAILED"])


def test_a_step_that_nobody_planned_is_not_judged() -> None:
    run = recorded_run()
    run.records.insert(5, StepStarted(at=at(4), step="step-9"))
    assert status(run) == (
        "FAILED",
        f"{NOT_JUDGED}there are records of a step 'step-9' that was not planned",
    )


def test_a_finding_of_a_step_that_nobody_planned_still_fails_the_run() -> None:
    run = recorded_run()
    run.records.insert(5, Found(at=at(4), step="step-9", finding=finding("Critical")))
    assert status(run) == ("FAILED", "It is wrong")


def test_a_plan_without_steps_is_not_ok() -> None:
    run = recorded_run()
    run.records = [
        msgspec.structs.replace(one, steps=()) if isinstance(one, Planned) else one
        for one in run.records
        if not hasattr(one, "step")
    ]
    assert status(run) == ("FAILED", f"{NOT_JUDGED}the plan has no steps")
    assert status(run.without(Planned)) == ("FAILED", f"{NOT_JUDGED}nothing was planned")


def test_a_step_that_was_planned_twice_is_not_judged() -> None:
    run = recorded_run()
    run.records = [
        msgspec.structs.replace(one, steps=(*one.steps, one.steps[0])) if isinstance(one, Planned) else one
        for one in run.records
    ]
    assert "planned twice" in status(run)[1] and status(run)[0] == "FAILED"


def test_no_records_at_all_are_not_ok() -> None:
    assert judge((), {}).status == "INTERRUPTED"
    assert judge((), {}, damaged_lines=3).status == "INTERRUPTED"
    assert judge((RunEnded(at=at(1), outcome=PASSED),), {}).status == "FAILED"


def test_a_step_that_passed_without_having_been_started_has_not_passed() -> None:
    run = recorded_run()
    run.records = [
        one
        for one in run.records
        if not isinstance(one, StepStarted | CommandStarted | CommandEnded) or one.step != "step-1"
    ]
    result = verdict(run)
    assert (result.status, result.steps[0].status) == ("FAILED", "FAILED")


def test_a_run_under_way_has_no_verdict_yet() -> None:
    run = recorded_run(ended=None)
    result = verdict(run, under_way=True)
    assert (result.status, result.reason, result.finished_at) == ("RUNNING", "", None)
    half = RecordedRun(run.records[:5], run.looks)
    assert [step.status for step in verdict(half, under_way=True).steps] == ["RUNNING", "RUNNING"]
    assert verdict(recorded_run(), under_way=True).status == "OK"  # it ended while somebody asked
    assert verdict(run).status == "INTERRUPTED"


# Looks

Change = Callable[[RecordedRun], None]


def with_looks(run: RecordedRun, edit: Callable[[LookTaken], LookTaken | None]) -> RecordedRun:
    records: list[Record] = []
    for one in run.records:
        kept = edit(one) if isinstance(one, LookTaken) else one
        records += [kept] if kept is not None else []
    return RecordedRun(records, run.looks)


@pytest.mark.parametrize("set_by", [28_800, -28_800])
@pytest.mark.parametrize(("replays", "state"), [(200, "OK"), (400, "FAILED")])
def test_a_clock_that_is_set_meanwhile_changes_no_rate_and_no_time(
    set_by: int, replays: int, state: str
) -> None:
    """307 replays are what 16 lanes may have in ten minutes; for a clock that is set it would be others."""
    before = gpus()
    counted = ("gpus", 0, "state", "counters", "pcie_replays")
    run = recorded_run(before=before, after=changed(before, counted, lambda count: count + replays))
    for place, one in enumerate(run.records):
        if isinstance(one, RunStarted | LookTaken | StepStarted | StepEnded | RunEnded):
            since = datetime.fromisoformat(one.at) - datetime.fromisoformat(at(0))
            seconds = int(since.total_seconds())
            day = at(seconds + (set_by if seconds > 100 else 0))
            run.records[place] = msgspec.structs.replace(one, at=day, steady_seconds=5000.0 + seconds)
    result = verdict(run)
    assert result.status == state
    assert (result.duration_seconds, result.steps[0].duration_seconds) == (603.0, 597.0)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_look_that_failed_leaves_the_run_not_judged(when: str) -> None:
    def fail(look: LookTaken) -> LookTaken:
        if look.when != when:
            return look
        return msgspec.structs.replace(look, artifact=None, error="the audit service does not answer")

    state, reason = status(with_looks(recorded_run(), fail))
    assert state == "FAILED" and reason.startswith(NOT_JUDGED)
    assert "the audit service does not answer" in reason and when in reason


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema_version": "1.0"}', b"\xff\xfe"])
def test_a_look_that_cannot_be_read_leaves_the_run_not_judged(content: bytes) -> None:
    run = recorded_run()
    run.looks["look-after-audit.json"] = content
    assert status(run)[1].startswith(f"{NOT_JUDGED}The look of the audit after the load cannot be read")


def test_a_look_whose_file_is_gone_leaves_the_run_not_judged() -> None:
    run = recorded_run()
    del run.looks["look-before-audit.json"]
    assert "is not there" in status(run)[1] and status(run)[0] == "FAILED"


def test_looks_that_nobody_took_although_the_pack_wanted_them_are_missed() -> None:
    run = recorded_run().without(LookTaken)
    state, reason = status(run)
    assert state == "FAILED" and "The look of the audit before the load is missing" in reason
    started = run.records[0]
    assert isinstance(started, RunStarted)
    run.records[0] = msgspec.structs.replace(started, looks=())
    assert status(run) == ("OK", "")


@pytest.mark.parametrize(
    ("before", "after", "loaded", "state"),
    [
        ("Unknown", "Unknown", True, "FAILED"),
        ("Unknown", "Unknown", False, "OK"),  # a GPU that the run left alone
        ("Unknown", None, True, "OK"),  # it was only not read yet
        ("Warning", "Warning", True, "OK"),
    ],
)
def test_a_gpu_whose_errors_nobody_can_read_is_not_proven_by_its_load(
    before: Severity, after: Severity | None, loaded: bool, state: str
) -> None:
    def told(severity: Severity | None) -> list[Finding]:
        return [finding(severity, "gpus/0000:53:00.0", "gpus.ecc-unread")] if severity else []

    run = recorded_run(before=gpus(*told(before)), after=gpus(*told(after)))
    started = run.records[0]
    assert isinstance(started, RunStarted)
    held = ("gpu/0000:53:00.0", "gpu/0000:64:00.0") if loaded else ("gpu/0000:64:00.0",)
    run.records[0] = msgspec.structs.replace(started, resources=held)
    assert status(run)[0] == state
    assert status(run)[1].startswith(NOT_JUDGED) is (state == "FAILED")


def test_the_other_source_may_not_stand_in_for_the_one_that_is_missing() -> None:
    run = recorded_run()
    started = run.records[0]
    assert isinstance(started, RunStarted)
    run.records[0] = msgspec.structs.replace(started, looks=("audit", "gpus"))
    assert [one.component for one in verdict(run).findings] == ["gpus", "gpus"]
    assert status(run)[0] == "FAILED"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("boot_id", "9d7e-other", "started anew"),
        ("host_name", "gpu08", "two machines"),
        ("sections", ["memory"], "not of the same sections"),
    ],
)
def test_looks_at_another_machine_or_another_life_of_it_cannot_be_compared(
    name: str, value: Any, said: str
) -> None:
    after = changed(server(), (name,), value)
    state, reason = status(recorded_run(after=after))
    assert state == "FAILED" and said in reason and reason.startswith(NOT_JUDGED)


def test_a_look_of_another_boot_than_the_runs_own_is_not_believed() -> None:
    old = changed(server(), ("boot_id",), "an earlier one")
    assert status(recorded_run(before=old))[0] == "FAILED"


def test_a_look_that_saw_nothing_is_no_look() -> None:
    blind = changed(server(), ("collectors",), ())
    assert status(recorded_run(before=blind))[0] == "FAILED"


def test_memory_errors_that_the_board_counted_fail_a_memory_test_that_passed() -> None:
    path = ("hardware", "memory", "slots", 0, "uncorrected_error_count")
    result = verdict(recorded_run(after=changed(server(), path, 2)))
    assert (result.status, [step.status for step in result.steps]) == ("FAILED", ["OK", "OK"])
    (change,) = result.counters
    assert (change.name, change.component, change.before, change.after) == (
        "memory.uncorrected_errors",
        "memory/DIMM_A1",
        1,
        2,
    )
    assert "1 before, 2 after" in result.reason


def test_a_counter_that_is_not_zero_warns_of_nothing_for_ever() -> None:
    before = changed(server(), ("hardware", "memory", "slots", 0, "uncorrected_error_count"), 7)
    assert status(recorded_run(before=before)) == ("OK", "")


def test_a_machine_that_was_found_wanting_before_can_still_pass_the_test() -> None:
    assert status(recorded_run(before=server(finding("Critical")))) == ("OK", "")
    assert status(recorded_run(after=server(finding("Critical")))) == ("FAILED", "It is wrong")


def test_the_limits_are_those_that_the_run_was_started_with() -> None:
    path = ("hardware", "memory", "slots", 0, "corrected_error_count")
    run = recorded_run(after=changed(server(), path, 9))
    assert status(run)[0] == "FAILED"
    started = run.records[0]
    assert isinstance(started, RunStarted)
    allowed = Threshold(name="sat.memory_corrected_errors", value=10, source="house rule 7", layer="site")
    run.records[0] = msgspec.structs.replace(started, limits=(allowed,))
    assert status(run) == ("OK", "")


def test_a_clock_that_was_set_does_not_make_a_rate_harmless() -> None:
    path = ("gpus", 0, "state", "counters", "pcie_replays")
    run = recorded_run(before=gpus(), after=changed(gpus(), path, lambda was: was + 10_000))
    run = with_looks(
        run,
        lambda one: one if one.when == "before" else msgspec.structs.replace(one, at="2031-01-01T00:00:00Z"),
    )
    assert status(run)[0] == "FAILED"


# The kernel log


def edit_log(run: RecordedRun, **changes: Any) -> RecordedRun:
    return RecordedRun(
        [
            msgspec.structs.replace(one, **changes) if isinstance(one, KernelLogKept) else one
            for one in run.records
        ],
        run.looks,
    )


def test_a_kernel_log_that_could_not_be_read_is_no_silence() -> None:
    result = verdict(edit_log(recorded_run(), error="permission denied", artifact=None))
    assert result.status == "FAILED" and "permission denied" in result.reason
    assert result.kernel_messages is None


def test_kernel_messages_that_were_lost_may_have_been_the_ones() -> None:
    state, reason = status(edit_log(recorded_run(), lost=4))
    assert state == "FAILED" and "4 kernel messages" in reason


def test_a_step_whose_kernel_messages_nobody_kept_is_not_judged() -> None:
    assert "were not kept" in status(recorded_run().without(KernelLogKept))[1]


def test_a_step_that_did_not_run_needs_no_kernel_messages() -> None:
    run = recorded_run(PASSED, NO_TOOL, promised=(True, False))
    run.records = [
        one for one in run.records if getattr(one, "step", "") != "step-2" or isinstance(one, StepEnded)
    ]
    assert status(run) == ("OK", "")


# The same answer again


@pytest.mark.parametrize(
    "run",
    [
        recorded_run(),
        recorded_run(FAILED, NO_TOOL, found=[finding("Warning"), finding("Critical")]),
        recorded_run(before=gpus()),
        recorded_run(after=changed(server(), ("hardware", "storage", "disks"), ())),
    ],
)
def test_judging_again_gives_the_same_bytes(run: RecordedRun) -> None:
    first = result_json(verdict(run))
    records, damaged = parse_records(run.lines)
    assert result_json(judge(records, dict(reversed(run.looks.items())), damaged_lines=damaged)) == first
    assert msgspec.json.decode(first, type=SatResult) == verdict(run)


def test_a_command_that_failed_is_the_one_that_is_shown() -> None:
    run = recorded_run(FAILED)
    run.records.insert(5, CommandStarted(at=at(3), step="step-1", command=("memtester", "other"), number=2))
    run.records.insert(
        7,
        CommandEnded(
            at=at(9),
            step="step-1",
            exit_code=-9,
            output="two.txt",
            output_bytes=5,
            output_cut=True,
            number=2,
            note="killed",
        ),
    )
    step = verdict(run).steps[0]
    assert (step.exit_code, step.output, step.output_cut) == (-9, "two.txt", True)
    assert step.command == ("memtester", "other"), "which was started second and ended first"


def test_a_passed_step_with_a_command_that_never_ended_is_not_judged() -> None:
    run = recorded_run()
    run.records.insert(5, CommandStarted(at=at(3), step="step-1", command=("memtester", "other")))
    assert status(run) == ("FAILED", f"{NOT_JUDGED}the step step-1 started 2 commands, and 1 ended")


def test_a_pass_cannot_be_written_down_for_what_was_not_executed() -> None:
    for line in (
        b'{"record":"step-ended","at":"x","step":"a","outcome":{"execution":"skipped","result":"pass"}}\n',
        b'{"record":"step-ended","at":"x","step":"a","outcome":{"execution":"completed"}}\n',
        b'{"record":"step-ended","at":"x","step":"a","outcome":{"execution":"completed","result":"PASS"}}\n',
    ):
        assert parse_records(line) == ((), 1)
    with pytest.raises(TypeError):
        Completed()  # type: ignore[call-arg]


# Whatever the records are

NAMES = st.sampled_from(["step-1", "step-2", "step-9", ""])
OUTCOMES = st.sampled_from([PASSED, FAILED, NO_TOOL, HUNG, STOPPED, KILLED])
SEVERITIES = st.sampled_from(["Warning", "Critical", "Unknown"])
ANY_RECORD = st.one_of(
    st.sampled_from(recorded_run().records),
    st.builds(StepStarted, at=st.just(at(1)), step=NAMES),
    st.builds(StepEnded, at=st.just(at(2)), step=NAMES, outcome=OUTCOMES),
    st.builds(RunEnded, at=st.just(at(3)), outcome=OUTCOMES),
    st.builds(Found, at=st.just(at(2)), step=NAMES, finding=st.builds(finding, SEVERITIES)),
    st.builds(KernelLogKept, at=st.just(at(2)), step=NAMES, lost=st.integers(0, 1)),
)


@given(
    st.lists(st.tuples(st.integers(0, 20), ANY_RECORD), max_size=3), st.sets(st.integers(0, 15), max_size=2)
)
@settings(max_examples=400, deadline=None)
def test_ok_is_never_said_without_every_reason_for_it(
    added: list[tuple[int, Record]], dropped: set[int]
) -> None:
    """A good run with records put in and taken out anywhere: what must hold of it if it is called OK."""
    good = recorded_run()
    records = [one for index, one in enumerate(good.records) if index not in dropped]
    for place, record in added:
        records.insert(min(place, len(records)), record)
    result = judge(records, good.looks)
    if result.status != "OK":
        assert result.reason
        return
    assert isinstance(records[0], RunStarted) and isinstance(records[-1], RunEnded)
    assert records[-1].outcome == PASSED
    for name in ("step-1", "step-2"):
        mine = [one for one in records if getattr(one, "step", None) == name]
        assert len([one for one in mine if isinstance(one, StepStarted)]) == 1
        assert [one.outcome for one in mine if isinstance(one, StepEnded)] == [PASSED]
        assert [one.lost for one in mine if isinstance(one, KernelLogKept)] == [0]
    assert not [one for one in records if isinstance(one, Found) and one.finding.severity != "Warning"]
    assert len([one for one in records if isinstance(one, LookTaken)]) == 2
