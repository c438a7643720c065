"""Whole machines' disks, from sysfs and tools to the section: what is seen, and what one bad disk costs."""

import asyncio
import errno

import pytest

from bee_audit.collectors import storage
from bee_bus.documents.storage import Disk, StorageSection
from bee_machine import ToolFlooded, ToolHung
from bee_machine.controls.nvme import ERROR_LOG, FIRMWARE_LOG
from lab import smartctl
from lab.disks import AHCI_3_GBPS, DiskShelf, exits
from lab.machine import FakeMachine
from lab.nvme_drive import NvmeDrive, controller_page, firmware_page, health_page
from lab.raid_tools import SAS3IRCU, SAS3IRCU_LIST, storcli, storcli_drives


def collected(machine: FakeMachine) -> StorageSection:
    section = asyncio.run(storage.collect(machine))
    assert section is not None
    return section


def disk(section: StorageSection, identity: str) -> Disk:
    return next(one for one in section.disks if one.id == identity)


def test_a_machine_without_a_block_layer_has_no_section() -> None:
    assert asyncio.run(storage.collect(FakeMachine())) is None


def test_sata_disks_on_ahci() -> None:
    shelf = DiskShelf()
    shelf.sata("sda", smartctl.hdd(serial="ZC1"))
    shelf.sata("sdb", smartctl.ssd(serial="2003"), caps=AHCI_3_GBPS, sectors=1875385008)
    shelf.properties("sda", ID_PATH="pci-0000:00:17.0-ata-1", ID_PART_TABLE_TYPE="gpt")
    section = collected(shelf.machine())
    assert section.problems == ()
    first = disk(section, "sda")
    assert (first.model, first.serial, first.kind, first.transport) == (
        "ST16000NM000J-2TW103",
        "ZC1",
        "hdd",
        "sata",
    )
    assert (first.size_bytes, first.physical_block_bytes) == (16000900661248, 4096)
    assert (first.location, first.contents) == ("pci-0000:00:17.0-ata-1", "gpt partition table")
    assert (first.link_gbps, first.link_device_maximum_gbps, first.link_port_maximum_gbps) == (6.0, 6.0, 6.0)
    second = disk(section, "sdb")
    assert (second.kind, second.link_port_maximum_gbps, second.percentage_used) == ("ssd", 3.0, 2)
    assert [(one.id, one.driver, one.hosts) for one in section.controllers] == [
        ("0000:00:17.0", "ahci", ("host0", "host1"))
    ]


def test_a_sas_disk_that_does_not_report_its_rotation_keeps_its_platters() -> None:
    shelf = DiskShelf()
    parent = f"{shelf.host(0, 'mpt3sas')}/port-0:0/end_device-0:0"
    shelf.scsi_disk("sda", smartctl.sas(rotation_rate=0), parent=parent, address="0:0:0:0", vendor="SEAGATE")
    assert disk(collected(shelf.machine()), "sda").kind == "hdd"


def test_an_nvme_drive_is_read_without_a_process() -> None:
    shelf = DiskShelf()
    drive = NvmeDrive(firmware=firmware_page("GDC5602Q", "GDC5702Q"))
    shelf.nvme(0, drive)
    shelf.files["/sys/bus/pci/slots/4/address"] = "0000:3b:00\n"
    machine = shelf.machine()
    section = collected(machine)
    found = disk(section, "nvme0")
    assert machine.commands == []
    assert (found.model, found.serial, found.firmware) == (
        "SAMSUNG MZQL23T8HCLS-00A07",
        "S64HNE0R500000",
        "GDC5602Q",
    )
    assert (found.location, found.pci_address) == ("slot 4 (0000:3b:00.0)", "0000:3b:00.0")
    assert (found.size_bytes, found.namespaces[0].name) == (7501476528 * 512, "nvme0n1")
    assert found.namespaces[0].used_bytes == 512000
    assert (found.smart_status_passed, found.health_unread) == (True, None)
    assert (found.temperature_celsius, found.temperature_critical_celsius) == (40, 85)
    assert [slot.revision for slot in found.firmware_slots] == ["GDC5602Q", "GDC5702Q"]
    assert found.self_tests is not None
    assert found.self_tests.extended_minutes == 75


