"""Every version in the snapshot stands once in the table of firmware."""

from bee_audit.collectors.firmware import firmware_table
from bee_bus.documents.audit import Hardware, Summary
from bee_bus.documents.bmc import BmcSection, Controller
from bee_bus.documents.board import Bios, BoardSection
from bee_bus.documents.cpus import Cpu, CpusSection
from bee_bus.documents.gpus import Gpu, GpusSection
from bee_bus.documents.network import InfinibandAdapter, NetworkInterface, NetworkSection
from bee_bus.documents.psus import Psu, PsusSection
from bee_bus.documents.storage import Disk, RaidDrive, StorageController, StorageSection

UNJUDGED = Summary(verdict="Unknown", failure_count=0, warning_count=0, unknown_count=0, findings=())


def test_a_machine_of_which_nothing_is_known_has_an_empty_table() -> None:
    assert firmware_table(Hardware(summary=UNJUDGED)).versions == ()


def test_every_kind_of_component_is_in_the_table() -> None:
    drive = RaidDrive(slot="252:3", condition="ok", state="Onln", model="ST8000", firmware="E004")
    bmc = Controller(
        id="bmc",
        name="BMC",
        device="/dev/ipmi0",
        firmware="1.74",
        ipmi_version="2.0",
        manufacturer_id=10876,
        product_id=1,
        device_revision=1,
    )
    hardware = Hardware(
        summary=UNJUDGED,
        board=BoardSection(bios=Bios(id="bios", vendor="AMI", firmware="3.4")),
        cpus=CpusSection(sockets=(Cpu(id="CPU1", populated=True, model="EPYC 9654", firmware="0xa101144"),)),
        bmc=BmcSection(controllers=(bmc,)),
        storage=StorageSection(
            disks=(Disk(id="nvme0", model="PM9A3", firmware="GDC5602Q", location="slot 3"), Disk(id="sda")),
            controllers=(
                StorageController(
                    id="0000:5e:00.0", model="MegaRAID 9560", firmware="5.190.0", drives=(drive,)
                ),
            ),
        ),
        network=NetworkSection(
            interfaces=(
                NetworkInterface(
                    id="eth0", name="E810", physical=True, firmware="4.40", pci_address="0000:3b:00.0"
                ),
                NetworkInterface(
                    id="eth0v0", name="VF", physical=True, virtual_function=True, firmware="4.40"
                ),
                NetworkInterface(id="docker0", name="docker0", physical=False),
            ),
            infiniband=(
                InfinibandAdapter(id="mlx5_0", name="CX7", firmware="28.40", pci_address="0000:9a:00.0"),
                InfinibandAdapter(id="irdma0", name="E810", firmware="1.80", pci_address="0000:3b:00.0"),
            ),
        ),
        gpus=GpusSection(
            gpus=(
                Gpu(id="0000:53:00.0", name="H100", vendor_id="10de", device_id="2330", firmware="96.00.99"),
            )
        ),
        psus=PsusSection(psus=(Psu(id="psu1", name="PS1", model="PWS-3K04A", version="1.3"),)),
    )
    assert [(one.kind, one.id, one.version) for one in firmware_table(hardware).versions] == [
        ("BIOS", "board/bios", "3.4"),
        ("BMC", "bmc/bmc", "1.74"),
        ("microcode", "cpus/CPU1", "0xa101144"),
        ("HBA", "storage/0000:5e:00.0", "5.190.0"),
        ("disk", "storage/0000:5e:00.0/252:3", "E004"),
        ("disk", "storage/nvme0", "GDC5602Q"),
        ("NIC", "network/eth0", "4.40"),
        ("NIC", "network/mlx5_0", "28.40"),
        ("GPU", "gpus/0000:53:00.0", "96.00.99"),
        ("PSU", "psus/psu1", "1.3"),
    ]
