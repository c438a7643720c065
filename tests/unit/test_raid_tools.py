"""What the vendors' RAID tools print: the shapes are the tools' own, the machines are made up."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bee_audit.decode import DecodeError
from bee_audit.decode.raid_tools import (
    decode_arcconf,
    decode_arcconf_count,
    decode_sas_ircu,
    decode_sas_ircu_list,
    decode_ssacli,
    decode_storcli,
)
from bee_audit.decode.raid_tools.conditions import battery_condition, drive_condition, volume_condition
from bee_bus.documents.storage import RaidDrive
from lab.raid_tools import ARCCONF, SAS3IRCU, SAS3IRCU_LIST, SSACLI, storcli, storcli_drives


def test_storcli_tells_controller_drives_volumes_and_battery() -> None:
    overview = storcli(drives={"252:0": "Onln", "252:1": "Offln"}, volume="Dgrd", battery="Optimal")
    (controller,) = decode_storcli(overview, storcli_drives({"252:0": 13}, serial="ZC1"))
    assert (controller.id, controller.model) == ("0000:3b:00.0", "AVAGO MegaRAID SAS 9361-8i")
    assert (controller.serial, controller.firmware) == ("SK00000001", "4.680.00-8249")
    assert (controller.status, controller.condition) == ("Degraded", "degraded")
    first, second = controller.drives
    assert (first.slot, first.condition, first.media_errors) == ("252:0", "ok", 13)
    assert (first.serial, first.temperature_celsius) == ("ZC1", 30)
    assert first.size_bytes == 0x1BF1F72B0 * 512
    assert (second.condition, second.state) == ("failed", "Offln")
    assert [(one.number, one.level, one.condition) for one in controller.volumes] == [
        ("0/239", "RAID1", "degraded")
    ]
    assert [(one.model, one.condition) for one in controller.batteries] == [("CVPM02", "ok")]


def test_a_drive_that_flags_an_alert_is_expected_to_fail() -> None:
    overview = storcli(drives={"252:0": "Onln"})
    (controller,) = decode_storcli(overview, storcli_drives({"252:0": 0}, alert="Yes"))
    assert controller.drives[0].condition == "predicted"


def test_storcli_without_the_second_answer_still_tells_states() -> None:
    (controller,) = decode_storcli(storcli(drives={"252:0": "Onln"}), b"killed")
    assert (controller.drives[0].condition, controller.drives[0].media_errors) == ("ok", None)


def test_storcli_on_a_machine_without_controllers() -> None:
    answer = {
        "Controllers": [{"Command Status": {"Status": "Failure", "Description": "No Controller found"}}]
    }
    assert decode_storcli(json.dumps(answer).encode()) == ()


def test_sas3ircu() -> None:
    assert decode_sas_ircu_list(SAS3IRCU_LIST) == {0: "0000:81:00.0", 1: "0001:03:00.0"}
    controller = decode_sas_ircu(SAS3IRCU, address="0000:81:00.0")
    assert (controller.model, controller.firmware, controller.bios_version) == (
        "SAS3008",
        "16.00.01.00",
        "8.37.00.00",
    )
    assert [(one.slot, one.condition, one.serial) for one in controller.drives] == [
        ("2:0", "ok", "W7J3969G"),
        ("2:1", "failed", "W7J3TW9G"),
    ]
    assert [(one.number, one.level, one.condition) for one in controller.volumes] == [
        ("905", "RAID1", "degraded")
    ]


def test_arcconf() -> None:
    assert decode_arcconf_count(ARCCONF) == 1
    controller = decode_arcconf(ARCCONF, number=1)
    assert (controller.model, controller.serial, controller.status) == (
        "Adaptec ASR71605",
        "2C22135CF48",
        "Optimal",
    )
    assert [(one.slot, one.condition, one.serial) for one in controller.drives] == [
        ("0:1", "predicted", "WD-WCC4N0RUUPKF"),
        ("0:2", "ok", "WD-WCC4N0RUUPKG"),
    ]
    assert [(one.number, one.name, one.condition) for one in controller.volumes] == [
        ("0", "data", "degraded")
    ]
    assert [(one.condition, one.model) for one in controller.batteries] == [("failed", "AFM-700/700LP")]


ARCCONF_DRIVE = """
      Device #0
         Device is a Hard drive
         State                                : Online
         Reported Location                    : Backplane 0, Slot 7(Connector 0:CN2)
         S.M.A.R.T.                           : No
         S.M.A.R.T. warnings                  : 0
      ----------------------------------------------------------------
      Device Phy Information
      ----------------------------------------------------------------
         Phy #0
            PHY Identifier                    : 0
      ----------------------------------------------------------------
      {heading}
      ----------------------------------------------------------------
         {errors:<36} : {error_count}
         {warnings:<36} : {warning_count}

      Device #1
         Device is an Enclosure Services Device
