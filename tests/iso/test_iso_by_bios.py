"""The live system from a CD, by BIOS, with a cable: what a person finds who switches the server on.

Nobody has touched a key: the boot menu went on by itself.
"""

import json
import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from bee_bus.documents.audit import Snapshot
from bee_bus.documents.sat import SatResult
from lab import hardware
from lab.live_server import LiveServer, eventually
from lab.rootfs import CHECKOUT

pytestmark = [pytest.mark.iso, pytest.mark.timeout(4200)]

TOLD = hardware.REFERENCE
SERVICES = ("bee-auditd.service", "bee-gpud.service", "bee-satd.service")
STRANGER = "nobody"
RUN_AUDIT = "busctl call org.bee.Audit1 /org/bee/Audit1 org.bee.Audit1 Run 'a{ss}' 1 sections board"
SMOKE_TEST = CHECKOUT / "iso" / "builder" / "smoketest.sh"


@pytest.fixture(scope="module")
def snapshot(by_bios: LiveServer) -> Snapshot:
    """What the audit at boot has found."""
    return msgspec.json.decode(by_bios.fetch("/var/log/bee-audit.json"), type=Snapshot, strict=True)


def test_every_unit_came_up(by_bios: LiveServer) -> None:
    assert by_bios.run("systemctl --failed --plain --no-legend").stdout == ""
    assert by_bios.run("systemctl is-system-running").stdout == "running\n"


def test_the_machine_bears_its_serial_number(by_bios: LiveServer) -> None:
    assert by_bios.run("hostname").stdout == f"bee-{TOLD.board.serial.lower()}\n"


def test_it_runs_the_pinned_kernel_and_says_what_it_is(by_bios: LiveServer) -> None:
    versions = values((CHECKOUT / "iso/builder/VERSIONS").read_text())
    release = values(by_bios.run("cat /etc/bee-release").stdout)
    kernel = by_bios.run("uname -r").stdout.strip()
    assert kernel == versions["DEBIAN_KERNEL_ABI"] == release["DEBIAN_KERNEL_ABI"]
    assert by_bios.run("bee --version").stdout.split()[-1] == release["BEE_VERSION"]


def test_the_initramfs_holds_what_a_medium_needs_and_little_else(by_bios: LiveServer) -> None:
    """A BMC reads it at a few megabytes a second."""
    listed = by_bios.run("lsinitramfs /run/live/medium/live/initrd.img-*", deadline_seconds=300).stdout
    modules = {Path(line).name.partition(".ko")[0] for line in listed.splitlines() if ".ko" in line}
    media = {"usb-storage", "uas", "xhci-pci", "sr_mod", "sd_mod", "ahci", "nvme", "mmc_block", "nd_pmem"}
    assert media | {"isofs", "udf", "vfat", "exfat", "squashfs", "overlay", "loop"} <= modules
    assert {"e1000e", "igb", "ixgbe", "i40e", "ice", "bnxt_en", "mlx5_core", "tg3", "virtio_net"} <= modules
    assert not {"i915", "nouveau", "radeon", "btrfs", "xfs", "lpfc", "qla2xxx"} & modules
    assert "scripts/init-top/udev" in listed.split()


def test_a_shorter_announcement_of_devices_leaves_none_out(by_bios: LiveServer) -> None:
    """Against that of Debian's own unit, which announces drivers, modules and blocks of memory as well."""
    nodes = "find /dev -type b -o -type c -o -type l"
    listed = f"cut -d ' ' -f 1 /proc/modules; {nodes}"
    before = by_bios.run(f"udevadm settle; {listed}").stdout.split()
    by_bios.run("udevadm trigger --type=all --action=add --settle", deadline_seconds=300)
    after = by_bios.run(listed).stdout.split()
    assert "/dev/ipmi0" in before
    # The characters on a screen (vcs(4)) by a number, which is what none of the others is.
    assert {one for one in after if not one.startswith("/dev/char/7:")} <= set(before)
    assert by_bios.fetch("/sys/module/block/parameters/events_dfl_poll_msecs").split() == [b"2000"]


