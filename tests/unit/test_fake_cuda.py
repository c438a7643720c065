"""The fake machine: what is ordered to go wrong does so, where and when it was ordered, and nothing else."""

import ctypes
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from bee_sat.gpu_stress.cuda import (
    Argument,
    Context,
    ContextDead,
    CudaError,
    DeviceMemory,
    Event,
    HostMemory,
    Module,
    OutOfMemory,
    Stream,
    c_uint32,
    c_uint64,
    copy_to_device,
    copy_to_host,
)
from bee_sat.gpu_stress.kernel_set import Choice, KernelSet
from lab.cuda import MODELS, FakeCuda
from lab.cuda.here import opened

KIB, MIB = 1 << 10, 1 << 20
WORDS = 512
CONSTANT, RANDOM = 0, 2  # patterns of memory_fill


class Gpu:
    """The first GPU of a machine, with the kernels that are made for it."""

    def __init__(self, context: Context, choice: Choice, module: Module) -> None:
        self.context = context
        self.choice = choice
        self.module = module

    def run(
        self, name: str, arguments: Sequence[Argument], *, blocks: int = 2, stream: Stream | None = None
    ) -> None:
        kernel = self.choice.kernels[name]
        block = (kernel.threads, 1, 1)
        self.module.function(name).launch(
            (blocks, 1, 1), block, arguments, shared_bytes=kernel.shared_bytes, stream=stream
        )

    def fill(self, memory: DeviceMemory, value: int) -> None:
        words = memory.size_bytes // 8
        self.run("memory_fill", [memory, c_uint64(words), c_uint32(CONSTANT), c_uint64(value)])
        self.context.synchronise()


@contextmanager
def gpu_of(fake: FakeCuda) -> Iterator[Gpu]:
    with opened(fake) as devices, Context(devices[0]) as context:
        choice = KernelSet.load().choose(devices[0].compute_capability, 12090)
        with Module(choice.object_bytes) as module:
            yield Gpu(context, choice, module)


@pytest.fixture
def fake() -> Iterator[FakeCuda]:
    with FakeCuda("lab") as machine:
        yield machine


def filled_with(value: int) -> bytes:
    return value.to_bytes(8, "little") * WORDS


def test_a_healthy_gpu_does_what_it_is_told(fake: FakeCuda) -> None:
    with gpu_of(fake) as gpu, DeviceMemory(WORDS * 8) as memory:
        gpu.fill(memory, 0x1234)
        assert memory.read() == filled_with(0x1234)


def test_memory_holds_rubbish_at_first_and_kernels_see_their_own_addresses(fake: FakeCuda) -> None:
    with gpu_of(fake) as gpu, DeviceMemory(WORDS * 8) as memory:
        assert memory.read() not in (bytes(WORDS * 8), filled_with(0))
        gpu.run("memory_fill", [memory, c_uint64(WORDS), c_uint32(4), c_uint64(0)])  # address in address
        gpu.context.synchronise()
        assert struct.unpack(f"<{WORDS}Q", memory.read()) == tuple(
            range(memory.address, memory.address + WORDS * 8, 8)
        )


# Wrong results.


def test_one_bit_flips_after_the_named_kernel_once(fake: FakeCuda) -> None:
    fake.flip(0, "memory_fill", nth=2, parameter=0, offset=1000, bit=11)
    with gpu_of(fake) as gpu, DeviceMemory(WORDS * 8) as memory:
        found = []
        for _ in range(3):
            gpu.fill(memory, 0)
            found.append(int.from_bytes(memory.read(), "little"))
        assert found == [0, 1 << (1000 * 8 + 11), 0]


def test_one_bit_flips_in_a_copy(fake: FakeCuda) -> None:
    fake.flip(0, "copy_to_device", nth=1, parameter=0, offset=3, bit=0)
    with gpu_of(fake), DeviceMemory(8) as memory, HostMemory(8) as host, HostMemory(8) as back:
        host.view[:] = bytes(8)
        copy_to_device(memory, host, 8)
        copy_to_host(back, memory, 8)
        assert memory.read() == bytes((0, 0, 0, 1, 0, 0, 0, 0))


