"""What the workers did, against what was promised; pure. Whatever is not told did not happen."""

from collections.abc import Iterable, Iterator

from bee_bus.documents.findings import Finding, Severity
from bee_sat.gpu_stress import events as e
from bee_sat.gpu_stress.events import PhaseEnded, PlannedPhase, StressGpu
from bee_sat.gpu_stress.findings import finding, label
from bee_sat.gpu_stress.floors import Floors
from bee_sat.gpu_stress.plan import PEER, missing_hardware
from bee_sat.gpu_stress.story import Story

_REPLACE = "Run it once more on this GPU alone; replace it if it computes wrong again."
_MEMORY = "Run it once more with --phases memory; replace the GPU if its memory fails again."
_LINK = "Reseat the GPU or its riser, check the link's error counters, and run it again."
_AGAIN = "Run it again; if it ends the same way, report it with this output."
_KERNEL_LOG = "Look in the kernel log for its Xid errors, reset it or restart the machine, and run it again."
_WHOLE = 0.9  # of the time that was promised; clocks and borders of work take some
_PAIR = (
    "Look which pairs are wrong: a GPU that is in all of them is the one to reseat, with its bridges, or to "
    "replace."
)
# CUDA C++ Programming Guide, "IOMMU on Linux": what goes from GPU to GPU may be lost on the way, silently.
_TRANSLATED = (
    "Start the machine with iommu=pt on the kernel's command line, or with the IOMMU off in its firmware, "
    "and run it again: what is wrong then is the fault of a GPU or of a link."
)
_STEPS = {"memory": _MEMORY, "bandwidth": _MEMORY, "transfer": _LINK, PEER: _PAIR}


def judge_work(story: Story, floors: Floors) -> Iterator[Finding]:
    run = story.run
    assert run is not None
    for gpu in run.gpus:
        yield from _worker(story, gpu)
        yield from _promises(story, gpu, floors)
        yield from _peers(story, gpu, floors)
        yield from _anything(story, gpu)
    yield from _peer_workers(story)
    if run.lost:
        yield finding(None, "lost", "Critical", "; ".join(run.lost), _KERNEL_LOG, len(run.lost))


def broken_gpus(story: Story) -> set[str]:
    """Those whose worker did not come to its end: what it did not do is no finding of its own."""
    return {ended.gpu for ended in story.workers if ended.ending != "completed" and not ended.blames_nobody}


def _worker(story: Story, gpu: StressGpu) -> Iterator[Finding]:
    ends = [ended for ended in story.workers if ended.gpu == gpu.id and not ended.peers]
    if not ends:
        message = "nobody knows how its worker ended"
        yield finding(gpu, "not-ended", "Unknown", message, _AGAIN)
    for ended in ends:
        yield from _ending(story, gpu, ended)
        if ended.ending == "completed" and gpu.id not in story.farewells:
            message = "its worker ended without its last word"
            yield finding(gpu, "died", "Critical", message, _AGAIN)


def _ending(story: Story, gpu: StressGpu, ended: e.WorkerEnded) -> Iterator[Finding]:
    doing = f" while {ended.doing}" if ended.doing else ""
    match ended.ending:
        case "hung":
            message = f"it hung{doing}: {ended.message}"
            yield finding(gpu, "hung", "Critical", message, _step_of_hang(story, gpu), ended.doing or True)
        case "died":
            message = f"its worker died{doing}: {ended.message}"
            yield finding(gpu, "died", "Critical", message, _KERNEL_LOG, ended.exit_code)
        case "broken":
            message = f"its worker said what cannot be understood{doing}: {ended.message}"
            yield finding(gpu, "broken", "Critical", message, _AGAIN)
        case "errored":
            severity: Severity = "Critical" if ended.fault else "Unknown"
            message = f"it could not be used{doing}: {ended.message}"
            step = ended.next_step or (_KERNEL_LOG if ended.fault else _AGAIN)
            yield finding(gpu, "unusable", severity, message, step)
        case "completed" | "aborted":
            pass


def _step_of_hang(story: Story, gpu: StressGpu) -> str:
    """The driver waits for a GPU that has left the bus with locks in hand that all others need, too."""
    news = (happened.news for happened in story.happened)
    lost = {each.gpu for each in news if each.kind in ("xid", "lost") and each.severity != "Info"}
    lost |= {ended.gpu for ended in story.workers if ended.ending == "errored" and ended.fault}
    others = [label(other) for other in story.gpus.values() if other.id in lost and other.id != gpu.id]
    if gpu.id in lost or not others:
        return _KERNEL_LOG
    return (
        f"See to {' and '.join(others)} first: a GPU that is lost can hold up the driver for all. Then run "
        "this one again before you blame it."
    )


