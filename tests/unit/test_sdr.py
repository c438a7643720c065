"""Sensor data records: what a BMC says its sensors are, and what their bytes mean."""

import math
import re
from pathlib import Path

import pytest

from bee_audit.decode import DecodeError
from bee_audit.decode.sdr import ControllerLocator, FruLocator, Owner, SensorRecord, decode_sdr
from bee_audit.decode.sensor_reading import decode_limits, decode_reading
from bee_audit.decode.sensor_scale import with_factors
from lab import sdr
from lab.bmc import Bmc
from lab.fru_fields import bcd_plus, six_bit
from lab.hardware import bmc
from lab.ipmitool import Ipmitool
from lab.sdr_bytes import NO_READING, ONES_COMPLEMENT, TWOS_COMPLEMENT, Compact, EventOnly, Full


def sensor(record: Full | Compact | EventOnly) -> SensorRecord:
    (found,) = decode_sdr(record.record())
    assert isinstance(found, SensorRecord)
    return found


def value(record: Full, raw: int) -> float | None:
    scale = sensor(record).scale
    assert scale is not None
    return scale.value(raw)


class TestValues:
    @pytest.mark.parametrize(
        ("record", "raw", "expected"),
        [
            (Full(m=100), 84, 8400),
            (Full(m=-1, b=10, b_exponent=1), 30, 70),
            (Full(m=62, r_exponent=-3), 196, 12.152),
            (Full(m=511, b=-512, b_exponent=-8, r_exponent=7), 255, 1303049999948.8),
            (Full(m=1, b=-128 * 4), 0, -512),
            (Full(format=TWOS_COMPLEMENT), 0xFF, -1),
            (Full(format=TWOS_COMPLEMENT), 0x80, -128),
            (Full(format=ONES_COMPLEMENT), 0xFE, -1),
            (Full(format=ONES_COMPLEMENT), 0xFF, 0),
            (Full(linearization=1, m=2), 10, math.log(20)),
            (Full(linearization=2), 100, 2),
            (Full(linearization=3), 8, 3),
            (Full(linearization=4), 2, math.exp(2)),
            (Full(linearization=5), 3, 1000),
            (Full(linearization=6), 10, 1024),
            (Full(linearization=7), 4, 0.25),
            (Full(linearization=8), 12, 144),
            (Full(linearization=9, format=TWOS_COMPLEMENT), 0xFE, -8),
            (Full(linearization=0x0A), 144, 12),
            (Full(linearization=0x0B, format=TWOS_COMPLEMENT), 0xF8, -2),
        ],
    )
    def test_of_every_function_and_format(self, record: Full, raw: int, expected: float) -> None:
        assert value(record, raw) == pytest.approx(expected, rel=1e-5)

    @pytest.mark.parametrize("linearization", [1, 2, 3, 7])
    def test_where_the_function_has_none(self, linearization: int) -> None:
        assert value(Full(linearization=linearization), 0) is None

    def test_a_root_of_less_than_zero_is_none(self) -> None:
        assert value(Full(linearization=0x0A, format=TWOS_COMPLEMENT), 0xFF) is None

    def test_are_not_drowned_in_binary_noise(self) -> None:
        assert str(value(Full(m=1, r_exponent=-1), 33)) == "3.3"
        assert str(value(Full(m=16, b=5, b_exponent=-2, r_exponent=-3), 203)) == "3.24805"

    def test_a_nonlinear_sensor_takes_its_factors_for_each_reading(self) -> None:
        scale = sensor(Full(linearization=0x70, m=9)).scale
        assert scale is not None and scale.is_nonlinear

        now = with_factors(scale, bytes((20, 3, 0, 1, 0, 0, 0x10)))

        assert now.value(10) == 310
        with pytest.raises(DecodeError, match="factors"):
            with_factors(scale, b"\x01")

    def test_a_discrete_sensor_without_a_unit_has_none_though_its_record_leaves_the_format_at_zero(
        self,
    ) -> None:
        status = sensor(Full(sensor_type=8, event_type=0x6F, base_unit=0))

        assert (status.scale, status.unit) == (None, "")
        assert decode_reading(status, b"\0\xc0\x01\x80").raw is None

    def test_a_discrete_sensor_has_none(self) -> None:
        assert sensor(Full(format=NO_READING, event_type=0x6F)).scale is None


class TestUnits:
    @pytest.mark.parametrize(
        ("record", "unit"),
        [
            (Full(base_unit=18), "RPM"),
            (Full(base_unit=0, units=0x01), "%"),
            (Full(base_unit=6, units=0x01), "% Watts"),
            (Full(base_unit=70, units=0x18), "bytes per s"),
            (Full(base_unit=34, units=0x02, modifier_unit=22), "m / seconds"),
            (Full(base_unit=4, units=0x04, modifier_unit=5), "Volts * Amps"),
            (Full(base_unit=200), "unit 200"),
        ],
    )
    def test_in_words(self, record: Full, unit: str) -> None:
        assert sensor(record).unit == unit


