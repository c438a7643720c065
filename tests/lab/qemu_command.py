"""From a `lab.hardware.Server` to the words of a QEMU command."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from uuid import UUID

from lab import smbios_table
from lab.disk_image import BootFiles
from lab.hardware import Server

# The network card that carries SSH; the initrd's network file knows it by its address.
SSH_MAC = "52:54:00:be:e0:01"

FIRST_ROOT_PORT = 0x10  # device numbers on the root complex
FIRST_LOOSE_DEVICE = 0x4

# Drivers that only cost time: nothing in an audit comes from them.
BLACKLIST = (
    "kvm,kvm_amd,kvm_intel,ppdev,parport,parport_pc,iTCO_wdt,pcspkr,psmouse,snd_pcsp,bochs,cirrus_qemu"
)

# QEMU 7.2 translates a program anew for each address at which it runs, and every write to a page with many
# translations costs it a millisecond: with addresses at random, a server takes half as long again to boot.
SAME_ADDRESSES = "norandmaps"
KERNEL_COMMAND = (
    "root=/dev/vda rw quiet console=ttyS0 panic=-1 mitigations=off random.trust_cpu=on audit=0 "
    f"{SAME_ADDRESSES} module_blacklist={BLACKLIST} systemd.show_status=no"
)

SLOT_TYPE_GEN3_X4, SLOT_TYPE_GEN5_X16 = 0xB4, 0xC4
LANES = {4: 0x0A, 16: 0x0D}  # SMBIOS 3.7 table 50


def command(server: Server, *, boot: BootFiles, initrd: Path, work: Path, ssh_port: int) -> list[str]:
    """A server with the lab's own Debian on a disk.

    ``work``: a folder for the disks, the tables and the sockets of this run.
    """
    words = machine(server, work)
    words += ["-serial", f"file:{work / 'serial.log'}"]
    words += ["-kernel", str(boot.kernel), "-initrd", str(initrd), "-append", KERNEL_COMMAND]
    words += ["-drive", f"if=none,id=root,file={boot.disk},format=raw,snapshot=on"]
    words += ["-device", "virtio-blk-pci,drive=root,bus=pcie.0,addr=0x2,serial=LABROOT"]
    words += ["-netdev", f"user,id=ssh,hostfwd=tcp:127.0.0.1:{ssh_port}-:22,restrict=on"]
    words += ["-device", f"virtio-net-pci,netdev=ssh,mac={SSH_MAC},bus=pcie.0,addr=0x3"]
    return words


def machine(
    server: Server, work: Path, networks: Mapping[str, str] | None = None, *, boots_by: str = ""
) -> list[str]:
    """The hardware alone, stopped before its first instruction; 0x2 and 0x3 on bus 0 are free.

    ``networks``: by a network card's name, the options of its user network (by default nothing is reached).
    ``boots_by``: the network card that the firmware boots from, by iPXE in its ROM.
    A disk whose file is in ``work`` already (NAME.raw, as nvme0 and sata1) keeps what is on it.
    """
    words = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-nodefaults", "-display", "none", "-S"]
    words += ["-machine", "q35,smbios-entry-point-type=64", "-no-reboot"]
    words += ["-qmp", f"unix:{work / 'qmp'},server=on,wait=off"]
    words += ["-device", "virtio-rng-pci,bus=pcie.0,addr=0x1e"]
    words += _processors(server)
    words += _devices(server, work, networks or {}, boots_by)
    words += _bmc(server, work)
    for number, structure in enumerate(_structures(server)):
        path = work / f"smbios-{number}"
        path.write_bytes(structure)
        words += ["-smbios", f"file={path}"]
    return words


def _processors(server: Server) -> Iterator[str]:
    """One socket and one NUMA node for each CPU, the memory divided between them."""
    sockets, cores, threads = len(server.cpus), server.cpus[0].cores, server.cpus[0].threads
    per_socket = cores * threads
    # The processor of the firmware's table, with what the emulation can do. Not the string instructions by
    # bytes (ERMS): with them a kernel clears a page by 4096 writes, each of which may cost that millisecond.
    yield from (
        "-cpu",
        f"max,vendor=GenuineIntel,family=6,model=143,stepping=8,-erms,model-id={server.cpus[0].model}",
    )
    yield from (
        "-smp",
        f"{sockets * per_socket},sockets={sockets},cores={cores},threads={threads}",
        "-m",
        f"{server.memory_bytes >> 20}M",
    )
    for node in range(sockets):
        first, last = node * per_socket, (node + 1) * per_socket - 1
        yield from ("-object", f"memory-backend-ram,id=ram{node},size={server.memory_bytes // sockets}")
        yield from ("-numa", f"node,nodeid={node},cpus={first}-{last},memdev=ram{node}")


def _devices(server: Server, work: Path, networks: Mapping[str, str], boots_by: str) -> Iterator[str]:
    loose = iter(range(FIRST_LOOSE_DEVICE, FIRST_ROOT_PORT))
    for index, port in enumerate(server.root_ports):
        yield from (
            "-device",
            f"pcie-root-port,id={port.name},bus=pcie.0,addr={FIRST_ROOT_PORT + index:#x},"
            f"chassis={port.number},slot={port.number},x-speed={port.speed_gts},x-width={port.width},hotplug=off",
        )

    def place(port: str | None) -> str:
        return f"bus={port}" if port else f"bus=pcie.0,addr={next(loose):#x}"

    def drive(name: str, size_bytes: int) -> tuple[str, str]:
        path = work / f"{name}.raw"
        with path.open("ab") as file:
            file.truncate(size_bytes)
        return "-drive", f"if=none,id={name}-drive,file={path},format=raw"

    for index, nvme in enumerate(server.nvmes):
        name = f"nvme{index}"
        yield from drive(name, nvme.size_bytes)
        yield from (
            "-device",
            f"nvme,id={name},drive={name}-drive,serial={nvme.serial},{place(nvme.port)}",
        )
    for index, sata in enumerate(server.satas):
        name = f"sata{index}"
        yield from drive(name, sata.size_bytes)
        yield from (
            "-device",
            f"ide-hd,id={name},drive={name}-drive,bus=ide.{index},serial={sata.serial},model={sata.model},"
            f"ver={sata.firmware},wwn={sata.wwn:#x},rotation_rate={sata.rotation_rpm}",
        )
    if server.scsis:
        yield from ("-device", f"virtio-scsi-pci,id=hba,{place(None)}")
    for index, scsi in enumerate(server.scsis):
        name = f"scsi{index}"
        yield from drive(name, scsi.size_bytes)
        yield from (
            "-device",
            f"scsi-hd,id={name},drive={name}-drive,bus=hba.0,scsi-id={index},serial={scsi.serial},"
            f"vendor={scsi.vendor},product={scsi.product},ver={scsi.firmware},wwn={scsi.wwn:#x},rotation_rate=7200",
        )
    for nic in server.nics:
        yield from ("-netdev", f"user,id={nic.name}-net,{networks.get(nic.name, 'restrict=on')}")
        # No ROM where it is not asked for: firmware would try to boot from the network, and speak on it.
        rom = "bootindex=0" if nic.name == boots_by else "romfile="
        yield from (
            "-device",
            f"e1000e,id={nic.name},netdev={nic.name}-net,mac={nic.mac},{rom},{place(nic.port)}",
        )


def _bmc(server: Server, work: Path) -> Iterator[str]:
    if server.bmc is not None:
        yield from ("-chardev", f"socket,id=bmc-link,path={work / 'bmc'},reconnect=1")
        yield from ("-device", "ipmi-bmc-extern,id=bmc,chardev=bmc-link")
        yield from ("-device", "isa-ipmi-kcs,bmc=bmc")


def _structures(server: Server) -> Iterator[bytes]:
    """The firmware's table, in the order of real ones; QEMU adds types 19, 32, 38 and 127."""
    board, chassis, array = server.board, 0x0003, 0x0010
    yield smbios_table.bios(
        0x0000, vendor=board.bios_vendor, version=board.bios_version, date=board.bios_date
    )
    yield smbios_table.system(
        0x0001,
        vendor=board.vendor,
        product=board.product,
        version=board.version,
        serial=board.serial,
        uuid=UUID(board.uuid),
        sku=board.sku,
        family=board.family,
    )
    yield smbios_table.baseboard(
        0x0002,
        vendor=board.vendor,
        product=board.board_product,
        version="1.02",
        serial=board.board_serial,
        asset_tag=board.asset_tag,
        chassis=chassis,
    )
    yield smbios_table.enclosure(
        chassis,
        vendor=board.vendor,
        version="2",
        serial=board.chassis_serial,
        asset_tag=board.asset_tag,
        sku="",
    )
    for index, cpu in enumerate(server.cpus):
        yield smbios_table.processor(
            0x0004 + index,
            socket=cpu.socket,
            vendor=cpu.vendor,
            version=cpu.model,
            serial=cpu.serial,
            part_number="",
            speed_mhz=cpu.speed_mhz,
            cores=cpu.cores,
            threads=cpu.cores * cpu.threads,
        )
    occupied = {nvme.port for nvme in server.nvmes} | {nic.port for nic in server.nics}
    for index, port in enumerate(server.root_ports):
        yield smbios_table.slot(
            0x0009 + index,
            name=port.slot_name,
            slot_type=SLOT_TYPE_GEN3_X4 if port.width == 4 else SLOT_TYPE_GEN5_X16,
            lanes_code=LANES[port.width],
            used=port.name in occupied,
            number=port.number,
            address=(server.bus_of(port.name), 0),
        )
    yield smbios_table.memory_array(array, slots=len(server.dimms), capacity_bytes=1 << 40)
    for index, dimm in enumerate(server.dimms):
        yield smbios_table.memory_device(
            array + 1 + index,
            array=array,
            locator=dimm.locator,
            bank=dimm.bank,
            size_mib=dimm.size_mib,
            vendor=dimm.vendor,
            serial=dimm.serial,
            part_number=dimm.part_number,
            speed_mt_s=dimm.speed_mt_s,
            configured_mt_s=dimm.configured_mt_s,
        )
    for index, device in enumerate(server.onboard):
        bus, number = device.device
        yield smbios_table.onboard_device(
            0x0040 + index,
            name=device.name,
            device_type=device.device_type,
            instance=index + 1,
            address=(bus, number << 3),
        )
