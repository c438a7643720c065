"""The live system in a container: who may log in, what the network does, what runs and what never does."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.container import Container
from lab.lan import DISCOVER, PORT, QUIET, ROUTER, Lan, eventually
from lab.live import booted_live, with_keys, with_marker
from lab.prerequisites import CONTAINER, require
from lab.rootfs import OVERLAY, STRANGER, live_layers
from lab.visitor import Visitor

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

OPERATOR = "bee"
UNITS = sorted(path.name for path in (OVERLAY / "usr/lib/systemd/system").glob("bee-*.service"))
# Exposure times ten, as in test_booted_services: what writes passwords and loads modules has most of it.
EXPOSURE_LIMITS = {
    "bee-hostname.service": 25,
    "bee-network.service": 35,
    "bee-nvidia.service": 60,
    "bee-sshsetup.service": 30,
}
# Nothing of the boot takes near as long on the slowest host; who waits for a network waits two minutes.
SECONDS_WITHOUT_A_WAIT = 60
# What a container does not let its services do, the terminal that a test takes away, and names for protocols
# that are switched off.
OF_THE_CONTAINER = re.compile(
    r"Read-only file system$|^-- No entries --$|lack privileges|compat systemd cgroup|terminal attributes"
    r"|LLMNR/mDNS names, ignoring"
)


@pytest.fixture(scope="module")
def lan() -> Iterator[Lan]:
    require(*CONTAINER, "ip", "ssh")
    with Lan() as lan:
        yield lan


@pytest.fixture(scope="module")
def visitor(lan: Lan, tmp_path_factory: pytest.TempPathFactory) -> Visitor:
    return Visitor(lan, tmp_path_factory.mktemp("visitor"))


@pytest.fixture(scope="module")
def machine(lan: Lan, visitor: Visitor) -> Iterator[Container]:
    """A live system with the visitor's key in it, on a segment with a DHCP server."""
    with booted_live(with_keys("# who may come", visitor.public_key), lan=lan) as machine:
        assert eventually(lambda: address_of(machine) == lan.address), machine.journal()
        yield machine


@pytest.fixture(scope="module")
def open_lan() -> Iterator[Lan]:
    require(*CONTAINER, "ip", "ssh")
    with Lan() as lan:
        yield lan


@pytest.fixture(scope="module")
def open_machine(open_lan: Lan) -> Iterator[Container]:
    """One whose image was made without keys, and carries the password marker."""
    with booted_live(with_marker, lan=open_lan) as machine:
        assert eventually(lambda: address_of(machine) == open_lan.address), machine.journal()
        yield machine


def said(machine: Container, *words: str, user: str = "root") -> str:
    return machine.run(list(words), user=user, check=False).stdout.strip()


def shown(machine: Container, unit: str, name: str) -> str:
    return said(machine, "systemctl", "show", f"--property={name}", "--value", unit)


def address_of(machine: Container) -> str:
    found = re.findall(r"inet (\S+)/", said(machine, "ip", "-4", "address", "show", "dev", PORT))
    return " ".join(found)


def failed_units(machine: Container) -> str:
    return said(machine, "systemctl", "--failed", "--plain", "--no-legend")


def seconds_to(machine: Container, unit: str) -> float:
    """From the start of systemd to the moment when a unit was up."""
    up = int(shown(machine, unit, "ActiveEnterTimestampMonotonic"))
    begun = int(said(machine, "systemctl", "show", "--property=UserspaceTimestampMonotonic", "--value"))
    assert up > begun, f"{unit} never came up"
    return (up - begun) / 1e6


def sshd_allows(machine: Container) -> dict[str, str]:
    words = (line.partition(" ") for line in said(machine, "sshd", "-T").splitlines())
    return {name: value for name, _space, value in words}


def screen_of(machine: Container) -> str:
    """What a login screen shows, on a terminal."""
    return machine.run(["script", "-qec", "agetty --show-issue", "/dev/null"]).stdout


def shadow(machine: Container, user: str) -> str:
    return said(machine, "getent", "shadow", user).split(":")[1]


# Keys in the image


def test_every_unit_is_up(machine: Container) -> None:
    assert failed_units(machine) == ""
    for unit in (*UNITS, "ssh.service", "bee-audit.service", "systemd-networkd.service"):
        assert said(machine, "systemctl", "is-active", unit) == "active", unit


