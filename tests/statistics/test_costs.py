"""Costs, by hand."""

import pytest

from abruzzi.errors import ConfigError, DataError
from abruzzi.ledger import Call, CallOutcome
from abruzzi.nouns import Role, Usage
from abruzzi.statistics.costs import Price, price_calls, price_usage, sum_costs

SMALL = Price(prompt=1.0, completion=4.0, cached=0.1)


def call(model: str, usage: Usage, outcome: CallOutcome = CallOutcome.OK) -> Call:
    return Call(Role.SOLVER, model, outcome, 1, 1, usage, True, 0.0, None, 1.0)


def test_cached_prompt_tokens_have_their_own_price() -> None:
    usage = Usage(prompt_tokens=1_000_000, cached_tokens=600_000, completion_tokens=500_000)
    assert price_usage(usage, SMALL) == pytest.approx(0.4 + 0.06 + 2.0)
    assert price_usage(usage, Price(prompt=1.0, completion=4.0)) == pytest.approx(1.0 + 2.0)


def test_every_model_has_its_price_and_failed_calls_are_paid_too() -> None:
    calls = [
        call("small", Usage(prompt_tokens=1_000, completion_tokens=1_000)),
        call("large", Usage(prompt_tokens=1_000, completion_tokens=0), CallOutcome.ERROR),
    ]
    assert price_calls(calls, {"small": SMALL, "large": Price(30.0, 60.0)}) == pytest.approx(0.005 + 0.03)
    with pytest.raises(ConfigError, match="no price for 'large', only for 'small'"):
        price_calls(calls, {"small": SMALL})


def test_per_question_and_per_correct_answer() -> None:
    calls = [call("small", Usage(prompt_tokens=100, completion_tokens=500))] * 4
    cost = sum_costs(calls, num_answers=4, num_correct=2, seconds=8.0, prices={"small": SMALL})
    assert cost.usage.total_tokens == 2_400
    assert cost.per_question(cost.usage.completion_tokens) == 500
    assert cost.per_correct(cost.usage.total_tokens) == 1_200
    assert cost.per_correct(cost.seconds) == 4.0
    assert cost.money == pytest.approx(4 * (100 + 2_000) / 1e6)


def test_without_prices_or_correct_answers_there_is_none() -> None:
    cost = sum_costs([], num_answers=3, num_correct=0, seconds=1.0)
    assert cost.money is None
    assert cost.per_correct(cost.seconds) is None


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(DataError, match="0 correct of 0"):
        sum_costs([], num_answers=0, num_correct=0, seconds=0.0)
    with pytest.raises(DataError, match="cannot be cached"):
        price_usage(Usage(prompt_tokens=1, cached_tokens=2), SMALL)
    with pytest.raises(ConfigError, match="per million completion tokens"):
        Price(prompt=1.0, completion=-1.0)
