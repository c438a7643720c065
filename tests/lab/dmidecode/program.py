"""The dmidecode of this machine: its version, and what it prints of a dump."""

import functools
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

Attributes = dict[str, Any]  # name to text, or to (text, items) for a list


@functools.cache
def program() -> str:
    found = shutil.which("dmidecode") or shutil.which("/usr/sbin/dmidecode")
    if found is None:
        pytest.skip("needs dmidecode")
    return found


@functools.cache
def version() -> tuple[int, ...]:
    text = subprocess.run([program(), "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in text.strip().split("."))


def read(dump: Path) -> list[tuple[int, int, Attributes]]:
    """Type, handle and attributes of each structure, as dmidecode prints them."""
    text = subprocess.run(
        [program(), "--from-dump", str(dump)], capture_output=True, text=True, check=True
    ).stdout
    structures = []
    for block in text.split("\n\n"):
        head = re.search(r"^Handle 0x([0-9A-F]{4}), DMI type (\d+), \d+ bytes$", block, re.MULTILINE)
        if head:
            structures.append((int(head[2]), int(head[1], 16), _attributes(block[head.end() :])))
    return structures


def _attributes(block: str) -> Attributes:
    attributes: Attributes = {}
    name = ""
    for line in block.splitlines():
        if line.startswith("\t\t"):
            text, items = attributes[name] if isinstance(attributes[name], tuple) else (attributes[name], ())
            attributes[name] = (text, (*items, line.strip()))
        elif line.startswith("\t"):
            name, _, text = line.strip().partition(":")
            attributes[name] = text.strip()
    return attributes
