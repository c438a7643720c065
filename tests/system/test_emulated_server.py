"""`bee audit` on a whole server: what it says is what the emulated hardware was told to be.

Disks and interfaces are known by serial and address: the kernel numbers them as it finds them.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from bee_bus.documents.audit import Finding, Snapshot
from lab import hardware
from lab.container import Container
from lab.rootfs import MEMBER, STRANGER
from lab.sdr import ThresholdSensor
from lab.server import Server

pytestmark = [pytest.mark.qemu, pytest.mark.timeout(1200)]

EXPECTED = hardware.REFERENCE


@pytest.fixture(scope="module")
def snapshot(reference: Server) -> Snapshot:
    return audited(reference)


def audited(server: Server) -> Snapshot:
    """A fresh audit, through the CLI and the bus."""
    ended = server.run("bee audit --json", check=False, deadline_seconds=300)
    assert ended.stdout, ended.stderr + server.run("journalctl --unit=bee-auditd.service | tail -40").stdout
    return msgspec.json.decode(ended.stdout, type=Snapshot)


def found(snapshot: Snapshot, component: str) -> list[Finding]:
    return [each for each in snapshot.hardware.summary.findings if each.component.startswith(component)]


@contextmanager
def changed(what: object, **values: Any) -> Iterator[None]:
    """Attributes that are different for a while."""
    before = {name: getattr(what, name) for name in values}
    for name, value in values.items():
        setattr(what, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(what, name, value)


def test_every_collector_answered_and_nothing_is_wrong_with_the_machine(snapshot: Snapshot) -> None:
    bad = {run.name: run.error for run in snapshot.collectors if run.status not in ("ok", "absent")}
    assert bad == {}
    assert list(snapshot.hardware.summary.findings) == []
    assert snapshot.hardware.summary.verdict == "OK"


def test_the_boot_audit_saw_the_same_machine(reference: Server, snapshot: Snapshot) -> None:
    assert reference.run("systemctl --failed --plain --no-legend").stdout == ""
    text = reference.run("journalctl --boot --unit=bee-audit.service --output=cat").stdout
    assert "OK: nothing found wrong" in text and "Finished bee-audit.service" in text
    assert snapshot.hardware.storage is not None
    at_boot = msgspec.json.decode(reference.fetch("/var/log/bee-audit.json"), type=Snapshot)
    assert at_boot.hardware.storage is not None
    assert [disk.serial for disk in at_boot.hardware.storage.disks] == [
        disk.serial for disk in snapshot.hardware.storage.disks
    ]


def test_nvme_disks(snapshot: Snapshot) -> None:
    assert snapshot.hardware.storage is not None
    disks = {disk.serial: disk for disk in snapshot.hardware.storage.disks if disk.kind == "nvme"}
    assert set(disks) == {nvme.serial for nvme in EXPECTED.nvmes}
    for nvme in EXPECTED.nvmes:
        disk = disks[nvme.serial]
        assert disk.size_bytes == nvme.size_bytes
        assert disk.transport == "nvme"
        assert disk.model == "QEMU NVMe Ctrl"
        assert disk.nvme is not None
        assert disk.nvme.critical_warning == 0
        assert disk.temperature_celsius == 50  # QEMU's NVMe is always that warm
        if nvme.port:
            assert disk.pci_address == f"0000:{EXPECTED.bus_of(nvme.port):02x}:00.0"


def test_sata_disks(snapshot: Snapshot) -> None:
    assert snapshot.hardware.storage is not None
    disks = {disk.serial: disk for disk in snapshot.hardware.storage.disks if disk.transport == "sata"}
    assert set(disks) == {sata.serial for sata in EXPECTED.satas}
    for sata in EXPECTED.satas:
        disk = disks[sata.serial]
        assert (disk.model, disk.firmware, disk.size_bytes) == (sata.model, sata.firmware, sata.size_bytes)
        assert (disk.kind, disk.rotation_rate_rpm) == ("hdd", sata.rotation_rpm)
        assert disk.wwn is not None
        assert int(disk.wwn.replace(" ", ""), 16) == sata.wwn
        assert disk.smart_status_passed is True


def test_the_hypervisors_own_disk_is_listed_as_virtual(snapshot: Snapshot) -> None:
    assert snapshot.hardware.storage is not None
    [root] = [disk for disk in snapshot.hardware.storage.disks if disk.transport == "virtio"]
    assert root.virtual
    assert root.serial == "LABROOT"


def test_root_ports_and_what_is_behind_them(snapshot: Snapshot) -> None:
    assert snapshot.hardware.pcie is not None
    devices = {device.id: device for device in snapshot.hardware.pcie.devices}
    for index, port in enumerate(EXPECTED.root_ports):
        root_port = devices[f"0000:00:{0x10 + index:02x}.0"]
        assert root_port.kind == "Root Port"
        assert root_port.link is not None
        assert root_port.link.max_width == port.width
        assert root_port.link.max_speed_gtps == float(port.speed_gts)
        below = devices[f"0000:{EXPECTED.bus_of(port.name):02x}:00.0"]
        assert below.parent == root_port.id
        assert below.location == port.slot_name
        assert below.link is not None
        # QEMU's endpoints can do 2.5 GT/s on one lane, which is then what both ends allow.
        assert (below.link.current_speed_gtps, below.link.current_width) == (2.5, 1)
        assert (below.link.ability_speed_gtps, below.link.ability_width) == (2.5, 1)
        assert below.link.port_max_width == port.width
    assert [slot.name for slot in snapshot.hardware.pcie.slots] == [
        port.slot_name for port in EXPECTED.root_ports
    ]
    assert {device.driver for device in devices.values() if device.class_id == "0108"} == {"nvme"}
    assert all(device.answers for device in devices.values())


def test_network_cards(snapshot: Snapshot) -> None:
    assert snapshot.hardware.network is not None
    cards = {each.mac: each for each in snapshot.hardware.network.interfaces if each.driver == "e1000e"}
    assert set(cards) == {nic.mac for nic in EXPECTED.nics}
    for nic in EXPECTED.nics:
        card = cards[nic.mac]
        assert card.physical
        assert card.carrier is nic.link_up
        assert card.speed_mbps == (1000 if nic.link_up else None)
        if nic.port:
            assert card.pci_address == f"0000:{EXPECTED.bus_of(nic.port):02x}:00.0"


def test_the_bmc(reference: Server, snapshot: Snapshot) -> None:
    assert reference.bmc is not None
    assert snapshot.hardware.bmc is not None
    [controller] = snapshot.hardware.bmc.controllers
    assert controller.firmware == "3.14"
    assert controller.manufacturer_id == reference.bmc.manufacturer_id
    [channel] = [each for each in controller.channels if each.ipv4_address]
    assert channel.ipv4_address == reference.bmc.address
    assert channel.mac_address == reference.bmc.mac.hex(":")
    assert snapshot.hardware.bmc.sel is not None
    assert snapshot.hardware.bmc.sel.entry_count == 0
    frus = {device.serial: device for device in snapshot.hardware.bmc.fru_devices}
    assert set(frus) == {hardware.PRODUCT_SERIAL, *hardware.PSU_SERIALS}
    own = frus[hardware.PRODUCT_SERIAL]
    assert own.board_serial == EXPECTED.board.board_serial
    assert own.chassis_serial == EXPECTED.board.chassis_serial
    assert own.chassis_part_number == hardware.CHASSIS_PART
    assert own.manufactured_at is not None
    assert own.manufactured_at.startswith("2024-03-05T08:30")
    assert all(not device.defects for device in snapshot.hardware.bmc.fru_devices)


def test_power_supplies(snapshot: Snapshot) -> None:
    assert snapshot.hardware.psus is not None
    psus = {psu.serial: psu for psu in snapshot.hardware.psus.psus}
    assert set(psus) == set(hardware.PSU_SERIALS)
    for psu in psus.values():
        assert psu.present is True
        assert (psu.vendor, psu.model, psu.capacity_watts) == ("Ablecom", "PWS-2K20A-1R", 2200)
        assert psu.hot_swap is True


def test_sensors(reference: Server, snapshot: Snapshot) -> None:
    assert reference.bmc is not None
    assert snapshot.hardware.sensors is not None
    sensors = {sensor.name: sensor for sensor in snapshot.hardware.sensors.sensors}
    assert set(sensors) == {sensor.name for sensor in reference.bmc.sensors}
    names = {"noncritical": "non_critical", "nonrecoverable": "non_recoverable"}
    for told in reference.bmc.sensors:
        seen = sensors[told.name]
        assert seen.status == "ok"
        assert seen.number == told.number
        if isinstance(told, ThresholdSensor):
            assert seen.value == pytest.approx(told.value)
            for name, raw in told.thresholds.items():
                side, _, level = name.partition("_")
                limit = getattr(seen.thresholds, f"{side}_{names.get(level, level)}")
                assert limit == pytest.approx(raw * told.multiplier * 10.0**told.exponent)
        else:
            assert [state.offset for state in seen.states] == [0]


def test_board(snapshot: Snapshot) -> None:
    told, seen = EXPECTED.board, snapshot.hardware.board
    assert seen is not None
    assert seen.system is not None
    assert seen.bios is not None
    system = seen.system
    assert (system.vendor, system.model or system.name, system.version) == (
        told.vendor,
        told.product,
        told.version,
    )
    assert (system.serial, system.uuid, system.sku, system.family) == (
        told.serial,
        told.uuid,
        told.sku,
        told.family,
    )
    assert (seen.bios.vendor, seen.bios.firmware) == (told.bios_vendor, told.bios_version)
    assert seen.bios.release_date == "2024-03-18"
    [board] = seen.baseboards
    assert (board.model, board.serial, board.asset_tag) == (
        told.board_product,
        told.board_serial,
        told.asset_tag,
    )
    [chassis] = seen.chassis
    assert (chassis.serial, chassis.type) == (told.chassis_serial, "Rack Mount Chassis")


def test_processors_and_nodes(snapshot: Snapshot) -> None:
    seen = snapshot.hardware.cpus
    assert seen is not None
    assert [(cpu.location, cpu.model, cpu.serial, cpu.populated) for cpu in seen.sockets] == [
        (cpu.socket, cpu.model, cpu.serial, True) for cpu in EXPECTED.cpus
    ]
    assert seen.package_count == seen.populated_socket_count == len(EXPECTED.cpus)
    assert {package.model for package in seen.packages} == {EXPECTED.cpus[0].model}
    assert [node.cpus for node in seen.numa_nodes] == ["0", "1"]
    assert seen.virtual_machine


def test_memory(snapshot: Snapshot) -> None:
    seen = snapshot.hardware.memory
    assert seen is not None
    assert seen.populated_count == len(EXPECTED.dimms) == 8
    assert seen.installed_bytes == EXPECTED.memory_bytes
    for told, slot in zip(EXPECTED.dimms, seen.slots, strict=True):
        assert slot.name == told.locator or slot.id == told.locator
        assert slot.location == told.bank
        assert slot.size_bytes == told.size_mib * hardware.MIB
        assert (slot.vendor, slot.serial, slot.part_number) == (told.vendor, told.serial, told.part_number)
        assert (slot.type, slot.form_factor, slot.ranks) == ("DDR5", "DIMM", 2)
        assert (slot.rated_speed_mts, slot.configured_speed_mts) == (told.speed_mt_s, told.configured_mt_s)
    [array] = seen.arrays
    assert array.error_correction == "Multi-bit ECC"


def test_the_capture_replays_elsewhere_without_root_to_the_same_snapshot(
    reference: Server, machine: Container
) -> None:
    reference.run("bee capture --force -o /root/machine.tar.gz", deadline_seconds=300)
    live = json.loads(reference.fetch("/var/log/bee-audit.json"))
    # On a machine without any of that hardware, by a user who may do nothing there.
    archive = machine.root / "home" / STRANGER / "machine.tar.gz"
    archive.write_bytes(reference.fetch("/root/machine.tar.gz"))
    archive.chmod(0o644)
    words = ["bee", "audit", "--json", "--replay", f"/home/{STRANGER}/machine.tar.gz"]
    replayed = machine.run(words, user=STRANGER, check=False)
    assert replayed.stderr == ""
    assert without_times(json.loads(replayed.stdout)) == without_times(live)
    assert replayed.returncode == 0


def without_times(document: Any) -> Any:
    """The snapshot without how long things took and when."""
    if isinstance(document, dict):
        times = ("duration_seconds", "started_at")
        return {key: without_times(value) for key, value in document.items() if key not in times}
    if isinstance(document, list):
        return [without_times(each) for each in document]
    return document


def test_busctl_as_root_and_as_a_stranger(reference: Server) -> None:
    run = "busctl call org.bee.Audit1 /org/bee/Audit1 org.bee.Audit1 Run 'a{ss}' 1 sections board"
    assert "/org/bee/Audit1/job/" in reference.run(run).stdout
    assert "/org/bee/Audit1/job/" in reference.run(run, user=MEMBER).stdout
    assert reference.run(run, user=STRANGER, check=False).returncode != 0
    tree = reference.run("busctl tree --list org.bee.Audit1").stdout
    assert "/org/bee/Audit1/component/storage/nvme0" in tree


# From here on the machine is hurt while it runs; each test puts it right again, or hurts another part.


def test_the_machine_is_compared_with_what_it_must_have(reference: Server) -> None:
    """The file of this machine as it is, and then one that asks for more of everything."""
    reference.run("mkdir -p /etc/bee && bee expected >/etc/bee/expected.toml", deadline_seconds=300)
    try:
        kinds = set(
            re.findall(r"^\[\[(.*)\]\]$", reference.fetch("/etc/bee/expected.toml").decode(), re.MULTILINE)
        )
        assert kinds == {"cpus", "memory", "disks", "interfaces", "psus"}
        complete = audited(reference)
        assert complete.expected_source == "/etc/bee/expected.toml"
        assert complete.hardware.summary.verdict == "OK"
        reference.run("sed -i 's/^count = .*/count = 99/' /etc/bee/expected.toml")
        missing = [one for one in audited(reference).hardware.summary.findings if one.severity == "Critical"]
        assert {one.rule for one in missing} == {"expected.missing"}
        assert {one.component for one in missing} == {"cpus", "memory", "storage", "network", "psus"}
    finally:
        reference.run("rm -r /etc/bee")


def test_an_nvme_disk_that_warns(reference: Server) -> None:
    def warn(bits: int) -> None:
        reference.monitor(
            "qom-set", path="/machine/peripheral/nvme0", property="smart_critical_warning", value=bits
        )

    warn(0x04)  # reliability degraded
    hurt = audited(reference)
    warn(0x00)
    assert hurt.hardware.summary.verdict == "Critical"
    assert hurt.hardware.storage is not None
    [disk] = [each for each in hurt.hardware.storage.disks if each.serial == EXPECTED.nvmes[0].serial]
    [finding, *_] = found(hurt, f"storage/{disk.id}")
    assert finding.severity == "Critical"
    assert EXPECTED.nvmes[0].serial in finding.where
    assert audited(reference).hardware.summary.verdict == "OK"


def test_a_sensor_past_its_critical_limit(reference: Server) -> None:
    assert reference.bmc is not None
    sensor = reference.bmc.sensor("Inlet Temp")
    assert isinstance(sensor, ThresholdSensor)
    with changed(sensor, raw=96):
        hurt = audited(reference)
    [finding] = found(hurt, "sensors/Inlet Temp")
    assert finding.severity == "Critical"
    assert finding.value == 96
    assert finding.threshold is not None
    assert (finding.threshold.layer, finding.threshold.value) == ("device", 95)
    assert audited(reference).hardware.summary.verdict == "OK"


def test_an_event_in_the_log(reference: Server) -> None:
    # Platform Event from system software: memory, sensor 53h, uncorrectable ECC error (IPMI 2.0 table 42-3).
    reference.run("ipmitool raw 0x04 0x02 0x41 0x04 0x0c 0x53 0x6f 0x01 0xff 0xff")
    hurt = audited(reference)
    reference.run("ipmitool sel clear")
    assert hurt.hardware.summary.verdict in ("Warning", "Critical")
    assert hurt.hardware.bmc is not None
    assert hurt.hardware.bmc.sel is not None
    [event] = hurt.hardware.bmc.sel.events
    assert found(hurt, "bmc/")
    assert event.severity == "Critical"
    assert audited(reference).hardware.summary.verdict == "OK"


def test_a_bmc_that_answers_no_more_costs_its_sections_only(reference: Server) -> None:
    assert reference.bmc is not None
    with changed(reference.bmc, silent=True):
        hurt = audited(reference)
    states = {run.name: run.status for run in hurt.collectors}
    assert states["sensors"] in ("partial", "error", "timeout")
    assert states["storage"] == states["pcie"] == "ok"
    assert hurt.hardware.summary.verdict != "OK"
    assert hurt.hardware.storage is not None
    assert len(hurt.hardware.storage.disks) == 5


def test_a_tool_that_hangs_prints_without_end_or_is_gone(reference: Server) -> None:
    def with_smartctl(script: str) -> Snapshot:
        reference.send("/root/smartctl", script.encode(), mode=0o755)
        reference.run("mount --bind /root/smartctl /usr/sbin/smartctl")
        try:
            return audited(reference)
        finally:
            reference.run("umount /usr/sbin/smartctl; systemctl stop bee-auditd.service")

    for script in ("#!/bin/sh\nsleep 600\n", "#!/bin/sh\nyes\n", "#!/bin/sh\necho no JSON\n"):
        hurt = with_smartctl(script)
        assert hurt.hardware.summary.verdict != "OK"
        assert hurt.hardware.storage is not None
        assert {disk.serial for disk in hurt.hardware.storage.disks} >= {
            sata.serial for sata in EXPECTED.satas
        }
        assert {run.name: run.status for run in hurt.collectors}["pcie"] == "ok"
    # No child of a tool that was killed stays behind.
    assert reference.run("pgrep -x yes", check=False).stdout == ""


def test_pcie_errors_below_a_root_port(reference: Server) -> None:
    """The last: error counters stay until the machine is booted again."""
    reference.inject_aer("rp2", "COMP_TIME")
    reference.run("until dmesg | grep -q 'AER: device recovery'; do sleep 0.5; done")
    hurt = audited(reference)
    [finding] = found(hurt, "pcie/")
    assert finding.component == "pcie/0000:00:11.0"
    assert finding.severity in ("Warning", "Critical")
    assert finding.value == 1
