"""What the real service serves is what the XML says, to the last annotation."""

import asyncio
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest

from bee_bus import names
from bee_bus.client import AuditClient, Bus
from bee_bus.gpu_client import GpuClient
from lab.bus.private import LabBus, audit_service
from lab.gpus import gpu_machine
from lab.nvml import FakeNvml

INTERFACES = Path(__file__).parents[2] / "dbus/interfaces"


@pytest.fixture(scope="module")
def bus() -> Iterator[LabBus]:
    with LabBus(services={names.AUDIT.bus_name: audit_service()}) as bus:
        yield bus


def content(element: ElementTree.Element) -> object:
    """An element without its comments and white space."""
    return element.tag, sorted(element.attrib.items()), [content(part) for part in element]


async def served(
    client: Bus, path: str, service: str = names.AUDIT.bus_name
) -> dict[str, ElementTree.Element]:
    reply = await client.connection.ask(service, path, names.INTROSPECTABLE, "Introspect")
    root = ElementTree.fromstring(reply.body[0])
    return {str(each.get("name")): each for each in root.iter("interface")}


def written(interface: str) -> ElementTree.Element:
    root = ElementTree.parse(INTERFACES / f"{interface}.xml").getroot()
    return next(root.iter("interface"))


async def test_every_interface_is_served_as_it_is_written(bus: LabBus) -> None:
    async with bus.client() as client:
        job = await AuditClient(client).run()
        await asyncio.wait_for(job.finished(), 120)
        components = [path for path in await AuditClient(client).objects() if "/component/" in path]
        assert components, "this machine has not one component"
        seen: set[str] = set()
        for path in (names.AUDIT.path, job.path, components[0]):
            for name, element in (await served(client, path)).items():
                if name.startswith("org.bee."):
                    assert content(element) == content(written(name)), name
                    seen.add(name)
        assert seen == set(names.AUDIT.interfaces)


async def test_the_gpu_services_interfaces_too(tmp_path: Path) -> None:
    with FakeNvml("h100", count=1) as fake, gpu_machine(fake, tmp_path) as machine:
        async with machine.bus.client() as client:
            objects = await GpuClient(client).objects()
            seen: set[str] = set()
            for path in (names.GPU.path, *objects):
                for name, element in (await served(client, path, names.GPU.bus_name)).items():
                    if name.startswith("org.bee."):
                        assert content(element) == content(written(name)), name
                        seen.add(name)
            assert seen == set(names.GPU.interfaces)


async def test_the_properties_that_are_served_are_those_that_are_written(bus: LabBus) -> None:
    async with bus.client() as client:
        job = await AuditClient(client).run()
        await asyncio.wait_for(job.finished(), 120)
        objects = await AuditClient(client).objects()
        assert job.path in objects
        for path, held in objects.items():
            for interface, properties in held.items():
                wanted = [each.get("name") for each in written(interface).iter("property")]
                assert sorted(properties) == sorted(map(str, wanted)), (path, interface)
