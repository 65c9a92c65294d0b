"""Costs: tokens, seconds and money, per question and per correct answer.

Prices are the user's own; none is built in, since they change and differ. Tokens of a model that runs on one's own
machine are free here, while its seconds are not. What a server did not report is not estimated.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from abruzzi.errors import ConfigError, DataError
from abruzzi.ledger import Call, sum_usage
from abruzzi.nouns import Usage

_PER = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """What a model's tokens cost, per million, in a currency of the user's choice."""

    prompt: float
    completion: float
    """Reasoning tokens included."""
    cached: float | None = None
    """For prompt tokens that the server did not compute again; None: as much as any other prompt token."""

    def __post_init__(self) -> None:
        for name, value in (("prompt", self.prompt), ("completion", self.completion), ("cached", self.cached)):
            if value is not None and not 0 <= value < float("inf"):
                raise ConfigError(f"a price of {value!r} per million {name} tokens; give a number of 0 or more")


@dataclass(frozen=True, slots=True)
class Cost:
    """What answers took, all calls included: planner, every candidate, judge, failed and cancelled tries."""

    num_answers: int
    """How many times a question was answered."""
    num_correct: int
    usage: Usage
    seconds: float
    """Wall time, summed over the answers."""
    money: float | None
    """None without prices."""

    def per_question(self, amount: float) -> float:
        """Divide an amount by the number of answers."""
        return amount / self.num_answers

    def per_correct(self, amount: float) -> float | None:
        """Divide an amount by the number of correct answers; None when none is correct."""
        return amount / self.num_correct if self.num_correct else None


def price_usage(usage: Usage, price: Price) -> float:
    """Price the tokens of one model.

    Raises:
        DataError: more cached prompt tokens than prompt tokens.
    """
    fresh = usage.prompt_tokens - usage.cached_tokens
    if fresh < 0:
        raise DataError(f"{usage.cached_tokens} of {usage.prompt_tokens} prompt tokens cannot be cached")
    cached = price.prompt if price.cached is None else price.cached
    return (fresh * price.prompt + usage.cached_tokens * cached + usage.completion_tokens * price.completion) / _PER


def price_calls(calls: Iterable[Call], prices: Mapping[str, Price]) -> float:
    """Price calls to any number of models.

    Args:
        calls: the ledger's rows.
        prices: model name as the ledger has it → its price.

    Raises:
        ConfigError: a model has no price; a total that leaves it out would look cheap.
    """
    total = 0.0
    for call in calls:
        if call.model not in prices:
            known = ", ".join(map(repr, prices)) or "none"
            raise ConfigError(f"no price for {call.model!r}, only for {known}; give one, 0 where it is free")
        total += price_usage(call.usage, prices[call.model])
    return total


def sum_costs(
    calls: Iterable[Call],
    *,
    num_answers: int,
    num_correct: int,
    seconds: float,
    prices: Mapping[str, Price] | None = None,
) -> Cost:
    """Add up what a set of answers took.

    Args:
        calls: every call made for them.
        num_answers: how many there are, at least one; failed ones count, since they were paid for.
        num_correct: how many of them are correct.
        seconds: their wall times, summed.
        prices: model → price; None leaves money out.

    Raises:
        DataError: no answer, or more correct ones than answers.
        ConfigError: a model has no price.
    """
    if not 0 <= num_correct <= num_answers or num_answers == 0:
        raise DataError(f"{num_correct} correct of {num_answers} answers; count at least one answer")
    rows = list(calls)
    money = None if prices is None else price_calls(rows, prices)
    return Cost(num_answers, num_correct, sum_usage([call.usage for call in rows]), seconds, money)
