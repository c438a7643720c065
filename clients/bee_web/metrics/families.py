"""Metric families as they are filled, one sample at a time.

Names of parts come from firmware: labels hold only what can be seen, cut to a length, and a family holds only
so many of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import cast

from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
    StateSetMetricFamily,
)
from prometheus_client.registry import CollectorRegistry

from bee_bus.text import clean

LABEL_CHARACTERS = 120
SAMPLES_MAX = 2000  # of one family

_UNITS = ("amperes", "bytes", "celsius", "hertz", "joules", "ratio", "rpm", "seconds", "volts", "watts")

Labels = str | int | None  # an absent label is empty, which is the same to Prometheus


class Families:
    """What Prometheus's exposition takes for a registry. Absent values leave no sample."""

    def __init__(self) -> None:
        self._families: dict[str, Metric] = {}
        self._seen: set[tuple[str, tuple[str, ...]]] = set()

    def collect(self) -> Iterator[Metric]:
        yield from self._families.values()

    def gauge(self, name: str, words: str, value: float | None, **labels: Labels) -> None:
        if value is not None and (values := self._new(name, labels)) is not None:
            family = self._families.get(name)
            if family is None:
                family = self._families[name] = GaugeMetricFamily(
                    name, words, labels=tuple(labels), unit=_unit(name)
                )
            cast(GaugeMetricFamily, family).add_metric(values, float(value))

    def counter(self, name: str, words: str, value: float | None, **labels: Labels) -> None:
        """``name`` ends in "_total"."""
        if value is not None and (values := self._new(name, labels)) is not None:
            family = self._families.get(name)
            if family is None:
                base = name.removesuffix("_total")
                family = self._families[name] = CounterMetricFamily(
                    base, words, labels=tuple(labels), unit=_unit(base)
                )
            cast(CounterMetricFamily, family).add_metric(values, float(value))

    def info(self, name: str, words: str, **labels: Labels) -> None:
        """Facts as labels; ``name`` is without "_info"."""
        values = self._new(name, labels)
        if values is None:
            return
        family = self._families.get(name)
        if family is None:
            family = self._families[name] = InfoMetricFamily(name, words, labels=())
        cast(InfoMetricFamily, family).add_metric((), dict(zip(labels, values, strict=True)))

    def states(self, name: str, words: str, states: Iterable[str], now: str, **labels: Labels) -> None:
        """Which one of some states it is in."""
        values = self._new(name, labels)
        if values is None:
            return
        family = self._families.get(name)
        if family is None:
            family = self._families[name] = StateSetMetricFamily(name, words, labels=tuple(labels))
        cast(StateSetMetricFamily, family).add_metric(values, {state: state == now for state in states})

    def _new(self, name: str, labels: dict[str, Labels]) -> Sequence[str] | None:
        """The values of the labels; None when there is such a sample already: a second would void all."""
        values = tuple(
            "" if value is None else clean(str(value), limit=LABEL_CHARACTERS) for value in labels.values()
        )
        family = self._families.get(name)
        if (name, values) in self._seen or (family is not None and len(family.samples) >= SAMPLES_MAX):
            return None
        self._seen.add((name, values))
        return values


def encoded(families: Families, accept: str) -> tuple[str, bytes]:
    """The content type and the text, as the one who asks wants it."""
    encoder, content_type = choose_encoder(accept)
    return content_type, encoder(cast(CollectorRegistry, families))


def scaled(value: float | None, factor: float) -> float | None:
    """The value in another unit."""
    return None if value is None else value * factor


def unix_seconds(when: str | None) -> float | None:
    """Of a time as documents have it (RFC 3339)."""
    try:
        return datetime.fromisoformat(when).timestamp() if when else None
    except ValueError:
        return None


def _unit(name: str) -> str:
    unit = name.rpartition("_")[2]
    return unit if unit in _UNITS else ""
