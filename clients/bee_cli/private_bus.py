"""A system bus of one's own: the project's policies, a real polkitd and the real services, gone afterwards.

    async with private_bus() as address:
        async with Bus(address) as bus: ...

The bus daemon starts polkitd and the services when they are asked for, as systemd does on an installed
system. polkitd has its files at fixed places, so all of it runs in a mount namespace where those places
hold bee's actions and rules: nothing of the machine is touched. Root may make such a namespace; an ordinary
user can with a user namespace, in which it counts as root.

A keeper process (`private_bus_keeper`) starts everything and ends it when this process does, however it does.
"""

import os
import select
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from bee_bus.names import POLKIT, SERVICES
from bee_cli.errors import CliError
from bee_cli.programs import ProgramMissing, program

START_SECONDS = 20.0
END_SECONDS = 15.0

# Where polkitd reads actions and rules; newer versions read all of them, older ones the first two.
POLKIT_FOLDERS = ("/usr/share/polkit-1", "/etc/polkit-1", "/run/polkit-1", "/usr/local/share/polkit-1")

_POLKITD = (
    "/usr/lib/polkit-1/polkitd",
    "/usr/libexec/polkitd",
    "/usr/libexec/polkit-1/polkitd",
    "/usr/lib/policykit-1/polkitd",
)


class PrivateBusError(CliError):
    """The private bus could not be set up; the hint says what is needed."""


