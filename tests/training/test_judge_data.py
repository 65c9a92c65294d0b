import json
import re
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest

from abruzzi.data.examples import Example, read_examples
from abruzzi.errors import DataError
from abruzzi.models.scripted import reply
from abruzzi.nouns import Role
from abruzzi.reasoning.judge import read_judge_reply
from abruzzi.reasoning.settings import AskSettings
from abruzzi.training.grpo.rollouts import RolloutGroup
from abruzzi.training.judge_data import (
    MAX_REASONING_TOKENS,
    Answered,
    Pair,
    Reply,
    ask_about,
    balance,
    draw_pairs,
    is_distinct,
    read_groups,
    read_rollouts,
    show,
    write_judge_examples,
)
from tests.reasoning.asking import TIE, ask, scripted
from tests.training.doubles import WordTokenizer, make_group, make_sum, think

SUM = make_sum("43 + 14 - 10")
RIGHT = think("43 + 14 = 57, 57 - 10 = 47", 47)
SLIP = think("43 + 14 = 57, 57 - 10 = 40", 40)
COPY = think("34 + 14 = 48, 48 - 10 = 38", 38)
LUCK = think("43 + 14 = 56, 56 - 10 = 47", 47)


def write(path: Path, answered: list[Answered], **settings: object) -> list[Example]:
    write_judge_examples(path, answered, tokenizer=WordTokenizer(), **settings)  # pyright: ignore[reportArgumentType] -- by keyword
    return list(read_examples(path))


def sample_sums(count: int, family: str = "sums") -> list[RolloutGroup]:
    """Groups of six replies with slips of several kinds, drawn."""
    rng = Random(family)
    groups: list[RolloutGroup] = []
    for number in range(count):
        a, b, c = (rng.randrange(11, 99) for _ in range(3))
        item = make_sum(f"{a} + {b} - {c}", name=f"{family}/{number}")
        slips = [0, 0, rng.choice((1, -1)), 10, -10, 20]
        replies = [
            think(f"{a} + {b} = {a + b}, {a + b} - {c} = {a + b - c + slip}", a + b - c + slip) for slip in slips
        ]
        replies[1] = think(f"{a} + {b} - {c} = {a + b - c}", a + b - c)
        replies[5] = think("I see it.", a + b - c + 20)
        groups.append(make_group(item, *replies, family=family))
    return groups


def test_replies_are_those_that_ended_and_were_judged_with_an_answer() -> None:
    group = make_group(SUM, RIGHT, SLIP, None, think("?", "?"), think("nothing", ""), "<think>43", logprobs=[-1.0] * 6)
    (one,) = read_groups([group])
    assert one.replies == (Reply(RIGHT, "47", True, -1.0), Reply(SLIP, "40", False, -1.0))
    (twice,) = read_groups([group, group])
    assert len(twice.replies) == 4


def test_a_runs_rollouts_give_the_same_replies() -> None:
    texts = {RIGHT: "correct", SLIP: "wrong", "<think>cut": "unparsed", COPY: "timeout"}
    rows = [{"step": 1, "item": SUM.id, "family": "sums", "text": t, "outcome": o} for t, o in texts.items()]
    (one,) = read_rollouts(rows, {SUM.id: SUM})
    assert [(r.text, r.is_correct, r.mean_logprob) for r in one.replies] == [(RIGHT, True, None), (SLIP, False, None)]
    with pytest.raises(DataError, match="no rollout of an item given here"):
        read_rollouts(rows, {})
    with pytest.raises(DataError, match="no rollout of an item given here"):
        read_rollouts([{"item": SUM.id, "family": "sums", "text": "", "outcome": "fine"}], {SUM.id: SUM})


def test_a_pair_is_taught_in_both_orders_by_hand(tmp_path: Path) -> None:
    second, first = sorted(
        write(tmp_path / "j.jsonl", read_groups([make_group(SUM, RIGHT, SLIP)])), key=lambda e: e.id, reverse=True
    )
    assert json.loads(first.completion) == {
        "reasoning": "47 (first) or 40 (second)? 3 + 4 = 7, 7 - 0 = 7: ends in 7, not 0: 47 (first).",
        "verdict": "first",
    }
    assert json.loads(second.completion) == {
        "reasoning": "40 (first) or 47 (second)? 3 + 4 = 7, 7 - 0 = 7: ends in 7, not 0: 47 (second).",
        "verdict": "second",
    }
    asked = first.messages[-1].content
    assert asked.index("<answer>47") < asked.index("<answer>40")
    asked = second.messages[-1].content
    assert asked.index("<answer>40") < asked.index("<answer>47")
    assert (first.family, first.style) == ("sums", "result")


