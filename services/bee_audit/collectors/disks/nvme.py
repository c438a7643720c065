"""NVMe drives, by their own log pages.

Identify and four log pages give all that smartctl prints of an NVMe drive, which has no drive database for
them; so no process is started for a drive, unless the kernel refuses the commands.
"""

import asyncio
import errno
import re
from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from bee_audit.collectors.disks.block import SECTOR_BYTES, contents, with_report
from bee_audit.collectors.disks.kernel import Kernel, pci_address
from bee_audit.collectors.disks.smart import Smartctl
from bee_audit.decode import DecodeError
from bee_audit.decode.disk_text import clean
from bee_audit.decode.filler import genuine
from bee_audit.decode.nvme import (
    ERROR_ENTRY_BYTES,
    FIRMWARE_BYTES,
    HEALTH_BYTES,
    SANITIZE_BYTES,
    SELF_TEST_BYTES,
    NvmeController,
    decode_controller,
    decode_errors,
    decode_firmware_slots,
    decode_health,
    decode_namespace,
    decode_sanitize,
    decode_self_tests,
)
from bee_bus.documents.storage import Disk, Namespace
from bee_machine import ControlError, Entry, Machine, Question
from bee_machine.controls.nvme import (
    ERROR_LOG,
    FIRMWARE_LOG,
    HEALTH_LOG,
    OPERATION,
    SANITIZE_LOG,
    SELF_TEST_LOG,
    AdminCommand,
    get_log_page,
    identify,
)

T = TypeVar("T")

DEADLINE_SECONDS = 10.0
IDENTIFY_NAMESPACE, IDENTIFY_CONTROLLER = 0, 1
ERRORS_READ = 16  # the newest of up to 256
_GONE_STATES = ("dead", "deleting", "deleting (no IO)")
_VIRTUAL = re.compile(r"QEMU|VMware|VBOX|nvme_card|Amazon Elastic|ORCLNVME", re.IGNORECASE)


async def read_nvme(machine: Machine, kernel: Kernel, smartctl: Smartctl) -> list[Disk]:
    """Every drive on PCIe; remote ones (over TCP, RDMA, Fibre Channel) are another machine's."""
    local = [entry for entry in kernel.nvme if entry.text("transport") in (None, "pcie")]
    return list(await asyncio.gather(*(_read_drive(machine, kernel, smartctl, entry) for entry in local)))


async def _read_drive(machine: Machine, kernel: Kernel, smartctl: Smartctl, entry: Entry) -> Disk:
    disk = _drive(entry, kernel)
    if disk.state in _GONE_STATES:
        return msgspec.structs.replace(
            disk, health_unread=f"the kernel has given the drive up: it is {disk.state}"
        )
    try:
        return await machine.converse(f"/dev/{disk.id}", _with_pages(disk))
    except (ControlError, DecodeError) as error:
        reason = str(error) if isinstance(error, DecodeError) else error.strerror or str(error)
        if isinstance(error, ControlError) and error.errno == errno.ETIMEDOUT:
            smartctl.problems.append(reason)
            return msgspec.structs.replace(disk, health_unread=reason)  # it would only hang smartctl too
    report = await smartctl.report(f"/dev/{disk.id}")
    if isinstance(report, str):
        return msgspec.structs.replace(disk, health_unread=f"{reason}; {report}")
    return with_report(disk, report)


def _drive(entry: Entry, kernel: Kernel) -> Disk:
    model = clean(entry.text("model") or "")
    address = pci_address(entry.real_path)
    if address is None and re.fullmatch(
        r"[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]", entry.text("address") or ""
    ):
        address = entry.text("address")
    namespaces = tuple(_namespaces(entry, kernel))
    names = {space.name for space in namespaces}
    sizes = [space.size_bytes for space in namespaces if space.size_bytes is not None]
    first = namespaces[0].name if namespaces else None
    properties = kernel.udev.get(first, {}) if first is not None else {}
    wwid = next((block.text("wwid") for block in kernel.namespaces if block.name == first), None)
    return Disk(
        id=entry.name,
        name=f"/dev/{entry.name}",
        location=kernel.pci_place_of(address) if address is not None else None,
        model=model,
        serial=genuine(clean(entry.text("serial") or "")),
        firmware=genuine(clean(entry.text("firmware_rev") or "")),
        wwn=genuine(wwid.removeprefix("eui.")) if wwid is not None and wwid.startswith("eui.") else None,
        kind="nvme",
        transport="nvme",
        size_bytes=sum(sizes) if sizes else None,
        logical_block_bytes=namespaces[0].logical_block_bytes if namespaces else None,
        device_nodes=(f"/dev/{entry.name}",),
        namespaces=namespaces,
        controller=address,
        pci_address=address,
        by_path=properties.get("ID_PATH"),
        contents=contents(properties),
        state=entry.text("state"),
        read_only=any(block.integer("ro") for block in kernel.namespaces if block.name in names),
        virtual=bool(_VIRTUAL.search(model or "")),
    )


