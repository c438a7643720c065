"""The smoke test, on a machine where all is well, and on one with each thing broken that it asks about."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import pytest

from bee_bus.documents.audit import Snapshot
from bee_bus.documents.gpus import Gpu, GpusSection
from lab.container import Container
from lab.lan import FAR_END, ROUTER, Lan, eventually
from lab.live import booted_live, with_keys
from lab.prerequisites import CONTAINER, require
from lab.rootfs import CHECKOUT, MEMBER
from lab.visitor import Visitor

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

SCRIPT = CHECKOUT / "iso/builder/smoketest.sh"
SNAPSHOT = Path("/var/log/bee-audit.json")
GPUS = ("0000:3b:00.0", "0000:86:00.0")
VERSION = "550.163.01"
LIBRARIES = "/usr/lib/x86_64-linux-gnu"


class Report:
    """What the smoke test has said: lines by their verdict."""

    def __init__(self, text: str, status: int) -> None:
        self.text = text
        self.status = status
        self._lines = [line.split(maxsplit=1) for line in text.splitlines()]

    def lines(self, verdict: str) -> list[str]:
        return [words[1] for words in self._lines if words[:1] == [verdict]]

    def names(self, verdict: str) -> list[str]:
        """What the lines of a verdict are about: the words before the colon."""
        return [line.partition(":")[0] for line in self.lines(verdict)]

    def line(self, verdict: str, name: str) -> str:
        found = [line for line in self.lines(verdict) if line.startswith(f"{name}: ")]
        assert len(found) == 1, f"{verdict} {name}, in:\n{self.text}"
        return found[0]


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
    with booted_live(with_keys(visitor.public_key), lan=lan) as machine:
        assert eventually(lambda: lan.address in machine.run(["ip", "address"]).stdout), machine.journal()
        yield machine


def smoke_test(machine: Container, *, user: str = "root") -> Report:
    ended = machine.run(["sh", "-s"], user=user, typed=SCRIPT.read_text(), check=False, deadline_seconds=180)
    return Report(ended.stdout + ended.stderr, ended.returncode)


@contextmanager
def changed(machine: Container, path: Path, text: str) -> Iterator[None]:
    """A file of the machine with other content, for a while; one that was not there goes again."""
    file = machine.root / path.relative_to("/")
    before = file.read_text() if file.exists() else None
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    try:
        yield
    finally:
        file.unlink() if before is None else file.write_text(before)


@contextmanager
def covered(machine: Container, place: str, cover: str) -> Iterator[None]:
    machine.run(["mount", "--bind", cover, place])
    try:
        yield
    finally:
        machine.run(["umount", place])


@contextmanager
def gpus_in(
    machine: Container,
    *,
    modules: tuple[str, ...] = ("nvidia", "nvidia_uvm"),
    seen: tuple[str, ...] = GPUS,
    audited: tuple[str, ...] = GPUS,
    libcuda: str = f"libcuda.so.{VERSION}",
) -> Iterator[None]:
    """PCI shows two GPUs beside what else NVIDIA and others make; the driver is there with what it sees."""
    here = machine.root / "srv/smoke"
    devices = {GPUS[0]: ("0x10de", "0x030200"), GPUS[1]: ("0x10de", "0x030000")}
    others = {
        "0000:05:00.0": ("0x10de", "0x068000"),  # an NVSwitch
        "0000:86:00.1": ("0x10de", "0x040300"),  # the sound of a display card
        "0000:03:00.0": ("0x1a03", "0x030000"),  # the display of a BMC
    }
    for address, (vendor, kind) in {**devices, **others}.items():
        folder = here / "devices" / address
        folder.mkdir(parents=True)
        (folder / "vendor").write_text(f"{vendor}\n")
        (folder / "class").write_text(f"{kind}\n")
    for module in modules:
        (here / "module" / module).mkdir(parents=True)
        (here / "module" / module / "version").write_text(f"{VERSION}\n")
    tool = machine.root / "usr/local/bin/nvidia-smi"
    # As it writes them: a domain of eight digits, in capitals.
    tool.write_text("#!/bin/sh\n" + "".join(f"echo 0000{gpu.upper()}\n" for gpu in seen))
    tool.chmod(0o755)
    libraries = machine.root / LIBRARIES.lstrip("/")
    real = (
        f"{LIBRARIES}/{Path(machine.run(['readlink', '-f', f'{LIBRARIES}/libz.so.1']).stdout.strip()).name}"
    )
    links = {"libnvidia-ml.so.1": f"libnvidia-ml.so.{VERSION}", "libcuda.so.1": libcuda}
    for link, file in links.items():
        (libraries / link).symlink_to(file)
        machine.run(["cp", real, f"{LIBRARIES}/{link.removesuffix('.1')}.{VERSION}"])
    for node in ("nvidiactl", "nvidia-uvm"):
        machine.run(["touch", f"/dev/{node}"])
    snapshot = msgspec.json.decode(machine.run(["cat", str(SNAPSHOT)]).stdout, type=Snapshot)
    section = GpusSection(
        gpus=tuple(
            Gpu(id=gpu, name=gpu, vendor_id="10de", device_id="2330", uuid=f"GPU-{gpu}", condition="ok")
            for gpu in audited
        )
    )
    hardware = msgspec.structs.replace(snapshot.hardware, gpus=section)
    audit = msgspec.json.encode(msgspec.structs.replace(snapshot, hardware=hardware)).decode()
    with ExitStack() as stack:
        stack.enter_context(changed(machine, SNAPSHOT, audit))
        stack.enter_context(changed(machine, Path("/etc/bee-release"), f"NVIDIA_VERSION={VERSION}\n"))
        stack.enter_context(covered(machine, "/sys/bus/pci/devices", "/srv/smoke/devices"))
        stack.enter_context(covered(machine, "/sys/module", "/srv/smoke/module"))
        for node in ("nvidiactl", "nvidia-uvm"):
            stack.enter_context(covered(machine, f"/dev/{node}", "/dev/null"))
        yield
    machine.run(["rm", "-r", "/srv/smoke", "/usr/local/bin/nvidia-smi"])
    machine.run(["sh", "-c", f"rm {LIBRARIES}/libcuda.so* {LIBRARIES}/libnvidia-ml.so*"])
    machine.run(["rm", "/dev/nvidiactl", "/dev/nvidia-uvm"])


def test_a_sound_machine_passes_over_ssh(machine: Container, visitor: Visitor) -> None:
    ended = visitor.ssh("root", "sh -s", typed=SCRIPT.read_text())
    report = Report(ended.stdout, ended.returncode)
    assert (report.lines("FAIL"), report.status, ended.stderr) == ([], 0, ""), report.text
    assert report.names("SKIP") == [
        "nvidia-modules",
        "nvidia-smi",
        "library-links",
        "fabric-manager",
        "audit-gpus",
    ]
    assert all(line.partition(": ")[2] for line in report.lines("SKIP"))
    passed = report.names("PASS")
    assert passed.count("unit") >= 9
    assert passed.count("bus") == 3
    for name in ("failed-units", "audit", "web /", "web /healthz", "lan", "internet", "connections", "wire"):
        assert name in passed
    # It counts what it has said.
    words = f"{len(passed)} passed, 0 failed, {len(report.names('SKIP'))} skipped"
    assert report.text.splitlines()[-1].strip() == words


def test_gpus_that_are_all_there_pass(machine: Container) -> None:
    manager = changed(machine, Path("/usr/local/bin/nv-fabricmanager"), "#!/bin/sh\nsleep 600 &\n")
    with gpus_in(machine), manager:
        machine.run(["chmod", "0755", "/usr/local/bin/nv-fabricmanager"])
        machine.run(["systemctl", "start", "nvidia-fabricmanager.service"])
        report = smoke_test(machine)
        machine.run(["systemctl", "stop", "nvidia-fabricmanager.service"])
    assert (report.lines("FAIL"), report.lines("SKIP"), report.status) == ([], [], 0), report.text
    for name in ("nvidia-smi", "audit-gpus"):
        assert " ".join(GPUS) in report.line("PASS", name)
    assert VERSION in report.line("PASS", "nvidia-modules")
    assert VERSION in report.line("PASS", "library-links")


def test_each_fault_of_the_gpus_is_found(machine: Container) -> None:
    broken = gpus_in(
        machine, modules=("nvidia",), seen=GPUS[:1], audited=GPUS[1:], libcuda="libcuda.so.535.54.03"
    )
    with broken:
        report = smoke_test(machine)
    assert report.status == 1
    assert sorted(report.names("FAIL")) == [
        "audit-gpus",
        "fabric-manager",
        "library-links",
        "nvidia-modules",
        "nvidia-smi",
    ]
    assert "module nvidia_uvm" in report.line("FAIL", "nvidia-modules")
    assert report.line("FAIL", "nvidia-smi").endswith(f": {GPUS[1]}")
    assert "libcuda.so.1 is missing or leads nowhere" in report.line("FAIL", "library-links")
    assert f"{GPUS[0]} is not in the audit" in report.line("FAIL", "audit-gpus")


def test_gpus_in_an_image_without_a_driver_fail(machine: Container) -> None:
    with gpus_in(machine, modules=("drm",), seen=()), changed(machine, Path("/etc/bee-release"), ""):
        machine.run(["rm", "/usr/local/bin/nvidia-smi"])
        report = smoke_test(machine)
        machine.run(["touch", "/usr/local/bin/nvidia-smi"])
    assert sorted(report.names("FAIL")) == ["fabric-manager", "library-links", "nvidia-modules", "nvidia-smi"]
    assert report.status == 1


CALLER = """
import socket, time
while True:
    for _packet in range(3):
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"?", ("198.51.100.53", 53))
    time.sleep(0.5)
