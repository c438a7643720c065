"""What a load says went wrong in its own check: one finding for all of it."""

from collections.abc import Sequence

from bee_bus.documents.findings import Finding


def wrong_results(
    rule: str, component: str, where: str, what: str, seen: Sequence[str], count: int, next_step: str
) -> list[Finding]:
    """``what``: happened ("memtester read back ..."). ``seen``: the first of them in the load's own words;
    ``count``: how many in all. None for none.
    """
    if not count:
        return []
    more = f", and {count - 1} more" if count > 1 else ""
    return [
        Finding(
            rule=rule,
            severity="Critical",
            component=component,
            where=where,
            message=f"{what}: {seen[0]}{more}" if seen else f"{what}: {count} of them",
            value=float(count),
            next_step=next_step,
        )
    ]
