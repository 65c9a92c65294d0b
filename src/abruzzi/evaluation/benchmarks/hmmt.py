"""HMMT February 2024 and 2025: 30 problems a year of the Harvard-MIT tournament, as MathArena transcribed them."""

from abruzzi.data.hub import DataFiles, Record
from abruzzi.data.items import Item
from abruzzi.evaluation.benchmarks.benchmark import Benchmark, file_benchmark


def _hmmt(year: int, revision: str | None) -> Benchmark:
    def read_item(record: Record) -> Item:
        """Read a problem and its answer."""
        return Item(
            id=str(record.columns.get("id") or f"hmmt_feb_{year}/{record.text('problem_idx')}"),
            question=record.text("problem", "question"),
            ground_truth=record.text("answer"),
            data_source=f"math__hmmt_feb_{year}",
        )

    return file_benchmark(
        DataFiles(f"MathArena/hmmt_feb_{year}", ("data/train-00000-of-00001.parquet",), revision),
        read_item,
        name=f"hmmt-feb-{year}",
        title=f"HMMT Feb {year}",
        licence="CC BY-NC-SA 4.0; problems (c) HMMT",
        num_items=30,
        scorer="maths: equal in value and kind",
        notes=("Thirty problems: one more or less of them moves a score by 3.3 points.",),
    )


HMMT_FEB_2024 = _hmmt(2024, None)
HMMT_FEB_2025 = _hmmt(2025, "6fdc4277120810ff75aa22d2d5489b91f7a262a1")
