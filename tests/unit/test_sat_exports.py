"""Runs in the formats of other programs, which must come to the same verdict."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bee_bus.documents.findings import Threshold
from bee_bus.documents.sat import (
    Aborted,
    Errored,
    Interrupted,
    Measurement,
    Outcome,
    SatResult,
    Skipped,
    Status,
)
from bee_sat.ending import write_ending
from bee_sat.exports.junit import junit
from bee_sat.exports.ocp import ocp_lines
from bee_sat.judge import judge
from bee_sat.records import Found, Measured, RunStarted, StepEnded, StepStarted
from bee_sat.shelf import Shelf
from bee_sat.summary import summary_text
from lab.ocp import read_ocp
from lab.sat_runs import FAILED, PASSED, RUN, RecordedRun, at, changed, finding, gpus, recorded_run, server

STOPPED = Aborted(reason="user 1000 cancelled it")
KILLED = Interrupted(reason="the machine lost power")
NO_TOOL = Skipped(reason="memtester is not installed")
HUNG = Errored(reason="hung, killed while it tested")
HOSTILE = "<b a='1'>]]>&amp;\"\n\r\t\x00\x01\x08\x1b[31m\x7f\x85\u2028\ufffe\U0001f41d"


def result_of(run: RecordedRun) -> SatResult:
    return judge(run.records, run.looks)


def cut_short() -> RecordedRun:
    run = recorded_run(PASSED, PASSED, ended=KILLED)
    run.records = [
        one for one in run.records if not isinstance(one, StepStarted | StepEnded) or one.step == "step-1"
    ]
    return run


def measured() -> RecordedRun:
    run = recorded_run()
    floor = Threshold(name="sat.memory_rate", value=10.0, unit="GB/s", source="a test", layer="built-in")
    for wanted in ("at-least", "at-most", None):
        run.records.insert(
            5,
            Measured(
                at=at(9),
                step="step-1",
                measurement=Measurement(
                    name="rate",
                    value=12.5,
                    unit="GB/s",
                    component="memory/DIMM_A1",
                    threshold=floor,
                    wanted=wanted,
                ),
            ),
        )
    return run


EVERY_KIND: dict[str, tuple[RecordedRun, Status]] = {
    "passed": (recorded_run(), "OK"),
    "measured": (measured(), "OK"),
    "with warnings": (recorded_run(found=[finding("Warning")]), "OK"),
    "gpus": (recorded_run(before=gpus()), "OK"),
    "failed": (recorded_run(PASSED, FAILED), "FAILED"),
    "hung": (recorded_run(PASSED, HUNG), "FAILED"),
    "found out": (recorded_run(found=[finding("Critical"), finding("Unknown", "memory/DIMM_A1")]), "FAILED"),
    "memory errors": (
        recorded_run(
            after=changed(server(), ("hardware", "memory", "slots", 0, "uncorrected_error_count"), 9)
        ),
        "FAILED",
    ),
    "a disk vanished": (
        recorded_run(after=changed(server(), ("hardware", "storage", "disks"), lambda was: was[1:])),
        "FAILED",
    ),
    "not judged": (recorded_run(after=changed(server(), ("boot_id",), "other")), "FAILED"),
    "disk full": (recorded_run(ended=Errored(reason="no space is left on the disk")), "FAILED"),
    "unsupported": (recorded_run(PASSED, NO_TOOL), "UNSUPPORTED"),
    "partly unsupported": (recorded_run(PASSED, NO_TOOL, promised=(True, False)), "OK"),
    "aborted": (recorded_run(PASSED, STOPPED, ended=STOPPED), "ABORTED"),
    "interrupted": (cut_short(), "INTERRUPTED"),
    "no records": (RecordedRun([]), "INTERRUPTED"),
}
CASES = [pytest.param(run, status, id=name.replace(" ", "-")) for name, (run, status) in EVERY_KIND.items()]


@pytest.mark.parametrize(("run", "status"), CASES)
def test_every_kind_of_run_is_what_its_name_says(run: RecordedRun, status: Status) -> None:
    assert result_of(run).status == status


# Open Compute


def ocp(result: SatResult) -> list[dict[str, Any]]:
    return read_ocp(b"".join(ocp_lines(result)))


def steps(artifacts: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    found = [one["testStepArtifact"] for one in artifacts if kind in one.get("testStepArtifact", ())]
    return [one[kind] for one in found]


ENDS = {
    "OK": ("COMPLETE", "PASS"),
    "FAILED": ("COMPLETE", "FAIL"),
    "UNSUPPORTED": ("SKIP", "NOT_APPLICABLE"),
    "ABORTED": ("SKIP", "NOT_APPLICABLE"),
    "INTERRUPTED": ("ERROR", "NOT_APPLICABLE"),
}


@pytest.mark.parametrize(("run", "status"), CASES)
def test_every_kind_of_run_keeps_to_the_rules_of_ocp_with_the_same_verdict(
    run: RecordedRun, status: Status
) -> None:
    artifacts = ocp(result_of(run))
    end = artifacts[-1]["testRunArtifact"]["testRunEnd"]
    assert (end["status"], end["result"]) == ENDS[status]
    passes = [one for one in steps(artifacts, "diagnosis") if one["type"] != "PASS"]
    if status == "OK":
        assert passes == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"minor":0', b'"minor":1'),
        (b'"sequenceNumber":3', b'"sequenceNumber":4'),
        (b'"result":"PASS"', b'"result":"NOT_APPLICABLE"'),
        (b'"status":"COMPLETE","result"', b'"status":"DONE","result"'),
        (b"Z", b""),
        (b'"testStepId":"1"', b'"testStepId":"0"'),
        (b'"value":12.5', b'"value":NaN'),
        (b'"value":12.5', b'"value":null'),
        (b'"unit":"GB/s"', b'"units":"GB/s"'),
        (b'"hardwareInfoId":"memory/DIMM_A1","name"', b'"hardwareInfoId":"memory/DIMM_B1","name"'),
        (b'"testStepEnd":{"status":"COMPLETE"}', b'"log":{"severity":"INFO","message":"no end"}'),
        (b'"type":"PASS"', b'"type":"GOOD"'),
    ],
)
def test_what_breaks_a_rule_of_ocp_is_found_here(old: bytes, new: bytes) -> None:
    lines = b"".join(ocp_lines(result_of(measured())))
    assert old in lines
    with pytest.raises((AssertionError, ValueError)):
        read_ocp(lines.replace(old, new))


def test_a_step_that_was_not_carried_out_has_no_diagnosis() -> None:
    for outcome, ended in ((NO_TOOL, "SKIP"), (STOPPED, "SKIP"), (HUNG, "ERROR"), (KILLED, "ERROR")):
        artifacts = ocp(result_of(recorded_run(outcome)))
        first = [one["testStepArtifact"] for one in artifacts if "testStepArtifact" in one]
        mine = [one for one in first if one["testStepId"] == "0"]
        assert not any("diagnosis" in one for one in mine)
        assert mine[-1]["testStepEnd"] == {"status": ended}
        told = [one["error"]["message"] for one in mine if "error" in one]
        assert all("run again" in message for message in told) == (outcome is HUNG or not told)


def test_a_finding_is_a_diagnosis_of_the_component_that_it_names() -> None:
    artifacts = ocp(result_of(EVERY_KIND["memory errors"][0]))
    (diagnosis,) = [one for one in steps(artifacts, "diagnosis") if one["type"] == "FAIL"]
    assert diagnosis["verdict"] == "memory-uncorrected-errors-added"
    assert diagnosis["hardwareInfoId"] == "memory/DIMM_A1"
    (place,) = [
        one
        for one in artifacts[1]["testRunArtifact"]["testRunStart"]["dutInfo"]["hardwareInfos"]
        if one["hardwareInfoId"] == "memory/DIMM_A1"
    ]
    assert place["location"] == "slot DIMM_A1, serial 8C2F01"
    values = {one["name"]: one["value"] for one in steps(artifacts, "measurement")}
    assert values["memory.uncorrected_errors before"] == 1 and values["memory.uncorrected_errors after"] == 9


def test_a_measurement_brings_the_limit_that_judged_it() -> None:
    unknown, most, least = steps(ocp(result_of(measured())), "measurement")
    assert least["validators"][0] == {
        "name": "sat.memory_rate",
        "type": "GREATER_THAN_OR_EQUAL",
        "value": 10.0,
        "metadata": {"limit": "sat.memory_rate", "source": "a test", "layer": "built-in"},
    }
    assert most["validators"][0]["type"] == "LESS_THAN_OR_EQUAL"
    assert "validators" not in unknown and unknown["metadata"]["value"] == 10.0


def test_the_device_under_test_is_known_by_its_serial_number() -> None:
    start = ocp(result_of(recorded_run()))[1]["testRunArtifact"]["testRunStart"]
    assert start["dutInfo"]["dutInfoId"] == "SRV0042" and start["dutInfo"]["name"] == "gpu07"
    assert start["commandLine"] == "bee sat memory --duration 600"
    assert start["parameters"] == {"duration": "600"}


# JUnit


def read_junit(result: SatResult, tail: bytes = b"") -> ElementTree.Element:
    """The one suite, its counts checked."""
    suites = ElementTree.fromstring(junit(result, lambda name: tail))
    (suite,) = suites
    assert (suites.tag, suite.tag) == ("testsuites", "testsuite")
    cases = suite.findall("testcase")
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.attrib[name]) == len([one for one in cases if one.find(tag) is not None])
    assert int(suite.attrib["tests"]) == len(cases) == len(result.steps) + 1
    for case in cases:
        assert case.attrib["classname"] and case.attrib["name"]
        assert len([one for one in case if one.tag in ("failure", "error", "skipped")]) <= 1
    return suite


def outcomes(suite: ElementTree.Element) -> dict[str, str]:
    return {
        case.attrib["name"]: next(
            (one.tag for one in case if one.tag in ("failure", "error", "skipped")), "passed"
        )
        for case in suite.findall("testcase")
    }


@pytest.mark.parametrize(("run", "status"), CASES)
def test_every_kind_of_run_is_green_in_ci_only_when_it_is_ok(run: RecordedRun, status: Status) -> None:
    suite = read_junit(result_of(run))
    green = suite.attrib["failures"] == "0" and suite.attrib["errors"] == "0"
    assert green == (status == "OK")


@pytest.mark.parametrize(
    ("outcome", "case", "verdict"),
    [
        (PASSED, "passed", "passed"),
        (FAILED, "failure", "failure"),
        (HUNG, "error", "failure"),
        (NO_TOOL, "skipped", "error"),
        (STOPPED, "error", "error"),
        (KILLED, "error", "error"),
    ],
)
def test_each_step_is_a_case_and_so_is_the_verdict(outcome: Outcome, case: str, verdict: str) -> None:
    suite = read_junit(result_of(recorded_run(PASSED, outcome)))
    assert outcomes(suite) == {"step-1": "passed", "step-2": case, "verdict": verdict}
    told = suite.findall("testcase")[1].find(case)
    if told is not None:
        assert told.attrib["message"] == outcome.reason


def test_what_only_the_looks_show_fails_the_verdict_and_no_step() -> None:
    suite = read_junit(result_of(EVERY_KIND["memory errors"][0]))
    assert outcomes(suite) == {"step-1": "passed", "step-2": "passed", "verdict": "failure"}
    text = suite.findall("testcase")[2][0].text or ""
    for words in ("slot DIMM_A1", "sat.memory_uncorrected_errors = 0", "next step: Swap the DIMM"):
        assert words in text


def test_a_case_shows_its_command_and_the_end_of_its_output() -> None:
    suite = read_junit(result_of(recorded_run()), tail=b"\xff\x1b[31mlast words]]>\x00")
    text = suite.findall("testcase")[0].findtext("system-out") or ""
    assert text.startswith("$ memtester 64M 1\nexit status 0\n") and "last words]]>" in text


def test_the_suite_says_where_and_when() -> None:
    suite = read_junit(result_of(recorded_run()))
    assert suite.attrib["hostname"] == "gpu07" and suite.attrib["timestamp"] == "2026-11-22T14:00:00"
    assert suite.attrib["time"] == "603.000"
    properties = {one.attrib["name"]: one.attrib["value"] for one in suite.iter("property")}
    assert properties["system_serial"] == "SRV0042" and properties["option.duration"] == "600"
    assert properties["overall_status"] == "OK"


# Hardware that is called something nasty


def hostile(text: str) -> SatResult:
    run = recorded_run(PASSED, Errored(reason=text))
    run.records.insert(
        -1,
        Found(
            at=at(1),
            step="",
            finding=finding("Critical", f"memory/{text}", message=text, where=text, next_step=text),
        ),
    )
    begun = run.records[0]
    assert isinstance(begun, RunStarted)
    run.records[0] = msgspec.structs.replace(begun, host_name=text, options={"disks": text})
    return result_of(run)


@given(st.text(st.characters(codec="utf-8"), max_size=40))
@settings(max_examples=60, deadline=None)
def test_no_text_breaks_a_format(text: str) -> None:
    result = hostile(text)
    read_junit(result, text.encode())
    ocp(result)
    for line in summary_text(result).splitlines():
        assert line.startswith("#") or "=" in line


def test_nor_does_the_worst_that_we_know() -> None:
    result = hostile(HOSTILE)
    read_junit(result, HOSTILE.encode())
    ocp(result)
    lines = summary_text(result).split("\n")
    assert all(line.isprintable() for line in lines)
    assert sum(line.startswith("overall_status=") for line in lines) == 1
    assert max(map(len, summary_text(hostile("x" * 10_000)).split("\n"))) < 1200


def test_both_are_had_from_the_shelf(tmp_path: Path) -> None:
    folder = recorded_run(FAILED).write(tmp_path / RUN)
    (folder / "step-1.txt").write_bytes(b"start " + b"." * 50_000 + b" last words")
    write_ending(folder)
    shelf = Shelf(tmp_path)
    with shelf.export(RUN, "junit") as file:
        text = ElementTree.fromstring(file.read()).findtext(".//system-out") or ""
    assert "last words" in text and "start" not in text
    with shelf.export(RUN, "ocp") as file:
        assert read_ocp(file.read())[-1]["testRunArtifact"]["testRunEnd"]["result"] == "FAIL"
