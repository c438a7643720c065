"""The GPUs that can be pretended: what cuDeviceGetAttribute says of them, and the rates that events measure.

Attributes from the data sheets and the CUDA C++ programming guide's table of compute capabilities; rates are
what such GPUs reach (floating-point operations or bytes a second): judging a healthy one finds nothing.
``fp8_bits``: fraction bits that fp8 products keep below the largest addend (0: all of fp32's), 13 on Ada and
Hopper (DeepSeek-V3 technical report, 3.3.2; SageAttention2, 3.2).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

KIB = 1024


@dataclass(frozen=True)
class Model:
    name: str
    sm: int
    multiprocessors: int
    clock_khz: int
    memory_clock_khz: int
    memory_bus_width: int
    l2_bytes: int
    shared_optin: int
    memory_rate: float
    link_rate: float
    peer_rate: float
    rates: Mapping[str, float] = field(default_factory=dict)
    fp8_bits: int = 0

    @property
    def compute_capability(self) -> tuple[int, int]:
        return self.sm // 10, self.sm % 10


def _tera(**rates: float) -> Mapping[str, float]:
    return {name: rate * 1e12 for name, rate in rates.items()}


MODELS: Mapping[str, Model] = {
    "v100": Model(
        *("Tesla V100-SXM2-16GB", 70, 80, 1530000, 877000, 4096, 6 << 20, 96 * KIB, 8.0e11, 1.2e10, 1.3e11),
        rates=_tera(fp16=100, fp32=14, fp64=7),
    ),
    "t4": Model(
        *("Tesla T4", 75, 40, 1590000, 5001000, 256, 4 << 20, 64 * KIB, 2.6e11, 1.2e10, 1.0e10),
        rates=_tera(fp16=45, fp32=7, fp64=0.22),
    ),
    "a100": Model(
        *(
            "NVIDIA A100-SXM4-80GB",
            80,
            108,
            1410000,
            1593000,
            5120,
            40 << 20,
            163 * KIB,
            1.7e12,
            2.5e10,
            2.4e11,
        ),
        rates=_tera(bf16=265, fp16=265, tf32=130, fp32=18.5, fp64=18.5),
    ),
    "a40": Model(
        *("NVIDIA A40", 86, 84, 1740000, 7251000, 384, 6 << 20, 99 * KIB, 6.2e11, 2.5e10, 5.0e10),
        rates=_tera(bf16=130, fp16=130, tf32=65, fp32=33, fp64=0.55),
    ),
    "l40s": Model(
        *("NVIDIA L40S", 89, 142, 2520000, 9001000, 384, 96 << 20, 99 * KIB, 7.6e11, 2.5e10, 2.2e10),
        rates=_tera(bf16=330, fp16=330, tf32=165, fp8=650, fp32=75, fp64=1.3),
        fp8_bits=13,
    ),
    "h100": Model(
        *(
            "NVIDIA H100 80GB HBM3",
            90,
            132,
            1980000,
            2619000,
            5120,
            50 << 20,
            227 * KIB,
            3.0e12,
            5.5e10,
            3.8e11,
        ),
        rates=_tera(bf16=740, fp16=740, tf32=390, fp8=1420, fp32=55, fp64=60),
        fp8_bits=13,
    ),
    "b200": Model(
        *("NVIDIA B200", 100, 148, 1965000, 3996000, 8192, 126 << 20, 227 * KIB, 7.0e12, 5.5e10, 7.0e11),
        rates=_tera(bf16=1600, fp16=1600, tf32=800, fp8=3100, fp32=70, fp64=35),
    ),
    "rtx6000b": Model(
        *(
            "NVIDIA RTX PRO 6000 Blackwell Server Edition",
            120,
            188,
            2617000,
            14001000,
            512,
            128 << 20,
            99 * KIB,
        ),
        *(1.5e12, 5.5e10, 5.0e10),
        rates=_tera(bf16=400, fp16=400, tf32=200, fp8=800, fp32=110, fp64=1.7),
    ),
    # One that no table of limits knows, and small, so that what depends on the number of blocks is quick.
    "lab": Model(
        *("Lab GPU", 80, 2, 1000000, 1000000, 256, 1 << 18, 163 * KIB, 6.0e10, 1.0e10, 2.0e10),
        rates=_tera(bf16=4, fp16=4, tf32=2, fp32=1, fp64=1),
    ),
    # One that comes after all objects, and takes only PTX.
    "next": Model(
        *("NVIDIA N100", 130, 160, 2000000, 4000000, 8192, 128 << 20, 227 * KIB, 8.0e12, 5.5e10, 7.0e11),
        rates=_tera(bf16=2000, fp16=2000, tf32=1000, fp8=4000, fp32=80, fp64=40),
    ),
}
