"""bee's clients of login1 and systemd1 against the real ones: what group bee may do, and what nobody may."""

import pytest

from lab.container import Container
from lab.rootfs import MEMBER, STRANGER

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

PROGRAM = """
import asyncio, sys
from bee_bus.client import Bus
from bee_bus.errors import BeeError
from bee_bus.login1 import Login1Client
from bee_bus.systemd1 import Systemd1Client

async def main():
    async with Bus() as bus:
        try:
            print({work})
        except BeeError as error:
            print(type(error).__name__, error.message)

asyncio.run(main())
"""
UNIT = """[Unit]
Description=Network, as the live image has it
[Service]
Type=oneshot
ExecStart={command}
"""
PLACE = "/run/systemd/system/bee-network.service"


def asked(machine: Container, work: str, *, user: str) -> str:
    """What a user's call comes to: the answer, or the error."""
    program = PROGRAM.format(work=work)
    environment = {"PYTHONPATH": "/usr/local/lib/bee"}
    return machine.run(["python3", "-c", program], user=user, environment=environment).stdout.strip()


def install_network_unit(machine: Container, command: str) -> None:
    unit = UNIT.format(command=command)
    machine.run(["sh", "-c", f"mkdir -p /run/systemd/system; printf '%s' '{unit}' > {PLACE}"])
    machine.run(["systemctl", "daemon-reload"])


@pytest.mark.parametrize("action", ["Reboot", "PowerOff"])
def test_a_member_may_stop_the_machine_and_a_stranger_not(machine: Container, action: str) -> None:
    call = f'await Login1Client(bus).can("{action}")'
    assert asked(machine, call, user=MEMBER) == "yes"
    assert asked(machine, call, user=STRANGER) in ("no", "challenge")
    refused = asked(machine, f'await Login1Client(bus).act("{action}")', user=STRANGER)
    assert refused.split()[0] in ("AccessDenied", "InteractiveAuthorizationRequired")


def test_who_holds_the_machine_up_is_named_by_the_real_login1_too(machine: Container) -> None:
    machine.run(
        [
            *("systemd-run", "--unit=bee-lab-holder", "systemd-inhibit", "--what=shutdown"),
            *("--who=Installer", "--why=Writing the firmware", "sleep", "600"),
        ]
    )
    try:
        machine.run(["sh", "-c", "until systemd-inhibit --list | grep -q Installer; do sleep 0.1; done"])
        held = asked(machine, 'await Login1Client(bus).act("Reboot")', user=MEMBER)
        assert held == "Busy this machine may not go down now: Installer: Writing the firmware"
    finally:
        machine.run(["systemctl", "stop", "bee-lab-holder.service"])


def test_a_member_may_restart_the_network_unit_and_no_other(machine: Container) -> None:
    restart = "await Systemd1Client(bus).restart()"
    assert asked(machine, restart, user=MEMBER) == "NotSupported this machine has no bee-network.service"
    install_network_unit(machine, "/bin/touch /run/bee-lab-renewed")
    assert asked(machine, restart, user=STRANGER).split()[0] in (
        "AccessDenied",
        "InteractiveAuthorizationRequired",
    )
    assert machine.run(["test", "-e", "/run/bee-lab-renewed"], check=False).returncode == 1
    assert asked(machine, restart, user=MEMBER) == "None"
    machine.run(["test", "-e", "/run/bee-lab-renewed"])
    other = asked(machine, 'await Systemd1Client(bus).restart("ssh.service")', user=MEMBER)
    assert other.split()[0] in ("AccessDenied", "InteractiveAuthorizationRequired")
    # The unit and the verb together are what is allowed.
    stop = ["systemctl", "--no-ask-password", "stop", "bee-network.service"]
    assert machine.run(stop, user=MEMBER, check=False).returncode != 0


def test_a_network_unit_that_fails_is_no_success(machine: Container) -> None:
    install_network_unit(machine, "/bin/false")
    failed = asked(machine, "await Systemd1Client(bus).restart()", user=MEMBER)
    assert failed.startswith("OtherError bee-network.service was not restarted (failed)")
    machine.run(["systemctl", "reset-failed", "bee-network.service"])
    machine.run(["sh", "-c", f"rm {PLACE} && systemctl daemon-reload"])
