"""Restart, renew, mount: what group bee may ask of login1, systemd and UDisks2, and what nobody may."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bee_bus import errors
from bee_bus.login1 import Login1Client, PowerAction
from bee_bus.systemd1 import Systemd1Client
from bee_bus.udisks2 import Stick, UDisks2Client
from lab.bus.private import OPERATOR_UID, STRANGER_UID, LabBus
from lab.freedesktop import LOGIN1, SYSTEMD1, UDISKS2, login1, said, systemd1, udisks2

MakeBus = Callable[..., LabBus]
POWER: tuple[PowerAction, ...] = ("Reboot", "PowerOff")


# Power.


@pytest.mark.parametrize("action", POWER)
async def test_an_operator_may_stop_the_machine_also_when_others_are_logged_in(
    make_bus: MakeBus, action: PowerAction
) -> None:
    bus = make_bus(services=login1("--sessions", "3"))
    async with bus.client(OPERATOR_UID) as client:
        assert await Login1Client(client).can(action) == "yes"
        await Login1Client(client).act(action)
        assert await said(client, LOGIN1) == [action]


@pytest.mark.parametrize("action", POWER)
async def test_a_stranger_may_not_stop_the_machine(make_bus: MakeBus, action: PowerAction) -> None:
    bus = make_bus(services=login1())
    async with bus.client(STRANGER_UID) as client:
        assert await Login1Client(client).can(action) == "challenge"
        with pytest.raises(errors.InteractiveAuthorizationRequired):
            await Login1Client(client).act(action)
        assert await said(client, LOGIN1) == []


async def test_who_holds_a_restart_up_is_named_with_the_reason(make_bus: MakeBus) -> None:
    bus = make_bus(services=login1("--inhibited"))
    async with bus.client(OPERATOR_UID) as client:
        with pytest.raises(errors.Busy, match="Unattended Upgrades: Packages are being installed") as refused:
            await Login1Client(client).act("Reboot")
        assert "UPower" not in refused.value.message  # it delays sleep, nothing else
        assert await said(client, LOGIN1) == []


async def test_without_login1_nothing_is_restarted_and_it_is_said(make_bus: MakeBus) -> None:
    async with make_bus().client() as client:
        with pytest.raises(errors.NotSupported, match="nobody on this bus restarts"):
            await Login1Client(client).act("Reboot")


# Network.


async def test_an_operator_may_restart_the_network_unit_and_hears_of_its_end(make_bus: MakeBus) -> None:
    bus = make_bus(services=systemd1())
    async with bus.client(OPERATOR_UID) as client:
        await Systemd1Client(client).restart()
        assert await said(client, SYSTEMD1) == ["restart bee-network.service"]


async def test_an_operator_may_restart_no_other_unit(make_bus: MakeBus) -> None:
    bus = make_bus(services=systemd1())
    async with bus.client(OPERATOR_UID) as client:
        with pytest.raises(errors.InteractiveAuthorizationRequired):
            await Systemd1Client(client).restart("ssh.service")
        assert await said(client, SYSTEMD1) == []


async def test_a_stranger_may_not_restart_the_network_unit(make_bus: MakeBus) -> None:
    bus = make_bus(services=systemd1())
    async with bus.client(STRANGER_UID) as client:
        with pytest.raises(errors.InteractiveAuthorizationRequired):
            await Systemd1Client(client).restart()


async def test_a_unit_that_does_not_start_is_no_success(make_bus: MakeBus) -> None:
    bus = make_bus(services=systemd1("--failing"))
    async with bus.client(OPERATOR_UID) as client:
        with pytest.raises(errors.OtherError, match="was not restarted \\(failed\\)"):
            await Systemd1Client(client).restart()


async def test_a_machine_whose_network_is_set_up_otherwise_says_so(make_bus: MakeBus) -> None:
    bus = make_bus(services=systemd1("--without"))
    async with bus.client(OPERATOR_UID) as client:
        with pytest.raises(errors.NotSupported, match=r"no bee-network\.service"):
            await Systemd1Client(client).restart()


# USB sticks.


async def test_only_the_stick_that_can_be_written_to_is_offered(make_bus: MakeBus, tmp_path: Path) -> None:
    bus = make_bus(services=udisks2(str(tmp_path)))
    async with bus.client(STRANGER_UID) as client:
        (stick,) = await UDisks2Client(client).sticks()
        assert stick.device == "/dev/sdc1"
        assert (stick.label, stick.type, stick.size_bytes) == ("REPORTS", "vfat", 16 << 30)
        assert stick.drive.startswith("SanDisk Ultra")
        assert stick.mount_point == ""


async def test_without_a_stick_there_is_none(make_bus: MakeBus, tmp_path: Path) -> None:
    bus = make_bus(services=udisks2(str(tmp_path), "--without"))
    async with bus.client() as client:
        assert await UDisks2Client(client).sticks() == ()


async def test_a_stick_is_mounted_for_as_long_as_it_is_written_to(make_bus: MakeBus, tmp_path: Path) -> None:
    bus = make_bus(services=udisks2(str(tmp_path)))
    async with bus.client(OPERATOR_UID) as client:
        disks = UDisks2Client(client)
        (stick,) = await disks.sticks()
        async with disks.mounted(stick) as folder:
            assert folder == tmp_path
            assert (await disks.sticks())[0].mount_point == str(tmp_path)
        assert (await disks.sticks())[0].mount_point == ""
        assert await said(client, UDISKS2) == ["mount sdc1", "unmount sdc1"]


async def test_a_stick_is_unmounted_when_writing_to_it_fails(make_bus: MakeBus, tmp_path: Path) -> None:
    bus = make_bus(services=udisks2(str(tmp_path)))
    async with bus.client(OPERATOR_UID) as client:
        disks = UDisks2Client(client)
        (stick,) = await disks.sticks()
        with pytest.raises(OSError, match="full"):
            async with disks.mounted(stick):
                raise OSError("full")
        assert await said(client, UDISKS2) == ["mount sdc1", "unmount sdc1"]


async def test_a_stick_that_somebody_else_mounted_stays_mounted(make_bus: MakeBus, tmp_path: Path) -> None:
    bus = make_bus(services=udisks2(str(tmp_path)))
    async with bus.client() as somebody, bus.client(OPERATOR_UID) as client:
        (stick,) = await UDisks2Client(somebody).sticks()
        await UDisks2Client(somebody).mount(stick)
        disks = UDisks2Client(client)
        (stick,) = await disks.sticks()
        async with disks.mounted(stick) as folder:
            assert folder == tmp_path
        assert await said(client, UDISKS2) == ["mount sdc1"]


async def test_a_stick_that_is_still_in_use_is_not_said_to_be_done(make_bus: MakeBus, tmp_path: Path) -> None:
    bus = make_bus(services=udisks2(str(tmp_path), "--busy"))
    async with bus.client(OPERATOR_UID) as client:
        disks = UDisks2Client(client)
        (stick,) = await disks.sticks()
        with pytest.raises(errors.Busy, match="target is busy"):
            async with disks.mounted(stick):
                pass


async def test_a_stranger_may_not_mount_a_stick(make_bus: MakeBus, tmp_path: Path) -> None:
    bus = make_bus(services=udisks2(str(tmp_path)))
    async with bus.client(STRANGER_UID) as client:
        disks = UDisks2Client(client)
        (stick,) = await disks.sticks()
        with pytest.raises(errors.AccessDenied):
            await disks.mount(stick)


async def test_an_operator_may_not_mount_the_machines_own_disks(make_bus: MakeBus, tmp_path: Path) -> None:
    bus = make_bus(services=udisks2(str(tmp_path)))
    own = Stick(f"/{UDISKS2.replace('.', '/')}/block_devices/nvme0n1p1", "", "", "", 0, "")
    async with bus.client(OPERATOR_UID) as client:
        with pytest.raises(errors.AccessDenied):
            await UDisks2Client(client).mount(own)
        assert await said(client, UDISKS2) == []
