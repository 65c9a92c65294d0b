"""Guru's online-eval sets (arXiv 2506.14965): the thirteen files that the training of K2-Think was watched with.

The rows are in the schema that the verifiers were built for, so they are read by ``verifiers.reader`` and asked in the
words that they carry. Two files repeat each question, 8 and 4 times, to have several samples of it: here each question
is one item, and the protocol's runs are the samples.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from abruzzi.data.hub import DataFiles, Record, fetch_files, load_records
from abruzzi.data.items import Item
from abruzzi.errors import DataError
from abruzzi.evaluation.benchmarks.benchmark import UNPINNED, UNPINNED_NOTE, WITHOUT_STOP, Benchmark, SamplingDefaults
from abruzzi.verifiers import Malformed, Row, read_rows

_REPO = "LLM360/guru-RL-92k"
_SETS: Mapping[str, tuple[str, str, int]] = {
    "math-500": ("math__math_500", "MATH-500", 500),
    "aime": ("math__aime_repeated_8x_240", "AIME", 30),
    "amc": ("math__amc_repeated_4x_332", "AMC", 83),
    "humaneval": ("codegen__humaneval_164", "HumanEval", 164),
    "mbpp": ("codegen__mbpp_200", "MBPP", 200),
    "livecodebench": ("codegen__livecodebench_279", "LiveCodeBench", 279),
    "ordering": ("logic__ordering_puzzle_dataset_100", "ordering puzzles", 100),
    "zebra": ("logic__zebra_puzzle_dataset_200", "zebra puzzles", 200),
    "arc-agi-1": ("logic__arcagi1_200", "ARC-AGI-1", 200),
    "codeio": ("simulation__codeio_200", "CodeIO", 200),
    "hitab": ("table__hitab_200", "HiTab", 200),
    "multihier": ("table__multihier_200", "MultiHierTT", 200),
    "supergpqa": ("stem__supergpqa_200", "SuperGPQA", 200),
}
"""Name → file, title, number of questions."""
_FREE_REPLIES = ("codegen", "simulation")
"""Domains whose answers stand in a fenced block."""


def _read_question(record: Record) -> str:
    """Join what the row's prompt says; released rows have one turn of the user."""
    prompt: object = record.get("prompt")
    if isinstance(prompt, str):
        return prompt
    turns = cast("Sequence[Mapping[str, Any]]", prompt)
    question = "\n\n".join(str(turn["content"]) for turn in turns if str(turn.get("content") or "").strip())
    if not question:
        raise DataError(f"{record.place} asks nothing")
    return question


def _read_items(files: DataFiles, path: Path, name: str) -> list[Item]:
    records = load_records(files, path)
    asked: dict[str, Item] = {}
    for record, row in zip(records, read_rows(path, needs_response=False), strict=True):
        if isinstance(row, Malformed):
            raise DataError(f"{path} cannot be used: {row.reason}")
        question = _read_question(record)
        asked.setdefault(question, _to_item(row, question, f"{name}/{record.number - 1}"))
    return list(asked.values())


def _to_item(row: Row, question: str, key: str) -> Item:
    return Item(key, question, row.ground_truth, row.data_source, row.extra)


def _guru(key: str, file: str, title: str, num_items: int) -> Benchmark:
    name = f"guru-{key}"
    files = DataFiles(_REPO, (f"online_eval/{file}.parquet",))

    def load(path: Path | None) -> list[Item]:
        """Read a local copy, or fetch the file."""
        return _read_items(files, path or fetch_files(files)[0], name)

    return Benchmark(
        name=name,
        title=f"Guru {title}",
        source=f"{files} {files.paths[0]}",
        revision=UNPINNED,
        licence="as its sources; Apache-2.0 for the collection",
        num_items=num_items,
        scorer=f"{file.partition('__')[0]}: the fixed verifier of the row's data_source",
        load=load,
        sampling=WITHOUT_STOP if file.startswith(_FREE_REPLIES) else SamplingDefaults(),
        notes=(
            UNPINNED_NOTE,
            "Guru's own protocol is temperature 1.0, top-p 0.7 and 28,672 tokens; its rewards were the published "
            "ones, here the repaired ones judge.",
        ),
    )


GURU = tuple(_guru(key, *of) for key, of in _SETS.items())
