import json
import pickle
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from abruzzi.errors import DataError, RecordError, UnreachableError, VerifierError
from abruzzi.models.chat import ChatModel, ChatRequest
from abruzzi.models.scripted import ScriptedChat, reply
from abruzzi.nouns import FinishReason, Outcome, Role, Verdict
from abruzzi.training.scale.verl_data import to_verl_row
from abruzzi.training.scale.verl_reward import Verify, compute_reward, count_unjudged
from tests.training.scale.guru_rows import BROKEN, CASES, FREE_TEXT, Case, ask

Reward = dict[str, float | str]


def reward_of(item: Any, text: str, **options: Any) -> Reward:
    """Call the reward as verl does: columns of the row by name, among keys that verl adds."""
    row = to_verl_row(item, ask(item), index=0, split="train")
    added: dict[str, Any] = {"num_turns": None, "rollout_reward_scores": {}, "turn_scores": [], "min_global_steps": 3}

    async def call() -> Reward:
        return await compute_reward(
            data_source=row["data_source"],
            solution_str=text,
            ground_truth=row["reward_model"]["ground_truth"],
            extra_info={**row["extra_info"], **added},
            **options,
        )

    return anyio.run(call)


def verify_as(verdict: Verdict) -> Verify:
    async def verify(response: str, ground_truth: object, **_: Any) -> Verdict:
        return verdict

    return cast("Verify", verify)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.item.id)
def test_each_domain_rewards_right_replies_and_no_others(case: Case) -> None:
    right, wrong, silent = (reward_of(case.item, text) for text in (case.right, case.wrong, case.silent))
    assert (right["score"], right["outcome"], right["unparsed"]) == (1.0, "correct", 0.0)
    assert (wrong["score"], wrong["outcome"], wrong["unparsed"]) == (0.0, "wrong", 0.0)
    assert (silent["score"], silent["outcome"], silent["unparsed"]) == (0.0, "unparsed", 1.0)


def test_partial_credit_is_shown_and_not_rewarded() -> None:
    verify = verify_as(Verdict(Outcome.WRONG, 0.75, "x", "three of four cells", seconds=0.5))
    reward = reward_of(CASES[0].item, "", verify=verify)
    assert (reward["score"], reward["partial"], reward["verify_s"]) == (0.0, 0.75, 0.5)


def test_every_result_has_the_same_keys_and_none_that_validation_fills_with_zeros() -> None:
    keys = {frozenset(reward_of(CASES[0].item, text)) for text in (CASES[0].right, CASES[0].silent)}
    assert keys == {frozenset({"score", "partial", "unparsed", "verify_s", "grader_tokens", "outcome"})}


@pytest.mark.parametrize("outcome", [Outcome.TIMEOUT, Outcome.ERROR])
def test_what_cannot_be_judged_has_no_reward_and_is_counted(outcome: Outcome, tmp_path: Path) -> None:
    verify = verify_as(Verdict(outcome, 0.0, None, "the reason", seconds=30.0))
    folder = tmp_path / "unjudged"
    for _ in range(2):
        with pytest.raises(VerifierError, match=f"has no reward: {outcome}: the reason") as caught:
            reward_of(CASES[0].item, "reply", verify=verify, unjudged_dir=str(folder))
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # it leaves a Ray actor
    assert count_unjudged(folder) == Counter({(CASES[0].item.data_source, outcome.value): 2})
    (path,) = folder.iterdir()
    assert json.loads(path.read_text().splitlines()[0]) == {
        "id": CASES[0].item.id,
        "data_source": CASES[0].item.data_source,
        "outcome": outcome.value,
        "reason": "the reason",
        "seconds": 30.0,
    }


def test_a_row_whose_tests_are_broken_has_no_reward() -> None:
    with pytest.raises(VerifierError, match="the ground truth is no JSON"):
        reward_of(BROKEN, CASES[1].right)