def test_the_key_of_the_image_opens_root_and_the_operator(machine: Container, visitor: Visitor) -> None:
    for user in ("root", OPERATOR):
        answer = visitor.ssh(user, "id", "-un")
        assert (answer.stdout, answer.returncode) == (f"{user}\n", 0), answer.stderr
    version = ("busctl", "get-property", "org.bee.Audit1", "/org/bee/Audit1", "org.bee.Audit1", "Version")
    assert visitor.ssh(OPERATOR, *version).stdout.startswith('s "')
    run = ("busctl", "call", "org.bee.Audit1", "/org/bee/Audit1", "org.bee.Audit1", "Run", "a{ss}", "0")
    started = visitor.ssh(OPERATOR, *run)
    assert started.stdout.startswith('o "/org/bee/Audit1/job/'), started.stderr


def test_with_keys_no_password_opens_anything(machine: Container, visitor: Visitor) -> None:
    allowed = sshd_allows(machine)
    assert allowed["passwordauthentication"] == "no"
    assert allowed["kbdinteractiveauthentication"] == "no"
    assert allowed["permitrootlogin"] == "without-password"
    assert [shadow(machine, user) for user in ("root", OPERATOR)] == ["*", "*"]
    for user in ("root", OPERATOR):
        refused = visitor.ssh(user, "true", password="live")
        assert refused.returncode == 255
        assert "Permission denied (publickey)" in refused.stderr
    assert "Password" not in screen_of(machine)
    assert said(machine, "cat", "/run/bee-access", user=OPERATOR) == "key"


def test_sshd_finds_the_files_of_the_keys_as_it_wants_them(machine: Container) -> None:
    modes = said(machine, "stat", "--format=%n %a %U", "/root/.ssh", "/root/.ssh/authorized_keys")
    assert modes.splitlines() == ["/root/.ssh 700 root", "/root/.ssh/authorized_keys 600 root"]
    home = said(machine, "stat", "--format=%n %a %U", "/home/bee/.ssh", "/home/bee/.ssh/authorized_keys")
    assert home.splitlines() == ["/home/bee/.ssh 700 bee", "/home/bee/.ssh/authorized_keys 600 bee"]


def test_keys_beat_the_marker(machine: Container) -> None:
    machine.run(["touch", "/etc/bee-password-fallback"])
    try:
        machine.run(["systemctl", "restart", "bee-sshsetup.service"])
        assert sshd_allows(machine)["passwordauthentication"] == "no"
        assert shadow(machine, OPERATOR) == "*"
    finally:
        machine.run(["rm", "/etc/bee-password-fallback"])
        machine.run(["systemctl", "restart", "bee-sshsetup.service"])


def test_the_keys_of_the_host_are_made_at_boot(machine: Container) -> None:
    in_the_image = (live_layers()[0] / "etc/ssh").glob("ssh_host_*")
    assert [key for key in in_the_image if key.is_file()] == []  # else it marks what was removed
    keys = said(machine, "sh", "-c", "ls /etc/ssh/ssh_host_*_key").split()
    assert keys == ["/etc/ssh/ssh_host_ecdsa_key", "/etc/ssh/ssh_host_ed25519_key"]


def test_the_operator_is_nobody_else(machine: Container) -> None:
    groups = set(said(machine, "id", "--groups", "--name", user=OPERATOR).split())
    assert groups == {"bee", "adm", "systemd-journal"}
    assert said(machine, "id", "--user", user=OPERATOR) != "0"
    assert machine.run(["sh", "-c", "command -v sudo"], check=False).returncode != 0
    assert "menu" in said(machine, "cat", "/home/bee/.profile", user=OPERATOR)


# Consoles


def test_the_console_logs_the_operator_in_and_other_terminals_after_a_key(machine: Container) -> None:
    def command(unit: str) -> str:
        return shown(machine, unit, "ExecStart")

    assert "--autologin bee --noreset" in command("getty@tty1.service")
    for unit in ("getty@tty2.service", "serial-getty@ttyS0.service", "serial-getty@ttyS1.service"):
        assert "--autologin bee --login-pause" in command(unit), unit
    assert "--keep-baud 115200" in command("serial-getty@ttyS0.service")
    assert shown(machine, "getty@tty1.service", "Type") == "simple"


