from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.data.am_thinking import REPO, REVISION, SUBSETS, read_am_thinking
from abruzzi.data.examples import Example
from abruzzi.data.hub import DataFiles
from abruzzi.data.rows import MalformedRow
from abruzzi.errors import ConfigError, DataError
from abruzzi.nouns import Message
from tests.data.making import write_lines, write_parquet

REPLY = "<think>Two and two.</think>\n<answer>4</answer>"

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


def turn(speaker: str, value: object, **info: Any) -> dict[str, Any]:
    return {"from": speaker, "value": value, "info": info}


def row(*turns: dict[str, Any], **columns: Any) -> dict[str, Any]:
    return {"conversations": list(turns), **columns}


MATH = row(
    turn("human", "2 + 2?", category="math", ground_truth="4", source="own"),
    turn("assistant", REPLY, verify_score=1.0, think_content="Two and two.", answer_content="4"),
    system="Think.",
)
CODE = row(turn("human", "Add.", test_case={"inputs": [[1]], "call": None}), turn("assistant", REPLY))
MULTITURN = row(turn("human", "One?"), turn("assistant", REPLY), turn("human", "Two?"), turn("assistant", REPLY + "\n"))


def read_one(tmp_path: Path, record: dict[str, Any], **options: Any) -> list[Example | MalformedRow]:
    return list(read_am_thinking(write_lines(tmp_path / "math.jsonl", record), **options))


def test_a_row_becomes_an_example_of_its_subset(tmp_path: Path) -> None:
    messages = (Message("system", "Think."), Message("user", "2 + 2?"))
    assert read_one(tmp_path, MATH) == [Example("math/1", messages, REPLY, "math")]


def test_every_reply_is_taught_with_all_that_precedes_it(tmp_path: Path) -> None:
    first, second = read_one(tmp_path, MULTITURN)
    asked = (Message("user", "One?"), Message("assistant", REPLY), Message("user", "Two?"))
    assert first == Example("math/1/1", asked[:1], REPLY, "math")
    assert second == Example("math/1/2", asked, REPLY, "math")


@pytest.mark.parametrize(
    ("system", "head"), [(None, "Think."), ("", None), ("Work it out.", "Work it out.")], ids=["own", "none", "given"]
)
def test_the_system_message_can_be_replaced(tmp_path: Path, system: str | None, head: str | None) -> None:
    (example,) = read_one(tmp_path, MATH, system=system)
    assert isinstance(example, Example)
    assert [message.content for message in example.messages] == [*([head] if head else []), "2 + 2?"]


def test_a_system_turn_counts_as_system_message(tmp_path: Path) -> None:
    (example,) = read_one(tmp_path, row(turn("system", "Be brief."), *MATH["conversations"], system=None))
    assert isinstance(example, Example)
    assert example.messages[0] == Message("system", "Be brief.")


def test_subsets_of_different_columns_are_read_from_one_folder_in_the_order_asked_for(tmp_path: Path) -> None:
    write_lines(tmp_path / "math.jsonl", MATH)
    write_lines(tmp_path / "multiturn.jsonl.gz", MULTITURN)
    write_parquet(tmp_path / "code.parquet", CODE)
    rows = list(read_am_thinking(tmp_path, ("multiturn", "code", "math")))
    assert [(row.id, row.family) for row in rows if isinstance(row, Example)] == [
        ("multiturn/1/1", "multiturn"),
        ("multiturn/1/2", "multiturn"),
        ("code/1", "code"),
        ("math/1", "math"),
    ]
    with pytest.raises(DataError, match="holds no if"):
        list(read_am_thinking(tmp_path))


def test_the_file_of_k2_thinks_preparation_is_read(tmp_path: Path) -> None:
    plain = {"conversations": [{"from": "human", "value": "2 + 2?"}, {"from": "assistant", "value": REPLY}]}
    (example,) = read_am_thinking(write_parquet(tmp_path / "AM-Thinking-3697c18.parquet", plain))
    assert example == Example("AM-Thinking-3697c18/1", (Message("user", "2 + 2?"),), REPLY, "AM-Thinking-3697c18")


