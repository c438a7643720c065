"""A BMC that is ill, a log that is full or tells of faults, damaged FRU data, a chassis in trouble."""

from datetime import UTC, datetime

import pytest

from bee_bus.documents.audit import Finding
from lab.bmc import Bmc
from lab.bmc_control import (
    GET_CHASSIS_STATUS,
    GET_DEVICE_ID,
    GET_SEL_ENTRY,
    GET_SEL_INFO,
    GET_SELF_TEST,
    BmcControl,
)
from lab.hardware import bmc
from lab.ipmi_findings import findings_of, hardware_of, judge
from lab.sdr import DiscreteSensor, SensorType
from lab.sel import NOW, THRESHOLD, Event, with_log

MEMORY, PROCESSOR, POWER_SUPPLY, TEMPERATURE, PCIE = 0x0C, 0x07, 0x08, 0x01, 0x13
PS1, CPU1_TEMP = 8, 1


def brief(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(one.rule, one.severity) for one in findings]


async def log_findings(*events: Event, machine: Bmc | None = None, site: str = "") -> list[Finding]:
    return await findings_of(BmcControl(with_log(machine or bmc(), *events)), site)


class TestController:
    async def test_in_order_has_no_finding(self) -> None:
        assert not await findings_of(BmcControl(bmc()))

    @pytest.mark.parametrize(
        ("answer", "severity", "words"),
        [
            (b"\0\x57\x08", "Warning", "the sensor data repository is empty"),
            (b"\0\x57\x80", "Warning", "the event log cannot be accessed"),
            (b"\0\x57\x01", "Critical", "the controller's operational firmware is corrupted"),
            (b"\0\x58\x04", "Critical", "hardware error 04h"),
            (b"\0\x70\x01", "Warning", "internal failure 70h, detail 01h"),
        ],
    )
    async def test_that_fails_its_own_test(self, answer: bytes, severity: str, words: str) -> None:
        control = BmcControl(bmc())
        control.answers(GET_SELF_TEST, answer)

        (finding,) = await findings_of(control)

        assert (finding.rule, finding.severity, finding.component) == ("bmc.self-test", severity, "bmc/bmc")
        assert finding.value == words

    @pytest.mark.parametrize("answer", [b"\0\x55\0", b"\0\x56\0"])
    async def test_that_passes_it_or_has_none(self, answer: bytes) -> None:
        control = BmcControl(bmc())
        control.answers(GET_SELF_TEST, answer)

        assert not await findings_of(control)

    async def test_that_is_updating_itself_is_not_seen_whole(self) -> None:
        control = BmcControl(bmc())
        control.answers(GET_DEVICE_ID, b"\0" + bytes.fromhex("2081 83 14 02 bf 7c2a00 161b 00000000"))

        assert brief(await findings_of(control)) == [("bmc.updating", "Unknown")]

    async def test_without_an_address_is_no_fault(self) -> None:
        control = BmcControl(bmc())
        control.bmc.address = "0.0.0.0"
        hardware = await hardware_of(control)

        assert hardware.bmc is not None
        assert hardware.bmc.controllers[0].channels[0].ipv4_address is None
        assert not judge(hardware)


class TestChassis:
    @pytest.mark.parametrize(
        ("power", "misc", "rule", "severity"),
        [
            (0x69, 0x00, "bmc.power-fault", "Critical"),
            (0x63, 0x00, "bmc.power-overload", "Critical"),
            (0x71, 0x00, "bmc.power-control-fault", "Critical"),
            (0x65, 0x00, "bmc.interlock", "Warning"),
            (0x61, 0x04, "bmc.drive-fault", "Critical"),
            (0x61, 0x08, "bmc.cooling-fault", "Critical"),
            (0x61, 0x01, "bmc.intrusion", "Warning"),
        ],
    )
    async def test_in_trouble(self, power: int, misc: int, rule: str, severity: str) -> None:
        control = BmcControl(bmc())
        control.answers(GET_CHASSIS_STATUS, bytes((0, power, 0, misc)))

        (finding,) = await findings_of(control)

        assert (finding.rule, finding.severity, finding.component) == (rule, severity, "bmc/chassis")

    async def test_a_power_failure_in_the_past_is_history(self) -> None:
        control = BmcControl(bmc())
        control.answers(GET_CHASSIS_STATUS, b"\0\x61\x1f\x40")
        hardware = await hardware_of(control)

        assert hardware.bmc is not None and hardware.bmc.chassis is not None
        assert "AC failed" in hardware.bmc.chassis.last_power_event
        assert not judge(hardware)

    async def test_an_intrusion_that_a_sensor_reports_is_found_once(self) -> None:
        control = BmcControl(bmc())
        control.answers(GET_CHASSIS_STATUS, b"\0\x61\0\x01")
        control.bmc.sensors.append(DiscreteSensor(0x60, "Chassis Intru", SensorType.PHYSICAL_SECURITY, 1, 1))

        assert brief(await findings_of(control)) == [("sensors.fault-state", "Warning")]


