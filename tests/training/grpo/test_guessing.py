"""The watch for guessing, against counts by hand."""

import pytest

from abruzzi.data.items import Item
from abruzzi.nouns import FinishReason, Outcome, Verdict
from abruzzi.training.grpo.guessing import Guess, find_guesses
from abruzzi.training.grpo.rollouts import Prompt, Rollout, RolloutGroup, Sampled


def make_group(family: str, truth: str, *answers: str | None) -> RolloutGroup:
    def make_rollout(answer: str | None) -> Rollout:
        outcome = Outcome.UNPARSED if answer is None else Outcome.CORRECT if answer == truth else Outcome.WRONG
        verdict = Verdict(outcome, float(outcome is Outcome.CORRECT), answer, "")
        return Rollout(Sampled((1,), (0.0,), FinishReason.STOP), str(answer), verdict)

    item = Item(id=f"{family}/{truth}", question="?", ground_truth=truth, data_source="d")
    return RolloutGroup(Prompt(item, (1,), family), tuple(map(make_rollout, answers)))


def test_what_is_given_most_stands_beside_how_often_it_is_right() -> None:
    groups = [
        make_group("letters", "1", "1", "1", "1", "2"),
        make_group("letters", "2", "1", "1", None, "2"),
        make_group("letters", "3", "1", "1", "1", "1"),
        make_group("sums", "7", "7", "8"),
        make_group("sums", "9", "9", " 7 "),
        make_group("none", "1", None, None),
    ]
    found = find_guesses(groups)
    assert found.keys() == {"letters", "sums"}
    assert (found["letters"].answer, found["sums"].answer) == ("1", "7")
    assert found["letters"].given == pytest.approx((3 / 4 + 2 / 4 + 4 / 4) / 3)
    assert found["letters"].right == pytest.approx(1 / 3)
    assert found["sums"].given == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert found["sums"].right == pytest.approx(1 / 2)


def test_prompts_count_alike_whatever_their_rollouts() -> None:
    groups = [make_group("f", "1", *["1"] * 8), make_group("f", "2", "2", "2")]
    assert find_guesses(groups)["f"] == Guess("1", 0.5, 0.5)


def test_no_groups_no_guesses() -> None:
    assert find_guesses([]) == {}
