"""What a browser makes of a page: its elements and text; and strings that try to be more than text."""

from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any, NamedTuple

import msgspec

from bee_bus.documents.audit import Snapshot

HOSTILE = "<script>alert('bee')</script>\"'><img src=x onerror=alert(1)>{{7*7}}</style>\x1b[2J\u202e"
# What is left of it where text is shown.
SHOWN = "<script>alert('bee')</script>\"'><img src=x onerror=alert(1)>{{7*7}}</style>\\x1b[2J\\u202e"

# Words that decide how a snapshot is read, and are bee's own.
_OWN = frozenset(
    (
        *("schema_version", "started_at", "verdict", "severity", "status", "kind", "rule", "layer", "result"),
        *("condition", "transport", "reading_type", "class_id", "boot_mode", "boot_id", "crossed"),
    )
)
_INLINE = frozenset(("a", "b", "code", "span", "time"))
_VOID = frozenset(("br", "col", "hr", "img", "input", "link", "meta", "source", "wbr", "embed", "base"))


class Element(NamedTuple):
    tag: str
    attributes: dict[str, str]


class Seen(HTMLParser):
    """``elements`` in their order, ``text`` outside of styles, ``open``: what was not closed."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self.open: list[str] = []
        self.errors: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag not in _INLINE:
            self.text += " "
        if tag in _VOID:
            return
        if self.open and self.open[-1] == tag:
            self.open.pop()
        elif tag != "p":
            self.errors.append(f"</{tag}> in <{self.open[-1] if self.open else ''}>")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            return
        self.text += data

    def all(self, tag: str) -> list[Element]:
        return [one for one in self.elements if one.tag == tag]

    def by_id(self, name: str) -> Element:
        (found,) = (one for one in self.elements if one.attributes.get("id") == name)
        return found

    def by_name_value(self, name: str) -> str:
        """What stands in the field of this name."""
        (found,) = {
            one.attributes.get("value", "") for one in self.all("input") if one.attributes.get("name") == name
        }
        return found

    @property
    def words(self) -> str:
        """The text, with single blanks."""
        return " ".join(self.text.split())


def assert_harmless(page: Seen, *, whole: bool = False) -> None:
    """Nothing in it runs, and nothing is loaded from elsewhere. ``whole``: nothing is loaded at all."""
    assert page.errors == [] and page.open == [], (page.errors, page.open)
    for element in page.elements:
        assert element.tag not in ("img", "iframe", "object", "embed", "base"), element
        assert not [name for name in element.attributes if name.startswith("on") or name == "style"], element
        if element.tag == "script":
            assert element.attributes.get("src", "").startswith("/static/js/") or element.attributes[
                "src"
            ].startswith("/vendor/uPlot"), element
        if element.tag == "style":
            assert whole, "a page has no style of its own"
        for name in ("href", "src", "action"):
            target = element.attributes.get(name, "#" if whole else "/")
            assert target.startswith("#" if whole else ("/", "#")) and not target.startswith("//"), element
    if whole:
        assert not page.all("script") and not page.all("link") and not page.all("form")


def hostile(snapshot: Snapshot, text: str = HOSTILE) -> Snapshot:
    """The same machine, and every name, serial number and message in it is the text."""
    plain = _replaced(msgspec.to_builtins(snapshot), lambda _: text)
    return msgspec.convert(plain, Snapshot)


def _replaced(value: Any, change: Callable[[str], str], name: str = "") -> Any:
    if isinstance(value, dict):
        kept = ("collectors", "sections")
        return {key: one if key in kept else _replaced(one, change, key) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(one, change, name) for one in value]
    if not isinstance(value, str) or name in _OWN:
        return value
    if name == "component":  # a section, and the part in it
        section, _, part = value.partition("/")
        return f"{section}/{change(part)}" if part else section
    return change(value)


def links(page: Seen) -> Iterator[str]:
    """Where the page leads, on this site."""
    for element in page.all("a"):
        yield element.attributes["href"]
