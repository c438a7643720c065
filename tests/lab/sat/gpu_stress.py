"""bee-gpu-stress without GPUs: Usage: gpu_stress.py FOLDER [ARGUMENTS OF BEE-GPU-STRESS...]

It takes the real one's arguments by the real one's parser, and speaks its lines. FOLDER/gpus.json lists the
GPUs that CUDA would show; FOLDER/manners/bee-gpu-stress says how it behaves.
"""

import json
import os
import sys
import time
from pathlib import Path

from bee_bus.documents.findings import Finding
from bee_sat.gpu_stress import arguments, events
from lab.sat.programs.manners import manner_of, misbehave, record_call

TOOL = "bee-gpu-stress"
STEPS = 10
STEP_SECONDS = 0.12  # in all longer than a second, so that org.bee.Gpu1 has looked at the GPUs meanwhile


def main(folder: Path, words: list[str]) -> int:
    record_call(folder, TOOL, words)
    manner = manner_of(folder, TOOL)
    options = arguments.parse(words)
    if not options.json:
        sys.exit("bee-gpu-stress: the stand-in speaks JSON alone")
    gpus = visible(folder)
    say(
        events.RunStarted(
            format=events.FORMAT,
            version="0.1.0",
            seconds=options.seconds,
            gpus=gpus,
            plan=(),
            size_mb=options.size_mb,
        )
    )
    misbehave(folder, manner)
    patient = manner == "takes its time"
    steps = int(options.seconds) if patient else STEPS
    for step in range(steps):
        for gpu in gpus:
            doing = f"launch {step}"
            say(events.PhaseProgress(gpu=gpu.id, phase="gemm-bf16", doing=doing, elapsed_seconds=step))
        time.sleep(1 if patient else STEP_SECONDS)
    if manner == "says no verdict":
        return 0
    say(verdict(gpus, manner))
    return {"fails": 2, "finds a NaN": 2, "says OK and exits with 3": 3}.get(manner, 0)


def visible(folder: Path) -> tuple[events.StressGpu, ...]:
    """Those of CUDA_VISIBLE_DEVICES, in its order; what it does not know ends the list, as in CUDA."""
    known = {gpu["uuid"]: gpu for gpu in json.loads((folder / "gpus.json").read_text())}
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    uuids = list(known) if chosen is None else chosen.split(",")
    found = []
    for index, uuid in enumerate(uuids):
        if uuid not in known:
            break
        gpu = known[uuid]
        found.append(
            events.StressGpu(
                id=gpu["id"],
                index=index,
                uuid=uuid,
                name=gpu["name"],
                compute_capability=(9, 0),
                memory_total_bytes=80 << 30,
            )
        )
    return tuple(found)


def verdict(gpus: tuple[events.StressGpu, ...], manner: str) -> events.Verdict:
    failed = manner in ("fails", "finds a NaN", "finds faults and exits with 0")
    compared = 0 if manner == "compared nothing" else 1_000_000
    judged = gpus[1:] if manner == "forgets a GPU" else gpus
    reports = tuple(
        events.GpuReport(
            gpu=gpu.id,
            name=gpu.name,
            result="FAILED" if failed and gpu is gpus[0] else "OK",
            compared=compared,
            wrong=int(failed and gpu is gpus[0]),
            power_max_watts=690.0,
            power_limit_watts=700.0,
            power_share=690 / 700,
        )
        for gpu in judged
    )
    what = "NaN" if manner == "finds a NaN" else "a wrong result"
    wrong = Finding(
        rule="gpus.wrong-result",
        severity="Critical",
        component=f"gpus/{gpus[0].id}",
        where=f"GPU {gpus[0].id}",
        message=f"{what} at row 17, column 5 of a product: expected 0x3f80, got 0x7fc0",
        next_step="Test this GPU alone; replace it when it happens again.",
    )
    return events.Verdict(
        result="FAILED" if failed else "OK",
        summary=f"GPU {gpus[0].id}: {what}" if failed else f"{len(gpus)} GPUs passed",
        gpus=reports,
        findings=(wrong,) if failed else (),
    )


def say(event: events.AnyEvent) -> None:
    sys.stdout.buffer.write(events.line(event))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
