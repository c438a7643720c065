"""From a sensor's raw byte to a value in its unit (IPMI 2.0 rev 1.1, §36.3 and table 43-1)."""

import math
from collections.abc import Callable

import msgspec

from bee_audit.decode import DecodeError
from bee_audit.decode.ipmi_names import RATES, UNITS

UNSIGNED, ONES_COMPLEMENT, TWOS_COMPLEMENT, NO_READING = range(4)


class SensorScale(msgspec.Struct, frozen=True, kw_only=True):
    """value = L((M * raw + B * 10**b_exponent) * 10**r_exponent)"""

    format: int
    linearization: int
    m: int
    b: int
    b_exponent: int
    r_exponent: int

    @property
    def is_nonlinear(self) -> bool:
        """Whether M and B differ from reading to reading, to be had by Get Sensor Reading Factors (§35.5)."""
        return self.linearization >= _NONLINEAR

    def value(self, raw: int) -> float | None:
        """The value of a raw byte; None where the function has none (the logarithm of zero)."""
        x = _signed(raw, self.format)
        y = (self.m * x + self.b * 10.0**self.b_exponent) * 10.0**self.r_exponent
        try:
            y = _FUNCTIONS.get(self.linearization, _linear)(y)
        except (ValueError, OverflowError, ZeroDivisionError):
            return None
        if not math.isfinite(y):
            return None
        if self.linearization and not self.is_nonlinear:
            return float(f"{y:.6g}")
        # Exponents are powers of ten: that many decimals are exact, and what follows is binary noise.
        return round(y, max(0, -self.r_exponent, -self.r_exponent - self.b_exponent))


def decode_scale(units: int, factors: bytes) -> SensorScale | None:
    """From byte 21 and bytes 24 to 30 of a full record; None for a sensor without an analog reading."""
    number_format = units >> 6
    if number_format == NO_READING:
        return None
    return _scale(number_format, factors[0] & 0x7F, factors[1:])


def with_factors(scale: SensorScale, answer: bytes) -> SensorScale:
    """The scale for one reading, from Get Sensor Reading Factors (§35.5). Raises DecodeError."""
    if len(answer) < 7:
        raise DecodeError(f"{len(answer)} bytes of reading factors, 7 expected")
    return _scale(scale.format, scale.linearization, answer[1:])


def unit_name(units: int, base: int, modifier: int) -> str:
    """The unit in words, "RPM", "%", "Volts", "bytes per s"."""
    name = UNITS.get(base, f"unit {base}")
    if modifier and units >> 1 & 0x03:
        name += (" / " if units >> 1 & 0x03 == 1 else " * ") + UNITS.get(modifier, f"unit {modifier}")
    if rate := RATES[units >> 3 & 0x07]:
        name = f"{name} per {rate}".strip()
    if units & 0x01:
        name = f"% {name}".strip()
    return name


_NONLINEAR = 0x70


def _scale(number_format: int, linearization: int, factors: bytes) -> SensorScale:
    """``factors``: M and tolerance, B and accuracy, exponents: six bytes, laid out alike in both answers."""
    return SensorScale(
        format=number_format,
        linearization=linearization,
        m=_twos_complement(factors[0] | factors[1] >> 6 << 8, 10),
        b=_twos_complement(factors[2] | factors[3] >> 6 << 8, 10),
        b_exponent=_twos_complement(factors[5] & 0x0F, 4),
        r_exponent=_twos_complement(factors[5] >> 4, 4),
    )


def _twos_complement(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def _signed(raw: int, number_format: int) -> int:
    if number_format == TWOS_COMPLEMENT:
        return _twos_complement(raw, 8)
    if number_format == ONES_COMPLEMENT and raw & 0x80:
        return raw - 0xFF
    return raw


def _linear(y: float) -> float:
    return y


_FUNCTIONS: dict[int, Callable[[float], float]] = {
    0x01: math.log,
    0x02: math.log10,
    0x03: math.log2,
    0x04: math.exp,
    0x05: lambda y: math.pow(10, y),
    0x06: lambda y: math.pow(2, y),
    0x07: lambda y: 1 / y,
    0x08: lambda y: y * y,
    0x09: lambda y: y**3,
    0x0A: math.sqrt,
    0x0B: lambda y: math.copysign(abs(y) ** (1 / 3), y),
}
