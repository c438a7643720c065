"""What people type after bee-gpu-stress, what is planned from it, and which GPUs it means."""

import pytest

from bee_sat.gpu_stress import arguments, inject, plan
from bee_sat.gpu_stress.events import StressGpu
from bee_sat.gpu_stress.inject import Injection
from bee_sat.gpu_stress.selection import BadSelection, in_pci_order, select, worker_environment


def gpu(index: int, capability: tuple[int, int] = (9, 0)) -> StressGpu:
    return StressGpu(
        id=f"0000:{index + 0x3B:02x}:00.0",
        index=index,
        uuid=f"GPU-0000000{index}-0000-0000-0000-000000000000",
        name="NVIDIA H100 80GB HBM3",
        compute_capability=capability,
        memory_total_bytes=80 << 30,
    )


GPUS = tuple(gpu(index) for index in range(4))


# What can be typed.


def test_without_a_word_it_is_ten_minutes_of_everything_on_every_gpu() -> None:
    options = arguments.parse([])
    assert (options.seconds, options.size_mb, options.gpus) == (600, 0, ())
    assert options.phases == plan.PHASES
    assert options.telemetry and not options.json and not options.list_only


def test_phases_keep_their_order_and_gemm_means_all_products() -> None:
    assert arguments.parse(["--phases", "peer,memory,gemm"]).phases == (*plan.GEMM_PHASES, "memory", "peer")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--seconds", "soon"], "'soon': allowed is a number from 1 to 604800"),
        (["--seconds", "0"], "allowed is a number from 1 to 604800"),
        (["--seconds", "nan"], "allowed is a number from 1 to 604800"),
        (["--seconds", "1e9"], "allowed is a number from 1 to 604800"),
        (["--size-mb", "0"], "allowed is a whole number from 1"),
        (["--size-mb", "-5"], "allowed is a whole number from 1"),
        (["--size-mb", "1.5"], "allowed is a whole number from 1"),
        (["--size-mb", "²"], "allowed is a whole number from 1"),
        (["--hang-seconds", "0"], "allowed is a number from 1 to 3600"),
        (["--gpus", "0,,1"], "with nothing empty in it"),
        (["--phases", "gemms"], "there is no phase 'gemms'; allowed are gemm, gemm-bf16"),
        (["--phases", ""], "with nothing empty in it"),
        (["--inject", "flip"], "there is no fault 'flip'; allowed are flip-operand"),
        (["--inject", "hang@"], "there is no fault 'hang@'"),
        (["--inject", "flip-memory", "--phases", "gemm"], "needs the phase memory among --phases"),
        (["--inject", "nan", "--phases", "memory"], "needs a GEMM phase among --phases"),
        (["--inject", "slow@1", "--phases", "memory"], "needs a GEMM phase"),
        (["--inject", "flip-transfer", "--phases", "memory"], "needs the phase transfer or peer"),
        (["0"], "unrecognized arguments: 0"),
        (["--sec", "5"], "unrecognized arguments"),
    ],
)
def test_what_is_not_allowed_is_named_and_is_no_verdict(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        arguments.parse(words)
    assert ended.value.code == 3
    assert said in capsys.readouterr().err


def test_help_tells_of_every_phase_and_every_fault(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        arguments.parse(["--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert all(word in told for word in (*plan.PHASES, *inject.FAULTS, "exit codes"))


def test_faults_are_for_one_gpu_or_for_all() -> None:
    assert inject.parse("hang@0000:3b:00.0, nan") == (Injection("hang", "0000:3b:00.0"), Injection("nan"))


# What is planned.


@pytest.mark.parametrize("seconds", [1, 10, 600, 1500, 3600, 86_400, plan.SECONDS_MAX])
@pytest.mark.parametrize("capability", [(7, 0), (7, 5), (8, 0), (8, 6), (9, 0), (12, 0)])
def test_the_seconds_are_shared_out_and_none_is_lost(seconds: float, capability: tuple[int, int]) -> None:
    for gpus in ([gpu(0, capability)], [gpu(0, capability), gpu(1, capability)]):
        planned = plan.make_plan(gpus, seconds).phases
        mine = [each for each in planned if each.gpu == gpus[0].id]
        assert sum(each.seconds for each in mine) == pytest.approx(seconds, rel=0.002)


def test_ten_minutes_promise_every_phase_once() -> None:
    planned = plan.make_plan(GPUS, 600)
    assert [each.phase for each in planned.of(GPUS[0].id)] == [
        phase for phase in plan.PHASES if phase != plan.PEER
    ]
    assert [each.gpu for each in planned.peers] == [each.id for each in GPUS]
    assert all(each.seconds > 0 for each in planned.phases)


def test_a_day_is_rounds_of_mostly_products_with_memory_and_load_steps() -> None:
    planned = plan.make_plan(GPUS, 86_400).of(GPUS[0].id)
    rounds = max(each.round for each in planned)
    assert 40 <= rounds <= 60
    products = sum(each.seconds for each in planned if each.phase in plan.GEMM_PHASES)
    assert products > 0.7 * 86_400
    for phase in ("memory", "load-steps"):
        assert {each.round for each in planned if each.phase == phase} == set(range(1, rounds + 1))


def test_what_a_gpu_has_no_hardware_for_is_promised_and_takes_no_time() -> None:
    planned = plan.make_plan([gpu(0, (8, 0))], 600).phases
    fp8 = [each for each in planned if each.phase == "gemm-fp8"]
    assert [each.seconds for each in fp8] == [0]


@pytest.mark.parametrize(
    ("capability", "lacking"),
    [
        ((7, 0), {"gemm-bf16", "gemm-tf32", "gemm-fp8"}),
        ((7, 5), {"gemm-bf16", "gemm-tf32", "gemm-fp8", "gemm-fp64"}),
        ((8, 0), {"gemm-fp8"}),
        ((8, 6), {"gemm-fp8", "gemm-fp64"}),
        ((8, 9), {"gemm-fp64"}),
        ((9, 0), set()),
        ((10, 0), {"gemm-fp8"}),
        ((12, 0), {"gemm-fp64"}),
    ],
)
def test_what_each_generation_has(capability: tuple[int, int], lacking: set[str]) -> None:
    found = {phase for phase in plan.PHASES if plan.missing_hardware(phase, capability)}
    assert found == lacking


# Which GPUs.


def test_gpus_are_named_by_index_uuid_or_address() -> None:
    names = ("3", GPUS[1].uuid.upper(), "3d:00.0", "0000:3b:00.0")
    chosen = select(GPUS, names, (), {})
    assert [each.index for each in chosen.gpus] == [3, 1, 2, 0]
    assert not chosen.whole_machine


def test_all_gpus_are_the_whole_machine_only_when_nobody_chose() -> None:
    assert select(GPUS, (), (), {}).whole_machine
    assert not select(GPUS, (), (), {"CUDA_VISIBLE_DEVICES": "0,1,2,3"}).whole_machine


@pytest.mark.parametrize("names", [("4",), ("-1",), ("GPU-1",), ("0", "9")])
def test_a_gpu_that_is_not_there_is_refused_with_those_that_are(names: tuple[str, ...]) -> None:
    with pytest.raises(BadSelection, match=r"there is no GPU .*allowed is .*0 \(0000:3b:00\.0\)"):
        select(GPUS, names, (), {})


def test_a_gpu_named_twice_is_refused() -> None:
    with pytest.raises(BadSelection, match="twice"):
        select(GPUS, ("0", "3b:00.0"), (), {})


@pytest.mark.parametrize("visible", ["0,1,7,3", "0,GPU-ffffffff,1", "0,1,2,3,9", "0,1,x"])
def test_a_visible_gpu_that_cuda_left_out_does_not_go_unnoticed(visible: str) -> None:
    with pytest.raises(BadSelection, match="CUDA shows 2"):
        select(GPUS[:2], (), (), {"CUDA_VISIBLE_DEVICES": visible})


def test_the_visible_gpu_at_which_cuda_stops_is_named() -> None:
    """All GPUs of a server by their UUIDs, one of which CUDA does not know, as it is divided or dead."""
    visible = ",".join(one.uuid for one in GPUS)
    with pytest.raises(BadSelection, match=rf"stops at {GPUS[1].uuid}; .*MIG"):
        select(GPUS[:1], (), (), {"CUDA_VISIBLE_DEVICES": visible})


def test_minus_one_ends_the_visible_ones() -> None:
    assert len(select(GPUS[:2], (), (), {"CUDA_VISIBLE_DEVICES": "2,0,-1,1"}).gpus) == 2


def test_faults_go_to_the_gpus_that_they_name() -> None:
    chosen = select(GPUS, ("1", "2"), inject.parse("nan@2,slow"), {})
    assert chosen.faults == {GPUS[2].id: ("nan", "slow"), GPUS[1].id: ("slow",)}
    with pytest.raises(BadSelection, match="there is no GPU 0"):
        select(GPUS, ("1",), inject.parse("nan@0"), {})


def test_a_worker_sees_its_own_gpu_alone() -> None:
    assert worker_environment(GPUS[1:2], {}) == {"CUDA_VISIBLE_DEVICES": GPUS[1].uuid}
    parts = {"CUDA_VISIBLE_DEVICES": "MIG-1,MIG-2"}
    assert worker_environment(GPUS[1:2], parts) == {"CUDA_VISIBLE_DEVICES": "MIG-2"}


def test_gpus_are_numbered_as_nvidia_smi_does_unless_somebody_wants_otherwise() -> None:
    assert in_pci_order({}) == {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert in_pci_order({"CUDA_DEVICE_ORDER": "FASTEST_FIRST"}) == {}
