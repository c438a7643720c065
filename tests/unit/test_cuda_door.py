"""The door to libcuda: GPUs, memory, streams and events, and two GPUs that reach each other."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from bee_sat.gpu_stress import cuda
from bee_sat.gpu_stress.cuda import (
    Attribute,
    Context,
    ContextDead,
    CudaError,
    DeviceMemory,
    Event,
    HostMemory,
    Module,
    OutOfMemory,
    PeerImpossible,
    Stream,
    c_uint32,
    c_uint64,
    copy_on_device,
    copy_to_device,
    copy_to_host,
    copy_to_peer,
)
from lab.cuda import FakeCuda
from lab.cuda.here import opened, seen_from_here
from lab.cuda.probes import SOURCE, TARGET, probes_object
from lab.nvml import FakeNvml

MIB = 1 << 20


@pytest.fixture
def context() -> Iterator[Context]:
    with FakeCuda("h100", targets=()) as fake, opened(fake) as (device,), Context(device) as found:
        yield found


# Which GPUs.


def test_each_gpu_says_what_it_is() -> None:
    with (
        FakeNvml("h100", count=2) as nvml,  # the same machine, seen by the two libraries
        FakeCuda("h100", count=2, memory_mib=80, beside=nvml, targets=()) as fake,
        opened(fake) as found,
    ):
        assert [device.name for device in found] == ["NVIDIA H100 80GB HBM3"] * 2
        assert [device.uuid for device in found] == [nvml.value(slot, "uuid") for slot in (0, 1)]
        assert [device.pci_address for device in found] == ["0000:53:00.0", "0000:64:00.0"]
        first = found[0]
    assert first.compute_capability == (9, 0)
    assert first.total_memory_bytes == 80 * MIB
    assert (first.multiprocessor_count, first.clock_rate_khz) == (132, 1980000)


def test_attributes_tell_generations_apart() -> None:
    with FakeCuda(["h100", "a100"], targets=()) as fake, opened(fake) as (hopper, ampere):
        assert hopper.attribute(Attribute.CLUSTER_LAUNCH) == 1
        assert ampere.attribute(Attribute.CLUSTER_LAUNCH) == 0
        assert ampere.attribute(Attribute.MAX_SHARED_MEMORY_PER_BLOCK_OPTIN) == 163 << 10
        assert hopper.attribute(Attribute.GLOBAL_MEMORY_BUS_WIDTH) == 5120
        assert hopper.attribute(Attribute.ECC_ENABLED) == 1


@pytest.mark.parametrize(
    ("chosen", "seen"),
    [
        ("1,0", [1, 0]),
        ("2", [2]),
        ("1,7,0", [1]),  # the list ends where it makes no sense
        ("GPU-UUID-OF-2,0", [2, 0]),
    ],
)
def test_only_what_is_visible_is_seen(monkeypatch: pytest.MonkeyPatch, chosen: str, seen: list[int]) -> None:
    with FakeCuda("h100", count=3, targets=()) as fake:
        chosen = chosen.replace("GPU-UUID-OF-2", fake.uuids[2][:12])
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
        with opened(fake) as found:
            assert [device.uuid for device in found] == [fake.uuids[slot] for slot in seen]
            assert [device.ordinal for device in found] == list(range(len(seen)))


@pytest.mark.parametrize("chosen", ["", "-1", "GPU-ffffffff", "1,1"])
def test_a_gpu_that_is_hidden_is_no_gpu(monkeypatch: pytest.MonkeyPatch, chosen: str) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    with (
        FakeCuda("h100", count=2, targets=()) as fake,
        seen_from_here(fake),
        pytest.raises(cuda.NoDevice) as error,
    ):
        cuda.initialise()
    assert "CUDA_VISIBLE_DEVICES" in error.value.next_step


def test_faster_gpus_come_first_unless_the_order_is_pcis(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeCuda(["t4", "h100"], targets=()) as fake:
        with opened(fake) as found:
            assert [device.name for device in found] == ["NVIDIA H100 80GB HBM3", "Tesla T4"]
        monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
        with opened(fake) as found:
            assert [device.name for device in found] == ["Tesla T4", "NVIDIA H100 80GB HBM3"]


# Memory.


def test_memory_holds_what_is_written(context: Context) -> None:
    with DeviceMemory(1000) as memory:
        memory.write(b"abcdef", offset=10)
        assert memory.read(6, offset=10) == b"abcdef"
        memory.fill(0x01020304)
        context.synchronise()
        assert memory.read() == bytes((4, 3, 2, 1)) * 250
        assert memory.read(4, offset=996) == bytes((4, 3, 2, 1))


def test_what_is_written_is_there_for_every_stream_when_the_call_ends() -> None:
    """The driver's own copy from ordinary memory may end before its data arrive, and streams do not wait."""
    with FakeCuda("h100", targets=()) as fake:
        fake.wait(0, 0.2, "copy_to_device")
        with opened(fake) as (device,), Context(device):
            memory, seen, stream = DeviceMemory(8), HostMemory(8), Stream()
            memory.write(b"a table.")
            copy_to_host(seen, memory, 8, stream)
            stream.synchronise()
            assert bytes(seen.view) == b"a table."


