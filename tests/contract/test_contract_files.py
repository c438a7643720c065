"""The contract agrees with itself: interfaces, actions, policies, activation and errors fit together."""

import inspect
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from bee_bus import errors, interfaces, names
from bee_bus.values import all_types

DBUS = Path(__file__).parents[2] / "dbus"
XML = sorted((DBUS / "interfaces").glob("*.xml"))
POLICY = ElementTree.parse(DBUS / "polkit/org.bee.policy").getroot()

CHANGING = (
    "org.bee.audit.run",
    "org.bee.audit.capture",
    "org.bee.job.cancel",
    "org.bee.sat.run",
    "org.bee.sat.artifact",  # kernel messages, which Debian shows to root alone
)


def described(path: Path) -> interfaces.Description:
    return interfaces.load(path.stem)


def every_action() -> set[str]:
    return {str(method.action) for path in XML for method in described(path).methods.values()}


def test_the_contract_is_found_in_the_source_tree() -> None:
    assert interfaces.folder() == DBUS / "interfaces"
    assert XML


@pytest.mark.parametrize("path", XML, ids=lambda path: path.stem)
def test_a_file_describes_the_interface_that_it_is_named_after(path: Path) -> None:
    root = ElementTree.parse(path).getroot()
    assert [element.get("name") for element in root.iter("interface")] == [path.stem]


@pytest.mark.parametrize("path", XML, ids=lambda path: path.stem)
def test_every_method_states_an_action_and_every_name_is_in_its_case(path: Path) -> None:
    description = described(path)
    for method in description.methods.values():
        assert method.action in names.ACTIONS, f"{method.name} states no action that exists"
        for argument in (*method.inputs, *method.outputs):
            assert re.fullmatch(r"[a-z][a-z0-9_]*", argument.name)
            assert len(all_types(argument.signature)) == 1
    for signal in description.signals.values():
        assert all(re.fullmatch(r"[a-z][a-z0-9_]*", argument.name) for argument in signal.arguments)
    for name in (*description.methods, *description.signals, *description.properties):
        assert re.fullmatch(r"[A-Z][A-Za-z0-9]*", name)
    for held in description.properties.values():
        assert held.emits in ("true", "const", "invalidates", "false")
        assert len(all_types(held.signature)) == 1


@pytest.mark.parametrize("path", XML, ids=lambda path: path.stem)
def test_every_member_is_explained_and_every_error_it_names_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    comments = " ".join(re.findall(r"<!--(.*?)-->", text, re.DOTALL))
    for name in described(path).methods:
        assert re.search(rf"\b{name}\b", comments), f"{name} has no word of explanation"
    for name in re.findall(r"org\.bee\.Error\.\w+|org\.freedesktop\.DBus\.Error\.\w+", comments):
        assert name in errors.TABLE, f"{name} is in no table"


def test_the_table_of_names_is_the_folder_of_interfaces() -> None:
    in_table = {interface for service in names.SERVICES for interface in service.interfaces}
    assert in_table == {path.stem for path in XML}
    for service in names.SERVICES:
        assert service.interfaces[0] == service.bus_name
        assert service.path == "/" + service.bus_name.replace(".", "/")


def test_every_action_has_its_policy_and_every_policy_its_action() -> None:
    declared = [action.get("id") for action in POLICY.iter("action")]
    assert len(declared) == len(set(declared))
    assert set(declared) == every_action() == set(names.ACTIONS)


@pytest.mark.parametrize("action", list(POLICY.iter("action")), ids=lambda action: str(action.get("id")))
def test_who_looks_is_let_and_who_changes_gives_a_password(action: ElementTree.Element) -> None:
    defaults = {part.tag: part.text for part in action.iterfind("defaults/*")}
    if action.get("id") in CHANGING:
        assert defaults == {
            "allow_any": "auth_admin",
            "allow_inactive": "auth_admin",
            "allow_active": "auth_admin_keep",
        }
    else:
        assert str(action.get("id")).endswith((".read", ".watch"))
        assert set(defaults.values()) == {"yes"}
        assert len(defaults) == 3
    for part in ("description", "message"):
        text = action.findtext(part)
        assert text
        assert text.strip() == text


