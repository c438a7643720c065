"""memtester and stressapptest."""

import os
import re
import signal
import sys
import time
from pathlib import Path

from lab.sat.programs.manners import WORK_SECONDS, say


def memtester(folder: Path, manner: str, words: list[str]) -> int:
    say("memtester version 4.6.0 (64-bit)\nCopyright (C) 2001-2020 Charles Cazabon.")
    say("Licensed under the GNU General Public License version 2 (only).\n\npagesize is 4096")
    if len(words) != 2 or not all(map(re.fullmatch, (r"[1-9]\d*M", r"[1-9]\d*"), words)):
        say("\nUsage: memtester [-p physaddrbase [-d device]] <mem>[B|K|M|G] [loops]")
        return 1  # without a number of loops it would run for ever
    mib, loops = int(words[0].rstrip("M")), int(words[1])
    got = mib // 2 if manner == "gets half" else mib
    locked = "failed for unknown reason." if manner == "locks nothing" else "locked."
    say(f"want {mib}MB ({mib << 20} bytes)\ngot  {got}MB ({got << 20} bytes), trying mlock ...{locked}")
    for loop in range(1, loops + 1):
        say(f"Loop {loop}/{loops}:")
        for test in MEMTESTS:
            sys.stdout.write(f"  {test:<20}: ")
            sys.stdout.write("".join(f"setting {n:3d}" + "\b" * 11 for n in range(3)) + " " * 11 + "\b" * 11)
            if manner == "fails" and test == "Bit Flip":
                say("\nFAILURE: 0xfffffffffffffffe != 0xffffffffffffffff at offset 0x0000000000a3f0c8.")
            else:
                say("ok         ")
        time.sleep(WORK_SECONDS / loops)
        if manner == "is killed":
            os.kill(os.getpid(), signal.SIGKILL)
    say("\nDone.")
    return 4 if manner == "fails" else 0


MEMTESTS = (
    "Stuck Address",
    "Random Value",
    *(f"Compare {name}" for name in ("XOR", "SUB", "MUL", "DIV", "OR", "AND")),
    "Sequential Increment",
    "Solid Bits",
    "Block Sequential",
    "Checkerboard",
    "Bit Spread",
    "Bit Flip",
    "Walking Ones",
    "Walking Zeroes",
    "8-bit Writes",
    "16-bit Writes",
)


def stressapptest(folder: Path, manner: str, words: list[str]) -> int:
    say(f"Log: Commandline - stressapptest {' '.join(words)}")
    say("Stats: SAT revision 1.0.9_autoconf, 64 bit binary")
    options = dict(zip(words[::2], words[1::2], strict=False))
    unknown = [name for name in options if name not in ("-M", "-s")]
    if unknown or len(words) % 2 or not all(value.isdigit() and int(value) for value in options.values()):
        say(f"Usage: ./sat(32|64) [options]\n\n Unknown argument {unknown[0] if unknown else words[-1]}")
        return 1
    mib, seconds = int(options["-M"]), int(options["-s"])
    say(f"Stats: Starting SAT, {mib}M, {seconds} seconds\nLog: Seconds remaining: {seconds}")
    time.sleep(WORK_SECONDS)
    copied = 0 if manner == "copies nothing" else mib * 3
    errors = 0
    if manner == "fails":
        errors = 2
        for at in ("0x7f3b1c2aa0c8", "0x7f3b1c2aa0d0"):
            say("Report Error: miscompare : DIMM Unknown : 1 : 11s")
            say(
                f"Hardware Error: miscompare on CPU 1(0x2) at {at}(0x1f2aa0c8:DIMM Unknown): "
                "read:0xfffffffffffffffe, reread:0xfffffffffffffffe expected:0xffffffffffffffff"
            )
    say(f"Stats: Found {errors} hardware incidents")
    say(
        f"Stats: Completed: {copied}.00M in {seconds}.00s {copied / seconds:.2f}MB/s, "
        f"with {errors} hardware incidents, {errors} errors"
    )
    if manner != "stops before the verdict":
        ending = "FAIL - test discovered HW problems"
        if not errors:
            ending = "PASS - please verify no corrected errors"
        say(f"\nStatus: {ending}\n")
    return 1 if errors else 0
