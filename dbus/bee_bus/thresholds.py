"""Thresholds as data, in layers: built-in, then the site's file, then the call's options.

Each service keeps its numbers in TOML files of its own, with unit and source::

    [storage.percentage_used]
    value = 100
    unit = "%"
    source = "NVMe 2.0 fig. 207: 100 is the vendor's estimate of the device's life"

A site file (``/etc/bee/thresholds.toml``) has the same shape for all services; ``value`` is enough in it.
"""

import math
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from bee_bus.documents.findings import Threshold

Layer = Literal["built-in", "site", "option"]
SITE_FILE = "/etc/bee/thresholds.toml"


class ThresholdError(ValueError):
    """A threshold file or option that cannot be used; the message says what is allowed."""


class Thresholds(msgspec.Struct, frozen=True):
    """``elsewhere``: areas that another service judges, which a site file may name all the same."""

    _table: Mapping[str, Threshold] = {}
    elsewhere: frozenset[str] = frozenset()

    def __getitem__(self, name: str) -> Threshold:
        """The limit in force. A KeyError is a bug: rules name only limits that are built in."""
        return self._table[name]

    def number(self, name: str) -> float:
        value = self._table[name].value
        if isinstance(value, str):
            raise ThresholdError(f"threshold {name} must be a number, not {value!r}")
        return float(value)

    def layered(
        self, text: str, layer: Layer, source: str, *, only: str | None = None, strict: bool = False
    ) -> "Thresholds":
        """These thresholds with those of a TOML text over them. Raises ThresholdError.

        ``only``: the one area that is looked at, for who leaves the rest of the file to others. ``strict``:
        what another service judges is refused, as nobody would hear of it.
        """
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ThresholdError(f"{source}: not TOML: {error}") from error
        changed = {}
        for name, entry in _flat(document, source):
            area = name.partition(".")[0]
            if strict and area in self.elsewhere:
                raise ThresholdError(
                    f"{source}: {name} is judged by another service, which takes it from {SITE_FILE} alone"
                )
            if area in self.elsewhere or only not in (None, area):
                continue
            if name not in self._table:
                of_area = [one for one in self.names() if one.startswith(f"{area}.")]
                known = ", ".join(of_area or sorted({one.partition(".")[0] for one in self.names()}))
                raise ThresholdError(f"{source}: there is no threshold {name}; known: {known}")
            changed[name] = _threshold(name, entry, layer, source, self._table[name])
        return msgspec.structs.replace(self, _table={**self._table, **changed})

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._table))


def from_files(files: Iterable[Path], *, elsewhere: Iterable[str] = ()) -> Thresholds:
    """The thresholds that a service ships."""
    table: dict[str, Threshold] = {}
    for file in files:
        for name, entry in _flat(tomllib.loads(file.read_text("utf-8")), file.name):
            table[name] = _threshold(name, entry, "built-in", file.name, None)
    return Thresholds(table, frozenset(elsewhere))


def _flat(document: Mapping[str, Any], source: str) -> list[tuple[str, Any]]:
    entries = []
    for area, limits in document.items():
        if not isinstance(limits, dict):
            raise ThresholdError(f"{source}: {area} must be a table of thresholds, as in [{area}.NAME]")
        entries += [(f"{area}.{name}", entry) for name, entry in limits.items()]
    return entries


def _threshold(name: str, entry: Any, layer: Layer, source: str, under: Threshold | None) -> Threshold:
    fields = entry if isinstance(entry, dict) else {"value": entry}
    value = fields.get("value")
    if not isinstance(value, bool | int | float | str):
        raise ThresholdError(f"{source}: {name} needs a value")
    if isinstance(value, float) and not math.isfinite(value):
        raise ThresholdError(f"{source}: {name} must be a finite number, not {value}")
    if under is not None and isinstance(under.value, str) != isinstance(value, str):
        raise ThresholdError(f"{source}: {name} must be of the kind of {under.value!r}")
    return Threshold(
        name=name,
        value=value,
        unit=str(fields.get("unit", under.unit if under else "")),
        source=str(fields.get("source", source)),
        layer=layer,
    )
