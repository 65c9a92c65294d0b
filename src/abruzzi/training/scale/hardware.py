"""GPUs as their makers' data sheets describe them; what an estimate divides by.

Sources: NVIDIA's data sheets of A100 80GB SXM, H100 SXM and H200 SXM; dense figures, without sparsity.
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


GPUS: Mapping[str, Gpu] = {
    "a100": Gpu("A100 80GB SXM", 80e9, 312e12, 2.039e12),
    "h100": Gpu("H100 80GB SXM", 80e9, 989e12, 3.35e12),
    "h200": Gpu("H200 141GB SXM", 141e9, 989e12, 4.8e12),
}


def find_gpu(name: str) -> Gpu:
    """Look a GPU up.

    Raises:
        ConfigError: it is not in the table.
    """
    if name not in GPUS:
        raise ConfigError(f"unknown GPU {name!r}{suggest(name, GPUS)}")
    return GPUS[name]