def _namespaces(controller: Entry, kernel: Kernel) -> Iterable[Namespace]:
    """The controller's namespaces, by where the kernel hangs them.

    A drive that can have several controllers has its namespaces under the subsystem instead, and one hidden
    path per controller: "nvme0c1n1" is namespace nvme0n1 by controller 1.
    """
    below = f"/{controller.name}/"
    own = [entry for entry in kernel.namespaces if below in f"{entry.real_path}/"]
    names = {re.sub(r"c\d+(?=n\d+$)", "", entry.name) for entry in own}
    for entry in kernel.namespaces:
        if entry.name in names:
            sectors = entry.integer("size")
            yield Namespace(
                name=entry.name,
                number=entry.integer("nsid"),
                size_bytes=sectors * SECTOR_BYTES if sectors is not None else None,
                logical_block_bytes=entry.integer("queue/logical_block_size"),
            )


async def _with_pages(disk: Disk) -> Disk:
    """The conversation with a drive.

    Raises ControlError or DecodeError when the pages that every drive must have cannot be read.
    """
    identity_page = decode_controller(await _ask(identify(IDENTIFY_CONTROLLER)))
    health = decode_health(await _ask(get_log_page(HEALTH_LOG, HEALTH_BYTES)))
    if not identity_page.endurance_groups:  # the byte is reserved then
        health = msgspec.structs.replace(health, endurance_group_warnings=())
    warnings = health.critical_warning
    found = msgspec.structs.replace(
        disk,
        model=identity_page.model or disk.model,
        serial=identity_page.serial or disk.serial,
        firmware=identity_page.firmware or disk.firmware,
        size_bytes=disk.size_bytes or identity_page.total_bytes,
        virtual=disk.virtual or bool(_VIRTUAL.search(identity_page.model or "")),
        smart_supported=True,
        smart_enabled=True,
        smart_status_passed=warnings == 0 if warnings is not None else None,
        temperature_celsius=health.composite_temperature_celsius,
        temperature_warning_celsius=identity_page.warning_celsius,
        temperature_critical_celsius=identity_page.critical_celsius,
        power_on_hours=health.power_on_hours,
        power_cycles=health.power_cycles,
        percentage_used=health.percentage_used,
        available_spare_percent=health.available_spare_percent,
        nvme=health,
    )
    return await _with_optional_pages(found, identity_page)


async def _with_optional_pages(disk: Disk, controller: NvmeController) -> Disk:
    """What a drive may refuse without being judged by it."""
    entries = min(controller.error_log_entries, ERRORS_READ)
    errors = None
    if disk.nvme is not None and disk.nvme.error_log_entries:
        errors = await _ask_or_none(get_log_page(ERROR_LOG, entries * ERROR_ENTRY_BYTES))
    firmware = await _ask_or_none(get_log_page(FIRMWARE_LOG, FIRMWARE_BYTES))
    tests = None
    if controller.self_test_supported:
        tests = await _ask_or_none(get_log_page(SELF_TEST_LOG, SELF_TEST_BYTES))
    sanitize = None
    if controller.sanitize_supported:
        sanitize = await _ask_or_none(get_log_page(SANITIZE_LOG, SANITIZE_BYTES))
    log = _decoded(decode_self_tests, tests)
    if log is not None:
        log = msgspec.structs.replace(log, extended_minutes=controller.extended_self_test_minutes)
    return msgspec.structs.replace(
        disk,
        namespaces=tuple([await _with_use(space) for space in disk.namespaces]),
        nvme_errors=_decoded(decode_errors, errors) or (),
        firmware_slots=_decoded(decode_firmware_slots, firmware) or (),
        sanitize=_decoded(decode_sanitize, sanitize),
        self_tests=log,
    )


async def _with_use(space: Namespace) -> Namespace:
    if space.number is None:
        return space
    page = await _ask_or_none(identify(IDENTIFY_NAMESPACE, namespace=space.number))
    found = _decoded(decode_namespace, page)
    return msgspec.structs.replace(space, used_bytes=found.used_bytes) if found is not None else space


def _decoded(decode: Callable[[bytes], T], page: bytes | None) -> T | None:
    try:
        return decode(page) if page is not None else None
    except DecodeError:
        return None


async def _ask(command: AdminCommand) -> bytes:
    return await Question(OPERATION, command.pack(), DEADLINE_SECONDS)


async def _ask_or_none(command: AdminCommand) -> bytes | None:
    try:
        return await _ask(command)
    except ControlError:
        return None
