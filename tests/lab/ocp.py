"""The rules of the OCP Test and Validation output, version 2.0, as far as bee writes it.

Restated from the specification and the JSON Schemas of opencomputeproject/ocp-diag-core (json_spec). Stricter
than they are: bee references only what it declared, and its times are in UTC.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any


class OneOf:
    """One of a few words."""

    def __init__(self, *words: str) -> None:
        self.words = words


Rule = type | tuple[type, ...] | OneOf | list[Any] | str | Callable[[Any], None]
Shape = Mapping[str, Rule]  # by field; one with "!" must be there

SCALAR = (str, bool, int, float)
STATUSES = OneOf("COMPLETE", "ERROR", "SKIP")
VALID_ENDS = {
    ("SKIP", "NOT_APPLICABLE"),
    ("ERROR", "NOT_APPLICABLE"),
    ("COMPLETE", "PASS"),
    ("COMPLETE", "FAIL"),
}
COMPARISONS = OneOf(
    *("EQUAL", "NOT_EQUAL", "LESS_THAN", "LESS_THAN_OR_EQUAL", "GREATER_THAN", "GREATER_THAN_OR_EQUAL"),
    *("REGEX_MATCH", "REGEX_NO_MATCH", "IN_SET", "NOT_IN_SET"),
)

RUN_ARTIFACTS = ("testRunStart", "testRunEnd", "log", "error")
STEP_ARTIFACTS = ("testStepStart", "testStepEnd", "measurement", "diagnosis", "log", "error", "file")


def metadata(value: Any) -> None:
    assert isinstance(value, dict)
    assert not any(isinstance(one, dict | list) for one in value.values()), "metadata is not nested"


SHAPES: dict[str, Shape] = {
    "testRunStart": {
        "name!": str,
        "version!": str,
        "commandLine!": str,
        "parameters!": dict,
        "dutInfo!": "dutInfo",
        "metadata": metadata,
    },
    "dutInfo": {
        "dutInfoId!": str,
        "name": str,
        "platformInfos": ["platformInfo"],
        "softwareInfos": ["softwareInfo"],
        "hardwareInfos": ["hardwareInfo"],
        "metadata": metadata,
    },
    "platformInfo": {"info!": str},
    "softwareInfo": {
        "softwareInfoId!": str,
        "name!": str,
        "version": str,
        "revision": str,
        "softwareType": OneOf("UNSPECIFIED", "FIRMWARE", "SYSTEM", "APPLICATION"),
        "computerSystem": str,
    },
    "hardwareInfo": {
        "hardwareInfoId!": str,
        "name!": str,
        **dict.fromkeys(("version", "revision", "location", "serialNumber", "partNumber", "partType"), str),
        **dict.fromkeys(
            ("manufacturer", "manufacturerPartNumber", "odataId", "computerSystem", "manager"), str
        ),
    },
    "testRunEnd": {"status!": STATUSES, "result!": OneOf("NOT_APPLICABLE", "PASS", "FAIL")},
    "testStepStart": {"name!": str},
    "testStepEnd": {"status!": STATUSES},
    "measurement": {
        "name!": str,
        "value!": SCALAR,
        "unit": str,
        "validators": ["validator"],
        "hardwareInfoId": str,
        "metadata": metadata,
    },
    "validator": {"name": str, "type!": COMPARISONS, "value!": SCALAR, "metadata": metadata},
    "diagnosis": {
        "verdict!": str,
        "type!": OneOf("PASS", "FAIL", "UNKNOWN"),
        "message": str,
        "hardwareInfoId": str,
        "sourceLocation": "sourceLocation",
    },
    "error": {"symptom!": str, "message": str, "softwareInfoIds": [str], "sourceLocation": "sourceLocation"},
    "sourceLocation": {"file!": str, "line!": int},
    "log": {
        "severity!": OneOf("INFO", "DEBUG", "WARNING", "ERROR", "FATAL"),
        "message!": str,
        "sourceLocation": "sourceLocation",
    },
    "file": {
        "displayName!": str,
        "uri!": str,
        "isSnapshot!": bool,
        "description": str,
        "contentType": str,
        "metadata": metadata,
    },
}

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def read_ocp(content: bytes) -> list[dict[str, Any]]:
    """The artifacts of one run. AssertionError for the first rule that they break."""
    lines = content.decode("utf-8").split("\n")
    assert lines.pop() == "", "the last line ends too"
    artifacts = [json.loads(line, parse_constant=_no_constant) for line in lines]
    for number, artifact in enumerate(artifacts):
        assert artifact["sequenceNumber"] == number <= 2**31 - 1
        assert TIME.fullmatch(artifact["timestamp"])
        datetime.fromisoformat(artifact["timestamp"])
        kinds = set(artifact) - {"sequenceNumber", "timestamp"}
        assert len(kinds) == 1, f"one artifact a line: {sorted(kinds)}"
        (kind,) = kinds
        _check_artifact(kind, artifact[kind])
    _check_order(artifacts)
    _check_references(artifacts)
    return artifacts


def _no_constant(name: str) -> None:
    raise AssertionError(f"JSON has no {name}")


def _check_artifact(kind: str, content: dict[str, Any]) -> None:
    if kind == "schemaVersion":
        assert content == {"major": 2, "minor": 0}
        return
    inner = dict(content)
    if kind == "testStepArtifact":
        assert isinstance(inner.pop("testStepId"), str)
    allowed = {"testRunArtifact": RUN_ARTIFACTS, "testStepArtifact": STEP_ARTIFACTS}[kind]
    assert len(inner) == 1
    ((name, value),) = inner.items()
    assert name in allowed, f"{name} in a {kind}"
    _check(name, value, name)


def _check(rule: Rule, value: Any, where: str) -> None:
    if isinstance(rule, str):
        shape = SHAPES[rule]
        assert isinstance(value, dict), where
        fields = {name.rstrip("!"): one for name, one in shape.items()}
        required = {name.rstrip("!") for name in shape if name.endswith("!")}
        assert required <= set(value) <= set(fields), f"{where}: {sorted(value)}"
        for name, one in value.items():
            _check(fields[name], one, f"{where}.{name}")
    elif isinstance(rule, list):
        assert isinstance(value, list), where
        for one in value:
            _check(rule[0], one, where)
    elif isinstance(rule, OneOf):
        assert value in rule.words, f"{where}: {value!r}"
    elif isinstance(rule, type | tuple):
        assert isinstance(value, rule), f"{where}: {value!r}"
    else:
        rule(value)


def _check_order(artifacts: list[dict[str, Any]]) -> None:
    """The version, the start of the run, the steps, its end; a step speaks between its start and its end."""
    assert "schemaVersion" in artifacts[0]
    assert "testRunStart" in artifacts[1]["testRunArtifact"]
    end = artifacts[-1]["testRunArtifact"]["testRunEnd"]
    assert (end["status"], end["result"]) in VALID_ENDS
    states: dict[str, str] = {}
    for artifact in artifacts[2:-1]:
        assert "schemaVersion" not in artifact
        assert not {"testRunStart", "testRunEnd"} & set(artifact.get("testRunArtifact", ()))
        step = artifact.get("testStepArtifact")
        if step is None:
            continue
        state = states.get(step["testStepId"], "")
        if "testStepStart" in step:
            assert state == "", "each step has an id of its own"
            states[step["testStepId"]] = "open"
        else:
            assert state == "open", f"{step} outside of its step"
            if "testStepEnd" in step:
                states[step["testStepId"]] = "ended"
    assert set(states.values()) <= {"ended"}


def _check_references(artifacts: list[dict[str, Any]]) -> None:
    device = artifacts[1]["testRunArtifact"]["testRunStart"]["dutInfo"]
    hardware = [one["hardwareInfoId"] for one in device.get("hardwareInfos", ())]
    software = [one["softwareInfoId"] for one in device.get("softwareInfos", ())]
    steps = [
        artifact["testStepArtifact"]["testStepId"]
        for artifact in artifacts
        if "testStepStart" in artifact.get("testStepArtifact", ())
    ]
    ids = [*hardware, *software, *steps]
    assert len(ids) == len(set(ids)), "identifiers are unique in a run"
    for artifact in artifacts:
        for part in artifact.get("testStepArtifact", {}).values():
            if isinstance(part, dict) and "hardwareInfoId" in part:
                assert part["hardwareInfoId"] in hardware, part