class TestLimits:
    def test_are_those_that_the_masks_name(self) -> None:
        found = sensor(Full(reading_mask=0x1818 & 0x3F | 0x12))

        assert found.limits == {"lower_critical": 5, "upper_non_critical": 85, "upper_critical": 95}
        assert found.limits_readable

    def test_that_are_fixed_stand_in_the_record(self) -> None:
        found = sensor(Full(capabilities=0x6C, reading_mask=0, lower_mask=0x2000, upper_mask=0x3000))

        assert set(found.limits) == {"lower_critical", "upper_non_critical", "upper_critical"}
        assert not found.limits_readable

    def test_that_the_sensor_does_not_have_are_none(self) -> None:
        assert sensor(Full(capabilities=0x60)).limits == {}

    def test_in_force(self) -> None:
        assert decode_limits(bytes((0x12, 1, 2, 3, 4, 5, 6))) == {"lower_critical": 2, "upper_critical": 5}
        with pytest.raises(DecodeError):
            decode_limits(b"\x3f\x01")


class TestReadings:
    def test_zero_is_a_reading_and_unavailable_is_none(self) -> None:
        assert decode_reading(sensor(Full()), b"\0\xc0\xc0").raw == 0
        for flags in (0xE0, 0x80, 0x00):
            reading = decode_reading(sensor(Full()), bytes((0, flags, 0xC0)))
            assert not reading.available
            assert reading.raw is None

    def test_crossed_limits_that_the_sensor_compares(self) -> None:
        record = sensor(Full(lower_mask=0x2000, upper_mask=0x3000))

        assert decode_reading(record, b"\x60\xc0\xff").crossed == (
            *("lower_critical", "upper_non_critical", "upper_critical"),
        )

    def test_states_of_a_discrete_sensor(self) -> None:
        assert decode_reading(sensor(Compact()), b"\0\xc0\x09\x82").offsets == (0, 3, 9)
        assert decode_reading(sensor(Compact()), b"\0\xc0").offsets == ()

    def test_a_sensor_with_states_and_a_value(self) -> None:
        reading = decode_reading(sensor(Full(event_type=0x6F, sensor_type=8)), b"\x11\xc0\x01\x80")

        assert (reading.raw, reading.offsets) == (0x11, (0,))

    def test_an_answer_that_is_too_short(self) -> None:
        with pytest.raises(DecodeError):
            decode_reading(sensor(Full()), b"\x11")


class TestRecords:
    def test_a_sensor_that_only_logs_cannot_be_read(self) -> None:
        found = sensor(EventOnly())

        assert (found.name, found.number, found.sensor_type) == ("CPU IERR", 0x20, 0x07)
        assert not found.is_readable

    def test_a_sensor_of_system_software_cannot_be_read(self) -> None:
        assert not sensor(Compact(owner=0x41)).is_readable

    def test_a_sensor_of_another_controller(self) -> None:
        owner = sensor(Full(owner=0x2C, owner_lun=0x61)).owner

        assert owner == Owner(0x2C, 6, 1)
        assert not owner.is_bmc

    def test_sensors_that_share_a_record(self) -> None:
        numeric = decode_sdr(Compact(text=b"\xc4DIMM", number=0xFE, sharing=0x03, instances=0x81).record())
        letters = decode_sdr(EventOnly(text=b"\xc3CPU", sharing=0x12, instances=25).record())

        assert [
            (one.name, one.number, one.entity_instance) for one in numeric if isinstance(one, SensorRecord)
        ] == [
            ("DIMM1", 0xFE, 1),
            ("DIMM2", 0xFF, 2),
            ("DIMM3", 0x00, 3),
        ]
        assert [one.name for one in letters] == ["CPUZ", "CPUAA"]

    @pytest.mark.parametrize(
        ("text", "name"),
        [
            (b"\xc9CPU1 Temp", "CPU1 Temp"),
            (b"\xc4T\xb0Cx", "T°Cx"),
            (bytes((0x40 | 6,)) + bcd_plus("12-3.5")[1:], "12-3.5"),
            (bytes((0x40 | 3,)) + bcd_plus("12-3.5")[1:], "12-3.5"),  # counted in bytes, as many do
            (bytes((0x80 | 8,)) + six_bit("CPU TEMP")[1:], "CPU TEMP"),
            (bytes((0x80 | 6,)) + six_bit("CPU TEMP")[1:], "CPU TEMP"),
            (b"\x06" + "温度計".encode("utf-16-le"), "温度計"),
            (b"\x04FAN1", "FAN1"),
            (b"\xc0", ""),
            (b"", ""),
            (b"\xdfshort", "short"),
        ],
    )
    def test_names_in_every_encoding(self, text: bytes, name: str) -> None:
        assert sensor(Full(text=text)).name == name

    def test_locators(self) -> None:
        (fru,) = decode_sdr(sdr.encode(sdr.FruLocator(3, "PSU1 FRU", sdr.Entity.POWER_SUPPLY, 2), 7))
        (controller,) = decode_sdr(sdr.encode(sdr.ControllerLocator("ME"), 8))

        assert isinstance(fru, FruLocator) and isinstance(controller, ControllerLocator)
        assert (fru.fru_id, fru.name, fru.entity_id, fru.entity_instance) == (3, "PSU1 FRU", 10, 2)
        assert fru.is_inventory and fru.owner.is_bmc
        assert controller.name == "ME"

    @pytest.mark.parametrize(("kind", "modifier"), [(0x10, 1), (0x20, 0)])
    def test_a_memory_s_spd_is_no_inventory(self, kind: int, modifier: int) -> None:
        body = bytes((0x20, 1, 0x80, 0, 0, kind, modifier, 8, 1, 0, 0xC4)) + b"DIMM"

        (fru,) = decode_sdr(sdr.encode(sdr.RawRecord(0x11, body), 1))

        assert isinstance(fru, FruLocator) and not fru.is_inventory

    def test_other_types_are_passed_over(self) -> None:
        assert decode_sdr(b"\x01\0\x51\xc0\x04\x01\x02\x03\x04") == ()
        assert decode_sdr(b"\x01\0\x51\x08\x01\x07") == ()

    @pytest.mark.parametrize("data", [b"", b"\x01\0\x51\x01", b"\x01\0\x51\x01\x05\x20\0\x01\x07\x01"])
    def test_what_is_cut_off(self, data: bytes) -> None:
        with pytest.raises(DecodeError):
            decode_sdr(data)


