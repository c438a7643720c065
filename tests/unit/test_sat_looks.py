"""What a run asks of the audit: a look of its own, and not one that began before it was asked for."""

import time
from collections.abc import Mapping
from typing import Any

import pytest

from bee_bus import errors
from bee_bus.client import Bus
from bee_sat import looks


class Audits:
    """The audit service, which gives whoever asks the audit of the same sections that is under way."""

    def __init__(self, *created_seconds_ago: float, error: str = "") -> None:
        self.ages = list(created_seconds_ago)
        self.error = error
        self.asked: list[Mapping[str, str]] = []

    def __call__(self, bus: Bus) -> "Audits":
        return self

    async def run(self, options: Mapping[str, str]) -> "Audits":
        self.asked.append(options)
        return self

    async def finished(self, *, deadline_seconds: float) -> dict[str, Any]:
        created = (time.time() - self.ages.pop(0)) * 1e6
        return {"CreatedAt": round(created), "ErrorName": self.error, "ErrorMessage": "the disk is full"}

    async def get_snapshot(self) -> str:
        return f"snapshot {len(self.asked)}"


async def looked(audits: Audits, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(looks, "AuditClient", audits)
    return await looks.ask(Bus(), "audit", ("board", "memory"))


async def test_an_audit_of_its_own_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    audits = Audits(-0.5)
    assert await looked(audits, monkeypatch) == "snapshot 1"
    assert audits.asked == [{"sections": "board,memory"}]


async def test_one_that_was_under_way_already_may_not_have_seen_the_end_of_the_load(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert await looked(Audits(2.0, -0.5), monkeypatch) == "snapshot 2"
    assert await looked(Audits(2.0, 1.0), monkeypatch) == "snapshot 2", "that was made after the first ended"


async def test_an_audit_that_failed_is_no_look(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.Internal, match="the audit failed: the disk is full"):
        await looked(Audits(-0.5, error="org.bee.Error.Internal"), monkeypatch)
