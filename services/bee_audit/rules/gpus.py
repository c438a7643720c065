"""Rules over GPUs: those of org.bee.Gpu1, which judges them for everybody, and what is left without it."""

from collections.abc import Iterator

from bee_audit.rules import Rule
from bee_audit.rules.pci_places import devices_of, takes_whole_slot
from bee_audit.rules.thresholds import Thresholds
from bee_bus.documents.audit import Finding, Hardware
from bee_bus.documents.gpus import Gpu
from bee_bus.documents.pcie import PcieDevice
from bee_machine.gpus import NVIDIA, is_gpu, is_nvswitch

_LOAD = "Load the GPU's driver (journalctl -u bee-nvidia says why it is not), and audit again."
_SECURED = (
    "Secure Boot is on, which keeps out a driver that this kernel's maker did not sign: turn it off in the "
    "firmware's setup, boot again, and audit."
)


def found_by_the_service(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """Taken over as they are, with the place where hands find the GPU.

    Except one: the service does not know the slots, and takes a GPU in a narrow one for half plugged.
    """
    if hardware.gpus is None:
        return
    gpus = {f"gpus/{gpu.id}": gpu for gpu in hardware.gpus.gpus}
    in_narrow_slot = {
        f"gpus/{device.id}"
        for device in devices_of(hardware)
        if device.link is not None and takes_whole_slot(device.link)
    }
    for finding in hardware.gpus.findings:
        if finding.rule == "gpus.pcie-width" and finding.component in in_narrow_slot:
            continue
        gpu = gpus.get(finding.component)
        yield Finding(
            rule=finding.rule,
            severity=finding.severity,
            component=finding.component,
            where=where(gpu) if gpu else finding.where,
            message=finding.message,
            next_step=finding.next_step,
            value=finding.value,
            threshold=finding.threshold,
        )


def driver_missing(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """Without its driver a GPU's memory, errors and temperatures are not known.

    Severity Unknown: the live image may lack the driver of a healthy GPU, but what was not seen is not OK.
    """
    secured = hardware.board is not None and hardware.board.secure_boot
    for gpu in hardware.gpus.gpus if hardware.gpus else ():
        if gpu.driver is None and gpu.condition is None:
            yield Finding(
                rule="gpus.driver-missing",
                severity="Unknown",
                component=f"gpus/{gpu.id}",
                where=where(gpu),
                message=f"{gpu.name} has no driver: its health was not read",
                next_step=_SECURED if secured else _LOAD,
            )


def none_behind_switches(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """Without a GPU nobody asks org.bee.Gpu1, and the switches of their board are all that tells of them."""
    switches = [one for one in devices_of(hardware) if is_nvswitch(one.vendor_id, one.class_id)]
    gpus = [one for one in devices_of(hardware) if one.vendor_id == NVIDIA and _is_gpu(one)]
    if switches and not gpus:
        yield Finding(
            rule="gpus.none-behind-switches",
            severity="Critical",
            component="gpus",
            where="all GPUs",
            message=f"PCI shows {len(switches)} NVSwitches, and none of the GPUs that they connect",
            next_step="Switch the machine off and on at its supply; if the GPUs stay away, look at their "
            "board's power and at what the BMC says of it.",
            value=0,
        )


def _is_gpu(device: PcieDevice) -> bool:
    return is_gpu(device.vendor_id, device.class_id, virtual_function=False, in_root_complex=False)


def where(gpu: Gpu) -> str:
    place = f"{gpu.id} in {gpu.location}" if gpu.location else gpu.id
    index = gpu.identity.index if gpu.identity else None
    number = f", GPU {index}" if index is not None else ""
    return f"{place}{number}, serial {gpu.serial}" if gpu.serial else f"{place}{number}"


RULES: tuple[Rule, ...] = (found_by_the_service, driver_missing, none_behind_switches)
