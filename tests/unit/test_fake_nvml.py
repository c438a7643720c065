"""The fake library is as strict as the real one, for the real pynvml."""

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pynvml
import pytest

from bee_gpu import nvml
from lab.nvml import FakeNvml, NvmlCode, Rising
from lab.nvml.here import opened, seen_from_here


@pytest.fixture
def fake() -> Iterator[FakeNvml]:
    with FakeNvml("h100", count=2) as machine, seen_from_here(machine):
        yield machine


@pytest.fixture
def gpu(fake: FakeNvml) -> pynvml.c_nvmlDevice_t:
    pynvml.nvmlInit()
    return pynvml.nvmlDeviceGetHandleByIndex(0)


def code_of(error: pytest.ExceptionInfo[pynvml.NVMLError]) -> int:
    return int(error.value.value)


def test_nothing_is_answered_before_initialisation(fake: FakeNvml) -> None:
    with pytest.raises(pynvml.NVMLError) as error:
        pynvml.nvmlDeviceGetCount()
    assert code_of(error) == pynvml.NVML_ERROR_UNINITIALIZED
    with pytest.raises(pynvml.NVMLError) as error:
        pynvml.nvmlShutdown()
    assert code_of(error) == pynvml.NVML_ERROR_UNINITIALIZED


def test_initialisations_are_counted(fake: FakeNvml) -> None:
    pynvml.nvmlInit()
    pynvml.nvmlInit()
    pynvml.nvmlShutdown()
    assert pynvml.nvmlDeviceGetCount() == 2
    pynvml.nvmlShutdown()
    with pytest.raises(pynvml.NVMLError_Uninitialized):
        pynvml.nvmlDeviceGetCount()


def test_a_pointer_that_is_no_handle_is_refused(gpu: object) -> None:
    stray = ctypes.cast(ctypes.create_string_buffer(64), pynvml.c_nvmlDevice_t)
    for call in (pynvml.nvmlDeviceGetName, pynvml.nvmlDeviceGetUtilizationRates, pynvml.nvmlDeviceGetPciInfo):
        with pytest.raises(pynvml.NVMLError_InvalidArgument):
            call(stray)


def test_a_gpu_is_found_by_number_uuid_serial_and_place(fake: FakeNvml, gpu: object) -> None:
    uuid, serial = pynvml.nvmlDeviceGetUUID(gpu), pynvml.nvmlDeviceGetSerial(gpu)
    for handle in (
        pynvml.nvmlDeviceGetHandleByUUID(uuid),
        pynvml.nvmlDeviceGetHandleBySerial(serial),
        pynvml.nvmlDeviceGetHandleByPciBusId("00000000:53:00.0"),
        pynvml.nvmlDeviceGetHandleByPciBusId(fake.pci_address(0)),
    ):
        assert pynvml.nvmlDeviceGetIndex(handle) == 0
    with pytest.raises(pynvml.NVMLError_InvalidArgument):
        pynvml.nvmlDeviceGetHandleByIndex(2)
    with pytest.raises(pynvml.NVMLError_NotFound):
        pynvml.nvmlDeviceGetHandleByUUID("GPU-unheard-of")


def test_a_structure_of_another_version_is_refused(gpu: object) -> None:
    with pytest.raises(pynvml.NVMLError) as error:
        pynvml.nvmlDeviceGetMemoryInfo(gpu, version=0x01000028)
    assert code_of(error) == pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH
    status = pynvml.c_nvmlEccSramErrorStatus_v1_t()
    status.version = 0x02000068
    with pytest.raises(pynvml.NVMLError) as error:
        pynvml.nvmlDeviceGetSramEccErrorStatus(gpu, ctypes.byref(status))
    assert code_of(error) == pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH


def test_a_buffer_that_is_too_small_is_refused(gpu: object) -> None:
    buffer = ctypes.create_string_buffer(8)
    assert pynvml.nvmlLib.nvmlDeviceGetUUID(gpu, buffer, 8) == pynvml.NVML_ERROR_INSUFFICIENT_SIZE
    assert buffer.raw == bytes(8)
    assert pynvml.nvmlLib.nvmlDeviceGetUUID(gpu, None, 96) == pynvml.NVML_ERROR_INVALID_ARGUMENT


def test_lists_say_their_size_first(gpu: object) -> None:
    clocks = pynvml.nvmlDeviceGetSupportedGraphicsClocks(gpu, 2619)
    assert (len(clocks), clocks[0], clocks[-1]) == (110, 1980, 345)
    assert pynvml.nvmlDeviceGetSupportedMemoryClocks(gpu) == [2619, 1593]
    with pytest.raises(pynvml.NVMLError_NotFound):
        pynvml.nvmlDeviceGetSupportedGraphicsClocks(gpu, 2618)


def test_what_a_gpu_does_not_have_is_not_supported(fake: FakeNvml, gpu: object) -> None:
    with pytest.raises(pynvml.NVMLError_NotSupported):
        pynvml.nvmlDeviceGetRetiredPagesPendingStatus(gpu)
    fake.unsupported(0, "utilization", "board_part_number", "banks_max")
    with pytest.raises(pynvml.NVMLError_NotSupported):
        pynvml.nvmlDeviceGetBoardPartNumber(gpu)
    fake.set(0, board_part_number=NvmlCode(999))
    with pytest.raises(pynvml.NVMLError_Unknown):
        pynvml.nvmlDeviceGetBoardPartNumber(gpu)


