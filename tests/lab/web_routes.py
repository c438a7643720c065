"""Every address of the web page with an example of it, so that a new one cannot be left out of a test."""

import re
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from tornado.web import RequestHandler

from bee_web.application import routes

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
READS = ("GET",)

# What stands in an address.
_GROUP = re.compile(r"\((?!\?)[^()]*\)")


class Address(NamedTuple):
    """``methods``: those that the handler has."""

    pattern: str
    example: str
    handler: type[RequestHandler]

    @property
    def methods(self) -> tuple[str, ...]:
        absent = RequestHandler.get
        return tuple(name for name in METHODS if getattr(self.handler, name.lower()) is not absent)

    @property
    def changes(self) -> tuple[str, ...]:
        return tuple(name for name in self.methods if name not in READS)


def addresses(*words: str) -> list[Address]:
    """All of them. ``words``: what can stand in their places, the name of a run and the like."""
    found = {}
    for route in routes():
        pattern, handler = route[0], route[1]
        if pattern not in found:  # the first wins
            found[pattern] = Address(pattern, _example(pattern, words), handler)
    assert len(found) > 20
    return list(found.values())


def _example(pattern: str, words: tuple[str, ...]) -> str:
    for filled in _filled(pattern, words):
        if re.fullmatch(pattern, filled):
            return filled
    raise AssertionError(f"no example fits {pattern}: give another word")


def _filled(pattern: str, words: tuple[str, ...]) -> Iterator[str]:
    count = len(_GROUP.findall(pattern))
    for chosen in product(words, repeat=count):
        filled = pattern
        for word in chosen:
            filled = _GROUP.sub(word, filled, count=1)
        yield filled.replace("\\.", ".").rstrip("$")
