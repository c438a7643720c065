"""The bus contract in Python: what two programs of bee share, and the only package that imports dbus_next."""

import sys
from types import ModuleType

# dbus-next loads its GLib half whether it is wanted or not, and where PyGObject is installed that loads GLib:
# slow, and of no use to a program that runs on asyncio.
sys.modules.setdefault("dbus_next.glib", ModuleType("dbus_next.glib"))
