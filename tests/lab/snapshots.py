"""Snapshots of machines that nobody has to own: what an audit would say of them."""

import msgspec

from bee_bus.documents.audit import (
    CollectorRun,
    Finding,
    Hardware,
    Severity,
    Snapshot,
    Summary,
    Threshold,
    Verdict,
)
from bee_bus.documents.bmc import BmcSection, Controller, LanChannel, Sel, SelEvent, SelOccurrence
from bee_bus.documents.board import Baseboard, Bios, BoardSection, Chassis, System
from bee_bus.documents.cpus import Cpu, CpuPackage, CpusSection
from bee_bus.documents.gpu import GpuSample
from bee_bus.documents.gpus import Gpu, GpusSection
from bee_bus.documents.memory import Dimm, MemorySection
from bee_bus.documents.network import NetworkInterface, NetworkSection, Transceiver
from bee_bus.documents.pcie import PcieDevice, PcieLink, PcieSection, PcieSlot
from bee_bus.documents.psus import Psu, PsusSection
from bee_bus.documents.sensors import Sensor, SensorsSection, SensorState, SensorThresholds
from bee_bus.documents.storage import Disk, StorageSection

GIB = 1 << 30

SPARE_LOW = Finding(
    rule="storage.nvme-spare",
    severity="Critical",
    component="storage/nvme1",
    where="slot 1, serial S64FNE0R500002",
    message="The disk has used up its spare blocks.",
    next_step="Replace the disk.",
    value=4,
    threshold=Threshold(
        name="storage.nvme_spare", value=10, unit="%", source="NVMe 2.0 fig. 207", layer="device"
    ),
)
LINK_NARROW = Finding(
    rule="pcie.link-narrow",
    severity="Warning",
    component="pcie/0000:3b:00.0",
    where="SLOT 4",
    message="The link runs with 8 lanes; both ends can do 16.",
    next_step="Reseat the card in SLOT 4 and audit again.",
    value="x8",
    threshold=Threshold(name="pcie.width", value="x16", source="what both ends can do", layer="device"),
)


def snapshot(*findings: Finding, hardware: Hardware | None = None, **changes: object) -> Snapshot:
    """A GPU server with these findings; ``changes`` replace fields of the snapshot."""
    whole = Snapshot(
        schema_version="1.0",
        bee_version="0.1.0",
        host_name="gpu07",
        started_at="2026-01-31T12:00:00Z",
        duration_seconds=2.34,
        kernel_release="6.12.48+deb13-amd64",
        collectors=tuple(
            CollectorRun(name=name, status="ok", duration_seconds=0.1)
            for name in Hardware.__struct_fields__
            if name not in ("summary", "firmware")
        ),
        hardware=msgspec.structs.replace(hardware or gpu_server(), summary=_summary(findings)),
    )
    return msgspec.structs.replace(whole, **changes)


def gpu_server() -> Hardware:
    return Hardware(
        summary=_summary(()),
        board=_board(),
        cpus=_cpus(),
        memory=_memory(),
        storage=_storage(),
        pcie=_pcie(),
        network=_network(),
        psus=PsusSection(psus=tuple(_psu(number) for number in (1, 2, 3, 4))),
        sensors=_sensors(),
        bmc=_bmc(),
        gpus=GpusSection(gpus=tuple(_gpu(number) for number in range(8)), driver_version="580.126.09"),
    )


def _summary(findings: tuple[Finding, ...]) -> Summary:
    counts = {severity: sum(one.severity == severity for one in findings) for severity in _WORST_FIRST}
    verdict: Verdict = next((severity for severity in _WORST_FIRST if counts[severity]), "OK")
    return Summary(
        verdict=verdict,
        failure_count=counts["Critical"],
        warning_count=counts["Warning"],
        unknown_count=counts["Unknown"],
        findings=findings,
    )


_WORST_FIRST: tuple[Severity, ...] = ("Critical", "Warning", "Unknown")