class TestFruData:
    async def test_with_a_wrong_checksum(self) -> None:
        control = BmcControl(bmc())
        image = bytearray(control.bmc.frus[1])
        image[12] ^= 1
        control.bmc.frus[1] = bytes(image)

        (finding,) = await findings_of(control)

        assert (finding.rule, finding.severity, finding.component) == (
            "bmc.fru-damaged",
            "Warning",
            "bmc/fru1",
        )
        assert "the checksum of the product area is wrong" in finding.message
        assert finding.where == "PSU1 FRU, power supply 1"

    async def test_that_was_never_written_is_no_fault(self) -> None:
        control = BmcControl(bmc())
        control.bmc.frus[0] = b"\xff" * 512

        assert not await findings_of(control)


class TestLogThatFills:
    def info(self, entries: int, free: int, *, overflow: bool = False) -> bytes:
        head = b"\0\x51" + entries.to_bytes(2, "little") + free.to_bytes(2, "little")
        return head + b"\xff" * 8 + bytes((0x82 if overflow else 0x02,))

    async def find(self, answer: bytes) -> list[Finding]:
        control = BmcControl(bmc())
        control.answers(GET_SEL_INFO, answer)
        control.answers(GET_SEL_ENTRY, b"\0\xff\xff" + Event(0x1D, 0, 60).record(1))
        return [one for one in await findings_of(control) if one.rule != "bmc.sel-not-read"]

    async def test_nearly(self) -> None:
        (finding,) = await self.find(self.info(470, 42 * 16))

        assert (finding.rule, finding.severity, finding.component) == ("bmc.sel-full", "Warning", "bmc/sel")
        assert finding.message == "The event log is 91.8 % full (470 events)"
        assert finding.threshold is not None and finding.threshold.value == 90

    async def test_to_the_end(self) -> None:
        assert brief(await self.find(self.info(512, 0))) == [("bmc.sel-full", "Warning")]

    async def test_beyond_its_end(self) -> None:
        (finding,) = await self.find(self.info(512, 0, overflow=True))

        assert finding.rule == "bmc.sel-overflow"

    async def test_half(self) -> None:
        assert not await self.find(self.info(256, 256 * 16))


