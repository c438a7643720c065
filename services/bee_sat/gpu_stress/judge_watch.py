"""What org.bee.Gpu1 saw of the GPUs before, during and after the load; pure."""

from collections.abc import Iterator

from bee_bus.documents.findings import Finding, Severity
from bee_bus.documents.gpu import GpuCounters
from bee_bus.documents.gpus import GpuEvent
from bee_sat.gpu_stress.events import GpuLook, Happened, StressGpu
from bee_sat.gpu_stress.findings import finding
from bee_sat.gpu_stress.floors import Floors
from bee_sat.gpu_stress.plan import HANG_SECONDS_USUAL
from bee_sat.gpu_stress.story import Story
from bee_sat.standing import standing

_RESET = "Reset the GPU (or restart the machine) and run it again; replace it if it comes back."
_REPLACE = "Replace the GPU; send the vendor the output of nvidia-bug-report.sh."
_COOL = "Check fans, air flow and heatsinks, and the power supplies and cables of this GPU."
_LINKS = "Reseat the GPU, check cables and bridges, and run it again."
_LOG = (
    "Look in the kernel log for its Xid errors; turn persistence mode on (nvidia-smi -pm 1) and run it again."
)
_SERVICE = "See why the GPU service does not answer (journalctl -u bee-gpud), or use --without-telemetry."

# Counters that must not rise under load, and what one more of them is.
_COUNTERS: tuple[tuple[str, str, str, str], ...] = (
    ("ecc_volatile_uncorrected", "ecc-uncorrected", "uncorrectable ECC errors", _RESET),
    ("remapped_rows_uncorrected", "rows-remapped", "rows remapped after uncorrectable errors", _RESET),
    ("remapped_rows_corrected", "rows-remapped", "rows remapped after corrected errors", _RESET),
    ("retired_pages_double_bit", "pages-retired", "pages retired after double-bit errors", _RESET),
    ("retired_pages_single_bit", "pages-retired", "pages retired after single-bit errors", _RESET),
)
_FLAGS: tuple[tuple[str, str, str, str], ...] = (
    ("remap_failed", "remap-failed", "a faulty row could not be replaced: no spare row is left", _REPLACE),
    ("remapped_rows_pending", "rows-remapped", "a faulty row waits for a reset to be replaced", _RESET),
    ("retired_pages_pending", "pages-retired", "a faulty page waits for a restart to be retired", _RESET),
)
# Events of the service that mean no good whatever severity it gives them, and those that others here judge.
_FATAL = {
    "rows-remapped": ("rows-remapped", _RESET),
    "remap-pending": ("rows-remapped", _RESET),
    "pages-retired": ("pages-retired", _RESET),
    "retirement-pending": ("pages-retired", _RESET),
    "ecc-uncorrected": ("ecc-uncorrected", _RESET),
    "remap-failed": ("remap-failed", _REPLACE),
    "nvlink-down": ("nvlink", _LINKS),
    "lost": ("lost", _RESET),
    "needs-reset": ("lost", _RESET),
    "no-power": ("lost", "Check the GPU's power cables."),
    "not-answering": ("lost", _RESET),
    "driver-gone": ("lost", _RESET),
    "recovery-action": ("recovery-action", _RESET),
}
_LOWERED = 0.97  # of the usual power limit: below it, somebody lowered the limit
_LOOK_SECONDS = 1.5  # from one look to the next, and somewhat more
_SLOWED_BY_HARDWARE = frozenset({"hw-slowdown", "hw-thermal", "hw-power-brake"})


