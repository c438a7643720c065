"""What the rules of psus, sensors and bmc find on a machine with the lab's BMC."""

from collections.abc import Mapping
from itertools import chain

from bee_audit.collectors import bmc as bmc_collector
from bee_audit.collectors import psus as psus_collector
from bee_audit.collectors import sensors as sensors_collector
from bee_audit.rules import bmc as bmc_rules
from bee_audit.rules import psus as psus_rules
from bee_audit.rules import sensors as sensors_rules
from bee_audit.rules.thresholds import built_in
from bee_bus.documents.audit import Finding, Hardware, Summary
from lab.bmc_control import BmcControl

_NOT_JUDGED = Summary(verdict="Unknown", failure_count=0, warning_count=0, unknown_count=0, findings=())


async def hardware_of(control: BmcControl, files: Mapping[str, bytes] | None = None) -> Hardware:
    machine = control.machine(files=dict(files or {}))
    return Hardware(
        summary=_NOT_JUDGED,
        psus=await psus_collector.collect(machine),
        sensors=await sensors_collector.collect(machine),
        bmc=await bmc_collector.collect(machine),
    )


def judge(hardware: Hardware, site: str = "") -> list[Finding]:
    """The findings, with a site's thresholds over the built-in ones."""
    limits = built_in().layered(site, "site", "test")
    rules = chain(psus_rules.RULES, sensors_rules.RULES, bmc_rules.RULES)
    return [finding for rule in rules for finding in rule(hardware, limits)]


async def findings_of(control: BmcControl, site: str = "") -> list[Finding]:
    return judge(await hardware_of(control), site)