def _peer_workers(story: Story) -> Iterator[Finding]:
    for ended in story.workers:
        if not ended.peers or ended.gpu not in story.gpus:
            continue
        if ended.blames_nobody:
            message = (
                f"the process that copies from GPU to GPU {ended.ending} while starting: {ended.message}"
            )
            yield finding(None, ended.ending, "Critical", message, _KERNEL_LOG, ended.exit_code)
        else:
            yield from _ending(story, story.gpus[ended.gpu], ended)


def _promises(story: Story, gpu: StressGpu, floors: Floors) -> Iterator[Finding]:
    """Of each phase what is found first, for what a round finds the next one finds too."""
    assert story.run is not None
    told: set[tuple[str, str]] = set()
    for planned in story.run.plan:
        if planned.gpu != gpu.id or planned.phase == PEER:
            continue
        for each in _promise(story, gpu, planned, floors):
            if (planned.phase, each.rule) not in told:
                told.add((planned.phase, each.rule))
                yield each


def _promise(story: Story, gpu: StressGpu, planned: PlannedPhase, floors: Floors) -> Iterator[Finding]:
    ended = story.phases.get((gpu.id, planned.phase, planned.round, None))
    name = planned.phase if planned.round == 1 else f"{planned.phase}, round {planned.round}"
    if ended is None:
        if gpu.id not in broken_gpus(story) and story.stopped is None:
            yield finding(gpu, "not-run", "Unknown", f"{name} was promised and did not run", _AGAIN)
        return
    match ended.outcome:
        case e.NotSupported(reason=reason):
            if missing_hardware(planned.phase, gpu.compute_capability) is None:
                message = f"{name} was left out, which this GPU can do: {reason}"
                yield finding(gpu, "left-out", "Unknown", message, _AGAIN)
        case e.Completed() as done:
            yield from _completed(story, gpu, ended, name, done, floors)
            yield from _length(gpu, name, done, planned.seconds)
        case e.Errored() as errored:
            yield from _errored(gpu, name, errored)
        case e.Aborted():
            pass


def _length(gpu: StressGpu, name: str, done: e.Completed, promised_seconds: float) -> Iterator[Finding]:
    """Only a phase that is full of wrong results may end before its time."""
    if not done.wrong and done.seconds < promised_seconds * _WHOLE:
        message = f"{name} lasted {done.seconds:.1f} of {promised_seconds:.1f} s"
        yield finding(gpu, "too-short", "Unknown", message, _AGAIN, done.seconds)


def _errored(gpu: StressGpu, name: str, errored: e.Errored) -> Iterator[Finding]:
    if errored.fault:
        message = f"{name} failed: {errored.reason}"
        yield finding(gpu, "failed", "Critical", message, _KERNEL_LOG, errored.code)
    else:
        message = f"{name} could not be done: {errored.reason}"
        yield finding(gpu, "not-done", "Unknown", message, _AGAIN, errored.code)


def _completed(
    story: Story, gpu: StressGpu, ended: PhaseEnded, name: str, done: e.Completed, floors: Floors
) -> Iterator[Finding]:
    if done.wrong > 0 or done.not_finite > 0:
        message = f"{name}: {_wrong_words(story, ended, done)}"
        severity: Severity = "Unknown" if done.translated else "Critical"
        step = _TRANSLATED if done.translated else _STEPS.get(ended.phase, _REPLACE)
        if done.translated:
            message += "; the IOMMU stands between them, which the driver does not support over PCIe"
        yield finding(gpu, "wrong-results", severity, message, step, done.wrong)
    if min(done.iterations, done.compared, done.checked_share) <= 0 or done.seconds <= 0:
        message = f"{name} compared {done.compared} results in {done.iterations} iterations"
        yield finding(gpu, "nothing-compared", "Critical", message, _AGAIN, done.compared)
    if not done.self_proof and not done.wrong:
        message = f"{name}: the check did not find the wrong element that it was shown"
        yield finding(gpu, "check-not-proven", "Unknown", message, _AGAIN)
    if not done.rates:
        yield finding(gpu, "no-throughput", "Critical", f"{name} told no rate", _AGAIN, 0)
    for rate in done.rates:
        if rate.value <= 0:
            yield finding(
                gpu, "no-throughput", "Critical", f"{name}: {rate.name} is 0 {rate.unit}", _AGAIN, 0
            )
    if ended.phase == "memory":
        yield from _coverage(story, gpu, name, done.coverage, floors)
    if done.link is not None:
        yield from _link(gpu, name, done.link)