def judge_watch(story: Story, floors: Floors) -> Iterator[Finding]:
    run = story.run
    assert run is not None
    if not run.with_telemetry:
        return
    yield from _watched(story)
    yield from _missing(story)
    looks = {look.gpu: look for look in story.after.gpus} if story.after else {}
    for look in story.before.gpus if story.before else ():
        if look.gpu in story.gpus:
            yield from standing(look.findings, f"gpus/{look.gpu}")
            yield from _difference(story.gpus[look.gpu], look, looks.get(look.gpu), story.after is not None)
    for happened in story.happened:
        news = happened.news
        if news.gpu != "" and news.gpu not in story.gpus:
            continue
        if news.kind == "not-answering" and (seconds := _silence(story, happened)) is not None:
            # The driver starts and empties GPUs one after the other, and lets questions wait meanwhile.
            message = f"the driver answered questions about it only after {seconds:.0f} s and more"
            yield finding(story.gpus.get(news.gpu), "not-answering", "Warning", message, _LOG)
        else:
            yield from _event(story.gpus.get(news.gpu), news)
    for gpu in run.gpus:
        yield from _slowed(story, gpu, floors)


def _watched(story: Story) -> Iterator[Finding]:
    if story.telemetry is None or not story.telemetry.watching:
        reason = story.telemetry.reason if story.telemetry else "it was never asked"
        message = f"the GPU service did not watch to the end: {reason}"
        yield finding(None, "not-watched", "Unknown", message, _SERVICE)
        return
    for when, look in (("before", story.before), ("after", story.after)):
        if look is None:
            message = f"the GPU service was not asked {when} the load"
            yield finding(None, f"no-look-{when}", "Unknown", message, _SERVICE)
    for gpu in story.gpus.values():
        if gpu.id not in story.seen or not story.seen[gpu.id].samples:
            yield finding(gpu, "not-watched", "Unknown", "the GPU service never sampled it", _SERVICE)


def _missing(story: Story) -> Iterator[Finding]:
    """GPUs that the machine has and CUDA does not show, and the other way round."""
    run, before = story.run, story.before
    assert run is not None
    if before is None:
        return
    known = {look.gpu for look in before.gpus}
    for gpu in run.gpus:
        if gpu.id not in known:
            yield finding(gpu, "not-watched", "Unknown", "the GPU service does not know it", _SERVICE)
    if not run.whole_machine:
        return
    for look in before.gpus:
        if look.gpu not in story.gpus:
            trouble = look.trouble or look.condition
            yield Finding(
                rule="gpu-stress.missing",
                severity="Critical",
                component=f"gpus/{look.gpu}",
                where=f"{look.name or 'a GPU'}, {look.gpu}",
                message=f"The GPU at {look.gpu} is in the machine and CUDA does not show it ({trouble})",
                next_step="See what nvidia-smi and the kernel log say of it; reseat or replace it.",
                value=look.condition,
            )


def _difference(
    gpu: StressGpu, before: GpuLook, after: GpuLook | None, was_looked: bool
) -> Iterator[Finding]:
    if before.mig_enabled:
        message = "it is divided (MIG), and only one part of it was tested"
        step = f"Turn MIG off (nvidia-smi -i {gpu.id} -mig 0) and run it again."
        yield finding(gpu, "divided", "Unknown", message, step, True)
    limit, usual = before.power_limit_enforced_watts, before.power_limit_default_watts
    if limit and usual and limit < usual * _LOWERED:
        message = f"its power limit is {limit:.0f} W, which is {usual:.0f} W by default"
        step = (
            f"If nobody wanted that, set it back (nvidia-smi -i {gpu.id} -pl {usual:.0f}) and run it again."
        )
        yield finding(gpu, "power-limited", "Warning", message, step, round(limit, 1))
    if after is None:
        if was_looked:  # no look at all is a finding already
            message = "after the load the GPU service does not know it any more"
            yield finding(gpu, "lost", "Critical", message, _RESET, "gone")
        return
    if after.condition != "ok":
        message = f"after the load it is {after.condition}: {after.trouble or 'no reason is known'}"
        yield finding(gpu, "lost", "Critical", message, _RESET, after.condition)
        return
    yield from _counters(gpu, before.counters or GpuCounters(), after.counters or GpuCounters())
    for number, count in after.xids.items():
        added = count - before.xids.get(number, 0)
        if added > 0:
            message = f"Xid {number} came {added} times into the kernel log under load"
            yield finding(gpu, "xid", "Critical", message, _RESET, int(number))