class TestAgainstIpmitool:
    def test_readings_limits_and_units(self, tmp_path: Path) -> None:
        machine = bmc()
        printed = Ipmitool(machine, tmp_path).run("sensor")
        lines = [[word.strip() for word in line.split("|")] for line in printed.splitlines()]
        told = {line[0]: line[1:] for line in lines if line[2] != "discrete"}

        ours = {}
        for lab_sensor in machine.sensors:
            if isinstance(lab_sensor, sdr.DiscreteSensor):
                continue
            (record,) = decode_sdr(sdr.encode(lab_sensor, 1))
            assert isinstance(record, SensorRecord) and record.scale is not None
            reading = decode_reading(record, lab_sensor.reading())
            limits = decode_limits(lab_sensor.threshold_answer())
            assert reading.raw is not None
            words = [f"{record.scale.value(reading.raw):.3f}", record.unit, "ok"]
            for name in ("lower_non_recoverable", "lower_critical", "lower_non_critical"):
                words.append(f"{record.scale.value(limits[name]):.3f}" if name in limits else "na")
            for name in ("upper_non_critical", "upper_critical", "upper_non_recoverable"):
                words.append(f"{record.scale.value(limits[name]):.3f}" if name in limits else "na")
            ours[record.name] = words

        assert ours == told

    @pytest.mark.parametrize(
        "record",
        [
            Full(m=-3, b=200, b_exponent=1, r_exponent=-1),
            Full(m=511, b=-512, b_exponent=2, r_exponent=-8),
            Full(m=7, format=TWOS_COMPLEMENT, r_exponent=-2),
            Full(m=2, format=ONES_COMPLEMENT, b=1),
            Full(linearization=8, m=3),
            Full(linearization=0x0A, m=3),
            Full(linearization=3, m=1, b=1),
        ],
    )
    def test_conversions(self, record: Full, tmp_path: Path) -> None:
        for raw in (0x01, 0x5A, 0xA7, 0xFE):
            machine = _OneSensor(record, raw)
            printed = Ipmitool(machine, tmp_path).run("-v", "sensor", "get", "Temp")
            told = re.search(r"Sensor Reading +: (\S+)", printed)
            assert told is not None, printed
            assert value(record, raw) == pytest.approx(float(told[1]), abs=0.001, rel=1e-3)


class _OneSensor(Bmc):
    """A BMC whose only sensor has this record and this reading."""

    def __init__(self, record: Full, raw: int) -> None:
        super().__init__(locators=[sdr.RawRecord(0x01, record.body())])
        self._raw = raw

    def answer(self, network_function: int, command: int, data: bytes) -> bytes:
        if (network_function, command) == (0x04, 0x2D):
            return bytes((0, self._raw, 0xC0, 0xC0))
        return super().answer(network_function, command, data)
