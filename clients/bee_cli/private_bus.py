"""A system bus of one's own: the project's policies, a real polkitd and the real services, gone afterwards.

    with PrivateBus() as private:
        async with Bus(private.address) as bus: ...

The bus daemon starts polkitd and the services when they are asked for, as systemd does on an installed
system. polkitd has its files at fixed places, so all of it runs in a mount namespace where those places
hold bee's actions and rules: nothing of the machine is touched. Root may make such a namespace; an ordinary
user can with a user namespace, in which it counts as root.

A keeper process (`private_bus_keeper`) starts everything and ends it when this process does, however it does.
"""

import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from bee_bus.names import POLKIT, SERVICES
from bee_cli.private_bus_files import (
    PrivateBusError,
    already_installed,
    new_folder,
    project_actions,
    project_policies,
    project_rules,
    write_bus,
    write_covers,
)
from bee_cli.programs import ProgramMissing, program

START_SECONDS = 20.0
END_SECONDS = 15.0

_POLKITD = (
    "/usr/lib/polkit-1/polkitd",
    "/usr/libexec/polkitd",
    "/usr/libexec/polkit-1/polkitd",
    "/usr/lib/policykit-1/polkitd",
)

_FOR_ORDINARY_USERS = (
    "apt install uidmap, with a range for this user in /etc/subuid and /etc/subgid; or run as root"
)
_FOR_CONTAINERS = "give the container CAP_SYS_ADMIN, or install bee's polkit files in it (make install)"