def test_a_drive_that_lacks_optional_pages_is_read_all_the_same() -> None:
    shelf = DiskShelf()
    shelf.nvme(0, NvmeDrive(controller=controller_page(self_tests=False), refuse=(ERROR_LOG, FIRMWARE_LOG)))
    found = disk(collected(shelf.machine()), "nvme0")
    assert (found.health_unread, found.self_tests, found.firmware_slots) == (None, None, ())


def test_smartctl_is_asked_when_the_kernel_refuses_the_commands() -> None:
    shelf = DiskShelf()
    shelf.nvme(0, NvmeDrive(error=errno.EACCES))
    shelf.tool("smartctl -x -j /dev/nvme0", smartctl.nvme())
    found = disk(collected(shelf.machine()), "nvme0")
    assert (found.health_unread, found.percentage_used, found.kind) == (None, 2, "nvme")


def test_an_nvme_drive_that_nobody_can_read_says_why() -> None:
    shelf = DiskShelf()
    shelf.nvme(0, NvmeDrive(error=errno.EACCES))
    section = collected(shelf.machine())
    assert disk(section, "nvme0").health_unread == "the drive said EACCES; smartctl is not installed"
    assert section.problems == ("smartctl is not installed: the health of /dev/nvme0 could not be read",)


def test_an_nvme_drive_that_hangs_is_not_asked_again() -> None:
    shelf = DiskShelf()
    shelf.nvme(0, NvmeDrive(error=errno.ETIMEDOUT))
    machine = shelf.machine()
    section = collected(machine)
    assert disk(section, "nvme0").health_unread == "the drive said ETIMEDOUT"
    assert section.problems == ("the drive said ETIMEDOUT",)
    assert machine.commands == []


def test_a_drive_that_the_kernel_gave_up_is_in_the_section() -> None:
    shelf = DiskShelf()
    shelf.nvme(0, None, state="dead", namespaces=0)
    found = disk(collected(shelf.machine()), "nvme0")
    assert (found.state, found.health_unread) == ("dead", "the kernel has given the drive up: it is dead")
    assert found.serial == "S64HNE0R500000"


def test_a_namespace_below_the_subsystem_belongs_to_the_controller_of_its_hidden_path() -> None:
    shelf = DiskShelf()
    shelf.nvme(1, NvmeDrive(), namespaces=0)
    controller = shelf.links["/sys/class/nvme/nvme1"]
    shelf.block("nvme0c1n1", f"{controller}/nvme0c1n1", None, {"size": "0"})
    subsystem = "/sys/devices/virtual/nvme-subsystem/nvme-subsys0"
    shelf.block("nvme0n1", f"{subsystem}/nvme0n1", None, {"size": "2048", "nsid": "1"})
    found = disk(collected(shelf.machine()), "nvme1")
    assert [(space.name, space.size_bytes) for space in found.namespaces] == [("nvme0n1", 1048576)]


def test_a_disk_that_hangs_costs_itself_only() -> None:
    shelf = DiskShelf()
    shelf.sata("sda", ToolHung("smartctl did not end within 20 s"))
    shelf.sata("sdb", smartctl.hdd(serial="ZC2"))
    section = collected(shelf.machine())
    assert disk(section, "sda").health_unread == "smartctl did not end within 20 s"
    assert disk(section, "sda").size_bytes == 16000900661248
    assert disk(section, "sdb").smart_status_passed is True
    assert section.problems == ("/dev/sda: smartctl did not end within 20 s",)


def test_a_disk_that_hangs_over_its_logs_still_gives_its_verdict() -> None:
    shelf = DiskShelf()
    shelf.sata("sda", ToolHung("smartctl did not end within 20 s"))
    shelf.tool("smartctl -i -H -A -j /dev/sda", smartctl.hdd(smart_status={"passed": False}))
    section = collected(shelf.machine())
    assert disk(section, "sda").smart_status_passed is False
    assert section.problems == ("/dev/sda: smartctl did not end within 20 s",)


def test_floods_garbage_and_cut_output_are_named() -> None:
    shelf = DiskShelf()
    shelf.sata("sda", ToolFlooded("smartctl printed more than 16777216 bytes and was stopped"))
    shelf.sata("sdb", exits(-9, b'{"smartctl": {'))
    shelf.sata("sdc", b"smartctl 6.6: UNRECOGNIZED OPTION: j")
    section = collected(shelf.machine())
    assert [problem.split(":")[0] for problem in section.problems] == ["/dev/sda", "/dev/sdb", "/dev/sdc"]
    assert all(one.health_unread is not None for one in section.disks)


