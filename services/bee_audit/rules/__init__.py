"""Facts to findings: small functions, their limits in data.

A rule is a function ``(hardware, thresholds) -> iterator of findings``. It judges facts only: it reads no
machine, and what it does not know it does not call good.
"""

from collections.abc import Callable, Iterator
from typing import TypeAlias

from bee_audit.rules.thresholds import Thresholds
from bee_bus.documents.audit import Finding, Hardware

Rule: TypeAlias = Callable[[Hardware, Thresholds], Iterator[Finding]]