def test_a_serial_line_shows_the_machine_and_logs_in_after_a_key(machine: Container) -> None:
    found = re.search(r"argv\[\]=(.*?) ;", shown(machine, "serial-getty@ttyS0.service", "ExecStart"))
    assert found
    command = found[1].replace("${TERM}", "vt220")
    # A key comes until it is noticed. The terminal, which is script's, does not outlive login's hanging up
    # of the line, so the shell that a real line has is not seen here.
    keys = f"(while sleep 1; do echo; done) | script -qec '{command}' /dev/null"
    line = machine.run(["sh", "-c", keys], check=False)
    before, pressed, after = line.stdout.partition("press ENTER")
    assert pressed, line.stdout
    assert "bee live system on bee" in before
    assert "login: bee (automatic login)" in after


def test_the_login_screen_says_how_to_reach_the_machine(machine: Container, lan: Lan) -> None:
    screen = screen_of(machine)
    assert f"http://{lan.address}/" in screen
    assert f"ssh bee@{lan.address}" in screen
    assert all(len(line) <= 80 for line in screen.splitlines())


# Network


def test_addresses_come_by_dhcp_and_the_server_knows_the_machine(machine: Container, lan: Lan) -> None:
    assert address_of(machine) == lan.address
    _kind, options = next(asked for asked in lan.asked if asked[0] == DISCOVER)
    assert options[12] == b"bee"  # no serial number in a container
    # By its port alone, so that reservations hold over boots: type 1 and the address, or no identifier.
    assert options.get(61, b"\x01")[:1] == b"\x01"
    assert len(options.get(61, bytes(7))) == 7


def test_names_are_asked_of_the_server_that_dhcp_gave_and_of_no_other(machine: Container) -> None:
    servers = said(machine, "resolvectl", "dns").splitlines()
    given = [line.partition(":")[2].strip() for line in servers]
    assert [line for line in given if line] == [ROUTER]
    status = said(machine, "resolvectl", "status")
    for protocol in ("LLMNR", "mDNS", "DNSOverTLS"):
        assert f"-{protocol}" in status
        assert f"+{protocol}" not in status
    assert "Fallback" not in status
    assert said(machine, "readlink", "-f", "/etc/resolv.conf") == "/run/systemd/resolve/stub-resolv.conf"


def test_the_operator_renews_the_addresses_and_a_stranger_does_not(machine: Container, lan: Lan) -> None:
    restart = ["systemctl", "--no-ask-password", "restart", "bee-network.service"]
    asked = lan.questions(DISCOVER)
    assert machine.run(restart, user=STRANGER, check=False).returncode != 0
    assert lan.questions(DISCOVER) == asked
    # Another server would give another address: the old one is not kept.
    lan.address = "192.0.2.51"
    machine.run(restart, user=OPERATOR)
    assert eventually(lambda: address_of(machine) == "192.0.2.51"), machine.journal()
    assert lan.questions(DISCOVER) > asked
    assert shown(machine, "bee-network.service", "ActiveState") == "active"


def test_renewing_starts_a_network_service_that_has_died(machine: Container, lan: Lan) -> None:
    machine.run(["systemctl", "stop", "systemd-networkd.service", "systemd-networkd.socket"])
    machine.run(["systemctl", "restart", "bee-network.service"])
    assert eventually(lambda: said(machine, "systemctl", "is-active", "systemd-networkd") == "active")
    assert eventually(lambda: address_of(machine) == lan.address), machine.journal()


def test_a_name_from_dhcp_is_the_machine_s_name(machine: Container, lan: Lan) -> None:
    lan.host_name = "rack7-u12"
    machine.run(["systemctl", "restart", "bee-network.service"])
    assert eventually(lambda: said(machine, "hostname") == "rack7-u12"), machine.journal()


def test_a_cable_that_was_out_is_noticed(machine: Container, lan: Lan) -> None:
    lan.unplug()
    assert eventually(lambda: address_of(machine) == ""), machine.journal()
    lan.plug()
    assert eventually(lambda: address_of(machine) == lan.address), machine.journal()


def test_nothing_left_the_machine_but_questions_for_addresses(machine: Container, lan: Lan) -> None:
    """All of its life so far: boot, audits, renewals, logins."""
    assert "DHCP" in lan.said()
    assert lan.said() - QUIET - {"answer"} == set()


# What runs, and what does not


