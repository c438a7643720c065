"""Adapters are made from the XML, and one that does not fit it is not made at all."""

from collections.abc import Sequence
from typing import Any

import pytest

from bee_bus import interfaces
from bee_bus.interface import Interface, results_to_body
from bee_bus.interfaces import Description, InterfaceError, parse

XML = """
<node><interface name="org.bee.Door1">
  <method name="Open">
    <annotation name="org.bee.Action" value="org.bee.door.open"/>
    <arg name="width" type="u" direction="in"/>
    <arg name="key" type="s" direction="in"/>
    <arg name="opened" type="b" direction="out"/>
  </method>
  <method name="Slam"><annotation name="org.bee.Action" value="org.bee.door.open"/></method>
  <signal name="Creaked"><arg name="loudness" type="d"/></signal>
  <property name="Width" type="u" access="read"/>
  <property name="Colours" type="as" access="read"/>
  <property name="Sizes" type="a{su}" access="read"/>
  <property name="Frame" type="(su)" access="read"/>
  <property name="Maker" type="s" access="read">
    <annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="const"/>
  </property>
  <property name="Visitors" type="t" access="read">
    <annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="false"/>
  </property>
</interface></node>
"""

PLAIN = XML.replace('  <property name="Frame" type="(su)" access="read"/>\n', "")
DOOR = parse(PLAIN, "org.bee.Door1")