class TestEvents:
    @pytest.mark.parametrize(
        ("event", "severity"),
        [
            (Event(MEMORY, 1, data=(None, 3)), "Critical"),
            (Event(PROCESSOR, 0), "Critical"),
            (Event(PROCESSOR, 11), "Critical"),
            (Event(PCIE, 10), "Critical"),
            (Event(PCIE, 8), "Critical"),
            (Event(POWER_SUPPLY, 1), "Critical"),
            (Event(TEMPERATURE, 9, event_type=THRESHOLD), "Critical"),
            (Event(0x0F, 0, data=(0x02, None)), "Critical"),
            (Event(MEMORY, 5), "Warning"),
            (Event(0x23, 1), "Warning"),
        ],
    )
    async def test_that_tell_of_a_fault(self, event: Event, severity: str) -> None:
        (finding,) = await log_findings(event)

        assert (finding.rule, finding.severity, finding.component) == ("bmc.sel-event", severity, "bmc/sel")
        assert "2026-03-30 12:00:00" in finding.message
        assert finding.threshold is not None and finding.threshold.unit == "days"
        assert "clear it" in finding.next_step

    async def test_are_told_with_their_number(self) -> None:
        (finding,) = await log_findings(*[Event(MEMORY, 1, days, data=(None, 3)) for days in (50, 20, 3)])

        assert finding.message == (
            "Event log: memory sensor 0x30: uncorrectable ECC error (memory module 3), 2 times, "
            "last at 2026-03-28 12:00:00"
        )
        assert finding.value == 2

    async def test_do_not_keep_the_verdict_down_for_ever(self) -> None:
        events = [Event(MEMORY, 1, 31), Event(PROCESSOR, 0, 400), Event(POWER_SUPPLY, 1, 45)]
        hardware = await hardware_of(BmcControl(with_log(bmc(), *events)))

        assert not judge(hardware)
        assert hardware.bmc is not None and hardware.bmc.sel is not None
        assert len(hardware.bmc.sel.events) == 3, "they are shown all the same"

    async def test_of_a_site_that_looks_further_back(self) -> None:
        assert brief(await log_findings(Event(MEMORY, 1, 31), site="[bmc]\nsel_event_age = 90")) == [
            ("bmc.sel-event", "Critical")
        ]

    async def test_that_are_over_are_no_finding(self) -> None:
        assert not await log_findings(
            Event(POWER_SUPPLY, 3, 3, 0x31),
            Event(POWER_SUPPLY, 3, 2, 0x31, asserted=False),
            Event(TEMPERATURE, 9, 2, CPU1_TEMP, THRESHOLD),  # the sensor itself is below its limit now
        )

    async def test_that_come_and_go_are_not_over(self) -> None:
        flapping = []
        for days in (9, 6, 3):
            flapping += [
                Event(POWER_SUPPLY, 3, days, 0x31),
                Event(POWER_SUPPLY, 3, days - 1, 0x31, asserted=False),
            ]

        (finding,) = await log_findings(*flapping)

        assert (finding.rule, finding.severity, finding.value) == ("bmc.sel-recurring", "Warning", 3)
        assert not await log_findings(*flapping[:4])

    async def test_correctable_errors_are_a_fault_in_number(self) -> None:
        nine = [Event(MEMORY, 0, days, data=(None, 3)) for days in range(10, 1, -1)]

        assert not await log_findings(*nine)
        assert brief(await log_findings(*nine, Event(MEMORY, 0, 1, data=(None, 3)))) == [
            ("bmc.sel-correctable", "Warning")
        ]

    async def test_thousands_of_correctable_errors_are_counted(self) -> None:
        many = [Event(MEMORY, 0, 2, data=(None, 3)) for _ in range(300)]

        (finding,) = await log_findings(*many)

        assert finding.value == 300

    async def test_of_correctable_errors_are_counted_by_module_whatever_else_the_maker_logs(self) -> None:
        """Its second byte is the rank, the third the module."""
        errors = [Event(MEMORY, 0, 2, data=(rank % 4, 0x1A), codes=(2, 2)) for rank in range(12)]

        (finding,) = await log_findings(*errors)

        assert (finding.rule, finding.value) == ("bmc.sel-correctable", 12)
        buses = [Event(PCIE, 7, 2, data=(bus % 4, 0), codes=(2, 2)) for bus in range(12)]
        assert not await log_findings(*buses)

    async def test_of_a_fault_that_a_sensor_shows_now_say_so(self) -> None:
        machine = bmc()
        status = machine.sensor("PS1 Status")
        assert isinstance(status, DiscreteSensor)
        status.states = 0x03

        findings = await log_findings(Event(POWER_SUPPLY, 1, 1, PS1), machine=machine)

        assert brief(findings) == [("psus.failed", "Critical"), ("bmc.sel-event", "Critical")]
        assert findings[1].message.endswith("and the sensor says so now")


