"""A stand-in for NVIDIA's .run: a shell script with the files behind it, of the same shape and names, tiny.

Its kernel modules are real ones and build against real headers; its libraries are real ones and hold nothing.
What unpacks it is as strict as the test wants the builder to be: not as root, not with a network, and with no
other argument than the one that only unpacks.
"""

import hashlib
import io
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

VERSION = "999.88.07"
NAME = f"NVIDIA-Linux-x86_64-{VERSION}"

HEADER = """\
#!/bin/sh
# {mark}: where this is left, something of the archive was run.
touch {mark} 2>/dev/null
skip={skip}
[ "$#:$1" = "1:--extract-only" ] || {{ echo "this would have installed a driver: $*" >&2; exit 3; }}
[ "$(id -u)" != 0 ] || {{ echo "this runs as root" >&2; exit 4; }}
! grep -qvE 'lo:|[|]' /proc/net/dev || {{ echo "this sees a network" >&2; exit 5; }}
mkdir {name} && tail -n +$skip "$0" | xz -dc | tar xf - -C {name}
exit
"""

MAKEFILE = """\
KERNEL := /lib/modules/$(KERNEL_UNAME)/build
modules:
\t$(MAKE) -C $(KERNEL) M=$(CURDIR) CONFIG_DEBUG_INFO_BTF_MODULES= modules
\t{after}
"""
KBUILD = "obj-m := $(filter-out $(addsuffix .o,$(NV_EXCLUDE_KERNEL_MODULES)),{objects})\n"

MODULE = """\
#include <linux/module.h>
{needs}
static int __init begin(void) {{ {uses} return 0; }}
static void __exit end(void) {{ }}
module_init(begin);
module_exit(end);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("stand-in for {name}");
MODULE_VERSION("{version}");
"""

# nvidia-drm does not compile: who builds what was excluded fails.
SOURCES = {
    "nvidia": MODULE
    + "int nvidia_says(void);\nint nvidia_says(void) {{ return 1; }}\nEXPORT_SYMBOL(nvidia_says);\n"
    'MODULE_SOFTDEP("pre: ecdh_generic,ecdsa_generic");\n',
    "nvidia-uvm": MODULE,
    "nvidia-modeset": MODULE,
    "nvidia-drm": "#error this module is of no use on a server\n",
}


@dataclass
class Archive:
    """What is in the archive; a test changes it before it is written."""

    module_version: str = VERSION
    after_build: str = "true"
    libraries: dict[str, str] = field(
        default_factory=lambda: {
            "libnvidia-ml": "libnvidia-ml.so.1",
            "libcuda": "libcuda.so.1",
            "libnvidia-ptxjitcompiler": "libnvidia-ptxjitcompiler.so.1",
            "libnvidia-nvvm": "libnvidia-nvvm.so.4",
            "libnvidia-glcore": "libnvidia-glcore.so",
        }
    )
    linked_with: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def write(self, folder: Path) -> Path:
        """The archive as a file in the folder. ``folder/ran`` appears when something of it is run here."""
        payload = _packed(self._files(folder))
        header = HEADER.format(mark=folder / "ran", name=NAME, skip=HEADER.count("\n") + 1)
        file = folder / f"{NAME}.run"
        file.write_bytes(header.encode() + payload)
        return file

    def _files(self, folder: Path) -> dict[str, bytes]:
        files = {
            "LICENSE": b"Terms of the stand-in.\n",
            "nvidia-installer": b"#!/bin/sh\nexit 99\n",
            "nvidia-smi": f"#!/bin/sh\necho NVIDIA-SMI {VERSION}\n".encode(),
            "nvidia-bug-report.sh": b"#!/bin/sh\n",
            "nvidia-modprobe": b"\x7fELF",
            "firmware/gsp_ga10x.bin": b"firmware of Ampere and later",
            "firmware/gsp_tu10x.bin": b"firmware of Turing",
            "kernel-open/Makefile": MAKEFILE.format(after=self.after_build).encode(),
            "kernel-open/Kbuild": KBUILD.format(objects=" ".join(f"{name}.o" for name in SOURCES)).encode(),
        }
        for name, source in SOURCES.items():
            calls = name == "nvidia-uvm"
            filled = source.format(
                name=name,
                version=self.module_version,
                needs="int nvidia_says(void);" if calls else "",
                uses="nvidia_says();" if calls else "",
            )
            files[f"kernel-open/{name}.c"] = filled.encode()
        for name, soname in self.libraries.items():
            files[f"{name}.so.{VERSION}"] = self._library(folder, name, soname)
        return {path: content for path, content in files.items() if path not in self.left_out}

    def _library(self, folder: Path, name: str, soname: str) -> bytes:
        target = folder / "library.so"
        # libcuda names by hand what it opens at run time, as the real one does.
        opens = "libnvidia-nvvm.so.4 libnvidia-pkcs11.so.1" if name == "libcuda" else ""
        source = f'const char version[] = "{VERSION}"; const char opens[] = "{opens}";'
        argv = ["gcc", "-shared", "-nostdlib", f"-Wl,-soname,{soname}", "-o", str(target), "-x", "c", "-"]
        if name == "libcuda":
            argv += [
                "-x",
                "none",
                "-Wl,--no-as-needed",
                *(str(_empty_library(folder, other)) for other in self.linked_with),
            ]
        subprocess.run(argv, input=source, text=True, check=True)
        return target.read_bytes()


def fabric_manager(folder: Path, version: str = VERSION) -> Path:
    """NVIDIA's archive of Fabric Manager, in the folder that is to hold vendors' tools."""
    top = f"fabricmanager-linux-x86_64-{version}-archive"
    folder.mkdir(exist_ok=True)
    file = folder / f"{top}.tar.xz"
    files = {
        "LICENSE": b"Terms of Fabric Manager.\n",
        "bin/nv-fabricmanager": _empty_library(folder.parent, "nv-fabricmanager").read_bytes(),
        "etc/fabricmanager.cfg": b"DAEMONIZE=1\n",
        "share/nvidia/nvswitch/dgxh100_hgxh100_topology": b"topology",
    }
    file.write_bytes(_packed({f"{top}/{name}": content for name, content in files.items()}))
    return file


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _packed(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:xz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _empty_library(folder: Path, soname: str) -> Path:
    target = folder / soname
    argv = ["gcc", "-shared", "-nostdlib", f"-Wl,-soname,{soname}", "-o", str(target), "-x", "c", "-"]
    subprocess.run(argv, input="int foreign;", text=True, check=True)
    return target
