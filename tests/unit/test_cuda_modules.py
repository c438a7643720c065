"""Kernels through the door to libcuda: objects and PTX, launches, and contexts that die of them."""

import struct
from pathlib import Path

import pytest

from bee_sat.gpu_stress import cuda
from bee_sat.gpu_stress.cuda import (
    Context,
    ContextDead,
    CudaError,
    DeviceMemory,
    DeviceUnavailable,
    Event,
    FunctionAttribute,
    HostMemory,
    ImageRejected,
    LaunchRefused,
    Module,
    Stream,
    c_uint32,
    c_uint64,
)
from bee_sat.gpu_stress.kernels.nvrtc import Compiler
from lab.cuda import FakeCuda
from lab.cuda.here import opened
from lab.cuda.probes import SOURCE, TARGET, probes_object, probing


def test_a_kernel_says_what_it_needs() -> None:
    with probing() as probe:
        function = probe.module.function("probe_wgmma")
        assert function.attribute(FunctionAttribute.NUM_REGS) >= 64
        assert function.attribute(FunctionAttribute.MAX_THREADS_PER_BLOCK) == 1024
        assert function.attribute(FunctionAttribute.BINARY_VERSION) == 90
        assert function.attribute(FunctionAttribute.MAX_DYNAMIC_SHARED_SIZE_BYTES) == 48 << 10
        assert function.blocks_per_multiprocessor(128, 100 << 10) == 2
        cluster = probe.module.function("probe_tma_multicast")
        assert cluster.active_clusters((2, 1, 1), (32, 1, 1), (2, 1, 1)) == 66


def test_a_kernel_that_is_not_there_is_named() -> None:
    with probing() as probe, pytest.raises(CudaError) as error:
        probe.module.function("probe_nothing")
    assert error.value.code == 500


def test_arguments_that_are_not_the_kernels_are_refused() -> None:
    with probing() as probe:
        memory = probe.memory(4096)
        with pytest.raises(
            ValueError, match=r"probe_mma takes arguments of \(8, 8, 4\) bytes, not of \(8, 8\)"
        ):
            probe.run("probe_mma", [memory, memory])
        with pytest.raises(ValueError, match="not of"):
            probe.run("probe_mma", [memory, memory, c_uint64(0)])


def test_a_launch_that_the_gpu_cannot_do_is_refused() -> None:
    with probing() as probe:
        function = probe.module.function("probe_mbarrier")
        out = probe.memory(64)
        with pytest.raises(CudaError, match="INVALID_VALUE"):  # more than was allowed
            function.launch((1, 1, 1), (64, 1, 1), [out], shared_bytes=50 << 10)
        with pytest.raises(CudaError, match="INVALID_VALUE"):  # more than there is
            function.allow_shared(228 << 10)
        with pytest.raises(CudaError, match="INVALID_VALUE"):
            function.launch((1, 1, 1), (1025, 1, 1), [out])
        with pytest.raises(CudaError, match="INVALID_VALUE"):
            function.launch((0, 1, 1), (32, 1, 1), [out])
        with pytest.raises(LaunchRefused, match="INVALID_CLUSTER_SIZE"):
            function.launch((16, 1, 1), (64, 1, 1), [out], cluster=(16, 1, 1))
        with pytest.raises(CudaError, match="INVALID_VALUE"):  # three blocks in clusters of two
            function.launch((3, 1, 1), (64, 1, 1), [out], cluster=(2, 1, 1))
        fetch = probe.module.function("probe_wgmma")  # 64 results and more in each thread's registers
        needed = fetch.attribute(FunctionAttribute.NUM_REGS)
        if needed * 1024 > 65536:
            with pytest.raises(LaunchRefused, match="OUT_OF_RESOURCES"):
                fetch.launch((1, 1, 1), (1024, 1, 1), [out, out, c_uint64(), c_uint64(), *[c_uint32()] * 3])
        probe.run("probe_mbarrier", [out], threads=64)  # none of that harms


def test_objects_for_other_gpus_are_rejected() -> None:
    with FakeCuda("a100", targets=()) as fake, opened(fake) as (device,), Context(device):
        for image, code in ((probes_object(), 209), (b"no kernels at all", 200)):
            with pytest.raises(ImageRejected) as error:
                Module(image)
            assert error.value.code == code
        assert cuda.dead() is None