def values(text: str) -> Mapping[str, str]:
    """NAME=value lines."""
    pairs = [line.split("=", 1) for line in text.splitlines() if re.match(r"[A-Z_]+=", line)]
    return {name: value.strip('"') for name, value in pairs}


def test_the_modules_of_the_driver_fit_the_kernel_and_a_machine_without_a_gpu_is_well(
    by_bios: LiveServer,
) -> None:
    kernel = by_bios.run("uname -r").stdout.strip()
    modules = by_bios.run("ls /usr/local/lib/nvidia/*.ko").stdout.split()
    assert {"nvidia.ko", "nvidia-uvm.ko"} <= {Path(module).name for module in modules}
    for module in modules:
        assert by_bios.run(f"modinfo --field vermagic {module}").stdout.split()[0] == kernel
    # The module finds all that it needs in this kernel, and then no GPU.
    by_bios.run("modprobe --all drm ecdh_generic ecdsa_generic")
    inserted = by_bios.run("insmod /usr/local/lib/nvidia/nvidia.ko", check=False)
    assert "No such device" in inserted.stderr, inserted.stderr
    assert by_bios.run("systemctl show --property=Result --value bee-nvidia.service").stdout == "success\n"
    assert by_bios.run("journalctl --boot --unit=bee-nvidia.service --output=cat --grep='no NVIDIA'").stdout


def test_the_audit_at_boot_holds_what_the_hardware_was_told_to_be(snapshot: Snapshot) -> None:
    found = snapshot.hardware
    assert {run.name: run.error for run in snapshot.collectors if run.status not in ("ok", "absent")} == {}
    assert found.storage and found.memory and found.network and found.psus and found.sensors and found.bmc
    disks = {disk.serial: disk.size_bytes for disk in found.storage.disks}
    told = {disk.serial: disk.size_bytes for disk in TOLD.nvmes}
    told |= {disk.serial: disk.size_bytes for disk in TOLD.satas}
    assert {serial: disks[serial] for serial in told} == told
    assert [(slot.serial, slot.size_bytes) for slot in found.memory.slots] == [
        (dimm.serial, dimm.size_mib * hardware.MIB) for dimm in TOLD.dimms
    ]
    cards = {card.mac: card.carrier for card in found.network.interfaces if card.physical}
    assert cards == {nic.mac: nic.link_up for nic in TOLD.nics}
    assert {psu.serial for psu in found.psus.psus} == set(hardware.PSU_SERIALS)
    assert {fru.serial for fru in found.bmc.fru_devices} >= {hardware.PRODUCT_SERIAL}
    sensors = {sensor.name: sensor.status for sensor in found.sensors.sensors}
    assert sensors == {sensor.name: "ok" for sensor in hardware.bmc().sensors}
    assert found.board and found.board.system
    assert (found.board.system.serial, found.board.system.uuid) == (TOLD.board.serial, TOLD.board.uuid)
    assert [finding.message for finding in found.summary.findings] == []
    assert found.summary.verdict == "OK"


def test_the_menu_is_on_the_screen_and_takes_keys(by_bios: LiveServer) -> None:
    home = by_bios.until("Verdict", "Shell")
    assert "OK" in next(line for line in home.splitlines() if "Verdict" in line)
    assert by_bios.picture().lit() > 0.005
    menu = by_bios.run("ps --no-headers -o user=,args= -t tty1").stdout
    assert [line.split()[0] for line in menu.splitlines() if "tui" in line] == ["bee"], menu
    by_bios.press("n")
    by_bios.until("Gateway", "ssh bee@10.0.2.15, with a key")
    by_bios.press("esc")
    by_bios.until("Verdict", "Shell")