def test_memory_is_given_back(context: Context) -> None:
    before = context.free_memory_bytes()
    with DeviceMemory(8 * MIB):
        assert context.free_memory_bytes() == before - 8 * MIB
    assert context.free_memory_bytes() == before
    memory = DeviceMemory(MIB)
    memory.close()
    memory.close()
    assert context.free_memory_bytes() == before


def test_a_context_takes_memory_and_gives_all_back() -> None:
    with FakeCuda("h100", memory_mib=64, context_mib=4, targets=()) as fake, opened(fake) as (device,):
        with Context(device) as context:
            assert context.free_memory_bytes() == 60 * MIB
            DeviceMemory(10 * MIB)  # nobody closes it
        with Context(device) as context:
            assert context.free_memory_bytes() == 60 * MIB


def test_more_memory_than_there_is_cannot_be_had(context: Context) -> None:
    with pytest.raises(OutOfMemory) as error:
        DeviceMemory(context.free_memory_bytes() + 1)
    assert error.value.code == 2 and "ask for less" in error.value.next_step
    with DeviceMemory(context.free_memory_bytes()):
        pass


@pytest.mark.parametrize(
    "wrong",
    [
        lambda memory: memory.write(b"12345678", offset=1),
        lambda memory: memory.read(9),
        lambda memory: memory.read(1, offset=-1),
    ],
)
def test_what_does_not_fit_is_refused_before_the_driver_sees_it(
    context: Context, wrong: Callable[[DeviceMemory], object]
) -> None:
    with DeviceMemory(8) as memory, pytest.raises(ValueError, match="do not fit in 8"):
        wrong(memory)


def test_pinned_memory_goes_both_ways(context: Context) -> None:
    size = 64 << 10
    with (
        HostMemory(size) as source,
        HostMemory(size) as target,
        DeviceMemory(size) as first,
        DeviceMemory(size) as second,
        Stream() as stream,
        Event() as done,
    ):
        source.view[:] = bytes(i * 7 % 256 for i in range(size))
        assert source.device_address != 0
        copy_to_device(first, source, size, stream)
        copy_on_device(second, first, size, stream)
        copy_to_host(target, second, size - 100, stream, target_offset=100)
        done.record(stream)
        done.synchronise()
        assert target.view[100:] == source.view[:-100]
        assert bytes(target.view[:100]) == bytes(100)
        with pytest.raises(ValueError, match="do not fit"):
            copy_to_device(first, source, size, stream, target_offset=1)


def test_closed_pinned_memory_cannot_be_looked_at(context: Context) -> None:
    memory = HostMemory(16)
    memory.close()
    with pytest.raises(ValueError, match="released"):
        memory.view[0]


# Contexts, streams, events.


