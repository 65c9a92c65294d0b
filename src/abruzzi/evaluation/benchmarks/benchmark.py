"""What every benchmark states about itself, and the protocol it is run under unless told otherwise."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from abruzzi.data.items import Item

Load = Callable[[Path | None], list[Item]]
"""Loads the items: from a local file, or with None from the hub at the pinned revision (or by generating them)."""


@dataclass(frozen=True, slots=True)
class SamplingDefaults:
    """How a benchmark is sampled unless told otherwise; the defaults are the paper's (arXiv 2509.07604)."""

    runs: int = 16
    temperature: float = 1.0
    top_p: float = 0.95
    max_tokens: int = 65_536
    stop: tuple[str, ...] = ("</answer>",)
    """A benchmark whose answers stand outside ``<answer>`` has none."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A set of items with its provenance, protocol and scorer."""

    name: str
    """As on the command line: lower case, digits and hyphens."""
    title: str
    """As in tables."""
    source: str
    """Where the data lie: ``hf:ORG/NAME``, a repository, or ``generated``."""
    revision: str
    """The pinned commit or version; ``unpinned`` says so where none could be had."""
    licence: str
    num_items: int
    """How many items the whole set has."""
    scorer: str
    """How a reply becomes a score, in a phrase."""
    load: Load
    sampling: SamplingDefaults = field(default_factory=SamplingDefaults)
    notes: tuple[str, ...] = ()
    """What a reader of its scores must know, a sentence each."""
