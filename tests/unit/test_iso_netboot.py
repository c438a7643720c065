"""What booting over the network takes, made from images as small as they can be."""

import re
import subprocess
from pathlib import Path

import pytest

from lab.netboot import PROGRAM

URL = "http://192.168.7.1/bee"
MENU = """set timeout=3
menuentry "bee" {
    linux /live/vmlinuz-6.12 boot=live quiet console=ttyS0,115200 findiso=${iso_path}
    initrd /live/initrd.img-6.12
}
menuentry "Copy the system to memory first" {
    linux /live/vmlinuz-6.12 boot=live quiet findiso=${iso_path} toram
}
"""


def image(folder: Path, menu: str = MENU, name: str = "bee-1.iso") -> Path:
    tree = folder / "tree"
    (tree / "live").mkdir(parents=True)
    (tree / "boot" / "grub").mkdir(parents=True)
    (tree / "live" / "vmlinuz-6.12").write_text("the kernel")
    (tree / "live" / "initrd.img-6.12").write_text("its initramfs")
    (tree / "boot" / "grub" / "grub.cfg").write_text(menu)
    path = folder / name
    subprocess.run(
        ["xorriso", "-as", "mkisofs", "-quiet", "-R", "-o", str(path), str(tree)],
        check=True,
        capture_output=True,
    )
    return path


def made(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAM, *words], check=False, capture_output=True, text=True, timeout=120)


def test_the_folder_holds_all_that_a_machine_asks_for(tmp_path: Path) -> None:
    bee = image(tmp_path)
    folder = tmp_path / "served"
    ended = made(bee, URL + "/", folder)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert f"{URL}/boot.ipxe" in ended.stdout
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    script = files.pop("boot.ipxe").decode()
    assert files == {
        "vmlinuz-6.12": b"the kernel",
        "initrd.img-6.12": b"its initramfs",
        "bee-1.iso": bee.read_bytes(),
    }
    assert script.startswith("#!ipxe\n")
    # Everything that it names is there, by the address that it is served as.
    assert {address.removeprefix(URL + "/") for address in re.findall(r"http://\S+", script)} - {
        URL + "."
    } == set(files)
    (kernel,) = [line for line in script.splitlines() if line.startswith("kernel ")]
    assert kernel.split()[2:6] == ["initrd=initrd.img-6.12", "boot=live", "quiet", "console=ttyS0,115200"]
    # The network card that it was booted by, and no other.
    assert "BOOTIF=01-${mac:hexhyp}" in kernel.split()
    assert "findiso" not in kernel


def test_a_new_image_takes_the_old_ones_place(tmp_path: Path) -> None:
    folder = tmp_path / "served"
    bee = image(tmp_path)
    assert made(bee, URL, folder).returncode == 0
    with bee.open("ab") as file:
        file.write(b"more")
    assert made(bee, URL, folder).returncode == 0
    assert (folder / "bee-1.iso").read_bytes().endswith(b"more")
    assert len(list(folder.iterdir())) == 4


@pytest.mark.parametrize(
    ("menu", "said"),
    [
        ("menuentry nothing { }\n", "its menu names no kernel"),
        (MENU.replace("boot=live", "root=/dev/sda1"), "this is no live image of bee"),
        (MENU.replace("/live/vmlinuz", "/live/absent"), "/live/absent-6.12 cannot be read from it"),
    ],
)
def test_what_is_no_image_of_bee_leaves_the_folder_as_it_was(tmp_path: Path, menu: str, said: str) -> None:
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "boot.ipxe").write_text("#!ipxe\nof before\n")
    ended = made(image(tmp_path, menu), URL, folder)
    assert ended.returncode == 1
    assert said in ended.stderr and ended.stderr.count("\n") == 1
    assert [path.name for path in folder.iterdir()] == ["boot.ipxe"]
    assert (folder / "boot.ipxe").read_text() == "#!ipxe\nof before\n"


def test_a_file_that_is_no_iso_at_all_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.iso").write_text("not an image")
    ended = made(tmp_path / "notes.iso", URL, tmp_path / "served")
    assert ended.returncode == 1
    assert "notes.iso: /boot/grub/grub.cfg cannot be read from it" in ended.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--help says which"),
        (["{iso}", URL], "--help says which"),
        (["/nowhere/bee.iso", URL, "{folder}"], "no file that can be read"),
        (["/etc/hostname", URL, "{folder}"], "must be .iso"),
        (["{iso}", "https://192.168.7.1/bee", "{folder}"], "must be an http:// one"),
        (["{iso}", "http://192.168.7.1/a b", "{folder}"], "must be an http:// one"),
        (["{iso}", URL, "/etc/hostname"], "this is no folder"),
    ],
)
def test_bad_usage_is_told_in_a_sentence(tmp_path: Path, words: list[str], said: str) -> None:
    bee = tmp_path / "bee.iso"
    bee.touch()
    ended = made(*(word.format(iso=bee, folder=tmp_path / "served") for word in words))
    assert ended.returncode == 2
    assert said in ended.stderr and ended.stderr.count("\n") == 1
    assert not (tmp_path / "served").exists()
