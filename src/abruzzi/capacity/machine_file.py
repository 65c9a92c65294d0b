"""A machine of one's own, from a TOML file.

    [machine]
    name = "two old cards"
    devices = 2
    memory_gb = 24
    tflops = 70
    bandwidth_gbs = 900
    link_gbs = 32            # the rest may be left out; see the fields below
    reduce_us = 40
    price_per_hour = 0.8

``like = "h100"`` begins with a known machine and changes what is given.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from abruzzi.capacity.machines import Layout, Machine, find_machine
from abruzzi.config import build, read_toml
from abruzzi.errors import ConfigError

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1)]


class MachineTable(BaseModel):
    """The table ``[machine]``: a ``Machine`` in the units of data sheets; what is left out is ``like``'s."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str | None = None
    like: str | None = None
    """A known machine to begin with; without it memory, arithmetic and bandwidth must be given."""
    devices: Annotated[int, Field(ge=1)] | None = None
    layout: Layout | None = None
    memory_gb: Positive | None = None
    tflops: Positive | None = None
    bandwidth_gbs: Positive | None = None
    flops_share: Share | None = None
    bandwidth_share: Share | None = None
    cache_share: Share | None = None
    overlap: Annotated[float, Field(ge=0, le=1)] | None = None
    link_gbs: Positive | None = None
    reduce_us: NotNegative | None = None
    layer_us: NotNegative | None = None
    pass_us: NotNegative | None = None
    price_per_hour: NotNegative | None = None


_UNITS: Mapping[str, tuple[str, float]] = {
    "memory_gb": ("memory_bytes", 1e9),
    "tflops": ("flops", 1e12),
    "bandwidth_gbs": ("bandwidth", 1e9),
    "link_gbs": ("link_bandwidth", 1e9),
    "reduce_us": ("reduce_s", 1e-6),
    "layer_us": ("layer_s", 1e-6),
    "pass_us": ("pass_s", 1e-6),
}
_NEEDED = ("memory_gb", "tflops", "bandwidth_gbs")


def read_machine(path: Path) -> Machine:
    """Read a machine.

    Raises:
        ConfigError: the file cannot be read, a key is unknown, or a value is missing or out of range; names it.
    """
    table = build(MachineTable, read_toml(path, ("machine",)).get("machine", {}), source=str(path))
    given = table.model_dump(exclude_none=True)
    like, name = given.pop("like", None), given.pop("name", path.stem)
    if like is None:
        missing = [key for key in _NEEDED if key not in given]
        if missing:
            raise ConfigError(f"{path}: [machine] lacks {', '.join(missing)}; give them, or begin with like = 'h100'")
        base = Machine(name=name, devices=1, layout="tensor", memory_bytes=1.0, flops=1.0, bandwidth=1.0)
    else:
        base = find_machine(like)
    changes = {
        _UNITS.get(key, (key, 1))[0]: value * _UNITS[key][1] if key in _UNITS else value for key, value in given.items()
    }
    return replace(base, name=name, **changes)


def open_machine(name: str) -> Machine:
    """Find a machine by its name, or read it from a file whose name ends in ``.toml``.

    Raises:
        ConfigError: it is unknown, or the file is wrong.
    """
    return read_machine(Path(name)) if name.endswith(".toml") else find_machine(name)