def test_files_are_fetched_one_by_one_at_the_commit_that_k2_think_names(tmp_path: Path) -> None:
    fetched: list[DataFiles] = []

    def fetch(files: DataFiles) -> Sequence[Path]:
        fetched.append(files)
        return [write_lines(tmp_path / files.paths[0], MATH)]

    stream = read_am_thinking(fetch=fetch)
    first = next(stream)
    assert (first.id if isinstance(first, Example) else first.reason) == "code/1"
    assert fetched == [DataFiles("a-m-team/AM-Thinking-v1-Distilled", ("code.jsonl",), REVISION)]
    assert len(list(stream)) == 5
    assert [files.paths[0] for files in fetched] == [f"{subset}.jsonl" for subset in SUBSETS]
    assert len(REVISION) == 40


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"text": "2 + 2?"}, "math.jsonl, row 2 holds no 'conversations'; its columns are text"),
        ({"conversations": "2 + 2?"}, "row 2: the conversation has 0 turns; it must end with a reply"),
        ({"conversations": []}, "row 2: the conversation has 0 turns"),
        (row(turn("human", "?")), "row 2: the conversation has 1 turns; it must end with a reply"),
        (row(turn("assistant", REPLY), turn("human", "?")), "turn 1 of the conversation is the assistant's, not the"),
        (row(turn("human", "?"), turn("human", "?")), "turn 2 of the conversation is the user's, not the assistant's"),
        (row(turn("human", "?"), turn("assistant", REPLY), turn("human", "?")), "the conversation has 3 turns"),
        (row(turn("narrator", "?"), turn("assistant", REPLY)), "a turn needs a known 'from' and a 'value', got"),
        (row(turn("human", " "), turn("assistant", REPLY)), "a turn needs a known 'from' and a 'value', got"),
        (row(turn("human", None), turn("assistant", REPLY)), "a turn needs a known 'from' and a 'value', got"),
        ({"conversations": ["2 + 2?", REPLY]}, "a turn needs a known 'from' and a 'value', got '2 + 2?'"),
        ({"conversations": [{"from": ["human"], "value": "?"}]}, "a turn needs a known 'from' and a 'value', got"),
        (row(turn("human", "?"), turn("assistant", REPLY), system=7), "'system' is no text: '7'"),
        (row(turn("human", "?"), turn("assistant", "4")), "reply 1 is not <think>…</think><answer>…</answer>"),
        (row(turn("human", "?"), turn("assistant", "<think>4")), "reply 1 is not <think>…</think><answer>…</answer>"),
    ],
)
def test_a_row_that_cannot_be_taught_is_reported_in_its_place(
    record: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    path = write_lines(tmp_path / "math.jsonl", MATH, record, MATH)
    first, broken, last = read_am_thinking(path)
    assert isinstance(first, Example)
    assert isinstance(last, Example)
    assert isinstance(broken, MalformedRow)
    assert (broken.file, broken.number) == (str(path), 2)
    assert reason in broken.reason


def test_of_a_conversation_the_good_replies_are_taught_and_the_bad_ones_reported(tmp_path: Path) -> None:
    record = row(turn("human", "One?"), turn("assistant", "Hm."), turn("human", "Two?"), turn("assistant", REPLY))
    broken, example = read_one(tmp_path, record)
    assert isinstance(broken, MalformedRow)
    assert isinstance(example, Example)
    assert example.id == "math/1/2"
    assert [type(row) for row in read_one(tmp_path, record, needs_form=False)] == [Example, Example]


TURN = st.fixed_dictionaries({"from": st.sampled_from(["human", "assistant", "system"]) | JSON, "value": JSON})


@given(st.lists(TURN | JSON) | JSON, JSON)
def test_whatever_a_row_holds_it_is_an_example_or_a_malformed_row(
    tmp_path_factory: pytest.TempPathFactory, conversations: object, system: object
) -> None:
    path = write_lines(tmp_path_factory.mktemp("any") / "if.jsonl", {"conversations": conversations, "system": system})
    for row in read_am_thinking(path, needs_form=False):
        assert isinstance(row, MalformedRow) or row.messages[-1].role == "user"


def test_halves_of_surrogate_pairs_do_not_reach_a_tokenizer(tmp_path: Path) -> None:
    (example,) = read_one(tmp_path, row(turn("human", "\ud800?"), turn("assistant", REPLY.replace("4", "\udfff"))))
    assert isinstance(example, Example)
    assert (example.messages[0].content, example.completion[-10:]) == ("??", "?</answer>")


def test_an_unknown_subset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"{REPO} has no sub-set 'maths'; did you mean 'math'\?"):
        next(read_am_thinking(tmp_path, ("maths",)))
