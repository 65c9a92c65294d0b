import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from abruzzi.data.rows import MalformedRow, count_rows
from abruzzi.data.training_rows import TrainingRow, read_training_rows
from abruzzi.errors import DataError


def write(path: Path, *rows: dict[str, Any] | str) -> Path:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows), "utf-8")
    return path


def texts(path: Path, *fields: str) -> list[tuple[str, ...] | str]:
    return [row.texts if isinstance(row, TrainingRow) else row.reason for row in read_training_rows(path, fields)]


CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "How many?"},
    {"role": "assistant", "content": "Five."},
    {
        "role": "user",
        "content": [{"type": "text", "text": "And now?"}, {"type": "image_url", "image_url": {"url": "x"}}],
    },
]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"question": "How many?", "answer": "5"}, ("How many?",)),
        ({"problem": "How many?", "solution": "5"}, ("How many?",)),
        ({"query": "How many?", "response": "5"}, ("How many?",)),
        ({"prompt": "How many?", "completion": "5"}, ("How many?",)),
        ({"prompt": [{"role": "user", "content": "How many?"}], "data_source": "math__x"}, ("How many?",)),
        ({"messages": CHAT}, ("Be brief.", "How many?", "And now?")),
        ({"conversations": [{"from": "human", "value": "How many?"}, {"from": "gpt", "value": "5"}]}, ("How many?",)),
        ({"instruction": "Count.", "input": "a b c", "output": "3"}, ("Count.\n\na b c",)),
        ({"instruction": "Count.", "input": "", "output": "3"}, ("Count.",)),
        ({"question": "Which?", "choices": ["red", "blue"]}, ("Which?\n\nred\n\nblue",)),
        ({"question": "Which?", "choices": {"text": ["red", "blue"], "label": ["A", "B"]}}, ("Which?\n\nred\n\nblue",)),
        ({"question": "How many?", "prompt": "How many?", "problem": " "}, ("How many?",)),
        ({"question": "How many?", "text": "Q: How many? A: 5"}, ("How many?",)),
        ({"text": "Q: How many? A: 5"}, ("Q: How many? A: 5",)),
        ({"turns": ["One?", "Two?"]}, ("One?", "Two?")),
    ],
)
def test_texts_are_found_in_every_usual_layout(row: dict[str, Any], expected: tuple[str, ...], tmp_path: Path) -> None:
    assert texts(write(tmp_path / "train.jsonl", row)) == [expected]


def test_fields_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path / "train.jsonl", {"id": 7, "extra": {"original": "Why?"}, "a.b": "Dots?", "messages": CHAT})
    assert texts(path, "extra.original") == [("Why?",)]
    assert texts(path, "a.b", "extra.original") == [("Dots?", "Why?")]
    assert texts(path, "messages") == [
        ("system", "Be brief.", "user", "How many?", "assistant", "Five.", "text", "And now?", "image_url", "x")
    ]
    (everything,) = texts(path, "*")
    assert {"Why?", "Dots?", "How many?", "Five."} <= set(everything)
    assert texts(path, "missing.here") == ["row 1 has no text in missing.here; its fields are id, extra, a.b, messages"]


def test_rows_carry_their_place_and_id(tmp_path: Path) -> None:
    path = write(
        tmp_path / "train.jsonl",
        {"id": "x1", "question": "One?"},
        "",
        {"id": 2, "question": "Two?"},
        {"question": "3?"},
    )
    assert list(read_training_rows(path)) == [
        TrainingRow(str(path), 1, ("One?",), "x1"),
        TrainingRow(str(path), 3, ("Two?",), "2"),
        TrainingRow(str(path), 4, ("3?",), None),
    ]


def test_malformed_rows_are_told_in_their_place(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    good = b'{"question": "How many?"}\n'
    lines = [
        good,
        b"{broken\n",
        b'"text"\n',
        b'{"question": "\xff"}\n',
        b'{"question": 5}\n',
        b"[" * 100_000 + b"\n",
        good,
    ]
    path.write_bytes(b"".join(lines))
    rows = list(read_training_rows(path))
    assert [isinstance(row, MalformedRow) for row in rows] == [False, True, True, True, True, True, False]
    reasons = [row.reason for row in rows if isinstance(row, MalformedRow)]
    assert reasons[0].startswith("line 2 is not JSON: ")
    assert reasons[1] == "line 3 is not an object"
    assert reasons[2] == "line 4 is not UTF-8: byte 14 is 0xff"
    assert reasons[3] == "row 5 has no text in any usual field; its fields are question"
    assert reasons[4].startswith("line 6 is not JSON")
    assert [row.number for row in rows] == [1, 2, 3, 4, 5, 6, 7]


def test_half_a_surrogate_pair_is_replaced(tmp_path: Path) -> None:
    path = write(tmp_path / "train.jsonl", '{"id": "\\ud800", "question": "\\udcff ü?"}', '{"\\ud800": 1}')
    first, second = read_training_rows(path)
    assert isinstance(first, TrainingRow)
    assert (first.texts, first.id) == (("? ü?",), "?")
    assert isinstance(second, MalformedRow)
    second.reason.encode()


def test_reads_gzip_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl.gz"
    path.write_bytes(gzip.compress(b'\xef\xbb\xbf{"question": "How many?"}\n{"question": "Why?"}'))
    assert texts(path) == [("How many?",), ("Why?",)]
    assert count_rows(path) == 1
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(DataError, match=r"cannot read .*train\.jsonl\.gz"):
        texts(path)


def test_reads_parquet(tmp_path: Path) -> None:
    arrow: Any = pytest.importorskip("pyarrow")
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    prompts = [[{"role": "user", "content": f"What is {number}?"}] for number in range(600)]
    rows = [{"prompt": prompt, "reward_model": {"ground_truth": "1"}, "question": None} for prompt in prompts]
    path = tmp_path / "train.parquet"
    parquet.write_table(arrow.Table.from_pylist(rows), path)
    found = list(read_training_rows(path))
    assert [row.number for row in found] == list(range(1, 601))
    assert found[599] == TrainingRow(str(path), 600, ("What is 599?",), None)
    assert count_rows(path) == 600
    path.write_bytes(b"PAR1 and then no parquet")
    with pytest.raises(DataError, match="is a broken parquet file"):
        texts(path)