def test_each_field_has_its_own_status(gpu: object) -> None:
    values = pynvml.nvmlDeviceGetFieldValues(gpu, [186, 29, 9999, (164, 3), (164, 18)])
    assert [value.nvmlReturn for value in values] == [0, 3, 2, 0, 2]
    assert values[0].value.uiVal == pytest.approx(68920, rel=0.01)
    assert values[3].value.uiVal == 26562


def test_ecc_counters_need_ecc(fake: FakeNvml, gpu: object) -> None:
    fake.ecc(0, corrected=3, uncorrected=1)
    assert pynvml.nvmlDeviceGetTotalEccErrors(gpu, 0, 0) == 3
    assert pynvml.nvmlDeviceGetTotalEccErrors(gpu, 1, 1) == 1
    fake.ecc_mode(0, False, pending=True)
    assert pynvml.nvmlDeviceGetEccMode(gpu) == [0, 1]
    with pytest.raises(pynvml.NVMLError_NotSupported):
        pynvml.nvmlDeviceGetTotalEccErrors(gpu, 0, 0)


def test_structures_are_those_of_pynvml() -> None:
    """The C side asserts its sizes when it is compiled; these are the same numbers, from pynvml."""
    sizes = {
        pynvml.nvmlPciInfo_t: 68,
        pynvml.c_nvmlMemory_v2_t: pynvml.nvmlMemory_v2 & 0xFFFFFF,
        pynvml.c_nvmlFieldValue_t: 40,
        pynvml.c_nvmlEventData_t: 32,
        pynvml.c_nvmlEccSramErrorStatus_v1_t: pynvml.nvmlEccSramErrorStatus_v1 & 0xFFFFFF,
    }
    assert {kind: ctypes.sizeof(kind) for kind in sizes} == sizes


def test_load_makes_a_gpu_hot_fast_and_hungry(fake: FakeNvml, gpu: object) -> None:
    fake.load(0, 1.0, over=2, at=10)
    seen = []
    for second in (5, 12, 20, 200):
        fake.freeze(second)
        seen.append(
            (
                pynvml.nvmlDeviceGetTemperature(gpu, 0),
                pynvml.nvmlDeviceGetPowerUsage(gpu) // 1000,
                pynvml.nvmlDeviceGetClockInfo(gpu, 1),
                pynvml.nvmlDeviceGetTotalEnergyConsumption(gpu),
            )
        )
    idle, ramp, early, late = seen
    assert idle[0] < early[0] < late[0] <= 70
    assert 65 < idle[1] < 75 < ramp[1] < early[1] <= 700
    assert (idle[2], late[2]) == (345, 1980)
    assert idle[3] < ramp[3] < early[3] < late[3]
    fake.freeze(20)
    assert pynvml.nvmlDeviceGetTemperature(gpu, 0) == early[0]  # the same moment, the same reading


def test_counters_rise_and_values_change_at_their_time(fake: FakeNvml, gpu: object) -> None:
    fake.freeze(10)
    fake.set(0, pcie_replay=Rising(150, 2), vbios="96.00.99.00.02", at=20)
    assert pynvml.nvmlDeviceGetPcieReplayCounter(gpu) == 150
    fake.freeze(25)
    assert pynvml.nvmlDeviceGetPcieReplayCounter(gpu) == 160
    assert pynvml.nvmlDeviceGetVbiosVersion(gpu) == "96.00.99.00.02"


def test_sixteen_gpus_are_sixteen_gpus() -> None:
    for profile in ("h100", "a100", "l40s"):
        with FakeNvml(profile, count=16) as fake, opened(fake) as handles:
            identities = [nvml.read_identity(handle) for handle in handles]
        assert [identity.id for identity in identities] == list(fake.pci_addresses)
        for field in ("id", "uuid", "serial", "minor", "index"):
            assert len({getattr(identity, field) for identity in identities}) == 16


def test_two_programs_see_the_same_machine(fake: FakeNvml, tmp_path: Path) -> None:
    """A program that is started with the machine's environment loads the library by its name."""
    program = tmp_path / "look.py"
    program.write_text(
        "import json, pynvml\n"
        "pynvml.nvmlInit()\n"
        "handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]\n"
        "print(json.dumps([pynvml.nvmlDeviceGetUUID(handle) for handle in handles]))\n"
    )
    environment = {**os.environ, **fake.environment}
    told = subprocess.run(
        [sys.executable, str(program)], env=environment, capture_output=True, check=True, timeout=30
    )
    assert json.loads(told.stdout) == [fake.value(0, "uuid"), fake.value(1, "uuid")]


def test_pci_shows_a_gpu_that_nvml_does_not(fake: FakeNvml) -> None:
    fake.hide(0)
    pynvml.nvmlInit()
    assert pynvml.nvmlDeviceGetCount() == 1
    assert pynvml.nvmlDeviceGetUUID(pynvml.nvmlDeviceGetHandleByIndex(0)) == fake.value(1, "uuid")
    tree = fake.sysfs()
    for address in fake.pci_addresses:
        assert f"/sys/bus/pci/devices/{address}" in tree.links