def test_a_context_is_current_on_one_thread(context: Context) -> None:
    told: list[object] = []

    def other() -> None:
        try:
            DeviceMemory(4)
        except CudaError as error:
            told.append(error.code)
        context.make_current()
        with DeviceMemory(4) as memory:
            told.append(memory.size_bytes)

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert told == [201, 4]


def test_events_measure_the_gpus_own_time() -> None:
    with FakeCuda("h100", targets=()) as fake:
        fake.set(0, "link_rate", 1e9)
        with opened(fake) as (device,), Context(device):
            memory, host = DeviceMemory(MIB), HostMemory(MIB)
            stream, start, end = Stream(), Event(), Event()
            start.record(stream)
            for _ in range(10):
                copy_to_device(memory, host, MIB, stream)
            end.record(stream)
            end.synchronise()
            assert end.seconds_since(start) == pytest.approx(10 * MIB / 1e9, rel=0.01)


def test_a_stream_waits_for_an_event_of_another(context: Context) -> None:
    first, second = Stream(), Stream()
    here, there, end = Event(), Event(), Event()
    host, memory = HostMemory(MIB), DeviceMemory(MIB)
    here.record(first)
    for _ in range(4):
        copy_to_device(memory, host, MIB, first)
    there.record(first)
    second.wait_for(there)
    end.record(second)
    end.synchronise()
    assert there.done()
    assert end.seconds_since(here) == there.seconds_since(here) > 0


def test_a_hang_is_seen_without_waiting() -> None:
    """Nothing is closed: that would wait for the GPU too."""
    with FakeCuda("h100", targets=()) as fake:
        fake.hang(0, "copy_to_device", nth=2)
        with opened(fake) as (device,):
            context = Context(device)
            stream, other, first = Stream(), Stream(), Event()
            host, memory = HostMemory(64), DeviceMemory(64)
            copy_to_device(memory, host, 64, stream)
            first.record(stream)
            first.synchronise()
            copy_to_device(memory, host, 64, stream)
            time.sleep(0.05)
            assert not stream.done()
            assert first.done() and other.done()
            assert context.free_memory_bytes() > 0


# Two GPUs.


def test_two_gpus_copy_to_each_other() -> None:
    with FakeCuda("h100", count=2, targets=()) as fake, opened(fake) as (one, other):
        assert one.can_reach(other) and not one.can_reach(one)
        with Context(one) as here, Context(other) as there:
            target = DeviceMemory(4096)
            here.make_current()
            source = DeviceMemory(4096)
            source.write(bytes(range(256)) * 16)
            here.reach(there)
            with Stream() as stream:
                copy_to_peer(target, there, source, here, 4096, stream)
                stream.synchronise()
            there.make_current()
            assert target.read() == bytes(range(256)) * 16
            here.leave(there)


def test_gpus_that_cannot_reach_each_other_say_so() -> None:
    with FakeCuda("h100", count=3, targets=()) as fake:
        fake.separate(0, 2)
        with opened(fake) as (first, second, third):
            assert first.can_reach(second) and not first.can_reach(third) and not third.can_reach(first)
            with Context(first) as here, Context(third) as there:
                with pytest.raises(PeerImpossible) as error:
                    here.reach(there)
                assert "IOMMU" in error.value.next_step


def test_a_kernel_may_touch_a_peers_memory_only_when_it_was_made_reachable() -> None:
    with FakeCuda("h100", count=2, targets=()) as fake:
        fake.add_kernels(TARGET, [SOURCE])
        with opened(fake) as (one, other), Context(other) as there:
            far = DeviceMemory(64)
            far.fill(0)
            there.synchronise()
            with Context(one) as here, Module(probes_object()) as module:
                here.reach(there)
                write = module.function("probe_fault")
                write.launch((1, 1, 1), (1, 1, 1), [c_uint32(0), c_uint64(far.address)])
                here.synchronise()
                there.make_current()
                assert far.read(4) == bytes((1, 0, 0, 0))
                here.leave(there)
                write.launch((1, 1, 1), (1, 1, 1), [c_uint32(0), c_uint64(far.address)])
                with pytest.raises(ContextDead, match="ILLEGAL_ADDRESS"):
                    here.synchronise()