def test_limits_reach_the_verifier() -> None:
    seen: dict[str, Any] = {}

    async def verify(response: str, ground_truth: object, **options: Any) -> Verdict:
        seen.update(options, response=response, ground_truth=ground_truth)
        return Verdict(Outcome.CORRECT, 1.0, "x", "")

    item = CASES[2].item
    reward_of(item, "reply", verify=verify, timeout_s=7.0)
    assert seen == {
        "response": "reply",
        "ground_truth": item.ground_truth,
        "data_source": item.data_source,
        "extra": item.extra,
        "timeout_s": 7.0,
    }


def test_rows_of_others_have_no_reward() -> None:
    async def call() -> Reward:
        return await compute_reward("math__x", "reply", "1", {"index": 0})

    with pytest.raises(DataError, match="none of ours"):
        anyio.run(call)


def test_nothing_counted_where_nothing_was_written(tmp_path: Path) -> None:
    assert count_unjudged(tmp_path / "missing") == Counter()


def test_a_broken_line_is_told(tmp_path: Path) -> None:
    (tmp_path / "node-1.jsonl").write_text('{"data_source": "math__x", "outcome": "error"}\n{"data_sou')
    with pytest.raises(DataError, match="line 2 is broken"):
        count_unjudged(tmp_path)


def test_a_count_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    verify = verify_as(Verdict(Outcome.ERROR, 0.0, None, "the reason"))
    with pytest.raises(RecordError, match="cannot write"):
        reward_of(CASES[0].item, "reply", verify=verify, unjudged_dir=str(tmp_path / "file" / "unjudged"))


def test_free_text_has_no_reward_without_a_grader() -> None:
    assert reward_of(FREE_TEXT, r"It is \boxed{carbon dioxide}.")["outcome"] == "correct"
    with pytest.raises(VerifierError, match="has no reward: error"):
        reward_of(FREE_TEXT, r"It is \boxed{CO2 gas, as everybody knows}.")


@pytest.mark.parametrize(("word", "score", "outcome"), [("SAME", 1.0, "correct"), ("DIFFERENT", 0.0, "wrong")])
def test_a_grader_decides_about_free_text(word: str, score: float, outcome: str) -> None:
    grader = ScriptedChat(lambda request: [f"{code_in(request)} {word}"])

    async def open_grader(spec: str) -> ChatModel:
        assert spec == "http://grader:8000/v1"
        return grader

    options: Mapping[str, Any] = {"grader": "http://grader:8000/v1", "open_grader": open_grader}
    reward = reward_of(FREE_TEXT, r"It is \boxed{CO2 gas, as everybody knows}.", **options)
    assert (reward["score"], reward["outcome"]) == (score, outcome)
    assert cast("float", reward["grader_tokens"]) > 0
    assert len(grader.requests) == 1
    assert reward_of(FREE_TEXT, r"\boxed{carbon dioxide}", **options)["grader_tokens"] == 0.0
    assert len(grader.requests) == 1, "what is equal needs no grader"


def test_a_grader_that_fails_leaves_no_reward(tmp_path: Path) -> None:
    async def open_grader(spec: str) -> ChatModel:
        return ScriptedChat({Role.JUDGE: reply("It is", finish_reason=FinishReason.LENGTH)})

    with pytest.raises(VerifierError, match="the grader's reply ended by length"):
        reward_of(
            FREE_TEXT, r"\boxed{some gas}", grader="http://g/v1", open_grader=open_grader, unjudged_dir=str(tmp_path)
        )
    assert count_unjudged(tmp_path) == Counter({("stem_web", "error"): 1})


def test_a_grader_that_is_not_there_leaves_no_reward(tmp_path: Path) -> None:
    async def open_grader(spec: str) -> ChatModel:
        raise UnreachableError(f"no connection to {spec}")

    with pytest.raises(VerifierError, match="no connection to http://g/v1"):
        reward_of(
            FREE_TEXT, r"\boxed{some gas}", grader="http://g/v1", open_grader=open_grader, unjudged_dir=str(tmp_path)
        )
    assert count_unjudged(tmp_path) == Counter({("stem_web", "error"): 1})


def code_in(request: ChatRequest) -> str:
    """Find the code that the decision must carry."""
    return next(line.split()[0] for line in request.messages[0].content.splitlines() if line.endswith(" QUESTION"))