def test_only_what_the_preset_names_is_enabled(machine: Container) -> None:
    preset = (OVERLAY / "usr/lib/systemd/system-preset/10-bee.preset").read_text()
    named = set(re.findall(r"^enable (\S+)$", preset, re.MULTILINE))
    listed = said(machine, "systemctl", "list-unit-files", "--state=enabled", "--plain", "--no-legend")
    enabled = {line.split()[0] for line in listed.splitlines()}
    assert enabled - named == set()
    assert {"bee-audit.service", "bee-network.service", "bee-sshsetup.service", "ssh.service"} <= enabled


@pytest.mark.parametrize(
    "unit",
    [
        "systemd-networkd-wait-online.service",
        "systemd-timesyncd.service",
        "systemd-pstore.service",
        "systemd-journal-flush.service",
        "systemd-binfmt.service",
        "user@1000.service",
        "suspend.target",
        "hibernate.target",
        "sleep.target",
    ],
)
def test_what_must_never_start_cannot(machine: Container, unit: str) -> None:
    assert said(machine, "systemctl", "is-enabled", unit) in ("masked", "not-found")


def test_nothing_wakes_up_by_itself(machine: Container) -> None:
    timers = said(machine, "systemctl", "list-timers", "--all", "--plain", "--no-legend")
    assert re.findall(r"(\S+\.timer)", timers) == ["systemd-tmpfiles-clean.timer"]


def test_nothing_puts_the_machine_to_sleep_or_restarts_it(machine: Container) -> None:
    assert said(machine, "systemctl", "show", "--property=RuntimeWatchdogUSec", "--value") == "0"
    login1 = ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager")
    assert said(machine, "busctl", "get-property", *login1, "IdleAction") == 's "ignore"'


def test_the_journal_is_in_memory(machine: Container) -> None:
    files = re.findall(r"File path: (\S+)", said(machine, "journalctl", "--header"))
    assert files
    assert all(file.startswith("/run/log/journal/") for file in files)


def test_arrays_on_disks_are_not_assembled(machine: Container) -> None:
    rules = said(machine, "sh", "-c", "readlink /etc/udev/rules.d/6*-*.rules").split()
    assert rules
    assert set(rules) == {"/dev/null"}
    assert "options md_mod start_ro=1" in said(machine, "modprobe", "--showconfig")
    generator = "/etc/systemd/system-generators/systemd-gpt-auto-generator"
    assert said(machine, "readlink", generator) == "/dev/null"


def test_the_files_of_the_overlay_are_understood(machine: Container) -> None:
    """A word that its reader does not know would be a warning in the journal, and no more than that."""
    warned = machine.journal("-p", "warning", "--output=cat").splitlines()
    assert [line for line in warned if not OF_THE_CONTAINER.search(line)] == []
    rules = machine.run(["udevadm", "verify", "/etc/udev/rules.d/90-bee-serial.rules"], check=False)
    assert rules.returncode == 0, rules.stdout + rules.stderr


def test_systemd_finds_no_fault_in_the_units_of_the_overlay(machine: Container) -> None:
    units = [f"/usr/lib/systemd/system/{unit}" for unit in UNITS]
    units += ["getty@tty1.service", "serial-getty@ttyS0.service"]
    verified = machine.run(["systemd-analyze", "verify", "--man=no", *units], check=False)
    assert (verified.returncode, verified.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS)
def test_the_unit_is_hardened(machine: Container, unit: str) -> None:
    limit = f"--threshold={EXPOSURE_LIMITS[unit]}"
    place = f"/usr/lib/systemd/system/{unit}"
    judged = machine.run(
        ["systemd-analyze", "security", "--offline=yes", limit, "--no-pager", place], check=False
    )
    assert judged.returncode == 0, judged.stdout[-3000:]


# The password marker


def password_on(screen: str) -> str:
    found = re.search(r"Password\s+([a-z0-9]{4}-[a-z0-9]{4}-[a-z0-9]{4})\s", screen)
    assert found, screen
    return found[1]


