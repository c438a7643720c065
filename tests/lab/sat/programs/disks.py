"""smartctl and nvme, and disks that test themselves."""

import json
import re
import time
from pathlib import Path
from typing import Any

from lab.sat.programs.manners import say, wait_for

SELF_TEST_SECONDS = 5.0
ROUTINE = '"Execute SMART Short self-test routine immediately in off-line mode"'


def smartctl(folder: Path, manner: str, words: list[str]) -> int:
    """A disk's answer is FOLDER/disks/NAME.json; NAME.test says since when a test runs in it."""
    if words == ["--scan-open", "-j"]:
        say(json.dumps({"smartctl": {"version": [7, 4], "exit_status": 0}, "devices": []}))
        return 0
    device = Path(words[-1] if words else "")
    report = folder / "disks" / f"{device.name}.json"
    what = " ".join(words[:-1])
    if what not in ("-x -j", "-i -H -A -j", "-t short", "-t long", "-X") or device.parent != Path("/dev"):
        say(f"=======> UNRECOGNIZED OPTION: {what}\n\nUse smartctl -h to get a usage summary")
        return 1
    if not report.exists():
        say(f"Smartctl open device: {device} failed: No such device")
        return 2
    disk = Disk(folder, device.name, manner)
    if what == "-X":
        disk.abort()
        say("Self-testing aborted!")
        return 0
    if what.startswith("-t"):
        if manner == "refuses":
            say(f"Command {ROUTINE} failed: Input/output error")
            return 4
        if not disk.start(what[3:]):
            say("Can't start self-test without aborting current test (90% remaining),")
            say("add '-t force' option to override, or run 'smartctl -X' to abort test.")
            return 4
        if "hangs when it starts" in manner:
            wait_for(folder / "never")
        say(f"Drive command {ROUTINE} successful.")
        say("Testing has begun.")
        return 0
    say(json.dumps(disk.report()))
    return 0


def nvme(folder: Path, manner: str, words: list[str]) -> int:
    start = re.fullmatch(r"device-self-test /dev/(nvme\d+) -n 0xffffffff -s (1|2|0xf)", " ".join(words))
    if start is None or not (folder / "disks" / f"{start[1]}.json").exists():
        say("Usage: nvme device-self-test <device> [OPTIONS]")
        return 1
    disk = Disk(folder, start[1], manner)
    if start[2] == "0xf":
        disk.abort()
        say("Aborting device self-test operation")
    elif not disk.start({"1": "short", "2": "long"}[start[2]]):
        say("NVMe status: Device Self-test In Progress: The controller is running one already(0x11d)")
        return 1
    else:
        say("Short Device self-test started")
    return 0


class Disk:
    """What a disk keeps in itself: the test that runs, and the results of those that ran."""

    def __init__(self, folder: Path, name: str, manner: str) -> None:
        self._file = folder / "disks" / f"{name}.json"
        self._test = folder / "disks" / f"{name}.test"
        self._fails = f"{name} fails" in manner
        self._hangs = f"{name} hangs" in manner
        self._forgets = f"{name} forgets" in manner

    def start(self, kind: str) -> bool:
        if self._running():
            return False
        self._test.write_text(f"{kind} {time.time()}")
        return True

    def abort(self) -> None:
        if self._running():
            self._end("aborted")

    def report(self) -> dict[str, Any]:
        running = self._running()
        report = self._read()
        if running and "nvme" in self._file.name:
            report["nvme_self_test_log"]["current_self_test_operation"] = {"value": 1, "string": "short"}
            report["nvme_self_test_log"]["current_self_test_completion_percent"] = 40
        elif running:
            status = {"value": 0xF6, "string": "in progress, 60% remaining"}
            report["ata_smart_data"]["self_test"]["status"] = status
        return report

    def _read(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._file.read_text())
        return found

    def _running(self) -> bool:
        if not self._test.exists():
            return False
        since = float(self._test.read_text().split()[1])
        if self._hangs or time.time() - since < SELF_TEST_SECONDS:
            return True
        self._end("failed" if self._fails else "passed")
        return False

    def _end(self, how: str) -> None:
        kind = self._test.read_text().split()[0]
        self._test.unlink()
        if self._forgets:
            return
        report = self._read()
        if "nvme" in self._file.name:
            result = {"passed": 0, "aborted": 1, "failed": 7}[how]
            row = {
                "self_test_code": {"value": 1 if kind == "short" else 2, "string": kind},
                "self_test_result": {"value": result, "string": how},
                "power_on_hours": 4280,
            }
            report["nvme_self_test_log"].setdefault("table", []).insert(0, row)
        else:
            status = {"passed": 0x00, "aborted": 0x19, "failed": 0x79}[how]
            row = {
                "type": {"value": 1 if kind == "short" else 2, "string": kind},
                "status": {"value": status, "string": how},
                "lifetime_hours": 20001,
                **({"lba": 123456789} if how == "failed" else {}),
            }
            log = report["ata_smart_self_test_log"]["extended"]
            log["table"] = [row, *log.get("table", [])]
            log["count"] = len(log["table"])
            report["ata_smart_data"]["self_test"]["status"] = {"value": status, "string": how}
        self._file.write_text(json.dumps(report))
