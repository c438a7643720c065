"""bee-gpud on a booted Debian 13: in its unit's sandbox, with Debian's own python3-pynvml."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest

from bee_bus.documents.gpus import GpuInventory
from bee_gpu.fleet import Fleet
from lab.container import Container
from lab.machine import FakeMachine
from lab.nvml import FakeNvml
from lab.nvml.here import seen_from_here
from lab.rootfs import STRANGER

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

SERVICE = "bee-gpud.service"
FOLDER = "/srv/gpus"
DROP_IN = f"/run/systemd/system/{SERVICE}.d"
GPUS = 2


@contextmanager
def gpus_in(machine: Container, fake: FakeNvml, *, library: bool) -> Iterator[None]:
    """The machine's GPU service sees these GPUs on PCI, held by the driver; ``library``: and its NVML."""
    here = machine.root / FOLDER.lstrip("/")
    fake.sysfs().write(here)
    (here / "sys/fs/cgroup").mkdir(parents=True)  # the sandbox covers it
    (here / "kmsg").write_text("6,1,1000,-;Linux version 6.12\n")  # a container has no kernel log
    lines = ["[Service]", f"BindReadOnlyPaths={FOLDER}/sys:/sys {FOLDER}/kmsg:/dev/kmsg"]
    if library:
        shutil.copy(fake.library, here)
        for file in fake.folder.iterdir():
            shutil.copy(file, here)
        lines.append(f"Environment=LD_LIBRARY_PATH={FOLDER} BEE_FAKE_NVML={FOLDER}/{fake.file.name}")
    machine.run(["mkdir", "-p", DROP_IN])
    machine.run(["sh", "-c", f"cat > {DROP_IN}/gpus.conf <<'EOF'\n" + "\n".join(lines) + "\nEOF"])
    try:
        machine.run(["systemctl", "daemon-reload"])
        machine.run(["systemctl", "stop", SERVICE])
        yield
    finally:
        machine.run(["rm", "-r", DROP_IN, FOLDER])
        machine.run(["systemctl", "daemon-reload"])
        machine.run(["systemctl", "stop", SERVICE])


def inventory_of(machine: Container) -> GpuInventory:
    call = ["busctl", "--json=short", "call", "org.bee.Gpu1", "/org/bee/Gpu1", "org.bee.Gpu1", "GetInventory"]
    text = json.loads(machine.run(call, user=STRANGER).stdout)["data"][0]
    return msgspec.json.decode(text, type=GpuInventory)


async def inventory_here(fake: FakeNvml) -> GpuInventory:
    """The same GPUs as this very process sees them, with the pynvml that bee is developed with."""
    tree = fake.sysfs()
    with seen_from_here(fake):
        fleet = Fleet(
            FakeMachine(files={**tree.files, "/dev/kmsg": ""}, links=tree.links), print, lambda: None
        )
        await fleet.refresh()
        await fleet.close()
    return fleet.inventory


def known(document: object) -> object:
    """What a document tells, without the figures: every name in it that has a value."""
    if isinstance(document, dict):
        return {name: known(value) for name, value in document.items()}
    return [known(value) for value in document] if isinstance(document, list) else None


@pytest.fixture
def fake() -> Iterator[FakeNvml]:
    with FakeNvml("h100", count=GPUS) as fake:
        yield fake


def test_debian_s_pynvml_reads_all_that_the_one_bee_is_developed_with_does(
    machine: Container, fake: FakeNvml
) -> None:
    with gpus_in(machine, fake, library=True):
        there = inventory_of(machine)
    here = asyncio.run(inventory_here(fake))

    assert (there.state, there.verdict) == ("ready", "OK"), there.findings
    assert [gpu.id for gpu in there.gpus] == sorted(fake.pci_addresses)
    assert [gpu.identity for gpu in there.gpus] == [gpu.identity for gpu in here.gpus]
    assert known(msgspec.to_builtins(there.gpus)) == known(msgspec.to_builtins(here.gpus))


def test_without_the_driver_s_library_the_gpus_are_there_and_cannot_be_read(
    machine: Container, fake: FakeNvml
) -> None:
    with gpus_in(machine, fake, library=False):
        inventory = inventory_of(machine)
        journal = machine.journal("-u", SERVICE)

    assert (inventory.state, inventory.verdict) == ("no-library", "Unknown")
    assert [gpu.id for gpu in inventory.gpus] == sorted(fake.pci_addresses)
    assert {gpu.condition for gpu in inventory.gpus} == {"no-driver"}
    # It is the library that is missing; the module is Debian's and is there.
    assert "pynvml is not installed" not in journal
    assert "NVML is of no use now" in journal
