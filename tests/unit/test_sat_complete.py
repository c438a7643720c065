"""An acceptance run on a machine of which a part is missing: what is there passes, and the run does not."""

from pathlib import Path

import pytest

from bee_bus.client import Bus
from bee_bus.documents.audit import Snapshot
from bee_bus.documents.findings import Finding, Severity
from bee_bus.documents.gpu import GpuIdentity
from bee_bus.documents.gpus import GpuInventory, InventoryGpu
from bee_bus.documents.sat import Completed
from bee_bus.expected import EXPECTED_FILE
from bee_sat.packs import load_pack
from bee_sat.packs.complete import complete_step
from bee_sat.packs.pack import Claim
from bee_sat.steps import Looks, Plan, Step
from lab.machine import FakeMachine
from lab.snapshots import snapshot
from lab.steps import FakeContext, done

ADDRESSES = ("0000:3b:00.0", "0000:86:00.0")
GPUS = GpuInventory(
    state="ready",
    gpus=tuple(
        InventoryGpu(
            id=address,
            vendor="NVIDIA",
            condition="ok",
            identity=GpuIdentity(id=address, index=number, uuid=f"GPU-{number}"),
        )
        for number, address in enumerate(ADDRESSES)
    ),
)


def missing(component: str, severity: Severity = "Critical", rule: str = "expected.missing") -> Finding:
    return Finding(
        rule=rule,
        severity=severity,
        component=component,
        where=component,
        message="7 of 8 are there",
        next_step="Look for what is missing.",
    )


def audited(*findings: Finding, source: str = EXPECTED_FILE) -> Snapshot:
    return snapshot(*findings, expected_source=source)


async def found(step: Step | None) -> list[tuple[str, str]]:
    assert step is not None
    assert step.promised
    context = FakeContext({})
    assert await done(step, context) == Completed(result="pass")
    assert all(one.message.startswith("before the load already: ") for one in context.findings)
    return [(one.rule, one.severity) for one in context.findings]


async def test_what_is_missing_of_the_tested_kind_is_found() -> None:
    others = (missing("storage"), missing("gpus/0000:3b:00.0", rule="gpus.xid"))
    step = complete_step(Looks(audit=audited(missing("gpus"), *others)), "gpus")
    assert await found(step) == [("expected.missing", "Critical")]


@pytest.mark.parametrize("severity", ["Warning", "Unknown"])
async def test_so_is_what_was_not_ordered_and_what_nobody_knows(severity: Severity) -> None:
    step = complete_step(Looks(audit=audited(missing("gpus", severity, "expected.others"))), "gpus")
    assert await found(step) == [("expected.others", severity)]


async def test_a_file_that_cannot_be_used_proves_nothing() -> None:
    wrong = missing("audit", "Unknown", "audit.expected-file")
    assert await found(complete_step(Looks(audit=audited(wrong)), "gpus")) == [
        ("audit.expected-file", "Unknown")
    ]


async def test_a_whole_machine_passes_and_without_an_order_there_is_no_such_step() -> None:
    assert await found(complete_step(Looks(audit=audited()), "gpus")) == []
    assert complete_step(Looks(audit=audited(source="")), "gpus") is None
    assert complete_step(Looks(), "gpus") is None


def names(plan: Plan) -> list[str]:
    return [step.name for stage in plan for step in stage]


async def gpu_steps(*addresses: str) -> list[str]:
    pack = load_pack("nvidia")
    claim = Claim(tuple(f"gpu/{address}" for address in addresses), pack.parse({}))
    return names(await pack.plan(claim, FakeMachine(), Looks(audit=audited(), gpus=GPUS)))


async def test_only_a_run_on_all_gpus_is_about_how_many_there_are() -> None:
    assert await gpu_steps(*ADDRESSES) == ["nvidia-smi", "expected", "gpu-stress", "nvidia-bug-report"]
    assert "expected" not in await gpu_steps(ADDRESSES[0])


async def test_only_a_run_on_all_disks_is_about_how_many_there_are(tmp_path: Path) -> None:
    pack = load_pack("storage")
    machine = FakeMachine(
        files={"/sys/class/block/sda/size": "1000\n", "/sys/class/block/sda/removable": "0\n"},
        links={"/sys/class/block/sda/device": "../../../0:0:0:0"},
    )
    for options, expected in (({}, True), ({"disks": "sda"}, False)):
        claim = await pack.claim(pack.parse(options), machine, Bus())
        plan = await pack.plan(claim, machine, Looks(audit=audited()))
        assert ("expected" in names(plan)) == expected