def test_a_number_becomes_none(fake: FakeCuda) -> None:
    fake.nan(0, "memory_*", parameter=0, offset=8)
    fake.nan(0, "memory_*", parameter=0, offset=16, width=8)
    with gpu_of(fake) as gpu, DeviceMemory(WORDS * 8) as memory:
        gpu.fill(memory, 0)
        raw = memory.read()
        (narrow,) = struct.unpack_from("<f", raw, 8)
        (wide,) = struct.unpack_from("<d", raw, 16)
        assert narrow != narrow and wide != wide
        assert raw[24:] == bytes(len(raw) - 24)


@pytest.mark.parametrize(("value", "written"), [(True, 0), (False, 2**64 - 1)])
def test_a_stuck_cell_keeps_its_value_whatever_lies_over_it(
    fake: FakeCuda, value: bool, written: int
) -> None:
    fake.stick(0, 5 * MIB + 1, 2, value=value)
    with gpu_of(fake) as gpu, DeviceMemory(8 * MIB) as memory:
        for _ in range(2):
            gpu.fill(memory, written)
            wrong = [i for i, byte in enumerate(memory.read()) if byte != written & 0xFF]
            assert len(wrong) == 1
            assert memory.read(1, offset=wrong[0])[0] ^ (written & 0xFF) == 1 << 2
    with gpu_of(fake) as gpu, DeviceMemory(2 * MIB), DeviceMemory(64 * KIB) as elsewhere:
        gpu.fill(elsewhere, written)
        assert set(elsewhere.read()) == {written & 0xFF}


# Slow, stuck, gone.


def test_a_slow_gpu_takes_longer_by_its_own_clock(fake: FakeCuda) -> None:
    def seconds(machine: FakeCuda) -> float:
        with gpu_of(machine) as gpu, DeviceMemory(MIB) as memory, Event() as start, Event() as end:
            start.record()
            gpu.run("bandwidth_write", [memory, c_uint64(MIB), c_uint64(0)])
            end.record()
            gpu.context.synchronise()
            return end.seconds_since(start)

    healthy = seconds(fake)
    assert healthy == pytest.approx(MIB / MODELS["lab"].memory_rate, rel=0.2)
    fake.slow(0, 3.0)
    assert seconds(fake) == pytest.approx(3 * healthy, rel=0.01)


def test_a_gpu_that_waits_is_slow_by_every_clock(fake: FakeCuda) -> None:
    fake.wait(0, 0.2, "fill", nth=1)
    with gpu_of(fake) as gpu, DeviceMemory(64) as memory, Event() as start, Event() as end:
        before = time.monotonic()
        start.record()
        memory.fill(0)
        end.record()
        gpu.context.synchronise()
        assert time.monotonic() - before >= 0.2
        assert end.seconds_since(start) >= 0.2


def test_products_take_as_long_as_the_model_needs() -> None:
    """So that rates can be judged: an H100 makes 740 TFLOP/s of bf16, whatever the CPU does."""
    with FakeCuda("lab") as fake:
        fake.set(0, "rate_fp32", 1e12)
        with gpu_of(fake) as gpu, Event() as start, Event() as end, DeviceMemory(MIB) as memory:
            kernel = gpu.choice.kernels["gemm_fp32"]
            assert kernel.tile is not None
            m, n, k = kernel.tile.m, kernel.tile.n, kernel.tile.k
            gpu.module.function("gemm_fp32").allow_shared(kernel.shared_bytes)
            sizes = [c_uint32(m), c_uint32(n), c_uint32(k)]
            start.record()
            gpu.run("gemm_fp32", [memory, memory, memory, *sizes, c_uint64(0)], blocks=1)
            end.record()
            gpu.context.synchronise()
            assert end.seconds_since(start) == pytest.approx(2 * m * n * k / 1e12, rel=0.01)


def test_a_gpu_is_lost_at_the_moment_that_was_said(fake: FakeCuda) -> None:
    fake.lose(0, "memory_*", nth=2)
    with gpu_of(fake) as gpu, DeviceMemory(WORDS * 8) as memory:
        gpu.fill(memory, 1)
        with pytest.raises(ContextDead) as error:
            gpu.fill(memory, 2)
        assert error.value.code == 719


def test_a_call_fails_by_order_at_the_time_ordered(fake: FakeCuda) -> None:
    fake.fail(801, "cuMemGetInfo_v2", 0, nth=2)
    with gpu_of(fake) as gpu:
        assert gpu.context.free_memory_bytes() > 0
        with pytest.raises(CudaError, match="NOT_SUPPORTED"):
            gpu.context.free_memory_bytes()
        assert gpu.context.free_memory_bytes() > 0


