"""The network screen: what the kernel says of interfaces, on folders that look like a machine's."""

from pathlib import Path

import pytest

from bee_bus.addresses import Address
from bee_tui.app import App
from bee_tui.models.network import Interface, Network, read_access, read_gateways, read_interfaces
from bee_tui.screen import Screen
from bee_tui.views.network import NetworkScreen
from bee_tui.widgets import find
from lab.tui_views import shown

ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eno1\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eno1\t0000A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
eno2\t00000000\t0100000A\t0002\t0\t0\t200\t00000000\t0\t0\t0
"""


def write(folder: Path, name: str, *, device: str = "", **files: str) -> None:
    """An interface below /sys/class/net."""
    (folder / name).mkdir(parents=True)
    for file, text in files.items():
        (folder / name / file).write_text(f"{text}\n")
    if device:
        (folder / name / "device").mkdir()
        (folder / name / "device" / "driver").symlink_to(f"../../bus/pci/drivers/{device}")


def interface(**changes: object) -> Interface:
    usual = Interface("eno1", True, True, True, 25000, "b8:3f:d2:00:11:22", "mlx5_core", ("192.168.0.7",))
    return usual._replace(**changes)  # type: ignore[arg-type]


def text_of(*interfaces: Interface, gateways: tuple[Address, ...] = (), access: str = "") -> str:
    model = Network()
    model.interfaces, model.gateways, model.access = interfaces, gateways, access
    screen = NetworkScreen(App(), model, opened([]))
    body = screen.body()
    screen.refresh()
    return shown(body)


def opened(names: list[str]) -> "type[Screen]":
    def open_facts(name: str) -> Screen:
        names.append(name)
        raise LookupError(name)

    return open_facts  # type: ignore[return-value]


# What the kernel says.


def test_interfaces_with_a_device_come_first_and_the_loopback_not_at_all(tmp_path: Path) -> None:
    write(tmp_path, "lo", flags="0x9", carrier="1", address="00:00:00:00:00:00")
    write(tmp_path, "docker0", flags="0x1003", carrier="0", speed="-1", address="02:42:00:00:00:01")
    write(tmp_path, "eno2", flags="0x1002", address="b8:3f:d2:00:11:23", device="tg3")
    write(
        tmp_path,
        "eno1",
        flags="0x1003",
        carrier="1",
        speed="25000",
        address="b8:3f:d2:00:11:22",
        device="mlx5_core",
    )
    (tmp_path / "bonding_masters").write_text("\n")
    found = read_interfaces(tmp_path, (Address("eno1", "192.168.0.7"), Address("eno1", "2001:db8::7")))
    assert [one.name for one in found] == ["eno1", "eno2", "docker0"]
    assert found[0] == interface(addresses=("192.168.0.7", "2001:db8::7"))
    assert (found[1].up, found[1].carrier, found[1].speed_mbps) == (False, None, None)
    assert (found[2].physical, found[2].carrier, found[2].speed_mbps) == (False, False, None)


def test_a_speed_that_is_not_known_is_absent(tmp_path: Path) -> None:
    for number, speed in enumerate(("-1", "0", "", "4294967295x")):
        write(tmp_path, f"eno{number}", flags="0x1003", carrier="1", speed=speed, address="")
    assert [one.speed_mbps for one in read_interfaces(tmp_path, ())] == [None] * 4


def test_a_machine_without_interfaces_has_none(tmp_path: Path) -> None:
    assert read_interfaces(tmp_path / "none", ()) == ()


def test_the_gateway_is_that_of_a_default_route_which_is_up(tmp_path: Path) -> None:
    (tmp_path / "route").write_text(ROUTES)
    assert read_gateways(tmp_path / "route") == (Address("eno1", "192.168.0.1"),)
    assert read_gateways(tmp_path / "none") == ()


# What the screen says.


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (interface(), "link 25 Gb/s  192.168.0.7"),
        (interface(speed_mbps=100), "link 100 Mb/s  192.168.0.7"),
        (interface(speed_mbps=2500), "link 2.5 Gb/s"),
        (interface(speed_mbps=None), "link  192.168.0.7"),
        (interface(addresses=()), "link 25 Gb/s  no address"),
        (interface(carrier=False, speed_mbps=None, addresses=()), "no link: is a cable in?"),
        (interface(up=False, carrier=None, speed_mbps=None, addresses=()), "switched off"),
        (interface(physical=False, addresses=(), driver=""), "virtual"),
    ],
)
def test_each_interface_says_how_it_is(one: Interface, words: str) -> None:
    text = text_of(one)
    assert text.startswith(f" eno1           {words}")
    assert "b8:3f:d2:00:11:22" in text


def test_a_link_that_is_not_there_has_no_speed_on_the_screen() -> None:
    text = text_of(interface(carrier=False, speed_mbps=25000, addresses=()))
    assert "25 Gb/s" not in text


def test_the_gateway_stands_below() -> None:
    assert "Gateway        192.168.0.1 (eno1)" in text_of(
        interface(), gateways=(Address("eno1", "192.168.0.1"),)
    )


def test_no_interface_at_all_is_said() -> None:
    assert "There is no network interface." in text_of()


def test_an_interface_that_is_pressed_shows_what_the_audit_knows() -> None:
    names: list[str] = []
    model = Network()
    model.interfaces = (interface(), interface(name="eno2"))
    screen = NetworkScreen(App(), model, opened(names))
    body = screen.body()
    screen.refresh()
    with pytest.raises(LookupError, match="eno2"):
        find(body, "eno2").press()
    assert names == ["eno2"]


@pytest.mark.parametrize(
    ("access", "said"),
    [
        ("key", "ssh bee@192.168.0.7, with a key that the image carries"),
        ("password abcd-2345-wxyz", "ssh bee@192.168.0.7, password abcd-2345-wxyz"),
        ("none", "closed: the image carries neither keys nor leave for a password"),
    ],
)
def test_who_is_in_front_of_it_reads_how_to_come_in_from_elsewhere(access: str, said: str) -> None:
    beside = interface(name="docker0", physical=False, addresses=("172.17.0.1",))
    text = text_of(beside, interface(addresses=("2001:db8::7", "192.168.0.7")), access=access)
    assert said in " ".join(text.split())
    assert max(len(line) for line in text.splitlines()) <= 80


def test_before_there_is_an_address_its_place_is_named() -> None:
    assert "ssh bee@ADDRESS, password" in text_of(interface(addresses=()), access="password abcd-2345-wxyz")


def test_a_machine_that_is_not_the_live_systems_says_nothing_of_it(tmp_path: Path) -> None:
    assert read_access(tmp_path / "absent") == ""
    assert "Shell" not in text_of(interface())
    (tmp_path / "access").write_text("password abcd-2345-wxyz\n")
    assert read_access(tmp_path / "access") == "password abcd-2345-wxyz"