class PrivateBus:
    """A private bus for the length of a ``with``."""

    def __init__(
        self,
        *,
        services: Mapping[str, Sequence[str]] | None = None,
        polkit: Sequence[str] | None = (),
        policies: Sequence[Path] | None = None,
        actions: Sequence[Path] | None = None,
        rules: Sequence[Path] | None = None,
        covers: Mapping[str, str | Path] | None = None,
    ) -> None:
        """What stands where on the bus; by default all that the project has.

        `services`: the command for each bus name. `polkit`: polkitd's command, empty for the machine's own
        polkitd, None for a bus without one. `policies`: D-Bus policy files; `actions` and `rules`: polkit's.
        `covers`: files of the machine that read differently there ("/etc/group": its text), or folders
        of it that are another folder there (a path).
        """
        self._services = dict(_own_services() if services is None else services)
        if polkit is not None:
            self._services[POLKIT] = list(polkit) or [_polkitd()]
        self._policies = project_policies() if policies is None else policies
        self._actions = project_actions() if actions is None else actions
        self._rules = project_rules() if rules is None else rules
        self._covers = dict(covers or {})
        self._folder: Path | None = None
        self._keeper: subprocess.Popen[bytes] | None = None
        self._last_log = ""
        self._up = False

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def folder(self) -> Path:
        if self._folder is None:
            raise RuntimeError("the private bus has not been started")
        return self._folder

    @property
    def address(self) -> str:
        return f"unix:path={self.folder}/bus"

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which the private bus is the system bus, and its services' files are found."""
        return {**self._places, **os.environ, "DBUS_SYSTEM_BUS_ADDRESS": self.address}

    @property
    def _places(self) -> dict[str, str]:
        """What is written for others to read goes with the bus, unless the caller has a place for it."""
        return {"BEE_LOG_DIRECTORY": str(self.folder), "BEE_WEB_DIRECTORY": str(self.folder)}

    def log(self) -> str:
        """What the bus, polkitd and the services have printed so far."""
        if self._folder is None:
            return self._last_log
        try:
            return (self._folder / "log").read_text(errors="replace")
        except OSError:
            return ""

    def start(self) -> None:
        """Start the bus; returns when it takes connections. Raises PrivateBusError."""
        daemon = shutil.which("dbus-daemon", path=os.environ.get("PATH", os.defpath) + ":/usr/bin")
        if daemon is None:
            raise PrivateBusError("there is no dbus-daemon", "apt install dbus-daemon")
        self._folder = folder = new_folder()
        write_bus(folder, services=self._services, policies=self._policies)
        namespace, covered = self._namespace()
        keeper = [sys.executable, "-I", "-S", str(Path(__file__).with_name("private_bus_keeper.py"))]
        ready, ready_writer = os.pipe()
        try:
            with (folder / "log").open("ab") as log:
                self._keeper = subprocess.Popen(
                    [*namespace, *keeper, daemon, str(folder), str(ready_writer), *covered],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    pass_fds=[ready_writer],
                    env=self._service_environment(),
                    start_new_session=True,  # Ctrl-C is for the program in front, which ends this in order
                )
            os.close(ready_writer)
            ready_writer = -1
            self._wait_until(ready)
            self._up = True
        finally:
            os.close(ready)
            if ready_writer >= 0:
                os.close(ready_writer)

    def _service_environment(self) -> dict[str, str]:
        """What the services inherit: not what systemd or a session told this program about itself."""
        told = (
            "NOTIFY_SOCKET",
            "WATCHDOG_PID",
            "WATCHDOG_USEC",
            "JOURNAL_STREAM",
            "INVOCATION_ID",
            "LISTEN_PID",
        )
        inherited = {name: value for name, value in os.environ.items() if name not in told}
        own = {"DBUS_SYSTEM_BUS_ADDRESS": self.address}
        return self._places | inherited | own

    def stop(self) -> None:
        """End everything on the bus and remove its files; returns when that is done."""
        self._last_log = self.log()
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            assert keeper.stdin is not None
            keeper.stdin.close()
            if not self._up:
                # An unshare that fails to map users leaves a child waiting for it for ever.
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(keeper.pid, signal.SIGKILL)
            try:
                keeper.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                keeper.kill()
                keeper.wait()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _namespace(self) -> tuple[list[str], list[str]]:
        """The words in front of a command that run it where files may be covered, and which are."""
        unshare = shutil.which("unshare")
        if unshare is None:
            raise PrivateBusError("there is no unshare", "apt install util-linux")
        if os.geteuid() != 0:
            if shutil.which("newuidmap") is None:
                raise PrivateBusError(
                    "an ordinary user needs newuidmap for a private bus", _FOR_ORDINARY_USERS
                )
            words = [unshare, "--user", "--map-root-user", "--map-auto", "--mount", "--"]
        elif (
            subprocess.run([unshare, "--mount", "--", "true"], capture_output=True, check=False).returncode
            == 0
        ):
            words = [unshare, "--mount", "--"]
        elif already_installed(self._actions, self._rules) and not self._covers:
            return [], []  # polkitd reads bee's files where they are
        else:
            raise PrivateBusError(
                "a private bus needs a mount namespace, and this system forbids it", _FOR_CONTAINERS
            )
        covers = write_covers(self.folder, actions=self._actions, rules=self._rules, files=self._covers)
        return words, covers

    def _wait_until(self, ready: int) -> None:
        assert self._keeper is not None
        ended = os.pidfd_open(self._keeper.pid)
        try:
            told, _, _ = select.select([ready, ended], [], [], START_SECONDS)
        finally:
            os.close(ended)
        if ready in told and os.read(ready, 4096):
            return
        complaint = self.log().strip().splitlines()
        raise PrivateBusError(
            f"the private bus did not start: {complaint[-1] if complaint else 'it said nothing'}",
            _FOR_CONTAINERS if os.geteuid() == 0 else _FOR_ORDINARY_USERS,
        )


def _own_services() -> dict[str, list[str]]:
    return {service.bus_name: _service_command(service.program) for service in SERVICES}


def _service_command(name: str) -> list[str]:
    try:
        return [program(name)]
    except ProgramMissing as error:
        raise PrivateBusError(str(error), "make venv, or make install") from error


def _polkitd() -> str:
    for path in _POLKITD:
        if os.access(path, os.X_OK):
            return path
    raise PrivateBusError("there is no polkitd", "apt install polkitd")
