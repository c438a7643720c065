"""One PCI function from its folder in sysfs and its configuration space."""

import posixpath
import re
from collections.abc import Mapping
from typing import Any

from bee_audit.decode.filler import genuine
from bee_audit.decode.pci_config import PciConfig
from bee_audit.decode.pci_express import DOWNSTREAM_PORTS
from bee_audit.decode.pci_ids import PciIds
from bee_audit.decode.vpd import Vpd
from bee_bus.documents.pcie import PcieDevice, PcieErrors, PcieLink, PciePort
from bee_machine import Entry

ADDRESS = re.compile(r"[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
FILES = (
    *("vendor", "device", "class", "revision", "subsystem_vendor", "subsystem_device"),
    *("current_link_speed", "current_link_width", "max_link_speed", "max_link_width"),
    *("aer_dev_correctable", "aer_dev_nonfatal", "aer_dev_fatal"),
    *("numa_node", "power_state", "power/runtime_status", "sriov_numvfs", "secondary_bus_number"),
)
LINKS = ("driver", "physfn")


def function_of(entry: Entry, config: PciConfig | None, names: PciIds | None) -> PcieDevice:
    """The function alone; `with_neighbours` adds what its neighbours know of it."""
    device_class = entry.integer("class") or 0
    ids: dict[str, str] = {
        "vendor_id": _hex(entry, "vendor", 4) or "ffff",
        "device_id": _hex(entry, "device", 4) or "ffff",
        "class_id": f"{device_class >> 8:04x}",
    }
    subsystem: dict[str, Any] = {
        "subsystem_vendor_id": _subsystem(entry, config, "vendor"),
        "subsystem_device_id": _subsystem(entry, config, "device"),
    }
    parent = posixpath.basename(posixpath.dirname(entry.real_path))
    numa_node = entry.integer("numa_node")
    return PcieDevice(
        id=entry.name,
        **ids,
        **subsystem,
        **_names(ids, subsystem, names),
        revision=_hex(entry, "revision", 2),
        driver=entry.link_name("driver"),
        numa_node=numa_node if numa_node is not None and numa_node >= 0 else None,
        power_state=entry.text("power_state"),
        runtime_status=entry.text("power/runtime_status"),
        parent=parent if ADDRESS.fullmatch(parent) else None,
        physical_function=entry.link_name("physfn"),
        vf_count=entry.integer("sriov_numvfs") or None,
        kind=config.express.port_type if config and config.express else None,
        answers=config is None or config.answers,
        device_serial_number=config.serial_number if config else None,
        link=_link(entry, config) if "physfn" not in entry.links else None,
        port=_port(entry, config),
        errors=_errors(entry, config),
        defects=config.defects if config and config.answers else (),
    )


def vpd_facts(vpd: Vpd) -> dict[str, Any]:
    """The fields of a PcieDevice that its Vital Product Data fill."""
    return {
        "part_number": genuine(vpd.part_number),
        "serial": genuine(vpd.serial),
        "product": vpd.identifier,
        "engineering_change": vpd.engineering_change,
    }


def _hex(entry: Entry, name: str, digits: int) -> str | None:
    number = entry.integer(name)
    return f"{number:0{digits}x}" if number is not None else None


def _subsystem(entry: Entry, config: PciConfig | None, which: str) -> str | None:
    # Zero is what a function without a subsystem reads; a bridge has its ids in a capability.
    number = entry.integer(f"subsystem_{which}")
    if entry.integer("subsystem_vendor") not in (None, 0, 0xFFFF) and number is not None:
        return f"{number:04x}"
    found: str | None = getattr(config, f"subsystem_{which}_id") if config else None
    return found


def _names(ids: Mapping[str, str], subsystem: Mapping[str, Any], names: PciIds | None) -> dict[str, Any]:
    if names is None:
        return {"name": f"{ids['vendor_id']}:{ids['device_id']}"}
    vendor = names.vendor(ids["vendor_id"])
    model = names.device(ids["vendor_id"], ids["device_id"])
    facts: dict[str, Any] = {
        "name": f"{vendor or 'Vendor ' + ids['vendor_id']} {model or 'device ' + ids['device_id']}",
        "vendor": vendor,
        "model": model,
        "class_name": names.device_class(ids["class_id"]),
    }
    owner, part = subsystem["subsystem_vendor_id"], subsystem["subsystem_device_id"]
    if owner and part:
        facts["subsystem"] = names.subsystem(ids["vendor_id"], ids["device_id"], owner, part) or names.vendor(
            owner
        )
    return facts


def _link(entry: Entry, config: PciConfig | None) -> PcieLink | None:
    """The device's own end. One inside the root complex has no link: its maximum width reads 0 or 255."""
    express = config.express.link if config and config.express else None
    max_width = _width(entry, "max_link_width") or (express.max_width if express else None)
    if not max_width or (config and config.express and express is None):
        return None
    current_width = entry.integer("current_link_width")
    current_speed, highest = _speed(entry, "current_link_speed"), _speed(entry, "max_link_speed")
    if express:
        current_width = express.current_width if current_width is None else current_width
        current_speed = current_speed or express.current_speed_gtps
        highest = highest or max((*express.supported_speeds_gtps, express.max_speed_gtps or 0.0)) or None
    return PcieLink(
        current_speed_gtps=current_speed,
        current_width=_trained(current_width, config),
        max_speed_gtps=highest,
        max_width=max_width,
        equalized_gtps=_equalized(config),
        lane_errors=config.secondary_express.lane_errors if config and config.secondary_express else (),
    )


def _trained(current_width: int | None, config: PciConfig | None) -> int | None:
    """Lanes that the link was trained to: in flit mode some of them may rest while it is idle (L0p)."""
    third = config.third_device if config else None
    if not current_width or third is None or not third.l0p_enabled:
        return current_width
    return max(current_width, third.initial_width or 0)


def _width(entry: Entry, name: str) -> int | None:
    width = entry.integer(name)
    return width if width and width != 255 else None


def _speed(entry: Entry, name: str) -> float | None:
    """GT/s of "8.0 GT/s PCIe"; None of "Unknown"."""
    found = re.match(r"(\d+(?:\.\d+)?) ?GT/s", entry.text(name) or "")
    return float(found[1]) if found else None


def _equalized(config: PciConfig | None) -> float | None:
    if config is None:
        return None
    if config.physical_layer_64 and "EquComplete" in config.physical_layer_64.status:
        return 64.0
    if config.physical_layer_32 and "EquComplete" in config.physical_layer_32.status:
        return 32.0
    if config.physical_layer_16 and "EquComplete" in config.physical_layer_16.status:
        return 16.0
    link = config.express.link if config.express else None
    return 8.0 if link and "EqualizationComplete" in link.status_2 else None


def _port(entry: Entry, config: PciConfig | None) -> PciePort | None:
    bus = entry.integer("secondary_bus_number")
    if bus is None and config and config.bridge:
        bus = config.bridge.secondary_bus
    express = config.express if config else None
    if not bus and (express is None or express.port_type not in DOWNSTREAM_PORTS):
        return None
    facts: dict[str, Any] = {"secondary_bus": f"{entry.name.split(':')[0]}:{bus:02x}" if bus else None}
    if config and express and express.port_type in DOWNSTREAM_PORTS:
        link, slot = express.link, express.slot
        if link and "LLActRep" in link.capabilities:
            facts["link_active"] = "DLActive" in link.status
        if link:
            facts["link_disabled"] = link.disabled
        if slot:
            facts |= {
                "slot_number": slot.number,
                "card_present": "PresDet" in slot.status,
                "power_off": slot.power_off,
                "power_fault": "PowerFlt" in slot.status,
            }
        if config.containment:
            facts["contained"] = config.containment.triggered
            facts["containment_reason"] = config.containment.reason
    return PciePort(**facts)


def _errors(entry: Entry, config: PciConfig | None) -> PcieErrors | None:
    facts: dict[str, Any] = {}
    for kind in ("correctable", "nonfatal", "fatal"):
        counters = _counters(entry.text(f"aer_dev_{kind}"))
        if counters is not None:
            facts[f"{kind}_count"], facts[kind] = counters
    if config and config.aer:
        kept, masked, fatal = (
            *(config.aer.uncorrectable, config.aer.uncorrectable_masked),
            config.aer.uncorrectable_fatal,
        )
        facts["status"] = tuple(error for error in kept if error not in masked)
        facts["fatal_status"] = tuple(error for error in kept if error in fatal)
        facts["correctable_status"] = config.aer.correctable
    if config and config.express:
        facts["device_status"] = tuple(name for name in config.express.device.status if name in DEVICE_ERRORS)
    return PcieErrors(**facts) if facts else None


DEVICE_ERRORS = ("CorrErr", "NonFatalErr", "FatalErr", "UnsupReq")


def _counters(text: str | None) -> tuple[int, dict[str, int]] | None:
    """Total and kinds of an aer_dev_* file: lines of a name and a number, the last one the total."""
    if text is None:
        return None
    counts = {}
    for line in text.splitlines():
        name, _, number = line.strip().rpartition(" ")
        if name and number.isdecimal():
            counts[name] = int(number)
    total = next((count for name, count in counts.items() if name.startswith("TOTAL_")), 0)
    kinds = {name: count for name, count in counts.items() if count and not name.startswith("TOTAL_")}
    return max(total, sum(kinds.values())), kinds
