"""What a GPU of a model has to reach at least, and the other limits of a run, with their sources."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

from bee_bus.documents.findings import Threshold
from bee_bus.thresholds import SITE_FILE, Thresholds, from_files

HERE = Path(__file__).parent
AREA = "gpu_stress"


class _Floor(msgspec.Struct, forbid_unknown_fields=True):
    figure: float
    share: float
    source: str = ""


class _Model(msgspec.Struct, forbid_unknown_fields=True):
    key: str
    names: tuple[str, ...]
    source: str
    floors: dict[str, _Floor]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    model: tuple[_Model, ...]


@dataclass(frozen=True)
class Floors:
    """``limits``: by name, also those of the models ("gpu_stress.h100-sxm-gemm-bf16")."""

    limits: Thresholds
    models: dict[str, str]  # name as the driver gives it → key

    def floor(self, model_name: str, phase: str) -> Threshold | None:
        """The floor of a phase's rates for that model, if there is one."""
        key = self.models.get(model_name)
        name = f"{AREA}.{key}-{phase}"
        return self.limits[name] if key is not None and name in self.limits.names() else None

    def limit(self, name: str) -> Threshold:
        return self.limits[f"{AREA}.{name}"]

    def share(self, name: str) -> float:
        """A limit that is given in percent, as a share."""
        return self.limits.number(f"{AREA}.{name}") / 100

    def with_site(self, text: str) -> "Floors":
        """These with a site file's over them. Raises ThresholdError."""
        return Floors(self.limits.layered(text, "site", SITE_FILE, only=AREA), self.models)


@cache
def built_in() -> Floors:
    """What bee ships."""
    file = msgspec.convert(tomllib.loads((HERE / "floors.toml").read_text("utf-8")), _File)
    general = from_files([HERE / "limits.toml"])
    table = {name: general[name] for name in general.names()}
    for model in file.model:
        for phase, floor in model.floors.items():
            threshold = _threshold(model, phase, floor)
            table[threshold.name] = threshold
    return Floors(Thresholds(table), {name: model.key for model in file.model for name in model.names})


def _threshold(model: _Model, phase: str, floor: _Floor) -> Threshold:
    unit = "TFLOP/s" if phase.startswith("gemm-") else "GB/s"
    return Threshold(
        name=f"{AREA}.{model.key}-{phase}",
        value=round(floor.figure * floor.share / 100, 1),
        unit=unit,
        source=f"{floor.share:g} % of {floor.figure:g} {unit}: {floor.source or model.source}",
        layer="built-in",
    )
