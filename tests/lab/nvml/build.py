"""The fake library, compiled once for each state of its sources."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent / "library"
CACHE = Path(__file__).resolve().parents[3] / "dist" / "lab"
NAME = "libnvidia-ml.so.1"
FLAGS = (
    *("-std=c11", "-D_GNU_SOURCE", "-O2", "-fPIC", "-shared", "-pthread", "-fvisibility=hidden"),
    *("-Wall", "-Wextra", "-Werror", f"-Wl,-soname,{NAME}", "-Wl,-z,defs"),
)


@cache
def library() -> Path:
    """The path of the built library; skips the test where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("the fake NVML needs a C compiler: apt-get install gcc libc6-dev")
    sources = sorted(SOURCES.glob("*.[ch]"))
    state = hashlib.sha256(" ".join(FLAGS).encode())
    for source in sources:
        state.update(source.read_bytes())
    built = CACHE / f"nvml-{state.hexdigest()[:16]}" / NAME
    if not built.exists():
        built.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=built.parent) as folder:
            fresh = Path(folder) / NAME
            files = [str(source) for source in sources if source.suffix == ".c"]
            subprocess.run([compiler, *FLAGS, "-o", str(fresh), *files, "-lm"], check=True)
            os.replace(fresh, built)  # another test process may build at the same time
    return built
