"""The event log: what its records say, and which of them still matter."""

from pathlib import Path

import pytest

from bee_audit.collectors import bmc as collector
from bee_audit.decode import DecodeError
from bee_audit.decode.sdr import Owner
from bee_audit.decode.sel import decode_sel_entry, decode_sel_info, decode_time, time_text
from bee_bus.documents.bmc import SelEvent
from lab.bmc_control import BmcControl
from lab.hardware import bmc
from lab.ipmitool import Ipmitool
from lab.sdr import DiscreteSensor, Entity, RawRecord, SensorType
from lab.sdr_bytes import Full
from lab.sel import NOW, SPECIFIC, THRESHOLD, Event, with_log

MEMORY, PROCESSOR, POWER_SUPPLY, TEMPERATURE, PCIE = 0x0C, 0x07, 0x08, 0x01, 0x13
PS1, PS2, CPU1_TEMP = 8, 9, 1  # sensor numbers of the reference server
UNCORRECTABLE, FAILURE, INPUT_LOST, UPPER_CRITICAL_HIGH = 1, 1, 3, 9


async def events_of(*events: Event) -> tuple[SelEvent, ...]:
    control = BmcControl(with_log(bmc(), *events))
    section = await collector.collect(control.machine())
    assert section is not None and section.sel is not None
    assert section.sel.entries_read == len(events)
    return section.sel.events


class TestRecords:
    def test_an_event(self) -> None:
        entry = decode_sel_entry(Event(MEMORY, UNCORRECTABLE, data=(None, 3), number=0x87).record(0x01A4))

        assert entry.record_id == 0x01A4
        assert entry.owner == Owner(0x20, 0, 0)
        assert (entry.sensor_type, entry.sensor_number, entry.event_type) == (MEMORY, 0x87, SPECIFIC)
        assert (entry.offset, entry.asserted, entry.data) == (1, True, (None, 3))
        assert time_text(entry.timestamp) == "2026-03-30T12:00:00"

    def test_a_deassertion(self) -> None:
        assert not decode_sel_entry(Event(POWER_SUPPLY, FAILURE, asserted=False).record(1)).asserted

    def test_vendors_own(self) -> None:
        timed = decode_sel_entry(b"\x05\0\xc1" + b"\0\0\0\x60" + b"\x7c\x2a\0" + bytes(6))
        untimed = decode_sel_entry(b"\x06\0\xfb" + bytes(range(13)))

        assert (timed.is_standard, timed.oem, timed.timestamp) == (False, "7c2a00000000000000", 0x60000000)
        assert (untimed.timestamp, untimed.oem) == (None, bytes(range(13)).hex())

    @pytest.mark.parametrize("stamp", [0, 300, 0x1FFFFFFF, 0x386D4380 + 90, 0xFFFFFFFF])
    def test_a_clock_that_was_not_set_gives_no_time(self, stamp: int) -> None:
        assert decode_time(stamp.to_bytes(4, "little")) is None
        assert time_text(None) is None

    def test_what_is_too_short(self) -> None:
        for decode in (decode_sel_entry, decode_sel_info, decode_time):
            with pytest.raises(DecodeError):
                decode(b"\x01\x02")