def _wrong_words(story: Story, ended: PhaseEnded, done: e.Completed) -> str:
    first = next(
        (
            wrong
            for wrong in story.wrongs
            if (wrong.phase, wrong.round) == (ended.phase, ended.round)
            and {wrong.gpu, wrong.peer} - {None} <= {ended.gpu, ended.peer}
        ),
        None,
    )
    count = f"{done.wrong} of {done.compared} wrong"
    if done.not_finite:
        count += f", {done.not_finite} of them NaN or infinite"
    if first is None:
        return count
    place = f"row {first.row}, column {first.column}" if first.row is not None else f"index {first.index}"
    at = f" at {first.address}" if first.address else ""
    sm = f", SM {first.sm}" if first.sm is not None else ""
    return f"{count}; first: {first.what} {place}{at}{sm}, expected {first.expected}, got {first.got}"


def _coverage(
    story: Story, gpu: StressGpu, name: str, coverage: e.Coverage | None, floors: Floors
) -> Iterator[Finding]:
    assert story.run is not None
    if coverage is None:
        yield finding(gpu, "coverage", "Unknown", f"{name} does not tell how much it covered", _AGAIN)
        return
    size_mb = story.run.size_mb
    promised = coverage.free_bytes if size_mb is None else min(size_mb << 20, coverage.free_bytes)
    limit = floors.limit("coverage")
    share = coverage.tested_bytes / promised if promised > 0 else 0.0
    if share < floors.share("coverage"):
        message = f"{name} covered {share:.1%} of the memory that it should have"
        yield finding(gpu, "coverage", "Unknown", message, _AGAIN, round(share * 100, 1), limit)
    free = coverage.free_bytes / coverage.total_bytes if coverage.total_bytes > 0 else 0.0
    if size_mb is None and free < floors.share("free_memory"):
        message = f"only {free:.0%} of its memory was free to be tested"
        step = "End other programs on this GPU (nvidia-smi shows them) and run it again."
        limit = floors.limit("free_memory")
        yield finding(gpu, "memory-in-use", "Unknown", message, step, round(free * 100, 1), limit)


def _link(gpu: StressGpu, name: str, link: e.Link) -> Iterator[Finding]:
    """The slowest part decides what is possible; below that, a link has lost lanes or speed."""
    if link.width and link.max_width and link.width < link.max_width:
        message = f"{name}: its PCIe link has {link.width} of {link.max_width} lanes under load"
        yield finding(gpu, "link-width", "Critical", message, _LINK, link.width)
    if link.speed_gtps and link.max_speed_gtps and link.speed_gtps < link.max_speed_gtps:
        message = (
            f"{name}: its PCIe link runs at {link.speed_gtps:g} of {link.max_speed_gtps:g} GT/s under load"
        )
        yield finding(gpu, "link-speed", "Critical", message, _LINK, link.speed_gtps)


def _peers(story: Story, gpu: StressGpu, floors: Floors) -> Iterator[Finding]:
    """The first of each pair answers for it."""
    assert story.run is not None
    planned = next((each for each in story.run.plan if each.gpu == gpu.id and each.phase == PEER), None)
    if planned is None:
        return
    ids = [each.id for each in story.run.gpus]
    if len(ids) == 1:
        return  # there is no pair
    broken = broken_gpus(story)
    pairs = len(ids) * (len(ids) - 1) // 2
    for other in ids[ids.index(gpu.id) + 1 :]:
        ended = story.phases.get((gpu.id, PEER, planned.round, other))
        name = f"{PEER} with {label(story.gpus[other])}"
        if ended is None:
            if not broken & {gpu.id, other} and story.stopped is None:
                yield finding(gpu, "not-run", "Unknown", f"{name} was promised and did not run", _AGAIN)
            continue
        match ended.outcome:
            case e.Completed() as done:
                yield from _completed(story, gpu, ended, name, done, floors)
                yield from _length(gpu, name, done, planned.seconds / pairs)
            case e.Errored() as errored:
                yield from _errored(gpu, name, errored)
            case e.NotSupported(reason=reason):
                yield finding(gpu, "left-out", "Unknown", f"{name} was left out: {reason}", _AGAIN)
            case e.Aborted():
                pass


def _anything(story: Story, gpu: StressGpu) -> Iterator[Finding]:
    outcomes = [ended.outcome for ended in story.phases.values() if gpu.id in (ended.gpu, ended.peer)]
    if any(isinstance(outcome, e.Completed | e.Aborted | e.Errored) for outcome in outcomes):
        return
    if gpu.id not in broken_gpus(story) and story.stopped is None:
        yield finding(gpu, "nothing-ran", "Unknown", "nothing was run on it", "Choose phases that it can do.")


def missed_faults(story: Story, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Faults that were made on purpose and that nobody found: then the check is blind."""
    assert story.run is not None
    failed = {each.component for each in findings if each.severity == "Critical"}
    for text in story.run.injections:
        fault, _, address = text.partition("@")
        if f"gpus/{address}" not in failed:
            message = f"the fault {fault} was made on purpose, and was not found"
            step = "A short run may not reach it: give it more time. Never trust a check that misses it."
            yield finding(story.gpus.get(address), f"missed-{fault}", "Unknown", message, step)