def _board() -> BoardSection:
    return BoardSection(
        system=System(id="system", name="SYS-421GE-TNRT", vendor="Supermicro", serial="S411795X3B09876"),
        bios=Bios(id="bios", vendor="American Megatrends", firmware="2.4", release_date="2025-03-07"),
        baseboards=(
            Baseboard(
                id="board", vendor="Supermicro", model="X13DEG-OA", serial="OM236S001234", type="Motherboard"
            ),
        ),
        chassis=(
            Chassis(id="chassis", vendor="Supermicro", type="Rack Mount Chassis", serial="C4180FK35NF0123"),
        ),
        boot_mode="UEFI",
        secure_boot=False,
    )


def _cpus() -> CpusSection:
    model = "Intel(R) Xeon(R) Platinum 8480+"
    return CpusSection(
        sockets=tuple(
            Cpu(
                id=f"CPU{number + 1}",
                name=f"CPU{number + 1}",
                populated=True,
                status="Enabled",
                model=model,
                max_speed_mhz=3800,
                firmware="0x2b000639",
                package=number,
            )
            for number in (0, 1)
        ),
        packages=tuple(
            CpuPackage(package=number, cpus="0-55", core_count=56, thread_count=112, model=model)
            for number in (0, 1)
        ),
        core_count=112,
        thread_count=224,
    )


def _memory() -> MemorySection:
    slots = [f"P{cpu}-DIMM{channel}{bank}" for cpu in (1, 2) for channel in "ABCDEFGH" for bank in (1, 2)]
    return MemorySection(
        slots=tuple(
            Dimm(
                id=slot,
                name=slot,
                populated=True,
                size_bytes=64 * GIB,
                type="DDR5",
                vendor="Samsung",
                part_number="M321R8GA0BB0-CQKZJ",
                serial=f"80CE02{number:02X}",
                rated_speed_mts=4800,
                configured_speed_mts=4400 if number == 4 else 4800,
            )
            if slot.endswith("1")
            else Dimm(id=slot, name=slot, populated=False)
            for number, slot in enumerate(slots)
        ),
        installed_bytes=16 * 64 * GIB,
    )


def _storage() -> StorageSection:
    return StorageSection(
        disks=tuple(
            Disk(
                id=f"nvme{number}",
                vendor="Samsung",
                model="SAMSUNG MZQL23T8HCLS-00A07",
                serial=f"S64FNE0R50000{number}",
                firmware="GDC5602Q",
                kind="nvme",
                location=f"slot {number}",
                size_bytes=3_840_755_982_336,
                smart_status_passed=True,
                temperature_celsius=34 + number,
                percentage_used=number,
            )
            for number in range(4)
        )
    )


def _pcie() -> PcieSection:
    gpus = tuple(
        PcieDevice(
            id=f"0000:{0x1B + 16 * number:02x}:00.0",
            name="NVIDIA H100 PCIe",
            vendor_id="10de",
            device_id="2331",
            class_id="0302",
            location=f"SLOT {number + 1}",
            link=PcieLink(
                current_speed_gtps=32,
                current_width=16,
                ability_speed_gtps=32,
                ability_width=8 if number == 9 else 16,
            ),
        )
        for number in range(8)
    )
    narrow = PcieDevice(
        id="0000:3b:00.0",
        name="Mellanox ConnectX-7",
        vendor_id="15b3",
        device_id="1021",
        class_id="0200",
        location="SLOT 9",
        link=PcieLink(current_speed_gtps=16, current_width=8, ability_speed_gtps=32, ability_width=16),
    )
    bridge = PcieDevice(
        id="0000:1a:00.0",
        name="Root Port",
        vendor_id="8086",
        device_id="352a",
        class_id="0604",
        link=PcieLink(),
    )
    slots = tuple(
        PcieSlot(id=f"SLOT {number}", name=f"SLOT {number}", devices=("x",) if number < 9 else ())
        for number in range(1, 11)
    )
    return PcieSection(devices=(*gpus, narrow, bridge), slots=slots)


