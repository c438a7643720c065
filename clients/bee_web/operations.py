"""What the API has: every address with what it takes and gives."""

from __future__ import annotations

from typing import Any, NamedTuple

from bee_bus.documents.audit import Hardware, Snapshot
from bee_bus.documents.gpu import GpuSample
from bee_bus.documents.gpus import GpuHistory, GpuInventory
from bee_bus.documents.sat import SatPack, SatResult, SatRun
from bee_web.bodies import (
    AuditStarted,
    Done,
    GoDown,
    LogIn,
    RunStarted,
    SessionState,
    StartAudit,
    StartRun,
)
from bee_web.documents import Charts, ComponentAnswer, Findings, Status

JSON, ANYTHING = "application/json", "*/*"
# What may go wrong anywhere, and where a service is asked; a login has its own.
_ASKING = (502, 503, 504)


class Query(NamedTuple):
    name: str
    words: str
    schema: dict[str, Any]
    required: bool = False


class Operation(NamedTuple):
    """``answer``: a type, or None for something else, of the kinds in ``media``. ``errors``: statuses."""

    method: str
    path: str
    words: str
    answer: Any
    errors: tuple[int, ...] = ()
    status: int = 200
    media: tuple[str, ...] = (JSON,)
    query: tuple[Query, ...] = ()
    body: type | None = None
    login: bool = False
    body_required: bool = True


_TEXT: dict[str, Any] = {"type": "string"}
_RUN_ERRORS = (404, *_ASKING)
_CHANGE = (401, 403, 429)

OPERATIONS: tuple[Operation, ...] = (
    Operation("get", "/status", "The machine in one look.", Status),
    Operation(
        "get",
        "/audit",
        "The last audit, as its file has it.",
        Snapshot,
        (404,),
        query=(Query("download", "Anything: as a file to be saved.", _TEXT),),
    ),
    Operation(
        "post",
        "/audit/run",
        "Run an audit, or join the one under way.",
        AuditStarted,
        (400, *_CHANGE, 409, 415, 422, *_ASKING),
        202,
        body=StartAudit,
        login=True,
        body_required=False,
    ),
    Operation("get", "/findings", "What the last audit found, the worst first.", Findings, (404,)),
    Operation(
        "get",
        "/components",
        "The parts of the machine.",
        list[ComponentAnswer],
        (404,),
        query=(Query("section", "Of this section only.", {"enum": list(Hardware.__struct_fields__[1:])}),),
    ),
    Operation("get", "/gpus", "Every GPU, looked at now.", GpuInventory, _ASKING),
    Operation(
        "get",
        "/gpus/{gpu}/history",
        "What was sampled of a GPU; its PCI address, UUID or number.",
        GpuHistory,
        (400, 404, *_ASKING),
        query=(
            Query("since", "Microseconds since 1970.", {"type": "integer", "minimum": 0}),
            Query("fields", f"Names joined by commas: {', '.join(GpuSample.__struct_fields__)}.", _TEXT),
        ),
    ),
    Operation("get", "/packs", "What can be run, with the options.", list[SatPack], _ASKING),
    Operation("get", "/runs", "All acceptance runs, the newest first.", list[SatRun], _ASKING),
    Operation(
        "post",
        "/runs",
        "Start an acceptance run.",
        RunStarted,
        (400, *_CHANGE, 409, 415, 422, *_ASKING),
        201,
        body=StartRun,
        login=True,
    ),
    Operation("get", "/runs/{run}", "A run and its steps.", SatResult, _RUN_ERRORS),
    Operation(
        "post", "/runs/{run}/cancel", "End a run.", Done, (*_CHANGE, 404, 422, *_ASKING), 202, login=True
    ),
    Operation("get", "/runs/{run}/artifacts", "The names of a run's files.", list[str], _RUN_ERRORS),
    Operation(
        "get", "/runs/{run}/artifacts/{name}", "A file of a run.", None, _RUN_ERRORS, media=(ANYTHING,)
    ),
    Operation("get", "/runs/{run}/archive", "All of a run.", None, _RUN_ERRORS, media=("application/gzip",)),
    Operation(
        "get",
        "/runs/{run}/export",
        "A run that has ended, for other programs.",
        None,
        (400, 422, *_RUN_ERRORS),
        media=("application/xml", "application/jsonl"),
        query=(Query("format", "JUnit XML, or Open Compute diagnostics.", {"enum": ["junit", "ocp"]}, True),),
    ),
    Operation(
        "get",
        "/runs/{run}/charts",
        "What a run measured of its GPUs.",
        Charts,
        _RUN_ERRORS,
        query=(Query("gpu", "Of this PCI address only.", _TEXT),),
    ),
    Operation(
        "get",
        "/events",
        "What happens, as server-sent events: status of services, the audit, runs and GPUs.",
        None,
        (503,),
        media=("text/event-stream",),
    ),
    Operation("get", "/openapi.json", "This description.", dict[str, Any]),
    Operation("get", "/session", "Whether somebody is logged in.", SessionState),
    Operation(
        "post",
        "/session",
        "Log in: the answer sets a cookie.",
        SessionState,
        (400, 401, 403, 415, 429, 503),
        body=LogIn,
    ),
    Operation("delete", "/session", "Log out.", None, (403,), 204),
    Operation(
        "post",
        "/network/renew",
        "Ask for network addresses anew.",
        Done,
        (*_CHANGE, 409, 422, *_ASKING),
        login=True,
    ),
    Operation(
        "post",
        "/power/{action}",
        "Restart the machine, or switch it off.",
        Done,
        (400, 404, *_CHANGE, 409, 415, 422, *_ASKING),
        202,
        body=GoDown,
        login=True,
    ),
)