PTX = """
.version 8.8
.target sm_80
.address_size 64
.visible .entry probe_mbarrier(.param .u64 probe_mbarrier_param_0)
.maxntid 128, 1, 1
{ ret; }
"""


@pytest.mark.parametrize(
    ("driver", "model", "text", "code", "log"),
    [
        (12040, "a100", PTX, 222, "Unsupported .version 8.8"),
        (12090, "a100", PTX.replace("sm_80", "sm_47"), 218, "sm_47"),
        (12090, "t4", PTX, 209, ""),
    ],
)
def test_ptx_that_the_driver_cannot_compile_is_rejected_with_its_log(
    driver: int, model: str, text: str, code: int, log: str
) -> None:
    with (
        FakeCuda(model, cuda=driver, targets=()) as fake,
        opened(fake) as (device,),
        Context(device),
        pytest.raises(ImageRejected) as error,
    ):
        Module(text.encode())
    assert error.value.code == code and log in error.value.log


def test_ptx_is_compiled_for_a_gpu_that_came_later() -> None:
    options = ("--gpu-architecture=compute_80", "--std=c++17")
    head = 'extern "C" __global__ void __launch_bounds__(64) nothing(unsigned long long* to)'
    source = head + "{ to[threadIdx.x] = 5; }"
    text = Compiler.load().compile(source, "nothing.cu", "ptx", options).content
    with FakeCuda("next", targets=()) as fake:
        fake.add_kernels("compute_80", [_source(fake.folder, source)])
        with opened(fake) as (device,), Context(device) as context, Module(text) as module:
            assert "compiled" in module.log
            function = module.function("nothing")
            assert function.attribute(FunctionAttribute.MAX_THREADS_PER_BLOCK) == 64
            with DeviceMemory(512) as memory:
                function.launch((1, 1, 1), (64, 1, 1), [memory])
                context.synchronise()
                assert memory.read() == struct.pack("<64Q", *[5] * 64)


def _source(folder: Path, text: str) -> Path:
    path = folder / "nothing.cu"
    path.write_text(text)
    return path


# A context that died.


def test_after_an_illegal_address_nothing_works_any_more_and_closing_is_quiet() -> None:
    with FakeCuda("h100", targets=()) as fake:
        fake.add_kernels(TARGET, [SOURCE])
        with (
            opened(fake) as (device,),
            Context(device) as context,
            Module(probes_object()) as module,
            DeviceMemory(64) as memory,
            HostMemory(64),
            Stream() as stream,
            Event(),
        ):
            write = module.function("probe_fault")
            wrong = c_uint64(memory.address + (1 << 40))
            write.launch((1, 1, 1), (1, 1, 1), [c_uint32(0), wrong], stream=stream)
            with pytest.raises(ContextDead) as first:
                stream.synchronise()
            assert first.value.code == 700 and "Xid" in first.value.next_step
            for anything in (memory.read, context.synchronise, stream.done, lambda: DeviceMemory(1)):
                with pytest.raises(ContextDead) as again:
                    anything()
                assert again.value is first.value
            assert cuda.dead() is first.value


@pytest.mark.parametrize("code", [46, 214, 719, 999])
def test_a_gpu_that_is_lost_is_lost_for_good(code: int) -> None:
    with FakeCuda("h100", targets=()) as fake:
        fake.lose(0, "fill", nth=3, code=code)
        with opened(fake) as (device,), Context(device) as context, DeviceMemory(64) as memory:
            for _ in range(2):
                memory.fill(1)
                context.synchronise()
            memory.fill(1)
            with pytest.raises(ContextDead) as error:
                context.synchronise()
            assert error.value.code == code
            assert cuda.dead() is error.value


def test_a_gpu_that_is_taken_by_another_program_does_not_take_the_others_along() -> None:
    with FakeCuda("h100", count=2, targets=()) as fake:
        fake.fail(46, "cuCtxCreate_v2", 1)
        with opened(fake) as (free, taken):
            with pytest.raises(DeviceUnavailable, match="DEVICE_UNAVAILABLE") as error:
                Context(taken)
            assert "compute mode" in error.value.next_step
            with Context(free), DeviceMemory(8) as memory:
                assert cuda.dead() is None and len(memory.read()) == 8