class TestClock:
    async def test_events_from_before_it_was_set_may_be_recent(self) -> None:
        (finding,) = await log_findings(Event(PROCESSOR, 0, None))

        assert "before 2026-03-31 12:00:00" in finding.message

    async def test_events_from_before_it_was_set_are_as_old_as_what_follows(self) -> None:
        assert not await log_findings(Event(PROCESSOR, 0, None), Event(0x1D, 0, 60))

    async def test_that_is_not_set_makes_the_newest_record_now(self) -> None:
        machine = with_log(bmc(), Event(MEMORY, 1, 200), Event(PROCESSOR, 0, 100))
        machine.clock = lambda: 500.0

        assert brief(await findings_of(BmcControl(machine))) == [("bmc.sel-event", "Critical")]

    async def test_that_was_set_back_makes_no_event_old(self) -> None:
        machine = with_log(bmc(), Event(PROCESSOR, 0, 1))
        machine.clock = lambda: float(0x50000000)

        assert brief(await findings_of(BmcControl(machine))) == [("bmc.sel-event", "Critical")]

    async def test_that_starts_years_ago_after_the_mains_were_off_makes_no_event_old(self) -> None:
        """The machine was logged yesterday, lost its mains, and its BMC began at its firmware's date."""
        fault = Event(PROCESSOR, 0, 900)

        (finding,) = await log_findings(Event(0x1D, 0, 1), fault, Event(0x1D, 0, 0.5))
        assert (finding.rule, finding.severity) == ("bmc.sel-event", "Critical")
        assert "before 2026-03-31 00:00:00" in finding.message

        assert not await log_findings(fault, Event(0x1D, 0, 1))
        assert not await log_findings(Event(0x1D, 0, -400), fault, Event(0x1D, 0, 1))
        assert not await log_findings(Event(0x1D, 0, 880), fault, Event(0x1D, 0, 870))

    async def test_that_starts_at_2000_was_not_set(self) -> None:
        days = (NOW - datetime(2000, 1, 1, tzinfo=UTC)).total_seconds() / 86400

        (finding,) = await log_findings(Event(PROCESSOR, 0, days), Event(0x1D, 0, 0.5))

        assert (finding.rule, finding.severity) == ("bmc.sel-event", "Critical")


class TestLogThatCouldNotBeRead:
    async def test_may_hide_what_is_recent(self) -> None:
        control = BmcControl(with_log(bmc(), *[Event(0x1D, 0)] * 4))
        control.answers(GET_SEL_ENTRY, b"\xff")

        (finding,) = await findings_of(control)

        assert (finding.rule, finding.severity) == ("bmc.sel-not-read", "Unknown")
        assert finding.message == "Only the newest 0 of 4 events could be read"

    async def test_hides_nothing_recent_when_what_was_read_reaches_further_back(self) -> None:
        control = BmcControl(with_log(bmc(), *[Event(0x1D, 0, days) for days in (90, 60, 50, 40)]))

        def refuse_old(request: tuple[int, int, bytes]) -> bytes | None:
            return (
                b"\xff"
                if request[:2] == GET_SEL_ENTRY and request[2][2:4] in (b"\x01\0", b"\x02\0")
                else None
            )

        control.faults.append(refuse_old)

        assert not await findings_of(control)

    async def test_may_hide_what_is_recent_though_its_oldest_records_were_read(self) -> None:
        """Its numbers have holes, and from its first record on it leads back to the first."""
        days = (90, 60, 2, 1, 0.5)
        records = [Event(PROCESSOR if n == 2 else 0x1D, 0, days[n]).record(n * 100 + 100) for n in range(5)]
        control = BmcControl(with_log(bmc(), *[Event(0x1D, 0)] * 5))

        def read(request: tuple[int, int, bytes]) -> bytes | None:
            if request[:2] != GET_SEL_ENTRY:
                return None
            wanted = int.from_bytes(request[2][2:4], "little")
            place = {0: 0, 0xFFFF: 4, 100: 0, 200: 1}.get(wanted)
            following = b"\xc8\0" if place == 0 else b"\x64\0" if place == 1 else b"\xff\xff"
            return b"\xcb" if place is None else b"\0" + following + records[place]

        control.faults.append(read)

        assert brief(await findings_of(control)) == [("bmc.sel-not-read", "Unknown")]
