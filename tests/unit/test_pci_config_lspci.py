"""What lspci reads in real configuration spaces is what we read in them."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bee_audit.decode.pci_config import decode_pci_file
from lab.data import FOLDER, shared_data

FILES = sorted(path.name for path in (FOLDER / "pci").glob("*")) or ["cap-aer-hdr"]
SPEEDS = (2.5, 5.0, 8.0, 16.0, 32.0, 64.0)


@pytest.fixture(params=FILES)
def dump(request: pytest.FixtureRequest) -> Path:
    if shutil.which("lspci") is None:
        pytest.skip("needs lspci (Debian package pciutils)")
    return shared_data(f"pci/{request.param}")


def test_every_device_reads_as_lspci_reads_it(dump: Path) -> None:
    output = subprocess.run(
        ["lspci", "-F", str(dump), "-D", "-n", "-vvv"], capture_output=True, text=True, check=True
    ).stdout
    told = {block.split()[0]: block for block in output.split("\n\n") if block.strip()}
    ours = {device["address"]: device for device in decode_pci_file(dump.read_bytes())["devices"]}
    assert set(ours) == set(told)
    for address, block in told.items():
        assert facts_of(ours[address], known_words(block)) == facts_told(block), address
        # lspci prints more behind a capability's name: "Express (v2) Endpoint, MSI 00".
        names = [one["name"] for one in ours[address].get("capabilities", ())]
        lines = re.findall(r"Capabilities: \[\w+(?: v\d+)?\] ([^\n]*)", block)
        assert all(line.startswith(name) for name, line in zip(names, lines, strict=True)), address


def facts_told(block: str) -> dict[str, Any]:
    """The comparable facts in what lspci prints of one device."""
    title = re.match(r"\S+ (\w{4}): (\w{4}):(\w{4})(?: \(rev (\w\w)\))?(?: \(prog-if (\w\w))?", block)
    assert title
    express = re.search(r"Express \(v(\d)\) (.+), MSI", block)
    target = re.search(r"Target Link Speed: ([\d.]+)GT/s", block)
    slot = re.search(r"Slot #(\d+), PowerLimit ([\d.]+)W", block)
    serial = re.search(r"Device Serial Number (\S+)", block)
    sriov = re.search(r"Initial VFs: (\d+), Total VFs: (\d+), Number of VFs: (\d+)", block)
    bus = re.search(r"Bus: primary=(\w\w), secondary=(\w\w), subordinate=(\w\w)", block)
    payload = re.search(r"DevCap:\s+MaxPayload (\d+) bytes", block)
    subsystem = re.search(r"^\tSubsystem: (\w{4}):(\w{4})", block, re.M)
    return {
        "ids": (title[1], title[2], title[3], title[4] or "00", title[5] or "00"),
        "subsystem": subsystem.groups() if subsystem else None,
        "command": flags(block, "\tControl:"),
        "status": flags(block, "\tStatus: Cap"),
        "capabilities": [
            (int(at, 16), int(version) if version else None)
            for at, version in re.findall(r"Capabilities: \[(\w+)(?: v(\d+))?\]", block)
        ],
        "express": (int(express[1]), re.sub(r" \(Slot.\)", "", express[2])) if express else None,
        "link": (link(block, "LnkCap:"), link(block, "LnkSta:")),
        "supported": supported(block),
        "target": float(target[1]) if target else None,
        "device": (flags(block, "DevCtl:"), flags(block, "DevSta:")),
        "payload": int(payload[1]) if payload else None,
        "link flags": flags(block, "LnkSta:"),
        "link flags 2": flags(block, "LnkSta2:"),
        "slot": (int(slot[1]), float(slot[2])) if slot else None,
        "slot status": flags(block, "SltSta:", "Status:"),
        "errors": [flags(block, name) for name in ("UESta:", "UEMsk:", "UESvrt:", "CESta:", "CEMsk:")],
        "access": flags(block, "ACSCtl:"),
        "serial": serial[1] if serial and set(serial[1]) - set("0-") else None,
        "sriov": tuple(map(int, sriov.groups())) if sriov else None,
        "bus": tuple(int(number, 16) for number in bus.groups()) if bus else None,
        "power": re.findall(r"Status: (D\d)", block)[:1],
    }


def known_words(block: str) -> set[str]:
    """The flags that this lspci knows: an older one leaves out the newest errors."""
    return set(re.findall(r"([\w>]+)[+-]", block)) | set(re.findall(r"(LnkCtl2):", block))


def facts_of(device: dict[str, Any], known: set[str]) -> dict[str, Any]:
    """The same facts of ours."""
    express: dict[str, Any] = device.get("express", {})
    part: dict[str, Any] = express.get("device", {})
    line: dict[str, Any] = express.get("link", {})
    slot: dict[str, Any] = express.get("slot", {})
    aer: dict[str, Any] = device.get("aer", {})
    sriov: dict[str, Any] = device.get("sriov", {})
    bridge: dict[str, Any] = device.get("bridge", {})
    errors = ("uncorrectable", "uncorrectable_masked", "uncorrectable_fatal", "correctable")
    subsystem = (device.get("subsystem_vendor_id"), device.get("subsystem_device_id"))
    chain: list[dict[str, Any]] = device.get("capabilities", [])
    return {
        "ids": tuple(device[name] for name in ("class_id", "vendor_id", "device_id", "revision", "prog_if")),
        "subsystem": subsystem if subsystem[0] else None,
        "command": set(device.get("command", ())),
        "status": set(device.get("status", ())),
        "capabilities": [(one["offset"], one.get("version")) for one in chain],
        "express": (express["version"], express["port_type"]) if express else None,
        "link": (
            (line["max_speed_gtps"], line["max_width"]) if line else None,
            (line["current_speed_gtps"], line["current_width"]) if line else None,
        ),
        "supported": list(line.get("supported_speeds_gtps", ())) or None,
        # lspci prints it for an endpoint's first function only.
        "target": line.get("target_speed_gtps") if "LnkCtl2" in known else None,
        "device": (set(part.get("control", ())), set(part.get("status", ()))),
        "payload": part.get("max_payload_supported_bytes"),
        "link flags": set(line.get("status", ())),
        "link flags 2": set(line.get("status_2", ())),
        "slot": (slot["number"], slot["power_limit_watts"]) if slot else None,
        "slot status": set(slot.get("status", ())),
        "errors": [set(aer.get(name, ())) & known for name in (*errors, "correctable_masked")],
        "access": set(device.get("acs", {}).get("control", ())),
        "serial": device.get("serial_number"),
        "sriov": tuple(sriov[name] for name in ("initial_vfs", "total_vfs", "vf_count")) if sriov else None,
        "bus": tuple(bridge[f"{name}_bus"] for name in ("primary", "secondary", "subordinate"))
        if bridge and device["header_type"] == 1
        else None,
        "power": [device["power_management"]["state"]] if "power_management" in device else [],
    }


def flags(block: str, start: str, after: str = "") -> set[str]:
    """The words with a plus in the lines from ``start`` to the next register's, as lspci wraps them."""
    names: set[str] = set()
    reading = False
    for line in block.splitlines():
        if start in line:
            reading = True
            line = line.replace("LnkSta2: Current De-emphasis Level", "")
        elif reading and re.match(r"\t+\s?\w+:|\tCapab|\t\tStatus|\t\t\tChanged|\tI/O|\tMemory", line):
            break
        if reading:
            names.update(word.rstrip("+,") for word in line.split() if word.rstrip(",").endswith("+"))
    return {name.removeprefix(after) for name in names}


def link(block: str, register: str) -> tuple[float, int] | None:
    found = re.search(register + r".*?Speed ([\d.]+)GT/s.*?Width x(\d+)", block)
    return (float(found[1]), int(found[2])) if found else None


def supported(block: str) -> list[float] | None:
    found = re.search(r"Supported Link Speeds: ([\d.]+)(?:-([\d.]+))?GT/s", block)
    if not found:
        return None
    lowest, highest = float(found[1]), float(found[2] or found[1])
    return [speed for speed in SPEEDS if lowest <= speed <= highest]