def _network() -> NetworkSection:
    return NetworkSection(
        interfaces=(
            NetworkInterface(
                id="ens9np0",
                name="Mellanox ConnectX-7 port 1",
                physical=True,
                vendor="Mellanox",
                model="ConnectX-7",
                permanent_mac="a0:88:c2:00:00:01",
                admin_up=True,
                carrier=True,
                speed_mbps=400_000,
                transceiver=Transceiver(
                    type="OSFP", checksum_valid=True, vendor="NVIDIA", part_number="MMS4X00-NM"
                ),
            ),
            NetworkInterface(
                id="eno1", name="eno1", physical=True, driver="i40e", admin_up=True, carrier=False
            ),
            NetworkInterface(id="lo", name="lo", physical=False),
        )
    )


def _psu(number: int) -> Psu:
    return Psu(
        id=f"psu{number}",
        name=f"PS{number}",
        present=number < 4,
        vendor="Supermicro",
        model="PWS-3K01G-2R" if number < 4 else None,
        serial=f"P3K01AK00IT000{number}" if number < 4 else None,
        capacity_watts=3000,
        input_watts=402.0 + number if number < 4 else None,
        states=(SensorState(offset=0, name="presence detected"),) if number < 4 else (),
    )


def _sensors() -> SensorsSection:
    limits = SensorThresholds(upper_non_critical=90, upper_critical=95)
    return SensorsSection(
        sensors=(
            Sensor(
                id="CPU1 Temp",
                name="CPU1 Temp",
                kind="temperature",
                reading_type="threshold",
                number=1,
                status="ok",
                value=62,
                unit="degrees C",
                thresholds=limits,
            ),
            *(
                Sensor(
                    id=f"FAN{number}",
                    name=f"FAN{number}",
                    kind="fan",
                    reading_type="threshold",
                    number=10 + number,
                    status="critical" if number == 3 else "ok",
                    value=0 if number == 3 else 4200.0 + 140 * number,
                    unit="RPM",
                    crossed=("lower_critical",) if number == 3 else (),
                )
                for number in range(4)
            ),
            Sensor(
                id="GPU9 Temp",
                name="GPU9 Temp",
                kind="temperature",
                reading_type="threshold",
                number=20,
                status="unavailable",
            ),
        )
    )


def _bmc() -> BmcSection:
    return BmcSection(
        controllers=(
            Controller(
                id="bmc",
                name="BMC",
                device="/dev/ipmi0",
                firmware="1.04.12",
                ipmi_version="2.0",
                manufacturer_id=10876,
                product_id=6971,
                device_revision=1,
                vendor="Supermicro",
                channels=(
                    LanChannel(
                        channel=1,
                        ipv4_address="10.0.7.107",
                        ipv4_source="DHCP",
                        mac_address="3c:ec:ef:00:00:01",
                    ),
                ),
            ),
        ),
        sel=Sel(
            id="sel",
            entry_count=42,
            entries_read=42,
            percent_used=8.2,
            events=(
                SelEvent(
                    id="sel-0x002a",
                    sensor="PS4 Status",
                    kind="power supply",
                    event="power supply input lost",
                    severity="Critical",
                    count=2,
                    occurrences=(SelOccurrence(record_id=42, at="2026-01-30T08:15:00"),),
                ),
            ),
        ),
    )


def _gpu(number: int) -> Gpu:
    return Gpu(
        id=f"0000:{0x1B + 16 * number:02x}:00.0",
        name="NVIDIA H100 PCIe",
        vendor_id="10de",
        device_id="2331",
        location=f"SLOT {number + 1}",
        serial=f"165402301234{number}",
        firmware="96.00.89.00.01",
        driver="nvidia",
        sample=GpuSample(unix_seconds=1.7e9, temperature_celsius=41 + number, power_average_watts=72.4),
    )