@pytest.mark.parametrize("service", names.SERVICES, ids=lambda service: service.bus_name)
def test_the_bus_lets_root_own_the_name_and_all_send_to_what_is_documented(
    service: names.Service,
) -> None:
    root = ElementTree.parse(DBUS / f"system.d/{service.bus_name}.conf").getroot()
    by_root = root.findall("policy[@user='root']/allow")
    assert [allow.attrib for allow in by_root] == [{"own": service.bus_name}]
    by_all = root.findall("policy[@context='default']/allow")
    assert {allow.get("send_destination") for allow in by_all} == {service.bus_name}
    assert {allow.get("send_interface") for allow in by_all} == {
        *service.interfaces,
        "org.freedesktop.DBus.Introspectable",
        "org.freedesktop.DBus.ObjectManager",
        "org.freedesktop.DBus.Peer",
        "org.freedesktop.DBus.Properties",
    }
    assert all(set(allow.attrib) == {"send_destination", "send_interface"} for allow in by_all)
    assert len(list(root.iter("policy"))) == 2


@pytest.mark.parametrize("service", names.SERVICES, ids=lambda service: service.bus_name)
def test_the_bus_starts_the_service_through_systemd_and_only_so(service: names.Service) -> None:
    activation = _keys(DBUS / f"system-services/{service.bus_name}.service")
    unit_name = f"{service.program}.service"
    assert activation == {
        "Name": service.bus_name,
        "Exec": "/bin/false",
        "User": "root",
        "SystemdService": unit_name,
    }
    unit = _keys(DBUS.parent / "systemd" / unit_name)
    assert unit["Type"] == "dbus"
    assert unit["BusName"] == service.bus_name
    assert unit["ExecStart"].endswith(f"/{service.program}")


def test_the_rules_are_for_group_bee_and_the_web_and_cover_what_these_offer() -> None:
    rules = (DBUS / "polkit/50-org.bee.rules").read_text(encoding="utf-8")
    assert 'action.id.indexOf("org.bee.") === 0 && subject.isInGroup("bee")' in rules
    assert set(re.findall(r'"(org\.freedesktop\.[^"]+)"', rules)) == {
        "org.freedesktop.login1.power-off",
        "org.freedesktop.login1.power-off-multiple-sessions",
        "org.freedesktop.login1.reboot",
        "org.freedesktop.login1.reboot-multiple-sessions",
        "org.freedesktop.systemd1.manage-units",
        "org.freedesktop.udisks2.filesystem-mount",
        "org.freedesktop.udisks2.filesystem-mount-other-seat",
    }
    conditions = [" ".join(each.split()) for each in re.findall(r"if \((.*?)\) \{", rules, re.DOTALL)]
    group, web = 'subject.isInGroup("bee")', 'subject.user === "bee-web"'
    whom = [condition.rpartition(" && ")[2] for condition in conditions]
    assert whom == [group, group, web, f"({group} || {web})", group]
    assert rules.count("polkit.Result") == len(conditions)


def test_every_error_class_is_a_row_and_every_row_says_what_to_do() -> None:
    classes = {
        member
        for _, member in inspect.getmembers(errors, inspect.isclass)
        if issubclass(member, errors.BeeError) and member is not errors.BeeError
    }
    assert set(errors.TABLE.values()) == classes
    for name, error in errors.TABLE.items():
        assert error.name == name
        assert re.fullmatch(r"org\.(bee|freedesktop\.DBus)\.Error(\.[A-Z]\w+)+", name)
        assert error.hint.endswith(".")
        assert isinstance(errors.from_name(name, "so it is"), error)
        assert errors.from_name(name, "so it is").message.endswith("so it is")
    assert not set(errors.ALIASES) & set(errors.TABLE)


def test_an_error_that_nobody_knows_keeps_its_name() -> None:
    error = errors.from_name("com.example.Error.Odd", "who knows")
    assert isinstance(error, errors.OtherError)
    assert error.error_name == "com.example.Error.Odd"
    assert error.message == "com.example.Error.Odd: who knows"


def _keys(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
