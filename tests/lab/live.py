"""The live system, booted in a container: its overlay on Debian and bee, with the keys of an image or not."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import container, rootfs
from lab.container import Container
from lab.lan import Lan

# The port of a container is one end of a veth, which 80-bee.network takes for no port of a machine.
PORT_OF_THE_LAB = "[Match]\nKind=\nKind=veth\n"


def with_marker(root: Path) -> None:
    (root / "etc/bee-password-fallback").touch()


def with_keys(*public: str) -> Callable[[Path], None]:
    def prepare(root: Path) -> None:
        folder = root / "root/.ssh"
        folder.mkdir(parents=True, exist_ok=True)
        # As a careless build leaves it: sshd would refuse these modes.
        folder.chmod(0o777)
        keys = folder / "authorized_keys"
        keys.write_text("".join(f"{key}\n" for key in public))
        keys.chmod(0o666)

    return prepare


@contextmanager
def booted_live(*prepare: Callable[[Path], None], lan: Lan | None = None) -> Iterator[Container]:
    def everything(root: Path) -> None:
        folder = root / "etc/systemd/network/80-bee.network.d"
        folder.mkdir(parents=True)
        (folder / "lab.conf").write_text(PORT_OF_THE_LAB)
        for change in prepare:
            change(root)

    with container.booted(
        rootfs.live_layers, prepare=everything, network=lan.machine if lan is not None else None
    ) as machine:
        yield machine