@asynccontextmanager
async def private_bus() -> AsyncIterator[str]:
    """A private bus with bee's services; yields its address."""
    bus = PrivateBus()
    try:
        bus.start()  # a few hundredths of a second, and nothing else is running yet
        yield bus.address
    finally:
        bus.stop()


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
        covers: Mapping[str, str] | None = None,
    ) -> None:
        """What stands where on the bus; by default all that the project has.

        `services`: the command for each bus name. `polkit`: polkitd's command, empty for the machine's own
        polkitd, None for a bus without one. `policies`: D-Bus policy files; `actions` and `rules`: polkit's.
        `covers`: files of the machine that read differently there ("/etc/group": its text).
        """
        self._services = dict(_own_services() if services is None else services)
        if polkit is not None:
            self._services[POLKIT] = list(polkit) or [_polkitd()]
        self._policies = _files("dbus/system.d", "dbus-1/system.d", ".conf") if policies is None else policies
        self._actions = _files("dbus/polkit", "polkit-1/actions", ".policy") if actions is None else actions
        self._rules = _files("dbus/polkit", "polkit-1/rules.d", ".rules") if rules is None else rules
        self._covers = dict(covers or {})
        self._folder: Path | None = None
        self._keeper: subprocess.Popen[bytes] | None = None
        self._last_log = ""

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
        """The environment in which the private bus is the system bus."""
        return {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": self.address}

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
        self._folder = _short_folder()
        self._write_files()
        covered = [*POLKIT_FOLDERS, *self._covers]
        ready, ready_writer = os.pipe()
        try:
            keeper = [sys.executable, "-I", "-S", str(Path(__file__).with_name("private_bus_keeper.py"))]
            self._keeper = subprocess.Popen(
                [*_namespace(), *keeper, daemon, str(self.folder), str(ready_writer), *covered],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=(self.folder / "log").open("ab"),
                pass_fds=[ready_writer],
                env=_service_environment() | {"DBUS_SYSTEM_BUS_ADDRESS": self.address},
                start_new_session=True,  # Ctrl-C is for the program in front, which then ends this in order
            )
            os.close(ready_writer)
            ready_writer = -1
            self._wait_until(ready)
        finally:
            os.close(ready)
            if ready_writer >= 0:
                os.close(ready_writer)

    def stop(self) -> None:
        """End everything on the bus and remove its files; returns when that is done."""
        self._last_log = self.log()
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            assert keeper.stdin is not None
            keeper.stdin.close()
            try:
                keeper.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                keeper.kill()
                keeper.wait()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _wait_until(self, ready: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if select.select([ready], [], [], max(deadline - time.monotonic(), 0))[0]:
                if os.read(ready, 4096):
                    return
                break
        complaint = self.log().strip().splitlines()
        raise PrivateBusError(
            f"the private bus did not start: {complaint[-1] if complaint else 'it said nothing'}", _hint()
        )

    def _write_files(self) -> None:
        folder = self.folder
        folder.chmod(0o711)  # clients of any user, and polkitd, pass through to the socket
        for place in POLKIT_FOLDERS:
            for part in ("actions", "rules.d"):
                (folder / "root" / place.lstrip("/") / part).mkdir(parents=True)
        ours = folder / "root" / POLKIT_FOLDERS[0].lstrip("/")
        for paths, part in ((self._actions, "actions"), (self._rules, "rules.d")):
            for path in paths:
                shutil.copyfile(path, ours / part / path.name)
        for place, text in self._covers.items():
            covering = folder / "root" / place.lstrip("/")
            covering.parent.mkdir(parents=True, exist_ok=True)
            covering.write_text(text)
        activation = folder / "services"
        activation.mkdir()
        for name, command in self._services.items():
            (activation / f"{name}.service").write_text(
                f"[D-BUS Service]\nName={name}\nExec={shlex.join(command)}\nUser=root\n"
            )
        includes = "".join(f"  <include>{_xml(str(path.resolve()))}</include>\n" for path in self._policies)
        (folder / "bus.conf").write_text(
            _BUS_CONFIGURATION.format(folder=_xml(str(folder)), includes=includes)
        )
        for path in [folder / "root", *folder.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)


def _own_services() -> dict[str, list[str]]:
    return {service.bus_name: _service_command(service.program) for service in SERVICES}


def _service_command(name: str) -> list[str]:
    try:
        return [program(name)]
    except ProgramMissing as error:
        raise PrivateBusError(str(error), "make venv, or make install") from error


def _service_environment() -> dict[str, str]:
    """What the services inherit: not what systemd or a session told this program about itself."""
    told = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "JOURNAL_STREAM", "INVOCATION_ID", "LISTEN_PID")
    return {name: value for name, value in os.environ.items() if name not in told}


def _files(source: str, installed: str, suffix: str) -> list[Path]:
    """The project's own files of one kind: the source tree's, else this installation's, else the system's."""
    here = Path(__file__).resolve()
    folders = [here.parents[2] / source, *(here.parents[4:5] and [here.parents[4] / "share" / installed])]
    for folder in [*folders, Path("/usr/share") / installed]:
        found = sorted(path for path in folder.glob(f"*{suffix}") if "org.bee." in path.name)
        if found:
            return found
    raise PrivateBusError(f"bee's {installed} files are missing", "install bee again")


def _xml(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _polkitd() -> str:
    for path in _POLKITD:
        if os.access(path, os.X_OK):
            return path
    raise PrivateBusError("there is no polkitd", "apt install polkitd")


def _short_folder() -> Path:
    """A new folder; a socket's path has to fit in 108 bytes."""
    parent = tempfile.gettempdir()
    if len(parent) > 60:
        parent = "/tmp"
    return Path(tempfile.mkdtemp(prefix="bee-", dir=parent))


def _namespace() -> list[str]:
    """The words in front of a command that run it where polkitd's places may be covered."""
    unshare = shutil.which("unshare")
    if unshare is None:
        raise PrivateBusError("there is no unshare", "apt install util-linux")
    if os.geteuid() == 0:
        return [unshare, "--mount", "--"]
    if shutil.which("newuidmap") is None:
        raise PrivateBusError(
            "an ordinary user needs newuidmap for a private bus", "apt install uidmap, or run as root"
        )
    return [unshare, "--user", "--map-root-user", "--map-auto", "--mount", "--"]


def _hint() -> str:
    if os.geteuid() == 0:
        return "it needs a mount namespace: in a container, CAP_SYS_ADMIN"
    return "it needs user namespaces and a range in /etc/subuid and /etc/subgid; or run as root"


# The system bus as distributions configure it (deny, and let each service's own file allow), without its
# user.
_BUS_CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={folder}/bus</listen>
  <auth>EXTERNAL</auth>
  <servicedir>{folder}/services</servicedir>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Introspectable"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Properties"/>
    <deny send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"
          send_member="UpdateActivationEnvironment"/>
  </policy>
  <policy user="root">
    <allow own="org.freedesktop.PolicyKit1"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Monitoring"/>
  </policy>
  <policy user="polkitd">
    <allow own="org.freedesktop.PolicyKit1"/>
    <allow send_interface="org.freedesktop.PolicyKit1.AuthenticationAgent"/>
  </policy>
  <policy context="default">
    <allow send_destination="org.freedesktop.PolicyKit1"/>
  </policy>
{includes}</busconfig>
"""
