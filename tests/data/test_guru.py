import base64
import gzip
import json
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.data.guru import PASS_RATES, REPO, REVISION, TRAIN_FILES, read_guru
from abruzzi.data.hub import DataFiles
from abruzzi.data.items import Item
from abruzzi.data.rows import MalformedRow
from abruzzi.errors import ConfigError
from abruzzi.nouns import Outcome
from abruzzi.verifiers import Row, read_rows, verify
from tests.data.making import write_lines, write_parquet

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


def record(question: str = "What is 1 + 1?", truth: object = "2", **columns: Any) -> dict[str, Any]:
    return {
        "data_source": "math__merged_deduped_dapo_or1_dataset",
        "prompt": [{"role": "user", "content": question}],
        "ability": "math",
        "apply_chat_template": True,
        "reward_model": {"style": "rule", "ground_truth": truth},
        "extra_info": {"split": "train", "index": 7, "reward_metric": "default"},
        "qwen2.5_7b_pass_rate": 0.125,
        "qwen3_30b_pass_rate": 1.0,
        "solution": None,
        **columns,
    }


def pack(value: object, compress: Callable[[bytes], bytes]) -> str:
    return base64.b64encode(compress(json.dumps(value).encode())).decode().rstrip("=")


def read_one(path: Path) -> Item:
    (item,) = read_guru(path)
    assert isinstance(item, Item), item
    return item


@pytest.mark.parametrize("write", [write_lines, write_parquet])
def test_a_row_becomes_an_item_with_its_pass_rates(write: Callable[..., Path], tmp_path: Path) -> None:
    name = "math__combined_54.4k.parquet" if write is write_parquet else "math__combined_54.4k.jsonl"
    assert read_one(write(tmp_path / name, record())) == Item(
        id="math__combined_54.4k/0",
        question="What is 1 + 1?",
        ground_truth="2",
        data_source="math__merged_deduped_dapo_or1_dataset",
        extra={
            "split": "train",
            "index": 7,
            "reward_metric": "default",
            "qwen2.5_7b_pass_rate": 0.125,
            "qwen3_30b_pass_rate": 1.0,
        },
    )


