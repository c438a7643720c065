"""Usage: python -m lab.sat.programs.main FOLDER TOOL [ARGUMENTS OF THE TOOL...]

FOLDER/manners/TOOL says how it behaves; without that file it works.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from lab.sat.programs.cpu import stress_ng
from lab.sat.programs.disks import nvme, smartctl
from lab.sat.programs.manners import manner_of, misbehave, record_call
from lab.sat.programs.memory import memtester, stressapptest
from lab.sat.programs.nvidia import nvidia_bug_report, nvidia_smi

TOOLS: Mapping[str, Callable[[Path, str, list[str]], int]] = {
    "memtester": memtester,
    "stressapptest": stressapptest,
    "stress-ng": stress_ng,
    "smartctl": smartctl,
    "nvme": nvme,
    "nvidia-smi": nvidia_smi,
    "nvidia-bug-report.sh": nvidia_bug_report,
}


def main(folder: Path, tool: str, words: list[str]) -> int:
    record_call(folder, tool, words)
    manner = manner_of(folder, tool)
    misbehave(folder, manner)
    return TOOLS[tool](folder, manner, words)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