def test_the_bus_knows_who_asks(by_bios: LiveServer) -> None:
    """bee may start an audit, over SSH too; a stranger may look, and no more."""
    assert "/org/bee/Audit1/job/" in by_bios.run(RUN_AUDIT).stdout
    assert "/org/bee/Audit1/job/" in by_bios.bee.run(RUN_AUDIT).stdout
    assert by_bios.bee.run("id --name --user").stdout == "bee\n"
    refused = by_bios.run(RUN_AUDIT, user=STRANGER, check=False)
    assert refused.returncode != 0
    assert "org.bee.audit.run needs a password" in refused.stderr, refused.stderr
    version = "busctl get-property org.bee.Audit1 /org/bee/Audit1 org.bee.Audit1 Version"
    assert by_bios.run(version, user=STRANGER).stdout.startswith('s "')


def test_bee_is_no_road_to_root(by_bios: LiveServer) -> None:
    assert by_bios.bee.run("command -v sudo pkexec doas", check=False).stdout == ""
    assert by_bios.bee.run("cat /etc/shadow", check=False).returncode != 0
    passwords = by_bios.run("getent shadow root bee | cut -d: -f2").stdout.split()
    assert all(password.startswith(("!", "*")) for password in passwords), passwords


def test_with_keys_in_the_image_no_password_is_asked_for(by_bios: LiveServer) -> None:
    for user in ("root", "bee"):
        asked = subprocess.run(
            [
                *("ssh", "-F", "none", "-p", str(by_bios.ssh_port), "-o", "StrictHostKeyChecking=no"),
                *("-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes", "-o", "ConnectTimeout=60"),
                *("-o", "PubkeyAuthentication=no", f"{user}@127.0.0.1", "true"),
            ],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert asked.returncode == 255
        assert "Permission denied (publickey)" in asked.stderr
    assert by_bios.run("ls /etc/bee-password-fallback", check=False).returncode != 0


def get(server: LiveServer, path: str, *, cookie: str = "") -> str:
    request = urllib.request.Request(server.web + path, headers={"Cookie": cookie} if cookie else {})
    with urllib.request.urlopen(request, timeout=120) as answer:
        text: str = answer.read().decode()
    return text


def logged_in(server: LiveServer, token: str) -> str:
    """The cookie of a session."""
    body = json.dumps({"token": token}).encode()
    headers = {"Content-Type": "application/json", "Origin": server.web}
    request = urllib.request.Request(server.web + "/api/v1/session", data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return str(answer.headers["Set-Cookie"]).split(";")[0]


def test_the_web_shows_the_verdict_and_the_token_opens_it(by_bios: LiveServer, snapshot: Snapshot) -> None:
    assert snapshot.hardware.summary.verdict
    page = get(by_bios, "/")
    word = re.search(r'id="verdict"[^>]*>(?:<span[^>]*>[^<]*</span>)?([^<]*)<', page)
    assert word is not None
    assert word[1].strip().lower() == snapshot.hardware.summary.verdict.lower()
    assert TOLD.board.serial in page
    assert json.loads(get(by_bios, "/api/v1/session"))["logged_in"] is False
    with pytest.raises(urllib.error.HTTPError, match="401"):
        logged_in(by_bios, "0000-0000-0000")
    said = by_bios.bee.run("bee web token").stdout
    token = re.search(r"\b(?:[0-9a-z]{4}-){2}[0-9a-z]{4}\b", said)
    assert token, said
    cookie = logged_in(by_bios, token[0])
    assert json.loads(get(by_bios, "/api/v1/session", cookie=cookie))["logged_in"] is True
    assert by_bios.run("bee web token", user=STRANGER, check=False).returncode == 3


def test_a_storage_run_comes_to_its_verdict(by_bios: LiveServer) -> None:
    listed = by_bios.run("lsblk --nodeps --noheadings --output SERIAL,NAME").stdout
    rows = [line.split() for line in listed.splitlines()]
    names = {row[0]: row[1] for row in rows if len(row) == 2}
    disks = ",".join(names[sata.serial] for sata in TOLD.satas)
    ended = by_bios.bee.run(f"bee sat storage --disks {disks} --json", check=False, deadline_seconds=1200)
    assert ended.stdout, ended.stderr
    result = msgspec.json.decode(ended.stdout, type=SatResult)
    assert (result.status, ended.returncode) == ("OK", 0), result
    assert by_bios.run(f"tar tzf /var/log/bee-sat/{result.run}.tar.gz").stdout


def test_services_that_nobody_needs_are_gone(by_bios: LiveServer) -> None:
    states = f"systemctl is-active {' '.join(SERVICES)}"
    eventually(
        lambda: by_bios.run(states, check=False).stdout,
        lambda said: said.split() == ["inactive"] * len(SERVICES),
        "no service of the bus left",
        deadline_seconds=300,
        pause_seconds=5,
    )


def test_it_has_asked_the_network_for_addresses_and_for_nothing_else(by_bios: LiveServer) -> None:
    """A gateway and a name server were there to be asked."""
    assert by_bios.run("resolvectl dns").stdout.count("10.0.2.3") == 1
    said = by_bios.conversation()
    assert any(packet.ports == (68, 67) for packet in said), "the dump is empty"
    assert by_bios.strays() == []


def test_no_disk_was_written_to_mounted_assembled_or_swapped_to(by_bios: LiveServer) -> None:
    """On them are an unclean array, an unclean filesystem with the label of live systems, and swap."""
    assert by_bios.changed_disks() == []
    assert set(by_bios.writes().values()) == {0}
    assert by_bios.run("cat /proc/swaps").stdout.splitlines()[1:] == []
    assert not re.search(r"^md", by_bios.run("cat /proc/mdstat 2>/dev/null || true").stdout, re.MULTILINE)
    mounted = by_bios.run("findmnt --noheadings --list --output SOURCE").stdout.split()
    assert not [source for source in mounted if source.startswith(("/dev/sd", "/dev/nvme", "/dev/md"))]


def test_the_smoke_test_passes(by_bios: LiveServer) -> None:
    ended = by_bios.run("sh -s", stdin=SMOKE_TEST.read_bytes(), check=False, deadline_seconds=900)
    lines = ended.stdout.splitlines()
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert not [line for line in lines if line.startswith("FAIL")]
    assert len([line for line in lines if line.startswith("PASS")]) >= 15, ended.stdout
    # Without NVIDIA's hardware what is about it is skipped, and nothing else.
    skipped = [line for line in lines if line.startswith("SKIP")]
    assert all("PCI shows no NV" in line for line in skipped), skipped


def test_a_power_cut_in_the_middle_of_a_run(by_bios: LiveServer) -> None:
    """A live system has no disk to remember a run on. What must hold: it comes up by itself as at first,
    nothing failed, audited anew; of the run there is no trace, so no claim either; the disks are untouched.
    """
    first_boot = by_bios.fetch("/proc/sys/kernel/random/boot_id")
    host_key = by_bios.run("cat /etc/ssh/ssh_host_ed25519_key.pub").stdout
    by_bios.bee.run("bee sat memory --size-mb 256 --duration 600 --detach")
    eventually(
        lambda: by_bios.run("pgrep --exact memtester", check=False).stdout,
        bool,
        "the load has begun",
        deadline_seconds=240,
    )
    time.sleep(3)
    by_bios.reset()
    assert by_bios.fetch("/proc/sys/kernel/random/boot_id") != first_boot
    assert by_bios.run("systemctl --failed --plain --no-legend").stdout == ""
    assert json.loads(by_bios.bee.run("bee sat list --json").stdout) == []
    snapshot = msgspec.json.decode(by_bios.fetch("/var/log/bee-audit.json"), type=Snapshot)
    assert snapshot.hardware.summary.verdict == "OK"
    by_bios.until("Verdict", "Shell")
    # Each boot has host keys of its own: none is in the image.
    assert by_bios.run("cat /etc/ssh/ssh_host_ed25519_key.pub").stdout != host_key
    assert by_bios.changed_disks() == []
    assert set(by_bios.writes().values()) == {0}