def test_memory_that_is_said_to_be_free_may_not_be_had(fake: FakeCuda) -> None:
    fake.withhold(0, 10 * MIB)
    with gpu_of(fake) as gpu:
        free = gpu.context.free_memory_bytes()
        with pytest.raises(OutOfMemory):
            DeviceMemory(free - 9 * MIB)
        DeviceMemory(free - 11 * MIB).close()


# Time in kernels.


def test_blocks_that_spin_do_so_at_the_same_time(fake: FakeCuda) -> None:
    with gpu_of(fake) as gpu, Event() as start, Event() as end:
        before = time.monotonic()
        start.record()
        gpu.run("spin", [c_uint64(50_000_000), c_uint64(0)], blocks=20)
        end.record()
        gpu.context.synchronise()
        assert 0.05 <= end.seconds_since(start) <= time.monotonic() - before < 0.7


def test_the_host_can_stop_a_kernel_that_looks(fake: FakeCuda) -> None:
    with gpu_of(fake) as gpu, HostMemory(4) as stop, Stream() as stream:
        stop.view[:] = bytes(4)
        address = stop.device_address
        gpu.run("spin", [c_uint64(10**18), c_uint64(address)], blocks=2, stream=stream)
        time.sleep(0.05)
        assert not stream.done()
        ctypes.c_uint32.from_address(address).value = 1
        stream.synchronise()


# Strictness.


def test_a_kernel_that_reads_behind_its_memory_is_killed(
    fake: FakeCuda, capfd: pytest.CaptureFixture[str]
) -> None:
    """A real GPU sees that at the next page only, 2 MiB on; here 256 bytes are enough."""
    with gpu_of(fake) as gpu, DeviceMemory(4096) as memory:
        gpu.run("memory_fill", [memory, c_uint64(4096 // 8 + 64), c_uint32(CONSTANT), c_uint64(1)])
        with pytest.raises(ContextDead, match="ILLEGAL_ADDRESS"):
            gpu.context.synchronise()
    assert "not its memory" in capfd.readouterr().err


def test_the_last_bytes_before_the_next_allocation_are_watched_too(fake: FakeCuda) -> None:
    with gpu_of(fake) as gpu:
        memory = DeviceMemory(4000)  # 96 bytes to the next multiple of 256
        gpu.run("memory_fill", [memory, c_uint64(4048 // 8), c_uint32(CONSTANT), c_uint64(1)])
        gpu.context.synchronise()
        with pytest.raises(ContextDead, match="ILLEGAL_ADDRESS"):
            memory.close()


def test_too_little_shared_memory_is_seen(fake: FakeCuda, capfd: pytest.CaptureFixture[str]) -> None:
    with gpu_of(fake) as gpu, DeviceMemory(4096) as memory, DeviceMemory(8192) as errors:
        arguments: list[Argument] = [memory, c_uint64(512), c_uint32(CONSTANT), c_uint64(1), errors]
        kernel = gpu.choice.kernels["memory_check"]
        if kernel.shared_bytes == 0:
            pytest.skip("memory_check needs no shared memory")
        gpu.module.function("memory_check").launch((1, 1, 1), (kernel.threads, 1, 1), arguments)
        with pytest.raises(ContextDead, match="ILLEGAL_ADDRESS"):
            gpu.context.synchronise()
    assert "shared memory" in capfd.readouterr().err


def test_a_copy_outside_of_memory_is_refused(fake: FakeCuda) -> None:
    with gpu_of(fake), DeviceMemory(64) as memory, HostMemory(128) as host:
        memory.size_bytes = 128  # the door's own check is out of the way
        with pytest.raises(CudaError, match="INVALID_VALUE"):
            copy_to_device(memory, host, 128)


@pytest.mark.parametrize("model", sorted(MODELS))
def test_every_model_has_what_is_asked_of_it(model: str) -> None:
    with FakeCuda(model, targets=()) as fake, opened(fake) as (device,), Context(device) as context:
        assert device.compute_capability == MODELS[model].compute_capability
        assert device.multiprocessor_count > 0 and device.clock_rate_khz > 0
        assert 0 < context.free_memory_bytes() < device.total_memory_bytes
