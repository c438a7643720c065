"""The disk's own verdict on itself, and disks that give none."""

from collections.abc import Iterator

from bee_audit.rules.disks.common import COOL, REPLACE, disks, finding, own_limit, real_disks
from bee_audit.rules.thresholds import Thresholds
from bee_bus.ata_counters import VOID_THRESHOLDS
from bee_bus.documents.audit import Finding, Hardware, Threshold
from bee_bus.documents.disk_health import SmartAttribute
from bee_bus.documents.storage import Disk

# smartctl(8), exit status.
DISK_FAILING, PREFAIL_NOW, FAILED_IN_PAST, SELF_TESTS_FAILED = 1 << 3, 1 << 4, 1 << 5, 1 << 7
# SPC-5 annex F: additional sense codes of the informational exceptions page.
_ASC_WARNING, _ASC_PREDICTION, _ASCQ_SIMULATED = 0x0B, 0x5D, 0xFF
_TEMPERATURES = (190, 194, 231)
_GONE_STATES = ("offline", "transport-offline", "dead", "deleting", "deleting (no IO)", "cancel")


def smart_failed(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    for disk in disks(hardware):
        said = disk.smart_status_passed is False or bool((disk.smartctl_exit_status or 0) & DISK_FAILING)
        if not said or (disk.nvme is not None and disk.nvme.critical_warning):
            continue  # an NVMe drive says what is wrong, and that is the finding
        if _is_warning_only(disk):
            continue
        reason = f": {disk.scsi.exception}" if disk.scsi is not None and disk.scsi.exception else ""
        limit = own_limit("SMART status", "passed", "the disk's own SMART status (ACS-4 §7.43, SPC-5 §6.6)")
        yield finding(
            disk,
            "smart-failed",
            "Critical",
            f"says that it is failing{reason}",
            REPLACE,
            value="failed",
            threshold=limit,
        )


def drive_warning(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    for disk in disks(hardware):
        if _is_warning_only(disk) and disk.scsi is not None:
            code = f"asc {disk.scsi.asc:02x}h, ascq {disk.scsi.ascq or 0:02x}h"
            yield finding(
                disk,
                "drive-warning",
                "Warning",
                f"warns: {disk.scsi.exception or 'no words for it'} ({code})",
                "Look at its temperature and its error counters, remove the cause, and audit again.",
                value=code,
            )


def _is_warning_only(disk: Disk) -> bool:
    if disk.scsi is None or disk.scsi.asc is None:
        return False
    simulated = disk.scsi.asc == _ASC_PREDICTION and disk.scsi.ascq == _ASCQ_SIMULATED
    return disk.scsi.asc == _ASC_WARNING or simulated


def attribute_failed(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    for disk in disks(hardware):
        for one in disk.attributes:
            if _is_temperature(one):
                if one.failed == "now" and _states_no_limit(disk):
                    yield _too_warm(disk, one)
            elif one.failed == "now":
                yield _attribute_now(disk, one)
            elif one.failed == "past":
                yield finding(
                    disk,
                    "attribute-failed-in-past",
                    "Warning",
                    f"had {_attribute(one)} at {one.worst} once, its threshold is {one.threshold}",
                    "Find what happened then (heat, power, vibration); replace it if it happens again.",
                    value=one.worst,
                    threshold=_attribute_limit(one),
                )


def _attribute_now(disk: Disk, one: SmartAttribute) -> Finding:
    # Prefailure attributes predict a failure within a day (ACS-3 §7.54), the others tell of age and use.
    predicts = one.prefailure is not False
    meaning = "predicts its failure" if predicts else "says that its age or use is past the design"
    return finding(
        disk,
        "attribute-failing",
        "Critical" if predicts else "Warning",
        f"has {_attribute(one)} at {one.value}, its threshold is {one.threshold}; this {meaning}",
        REPLACE if predicts else "Plan its replacement.",
        value=one.value,
        threshold=_attribute_limit(one),
    )


def _is_temperature(one: SmartAttribute) -> bool:
    """Not of age, though flagged so: it falls and recovers; that it was low once says nothing of today."""
    return one.number in _TEMPERATURES and "Temperature" in one.name and one.prefailure is not True


def _states_no_limit(disk: Disk) -> bool:
    """A limit in degrees is judged by another rule; some makers have one threshold for all attributes."""
    return disk.temperature_warning_celsius is None and disk.temperature_critical_celsius is None


def _too_warm(disk: Disk, one: SmartAttribute) -> Finding:
    return finding(
        disk,
        "attribute-failing",
        "Warning",
        f"has {_attribute(one)} at {one.value}, its threshold is {one.threshold}; this says it is too warm",
        COOL,
        value=one.value,
        threshold=_attribute_limit(one),
    )


def _attribute(one: SmartAttribute) -> str:
    return f"attribute {one.number} {one.name}"


def _attribute_limit(one: SmartAttribute) -> Threshold | None:
    if one.threshold is None:
        return None
    return own_limit(f"SMART threshold of attribute {one.number}", one.threshold, "the disk's own threshold")


def smartctl_exit(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """What smartctl's exit status says and nothing else in its report does."""
    for disk in disks(hardware):
        status = disk.smartctl_exit_status or 0
        failed = {one.failed for one in disk.attributes}
        if any(one.threshold in VOID_THRESHOLDS for one in disk.attributes):
            failed |= {"now", "past"}  # that is what smartctl means
        results = disk.self_tests.results if disk.self_tests is not None else ()
        told = any(one.result == "failed" for one in results)
        if status & PREFAIL_NOW and "now" not in failed:
            message = "has a prefailure attribute at or below its threshold, says smartctl"
            yield finding(disk, "attribute-failing", "Critical", message, REPLACE, value=status)
        if status & FAILED_IN_PAST and not failed & {"now", "past"}:
            message = "had an attribute at or below its threshold in the past, says smartctl"
            step = "Look at the output of `smartctl -x`, and replace it if it happens again."
            yield finding(disk, "attribute-failed-in-past", "Warning", message, step, value=status)
        if status & SELF_TESTS_FAILED and not told:
            message = "has failed self-tests in its log, says smartctl"
            step = "Run a long self-test; replace it if that fails."
            yield finding(disk, "self-test-failed", "Warning", message, step, value=status)


def health_unread(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    for disk in real_disks(hardware):
        if disk.health_unread is None or disk.state in _GONE_STATES or _needs_no_health(disk):
            continue
        yield finding(
            disk,
            "health-unread",
            "Unknown",
            f"could not be asked for its health: {disk.health_unread}",
            f"Switch it on with `smartctl -s on {_smartctl_name(disk)}` and audit again."
            if disk.smart_supported and disk.smart_enabled is False
            else f"Try `smartctl -x {_smartctl_name(disk)}` by hand, and the disk on another port.",
        )


def _smartctl_name(disk: Disk) -> str:
    """What smartctl calls the disk: "/dev/sda", "-d megaraid,3 /dev/bus/0"."""
    kind, behind, _ = disk.id.partition("@")
    node = disk.device_nodes[0] if disk.device_nodes else disk.id
    return f"-d {kind} {node}" if behind else node


def _needs_no_health(disk: Disk) -> bool:
    """A stick or the medium that this system was started from: not a part of the machine."""
    return disk.transport == "usb" and (disk.removable or disk.contents == "iso9660")


def offline(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    for disk in disks(hardware):
        if disk.state in _GONE_STATES:
            yield finding(
                disk,
                "offline",
                "Critical",
                f"does not answer the kernel any more: it is {disk.state}",
                "Look for its errors in the kernel log, reseat it, and replace it if it goes again.",
                value=disk.state,
            )


def no_capacity(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    for disk in real_disks(hardware):
        if disk.kind == "nvme" and disk.state == "live" and not disk.namespaces:
            yield finding(
                disk,
                "no-namespace",
                "Warning",
                "has no namespace, so that nothing can be stored on it",
                "Create one with `nvme create-ns`, or ask who removed it.",
            )
        elif disk.kind == "nvme" and disk.state == "live" and (empty := _without_size(disk)):
            yield finding(
                disk,
                "namespace-unusable",
                "Warning",
                f"has namespaces that the kernel cannot use, and gives no size: {', '.join(empty)}",
                "Look at their block format with `nvme id-ns -H` (metadata, more than 4096 bytes); "
                "`nvme format` to another one erases them.",
            )
        elif _has_foreign_blocks(disk):
            yield finding(
                disk,
                "block-size",
                "Warning",
                f"is formatted with blocks of {disk.logical_block_bytes} bytes, as some disk arrays do: the "
                "kernel can neither read nor write it",
                f"`sg_format --format --size=512 {_smartctl_name(disk)}` makes it usable and erases it.",
                value=disk.logical_block_bytes,
            )
        elif disk.size_bytes is None and disk.state == "running" and disk.transport != "usb":
            yield finding(
                disk,
                "no-capacity",
                "Critical",
                "does not tell its size: it can neither be read nor written",
                "Reseat it and try another slot; replace it if it stays so.",
            )


def _without_size(disk: Disk) -> list[str]:
    return [space.name for space in disk.namespaces if space.size_bytes == 0]


def _has_foreign_blocks(disk: Disk) -> bool:
    block = disk.logical_block_bytes
    return disk.state == "running" and disk.size_bytes is None and block is not None and block % 512 != 0


def read_only(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    for disk in real_disks(hardware):
        if disk.read_only and disk.transport != "usb":
            yield finding(
                disk,
                "read-only",
                "Warning",
                "takes no writes: the kernel shows it as write-protected",
                "A worn-out SSD protects itself so, or somebody did it (`hdparm -r`, `nvme id-ns`): replace "
                "it if the protection cannot be lifted.",
            )


def locked(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """Its self-tests pass in this state too (ACS-4, Security feature set), and nothing else tells of it."""
    for disk in disks(hardware):
        if disk.ata is not None and disk.ata.locked:
            yield finding(
                disk,
                "locked",
                "Warning",
                "is locked by an ATA password: it can neither be read nor written",
                "Have its owner unlock or erase it (`hdparm --security-unlock`, `--security-erase`).",
            )


def sanitizing(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """A drive refuses to be read and written meanwhile, and after a failure until that is lifted (NVMe 2.0,
    Sanitize Operations); by its health log it is well.
    """
    for disk in disks(hardware):
        if disk.sanitize == "failed":
            yield finding(
                disk,
                "sanitize-failed",
                "Critical",
                "failed to erase itself (sanitize): what it held may still be there, and it may refuse to be "
                "read and written",
                f"Run `nvme sanitize` on {disk.name} again; replace it if that fails too.",
                value=disk.sanitize,
            )
        elif disk.sanitize == "running":
            yield finding(
                disk,
                "sanitize-running",
                "Warning",
                "is erasing itself (sanitize), and can neither be read nor written until that ends",
                f"Wait for its end (`nvme sanitize-log {disk.name}`) and audit again.",
                value=disk.sanitize,
            )


RULES = (
    smart_failed,
    drive_warning,
    attribute_failed,
    smartctl_exit,
    health_unread,
    offline,
    no_capacity,
    read_only,
    locked,
    sanitizing,
)
