"""The private bus: all of it is there, nothing of the machine is touched, and nothing of it stays."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bee_bus.client import Bus
from bee_bus.names import ACTIONS, POLKIT, POLKIT_INTERFACE, POLKIT_PATH
from bee_cli import private_bus as private
from bee_cli.private_bus import PrivateBus
from bee_cli.private_bus_files import POLKIT_FOLDERS, PrivateBusError
from lab.bus.private import REPOSITORY, LabBus, call, lab_service, until
from lab.bus.service import BUS_NAME

START = """
import sys, time
from lab.bus.private import LabBus
with LabBus() as bus:
    print(bus.folder, flush=True)
    time.sleep(60)
"""


def processes_of(folder: Path) -> list[str]:
    """The command lines of everything whose environment names that private bus."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"unix:path={folder}/bus".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def polkit_files() -> tuple[set[str], str]:
    """The machine's own polkit files, and what is mounted where."""
    places = [Path(place) for place in POLKIT_FOLDERS]
    return {str(path) for place in places for path in place.rglob("*")}, Path(
        "/proc/self/mountinfo"
    ).read_text()


@pytest.fixture
def in_front() -> Iterator["subprocess.Popen[str]"]:
    """A program that holds a private bus, as `bee --private` does."""
    process = subprocess.Popen(
        [sys.executable, "-c", START],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
async def test_however_the_program_in_front_ends_nothing_stays(
    in_front: "subprocess.Popen[str]", number: signal.Signals
) -> None:
    assert in_front.stdout is not None
    folder = Path(in_front.stdout.readline().strip())
    async with Bus(f"unix:path={folder}/bus") as client:
        await call(client, "Start", "ds", 60.0, "OK")
    assert any("polkitd" in each for each in processes_of(folder)) or os.geteuid() != 0
    assert any("dbus-daemon" in each for each in processes_of(folder))
    assert any("service.py" in each for each in processes_of(folder))
    in_front.send_signal(number)
    in_front.wait(10)
    until(lambda: not folder.exists() and not processes_of(folder), 10)


async def test_the_bus_is_there_in_a_moment_with_bees_own_actions() -> None:
    started = time.perf_counter()
    with PrivateBus(services={}) as bus:
        assert time.perf_counter() - started < 2
        async with Bus(bus.address) as client:
            reply = await client.connection.ask(
                POLKIT, POLKIT_PATH, POLKIT_INTERFACE, "EnumerateActions", "s", [""]
            )
        assert {action[0] for action in reply.body[0]} == set(ACTIONS)
        assert bus.environment["DBUS_SYSTEM_BUS_ADDRESS"] == bus.address
        assert len(bus.address) < 100
        folder = bus.folder
    assert not folder.exists()


async def test_the_machines_own_polkit_files_are_left_alone(bus: LabBus) -> None:
    before = polkit_files()
    async with bus.client() as client:
        await call(client, "Echo", "sd", "hello", 0.0)
    assert polkit_files() == before


def test_two_private_buses_know_nothing_of_each_other() -> None:
    with PrivateBus(services={}) as one, PrivateBus(services={}) as other:
        assert one.address != other.address


async def test_names_are_activated_without_being_installed() -> None:
    with PrivateBus(services={BUS_NAME: lab_service()}) as bus:
        async with Bus(bus.address) as client:
            reply = await client.connection.ask(
                "org.freedesktop.DBus",
                "/org/freedesktop/DBus",
                "org.freedesktop.DBus",
                "ListActivatableNames",
            )
    assert {BUS_NAME, POLKIT} <= set(reply.body[0])


def test_a_bus_that_cannot_start_says_why_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.conf"
    broken.write_text("<busconfig><nonsense/></busconfig>")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with (
        pytest.raises(PrivateBusError, match=r"did not start: .*nonsense"),
        PrivateBus(services={}, policies=[broken]),
    ):
        pass
    assert list(tmp_path.iterdir()) == [broken]


def test_a_namespace_that_fails_leaves_no_helper_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As util-linux's unshare does when it may not map users: its child waits for a word that never comes."""
    unshare = tmp_path / "unshare"
    unshare.write_text(
        "#!/bin/sh\n"
        '[ "$*" = "--mount -- true" ] && exit 0\n'
        f"sleep 300 & echo $! > {tmp_path}/child\n"
        "echo 'unshare: no ranges' >&2; exit 1\n"
    )
    unshare.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(PrivateBusError, match="did not start: unshare: no ranges"), PrivateBus(services={}):
        pass
    child = Path("/proc", (tmp_path / "child").read_text().strip())
    until(lambda: not child.exists() or ") Z " in (child / "stat").read_text())


def test_without_its_programs_it_says_which_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private, "_POLKITD", ())
    with pytest.raises(PrivateBusError) as caught:
        PrivateBus(services={})
    assert "polkitd" in caught.value.hint
    monkeypatch.undo()
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(PrivateBusError) as caught, PrivateBus(services={}):
        pass
    assert caught.value.hint == "apt install dbus-daemon"


WITHOUT_NAMESPACES = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]

