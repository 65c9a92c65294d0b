"""A file of one's own as a benchmark: JSON Lines of ``{id, question, answer, data_source?, …}``, see ``data.items``."""

import re
from pathlib import Path

from abruzzi.data.items import Item, read_items
from abruzzi.evaluation.benchmarks.benchmark import Benchmark


def own_benchmark(path: Path) -> Benchmark:
    """Describe a file as a benchmark; its items are read now, so that what is wrong with it is said at once.

    Raises:
        DataError: the file cannot be read, or a row is unusable.
    """
    num_items = len(read_items(path))

    def load(other: Path | None) -> list[Item]:
        """Read the file, or another one of the same form."""
        return read_items(other or path)

    return Benchmark(
        name=re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-") or "own",
        title=path.stem,
        source=str(path),
        revision=path.name,
        licence="its owner's",
        num_items=num_items,
        scorer="by each row's data_source; mathematics where a row names none",
        load=load,
    )