def test_without_smartctl_every_disk_says_so_and_the_section_once() -> None:
    shelf = DiskShelf()
    for name in ("sda", "sdb"):
        shelf.sata(name, None)
    section = collected(shelf.machine())
    assert [one.health_unread for one in section.disks] == ["smartctl is not installed"] * 2
    assert section.problems == (
        "smartctl is not installed: the health of /dev/sda, /dev/sdb could not be read",
    )
    assert section.disks[0].model == "ST16000NM000J-2T"


def test_virtual_disks_are_listed_and_not_asked() -> None:
    shelf = DiskShelf()
    shelf.virtio("vda")
    parent = shelf.host(2, "virtio_scsi", pci="0000:00:06.0")
    shelf.scsi_disk("sda", None, parent=parent, address="2:0:0:0", vendor="QEMU", model="QEMU HARDDISK")
    machine = shelf.machine()
    section = collected(machine)
    assert [(one.id, one.virtual, one.transport) for one in section.disks] == [
        ("sda", True, "scsi"),
        ("vda", True, "virtio"),
    ]
    assert machine.commands == []
    assert section.problems == ()


def test_a_disk_of_a_hypervisor_under_another_vendors_name_is_virtual_unless_it_is_passed_through() -> None:
    shelf = DiskShelf()
    parent = shelf.host(2, "virtio_scsi", pci="0000:00:06.0/virtio3")
    pages = {"sda": [0x00, 0x80, 0x83, 0xB0, 0xB1, 0xB2], "sdb": [0x00, 0x80, 0x83, 0x86, 0x90, 0xB1]}
    for number, (name, numbers) in enumerate(pages.items()):
        report = smartctl.sas(serial=name)
        shelf.scsi_disk(
            name, report, parent=parent, address=f"2:0:{number}:0", vendor="HGST", model="HUS726T4"
        )
        device = f"{parent}/target2:0:{number}/2:0:{number}:0"
        shelf.files[f"{device}/vpd_pg0"] = bytes((0, 0, 0, len(numbers), *numbers))
    machine = shelf.machine()
    section = collected(machine)
    assert [one.virtual for one in section.disks] == [True, False]
    assert machine.commands == [("smartctl", "-x", "-j", "/dev/sdb")]


def test_an_emulated_ata_disk_answers_smart_and_is_asked() -> None:
    shelf = DiskShelf()
    shelf.sata("sda", smartctl.hdd(model_name="QEMU HARDDISK"), attributes={"device/model": "QEMU HARDDISK"})
    found = disk(collected(shelf.machine()), "sda")
    assert (found.virtual, found.smart_status_passed) == (True, True)


def test_a_usb_stick_and_an_empty_card_reader() -> None:
    shelf = DiskShelf()
    shelf.usb("sda", exits(1, smartctl.not_opened()))
    shelf.usb("sdb", None, sectors=0)
    section = collected(shelf.machine())
    assert [(one.id, one.transport, one.removable) for one in section.disks] == [("sda", "usb", True)]
    assert section.problems == ()


def test_what_is_made_of_other_devices_is_no_disk() -> None:
    shelf = DiskShelf()
    for name in ("loop0", "ram0", "zram0", "dm-0", "sr0", "fd0", "nbd0", "mmcblk0boot0", "zd0"):
        shelf.block(name, f"/sys/devices/virtual/block/{name}", None, {"size": "2048"})
    assert collected(shelf.machine()).disks == ()


def test_disks_are_in_the_order_in_which_people_count() -> None:
    shelf = DiskShelf()
    for number in (10, 2):
        serial, pci = f"S{number}", f"0000:{number:02x}:00.0"
        shelf.nvme(number, NvmeDrive(controller=controller_page(serial=serial)), pci=pci, serial=serial)
    for name in ("sdb", "sdaa", "sda"):
        shelf.sata(name, smartctl.hdd(serial=name))
    names = [one.id for one in collected(shelf.machine()).disks]
    assert names == ["nvme2", "nvme10", "sda", "sdb", "sdaa"]


