"""Acceptance runs on a whole server: disks that test themselves and are never written, and a machine that is
reset under a run.
"""

import time
from collections.abc import Mapping

import msgspec
import pytest

from bee_bus.documents.sat import SatResult, SatRun
from lab import hardware
from lab.rootfs import MEMBER
from lab.server import Server

pytestmark = [pytest.mark.qemu, pytest.mark.timeout(1500)]

SATAS = [disk.serial for disk in hardware.REFERENCE.satas]
NVMES = [disk.serial for disk in hardware.REFERENCE.nvmes]
EXITS = {"OK": 0, "FAILED": 2}


def result_of(server: Server, *words: str, deadline_seconds: float = 600) -> tuple[SatResult, int]:
    """A run from start to end, as somebody types it; its result and exit code."""
    ended = server.run(
        f"bee sat {' '.join(words)} --json", user=MEMBER, check=False, deadline_seconds=deadline_seconds
    )
    assert ended.stdout, ended.stderr + server.run("journalctl --unit=bee-satd.service | tail -60").stdout
    return msgspec.json.decode(ended.stdout, type=SatResult), ended.returncode


def names_of_disks(server: Server) -> Mapping[str, str]:
    """Serial to what the kernel calls the block device."""
    said = server.run("lsblk --nodeps --noheadings --output SERIAL,NAME").stdout
    rows = [line.split() for line in said.splitlines()]
    return {row[0]: row[1] for row in rows if len(row) == 2}


def writes(server: Server, names: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """What the block layer counts of writes, discards and flushes (kernel, Documentation/block/stat.rst)."""
    counted = {}
    for serial in (*SATAS, *NVMES):
        fields = server.run(f"cat /sys/block/{names[serial]}/stat").stdout.split()
        counted[serial] = (*fields[4:8], *fields[11:17])
    return counted


def under_load(server: Server, program: str) -> None:
    """Wait until a run's load has begun."""
    deadline = time.monotonic() + 120
    while server.run(f"pgrep --exact {program}", check=False).stdout == "":
        assert time.monotonic() < deadline, server.run("bee sat list", check=False).stdout
        time.sleep(0.5)


def test_disks_test_themselves_and_nothing_is_written_to_them(reference: Server) -> None:
    names = names_of_disks(reference)
    before = writes(reference, names)
    result, code = result_of(reference, "storage")
    assert writes(reference, names) == before
    steps = {step.name: step for step in result.steps}
    for serial in SATAS:
        step = steps[names[serial]]
        assert step.status == "OK", step
        assert step.command[:3] == ("smartctl", "-t", "short")
    for serial in NVMES:
        step = steps[names[serial].rstrip("0123456789").removesuffix("n")]
        # QEMU's NVMe drives have no self-test, and say so.
        assert step.status == "UNSUPPORTED", step
        assert "self-test" in step.reason
    assert result.findings == (), result.findings
    # Nothing else adds up to OK than every promised step passed.
    assert (result.status, code) == ("UNSUPPORTED", 3)
    assert any(word in result.reason for word in ("nvme", "vda"))


def test_the_disks_that_can_pass_alone(reference: Server) -> None:
    names = names_of_disks(reference)
    chosen = ",".join(names[serial] for serial in SATAS)
    result, code = result_of(reference, "storage", "--disks", chosen)
    assert (result.status, code) == ("OK", 0), result
    assert result.resources == tuple(f"disk/{name}" for name in chosen.split(","))
    assert [look.error for look in result.looks] == ["", ""]
    again = reference.run(f"bee sat show {result.run} --recompute --json").stdout
    assert msgspec.json.decode(again, type=SatResult) == result


def test_memory_passes(reference: Server) -> None:
    """No such story of the cpu pack: stress-ng picks its code by the processor's model, and the emulator has
    not the instructions of the one that it pretends to be.
    """
    result, code = result_of(reference, "memory", "--size-mb", "32", "--duration", "20", deadline_seconds=900)
    assert code == EXITS.get(result.status, 3)
    steps = {step.name: step for step in result.steps}
    assert steps["memtester"].status == "OK", result
    # How often emulated processors get over 4 GiB in that time is the host's affair; no word was wrong.
    passed = steps["stressapptest"].status == "OK"
    assert passed or "give it longer" in steps["stressapptest"].reason, result
    assert [finding for finding in result.findings if finding.severity == "Critical"] == []


def test_an_error_of_the_board_fails_a_run_whose_load_passes(reference: Server) -> None:
    """The BMC logs an uncorrectable memory error while memtester finds none."""
    assert reference.bmc is not None
    run = reference.run("bee sat memory --size-mb 48 --duration 1 --detach").stdout.strip()
    under_load(reference, "memtester")
    event = bytes((0, 0, 2, 0, 0, 0, 0, 0x20, 0, 4, 0x0C, 0x51, 0x6F, 0xA1, 0xFF, 0x03))
    reference.bmc.add_event(event)
    reference.run(f"bee sat attach {run}", check=False, deadline_seconds=300)
    text = reference.run(f"bee sat show {run} --json", check=False).stdout
    result = msgspec.json.decode(text, type=SatResult)
    assert result.steps[0].status == "OK", result.steps[0].reason
    assert result.status == "FAILED", result
    assert any(finding.component.startswith("bmc") for finding in result.findings), result.findings


def completed(server: Server, run: str, deadline_seconds: float = 120) -> SatRun:
    """A run that was cut short, once the service has judged and packed it, which it does beside its work."""
    deadline = time.monotonic() + deadline_seconds
    while True:
        runs = msgspec.json.decode(server.run("bee sat list --json").stdout, type=tuple[SatRun, ...])
        (found,) = [one for one in runs if one.run == run]
        if found.archive is not None or time.monotonic() > deadline:
            return found
        time.sleep(1)


def test_a_machine_that_is_reset_under_a_run_finds_it_interrupted(reference: Server) -> None:
    run = reference.run("bee sat memory --size-mb 256 --duration 600 --detach").stdout.strip()
    under_load(reference, "memtester")
    time.sleep(3)
    reference.reset()
    found = completed(reference, run)
    assert found.status == "INTERRUPTED", found
    ended = reference.run(f"bee sat show {run} --json", check=False)
    journal = "journalctl --unit=bee-satd.service --boot | tail -40"
    assert ended.stdout, ended.stderr + reference.run(journal).stdout
    assert ended.returncode == 3
    result = msgspec.json.decode(ended.stdout, type=SatResult)
    assert result.steps[0].started_at is not None
    assert result.steps[0].status == "INTERRUPTED"
    kept = reference.run(f"ls /var/log/bee-sat/{run}").stdout.split()
    assert {"records.jsonl", "look-before-audit.json", "result.json", "summary.txt"} <= set(kept)
    assert "overall_status=INTERRUPTED" in reference.run(f"cat /var/log/bee-sat/{run}/summary.txt").stdout
    assert reference.run(f"tar tzf /var/log/bee-sat/{run}.tar.gz").stdout
