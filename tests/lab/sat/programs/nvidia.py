"""nvidia-smi and nvidia-bug-report.sh."""

import gzip
import json
from pathlib import Path

from lab.sat.programs.manners import say


def nvidia_smi(folder: Path, manner: str, words: list[str]) -> int:
    if words != ["-q"]:
        say(f"Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.\n{words}")
        return 6
    gpus = json.loads((folder / "gpus.json").read_text())
    if manner == "fails":
        say("Unable to determine the device handle for GPU0000:1B:00.0: Unknown Error")
        return 15
    seen = gpus[1:] if manner == "sees one less" else gpus
    say("\n==============NVSMI LOG==============\n")
    say("Timestamp                                 : Sun Nov 22 18:40:01 2026")
    say("Driver Version                            : 550.163.01\n")
    say(f"Attached GPUs                             : {len(seen)}")
    for gpu in seen:
        say(f"GPU 0000{gpu['id'].upper()}\n    Product Name                          : {gpu['name']}")
    return 0


def nvidia_bug_report(folder: Path, manner: str, words: list[str]) -> int:
    if len(words) != 2 or words[0] != "--output-file":
        say(f"ERROR: invalid option: {words[:1]}.\n\nPlease run `nvidia-bug-report.sh --help` for help.")
        return 1
    packed = Path(f"{words[1]}.gz")
    packed.write_bytes(gzip.compress(b"report"))
    say(f"nvidia-bug-report.sh will now collect information about your system and create the file '{packed}'")
    say("complete.")
    return 0
