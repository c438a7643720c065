"""The freedesktop interfaces that every object has, and the introspection document around an object's own."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bee_bus.names import INTROSPECTABLE, OBJECT_MANAGER, PEER, PROPERTIES

# interface → method → the signature of its arguments
INTERFACES: Mapping[str, Mapping[str, str]] = {
    PEER: {"Ping": "", "GetMachineId": ""},
    INTROSPECTABLE: {"Introspect": ""},
    PROPERTIES: {"Get": "ss", "Set": "ssv", "GetAll": "s"},
    OBJECT_MANAGER: {"GetManagedObjects": ""},
}

_HEADER = """<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
<node>
"""

_EVERYWHERE = f""" <interface name="{PEER}">
  <method name="Ping"/>
  <method name="GetMachineId"><arg name="machine_uuid" type="s" direction="out"/></method>
 </interface>
 <interface name="{INTROSPECTABLE}">
  <method name="Introspect"><arg name="xml_data" type="s" direction="out"/></method>
 </interface>
"""

_PROPERTIES = f""" <interface name="{PROPERTIES}">
  <method name="Get">
   <arg name="interface_name" type="s" direction="in"/>
   <arg name="property_name" type="s" direction="in"/>
   <arg name="value" type="v" direction="out"/>
  </method>
  <method name="GetAll">
   <arg name="interface_name" type="s" direction="in"/>
   <arg name="properties" type="a{{sv}}" direction="out"/>
  </method>
  <method name="Set">
   <arg name="interface_name" type="s" direction="in"/>
   <arg name="property_name" type="s" direction="in"/>
   <arg name="value" type="v" direction="in"/>
  </method>
  <signal name="PropertiesChanged">
   <arg name="interface_name" type="s"/>
   <arg name="changed_properties" type="a{{sv}}"/>
   <arg name="invalidated_properties" type="as"/>
  </signal>
 </interface>
"""

_MANAGER = f""" <interface name="{OBJECT_MANAGER}">
  <method name="GetManagedObjects"><arg name="objects" type="a{{oa{{sa{{sv}}}}}}" direction="out"/></method>
  <signal name="InterfacesAdded">
   <arg name="object" type="o"/>
   <arg name="interfaces" type="a{{sa{{sv}}}}"/>
  </signal>
  <signal name="InterfacesRemoved">
   <arg name="object" type="o"/>
   <arg name="interfaces" type="as"/>
  </signal>
 </interface>
"""


def introspection(own: Sequence[str], children: Iterable[str], *, manager: bool) -> str:
    """An object's introspection document: the standard interfaces, its own as XML, its children's names."""
    parts = [_HEADER, _EVERYWHERE]
    if own:
        parts.append(_PROPERTIES)
    if manager:
        parts.append(_MANAGER)
    parts += [f" {xml}" for xml in own]
    parts += [f' <node name="{child}"/>\n' for child in children]
    return "".join((*parts, "</node>\n"))


def machine_id() -> str:
    """The machine's id as the D-Bus specification wants it; zeros where the machine has none."""
    for path in (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id")):
        try:
            return path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
    return "0" * 32


def close_all(fds: Iterable[int]) -> None:
    for fd in fds:
        os.close(fd)
