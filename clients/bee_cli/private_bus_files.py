"""The files behind a private bus: how the bus daemon is configured, and what polkitd gets to see."""

import shlex
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bee_cli.errors import CliError

# Where polkitd reads actions and rules; newer versions read all of them, older ones the first two.
POLKIT_FOLDERS = ("/usr/share/polkit-1", "/etc/polkit-1", "/run/polkit-1", "/usr/local/share/polkit-1")


class PrivateBusError(CliError):
    """The private bus could not be set up; the hint says what is needed."""


def project_policies() -> list[Path]:
    """The project's D-Bus policies."""
    return _project_files("dbus/system.d", "dbus-1/system.d", ".conf")


def project_actions() -> list[Path]:
    """The project's polkit actions."""
    return _project_files("dbus/polkit", "polkit-1/actions", ".policy")


def project_rules() -> list[Path]:
    """The project's polkit rules."""
    return _project_files("dbus/polkit", "polkit-1/rules.d", ".rules")


def new_folder() -> Path:
    """A new folder; a socket's path has to fit in 108 bytes."""
    parent = tempfile.gettempdir()
    if len(parent) > 60:
        parent = "/tmp"
    folder = Path(tempfile.mkdtemp(prefix="bee-", dir=parent))
    folder.chmod(0o711)  # clients of any user, and polkitd, pass through to the socket
    return folder


def write_bus(folder: Path, *, services: Mapping[str, Sequence[str]], policies: Iterable[Path]) -> None:
    """The bus daemon's configuration, and what it starts for each name."""
    activation = folder / "services"
    activation.mkdir()
    for name, command in services.items():
        (activation / f"{name}.service").write_text(
            f"[D-BUS Service]\nName={name}\nExec={shlex.join(command)}\nUser=root\n"
        )
    includes = "".join(f"  <include>{_xml(str(path.resolve()))}</include>\n" for path in policies)
    (folder / "bus.conf").write_text(_BUS_CONFIGURATION.format(folder=_xml(str(folder)), includes=includes))
    _let_everybody_read(folder)


def write_covers(
    folder: Path, *, actions: Iterable[Path], rules: Iterable[Path], files: Mapping[str, str | Path]
) -> list[str]:
    """What polkitd shall see in place of the machine's own, below folder/root; returns the places."""
    root = folder / "root"
    for place in POLKIT_FOLDERS:
        for part in ("actions", "rules.d"):
            (root / place.lstrip("/") / part).mkdir(parents=True)
    for paths, part in ((actions, "actions"), (rules, "rules.d")):
        for path in paths:
            shutil.copyfile(path, root / POLKIT_FOLDERS[0].lstrip("/") / part / path.name)
    for place, text in files.items():
        covering = root / place.lstrip("/")
        covering.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, Path):
            covering.symlink_to(text)
        else:
            covering.write_text(text)
    _let_everybody_read(folder)
    return [*POLKIT_FOLDERS, *files]


def already_installed(actions: Iterable[Path], rules: Iterable[Path]) -> bool:
    """Whether the machine's own polkitd has these very actions and rules."""
    own = Path(POLKIT_FOLDERS[0])
    pairs = [(path, own / "actions" / path.name) for path in actions]
    pairs += [(path, own / "rules.d" / path.name) for path in rules]
    return all(there.is_file() and there.read_bytes() == path.read_bytes() for path, there in pairs)


def _project_files(source: str, installed: str, suffix: str) -> list[Path]:
    """The source tree's files of one kind, else this installation's, else the system's."""
    here = Path(__file__).resolve()
    folders = [here.parents[2] / source, *(here.parents[4:5] and [here.parents[4] / "share" / installed])]
    for folder in [*folders, Path("/usr/share") / installed]:
        found = sorted(path for path in folder.glob(f"*{suffix}") if "org.bee." in path.name)
        if found:
            return found
    raise PrivateBusError(f"bee's {installed} files are missing", "install bee again")


def _let_everybody_read(folder: Path) -> None:
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)


def _xml(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


# The system bus as distributions configure it (deny, and let each service's own file allow), without its
# user.
_BUS_CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={folder}/bus</listen>
  <auth>EXTERNAL</auth>
  <servicedir>{folder}/services</servicedir>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Introspectable"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Properties"/>
    <deny send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"
          send_member="UpdateActivationEnvironment"/>
  </policy>
  <policy user="root">
    <allow own="org.freedesktop.PolicyKit1"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Monitoring"/>
  </policy>
  <policy user="polkitd">
    <allow own="org.freedesktop.PolicyKit1"/>
    <allow send_interface="org.freedesktop.PolicyKit1.AuthenticationAgent"/>
  </policy>
  <policy context="default">
    <allow send_destination="org.freedesktop.PolicyKit1"/>
  </policy>
{includes}</busconfig>
"""