def test_without_keys_the_login_screen_has_a_password_that_opens(
    open_machine: Container, open_lan: Lan, tmp_path: Path
) -> None:
    visitor = Visitor(open_lan, tmp_path)
    screen = screen_of(open_machine)
    assert all(len(line) <= 80 for line in screen.splitlines())
    password = password_on(screen)
    for user in ("root", OPERATOR):
        assert visitor.ssh(user, "id", "-un", password=password).stdout == f"{user}\n"
    refused = visitor.ssh(OPERATOR, "true", password="live")
    assert refused.returncode == 255
    assert "Permission denied" in refused.stderr
    assert visitor.ssh(OPERATOR, "true").returncode == 255  # nobody's key


def test_the_password_is_another_one_at_each_start(open_machine: Container) -> None:
    first = password_on(screen_of(open_machine))
    open_machine.run(["systemctl", "restart", "bee-sshsetup.service"])
    assert password_on(screen_of(open_machine)) != first


def test_the_password_is_for_who_is_at_the_machine(open_machine: Container) -> None:
    password = password_on(screen_of(open_machine))
    for place in ("/run/issue.d/50-bee.issue", "/run/bee-access"):
        assert password in said(open_machine, "cat", place, user=OPERATOR)
        assert open_machine.run(["cat", place], user=STRANGER, check=False).returncode != 0
    assert password not in open_machine.journal()


def test_the_image_has_no_password(open_machine: Container) -> None:
    lines = (live_layers()[0] / "etc/shadow").read_text().splitlines()
    hashes = {user: hashed for user, hashed, *_rest in (line.split(":") for line in lines)}
    assert {user for user, hashed in hashes.items() if hashed[:1] not in ("*", "!")} == set()
    assert failed_units(open_machine) == ""


# Without a network that works


def ready_without_a_network(machine: Container) -> None:
    """All that needs no network is there, soon, and nothing has failed."""
    assert failed_units(machine) == ""
    for unit in ("ssh.service", "bee-network.service", "bee-audit.service", "multi-user.target"):
        assert seconds_to(machine, unit) < SECONDS_WITHOUT_A_WAIT, unit
    assert shown(machine, "bee-audit.service", "Result") == "success"
    machine.run(["test", "-s", "/var/log/bee-audit.json"])


def test_nothing_of_the_network_comes_before_the_audit(machine: Container) -> None:
    before = said(machine, "systemctl", "list-dependencies", "--after", "--plain", "bee-audit.service")
    assert "basic.target" in before
    assert re.findall(r"\S*network\S*\.(?:service|target)", before) == []
    # It is never even asked for: what wants it would wait two minutes for a cable.
    assert said(machine, "systemctl", "is-active", "network-online.target") == "inactive"


@pytest.mark.parametrize("manner", ["silent", "refusing", "garbage"])
def test_a_broken_dhcp_server_delays_nothing(manner: str) -> None:
    require(*CONTAINER, "ip")
    with Lan(manner=manner) as lan, booted_live(with_marker, lan=lan) as machine:
        ready_without_a_network(machine)
        assert eventually(lambda: lan.questions(DISCOVER) > 0)
        assert address_of(machine) == ""
        # It goes on asking, and a server that is repaired is heard.
        lan.manner = "right"
        machine.run(["systemctl", "restart", "bee-network.service"])
        assert eventually(lambda: address_of(machine) == lan.address), machine.journal()
        assert lan.said() - QUIET == set()


def test_ssh_answers_before_there_is_a_network_and_without_a_cable(tmp_path: Path) -> None:
    require(*CONTAINER, "ip", "ssh")
    with Lan(cable=False) as lan:
        visitor = Visitor(lan, tmp_path)
        with booted_live(with_keys(visitor.public_key), lan=lan) as machine:
            ready_without_a_network(machine)
            assert lan.frames == []
            greeting = machine.run(["timeout", "5", "bash", "-c", "head -n 1 < /dev/tcp/127.0.0.1/22"]).stdout
            assert greeting.startswith("SSH-2.0-")
            # Hours later somebody finds a cable.
            lan.plug()
            assert eventually(lambda: address_of(machine) == lan.address), machine.journal()
            assert eventually(lambda: visitor.ssh("root", "true").returncode == 0)


def test_an_image_with_neither_keys_nor_marker_lets_nobody_in_and_says_so() -> None:
    require(*CONTAINER)
    with booted_live() as machine:
        assert failed_units(machine) == ""
        assert sshd_allows(machine)["passwordauthentication"] == "no"
        assert [shadow(machine, user) for user in ("root", OPERATOR)] == ["*", "*"]
        assert "nobody may log in" in screen_of(machine)