def test_sas_disks_in_a_shelf_with_two_paths() -> None:
    shelf = DiskShelf()
    host = shelf.host(0, "mpt3sas", pci="0000:81:00.0", board_name="SAS9300-8e", version_fw="16.00.10.00")
    expander = f"{host}/port-0:0/expander-0:0"
    for path, name in (("0:0:1", "sda"), ("0:0:2", "sdb")):
        parent = f"{expander}/port-{path}/end_device-{path}"
        address = f"0:0:{path[-1]}:0"
        shelf.scsi_disk(
            name, smartctl.sas(), parent=parent, address=address, vendor="SEAGATE", model="ST4000NM0043"
        )
    shelf.links["/sys/class/sas_phy/phy-0:0:1"] = f"{expander}/phy-0:0:1/sas_phy/phy-0:0:1"
    shelf.links[f"{expander}/phy-0:0:1/sas_phy/phy-0:0:1/device"] = f"{expander}/phy-0:0:1"
    shelf.links[f"{expander}/phy-0:0:1/port"] = "../port-0:0:1"
    for name, rate in (("negotiated_linkrate", "6.0 Gbit"), ("maximum_linkrate_hw", "12.0 Gbit")):
        shelf.files[f"{expander}/phy-0:0:1/sas_phy/phy-0:0:1/{name}"] = f"{rate}\n"
    enclosure = "/sys/class/enclosure/0:0:9:0"
    shelf.files[f"{enclosure}/Slot 03/slot"] = "3\n"
    shelf.links[f"{enclosure}/Slot 03/device"] = "../../../0:0:1:0"
    section = collected(shelf.machine())
    (one,) = section.disks
    assert (one.id, one.device_nodes) == ("sda", ("/dev/sda", "/dev/sdb"))
    assert (one.location, one.transport, one.vendor) == ("slot 3 of enclosure 0:0:9:0", "sas", "SEAGATE")
    assert (one.link_gbps, one.link_port_maximum_gbps) == (6.0, 12.0)
    (controller,) = section.controllers
    assert (controller.model, controller.firmware) == ("SAS9300-8e", "16.00.10.00")


def test_disks_whose_serial_numbers_were_blacked_out_stay_apart() -> None:
    shelf = DiskShelf()
    for name in ("sda", "sdb"):
        shelf.sata(name, smartctl.hdd(serial="REDACTED"))
    section = collected(shelf.machine())
    assert [(one.id, one.serial) for one in section.disks] == [("sda", None), ("sdb", None)]


def megaraid(*, drives: bool = True) -> DiskShelf:
    shelf = DiskShelf()
    host = shelf.host(0, "megaraid_sas", pci="0000:3b:00.0")
    shelf.scsi_disk("sda", None, parent=host, address="0:2:0:0", vendor="AVAGO", model="MR9361-8i")
    shelf.scsi_disk("sdb", smartctl.hdd(serial="JBOD"), parent=host, address="0:0:5:0")
    listed = (
        (("/dev/sdb", "sat"), ("/dev/bus/0", "sat+megaraid,8"), ("/dev/bus/0", "megaraid,9"))
        if drives
        else ()
    )
    shelf.tool("smartctl --scan-open -j", smartctl.scan(*listed))
    shelf.tool("smartctl -x -j -d sat+megaraid,8 /dev/bus/0", smartctl.hdd(serial="ZC8"))
    shelf.tool("smartctl -x -j -d megaraid,9 /dev/bus/0", smartctl.hdd(serial="JBOD"))
    return shelf


def test_disks_behind_megaraid_are_found_and_asked_once() -> None:
    shelf = megaraid()
    shelf.tool("storcli64 /call show all J", storcli(drives={"252:0": "Onln"}, battery="Optimal"))
    shelf.tool("storcli64 /call/eall/sall show all J", storcli_drives({"252:0": 0}, serial="ZC8"))
    section = collected(shelf.machine())
    assert section.problems == ()
    assert [one.id for one in section.disks] == ["sda", "sdb", "megaraid,8@/dev/bus/0"]
    hidden = section.disks[2]
    assert (hidden.serial, hidden.smart_status_passed, hidden.controller) == ("ZC8", True, "0000:3b:00.0")
    assert hidden.location == "slot 252:0 of AVAGO MegaRAID SAS 9361-8i"
    assert (section.disks[0].raid_volume, section.disks[1].raid_volume) == (True, False)
    (controller,) = section.controllers
    assert (controller.id, controller.driver, controller.tool) == ("0000:3b:00.0", "megaraid_sas", "storcli")
    assert (controller.raid, controller.serial) == (True, "SK00000001")


