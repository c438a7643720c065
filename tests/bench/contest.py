"""Runs on the emulated server: contenders take turns, and the medians of their times go out as JSON.

Standard library only. Input: {"rounds": n, "contenders": {name: {"before": [argv], "timed": [argv]}}}.
The commands of a contender run one after another, each to its end, their output thrown away.
"""

import json
import statistics
import subprocess
import sys
import time


def run(commands: list[list[str]]) -> float:
    """Seconds for all of them; a command that cannot be started ends the contest."""
    started = time.monotonic()
    for argv in commands:
        subprocess.run(argv, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - started


def main() -> None:
    contest = json.load(sys.stdin)
    seconds: dict[str, list[float]] = {name: [] for name in contest["contenders"]}
    # In turns, so that what else the host does hits all of them alike; the first round warms the caches.
    for number in range(contest["rounds"] + 1):
        for name, contender in contest["contenders"].items():
            run(contender["before"])
            taken = run(contender["timed"])
            if number:
                seconds[name].append(taken)
    json.dump({name: statistics.median(times) for name, times in seconds.items()}, sys.stdout)


main()
