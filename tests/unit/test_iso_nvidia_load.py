"""The live system's loader of NVIDIA's driver, on folders that look like machines, with programs that log."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOADER = ROOT / "iso" / "overlay" / "usr" / "local" / "lib" / "bee-nvidia" / "load"

H100, NVSWITCH, AUDIO = "0x030200", "0x068000", "0x040300"
VERSION = "550.163.01"

# What each program does beside logging its call. insmod is the kernel: a module that it takes is there
# afterwards, with its device numbers, and nvidia.ko has taken the GPUs that the machine's file `taken` names.
PROGRAMS = {
    "insmod": """
        if [ -e "$R/broken-${1##*/}" ]; then
            echo "insmod: ERROR: could not insert module $1: No such device" >&2
            exit 1
        fi
        name=$(basename "$1" .ko | tr - _)
        case $name in
            nvidia) numbers="195 nvidia\\n195 nvidiactl\\n235 nvidia-caps\\n"
                [ ! -e "$R/switched" ] || numbers="${numbers}234 nvidia-nvswitch\\n233 nvidia-nvlink\\n" ;;
            nvidia_uvm) numbers="508 nvidia-uvm\\n" ;;
        esac
        printf "${numbers:-}" >> "$R/proc/devices"
        if [ $name = nvidia ]; then
            minor=0
            for gpu in $(cat "$R/taken"); do
                mkdir -p "$R/proc/driver/nvidia/gpus/$gpu"
                printf 'Model: \\t\\t NVIDIA H100\\nDevice Minor: \\t %s\\n' $minor \\
                    > "$R/proc/driver/nvidia/gpus/$gpu/information"
                minor=$((minor + 1))
            done
            mig="$R/proc/driver/nvidia/capabilities/mig"
            mkdir -p "$mig"
            printf 'DeviceFileMinor: 1\\nDeviceFileMode: 256\\n' > "$mig/config"
            printf 'DeviceFileMinor: 2\\nDeviceFileMode: 292\\n' > "$mig/monitor"
        fi
        mkdir -p "$R/sys/module/$name"
    """,
    "modprobe": "",
    "modinfo": f"""
        case $2 in
            version) echo {VERSION} ;;
            firmware) echo nvidia/{VERSION}/gsp_tu10x.bin; echo nvidia/{VERSION}/gsp_ga10x.bin ;;
        esac
    """,
    "mknod": 'touch "$3"',
    "stat": """
        # A node that mknod made is a file of the same name here.
        for path; do :; done
        [ -e "$path" ] || exit 1
        grep -oE "^mknod -m 0660 $path c [0-9]+ [0-9]+$" "$R/log" | tail -n 1 |
            { read -r _ _ _ _ _ major minor && printf 'character special file %x:%x\\n' "$major" "$minor"; }
    """,
    "chgrp": "",
    "getent": "echo bee:x:991:",
    "dmesg": 'cat "$R/dmesg" 2>/dev/null',
    "nvidia-smi": '[ ! -e "$R/hung" ]',
    "systemctl": '[ ! -e "$R/untrained" ]',
}


class Machine:
    """A folder with what the loader reads of a machine, and the log of what it called."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.programs = folder / "bin"
        self.programs.mkdir(parents=True)
        for place in ("dev", "proc", "sys/bus/pci/devices", "sys/module"):
            (self.root / place).mkdir(parents=True)
        (self.root / "proc" / "devices").write_text(
            "Character devices:\n  1 mem\n  5 /dev/tty\n\nBlock devices:\n"
        )
        (self.root / "taken").write_text("")
        for name, body in PROGRAMS.items():
            self.program(name, body)

    def program(self, name: str, body: str = "") -> None:
        path = self.programs / name
        path.write_text(f'#!/bin/sh\nR={self.root}\necho "{name} $*" >> "$R/log"\n{body}\n')
        path.chmod(0o755)

    def device(self, address: str, pci_class: str, vendor: str = "0x10de", *, taken: bool = True) -> None:
        folder = self.root / "sys/bus/pci/devices" / address
        folder.mkdir()
        (folder / "vendor").write_text(vendor + "\n")
        (folder / "class").write_text(pci_class + "\n")
        if taken and vendor == "0x10de" and pci_class.startswith("0x03"):
            with (self.root / "taken").open("a") as file:
                file.write(address + "\n")

    def driver(self, *, firmware: bool = True) -> None:
        folder = self.root / "usr/local/lib/nvidia"
        folder.mkdir(parents=True)
        order = "nvidia drm ecdh_generic ecdsa_generic\nnvidia-uvm\nnvidia-modeset video\n"
        (folder / "load.order").write_text(order)
        place = self.root / "lib/firmware/nvidia" / VERSION
        place.mkdir(parents=True)
        (place / "gsp_tu10x.bin").write_text("firmware")
        if firmware:
            (place / "gsp_ga10x.bin").write_text("firmware")

    def load(self) -> subprocess.CompletedProcess[str]:
        (self.root / "log").write_text("")
        return subprocess.run(
            [LOADER],
            env={"PATH": f"{self.programs}:{os.environ['PATH']}", "BEE_NVIDIA_ROOT": str(self.root)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def called(self, name: str) -> list[str]:
        """The arguments of each call of a program, with the machine's own folder left away."""
        lines = (self.root / "log").read_text().replace(str(self.root), "").splitlines()
        return [line.removeprefix(name + " ") for line in lines if line.startswith(name + " ")]

    def nodes(self) -> dict[str, str]:
        """The device nodes that were made: name, and their numbers."""
        made = (re.fullmatch(r"-m 0660 /dev/(\S+) c (\d+) (\d+)", call) for call in self.called("mknod"))
        return {found[1]: f"{found[2]}:{found[3]}" for found in made if found}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def gpu_server(machine: Machine) -> Machine:
    machine.driver()
    machine.device("0000:18:00.0", H100)
    machine.device("0000:3b:00.0", H100)
    return machine


def test_a_machine_without_nvidia_loads_nothing_and_is_no_failure(machine: Machine) -> None:
    machine.driver()
    machine.device("0000:03:00.0", "0x030000", vendor="0x1a03")
    machine.device("0000:00:01.0", "0x060400", vendor="0x10de")  # a bridge of an old chipset
    ended = machine.load()
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "no NVIDIA device on this machine: nothing to load\n"
    assert (machine.root / "log").read_text() == ""


def test_an_image_without_the_driver_says_so(machine: Machine) -> None:
    machine.device("0000:18:00.0", H100)
    ended = machine.load()
    assert ended.returncode == 0
    assert "1 NVIDIA GPUs" in ended.stdout
    assert "this image carries no NVIDIA driver" in ended.stdout
    assert machine.called("insmod") == []


def test_modules_go_in_by_path_and_in_order_after_what_they_need(gpu_server: Machine) -> None:
    ended = gpu_server.load()
    assert ended.returncode == 0, ended.stdout + ended.stderr
    loaded = [call.split()[0] for call in gpu_server.called("insmod")]
    assert loaded == [
        f"/usr/local/lib/nvidia/{name}.ko" for name in ("nvidia", "nvidia-uvm", "nvidia-modeset")
    ]
    assert gpu_server.called("modprobe") == ["-q drm", "-q ecdh_generic", "-q ecdsa_generic", "-q video"]
    log = (gpu_server.root / "log").read_text()
    assert log.index("modprobe -q ecdsa_generic") < log.index("insmod")
    assert f"driver {VERSION} runs 2 of 2 GPUs" in ended.stdout


def test_the_gpus_are_for_root_and_group_bee(gpu_server: Machine) -> None:
    gpu_server.load()
    nvidia, uvm, _ = gpu_server.called("insmod")
    assert "NVreg_DeviceFileGID=991 NVreg_DeviceFileMode=0660" in nvidia
    assert "NVreg_ModifyDeviceFiles=0" in nvidia
    assert uvm == "/usr/local/lib/nvidia/nvidia-uvm.ko"
    assert gpu_server.called("chgrp") == [f"991 /dev/{name}" for name in gpu_server.nodes()]


def test_device_nodes_have_the_numbers_that_the_kernel_gave(gpu_server: Machine) -> None:
    gpu_server.load()
    assert gpu_server.nodes() == {
        "nvidiactl": "195:255",
        "nvidia-modeset": "195:254",
        "nvidia0": "195:0",
        "nvidia1": "195:1",
        "nvidia-uvm": "508:0",
        "nvidia-uvm-tools": "508:1",
        "nvidia-caps/nvidia-cap1": "235:1",
        "nvidia-caps/nvidia-cap2": "235:2",
    }


def test_a_second_run_leaves_alone_what_is_there(gpu_server: Machine) -> None:
    gpu_server.load()
    first = (gpu_server.root / "log").read_text()
    program = gpu_server.programs / "stat"
    (gpu_server.root / "first").write_text(first)
    program.write_text(program.read_text().replace('"$R/log" |', '"$R/first" |'))
    ended = gpu_server.load()
    assert ended.returncode == 0, ended.stderr
    assert gpu_server.called("insmod") == gpu_server.called("mknod") == []


def test_a_node_with_a_wrong_number_is_made_anew(gpu_server: Machine) -> None:
    gpu_server.load()
    (gpu_server.root / "proc" / "devices").write_text("195 nvidia\n511 nvidia-uvm\n235 nvidia-caps\n")
    gpu_server.load()
    assert gpu_server.nodes()["nvidia-uvm"] == "511:0"


def test_missing_firmware_is_told_before_anything_is_loaded(machine: Machine) -> None:
    machine.driver(firmware=False)
    machine.device("0000:18:00.0", H100)
    ended = machine.load()
    assert ended.returncode == 1
    assert f"/lib/firmware/nvidia/{VERSION}/gsp_ga10x.bin is missing" in ended.stdout
    assert machine.called("insmod") == []


def test_a_driver_that_does_not_load_fails_the_unit_with_the_kernels_words(gpu_server: Machine) -> None:
    (gpu_server.root / "broken-nvidia.ko").touch()
    (gpu_server.root / "dmesg").write_text("e1000e: up\nNVRM: No NVIDIA GPU found.\n")
    ended = gpu_server.load()
    assert ended.returncode == 1
    assert "  NVRM: No NVIDIA GPU found.\nnvidia.ko could not be loaded\n" in ended.stdout
    assert "e1000e" not in ended.stdout
    assert gpu_server.called("mknod") == []


LOCKS = {"none": "[none] integrity confidentiality\n", "integrity": "none [integrity] confidentiality\n"}


@pytest.mark.parametrize(("mode", "told"), [("none", False), ("integrity", True)])
def test_secure_boot_is_told_as_what_keeps_the_driver_out(gpu_server: Machine, mode: str, told: bool) -> None:
    (gpu_server.root / "broken-nvidia.ko").touch()
    (gpu_server.root / "sys/kernel/security").mkdir(parents=True)
    (gpu_server.root / "sys/kernel/security/lockdown").write_text(LOCKS[mode])
    ended = gpu_server.load()
    assert ended.returncode == 1
    assert "nvidia.ko could not be loaded" in ended.stdout
    assert ("Turn Secure Boot off in the firmware's setup" in ended.stdout) == told


def test_a_locked_kernel_that_takes_the_driver_is_not_spoken_of(gpu_server: Machine) -> None:
    """Signed by the machine's owner, say; without its module for screens all else works as ever."""
    (gpu_server.root / "sys/kernel/security").mkdir(parents=True)
    (gpu_server.root / "sys/kernel/security/lockdown").write_text(LOCKS["integrity"])
    (gpu_server.root / "broken-nvidia-modeset.ko").touch()
    ended = gpu_server.load()
    assert ended.returncode == 0
    assert "Secure Boot" not in ended.stdout


def test_without_unified_memory_cuda_cannot_run(gpu_server: Machine) -> None:
    (gpu_server.root / "broken-nvidia-uvm.ko").touch()
    ended = gpu_server.load()
    assert ended.returncode == 1
    assert "nvidia-uvm.ko could not be loaded" in ended.stdout


def test_without_modeset_all_else_works(gpu_server: Machine) -> None:
    (gpu_server.root / "broken-nvidia-modeset.ko").touch()
    ended = gpu_server.load()
    assert ended.returncode == 0
    assert "no screen on these GPUs" in ended.stdout
    assert "nvidia-modeset" not in gpu_server.nodes()
    assert "nvidia1" in gpu_server.nodes()


def test_a_gpu_that_the_driver_did_not_take_is_named(gpu_server: Machine) -> None:
    gpu_server.device("0000:5e:00.0", H100, taken=False)
    (gpu_server.root / "sys/bus/pci/devices/0000:5e:00.0/driver").symlink_to("../../../drivers/vfio-pci")
    ended = gpu_server.load()
    assert ended.returncode == 0  # what is wrong with a GPU is for the audit to judge
    assert "0000:5e:00.0 is not run by NVIDIA's driver but by vfio-pci" in ended.stdout
    assert "runs 2 of 3 GPUs" in ended.stdout


def test_gpus_stay_started(gpu_server: Machine) -> None:
    assert gpu_server.load().returncode == 0
    assert gpu_server.called("nvidia-smi") == ["--persistence-mode=1"]


def test_gpus_that_cannot_stay_started_do_not_fail_the_unit(gpu_server: Machine) -> None:
    (gpu_server.root / "hung").touch()
    ended = gpu_server.load()
    assert ended.returncode == 0
    assert "persistence mode could not be set" in ended.stdout


def test_a_program_that_hangs_has_a_deadline(gpu_server: Machine) -> None:
    gpu_server.program("nvidia-smi", "exec sleep 300")
    gpu_server.program("timeout", 'shift 2; exec /usr/bin/timeout --kill-after=5 1 "$@"')
    ended = gpu_server.load()
    assert ended.returncode == 0
    assert "persistence mode could not be set" in ended.stdout
    assert [call.split()[:2] for call in gpu_server.called("timeout")][-1] == ["--kill-after=5", "60"]


@pytest.fixture
def switched_server(gpu_server: Machine) -> Machine:
    (gpu_server.root / "switched").touch()
    gpu_server.device("0000:05:00.0", NVSWITCH)
    gpu_server.device("0000:06:00.0", NVSWITCH)
    capabilities = gpu_server.root / "proc/driver/nvidia-nvlink/capabilities"
    capabilities.mkdir(parents=True)
    (capabilities / "fabric-mgmt").write_text("DeviceFileMinor: 3\nDeviceFileMode: 256\n")
    return gpu_server


def test_switches_get_their_nodes_and_fabric_manager_is_started(switched_server: Machine) -> None:
    switched_server.program("nv-fabricmanager")
    ended = switched_server.load()
    assert ended.returncode == 0, ended.stderr
    assert "2 NVIDIA GPUs, 2 NVSwitches" in ended.stdout
    assert switched_server.called("systemctl") == ["start nvidia-fabricmanager.service"]
    assert "Fabric Manager runs" in ended.stdout
    nodes = switched_server.nodes()
    assert nodes["nvidia-nvswitchctl"] == "234:255"
    assert nodes["nvidia-nvswitch0"] == "234:0"
    assert nodes["nvidia-nvswitch1"] == "234:1"
    assert nodes["nvidia-nvlink"] == "233:0"
    assert nodes["nvidia-caps/nvidia-cap3"] == "235:3"


def test_switches_without_fabric_manager_are_told(switched_server: Machine) -> None:
    ended = switched_server.load()
    assert ended.returncode == 0
    assert "the image carries no Fabric Manager" in ended.stdout
    assert switched_server.called("systemctl") == []


def test_a_fabric_manager_that_fails_does_not_fail_the_unit(switched_server: Machine) -> None:
    switched_server.program("nv-fabricmanager")
    (switched_server.root / "untrained").touch()
    ended = switched_server.load()
    assert ended.returncode == 0
    assert "Fabric Manager did not start" in ended.stdout


def test_switches_of_nvlink_5_are_found_behind_their_adapters(gpu_server: Machine) -> None:
    for address, data in (
        ("0000:c1:00.0", b"\x82\x07\0ConnectSMDL=SW_MNG"),
        ("0000:c2:00.0", b"\x82\x07\0ConnectX-7"),
    ):
        gpu_server.device(address, "0x020700", vendor="0x15b3")
        (gpu_server.root / "sys/bus/pci/devices" / address / "vpd").write_bytes(data)
    gpu_server.program("nv-fabricmanager")
    ended = gpu_server.load()
    assert ended.returncode == 0
    assert "NVLink 5 switches (0000:c1:00.0) also need NVIDIA's subnet manager nvlsm" in ended.stdout


def test_a_server_without_switches_needs_no_fabric_manager(gpu_server: Machine) -> None:
    ended = gpu_server.load()
    assert "Fabric" not in ended.stdout
    assert gpu_server.called("systemctl") == []


def test_the_audio_function_of_a_gpu_is_no_gpu(gpu_server: Machine) -> None:
    gpu_server.device("0000:18:00.1", AUDIO)
    assert "2 NVIDIA GPUs, 0 NVSwitches" in gpu_server.load().stdout


def test_without_group_bee_the_gpus_are_for_root_alone(gpu_server: Machine) -> None:
    gpu_server.program("getent", "exit 2")
    assert gpu_server.load().returncode == 0
    assert "NVreg_DeviceFileGID=0 NVreg_DeviceFileMode=0660" in gpu_server.called("insmod")[0]


def test_a_module_that_the_kernel_lacks_is_told_and_the_driver_tried(gpu_server: Machine) -> None:
    gpu_server.program("modprobe", '[ "$2" != ecdh_generic ]')
    ended = gpu_server.load()
    assert ended.returncode == 0
    assert "the kernel's module ecdh_generic is not there" in ended.stdout
    assert len(gpu_server.called("insmod")) == 3


def test_the_unit_waits_longer_than_all_deadlines_of_the_loader_together() -> None:
    seconds = {
        name: int(value) for name, value in re.findall(r"^(\w+)_SECONDS=(\d+)", LOADER.read_text(), re.M)
    }
    together = 3 * seconds["MODULE"] + seconds["PERSISTENCE"] + seconds["FABRIC"]
    unit = ROOT / "iso" / "overlay" / "usr" / "lib" / "systemd" / "system" / "bee-nvidia.service"
    limit = re.search(r"^TimeoutStartSec=(\d+)$", unit.read_text(), re.M)
    assert limit and together < int(limit[1]) <= 300
