"""Values on their way to the bus: what fits is made sendable, what does not fit is refused."""

import math
from typing import Any

import pytest
from dbus_next.message import Message
from dbus_next.signature import Variant
from hypothesis import given
from hypothesis import strategies as st

from bee_bus.values import STRING_LIMIT_BYTES, all_types, plain, single_type, variant, wire, zero


@given(st.text(st.characters(exclude_categories=[]), max_size=50))
def test_every_string_can_be_sent(text: str) -> None:
    sent = wire(single_type("s"), text)
    assert "\0" not in sent
    message = Message.new_signal("/x", "org.bee.X1", "Said", "s", [sent])
    message.serial = 1
    message._marshall()  # type: ignore[no-untyped-call]
    assert len(sent) == len(text)


def test_a_string_that_would_cost_the_connection_is_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        wire(single_type("s"), "x" * (STRING_LIMIT_BYTES + 1))
    with pytest.raises(ValueError, match="too long"):
        wire(single_type("s"), "€" * (STRING_LIMIT_BYTES // 3 + 1))


@pytest.mark.parametrize(
    ("signature", "value", "sent"),
    [
        ("u", 7, 7),
        ("d", 7, 7.0),
        ("b", True, True),
        ("as", ("a", "b"), ["a", "b"]),
        ("ay", b"ab", b"ab"),
        ("a{sas}", {"a": ("b",)}, {"a": ["b"]}),
        ("(su)", ("a", 1), ["a", 1]),
        ("a(sa{su})", [("a", {"b": 1})], [["a", {"b": 1}]]),
        ("v", Variant("s", "a"), Variant("s", "a")),
    ],
)
def test_what_fits_is_sent_as_dbus_next_wants_it(signature: str, value: Any, sent: Any) -> None:
    assert wire(single_type(signature), value) == sent


@pytest.mark.parametrize(
    ("signature", "value"),
    [
        ("u", 1.0),
        ("u", True),
        ("u", None),
        ("d", "1"),
        ("d", False),
        ("b", 1),
        ("s", b"bytes"),
        ("s", None),
        ("as", "text"),
        ("as", 5),
        ("as", [1]),
        ("a{ss}", [("a", "b")]),
        ("a{su}", {"a": "b"}),
        ("(su)", ("a",)),
        ("(su)", ("a", "b")),
        ("v", 5),
    ],
)
def test_what_does_not_fit_is_refused(signature: str, value: Any) -> None:
    with pytest.raises(TypeError):
        wire(single_type(signature), value)


@pytest.mark.parametrize(
    ("signature", "value"), [("u", -1), ("u", 2**32), ("t", 2**64), ("y", 256), ("n", 2**15)]
)
def test_a_number_out_of_range_is_refused(signature: str, value: int) -> None:
    with pytest.raises(ValueError, match="between"):
        variant(single_type(signature), value)


def test_numbers_that_are_none_are_numbers_to_the_bus() -> None:
    assert math.isnan(wire(single_type("d"), math.nan))


def test_a_signature_of_several_types_is_not_one() -> None:
    assert len(all_types("ssa{sv}")) == 3
    with pytest.raises(TypeError):
        single_type("ss")


def test_received_values_lose_their_variants_at_every_depth() -> None:
    received = {
        "a": Variant(
            "a{sv}", {"b": Variant("av", [Variant("u", 1), Variant("(sv)", ["x", Variant("b", True)])])}
        )
    }
    assert plain(received) == {"a": {"b": [1, ["x", True]]}}


@pytest.mark.parametrize(
    ("signature", "value"),
    [
        ("s", ""),
        ("o", "/"),
        ("g", ""),
        ("b", False),
        ("y", 0),
        ("x", 0),
        ("d", 0.0),
        ("as", []),
        ("a{sv}", {}),
    ],
)
def test_every_simple_type_has_a_zero(signature: str, value: Any) -> None:
    assert zero(single_type(signature)) == value
    variant(single_type(signature), value)
