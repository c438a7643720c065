"""How long an audit takes on a server with 24 disks, against the tools that an engineer would run instead.

Ratios of medians, taken in turns in one run on one machine; `make bench` prints them. They are reported and
not asserted: a busy host must not fail a build. tests/bench/RESULTS.md keeps what was measured.
"""

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import hardware, server
from lab.prerequisites import SERVER, require
from lab.server import Server

pytestmark = [pytest.mark.qemu, pytest.mark.timeout(0)]

ROUNDS = 5
COLD, WARM, TOOLS, LSHW = "bee audit, service cold", "bee audit, service warm", "tools in turn", "lshw -json"


@pytest.fixture(scope="module")
def storage() -> Iterator[Server]:
    require(*SERVER)
    with server.running(hardware.STORAGE) as booted:
        yield booted


def commands(text: str) -> list[list[str]]:
    return [shlex.split(line) for line in text.strip().splitlines()]


def the_tools(machine: Server) -> list[list[str]]:
    """What tells about the same hardware, as an inventory script would call it."""
    disks = machine.run(
        "lsblk --nodeps --noheadings --output NAME,TYPE | awk '$2 == \"disk\" {print $1}'"
    ).stdout
    controllers = machine.run("ls /sys/class/nvme").stdout.split()
    return commands(
        "\n".join(
            (
                "dmidecode --type system",
                "dmidecode --type processor",
                "dmidecode --type memory",
                "lsblk --json --output-all",
                *(f"smartctl --json --all /dev/{name}" for name in disks.split() if name != "vda"),
                *(f"nvme id-ctrl --output-format=json /dev/{name}" for name in controllers),
                *(f"nvme smart-log --output-format=json /dev/{name}" for name in controllers),
                "lspci -vmm",
                "ipmitool sdr elist",
                "ipmitool fru print",
                "ipmitool sel elist",
            )
        )
    )


def test_a_whole_audit_against_the_tools_it_replaces(storage: Server) -> None:
    audit = commands("bee audit --json")
    contenders = {
        TOOLS: {"before": [], "timed": the_tools(storage)},
        LSHW: {"before": [], "timed": commands("lshw -json")},
        COLD: {"before": commands("systemctl stop bee-auditd.service"), "timed": audit},
        WARM: {"before": audit, "timed": audit},
    }
    storage.send("/root/contest.py", Path(__file__).with_name("contest.py").read_bytes())
    storage.send("/root/contest.json", json.dumps({"rounds": ROUNDS, "contenders": contenders}).encode())
    answer = storage.run("python3 /root/contest.py < /root/contest.json", deadline_seconds=1800).stdout
    medians: dict[str, float] = json.loads(answer)
    snapshot = json.loads(storage.run("bee audit --json", check=False).stdout)
    table = [f"{'':26}{'median s':>10}{'of tools':>10}{'of lshw':>10}"]
    for name, seconds in medians.items():
        table.append(
            f"{name:26}{seconds:10.2f}{seconds / medians[TOOLS]:10.2f}{seconds / medians[LSHW]:10.2f}"
        )
    table.append(f"inside {snapshot['duration_seconds']:.2f} s, of which")
    for run in sorted(snapshot["collectors"], key=lambda run: -run["duration_seconds"]):
        table.append(f"  {run['name']:10}{run['status']:10}{run['duration_seconds']:8.2f} s")
    sys.stdout.write("\n" + "\n".join(table) + "\n")
    assert len(snapshot["hardware"]["storage"]["disks"]) >= 24
