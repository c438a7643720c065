"""The verdict: one function of what was said, so that anybody can compute it again from the lines.

OK needs every promise of every GPU kept, and nothing wrong; nothing else adds up to it.
"""

from collections.abc import Iterable, Mapping

from bee_bus.documents.findings import Finding
from bee_sat.gpu_stress import events as e
from bee_sat.gpu_stress.events import AnyEvent, GpuReport, JudgedRate, Result, StressGpu, Verdict
from bee_sat.gpu_stress.findings import finding
from bee_sat.gpu_stress.floors import Floors
from bee_sat.gpu_stress.judge_rates import judge_rates, path_findings, rate_findings
from bee_sat.gpu_stress.judge_watch import judge_watch, power_shares
from bee_sat.gpu_stress.judge_work import judge_work, missed_faults
from bee_sat.gpu_stress.plan import PEER
from bee_sat.gpu_stress.story import Seen, Story

EXIT_CODES: Mapping[Result, int] = {"OK": 0, "FAILED": 2, "UNKNOWN": 3}
SIGNAL_EXIT_CODES = {"SIGHUP": 129, "SIGINT": 130, "SIGTERM": 143}
_RANK = {"Critical": 0, "Unknown": 1, "Warning": 2}


def judge(events: Iterable[AnyEvent], floors: Floors) -> Verdict:
    """The verdict on a run's events, in their order. A verdict among them counts for nothing."""
    story = Story()
    for event in events:
        story.take(event)
    return judge_story(story, floors)


def judge_story(story: Story, floors: Floors) -> Verdict:
    if story.run is None or not story.run.gpus or not story.run.plan:
        return nothing_ran("no GPU was loaded", stopped=story.stopped)
    powers = power_shares(story)
    rates = judge_rates(story.phases.values(), story.gpus, floors, powers)
    found = [
        *judge_work(story, floors),
        *rate_findings(rates, story.gpus, floors),
        *path_findings(story.phases.values(), story.gpus),
        *_once(judge_watch(story, floors)),
    ]
    found += missed_faults(story, found)
    findings = tuple(sorted(found, key=lambda each: _RANK[each.severity]))
    result = _result(findings, story.stopped)
    reports = tuple(_report(story, gpu, findings) for gpu in story.run.gpus)
    return Verdict(
        result=result,
        summary=_summary(result, story, findings),
        gpus=reports,
        rates=tuple(rates),
        findings=findings,
        notes=tuple(_notes(story, rates)),
    )


def nothing_ran(why: str, next_step: str = "", *, stopped: e.Stopped | None = None) -> Verdict:
    """The verdict when there was nothing to judge."""
    result: Result = "ABORTED" if stopped else "UNKNOWN"
    told = finding(None, "nothing-ran", "Unknown", why, next_step or "Run bee-gpu-stress --list.")
    return Verdict(result=result, summary=f"{result}: {why}", findings=(told,))


def exit_code(verdict: Verdict, stopped: e.Stopped | None) -> int:
    """The verdict as an exit code; the signal's when it was aborted."""
    if verdict.result == "ABORTED":
        return SIGNAL_EXIT_CODES.get(stopped.signal if stopped else "SIGTERM", 143)
    return EXIT_CODES[verdict.result]


def _result(findings: Iterable[Finding], stopped: e.Stopped | None) -> Result:
    severities = {each.severity for each in findings}
    if "Critical" in severities:
        return "FAILED"
    if stopped is not None:
        return "ABORTED"
    return "UNKNOWN" if "Unknown" in severities else "OK"


def _once(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """One finding for each rule at each GPU, the worst: the counter and the event tell the same."""
    kept: dict[tuple[str, str], Finding] = {}
    for each in found:
        key = (each.rule, each.component)
        if key not in kept or _RANK[each.severity] < _RANK[kept[key].severity]:
            kept[key] = each
    return tuple(kept.values())


def _report(story: Story, gpu: StressGpu, findings: Iterable[Finding]) -> GpuReport:
    seen = story.seen.get(gpu.id, Seen())
    mine = [ended for ended in story.phases.values() if ended.gpu == gpu.id]
    done = [ended.outcome for ended in mine if isinstance(ended.outcome, e.Completed)]
    looks = story.before.gpus if story.before else ()
    limit = next((look.power_limit_enforced_watts for look in looks if look.gpu == gpu.id), None)
    power = seen.power_max_watts
    bursts = (seen.burst_min_watts, seen.burst_max_watts)
    return GpuReport(
        gpu=gpu.id,
        name=gpu.name,
        result=_result((each for each in findings if each.component == f"gpus/{gpu.id}"), story.stopped),
        compared=sum(each.compared for each in done),
        wrong=sum(each.wrong for each in done),
        coverage=next((each.coverage for each in reversed(done) if each.coverage), None),
        power_max_watts=power,
        power_limit_watts=limit,
        power_share=round(power / limit, 4) if power is not None and limit else None,
        temperature_max_celsius=seen.temperature_max_celsius,
        memory_temperature_max_celsius=seen.memory_temperature_max_celsius,
        sm_clock_min_mhz=seen.clock_min_mhz,
        sm_clock_max_mhz=seen.clock_max_mhz,
        burst_power_watts=(bursts[0], bursts[1]) if bursts[0] is not None and bursts[1] is not None else None,
        throttled=story.throttled(gpu.id),
    )


def _summary(result: Result, story: Story, findings: tuple[Finding, ...]) -> str:
    count = len(story.gpus)
    gpus = f"{count} GPU" if count == 1 else f"{count} GPUs"
    compared = sum(
        ended.outcome.compared for ended in story.phases.values() if isinstance(ended.outcome, e.Completed)
    )
    match result:
        case "OK":
            size_mb = story.run.size_mb if story.run else None
            bound = f", in {size_mb} MiB of each GPU's memory" if size_mb else ""
            watched = "" if story.run and story.run.with_telemetry else ", not watched by the GPU service"
            done = f"{gpus} for {story.seconds:.0f} s, {compared:.3g} results compared"
            return f"OK: {done}, none wrong{bound}{watched}"
        case "ABORTED":
            signal = story.stopped.signal if story.stopped else "a signal"
            return f"ABORTED: ended by {signal} after {story.seconds:.0f} s"
        case _:
            more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
            return f"{result}: {findings[0].message}{more}"


def _notes(story: Story, rates: Iterable[JudgedRate]) -> Iterable[str]:
    assert story.run is not None
    if not story.run.with_telemetry:
        yield "The GPU service was not asked: Xid and ECC errors, power and throttling are not judged."
    if story.run.injections:
        yield f"Faults were made on purpose: {', '.join(story.run.injections)}."
    for hello in story.hellos:
        if hello.note:
            yield f"{hello.gpu}: {hello.note}"
    for ended in story.phases.values():
        match ended.outcome:
            case e.NotSupported(reason=reason):
                yield f"{ended.gpu}: {ended.phase} is not supported: {reason}"
            case e.Completed(notes=notes):
                pair = f"{ended.gpu} and {ended.peer}" if ended.peer else ended.gpu
                yield from (f"{pair}: {ended.phase}: {note}" for note in notes)
    unjudged = sorted({f"{each.phase}" for each in rates if each.note == "nothing to judge it by"} - {PEER})
    if unjudged:
        yield f"No floor and no peers judged the rates of {', '.join(unjudged)}: they are reported only."
    for happened in story.happened:
        if happened.news.kind == "xid" and happened.news.severity == "Info":
            yield f"{happened.news.gpu}: {happened.news.message} (follows from something else)"
