"""The nvidia pack: which GPUs, what the load's last word is worth, and the telemetry beside it."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from bee_bus.client import Bus
from bee_bus.documents.findings import Finding
from bee_bus.documents.gpu import GpuIdentity, GpuSample
from bee_bus.documents.gpus import GpuInventory, GpuTick, InventoryGpu, SampledGpu
from bee_bus.documents.sat import Completed, Errored, Outcome, Skipped
from bee_bus.errors import BeeError, InvalidOption, NotSupported, ServiceGone
from bee_sat.gpu_stress import events
from bee_sat.gpu_stress.floors import built_in
from bee_sat.gpu_stress.verdict import judge
from bee_sat.packs import gpu_load, load_pack, nvidia_tools
from bee_sat.packs.gpu_metrics import COLUMNS, Metrics, tell, write_charts
from bee_sat.packs.nvidia import choose, selected
from bee_sat.packs.nvidia_tools import bug_report_step, smi_step
from bee_sat.packs.pack import Claim
from bee_sat.steps import Command, CommandHung, CommandResult, Looks
from lab.machine import FakeMachine
from lab.steps import Answer, FakeContext, done
from lab.stress import Run

FIRST, SECOND = "0000:3b:00.0", "0000:86:00.0"


def gpu(number: int, address: str, **changes: object) -> InventoryGpu:
    identity = GpuIdentity(id=address, index=number, uuid=f"GPU-{number}", memory_total_bytes=80 << 30)
    fields = {"vendor": "NVIDIA", "condition": "ok", "name": "H100", "identity": identity} | changes
    return InventoryGpu(id=address, **fields)  # type: ignore[arg-type]


def two_gpus() -> GpuInventory:
    igpu = InventoryGpu(id="0000:00:02.0", vendor="Intel", condition="ok")
    return GpuInventory(state="ready", gpus=(igpu, gpu(1, SECOND), gpu(0, FIRST)))


# Which GPUs.


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        ("", [FIRST, SECOND]),
        ("0", [FIRST]),
        ("1,0", [FIRST, SECOND]),
        ("GPU-1", [SECOND]),
        (SECOND, [SECOND]),
        ("3b:00.0, 1", [FIRST, SECOND]),
        ("0,0", [FIRST]),
    ],
)
def test_gpus_are_chosen_by_number_uuid_or_address(names: str, chosen: list[str]) -> None:
    assert [one.id for one in choose(two_gpus(), names)] == chosen


def test_a_gpu_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(InvalidOption, match=rf"no NVIDIA GPU '7'; it takes: 0 \({FIRST}\), 1"):
        choose(two_gpus(), "0,7")
    with pytest.raises(InvalidOption, match="no NVIDIA GPU ''"):
        choose(two_gpus(), "0,")
    with pytest.raises(InvalidOption):
        choose(two_gpus(), "0000:00:02.0")  # Intel's


def test_a_machine_without_gpus_or_driver_cannot_be_tested() -> None:
    with pytest.raises(NotSupported, match="no NVIDIA GPU"):
        choose(GpuInventory(state="ready"), "")
    with pytest.raises(NotSupported, match="no-driver"):
        choose(GpuInventory(state="no-driver", gpus=(gpu(0, FIRST),)), "")


def test_a_gpu_that_left_meanwhile_is_lost_not_forgotten() -> None:
    one, other = selected(GpuInventory(gpus=(gpu(0, FIRST),)), [FIRST, SECOND])
    assert one.condition == "ok"
    assert (other.id, other.condition) == (SECOND, "lost")


# nvidia-smi.


async def smi(text: str, exit_code: int = 0) -> Outcome:
    return await done(smi_step(two_gpus()), FakeContext({"nvidia-smi": lambda command: (text, exit_code)}))


async def test_nvidia_smi_must_see_what_pci_shows() -> None:
    assert await smi("Attached GPUs                             : 2\n") == Completed(result="pass")
    context = FakeContext({"nvidia-smi": lambda command: ("Attached GPUs : 1\n", 0)})
    outcome = await done(smi_step(two_gpus()), context)
    assert isinstance(outcome, Completed)
    assert outcome.result == "fail"
    (finding,) = context.findings
    assert finding.message == "nvidia-smi sees 1 GPUs, PCI shows 2"


async def test_a_board_of_which_a_gpu_is_missing_does_not_pass() -> None:
    """nvidia-smi and PCI agree on the seven that are there."""
    missing = Finding(
        rule="gpus.fewer-than-switches-say",
        severity="Critical",
        component="gpus",
        where="all GPUs",
        message="PCI shows 7 GPUs of one kind, and its 4 NVSwitches belong to 8",
        next_step="Switch the machine off and on.",
    )
    of_one = replace(missing, rule="gpus.xid", component=f"gpus/{FIRST}")
    inventory = replace(two_gpus(), findings=(missing, of_one))
    context = FakeContext({"nvidia-smi": lambda command: ("Attached GPUs : 2\n", 0)})
    assert await done(smi_step(inventory), context) == Completed(result="pass"), "by its own word"
    assert [(one.rule, one.severity) for one in context.findings] == [
        ("gpus.fewer-than-switches-say", "Critical")
    ]


@pytest.mark.parametrize(
    "text", ["", "garbage", "Attached GPUs : two", "Attached GPUs : 2\nAttached GPUs : 2\n"]
)
async def test_an_nvidia_smi_that_does_not_count_proves_nothing(text: str) -> None:
    assert isinstance(await smi(text), Errored)


async def test_an_nvidia_smi_that_fails_fails() -> None:
    outcome = await smi("Attached GPUs : 2\n", 15)
    assert isinstance(outcome, Completed)
    assert outcome.result == "fail"


async def test_zero_gpus_are_no_pass() -> None:
    context = FakeContext({"nvidia-smi": lambda command: ("Attached GPUs : 0\n", 0)})
    outcome = await done(smi_step(GpuInventory()), context)
    assert isinstance(outcome, Completed)
    assert outcome.result == "fail"


async def test_tools_that_are_not_there_are_said_and_only_one_is_promised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(await done(smi_step(two_gpus()), FakeContext({})), Skipped)
    watching(monkeypatch)
    assert isinstance(await done(bug_report_step(), FakeContext({}, folder=tmp_path)), Skipped)
    assert smi_step(two_gpus()).promised
    assert not bug_report_step().promised


@pytest.mark.parametrize(
    "answer",
    [("error", 1), CommandHung("nvidia-bug-report.sh did not end within 1200 s and was killed")],
)
async def test_a_bug_report_that_fails_or_hangs_says_nothing_of_the_gpus(
    answer: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = watching(monkeypatch)
    context = FakeContext({"nvidia-bug-report.sh": lambda command: answer}, folder=tmp_path)
    outcome = await done(bug_report_step(), context)
    assert isinstance(outcome, Skipped)
    assert outcome.reason
    assert watched == ["begin", "end"]


async def test_gpus_stay_started_while_nvidia_writes_its_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = watching(monkeypatch)

    def report(command: Command) -> Answer:
        watched.append("report")
        Path(f"{command.argv[-1]}.gz").write_bytes(b"report")
        return "", 0

    context = FakeContext({"nvidia-bug-report.sh": report}, folder=tmp_path)
    assert await done(bug_report_step(), context) == Completed(result="pass")
    assert watched == ["begin", "report", "end"]


async def test_the_report_is_made_where_the_gpu_service_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching(monkeypatch, error=ServiceGone("gone"))
    (tmp_path / "nvidia-bug-report.log.gz").write_bytes(b"report")
    context = FakeContext({"nvidia-bug-report.sh": lambda command: ("", 0)}, folder=tmp_path)
    assert await done(bug_report_step(), context) == Completed(result="pass")


async def test_a_report_that_nobody_finds_was_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching(monkeypatch)
    context = FakeContext({"nvidia-bug-report.sh": lambda command: ("complete.", 0)}, folder=tmp_path)
    assert isinstance(await done(bug_report_step(), context), Skipped)
    (tmp_path / "nvidia-bug-report.log.gz").touch()
    assert isinstance(await done(bug_report_step(), context), Skipped)


def watching(monkeypatch: pytest.MonkeyPatch, error: BeeError | None = None) -> list[str]:
    """What becomes of the watch of org.bee.Gpu1, as it happens."""
    told: list[str] = []

    class Client:
        def __init__(self, bus: Bus) -> None:
            pass

        @asynccontextmanager
        async def watching(self, *, interval_ms: int) -> AsyncIterator[None]:
            if error is not None:
                raise error
            told.append("begin")
            try:
                yield
            finally:
                told.append("end")

    monkeypatch.setattr(nvidia_tools, "GpuClient", Client)
    return told


# The load's last word.


def verdict(
    result: str = "OK", *, gpus: tuple[str, ...] = (FIRST, SECOND), compared: int = 9
) -> events.Verdict:
    return events.Verdict(
        result=result,  # type: ignore[arg-type]
        summary="all phases passed" if result == "OK" else "GPU 1: 3 wrong elements",
        gpus=tuple(events.GpuReport(gpu=one, name="H100", result="OK", compared=compared) for one in gpus),
    )


def judged(*lines: bytes, exit_code: int = 0, cut: bool = False) -> Outcome:
    report = gpu_load.Report()
    for line in lines:
        report.take(line)
    tail = lines[-1].decode("utf-8", "replace") if lines else ""
    result = CommandResult(exit_code, 1.0, sum(map(len, lines)), cut, tail, "output.txt")
    return gpu_load.outcome(report, result, [FIRST, SECOND])


HELLO = events.line(
    events.Hello(gpu=FIRST, pid=1, memory_total_bytes=1, memory_free_bytes=1, kernels="sm_90a")
)


def test_ok_of_all_selected_gpus_is_a_pass() -> None:
    assert judged(HELLO, events.line(verdict())) == Completed(result="pass", reason="all phases passed")


def test_a_burn_that_fails_fails_even_with_exit_code_0() -> None:
    outcome = judged(events.line(verdict("FAILED")), exit_code=0)
    assert outcome == Completed(result="fail", reason="GPU 1: 3 wrong elements")


@pytest.mark.parametrize(
    ("lines", "exit_code"),
    [
        ((), 0),  # it printed nothing and says that all is well
        ((HELLO,), 0),  # cut off
        ((HELLO, b'{"event":"verdict","result":"OK"'), 0),
        ((events.line(verdict()), HELLO), 0),  # something came after the last word
        ((events.line(verdict()),), 2),
        ((events.line(verdict()),), -9),
        ((events.line(verdict(gpus=(FIRST,))),), 0),  # one GPU was left out
        ((events.line(verdict(gpus=())),), 0),
        ((events.line(verdict(gpus=(FIRST, SECOND, "0000:99:00.0"))),), 0),
        ((events.line(verdict(compared=0)),), 0),  # nothing was compared
        ((b"garbage\n", events.line(verdict())), 0),
        ((events.line(verdict("UNKNOWN")),), 3),
        ((events.line(verdict("ABORTED")),), 0),
        ((b"\xff\xfe{",), 0),
    ],
)
def test_whatever_is_not_a_whole_ok_is_none(lines: tuple[bytes, ...], exit_code: int) -> None:
    assert isinstance(judged(*lines, exit_code=exit_code), Errored)


def test_the_plan_of_a_week_on_many_gpus_is_read_whole(tmp_path: Path) -> None:
    week = Run(16, seconds=604_800)
    week.events.append(judge(week.events, built_in()))
    output = tmp_path / "output"
    output.write_bytes(b"".join(map(events.line, week.events)))
    report = gpu_load.read_report(output)
    assert report.bad_lines == 0
    assert report.started == week.started
    result = CommandResult(0, 604_800.0, output.stat().st_size, False, "", "output")
    ended = gpu_load.outcome(report, result, [one.id for one in week.gpus])
    assert isinstance(ended, Completed)
    assert ended.result == "pass"


async def test_a_lost_gpu_is_not_tested_by_testing_the_others() -> None:
    lost = gpu(0, FIRST, condition="lost", trouble="it has fallen off the bus")
    context = FakeContext({}, before=Looks(gpus=GpuInventory(state="ready", gpus=(lost,))))
    outcome = await done(gpu_load.gpu_load_step([lost], seconds=10, size_mb=0), context)
    assert isinstance(outcome, Completed)
    assert outcome.result == "fail"
    assert "fallen off the bus" in outcome.reason


async def test_gpus_of_which_the_service_could_not_tell_are_not_called_lost() -> None:
    pack = load_pack("nvidia")
    claim = Claim((f"gpu/{FIRST}", f"gpu/{SECOND}"), pack.parse({}))
    (smi,), (load,), _ = await pack.plan(claim, FakeMachine(), Looks())
    context = FakeContext({"nvidia-smi": lambda command: ("Attached GPUs : 2\n", 0)})
    outcomes = [await done(step, context) for step in (smi, load)]
    assert all(isinstance(outcome, Errored) for outcome in outcomes)
    assert all("org.bee.Gpu1 did not tell" in outcome.reason for outcome in outcomes)
    assert context.findings == [], "nothing is known to be wrong with them"


# Telemetry.


def tick(seconds: float, **fields: object) -> GpuTick:
    sample = GpuSample(unix_seconds=seconds, **fields)  # type: ignore[arg-type]
    return GpuTick(
        unix_seconds=seconds,
        gpus=(
            SampledGpu(gpu=FIRST, condition="ok", sample=sample),
            SampledGpu(gpu=SECOND, condition="not-answering"),
        ),
    )


def test_the_csv_has_a_line_for_each_gpu_and_holes_where_nothing_is_known() -> None:
    file = io.BytesIO()
    metrics = Metrics([gpu(0, FIRST), gpu(1, SECOND)], file)
    metrics.take(
        tick(
            5.0,
            temperature_celsius=61,
            power_instant_watts=402.5,
            clock_sm_mhz=1755,
            clock_event_reasons=0x24,
        )
    )
    header, first, second = file.getvalue().decode().splitlines()
    assert header == ",".join(COLUMNS)
    cells = first.split(",")
    assert cells[1:9] == ["0", "61", "", "402.5", "1755", FIRST, "ok", "0x24"]
    assert second.split(",")[1:8] == ["1", "", "", "", "", SECOND, "not-answering"]
    assert len(cells) == len(second.split(",")) == len(COLUMNS)
    assert metrics.ticks == {FIRST: 1, SECOND: 0}


def test_a_gpu_that_was_not_watched_is_not_taken_for_a_quiet_one() -> None:
    metrics = Metrics([gpu(0, FIRST), gpu(1, SECOND)], io.BytesIO())
    for second in range(60):
        metrics.take(tick(float(second), temperature_celsius=60))
    context = FakeContext({})
    tell(context, metrics, 60.0)
    (finding,) = context.findings
    assert (finding.severity, finding.component) == ("Unknown", f"gpus/{SECOND}")


@pytest.mark.parametrize(("samples", "severity"), [(40, "Warning"), (14, "Unknown"), (1, "Unknown")])
def test_gaps_in_the_telemetry_are_told_and_a_load_that_hardly_anybody_saw_is_not_judged(
    samples: int, severity: str
) -> None:
    metrics = Metrics([gpu(0, FIRST)], io.BytesIO())
    for second in range(samples):
        metrics.take(tick(float(second), temperature_celsius=60))
    context = FakeContext({})
    tell(context, metrics, 60.0)
    (finding,) = context.findings
    assert finding.severity == severity
    assert f"{samples} samples" in finding.message


def test_the_charts_are_one_page_and_one_text() -> None:
    metrics = Metrics([gpu(0, FIRST, name="<script>alert(1)</script>")], io.BytesIO())
    for second in range(30):
        metrics.take(tick(float(second), temperature_celsius=60 + second % 3, clock_event_reasons=0x40))
    context = FakeContext({})
    write_charts(context, metrics)
    page = context.artifacts["gpu-metrics.html"].text
    assert "<svg" in page
    assert "<script>" not in page
    assert "hw thermal" in page
    assert "╭" in (text := context.artifacts["gpu-metrics-term.txt"].text) or "─" in text
    assert max(len(line) for line in text.splitlines()) < 400


def test_without_a_sample_there_is_no_chart() -> None:
    context = FakeContext({})
    write_charts(context, Metrics([gpu(0, FIRST)], io.BytesIO()))
    assert context.artifacts == {}