ASK_POLKIT = """
import subprocess
from bee_cli.private_bus import PrivateBus, PrivateBusError
try:
    with PrivateBus(services={}) as bus:
        words = ["org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority"]
        words += ["org.freedesktop.PolicyKit1.Authority", "EnumerateActions", "s", ""]
        subprocess.run(["busctl", f"--address={bus.address}", "call", *words], check=True)
except PrivateBusError as error:
    print(f"{error}; {error.hint}")
"""


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("busctl") is None, reason="needs root and busctl")
def test_where_namespaces_are_forbidden_the_installed_policy_is_used_or_asked_for(tmp_path: Path) -> None:
    """As in a container: root, but not over mounts."""
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    confined = [*WITHOUT_NAMESPACES, sys.executable, "-c", ASK_POLKIT]
    refused = subprocess.run(confined, env=environment, capture_output=True, text=True, check=True)
    assert "this system forbids it" in refused.stdout
    assert "make install" in refused.stdout
    installed = tmp_path / "polkit-1"
    for source, part in (("*.policy", "actions"), ("*.rules", "rules.d")):
        (installed / part).mkdir(parents=True)
        for path in (REPOSITORY / "dbus/polkit").glob(source):
            shutil.copy(path, installed / part)
    for folder in (tmp_path.parent.parent, tmp_path.parent, tmp_path):
        folder.chmod(0o755)  # polkitd is an ordinary user
    mount = f'mount --bind {installed} /usr/share/polkit-1 && exec "$@"'
    words = ["unshare", "--mount", "--", "sh", "-c", mount, "sh", *confined]
    used = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert "org.bee.audit.run" in used.stdout


def test_a_service_that_ignores_the_end_is_made_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stubborn = tmp_path / "stubborn.sh"
    stubborn.write_text("#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 60; done\n")
    stubborn.chmod(0o755)
    bus = PrivateBus(
        services={"org.bee.Lab1": [str(stubborn)]},
        policies=sorted((REPOSITORY / "tests/lab/bus").glob("*.conf")),
    )
    with bus:
        asyncio.run(_poke(bus.address))
        folder = bus.folder
        assert any("stubborn" in each for each in processes_of(folder))
        started = time.monotonic()
    assert time.monotonic() - started < 14
    assert processes_of(folder) == []


async def _poke(address: str) -> None:
    async with Bus(address) as client:
        client.connection.tell(
            "org.freedesktop.DBus",
            "/org/freedesktop/DBus",
            "org.freedesktop.DBus",
            "StartServiceByName",
            "su",
            ["org.bee.Lab1", 0],
        )
        await asyncio.sleep(0.3)


def test_an_ordinary_user_has_one_too(tmp_path: Path) -> None:
    """In a user namespace, where it counts as root; needs newuidmap and a range of user ids."""
    if os.geteuid() != 0:
        pytest.skip("this test becomes an ordinary user; the others have run as one")
    user = _user_with_a_range()
    if user is None or shutil.which("newuidmap") is None:
        pytest.skip("no ordinary user with a range in /etc/subuid, or no newuidmap (apt install uidmap)")
    code = (
        "import asyncio, sys\n"
        "from bee_cli.private_bus import PrivateBus\n"
        "from bee_bus.client import Bus\n"
        "from lab.bus.private import LabBus, call, get\n"
        "async def main():\n"
        "    with LabBus() as bus:\n"
        "        async with bus.client() as client:\n"
        "            try:\n"
        "                print((await call(client, 'Change', 'u', 1)).body, await get(client, 'Changes'))\n"
        "            finally:\n"
        "                sys.stderr.write(bus.log())\n"
        "asyncio.run(main())\n"
    )
    python = _python_for_everybody()
    if python is None or os.stat(REPOSITORY).st_mode & 0o005 != 0o005:
        pytest.skip("an ordinary user may not read this source tree, or its Python")
    ended = subprocess.run(
        [python, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd="/",
        user=user,
        group=pwd.getpwnam(user).pw_gid,
        extra_groups=[],
        env={**os.environ, "PYTHONPATH": ":".join(sys.path), "HOME": "/", "TMPDIR": "/tmp"},
    )
    assert ended.stdout == "[1] 1\n", ended.stderr


def _python_for_everybody() -> str | None:
    """A Python of this version that any user may run, with these packages."""
    for python in (sys.executable, "/usr/bin/python3"):
        real = Path(python).resolve()
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        if real.name == version and all(parent.stat().st_mode & 0o001 for parent in real.parents):
            return python
    return None


def _user_with_a_range() -> str | None:
    try:
        lines = Path("/etc/subuid").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        name = line.split(":")[0]
        try:
            if pwd.getpwnam(name).pw_uid >= 1000:
                return name
        except KeyError:
            continue
    return None


def test_what_a_service_in_order_answers_needs_no_log(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bee_cli.main", "--private", "sat", "cpu", "--duration", "0"]
    ended = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 3
    assert ended.stderr.startswith("bee: duration='0': it takes seconds"), ended.stderr
    assert "The services said" not in ended.stderr
