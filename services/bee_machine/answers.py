"""What a machine answered, question by question: the content of a capture.

A question that can have another answer each time (a tool, a control, a service) has a list of answers in the
order in which they came; the last one stands for all later times it is asked.
"""

from typing import Literal

import msgspec

CAPTURE_FORMAT = "bee-capture"
CAPTURE_VERSION = 1


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """``manifest.json``: what the archive is and where it comes from."""

    format: str = CAPTURE_FORMAT
    version: int = CAPTURE_VERSION
    bee_version: str
    host_name: str
    captured_at: str  # RFC 3339, UTC


class Failure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An answer that was an error."""

    kind: Literal["missing", "hung", "flooded", "os", "timeout"]
    message: str
    errno: int = 0


class EntryAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A folder in a folder; its files and links are with all others."""

    name: str
    real_path: str


class ToolAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    argv: tuple[str, ...]
    exit_code: int = 0
    duration_seconds: float = 0.0
    stdout: str = ""  # the archive's member with the output, "tools/0001.stdout"; empty: nothing was printed
    stderr: str = ""
    failure: Failure | None = None


class ControlAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    device: str
    operation: str
    request: str  # hex
    response: str = ""  # hex
    failure: Failure | None = None


class UdevAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    sys_path: str
    sys_name: str
    properties: dict[str, str]
    device_type: str | None = None
    device_node: str | None = None


class ServiceAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    service: str
    content: str = ""
    failure: Failure | None = None


class Answers(msgspec.Struct, kw_only=True, omit_defaults=True):
    """``answers.json``: everything but the contents of files, which are the archive's ``files/...``."""

    folders: dict[str, tuple[str, ...]] = {}
    entries: dict[str, tuple[EntryAnswer, ...]] = {}
    links: dict[str, str] = {}
    failures: dict[str, Failure] = {}  # by path: reads that failed for another reason than absence
    hung: list[str] = []  # by path: reads that had not ended when the collector gave up
    udev: dict[str, tuple[UdevAnswer, ...]] = {}
    tools: list[ToolAnswer] = []
    controls: list[ControlAnswer] = []
    services: list[ServiceAnswer] = []