@pytest.mark.parametrize(
    ("vendor", "model", "is_volume"),
    [
        ("BROADCOM", "MR9660-16i", True),
        ("HPE", "MR416i-p Gen11", True),
        ("DELL", "PERC H965i Front", True),
        ("HGST", "HUSMR1650ASS200", False),
        ("SEAGATE", "ST8000NM001A", False),
    ],
)
def test_volumes_of_a_controller_whose_driver_shows_disks_as_well(
    vendor: str, model: str, is_volume: bool
) -> None:
    shelf = DiskShelf()
    host = shelf.host(0, "mpi3mr", pci="0000:3b:00.0")
    shelf.scsi_disk("sda", smartctl.hdd(), parent=host, address="0:1:0:0", vendor=vendor, model=model)
    (disk,) = collected(shelf.machine()).disks
    assert disk.raid_volume == is_volume


def test_volumes_whose_disks_nobody_can_see_are_a_problem() -> None:
    section = collected(megaraid(drives=False).machine())
    assert section.problems == (
        "the disks behind sda on 0000:3b:00.0 could not be seen; its vendor's tool is needed",
    )


def test_a_raid_tool_that_hangs_is_named() -> None:
    shelf = megaraid()
    shelf.tool("storcli64 *", ToolHung("storcli64 did not end within 30 s"))
    section = collected(shelf.machine())
    assert section.problems == ("a RAID controller could not be asked: storcli64 did not end within 30 s",)


def test_a_scan_that_fails_is_named() -> None:
    shelf = megaraid()
    shelf.tool("smartctl --scan-open -j", b"Segmentation fault")
    assert any("scan for disks" in problem for problem in collected(shelf.machine()).problems)


def test_plain_controllers_are_not_scanned() -> None:
    shelf = DiskShelf()
    shelf.sata("sda", smartctl.hdd())
    machine = shelf.machine()
    collected(machine)
    assert machine.commands == [("smartctl", "-x", "-j", "/dev/sda")]


def test_disks_behind_a_smart_array_are_tried_by_number() -> None:
    shelf = DiskShelf()
    host = shelf.host(1, "smartpqi", pci="0000:5c:00.0")
    level = {"device/raid_level": "RAID-1(1+0)"}
    shelf.scsi_disk(
        "sda", None, parent=host, address="1:1:0:0", vendor="HPE", model="LOGICAL VOLUME", attributes=level
    )
    for number in (0, 5):
        shelf.tool(f"smartctl -x -j -d cciss,{number} /dev/sda", smartctl.sas(serial=f"SAS{number}"))
    shelf.tool("smartctl -x -j -d cciss,* /dev/sda", exits(2, smartctl.not_opened("/dev/sda [cciss_disk]")))
    machine = shelf.machine()
    section = collected(machine)
    assert [one.id for one in section.disks] == ["sda", "cciss,0@/dev/sda", "cciss,5@/dev/sda"]
    assert sum("cciss" in " ".join(words) for words in machine.commands) == 32  # a silent batch ends it
    assert section.problems == ()


def test_an_lsi_hba_with_a_volume_is_asked_by_its_own_tool() -> None:
    shelf = DiskShelf()
    host = shelf.host(0, "mpt3sas", pci="0000:81:00.0", board_name="SAS9311-8i")
    shelf.scsi_disk("sda", None, parent=host, address="0:1:0:0", vendor="LSI", model="Logical Volume")
    shelf.tool("sas3ircu LIST", SAS3IRCU_LIST)
    shelf.tool("sas3ircu 0 DISPLAY", SAS3IRCU)
    shelf.tool("sas3ircu 1 DISPLAY", SAS3IRCU)
    section = collected(shelf.machine())
    controller = next(one for one in section.controllers if one.id == "0000:81:00.0")
    assert [one.condition for one in controller.drives] == ["ok", "failed"]
    assert section.problems == ()


def test_nvme_drives_of_a_tri_mode_adapter_are_disks_and_no_volumes() -> None:
    shelf = DiskShelf()
    host = shelf.host(0, "mpt3sas", pci="0000:81:00.0", board_name="SAS9400-16i")
    failing = smartctl.sas(serial="S64HNE0R5", smart_status={"passed": False}, rotation_rate=0)
    shelf.scsi_disk("sda", failing, parent=host, address="0:2:0:0", vendor="NVMe", model="SAMSUNG MZQL2")
    (disk,) = collected(shelf.machine()).disks
    assert (disk.raid_volume, disk.smart_status_passed, disk.health_unread) == (False, False, None)


