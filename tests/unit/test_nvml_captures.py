"""The fake GPUs, read through the door, are those that nvidia-smi saw in the captured machines."""

import xml.etree.ElementTree as ElementTree

import pytest

from bee_gpu import nvml
from lab.data import shared_data
from lab.nvml import FakeNvml
from lab.nvml.here import opened
from lab.nvml.smi import differences, from_door, from_xml


@pytest.mark.parametrize("profile", ["h100", "a100", "l40s"])
def test_every_value_is_that_of_the_capture(profile: str) -> None:
    capture = ElementTree.parse(shared_data(f"nvidia-smi/qx-{profile}.xml")).getroot()
    captured = [from_xml(gpu) for gpu in capture.findall("gpu")]
    with FakeNvml(profile, count=len(captured)) as fake, opened(fake) as handles:
        assert capture.findtext("driver_version") == nvml.read_versions().driver
        assert capture.findtext("cuda_version") == nvml.read_versions().cuda
        for smi, handle in zip(captured, handles, strict=True):
            door = from_door(nvml.read_identity(handle), nvml.read_state(handle), nvml.read_sample(handle))
            assert len(door) > 70
            assert differences(smi, door) == []
            assert not [path for path, text in door.items() if path not in smi and text != "N/A"]


def test_a_value_that_differs_is_told() -> None:
    capture = ElementTree.parse(shared_data("nvidia-smi/qx-h100.xml")).getroot()
    smi = from_xml(capture.findall("gpu")[0])
    with FakeNvml("h100", count=1) as fake, opened(fake) as (handle,):
        fake.set(0, vbios="96.00.99.00.02", memory_temperature_idle=60)
        door = from_door(nvml.read_identity(handle), nvml.read_state(handle), nvml.read_sample(handle))
    assert {line.split(":")[0] for line in differences(smi, door)} == {
        "vbios_version",
        "temperature/memory_temp",
    }
