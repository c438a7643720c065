"""Rules over power supplies: there, alive, fed, and alike."""

from collections import Counter
from collections.abc import Iterator

from bee_audit.rules import Rule
from bee_audit.rules.thresholds import Thresholds
from bee_bus.documents.audit import Finding, Hardware
from bee_bus.documents.psus import Psu


def absent(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """A bay without a supply, or with one that says nothing at all, beside others that have one."""
    psus = _psus(hardware)
    empty = [psu for psu in psus if psu.present is False]
    present = [psu for psu in psus if psu.present]
    limit = thresholds["psus.empty_bays"]
    if not present or len(empty) <= thresholds.number(limit.name):
        return
    for psu in empty:
        yield Finding(
            rule="psus.absent",
            severity="Warning",
            component=f"psus/{psu.id}",
            where=where(psu),
            message=f"{psu.name} is absent; {len(present)} of {len(psus)} power supplies are there",
            next_step="Fit or reseat it; if the bay is to be empty, raise psus.empty_bays for the site.",
            value=len(empty),
            threshold=limit,
        )


def unseen(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """A machine that runs, whose every supply is called absent: a failed one would look the same.

    One alone feeds the machine, whatever its sensor says.
    """
    psus = _psus(hardware)
    limit = thresholds["psus.empty_bays"]
    enough = max(1, thresholds.number(limit.name))
    if any(psu.present is not False for psu in psus) or len(psus) <= enough:
        return
    yield Finding(
        rule="psus.unseen",
        severity="Unknown",
        component="psus",
        where=", ".join(psu.name for psu in psus),
        message=f"The machine runs, and none of its {len(psus)} power supplies is there by its sensors",
        next_step="Look at the supplies' lights; restart the BMC and audit again. Where a chassis has the "
        "supplies, raise psus.empty_bays for the site.",
        value=len(psus),
        threshold=limit,
    )


def fault(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """What a supply's own sensors say is wrong with it."""
    for psu in _psus(hardware):
        for state in psu.states:
            rule, next_step = _STATES.get(state.name, _OTHER_STATE)
            # An empty bay has no input either; that it is empty is said by the rule above.
            if state.severity is None or (psu.present is False and rule.startswith("psus.input")):
                continue
            yield Finding(
                rule=rule,
                severity=state.severity,
                component=f"psus/{psu.id}",
                where=where(psu),
                message=f"{psu.name}: {state.name}",
                next_step=next_step,
                value=state.name,
            )


def unlike_peers(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """Supplies of different rating or model in one machine: they do not share the load as they should.

    Where one's own data cannot be read, what the firmware says of it may be worded otherwise: it is no peer.
    """
    present = [psu for psu in _psus(hardware) if psu.present is not False]
    present = [psu for psu in present if psu.fru] or present
    ratings = [(psu, f"{psu.capacity_watts} W") for psu in present if psu.capacity_watts]
    models = [(psu, model) for psu in present if (model := psu.model or psu.part_number)]
    yield from _odd("psus.rating-unlike-peers", "is rated", ratings)
    if len({rating for _, rating in ratings}) <= 1:
        yield from _odd("psus.model-unlike-peers", "is a", models)


RULES: tuple[Rule, ...] = (absent, unseen, fault, unlike_peers)


def where(psu: Psu) -> str:
    """For hands: "PS1, power supply 1, serial P1234"."""
    parts = [psu.name]
    if psu.location and psu.location != psu.name:
        parts.append(psu.location)
    if psu.serial:
        parts.append(f"serial {psu.serial}")
    return ", ".join(parts)


_FEED = "Plug in the power cord at both ends, check the feed behind it, then try another cord."
_REPLACE = "Replace the supply, after the event log was saved."
_STATES = {
    "failure detected": ("psus.failed", _REPLACE),
    "predictive failure": ("psus.predictive-failure", _REPLACE),
    "predictive failure asserted": ("psus.predictive-failure", _REPLACE),
    "input lost": ("psus.input-lost", _FEED),
    "input lost or out of range": ("psus.input-lost", _FEED),
    "input out of range, but present": ("psus.input-out-of-range", _FEED),
    "configuration error": (
        "psus.configuration-error",
        "Compare model, rating and firmware with the other supplies; fit supplies that are alike.",
    ),
}
_OTHER_STATE = ("psus.fault-state", "Reseat the supply and read its sensors again; replace it if it stays.")


def _odd(rule: str, verb: str, properties: list[tuple[Psu, str]]) -> Iterator[Finding]:
    counts = Counter(text for _, text in properties)
    if len(counts) <= 1:
        return
    common, _ = counts.most_common(1)[0]
    for psu, text in properties:
        if text != common:
            yield Finding(
                rule=rule,
                severity="Warning",
                component=f"psus/{psu.id}",
                where=where(psu),
                message=f"{psu.name} {verb} {text}, {counts[common]} of {len(properties)} are {common}",
                next_step="Fit supplies that are alike, as the vendor lists them for this machine.",
                value=text,
            )


def _psus(hardware: Hardware) -> tuple[Psu, ...]:
    return hardware.psus.psus if hardware.psus else ()
