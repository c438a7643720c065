"""The words of five vendors for the states of drives, volumes and batteries.

A word that is not known is "unknown", never "ok".
"""

from collections.abc import Iterable, Mapping
from typing import Literal, TypeVar

from bee_bus.documents.storage import DriveCondition, VolumeCondition

T = TypeVar("T", bound=str)
BatteryCondition = Literal["ok", "charging", "failed", "missing", "unknown"]

_DRIVE: Mapping[DriveCondition, Iterable[str]] = {
    "ok": (
        # storcli: online, configured, unconfigured good, passed through
        *("onln", "conf", "ugood", "jbod", "ugunsp", "uconf", "sntze"),
        # sas2ircu, arcconf, ssacli
        *("online", "onl", "optimal", "opt", "okay", "ok", "ready", "rdy", "available", "avl", "raw", "jbod"),
        *("standby", "sby"),
    ),
    "spare": ("dhs", "ghs", "hot spare", "hsp", "hot-spare", "global hot-spare", "dedicated hot-spare"),
    "rebuilding": ("rbld", "cpybck", "rebuilding", "rbl", "out of sync", "osy", "queued for rebuild"),
    "predicted": ("predictive failure", "cfshld", "ugshld", "hspshld", "failing"),
    "failed": (
        *("offln", "ubad", "ubunsp", "failed", "fail", "fld", "offline", "degraded", "dgd"),
        *("unusable", "inaccessible", "not ready", "nrdy"),
    ),
    "missing": ("msng", "missing", "mis", "removed"),
}
_VOLUME: Mapping[VolumeCondition, Iterable[str]] = {
    "ok": (
        *("optl", "optimal", "ok", "okay", "oky", "hd", "verifying", "initializing", "init", "transforming"),
        *("expanding", "background parity initialization"),
    ),
    "rebuilding": (
        *("rec", "recovering", "rebuilding", "ready for recovery", "queued for recovery", "synchronizing"),
        *("ready for rebuild", "waiting for rebuild", "queued for rebuild"),
    ),
    "degraded": (
        *("dgrd", "pdgd", "degraded", "dgd", "partially degraded", "impacted", "suboptimal"),
        *("suboptimal, fault tolerant", "interim recovery", "interim recovery mode", "needs attention"),
    ),
    "failed": (
        *("ofln", "offline", "failed", "fld", "missing", "mis", "disabled"),
        *("wrong physical drive was replaced", "physical drive not properly connected"),
    ),
}
_BATTERY: Mapping[BatteryCondition, Iterable[str]] = {
    "ok": ("optimal", "opt", "ok", "ready", "normal", "fully charged"),
    "charging": ("charging", "learning", "recharging", "learn"),
    "missing": ("missing", "msng", "battery pack missing", "not present", "not installed", "absent"),
    "failed": (
        *("failed", "fail", "degraded", "dgd", "not ready", "fatal", "needs attention", "low"),
        *("dgd(needs attention)", "degraded(needs attention)", "failed (replace batteries)"),
    ),
}


def drive_condition(state: str) -> DriveCondition:
    return _condition(state, _DRIVE) or "unknown"


def volume_condition(state: str) -> VolumeCondition:
    return _condition(state, _VOLUME) or "unknown"


def battery_condition(state: str) -> BatteryCondition:
    return _condition(state, _BATTERY) or "unknown"


def _condition(state: str, words: Mapping[T, Iterable[str]]) -> T | None:
    """By the whole word, else by the part before a bracket: "Optimal (OPT)", "Recovering, 12 % complete"."""
    whole = state.strip().lower()
    short = whole.split(" (")[0].split(",")[0].strip()
    for candidate in (whole, short):
        for condition, known in words.items():
            if candidate in known:
                return condition
    return None