def test_volumes_of_a_storage_network_are_another_machines() -> None:
    shelf = DiskShelf()
    fibre = f"{shelf.host(1, 'qla2xxx', pci='0000:81:00.0')}/rport-1:0-3"
    shelf.scsi_disk("sda", None, parent=fibre, address="1:0:0:0", vendor="NETAPP", model="LUN C-Mode")
    internet = "/sys/devices/platform/host3/session1"
    shelf.scsi_disk("sdb", None, parent=internet, address="3:0:0:0", vendor="PURE", model="FlashArray")
    section = collected(shelf.machine())
    assert (section.disks, section.problems) == ((), ())


def test_arrays_of_the_kernel() -> None:
    shelf = DiskShelf()
    path = "/sys/devices/virtual/block/md0"
    values = {
        "level": "raid1",
        "array_state": "clean",
        "degraded": "1",
        "raid_disks": "2",
        "sync_action": "idle",
    }
    shelf.block("md0", path, None, {"size": "2048", **{f"md/{name}": text for name, text in values.items()}})
    shelf.files[f"{path}/md/dev-sda1/state"] = "in_sync\n"
    shelf.files[f"{path}/md/dev-sdb1/state"] = "faulty\n"
    (array,) = collected(shelf.machine()).arrays
    assert (array.id, array.level, array.missing_disks, array.raid_disks) == ("md0", "raid1", 1, 2)
    assert [(member.name, member.state) for member in array.members] == [
        ("sda1", "in_sync"),
        ("sdb1", "faulty"),
    ]


def test_a_container_of_a_firmwares_raid_is_one_although_it_states_no_level() -> None:
    shelf = DiskShelf()
    path = "/sys/devices/virtual/block/md127"
    values = {"level": "", "array_state": "inactive", "metadata_version": "external:imsm", "raid_disks": "0"}
    shelf.block("md127", path, None, {"size": "0", **{f"md/{name}": text for name, text in values.items()}})
    (array,) = collected(shelf.machine()).arrays
    assert (array.level, array.state) == ("container", "inactive")
    shelf.files[f"{path}/md/metadata_version"] = "external:/md127/0\n"
    (array,) = collected(shelf.machine()).arrays
    assert array.level is None


def test_an_emmc_tells_its_wear_in_tenths() -> None:
    shelf = DiskShelf()
    device = "/sys/devices/pci0000:00/0000:00:1a.0/mmc_host/mmc0/mmc0:0001"
    files = {"size": "61071360", "device/name": "DG4032", "device/life_time": "0x02 0x0b"}
    shelf.block("mmcblk0", f"{device}/block/mmcblk0", device, files)
    found = disk(collected(shelf.machine()), "mmcblk0")
    assert (found.kind, found.model, found.percentage_used) == ("emmc", "DG4032", 110)


def test_twenty_four_disks_take_as_long_as_the_slowest() -> None:
    class Slow(FakeMachine):
        running = most = 0

        async def run(self, *argv: str, **options: object) -> object:  # type: ignore[override]
            self.running += 1
            self.most = max(self.most, self.running)
            await asyncio.sleep(0.05)
            self.running -= 1
            return await super().run(*argv, **options)  # type: ignore[arg-type]

    shelf = DiskShelf()
    for index in range(40):
        shelf.sata(f"sd{chr(97 + index // 26)}{chr(97 + index % 26)}", smartctl.hdd(serial=f"Z{index}"))
    machine = Slow(files=shelf.files, links=shelf.links, tools=shelf.tools)
    assert len(collected(machine).disks) == 40
    assert machine.most == 32


def test_health_pages_of_many_drives() -> None:
    shelf = DiskShelf()
    for number in range(8):
        serial = f"S{number}"
        drive = NvmeDrive(controller=controller_page(serial=serial), health=health_page(used=number))
        shelf.nvme(number, drive, pci=f"0000:{0x3B + number:02x}:00.0", serial=serial)
    assert [one.percentage_used for one in collected(shelf.machine()).disks] == list(range(8))