"""
# The kernel gives up a call after two minutes, which a smoke test on a busy host outlasts.
CALLS_HOME = """
import contextlib, socket
while True:
    with contextlib.suppress(OSError), socket.socket() as call:
        call.settimeout(600)
        call.connect(("198.51.100.7", 443))
"""


@contextmanager
def unit_of(machine: Container, name: str, *words: str, options: tuple[str, ...] = ()) -> Iterator[None]:
    machine.run(["systemd-run", "--quiet", f"--unit={name}", *options, "--", *words])
    try:
        yield
    finally:
        for suffix in ("timer", "service"):
            machine.run(["systemctl", "stop", f"{name}.{suffix}"], check=False)
            machine.run(["systemctl", "reset-failed", f"{name}.{suffix}"], check=False)


def snapshot_text(machine: Container) -> str:
    return json.dumps(json.loads(machine.run(["cat", str(SNAPSHOT)]).stdout), separators=(",", ":"))


def test_each_fault_of_the_services_and_a_router_that_is_silent_are_found(
    machine: Container, lan: Lan
) -> None:
    text = snapshot_text(machine)
    half = changed(machine, SNAPSHOT, text[: len(text) // 2])
    with unit_of(machine, "lab-broken", "false"), half:
        machine.run(["systemctl", "stop", "bee-web.socket", "bee-web.service", "bee-sshsetup.service"])
        machine.run(["systemctl", "mask", "--runtime", "--now", "bee-gpud.service"])
        lan.configure("address", "del", f"{ROUTER}/24", "dev", FAR_END)
        try:
            report = smoke_test(machine)
        finally:
            lan.configure("address", "add", f"{ROUTER}/24", "dev", FAR_END)
            machine.run(["systemctl", "unmask", "--runtime", "bee-gpud.service"])
            machine.run(["systemctl", "start", "bee-web.socket", "bee-sshsetup.service"])
    assert report.status == 1
    assert "lab-broken.service" in "".join(report.lines("FAIL"))
    units = [line for line in report.lines("FAIL") if line.startswith("unit: ")]
    assert [line.split()[1] for line in units] == ["bee-sshsetup.service", "bee-web.socket"]
    assert "org.bee.Gpu1" in report.line("FAIL", "bus")
    assert "refused" in report.line("FAIL", "web /")
    assert "refused" in report.line("FAIL", "web /healthz")
    assert "JSONDecodeError" in report.line("FAIL", "audit")
    assert ROUTER in report.line("FAIL", "lan")
    # What is sound is told as sound all the same.
    assert {"connections", "internet", "wire"} <= set(report.names("PASS"))


def test_a_timer_that_reaches_for_the_internet_is_found(machine: Container) -> None:
    text = snapshot_text(machine)
    old = text.replace('"started_at":"2', '"started_at":"1')
    assert old != text
    every_second = ("--on-active=1", "--on-unit-inactive=1", "--timer-property=AccuracySec=100ms")
    with (
        unit_of(machine, "lab-updates", "python3", "-c", CALLER, options=every_second),
        changed(machine, SNAPSHOT, old),
    ):
        assert eventually(
            lambda: machine.run(["systemctl", "is-active", "lab-updates"], check=False).returncode == 0
        )
        report = smoke_test(machine)
    assert report.status == 1
    assert "lab-updates.timer" in report.line("FAIL", "internet")
    assert "UDP to 198.51.100.53 port 53" in report.line("FAIL", "wire")
    assert "older than this boot" in report.line("FAIL", "audit")


def test_a_program_that_calls_home_is_found(machine: Container) -> None:
    text = snapshot_text(machine)
    hung = text.replace('"status":"ok"', '"status":"timeout"', 1)
    assert hung != text
    sources = "deb http://deb.example.org/debian trixie main\n"
    with ExitStack() as stack:
        stack.enter_context(unit_of(machine, "lab-home", "python3", "-c", CALLS_HOME))
        stack.enter_context(changed(machine, Path("/etc/apt/sources.list"), sources))
        stack.enter_context(changed(machine, SNAPSHOT, hung))
        report = smoke_test(machine)
    # Whether it calls while the wire is listened to is its own affair.
    assert set(report.names("FAIL")) - {"wire"} == {"audit", "connections", "internet"}, report.text
    assert "did not finish" in report.line("FAIL", "audit")
    assert "198.51.100.7:443" in report.line("FAIL", "connections")
    assert "/etc/apt/sources.list" in report.line("FAIL", "internet")


def test_without_a_cable_the_network_is_skipped_and_not_passed(machine: Container, lan: Lan) -> None:
    lan.unplug()
    try:
        assert eventually(lambda: lan.address not in machine.run(["ip", "address"]).stdout)
        report = smoke_test(machine)
    finally:
        lan.plug()
    assert report.line("SKIP", "lan").startswith("lan: no port has a link: ")
    assert report.lines("FAIL") == []


def test_who_is_not_root_is_told_so(machine: Container) -> None:
    report = smoke_test(machine, user=MEMBER)
    assert report.status == 2
    assert "must be root" in report.text
    assert report.lines("PASS") == []