def power_shares(story: Story) -> dict[str, float]:
    """How much of its usual power limit each GPU may draw whose limit was lowered."""
    shares = {}
    for look in story.before.gpus if story.before else ():
        limit, usual = look.power_limit_enforced_watts, look.power_limit_default_watts
        if limit and usual and limit < usual * _LOWERED:
            shares[look.gpu] = limit / usual
    return shares


def _counters(gpu: StressGpu, before: GpuCounters, after: GpuCounters) -> Iterator[Finding]:
    for field, rule, what, step in _COUNTERS:
        old, new = getattr(before, field), getattr(after, field)
        if old is None and new is None:
            continue
        if old is None or new is None or new < old:
            message = f"{what} cannot be compared: {_said(old)} before the load, {_said(new)} after"
            yield finding(gpu, f"{rule}-unknown", "Unknown", message, "Run it again.")
        elif new > old:
            yield finding(gpu, rule, "Critical", f"{new - old} new {what} under load", step, new - old)
    for field, rule, message, step in _FLAGS:
        if getattr(after, field) and not getattr(before, field):
            yield finding(gpu, rule, "Critical", message, step, True)


def _said(value: int | None) -> str:
    return "absent" if value is None else str(value)


def _silence(story: Story, begun: Happened) -> float | None:
    """How long a GPU did not answer that soon did again; None for one that did not."""
    for later in story.happened:
        seconds = later.steady_seconds - begun.steady_seconds
        again = later.news.kind == "back" and later.news.details.get("before") == begun.news.kind
        if again and later.news.gpu == begun.news.gpu and 0 <= seconds <= HANG_SECONDS_USUAL:
            return seconds
    return None


def _event(gpu: StressGpu | None, news: GpuEvent) -> Iterator[Finding]:
    if news.kind == "xid":
        if news.severity != "Info":
            step = str(news.details.get("next_step") or _RESET)
            yield finding(gpu, "xid", "Critical", f"{news.message} under load", step, _number(news))
    elif news.kind in _FATAL:
        rule, step = _FATAL[news.kind]
        yield finding(gpu, rule, "Critical", f"{news.message} under load", step)
    elif news.kind == "nvlink-errors":
        # DCGM: one replay or recovery fails; CRC errors (Info here) are corrected, and judged by their rate.
        if news.severity != "Info":
            yield finding(gpu, "nvlink", "Critical", f"{news.message} under load", _LINKS)
    elif news.kind == "pcie-link-narrowed":
        lanes = news.details.get("what") == "width"
        severity: Severity = "Critical" if lanes else "Warning"
        yield finding(gpu, "link-narrowed", severity, f"{news.message} under load", _LINKS)
    elif news.severity != "Info":
        severity = "Critical" if news.severity == "Critical" else "Warning"
        yield finding(gpu, news.kind, severity, f"{news.message} under load", _RESET)


def _number(news: GpuEvent) -> int | None:
    number = news.details.get("xid")
    return number if isinstance(number, int) else None


def _slowed(story: Story, gpu: StressGpu, floors: Floors) -> Iterator[Finding]:
    """Slowed down for heat or lack of power. What the power limit does is normal under load."""
    limit = floors.limit("hw_slowdown")
    for throttled in story.throttled(gpu.id):
        if throttled.severity == "Info" or throttled.seconds <= 0:
            continue
        share = throttled.seconds / story.seconds if story.seconds else 1.0
        # What one look alone has seen may have lasted for a moment, however short the run.
        lasted = throttled.seconds > _LOOK_SECONDS and share > floors.share("hw_slowdown")
        hard = lasted and throttled.reason in _SLOWED_BY_HARDWARE
        message = (
            f"{throttled.reason} held its clocks down for {throttled.seconds:.1f} s, {share:.1%} of the time"
        )
        severity: Severity = "Critical" if hard else "Warning"
        yield finding(
            gpu,
            f"slowed-{throttled.reason}",
            severity,
            message,
            _COOL,
            round(share * 100, 2),
            limit if hard else None,
        )