@pytest.mark.parametrize("compress", [zlib.compress, gzip.compress])
def test_the_compressed_variant_gives_the_same_item(compress: Callable[[bytes], bytes], tmp_path: Path) -> None:
    plain = record(truth={"header": ["House"], "rows": [["1"]]})
    packed = pack(plain["extra_info"], compress)
    parts = {"part_1": packed[:10], "part_2": packed[10:], "part_3": None}
    truth = {"compressed": pack(plain["reward_model"]["ground_truth"], compress)}
    small = plain | {"extra_info": parts, "reward_model": {"ground_truth": truth}}
    expected = read_one(write_lines(tmp_path / "a.jsonl", plain))
    assert read_one(write_lines(tmp_path / "a.jsonl", small)) == expected
    assert read_one(write_parquet(tmp_path / "a.parquet", small)) == expected


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"reward_model": {"ground_truth": [[0, 1], [1, 0]]}, "data_source": "simulation__arcagi1"},
        {"reward_model": {"ground_truth": ["Ann", "Bob"]}, "data_source": "logic__ordering_puzzle_dataset"},
        {"extra_info": {"index": "x", "question": "?", "idx": None}, "data_source": "stem_web"},
        {"ground_truth": "3", "extra": {"prefix": "import re"}},
        {"extra_info": None},
    ],
)
def test_verifiers_are_given_what_their_own_reader_would_give_them(columns: dict[str, Any], tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", record(**columns))
    item = read_one(path)
    (row,) = read_rows(path, needs_response=False)
    assert isinstance(row, Row)
    rates = {name: record()[name] for name in PASS_RATES}
    assert (item.data_source, item.ground_truth, item.extra) == (
        row.data_source,
        row.ground_truth,
        {**row.extra, **rates},
    )


def test_an_item_goes_to_its_verifier(tmp_path: Path) -> None:
    item = read_one(write_lines(tmp_path / "a.jsonl", record()))
    for reply, outcome in (("\\boxed{2}", Outcome.CORRECT), ("\\boxed{3}", Outcome.WRONG)):
        verdict = verify(reply, item.ground_truth, data_source=item.data_source, extra=item.extra)
        assert verdict.outcome is outcome


@pytest.mark.parametrize("rate", [None, "0.5", True], ids=str)
def test_what_is_no_pass_rate_is_left_out(rate: object, tmp_path: Path) -> None:
    row = record() | {"qwen2.5_7b_pass_rate": rate, "qwen3_30b_pass_rate": 0}
    extra = read_one(write_lines(tmp_path / "a.jsonl", row)).extra
    assert "qwen2.5_7b_pass_rate" not in extra
    assert extra["qwen3_30b_pass_rate"] == 0


def test_a_pass_rate_of_nan_is_left_out(tmp_path: Path) -> None:
    row = record() | {"qwen2.5_7b_pass_rate": float("nan")}
    assert "qwen2.5_7b_pass_rate" not in read_one(write_parquet(tmp_path / "a.parquet", row)).extra


def test_a_prompt_may_be_text_or_have_several_turns(tmp_path: Path) -> None:
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2?"}, {"role": "user"}]
    path = write_lines(tmp_path / "a.jsonl", record(prompt="1?"), record(prompt=turns))
    assert [row.question if isinstance(row, Item) else row for row in read_guru(path)] == ["1?", "Be brief.\n\n2?"]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"prompt": None}, "row 2 holds no 'prompt'"),
        ({"prompt": [{"role": "user", "content": " "}]}, "row 2 asks nothing"),
        ({"prompt": 7}, "row 2 asks nothing: '7'"),
        ({"reward_model": {}}, "row 2: 'ground_truth' is missing"),
        ({"reward_model": None}, "row 2: 'ground_truth' is missing"),
        ({"data_source": None}, "row 2 holds no 'data_source'"),
        ({"data_source": ["a"]}, "'data_source' is no text"),
        ({"extra_info": "x"}, "'extra_info' is no object: 'x'"),
        ({"extra_info": {"part_1": "!"}}, "'extra_info' cannot be unpacked"),
        ({"extra_info": {"part_1": pack({}, gzip.compress)[:20]}}, "'extra_info' cannot be unpacked: it is cut off"),
        (
            {"reward_model": {"ground_truth": {"compressed": 7}}},
            "'ground_truth' cannot be unpacked: it is no text: '7'",
        ),
    ],
)
def test_a_row_that_cannot_be_used_is_reported_in_its_place(
    columns: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    first, broken, last = read_guru(write_lines(tmp_path / "a.jsonl", record(), record(**columns), record()))
    assert [item.id for item in (first, last) if isinstance(item, Item)] == ["a/0", "a/2"]
    assert isinstance(broken, MalformedRow)
    assert broken.number == 2
    assert reason in broken.reason


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(record(), JSON)))
def test_whatever_a_row_holds_it_is_an_item_or_a_malformed_row(
    tmp_path_factory: pytest.TempPathFactory, columns: dict[str, Any]
) -> None:
    path = write_lines(tmp_path_factory.mktemp("any") / "a.jsonl", record(**columns))
    (row,) = read_guru(path)
    assert isinstance(row, MalformedRow) or row.question.strip()


@pytest.mark.slow
def test_a_compressed_bomb_is_reported(tmp_path: Path) -> None:
    bomb = base64.b64encode(zlib.compress(b" " * (257 << 20), 1)).decode()
    (broken,) = read_guru(write_lines(tmp_path / "a.jsonl", record(extra_info={"part_1": bomb})))
    assert isinstance(broken, MalformedRow)
    assert "unpacks to more than is sensible" in broken.reason


def test_subsets_are_found_in_a_copy_of_the_repository(tmp_path: Path) -> None:
    for name in ("math__combined_54.4k", "stem__web_3.6k"):
        write_parquet(tmp_path / "train" / f"{name}.parquet", record(name))
    items = list(read_guru(tmp_path, ("web", "math")))
    assert [item.id for item in items if isinstance(item, Item)] == ["stem__web_3.6k/0", "math__combined_54.4k/0"]


def test_files_are_fetched_one_by_one_at_a_pinned_commit(tmp_path: Path) -> None:
    fetched: list[DataFiles] = []

    def fetch(files: DataFiles) -> Sequence[Path]:
        fetched.append(files)
        return [write_lines(tmp_path / files.paths[0], record())]

    stream = read_guru(fetch=fetch)
    assert isinstance(next(stream), Item)
    assert fetched == [DataFiles("LLM360/guru-RL-92k", ("train/math__combined_54.4k.parquet",), REVISION)]
    assert len(list(stream)) == 14
    assert {files.revision for files in fetched} == {REVISION}


def test_the_sizes_that_the_files_names_tell_sum_to_the_whole_set() -> None:
    sizes = [name.rpartition("_")[2] for name in TRAIN_FILES.values()]
    rows = sum(float(size[:-1]) * 1000 if size.endswith("k") else int(size) for size in sizes)
    assert abs(rows - 91_900) < 500


def test_an_unknown_subset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"{REPO} has no training file 'zebras'; did you mean 'zebra'\?"):
        next(read_guru(tmp_path, ("zebras",)))