class TestWhatMatters:
    async def test_one_event_logged_again_and_again_is_one_event(self) -> None:
        (event,) = await events_of(
            *(Event(MEMORY, UNCORRECTABLE, days, 0x87, data=(None, 3)) for days in (9, 5, 1))
        )

        assert (event.event, event.severity, event.count) == ("uncorrectable ECC error", "Critical", 3)
        assert (event.sensor, event.kind, event.detail) == ("memory sensor 0x87", "memory", "memory module 3")
        assert [one.at for one in event.occurrences] == [
            *("2026-03-30T12:00:00", "2026-03-26T12:00:00", "2026-03-22T12:00:00")
        ]
        assert event.id == "sel-0x0003"

    async def test_modules_are_told_apart(self) -> None:
        events = await events_of(
            Event(MEMORY, UNCORRECTABLE, data=(None, 3)), Event(MEMORY, UNCORRECTABLE, data=(None, 7))
        )

        assert [event.detail for event in events] == ["memory module 7", "memory module 3"]

    async def test_everyday_events_are_not_listed(self) -> None:
        assert not await events_of(
            Event(0x10, 2),  # log cleared
            Event(0x1D, 0),  # power up
            Event(0x0F, 2, data=(0x13, None)),  # firmware progress
            Event(0x1F, 1),  # boot completed
            Event(0x14, 0),  # power button
            Event(0x12, 5),  # clock set
            Event(POWER_SUPPLY, 0, number=PS1),  # presence
            Event(0x0F, 0, data=(0x07, None)),  # firmware error: no keyboard
            Event(0xC0, 1, event_type=0x70),  # a vendor's own
        )

    @pytest.mark.parametrize("code", [0x05, 0x07, 0x08, 0x0A])
    async def test_a_maker_s_own_code_does_not_excuse_a_firmware_error(self, code: int) -> None:
        """POST error 8607h in Intel's numbers: its low byte is what the standard has for no keyboard."""
        (event,) = await events_of(Event(0x0F, 0, data=(code, 0x86), codes=(2, 2)))

        assert (event.event, event.severity) == ("firmware error", "Critical")
        assert event.detail == f"data 2: {code:02X}h, data 3: 86h"

    @pytest.mark.parametrize(
        ("event", "detail"),
        [
            (Event(MEMORY, UNCORRECTABLE, data=(None, 0x1A), codes=(0, 2)), "data 3: 1Ah"),
            (Event(0x0F, 0, data=(0x01, 0x85), codes=(2, 2)), "data 2: 01h, data 3: 85h"),
            (Event(POWER_SUPPLY, 6, data=(None, 0x03), codes=(0, 2)), "data 3: 03h"),
        ],
    )
    async def test_a_maker_s_own_bytes_are_not_read_as_the_standard_s(
        self, event: Event, detail: str
    ) -> None:
        (found,) = await events_of(event)

        assert found.detail == detail

    async def test_a_limit_that_is_a_maker_s_own_byte_is_none(self) -> None:
        (event,) = await events_of(
            Event(
                *(TEMPERATURE, UPPER_CRITICAL_HIGH, 1, CPU1_TEMP, THRESHOLD), data=(104, 0x55), codes=(1, 2)
            )
        )

        assert event.detail == "reading 104 degrees C"

    async def test_power_that_comes_up_and_parts_that_are_there_are_everyday_events(self) -> None:
        machine = bmc()
        for number, name in ((0x71, "PSU1_PWRGD"), (0x72, "PSU1_PRSNT")):
            machine.sensors.append(
                DiscreteSensor(number, name, SensorType.POWER_SUPPLY, 0x02, 0x03, event_type=0x03)
            )
        log = [Event(POWER_SUPPLY, 1, 5, number, event_type=0x03) for number in (0x71, 0x72, 0x73)]
        section = await collector.collect(BmcControl(with_log(machine, *log)).machine())

        assert section is not None and section.sel is not None
        assert [event.sensor for event in section.sel.events] == ["power supply sensor 0x73"]

    async def test_sensors_of_one_number_are_told_apart_by_their_luns(self) -> None:
        """A BMC with more than 255 sensors counts on in its other LUNs."""
        machine = bmc()
        more = Full(
            text=b"\xcaPS9 Status", number=PS1, owner_lun=1, sensor_type=POWER_SUPPLY, event_type=SPECIFIC
        )
        machine.locators.append(RawRecord(0x01, more.body()))
        log = [Event(POWER_SUPPLY, INPUT_LOST, 5, PS1, generator=(0x20, lun)) for lun in (0, 1)]
        section = await collector.collect(BmcControl(with_log(machine, *log)).machine())

        assert section is not None and section.sel is not None
        assert [event.sensor for event in section.sel.events] == ["PS9 Status", "PS1 Status"]

    async def test_a_reading_past_its_limit_in_the_sensor_s_unit(self) -> None:
        (event,) = await events_of(
            Event(TEMPERATURE, UPPER_CRITICAL_HIGH, number=CPU1_TEMP, event_type=THRESHOLD, data=(104, 95))
        )

        assert (event.sensor, event.event) == ("CPU1 Temp", "upper critical going high")
        assert event.detail == "reading 104 degrees C, limit 95 degrees C"

    async def test_the_grave_ones_are_kept_when_there_are_too_many(self) -> None:
        flood = [Event(0x05, 0, 20, number=0x40, data=(number % 250, number // 250)) for number in range(400)]

        events = await events_of(Event(PROCESSOR, 0, 25, number=0x50), *flood)

        assert len(events) == 256
        assert events[-1].event == "IERR"


class TestWhatIsOver:
    @pytest.mark.parametrize(
        ("begins", "ends"),
        [
            (Event(POWER_SUPPLY, FAILURE, 5), Event(POWER_SUPPLY, FAILURE, 4, asserted=False)),
            (
                Event(TEMPERATURE, UPPER_CRITICAL_HIGH, 5, event_type=THRESHOLD),
                Event(TEMPERATURE, UPPER_CRITICAL_HIGH, 4, event_type=THRESHOLD, asserted=False),
            ),
            (
                Event(TEMPERATURE, UPPER_CRITICAL_HIGH, 5, event_type=THRESHOLD),
                Event(TEMPERATURE, UPPER_CRITICAL_HIGH - 1, 4, event_type=THRESHOLD),
            ),
            (Event(POWER_SUPPLY, 1, 5, event_type=0x0B), Event(POWER_SUPPLY, 0, 4, event_type=0x0B)),
            (Event(0x02, 2, 5, event_type=0x07), Event(0x02, 0, 4, event_type=0x07)),
        ],
    )
    async def test_what_a_later_record_takes_back(self, begins: Event, ends: Event) -> None:
        (event,) = await events_of(begins, ends)
        (again, *_) = await events_of(begins, ends, begins)
        (standing,) = await events_of(begins)

        assert [one.cleared for one in event.occurrences] == [True]
        assert [one.cleared for one in again.occurrences] == [False, True]
        assert [one.cleared for one in standing.occurrences] == [False]

    async def test_what_another_sensor_takes_back_is_not(self) -> None:
        (event,) = await events_of(
            Event(POWER_SUPPLY, FAILURE, 5, 0x31), Event(POWER_SUPPLY, FAILURE, 4, 0x32, asserted=False)
        )

        assert not event.occurrences[0].cleared

    async def test_a_supply_that_works_again_says_so_itself(self) -> None:
        (event,) = await events_of(Event(POWER_SUPPLY, FAILURE, 5, PS1))

        assert event.occurrences[0].cleared
        assert not event.is_so_now

    async def test_a_supply_that_still_fails_says_so_too(self) -> None:
        machine = bmc()
        status = machine.sensor("PS1 Status")
        assert isinstance(status, DiscreteSensor)
        status.states = 0x03
        section = await collector.collect(
            BmcControl(with_log(machine, Event(POWER_SUPPLY, FAILURE, 5, PS1))).machine()
        )

        assert section is not None and section.sel is not None
        (event,) = section.sel.events
        assert event.is_so_now
        assert not event.occurrences[0].cleared

    @pytest.mark.parametrize(
        "event",
        [
            Event(MEMORY, UNCORRECTABLE, 5, 0x70),
            Event(PROCESSOR, 0, 5, 0x70),
            Event(PCIE, 10, 5, 0x70),
            Event(PROCESSOR, 1, 5, 0x70, event_type=0x03),
        ],
    )
    async def test_a_machine_check_is_not_undone_by_a_reset(self, event: Event) -> None:
        """The sensor is quiet now, and the firmware took the event back at power on; it happened still."""
        machine = bmc()
        machine.sensors.append(
            DiscreteSensor(
                *(0x70, "Quiet", SensorType(event.sensor_type), 0x01 if event.event_type == 3 else 0, 0x7FFF),
                entity=Entity.PROCESSOR,
                event_type=event.event_type,
            )
        )
        taken_back = Event(event.sensor_type, event.offset, 4, 0x70, event.event_type, asserted=False)
        section = await collector.collect(BmcControl(with_log(machine, event, taken_back)).machine())

        assert section is not None and section.sel is not None
        assert [one.cleared for one in section.sel.events[0].occurrences] == [False]


class TestTimes:
    async def test_an_event_from_before_the_clock_was_set_is_no_younger_than_the_next_one(self) -> None:
        (event,) = await events_of(Event(PROCESSOR, 0, None), Event(0x1D, 0, 40))
        (latest,) = await events_of(Event(0x1D, 0, 40), Event(PROCESSOR, 0, None))

        assert event.occurrences[0].at is None
        assert event.occurrences[0].not_after == "2026-02-19T12:00:00"
        assert latest.occurrences[0].not_after == "2026-03-31T12:00:00"
        assert time_text(int(NOW.timestamp())) == "2026-03-31T12:00:00"


class TestAgainstIpmitool:
    def test_times_and_sensors(self, tmp_path: Path) -> None:
        """The tool's lines: number | date | time | sensor | event | direction."""
        machine = with_log(
            bmc(),
            Event(TEMPERATURE, UPPER_CRITICAL_HIGH, 3, CPU1_TEMP, THRESHOLD, data=(104, 95)),
            Event(POWER_SUPPLY, INPUT_LOST, 2.5, PS2, asserted=False),
            Event(MEMORY, UNCORRECTABLE, 0.1, 0x87, data=(None, 3)),
        )
        printed = Ipmitool(machine, tmp_path).run("sel", "elist")
        lines = [[word.strip() for word in line.split("|")] for line in printed.splitlines()]

        entries = [decode_sel_entry(record) for record in machine.log]
        assert [int(line[0], 16) for line in lines] == [entry.record_id for entry in entries]
        for line, entry in zip(lines, entries, strict=True):
            month, day, year = line[1].split("/")
            clock = line[2].split()[0]
            assert time_text(entry.timestamp) == f"20{year[-2:]}-{month}-{day}T{clock}"
            assert line[5] == ("Asserted" if entry.asserted else "Deasserted")
        assert "CPU1 Temp" in lines[0][3] and "PS2 Status" in lines[1][3] and "#0x87" in lines[2][3]