def test_what_is_right_by_luck_is_measured_with_but_not_taught_to_who_reads_it(tmp_path: Path) -> None:
    answered = read_groups([make_group(SUM, LUCK, SLIP)])
    assert draw_pairs(answered, per_item=2, seed=1, is_sound_only=True) == []
    assert len(draw_pairs(answered, per_item=2, seed=1, is_sound_only=False)) == 1
    with pytest.raises(DataError, match=r"no pair .* among 1 items \(1 of them without a sound right one, 0 pairs"):
        write(tmp_path / "j.jsonl", answered, reads="thoughts")
    assert len(write(tmp_path / "j.jsonl", answered)) == 2


def test_wrong_answers_of_an_item_differ_and_none_is_shown_twice() -> None:
    other = replace(SUM, id="again", question=SUM.question.upper())
    again = think("43 + 14 = 57, 57 - 10 = 40.", 40)
    answered = read_groups([make_group(SUM, RIGHT, SLIP, again, COPY), make_group(other, RIGHT, SLIP, again, COPY)])
    pairs = draw_pairs(answered, per_item=9, seed=1, is_sound_only=True)
    assert sorted({pair.wrong.answer for pair in pairs}) == ["38", "40"]
    assert len({(pair.right.text, pair.wrong.text) for pair in pairs}) == len(pairs)
    assert len(draw_pairs(answered[:1], per_item=1, seed=1, is_sound_only=True)) == 1


def test_equal_answers_in_other_words_are_no_pair() -> None:
    assert not is_distinct("47", " 47 legs")
    assert not is_distinct("Knave", "knave")
    assert is_distinct("47", "-47")
    assert is_distinct("47", "4, 7")
    assert is_distinct("yes", "no")
    mixed = make_group(SUM, RIGHT, think("43 + 14 - 10 = 47", "47 apples"))
    assert draw_pairs(read_groups([mixed]), per_item=9, seed=1, is_sound_only=True) == []


def test_every_pair_is_there_twice_with_opposite_verdicts_and_nothing_else_tells_position(tmp_path: Path) -> None:
    examples = write(tmp_path / "j.jsonl", read_groups(sample_sums(40)), per_item=3)
    assert len(examples) > 150
    by_pair: dict[str, list[Example]] = {}
    for one in examples:
        by_pair.setdefault(one.id.rpartition("/")[0], []).append(one)
    for orders in by_pair.values():
        replies = [json.loads(one.completion) for one in orders]
        assert sorted(r["verdict"] for r in replies) == ["first", "second"]
        said = [
            re.fullmatch(r"(.+) \(first\) or (.+) \(second\)\? (.+): (.+) \((.+)\)\.", r["reasoning"]) for r in replies
        ]
        assert said[0] is not None
        assert said[1] is not None
        assert (said[0][1], said[0][2]) == (said[1][2], said[1][1])
        assert (said[0][3], said[0][4]) == (said[1][3], said[1][4])
        for verdict, words in zip([r["verdict"] for r in replies], said, strict=True):
            assert words is not None
            assert words[5] == verdict
            assert words[4] == words[1 if verdict == "first" else 2]
        shown = [re.findall(r"response begins\]\n(.*?)\n\[", one.messages[-1].content, re.DOTALL) for one in orders]
        assert shown[0] == shown[1][::-1]
        assert len(shown[0]) == 2
    assert all(read_judge_reply(one.completion) is not None for one in examples)


def test_no_reasoning_states_what_is_false_or_takes_long(tmp_path: Path) -> None:
    examples = write(tmp_path / "j.jsonl", read_groups(sample_sums(60)), per_item=4)
    assert {one.style for one in examples} == {"result"}
    seen = set[bool]()
    for one in examples:
        reasoning = json.loads(one.completion)["reasoning"]
        stated = re.fullmatch(
            r"\S+ \(first\) or \S+ \(second\)\? (.+ = (-?\d+))(: ends in (\d))?, not (-?\d+): (-?\d+) \(\w+\)\.",
            reasoning,
        )
        assert stated is not None, reasoning
        steps, end, _, digit, claim, answer = stated.groups()
        assert all(Fraction(eval(left)) == int(value) for left, value in re.findall(r"([-+ \d]+) = (-?\d+)", steps))
        assert claim != (digit or end)
        assert answer.endswith(digit) and end.endswith(digit) if digit else answer == end
        seen.add(digit is not None)
        assert len(WordTokenizer()(reasoning, add_special_tokens=False)["input_ids"]) <= MAX_REASONING_TOKENS
    assert seen == {True, False}