class Listener:
    """What an exported interface sends."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, str, list[Any]]] = []

    def send_signal(
        self, path: str, interface: str, member: str, signature: str, body: Sequence[Any]
    ) -> None:
        self.sent.append((path, interface, member, list(body)))


class Door(Interface, xml=DOOR):
    async def Open(self, width: int, key: str) -> bool:
        return True

    async def Slam(self) -> None:
        pass


@pytest.fixture
def exported() -> tuple[Door, Listener]:
    door, listener = Door(Maker="Yale"), Listener()
    door.exported(listener, "/door")
    return door, listener


def test_a_method_that_is_missing_is_noticed_when_the_class_is_made() -> None:
    with pytest.raises(TypeError, match=r"org\.bee\.Door1\.Slam is missing"):

        class Half(Interface, xml=DOOR):
            async def Open(self, width: int, key: str) -> bool:
                return True


def test_a_method_too_many_is_noticed() -> None:
    with pytest.raises(TypeError, match="has no method Kick"):

        class More(Door):
            async def Kick(self) -> None:
                pass


def test_a_check_of_a_method_that_does_not_exist_is_noticed() -> None:
    with pytest.raises(TypeError, match="has no method Opne"):

        class Misspelt(Door):
            def validate_Opne(self, width: int, key: str) -> None:
                pass


def test_a_check_that_waits_is_noticed() -> None:
    with pytest.raises(TypeError, match="must not wait"):

        class Slow(Door):
            async def validate_Open(self, width: int, key: str) -> None:
                pass


def test_arguments_are_those_of_the_xml_in_its_words() -> None:
    with pytest.raises(TypeError, match=r"takes \(width, key\), not \(width\)"):

        class Fewer(Door):
            async def Open(self, width: int) -> bool:  # type: ignore[override]
                return True


def test_a_method_is_a_coroutine() -> None:
    with pytest.raises(TypeError, match="must be a coroutine"):

        class Blocking(Door):
            def Slam(self) -> None:  # type: ignore[override]
                pass


def test_a_method_that_states_no_action_cannot_be_served() -> None:
    unguarded = parse(PLAIN.replace('<annotation name="org.bee.Action" value="org.bee.door.open"/></method>', "</method>"), "org.bee.Door1")  # fmt: skip # noqa: E501
    with pytest.raises(TypeError, match=r"Slam states no org\.bee\.Action"):

        class Unguarded(Interface, xml=unguarded):
            async def Open(self, width: int, key: str) -> bool:
                return True

            async def Slam(self) -> None:
                pass


def test_the_owner_may_only_call_what_there_is() -> None:
    with pytest.raises(TypeError, match="has no method Paint"):

        class Owned(Door):
            owner_may = frozenset({"Paint"})


def test_a_class_states_its_interface() -> None:
    with pytest.raises(TypeError, match="state the interface"):

        class Nameless(Interface):
            pass


def test_a_property_starts_as_its_types_zero() -> None:
    door = Door(Maker="Yale")
    assert {name: each.value for name, each in door.variants().items()} == {
        "Width": 0,
        "Colours": [],
        "Sizes": {},
        "Maker": "Yale",
        "Visitors": 0,
    }


def test_a_structure_has_no_zero_and_must_be_given() -> None:
    class Framed(Interface, xml=parse(XML, "org.bee.Door1")):
        async def Open(self, width: int, key: str) -> bool:
            return True

        async def Slam(self) -> None:
            pass

    with pytest.raises(TypeError):
        Framed()
    assert Framed(Frame=("oak", 7)).value("Frame") == ["oak", 7]


@pytest.mark.parametrize(
    "wrong",
    [
        {"Height": 1},
        {"Width": "wide"},
        {"Width": -1},
        {"Width": True},
        {"Colours": "red"},
        {"Colours": [1]},
        {"Sizes": {"a": -1}},
        {"Sizes": [("a", 1)]},
        {"Maker": None},
    ],
)
def test_a_property_that_does_not_fit_the_xml_is_refused_and_changes_nothing(wrong: dict[str, Any]) -> None:
    door = Door(Width=3)
    with pytest.raises(TypeError, match=r"org\.bee\.Door1"):
        door.update(Visitors=9, **wrong)
    assert (door.value("Width"), door.value("Visitors")) == (3, 0)
    with pytest.raises(TypeError):
        Door(**wrong)


async def test_changes_of_one_turn_are_one_signal(exported: tuple[Door, Listener]) -> None:
    door, listener = exported
    door.update(Width=1)
    door.update(Colours=["red"], Width=2)
    assert listener.sent == []
    assert door.value("Width") == 2
    door.flush()
    (path, interface, member, (name, changed, invalidated)) = listener.sent[0]
    assert (path, interface, member) == ("/door", "org.freedesktop.DBus.Properties", "PropertiesChanged")
    assert name == "org.bee.Door1"
    assert {key: each.value for key, each in changed.items()} == {"Width": 2, "Colours": ["red"]}
    assert invalidated == []
    door.flush()
    assert len(listener.sent) == 1


async def test_what_does_not_change_is_not_announced(exported: tuple[Door, Listener]) -> None:
    door, listener = exported
    door.update(Width=0, Maker="Yale")
    door.update(Visitors=1)
    door.flush()
    assert listener.sent == []
    assert door.value("Visitors") == 1


async def test_a_constant_stays_what_it_was_when_it_was_exported(exported: tuple[Door, Listener]) -> None:
    door, _ = exported
    with pytest.raises(TypeError, match="is constant"):
        door.update(Maker="Abus")
    assert door.value("Maker") == "Yale"


async def test_the_last_change_is_announced_before_the_object_leaves(exported: tuple[Door, Listener]) -> None:
    door, listener = exported
    door.update(Width=1)
    door.unexported()
    assert len(listener.sent) == 1
    door.update(Width=2)
    door.flush()
    assert len(listener.sent) == 1


def test_one_instance_lives_on_one_path(exported: tuple[Door, Listener]) -> None:
    door, listener = exported
    with pytest.raises(ValueError, match="already at /door"):
        door.exported(listener, "/gate")


def test_a_signal_has_the_arguments_of_the_xml(exported: tuple[Door, Listener]) -> None:
    door, listener = exported
    door.emit("Creaked", 3)
    assert listener.sent == [("/door", "org.bee.Door1", "Creaked", [3.0])]
    for wrong in (("Creaked",), ("Creaked", "loud"), ("Slammed",)):
        with pytest.raises(TypeError):
            door.emit(*wrong)


def test_results_fit_the_xml_or_are_an_error() -> None:
    opened, slam = DOOR.methods["Open"], DOOR.methods["Slam"]
    assert results_to_body(opened, True) == ([True], [])
    assert results_to_body(slam, None) == ([], [])
    for method, wrong in ((opened, None), (opened, "yes"), (opened, (True, True)), (slam, 1)):
        with pytest.raises(TypeError):
            results_to_body(method, wrong)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<node>", "no element found"),
        ("<node/>", "does not describe it"),
        (PLAIN.replace('access="read"/>', 'access="readwrite"/>', 1), "must be read-only"),
    ],
)
def test_xml_that_cannot_be_served_says_why(text: str, why: str) -> None:
    with pytest.raises(InterfaceError, match=why):
        parse(text, "org.bee.Door1")


def test_an_interface_without_a_file_is_named() -> None:
    with pytest.raises(InterfaceError, match=r"org\.bee\.None1\.xml: No such file"):
        interfaces.load("org.bee.None1")


def test_a_description_serves_what_was_written_without_its_comments() -> None:
    described: Description = parse(PLAIN.replace("<node>", "<node><!-- secret -->"), "org.bee.Door1")
    assert "secret" not in described.xml
    assert parse(f"<node>{described.xml}</node>", "org.bee.Door1") == described
