"""The machines that a model is served on: peaks from data sheets, and the shares of them that are reached.

A machine is so many equal devices. In the ``tensor`` layout they share each matrix and meet in two all-reduces a layer
(arXiv 1909.08053); in the ``pipeline`` layout each holds some of the layers and passes the tokens on.

What is known and what is not:

- Peaks of GPUs are data sheets' (``gpus``). ``BANDWIDTH_SHARE`` and ``REDUCE_S`` are fitted on two published figures
  of gpt-fast (Llama-2-7B on one and two A100) and checked on five others (``published``).
- ``FLOPS_SHARE`` is assumed, and so is that keys and values are read as fast as weights.
- WSE-3: 44 GB of SRAM and 21 PB/s are the maker's; of its 125e15 operations a second, sparse, a tenth is taken for
  dense ones (assumed). ``WAFER_LAYER_S``, the time that a token needs for a layer however few bytes it reads, is no
  measurement: it is what K2-Think's own 2,000 tokens/s leave for each of 64 layers, speculation included
  (arXiv 2509.07604). With it the model restates that figure; it does not predict it.
- ``cpu2``: fitted to measurements of one core on the machine that docs/results/capacity.md names; two are taken to
  compute, and to read keys and values, twice as fast (assumed), and to copy memory no faster.

Not described: servers joined by a network, caches, clocks that fall under load.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from abruzzi.capacity.gpus import GPUS
from abruzzi.config import suggest
from abruzzi.errors import ConfigError

Layout = Literal["tensor", "pipeline"]

BANDWIDTH_SHARE = 0.68
"""Of a GPU's memory bandwidth, that decoding reaches."""
REDUCE_S = 18e-6
"""Of one all-reduce of a small message among the GPUs of a server."""
FLOPS_SHARE = 0.5
"""Of a GPU's peak, that arithmetic reaches; assumed."""
WAFER_LAYER_S = 7.8e-6
"""Of one layer on a wafer; 1 / 2,000 s divided by 64 layers."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Devices that together serve one copy of a model."""

    name: str
    devices: int
    layout: Layout
    memory_bytes: float
    """Of each device."""
    flops: float
    """Peak of each device in 16 bits; operations per second."""
    bandwidth: float
    """Peak of each device's memory; bytes per second."""
    flops_share: float = 1.0
    """Of the peak, that is reached."""
    bandwidth_share: float = 1.0
    """Of the memory's, that is reached while weights are read."""
    cache_share: float = 1.0
    """So, while keys and values are read: short rows, often unpacked on the way."""
    overlap: float = 1.0
    """Of the shorter of arithmetic and reading, that hides behind the longer: 1 where both run at once, 0 in turn."""
    link_bandwidth: float = float("inf")
    """From each device to the others, one way; bytes per second."""
    reduce_s: float = 0.0
    """One exchange among the devices, however small."""
    layer_s: float = 0.0
    """A layer takes so long beside arithmetic, reading and exchange."""
    pass_s: float = 0.0
    """A pass takes so long beside its layers: scheduling, sampling, the reply."""
    price_per_hour: float | None = None
    """Of the whole machine, in dollars; None is not known. Prices differ and change: they are the user's to give."""

    def __post_init__(self) -> None:
        for field, value in (
            ("devices", self.devices),
            ("memory_bytes", self.memory_bytes),
            ("flops", self.flops),
            ("bandwidth", self.bandwidth),
            ("link_bandwidth", self.link_bandwidth),
        ):
            if not value > 0:
                raise ConfigError(f"the {field} of {self.name!r} is {value!r}; it must be above 0")
        for field, value in (
            ("flops_share", self.flops_share),
            ("bandwidth_share", self.bandwidth_share),
            ("cache_share", self.cache_share),
        ):
            if not 0 < value <= 1:
                raise ConfigError(f"the {field} of {self.name!r} is {value!r}; it must be above 0 and at most 1")
        if not 0 <= self.overlap <= 1:
            raise ConfigError(f"the overlap of {self.name!r} is {self.overlap!r}; it must lie between 0 and 1")
        for field, value in (("reduce_s", self.reduce_s), ("layer_s", self.layer_s), ("pass_s", self.pass_s)):
            if not value >= 0:
                raise ConfigError(f"the {field} of {self.name!r} is {value!r}; it must be at least 0")
        if self.price_per_hour is not None and not 0 <= self.price_per_hour < float("inf"):
            raise ConfigError(f"the price of {self.name!r} is {self.price_per_hour!r}; it must be at least 0")

    @property
    def total_memory_bytes(self) -> float:
        """Of all devices."""
        return self.devices * self.memory_bytes


def _gpu_server(kind: str, devices: int) -> Machine:
    gpu = GPUS[kind]
    return Machine(
        name=kind if devices == 1 else f"{devices}x{kind}",
        devices=devices,
        layout="tensor",
        memory_bytes=gpu.memory_bytes,
        flops=gpu.flops,
        bandwidth=gpu.bandwidth,
        flops_share=FLOPS_SHARE,
        bandwidth_share=BANDWIDTH_SHARE,
        cache_share=BANDWIDTH_SHARE,
        link_bandwidth=gpu.link or float("inf"),
        reduce_s=REDUCE_S if devices > 1 else 0.0,
    )


def _wafers(devices: int) -> Machine:
    return Machine(
        name="wse3" if devices == 1 else f"{devices}xwse3",
        devices=devices,
        layout="pipeline",
        memory_bytes=44e9,
        flops=12.5e15,
        bandwidth=21e15,
        flops_share=FLOPS_SHARE,
        bandwidth_share=BANDWIDTH_SHARE,
        cache_share=BANDWIDTH_SHARE,
        layer_s=WAFER_LAYER_S,
    )


CPU2 = Machine(
    name="cpu2",
    devices=1,
    layout="tensor",
    memory_bytes=24e9,
    flops=79e9,
    bandwidth=26e9,
    cache_share=0.172,
    overlap=0.0,
    pass_s=1.3e-3,
)

KINDS: Mapping[str, Callable[[int], Machine]] = {
    **{kind: lambda devices, kind=kind: _gpu_server(kind, devices) for kind in GPUS},
    "wse3": _wafers,
}
"""What machines are made of; a name may say how many: ``8xh100``."""

MAX_DEVICES = 1024


def find_machine(name: str) -> Machine:
    """Find a machine by its name: ``h100``, ``8xh200``, ``2xwse3``, ``cpu2``.

    Raises:
        ConfigError: it is unknown, or made of no or too many devices.
    """
    if name == CPU2.name:
        return CPU2
    counted = re.fullmatch(r"(\d+)x(.+)", name)
    devices, kind = (int(counted[1]), counted[2]) if counted else (1, name)
    if kind not in KINDS:
        raise ConfigError(f"unknown hardware {name!r}{suggest(kind, [*KINDS, CPU2.name])}; or a TOML file of your own")
    if not 1 <= devices <= MAX_DEVICES:
        raise ConfigError(f"hardware {name!r} has {devices} devices; give between 1 and {MAX_DEVICES}")
    return KINDS[kind](devices)


def with_price(machine: Machine, price_per_hour: float | None) -> Machine:
    """Give a machine a price per hour, in dollars; None leaves its own."""
    return machine if price_per_hour is None else replace(machine, price_per_hour=price_per_hour)
