"""The API against its own description, by schemathesis: whatever is asked, the answer is a described one.

The server is the real one, as its own user, with all services behind it. Visitors ask for everything; who is
logged in only looks, for a change that is made up could switch the machine off.
"""

import asyncio
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi import checks

from bee_bus.sat_client import SatClient
from bee_web import openapi
from lab.nvml import FakeNvml
from lab.sat import sat_machine
from lab.web import Web, web_page

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="reading a machine needs root")

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
EVENTS = "/events"  # does not end; test_web_events.py is about it

# The same requests every time, and so many that all of them take about a minute.
described = schemathesis.openapi.from_dict(
    openapi.description(), config=SchemathesisConfig.from_dict({"seed": 1})
).exclude(path=EVENTS)
bounded = settings(
    max_examples=10,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


class Target(NamedTuple):
    """A server with one GPU and one run that has ended."""

    web: Web
    gpu: str
    run: str

    def parameters(self, case: Any) -> dict[str, Any]:
        """Those of the path, by names that are there."""
        known = {"gpu": self.gpu, "run": self.run, "name": "summary.txt"}
        return {name: known.get(name, value) for name, value in case.path_parameters.items()}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("schemathesis")
    (folder / "log").mkdir()
    with FakeNvml("h100", count=1) as fake, sat_machine(folder, fake=fake) as sat:
        run = asyncio.run(_a_run(sat.bus.address))
        with web_page(sat.bus, logs=sat.runs.parent) as web:
            sat.bus.expect("wrong token")
            yield Target(web, fake.pci_address(0), run)
        assert sat.bus.complaints() == []


async def _a_run(address: str) -> str:
    from bee_bus.client import AuditClient, Bus

    async with Bus(address) as bus:
        await (await AuditClient(bus).run()).finished()
        started = await SatClient(bus).start("memory", {"size_mb": "32", "passes": "1"})
        await started.finished()
        return started.run


def conforms(case: Any, target: Target, **headers: str) -> None:
    base = f"{target.web.origin}/api/v1"
    case.call_and_validate(base_url=base, headers=headers, checks=CHECKS, timeout=60)


@described.parametrize()
@bounded
def test_whatever_a_visitor_asks(case: Any, target: Target) -> None:
    conforms(case, target)


@described.include(method="GET").parametrize()
@bounded
def test_whatever_a_visitor_asks_of_what_is_there(case: Any, target: Target) -> None:
    if case.path_parameters:
        case.path_parameters = target.parameters(case)
    conforms(case, target)


@described.include(method="GET").parametrize()
@bounded
def test_whatever_somebody_who_is_logged_in_looks_at(case: Any, target: Target) -> None:
    if case.path_parameters:
        case.path_parameters = target.parameters(case)
    conforms(case, target, Authorization=f"Bearer {target.web.token}")


@described.include(method=["POST", "DELETE"]).parametrize()
@bounded
def test_no_change_is_made_for_a_visitor(case: Any, target: Target) -> None:
    """Nor for one whose page comes from elsewhere, or from ours."""
    if case.path_parameters:
        case.path_parameters = target.parameters(case)
    for origin in ("http://elsewhere.example", target.web.origin):
        answer = case.call(base_url=f"{target.web.origin}/api/v1", headers={"Origin": origin}, timeout=60)
        logs_out = (case.method, case.operation.path) == ("DELETE", "/session")
        assert answer.status_code >= 400 or case.method in ("GET", "HEAD", "OPTIONS") or logs_out


def test_the_description_that_is_served_is_this_one(target: Target) -> None:
    assert target.web.get("/api/v1/openapi.json").text == openapi.text()


def test_the_examples_that_are_there_are_found(target: Target) -> None:
    for path in (f"runs/{target.run}", f"runs/{target.run}/charts", f"gpus/{target.gpu}/history"):
        assert target.web.get(f"/api/v1/{path}").status == 200
