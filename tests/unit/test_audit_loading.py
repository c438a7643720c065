"""What the audit service loads, and when: on the bus first, collectors and rules with the first audit."""

import subprocess
import sys

import pytest

from bee_audit.audit import COLLECTORS, Collector
from bee_bus.documents.base import Section
from lab.machine import FakeMachine

# What takes long to load and nobody needs to own a name.
LATER = {"argparse", "bee_audit.collectors", "bee_audit.decode", "bee_audit.rules", "construct", "tempfile"}


def test_the_service_is_on_the_bus_before_it_loads_what_only_audits_need() -> None:
    code = f"import bee_audit.main, bee_audit.service, sys; sys.exit(repr(sys.modules.keys() & {LATER!r}))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.stderr.strip() == "set()"


@pytest.mark.parametrize("collector", COLLECTORS, ids=lambda one: one.section)
async def test_a_section_has_its_collector_by_its_name(collector: Collector) -> None:
    found = await collector.collect(FakeMachine())
    assert found is None or isinstance(found, Section)
