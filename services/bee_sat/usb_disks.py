"""Which disks are on USB: the stick that the system runs from, what the BMC lends, a technician's own.

People pull them while a run goes on, and what the kernel says then is not about the machine. At the start
sysfs tells them; those that come later are told by the kernel's own messages, "scsi host6: usb-storage
1-4:1.0" and "sd 6:0:0:0: [sdc] Attached SCSI disk" (drivers/usb/storage, drivers/scsi/sd.c).
"""

import os
import re
from pathlib import Path
from typing import Self

BLOCK = "/sys/class/block"

_ON_USB = re.compile(r"/usb\d+/(?:.*/)?host(?P<host>\d+)/.*/block/(?P<name>sd[a-z]+)$")
_HOST = re.compile(r"^scsi host(?P<host>\d+): (?P<driver>\S+)")
_DISK = re.compile(r"^(?:sd|scsi) (?P<host>\d+):\d+:\d+:\d+: (?:\[(?P<name>sd[a-z]+)\])?")


class UsbDisks:
    """``hosts``: the numbers of their SCSI hosts; ``names``: "sdc"."""

    def __init__(self) -> None:
        self.hosts: set[str] = set()
        self.names: set[str] = set()

    @classmethod
    def of_machine(cls, folder: str = BLOCK) -> Self:
        """Those of now. None where there is no sysfs."""
        found = cls()
        try:
            links = [os.readlink(path) for path in Path(folder).iterdir() if path.is_symlink()]
        except OSError:
            return found
        for link in links:
            if match := _ON_USB.search(link):
                found.hosts.add(match["host"])
                found.names.add(match["name"])
        return found

    def learn(self, text: str) -> None:
        """One message of the kernel. Numbers and names are given anew to other disks."""
        if match := _HOST.match(text):
            (self.hosts.add if match["driver"] in ("usb-storage", "uas") else self.hosts.discard)(
                match["host"]
            )
        elif (match := _DISK.match(text)) and match["name"]:
            (self.names.add if match["host"] in self.hosts else self.names.discard)(match["name"])

    def concerns(self, text: str) -> bool:
        """Whether a message begins with the address of one of them."""
        match = _DISK.match(text)
        return match is not None and match["host"] in self.hosts
