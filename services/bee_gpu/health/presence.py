"""Is every GPU there, and could all of it be read?"""

from collections import Counter
from collections.abc import Iterator

from bee_bus.documents.findings import Finding
from bee_bus.documents.gpus import InventoryGpu
from bee_bus.thresholds import Thresholds
from bee_gpu.health import Observation, Rule, finding, name

_POWER_CYCLE = (
    "Read the kernel log for Xid and NVRM lines; switch the machine off and on; if it stays, reseat or "
    "replace the GPU."
)
_CONDITIONS = {
    "lost": ("lost", "is lost: it does not answer on the bus", _POWER_CYCLE),
    "needs-reset": (
        "needs-reset",
        "must be reset before it can be used again",
        "Stop all work on it and run `nvidia-smi --gpu-reset`; if it comes back, replace the GPU.",
    ),
    "no-power": (
        "no-power",
        "has no external power",
        "Switch the machine off and look at the GPU's power cables and their supply.",
    ),
    "not-answering": (
        "not-answering",
        "does not answer its driver",
        "Look for processes that hang in the kernel, and restart the machine; if it stays, replace the GPU.",
    ),
    "not-in-driver": ("not-in-driver", "is on PCI, and its driver does not list it", _POWER_CYCLE),
}
_DRIVERS = {
    "no-library": "Install the NVIDIA library (libnvidia-ml.so.1) of the driver's version, and ask again.",
    "version-mismatch": "Restart the machine, so that driver and library are of one version again.",
    "not-answering": "Restart the machine; if the driver hangs again, look in the kernel log for the GPU "
    "that it hangs on.",
}
_NO_DRIVER = "Load the GPU's driver (journalctl -u bee-nvidia says why it is not), and ask again."


def conditions(observation: Observation, limits: Thresholds) -> Iterator[Finding]:
    """A GPU that cannot be used, by the name that its fault has."""
    for gpu in observation.gpus:
        if gpu.condition in _CONDITIONS:
            rule, what, next_step = _CONDITIONS[gpu.condition]
            # Of a hang it matters which call it is; elsewhere the driver says the same as we do.
            call = f" ({gpu.trouble})" if gpu.trouble and gpu.condition == "not-answering" else ""
            message = f"{name(gpu)} {what}{call}"
            yield finding(gpu, rule, "Critical", message, next_step, value=gpu.condition)


def driver_missing(observation: Observation, limits: Thresholds) -> Iterator[Finding]:
    """Without its driver a GPU's memory, errors and temperatures are not known: that is not OK."""
    for gpu in observation.gpus:
        if gpu.condition == "no-driver":
            why = f" ({gpu.trouble})" if gpu.trouble else ""
            next_step = _DRIVERS.get(observation.inventory.state, _NO_DRIVER) if gpu.driver else _NO_DRIVER
            message = f"No driver answers for {name(gpu)}{why}: its health was not read"
            yield finding(gpu, "driver-missing", "Unknown", message, next_step)


def virtual_gpu(observation: Observation, limits: Thresholds) -> Iterator[Finding]:
    """A share of a GPU (vGPU): memory errors, temperatures and links are shown to the host alone."""
    for gpu in observation.gpus:
        if gpu.identity is not None and gpu.identity.virtualization == "vgpu-guest":
            message = f"{name(gpu)} is a share of a GPU: the health of that GPU cannot be seen from here"
            yield finding(gpu, "virtual-gpu", "Unknown", message, "Ask on the host.")


def not_on_pci(observation: Observation, limits: Thresholds) -> Iterator[Finding]:
    """The driver and PCI must count the same GPUs."""
    if not observation.pci_seen:
        for gpu in observation.gpus:
            message = (
                f"PCI could not be read, so nobody knows whether the driver lists all GPUs beside {gpu.id}"
            )
            yield finding(gpu, "pci-unread", "Unknown", message, "Ask on the machine itself, as root.")
        return
    for gpu in observation.gpus:
        if not gpu.on_pci:
            message = f"The driver lists {name(gpu)} at {gpu.id}, where PCI shows none"
            yield finding(gpu, "not-on-pci", "Critical", message, _POWER_CYCLE, value=gpu.id)


def fewer_than_switches_say(observation: Observation, limits: Thresholds) -> Iterator[Finding]:
    """A GPU that is on no bus is missed by the switches of its board, which never come with fewer."""
    # Cards may be plugged beside a board, but not as many as it has GPUs.
    kinds = Counter(gpu.pci_id for gpu in observation.gpus if gpu.vendor == "NVIDIA" and gpu.on_pci)
    count = max(kinds.values(), default=0)
    limit = f"gpus.behind_{len(observation.inventory.nvswitches)}_nvswitches"
    if limit not in limits.names() or not observation.pci_seen or count >= limits.number(limit):
        return
    switches = len(observation.inventory.nvswitches)
    yield Finding(
        rule="gpus.fewer-than-switches-say",
        severity="Critical",
        component="gpus",
        where="all GPUs",
        message=f"PCI shows {count} GPUs of one kind, and its {switches} NVSwitches belong to "
        f"{limits.number(limit):g}",
        next_step="Switch the machine off and on at its supply; if a GPU stays away, reseat it, and return "
        "the machine if that does not help. The BMC says which GPUs it sees.",
        value=count,
        threshold=limits[limit],
    )


def partly_read(observation: Observation, limits: Thresholds) -> Iterator[Finding]:
    """What a GPU should have told and did not."""
    for gpu in observation.gpus:
        for problem in _problems(gpu):
            message = f"{name(gpu)} could not be read in part: {problem}"
            yield finding(
                gpu, "partly-read", "Unknown", message, "Look at the service's log (journalctl -u bee-gpud)."
            )
        if gpu.condition == "ok" and (gpu.identity is None or gpu.state is None or gpu.sample is None):
            message = f"{name(gpu)} has not been read as a whole yet"
            yield finding(gpu, "partly-read", "Unknown", message, "Ask again in a few seconds.")


def _problems(gpu: InventoryGpu) -> dict[str, None]:
    """Each once: the same call fails in more than one reading."""
    parts = (gpu.identity, gpu.state, gpu.sample)
    return dict.fromkeys(problem for part in parts if part is not None for problem in part.problems)


def own_limits_of_the_site(observation: Observation, limits: Thresholds) -> Iterator[Finding]:
    if observation.limits_trouble is not None and observation.gpus:
        yield Finding(
            rule="gpus.site-thresholds",
            severity="Unknown",
            component="gpus",
            where="gpus",
            message=f"The site's thresholds are not in force: {observation.limits_trouble}",
            next_step="Correct /etc/bee/thresholds.toml and ask again.",
        )


def inforom(observation: Observation, limits: Thresholds) -> Iterator[Finding]:
    """The GPU's own notes on its memory are kept there."""
    for gpu in observation.gpus:
        if gpu.identity is not None and gpu.identity.inforom_valid is False:
            message = f"The infoROM of {name(gpu)} is corrupted: its notes on memory errors cannot be trusted"
            next_step = "Update the GPU's firmware with the vendor's tool; if it stays, replace the GPU."
            yield finding(gpu, "inforom-corrupted", "Critical", message, next_step, False)


RULES: tuple[Rule, ...] = (
    conditions,
    driver_missing,
    virtual_gpu,
    not_on_pci,
    fewer_than_switches_say,
    partly_read,
    own_limits_of_the_site,
    inforom,
)