def test_a_check_that_is_too_long_gives_way_to_a_shorter_one(tmp_path: Path) -> None:
    many = " + ".join(["11"] * 40)
    item = make_sum(many)
    answered = read_groups([make_group(item, think("I see it.", 440), think("11 + 11 = 21", 441))])
    (one, _) = write(tmp_path / "j.jsonl", answered)
    assert json.loads(one.completion)["reasoning"].endswith("? 11 + 11 is 22, not 21: 440 (first).")
    assert one.style == "equation"
    answered = read_groups([make_group(item, think("I see it.", 440), think(f"{many} = 441", 441))])
    (one, _) = write(tmp_path / "j.jsonl", answered)
    assert json.loads(one.completion)["reasoning"].endswith("? the answer is 440, not 441: 440 (first).")
    assert one.style == "answer"
    long = " ".join(["words"] * 90)
    counts_of_none = read_groups([make_group(item, think("I see it.", 440), think("So.", long))])
    with pytest.raises(DataError, match="1 pairs with too long a check"):
        write(tmp_path / "none.jsonl", counts_of_none)


def test_families_are_balanced_to_the_scarcest(tmp_path: Path) -> None:
    answered = read_groups(sample_sums(10, "few") + sample_sums(30, "many"))
    counts = write_judge_examples(tmp_path / "j.jsonl", answered, tokenizer=WordTokenizer(), per_item=1)
    assert (counts.drawn["few"], counts.drawn["many"]) == (10, 30)
    assert (counts.used["few"], counts.used["many"], counts.num_examples) == (10, 10, 40)
    counts = write_judge_examples(tmp_path / "j.jsonl", answered, tokenizer=WordTokenizer(), per_item=1, max_ratio=2)
    assert (counts.used["few"], counts.used["many"]) == (10, 20)
    assert sum(counts.checks.values()) == 30
    assert balance(list[str](), str, max_ratio=1, seed=0) == []


def test_the_first_rows_are_whole_pairs_of_every_family(tmp_path: Path) -> None:
    examples = write(tmp_path / "j.jsonl", read_groups(sample_sums(20, "a") + sample_sums(20, "b")))
    head = examples[: len(examples) // 4 * 2]
    assert all(
        one.id.rpartition("/")[0] == two.id.rpartition("/")[0] for one, two in zip(head[::2], head[1::2], strict=True)
    )
    shares = Counter(one.family for one in head)
    assert min(shares["a"], shares["b"]) > len(head) / 4


def test_the_same_seed_gives_the_same_file_and_neighbours_change_no_draw(tmp_path: Path) -> None:
    answered = read_groups(sample_sums(12))
    first, again, other = tmp_path / "1", tmp_path / "2", tmp_path / "3"
    for path, seed in ((first, 1), (again, 1), (other, 2)):
        write(path, answered, seed=seed)
    assert first.read_bytes() == again.read_bytes() != other.read_bytes()
    few = draw_pairs(answered[:5], per_item=2, seed=1, is_sound_only=True)
    many = draw_pairs(answered, per_item=2, seed=1, is_sound_only=True)
    assert few == [pair for pair in many if pair.item.id in {one.item.id for one in answered[:5]}]


@pytest.mark.parametrize("reads", ["answer", "thoughts"])
def test_the_judge_is_taught_exactly_what_the_pipeline_asks(reads: str) -> None:
    settings = AskSettings.model_validate({"n": 2, "plan": "off", "judge_reads": reads})
    # An endpoint hands thoughts over by themselves and ends at the stop string.
    solver = [
        reply("<answer>47", reasoning="43 + 14 = 57, 57 - 10 = 47"),
        reply("<answer>40", reasoning="57 - 10 = 40"),
    ]
    model = scripted(solver=solver, judge=[reply(json=TIE)] * 2)
    ask(model, question=SUM.question, settings=settings)
    pair = Pair(SUM, "sums", Reply(RIGHT, "47", True), Reply(think("57 - 10 = 40", 40), "40", False))
    requests = model.requests_of(Role.JUDGE)
    assert requests[0].messages == ask_about(pair, "first", mark="5ec2e7", reads=settings.judge_reads)
    assert requests[1].messages == ask_about(pair, "second", mark="5ec2e7", reads=settings.judge_reads)
    assert ("57 - 10 = 40" in requests[0].messages[-1].content) == (reads == "thoughts")


def test_a_long_reply_is_shown_by_its_ends() -> None:
    pair = Pair(SUM, "sums", Reply(think("7" * 900, 47), "47", True), Reply(SLIP, "40", False))
    asked = ask_about(pair, "first", mark="m", reads="thoughts", limit=300)[-1].content
    assert "characters left out" in asked
    assert "<answer>47" in asked
    assert show("no tags", "thoughts") == "no tags"
    assert show(think("a", 1) + " and so on", "thoughts") == "<think>a</think>\n<answer>1"
