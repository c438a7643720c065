"""Private buses for tests: the lab's service there, users who are on no other list, logs that are read."""

import asyncio
import atexit
import inspect
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import dbus_next
import pytest

import bee_audit
import bee_bus
import bee_cli
import bee_gpu
import bee_machine
import bee_web
from bee_bus import errors
from bee_bus.client import Bus
from bee_bus.connection import Reply
from bee_bus.names import DBUS, DBUS_PATH
from bee_cli.private_bus import PrivateBus
from lab.bus.service import BUS_NAME, PATH, XML  # noqa: F401  (tests take them from here)

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]

# Users that exist for polkit on the private bus only.
OPERATOR_UID = 64001  # a member of group bee
STRANGER_UID = 64002
LOAD_UID = 64004  # what acceptance runs load the machine as
WEB_UID = 64005  # the web page
# As a login gives them; the bus and polkit look at these.
GROUPS = {OPERATOR_UID: [64000], STRANGER_UID: [], WEB_UID: []}

_PASSWD = f"""root:x:0:0:root:/root:/bin/sh
polkitd:x:{{polkitd}}:polkit:/nonexistent:/usr/sbin/nologin
operator:x:{OPERATOR_UID}:{OPERATOR_UID}::/nonexistent:/bin/sh
stranger:x:{STRANGER_UID}:{STRANGER_UID}::/nonexistent:/bin/sh
bee-load:x:{LOAD_UID}:{LOAD_UID}::/nonexistent:/usr/sbin/nologin
bee-web:x:{WEB_UID}:{WEB_UID}::/nonexistent:/usr/sbin/nologin
"""
_GROUP = f"""root:x:0:
operator:x:{OPERATOR_UID}:
stranger:x:{STRANGER_UID}:
bee:x:64000:operator
"""

_COMPLAINT = re.compile(
    r"Traceback|^(WARNING|ERROR|CRITICAL)|Warning:|never (retrieved|awaited)|was destroyed"
)


def python_command(*words: str) -> list[str]:
    """A command that runs Python with bee's packages and the lab, warnings being errors."""
    modules = (bee_bus, bee_machine, bee_audit, bee_gpu, bee_cli, bee_web, dbus_next)
    packages = {str(Path(each.__file__ or "").parents[1]) for each in modules}
    path = ":".join([*sorted(packages), str(REPOSITORY / "tests")])
    return ["/usr/bin/env", f"PYTHONPATH={path}", sys.executable, "-W", "error", *words]


def lab_service(idle_seconds: float = 60.0) -> list[str]:
    return python_command(str(HERE / "service.py"), str(idle_seconds))


def audit_service() -> list[str]:
    """The audit service itself, which keeps its snapshot where no test disturbs another."""
    folder = tempfile.mkdtemp(prefix="bee-log-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    command = python_command("-m", "bee_audit.main")
    return [command[0], f"BEE_LOG_DIRECTORY={folder}", *command[1:]]


def bad_polkit(manner: str) -> list[str]:
    return python_command(str(HERE / "polkit.py"), manner)


class LabBus(PrivateBus):
    """A private bus with org.bee.Lab1, whose log is looked through at the end."""

    def __init__(
        self,
        *,
        services: Mapping[str, Sequence[str]] | None = None,
        polkit: Sequence[str] | None = (),
        rules: Sequence[Path] = (),
        covers: Mapping[str, str | Path] | None = None,
    ) -> None:
        repository_rules = sorted((REPOSITORY / "dbus/polkit").glob("*.rules"))
        super().__init__(
            services={BUS_NAME: lab_service()} if services is None else services,
            polkit=polkit,
            policies=[*sorted(HERE.glob("*.conf")), *sorted((REPOSITORY / "dbus/system.d").glob("*.conf"))],
            actions=[*sorted(HERE.glob("*.policy")), *sorted((REPOSITORY / "dbus/polkit").glob("*.policy"))],
            rules=[*repository_rules, *rules],
            covers={**(_users() if os.geteuid() == 0 else {}), **(covers or {})},
        )
        self._expected: list[str] = []

    def expect(self, complaint: str) -> None:
        """Something that the log may complain of, because the test provokes it."""
        self._expected.append(complaint)

    def complaints(self) -> list[str]:
        """The lines of the log that complain of what was not expected."""
        return [
            line
            for line in self.log().splitlines()
            if _COMPLAINT.search(line) and not any(expected in line for expected in self._expected)
        ]

    def process(self, command: Sequence[str], **keywords: Any) -> "subprocess.Popen[bytes]":
        """Start a program with this bus as its system bus, its output going to the log."""
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, **keywords)

    @asynccontextmanager
    async def client(self, uid: int | None = None, *, interactive: bool = False) -> AsyncIterator[Bus]:
        """A connection of some user: who connects counts, as the kernel tells the bus."""
        bus = Bus(self.address, interactive=interactive)
        if uid is not None and uid != os.geteuid():
            if os.geteuid() != 0:
                pytest.skip("being another user needs root")
            groups = os.getgroups()
            os.setgroups(GROUPS.get(uid, []))
            os.setegid(uid)
            os.seteuid(uid)
            try:
                await bus.__aenter__()
            finally:
                os.seteuid(0)
                os.setegid(0)
                os.setgroups(groups)
        else:
            await bus.__aenter__()
        try:
            yield bus
        finally:
            await bus.__aexit__()


async def call(bus: Bus, member: str, signature: str = "", *body: Any, **keywords: Any) -> Reply:
    """Call a method of org.bee.Lab1."""
    return await bus.connection.ask(BUS_NAME, PATH, BUS_NAME, member, signature, body, **keywords)


async def once_there(bus: Bus, member: str, signature: str = "", *body: Any, **keywords: Any) -> Reply:
    """Call a method of an org.bee.Lab1 that is just being started."""
    while True:
        try:
            return await call(bus, member, signature, *body, **keywords)
        except errors.ServiceUnknown:
            await asyncio.sleep(0.02)


async def get(bus: Bus, name: str) -> Any:
    """Read a property of org.bee.Lab1."""
    reply = await bus.connection.ask(
        BUS_NAME, PATH, "org.freedesktop.DBus.Properties", "Get", "ss", [BUS_NAME, name]
    )
    return reply.body[0].value


async def pid_of(bus: Bus, name: str) -> int:
    """The process that owns a bus name."""
    reply = await bus.connection.ask(DBUS, DBUS_PATH, DBUS, "GetConnectionUnixProcessID", "s", [name])
    return int(reply.body[0])


async def eventually(happened: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for something that another process does; `happened` may be a coroutine function."""
    deadline = time.monotonic() + seconds
    while True:
        seen = happened()
        if inspect.isawaitable(seen):
            seen = await seen
        if seen:
            return
        assert time.monotonic() < deadline, f"it did not happen within {seconds:g} s"
        await asyncio.sleep(0.01)


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen within {seconds:g} s"
        time.sleep(0.01)


def _users() -> dict[str, str]:
    polkitd = next(
        (
            line.split(":")
            for line in Path("/etc/passwd").read_text().splitlines()
            if line.startswith("polkitd:")
        ),
        ["polkitd", "x", "64003", "64003"],
    )
    return {"/etc/passwd": _PASSWD.format(polkitd=":".join(polkitd[2:4])), "/etc/group": _GROUP}
