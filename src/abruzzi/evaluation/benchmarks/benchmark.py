"""What every benchmark states about itself, and the protocol it is run under unless told otherwise."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from abruzzi.data.hub import DataFiles, Record, load_records
from abruzzi.data.items import Item, check_ids
from abruzzi.errors import DataError

Load = Callable[[Path | None], list[Item]]
"""Loads the items: from a local file, or with None from the hub at the pinned revision (or by generating them)."""
ReadItem = Callable[[Record], Item | None]
"""Turns a published row into an item; None leaves it out, as a date window does."""

UNPINNED = "unpinned"
UNPINNED_NOTE = (
    "No commit of the source could be verified: the newest is taken, and the hash of the items says which one it was."
)


@dataclass(frozen=True, slots=True)
class SamplingDefaults:
    """How a benchmark is sampled unless told otherwise; the defaults are the paper's (arXiv 2509.07604)."""

    runs: int = 16
    temperature: float = 1.0
    top_p: float = 0.95
    max_tokens: int = 65_536
    stop: tuple[str, ...] = ("</answer>",)
    """A benchmark whose answers stand outside ``<answer>`` has none."""


WITHOUT_STOP = SamplingDefaults(stop=())
"""The paper's sampling for replies that are code or free text, in which ``</answer>`` may be just a word."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A set of items with its provenance, protocol and scorer."""

    name: str
    """As on the command line: lower case, digits and hyphens; generated sets and files have their spec."""
    title: str
    """As in tables."""
    source: str
    """Where the data lie: ``hf:ORG/NAME``, a repository, or ``generated``."""
    revision: str
    """The pinned commit or version; ``unpinned`` says so where none could be had."""
    licence: str
    num_items: int
    """How many items the whole set has; a local file may hold fewer."""
    scorer: str
    """How a reply becomes a score, in a phrase."""
    load: Load
    sampling: SamplingDefaults = field(default_factory=SamplingDefaults)
    notes: tuple[str, ...] = ()
    """What a reader of its scores must know, a sentence each."""


def file_benchmark(
    files: DataFiles,
    read_item: ReadItem,
    *,
    name: str,
    title: str,
    licence: str,
    num_items: int,
    scorer: str,
    sampling: SamplingDefaults | None = None,
    notes: tuple[str, ...] = (),
) -> Benchmark:
    """Describe a benchmark whose data are published files: source and revision are those of the files."""

    def load(path: Path | None) -> list[Item]:
        """Read a local copy, or fetch the files."""
        return read_items(load_records(files, path), read_item, str(path or files))

    return Benchmark(
        name=name,
        title=title,
        source=str(files),
        revision=files.revision or UNPINNED,
        licence=licence,
        num_items=num_items,
        scorer=scorer,
        load=load,
        sampling=sampling or SamplingDefaults(),
        notes=notes if files.revision else (*notes, UNPINNED_NOTE),
    )


def read_items(records: list[Record], read_item: ReadItem, source: str) -> list[Item]:
    """Turn rows into items, in order, without those that are left out.

    Raises:
        DataError: a row is unusable, all are left out, or two have the same id.
    """
    items = [item for record in records if (item := read_item(record)) is not None]
    if not items:
        raise DataError(f"none of the {len(records)} rows of {source} belongs to this benchmark; is it the right file?")
    return check_ids(items, source)
