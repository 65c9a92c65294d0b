"""GPUs as their makers' data sheets describe them; what an estimate divides by.

Sources: NVIDIA's data sheets of A100 80GB SXM, H100 SXM, H200 SXM, HGX B200 and L40S, AMD's of MI300X; dense figures,
without sparsity. Links are one way: half of what a sheet adds up for both.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from abruzzi.config import suggest
from abruzzi.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU."""

    name: str
    memory_bytes: float
    flops: float
    """Dense bfloat16 operations per second at the peak."""
    bandwidth: float
    """Of its memory; bytes per second."""
    link: float = 0.0
    """To the other GPUs of its server, all together, one way; bytes per second. 0 is not known."""


GPUS: Mapping[str, Gpu] = {
    "a100": Gpu("A100 80GB SXM", 80e9, 312e12, 2.039e12, 300e9),
    "h100": Gpu("H100 80GB SXM", 80e9, 989e12, 3.35e12, 450e9),
    "h200": Gpu("H200 141GB SXM", 141e9, 989e12, 4.8e12, 450e9),
    "b200": Gpu("B200 180GB SXM", 180e9, 2250e12, 8.0e12, 900e9),
    "l40s": Gpu("L40S 48GB PCIe", 48e9, 362e12, 0.864e12, 32e9),
    "mi300x": Gpu("MI300X 192GB OAM", 192e9, 1307e12, 5.3e12, 448e9),
}


def find_gpu(name: str) -> Gpu:
    """Look a GPU up.

    Raises:
        ConfigError: it is not in the table.
    """
    if name not in GPUS:
        raise ConfigError(f"unknown GPU {name!r}{suggest(name, GPUS)}")
    return GPUS[name]
