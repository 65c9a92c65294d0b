"""Omni-MATH: 4,428 olympiad problems with a difficulty from 1 to 10 (arXiv 2410.07985), and its hardest part.

K2-Think reports 173 problems of the hardest part, and publishes neither the list nor the rule. ``omni-math-hard`` is
therefore our own reading: the 173 of highest difficulty, and of equally difficult ones those that come first in the
file. A file that holds fewer problems than the whole set gives the same share of them, so that it stays as hard.
"""

from pathlib import Path

from abruzzi.data.hub import DataFiles, Record, load_records
from abruzzi.data.items import Item
from abruzzi.errors import DataError
from abruzzi.evaluation.benchmarks.benchmark import Benchmark, file_benchmark, read_items

NUM_ITEMS, NUM_HARD = 4_428, 173
_FILES = DataFiles("KbsdJames/Omni-MATH", ("test.jsonl",), revision="40ba231d8f16e29ecd40e6407e2c8640145a8f62")
_LICENCE = "Apache-2.0"
_SCORER = "maths: equal in value and kind"
_NOTE = (
    "The authors have a model grade the whole set; by rule, as here, an answer that is a statement or a proof is found "
    "equal only where its words are."
)


def _read_item(record: Record) -> Item:
    return Item(
        id=str(record.columns.get("id") or f"omni_math/{record.number - 1}"),
        question=record.text("problem", "question"),
        ground_truth=record.text("answer"),
        data_source="math__omni_math",
    )


def pick_hardest(records: list[Record]) -> list[Record]:
    """Pick the hardest rows, in the order of the file: 173 of 4,428, and of a smaller file the same share.

    Raises:
        DataError: a row has no difficulty.
    """
    count = min(len(records), max(1, round(NUM_HARD * len(records) / NUM_ITEMS)))
    hardest = sorted(records, key=lambda record: (-_read_difficulty(record), record.number))[:count]
    return sorted(hardest, key=lambda record: record.number)


def _read_difficulty(record: Record) -> float:
    value = record.get("difficulty", "level")
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise DataError(f"{record.place}: the difficulty is no number: {value!r}") from error


def _load_hardest(path: Path | None) -> list[Item]:
    return read_items(pick_hardest(load_records(_FILES, path)), _read_item, str(path or _FILES))


OMNI_MATH = file_benchmark(
    _FILES,
    _read_item,
    name="omni-math",
    title="Omni-MATH",
    licence=_LICENCE,
    num_items=NUM_ITEMS,
    scorer=_SCORER,
    notes=(_NOTE,),
)
OMNI_MATH_HARD = Benchmark(
    name="omni-math-hard",
    title="Omni-MATH hard",
    source=str(_FILES),
    revision=str(_FILES.revision),
    licence=_LICENCE,
    num_items=NUM_HARD,
    scorer=_SCORER,
    load=_load_hardest,
    notes=(
        "Not known to be the 173 problems of K2-Think, which are not published: these are the 173 of highest "
        "difficulty, the first in the file among equals.",
        _NOTE,
    ),
)
