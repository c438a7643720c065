"""What is wrong, against which limit, and what to do about it: the same for every service that judges."""

from typing import Literal

from bee_bus.documents.base import Document

Verdict = Literal["OK", "Warning", "Critical", "Unknown"]
Severity = Literal["Warning", "Critical", "Unknown"]


class Threshold(Document):
    """A limit and where it comes from, printed beside the value that it judged."""

    name: str
    value: float | str | bool
    source: str  # the document, standard or device that states the number
    layer: Literal["built-in", "model", "site", "option", "device"]
    unit: str = ""


class Finding(Document):
    """One thing that is wrong, or that could not be seen (severity ``Unknown``)."""

    rule: str  # "storage.nvme-spare"
    severity: Severity
    component: str  # "storage/nvme0": section and the component's id in it
    where: str  # for hands: "slot DIMM_A1, serial 8C2F01", "0000:3b:00.0 in SLOT 4"
    message: str  # what was seen, one sentence
    next_step: str  # what to do, one sentence
    value: float | str | bool | None = None
    threshold: Threshold | None = None