"""


@pytest.mark.parametrize(
    ("heading", "errors", "warnings"),
    [
        ("Runtime Error Counters", "Medium Error Count", "SMART Warning Count"),
        ("Device Error Counters", "Media Failures", "Predictive Failures"),
    ],
)
def test_arcconf_counts_errors_below_a_drives_phys(heading: str, errors: str, warnings: str) -> None:
    def drive(error_count: int, warning_count: int) -> RaidDrive:
        printed = ARCCONF_DRIVE.format(
            heading=heading,
            errors=errors,
            warnings=warnings,
            error_count=error_count,
            warning_count=warning_count,
        )
        (found,) = decode_arcconf(b"Controller information\n" + printed.encode(), number=1).drives
        return found

    assert (drive(0, 0).slot, drive(0, 0).condition, drive(0, 0).media_errors) == ("0:7", "ok", 0)
    assert (drive(17, 0).condition, drive(17, 0).media_errors) == ("ok", 17)
    assert (drive(0, 2).condition, drive(0, 2).predicted_failures) == ("predicted", 2)


def test_an_ssd_that_ssacli_calls_ok_and_worn_out() -> None:
    (controller,) = decode_ssacli(SSACLI)
    worn = SSACLI.replace(b"Current Temperature (C): 32", b"SSD Smart Trip Wearout: True")
    (after,) = decode_ssacli(worn)
    assert (controller.drives[0].condition, after.drives[0].condition) == ("ok", "predicted")


def test_ssacli() -> None:
    (controller,) = decode_ssacli(SSACLI)
    assert (controller.id, controller.model) == ("0000:5c:00.0", "Smart Array P408i-a SR Gen10")
    assert (controller.serial, controller.firmware) == ("PEYHB0ARCAJ10N", "3.00")
    assert [(one.slot, one.condition, one.firmware) for one in controller.drives] == [
        ("1I:1:1", "ok", "HPD2"),
        ("1I:1:2", "predicted", None),
    ]
    assert [(one.number, one.condition) for one in controller.volumes] == [("1", "degraded")]
    assert controller.batteries[0].condition == "failed"


@pytest.mark.parametrize("word", ["", "Bewildered", "0", "OKish", "not ok"])
def test_a_word_that_nobody_knows_is_never_ok(word: str) -> None:
    assert drive_condition(word) == volume_condition(word) == battery_condition(word) == "unknown"


@pytest.mark.parametrize(
    ("word", "condition"),
    [
        ("Okay (OKY)", "ok"),
        ("Recovering, 12% complete", "rebuilding"),
        ("Waiting for Rebuild", "rebuilding"),
        ("Optl", "ok"),
        ("OfLn", "failed"),
        ("Wrong Physical Drive Was Replaced", "failed"),
    ],
)
def test_words_of_volumes(word: str, condition: str) -> None:
    assert volume_condition(word) == condition


DECODERS: tuple[Any, ...] = (
    decode_storcli,
    lambda output: decode_storcli(storcli(drives={"252:0": "Onln"}), output),
    lambda output: decode_arcconf(output, number=1),
    lambda output: decode_sas_ircu(output, address="0000:81:00.0"),
    decode_sas_ircu_list,
    decode_ssacli,
    decode_arcconf_count,
)
SAMPLES = (ARCCONF, SSACLI, SAS3IRCU, SAS3IRCU_LIST, storcli(drives={"1:1": "Onln"}))


@given(st.sampled_from(SAMPLES), st.integers(0, 4000), st.binary(max_size=40))
def test_cut_and_damaged_outputs_are_facts_or_a_decode_error(sample: bytes, place: int, junk: bytes) -> None:
    for output in (sample[:place], sample[:place] + junk + sample[place:], junk):
        for decode in DECODERS:
            try:
                decode(output)
            except DecodeError:
                continue
