"""bee-gpu-stress: from the words typed to an exit code, which is the verdict."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable

from bee_bus.thresholds import SITE_FILE, ThresholdError
from bee_sat.gpu_stress import arguments, events
from bee_sat.gpu_stress.arguments import USAGE_ERROR, Options
from bee_sat.gpu_stress.events import AnyEvent, Stopped, Verdict
from bee_sat.gpu_stress.floors import Floors, built_in
from bee_sat.gpu_stress.parent import Order, run
from bee_sat.gpu_stress.report import Report, listing
from bee_sat.gpu_stress.selection import BadSelection, in_pci_order, select
from bee_sat.gpu_stress.supervisor import discover
from bee_sat.gpu_stress.verdict import exit_code, nothing_ran

_OK = 0


def main() -> int:
    """The exit code: 0 OK, 2 failed, 3 not judged or not started, 130 or 143 ended by a signal."""
    options = arguments.parse(sys.argv[1:])
    try:
        floors = _floors()
    except (ThresholdError, OSError) as error:
        return _complain(f"{SITE_FILE}: {error}")
    return asyncio.run(_main(options, floors))


async def _main(options: Options, floors: Floors) -> int:
    stop = asyncio.Event()
    output = _Output(options, stop.set)
    stopped: list[Stopped] = []

    def end(number: signal.Signals) -> None:
        if not stop.is_set():
            stopped.append(Stopped(signal=number.name))
            stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, end, number)

    found = await discover(in_pci_order(os.environ), stop)
    if found.problem or not found.gpus or stopped:
        why = found.problem or "; ".join(found.lost) or "CUDA shows no GPU"
        verdict = nothing_ran(why, found.next_step, stopped=stopped[0] if stopped else None)
        return _no_run(options, output, verdict, stopped)
    try:
        selection = select(found.gpus, options.gpus, options.injections, lost=found.lost)
    except BadSelection as error:
        return _no_run(options, output, nothing_ran(str(error)), stopped)
    if options.list_only:
        output.text("\n".join(listing(selection.gpus)))
        return _OK

    order = Order(options, selection, floors, found.driver_version)
    verdict = await run(order, output.say, stop, lambda: stopped[0] if stopped else None)
    if output.broken:
        return _complain("the output cannot be written; without it there is no verdict")
    code = exit_code(verdict, stopped[0] if stopped else None)
    if stopped:
        os._exit(code)  # all is said and no worker is left; the bus may hang
    return code


def _no_run(options: Options, output: "_Output", verdict: Verdict, stopped: list[Stopped]) -> int:
    """Nothing was loaded: said where the verdict is looked for, and to people."""
    if options.json and not options.list_only:
        output.say(verdict)
    else:
        finding = verdict.findings[0]
        _complain(f"{finding.message}. {finding.next_step}")
    return exit_code(verdict, stopped[0] if stopped else None)


def _floors() -> Floors:
    try:
        with open(SITE_FILE, encoding="utf-8") as file:
            return built_in().with_site(file.read())
    except FileNotFoundError:
        return built_in()


class _Output:
    """Standard output, as events or as lines for people.

    ``broken``: it could not be written, of which ``on_broken`` is told: nobody would know how the run ends.
    """

    def __init__(self, options: Options, on_broken: Callable[[], None]) -> None:
        self.broken = False
        self._on_broken = on_broken
        self._json = options.json
        terminal = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._report = Report(colour=terminal and options.colour)
        sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]

    def say(self, event: AnyEvent) -> None:
        if self._json:
            self._write(lambda: sys.stdout.buffer.write(events.line(event)))
        else:
            for line in self._report.lines(event):
                self.text(line)

    def text(self, line: str) -> None:
        self._write(lambda: sys.stdout.write(line + "\n"))

    def _write(self, write: Callable[[], object]) -> None:
        if self.broken:
            return
        try:
            write()
            sys.stdout.flush()
        except OSError:
            self.broken = True
            self._on_broken()
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # its last flush at exit stays quiet


def _complain(message: str) -> int:
    sys.stderr.write(f"bee-gpu-stress: {message}\n")
    return USAGE_ERROR


if __name__ == "__main__":
    sys.exit(main())
