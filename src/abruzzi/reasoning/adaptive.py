"""Chooses the next step of a question within its budgets: plan, candidates, judge, or an end.

Pure: a ``State`` in, a ``Choice`` out, with its reason in numbers. No model, no clock; ``observation`` reads the state
off a run, ``pipeline`` does what was chosen and asks again. The rules:

1. A plan only where it takes at most a quarter of each budget and leaves a candidate's share.
2. Two candidates first. As soon as more than half of the votes agree and one more vote could not undo that, it ends
   (cf. Adaptive-Consistency, arXiv 2305.11860, which stops by a posterior instead). Otherwise the fewest candidates
   that could bring that about, or as many of them as have room for their p90 length each beside what is held back for
   the judge, or one alone that has room for the p50: what is not spent at the end is worth nothing.
3. The judge compares as many clusters, the strongest first, as can be paid for at its full limit.

Tokens and money are limits: each call is counted at the most it may come to, and a candidate's ``max_tokens`` is cut to
what is left. Seconds are expectations: the soft deadline itself ends what takes longer. The first candidate is asked
for whatever is expected of its length and speed, as long as it can be paid for.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from abruzzi.reasoning.lengths import Lengths
from abruzzi.reasoning.tally import find_majority
from abruzzi.statistics.costs import Price

FIRST_WAVE = 2
"""Fewest candidates that can agree."""
MIN_TOKENS = 16
"""A candidate is not started with fewer tokens than this left for it, unless it would be the only one."""
MAX_SHARE_OF_PLAN = 1 / 4
MAX_SHARE_OF_JUDGE = 1 / 2
"""Of the whole budget: a judge whose first match would take more is not held back for."""
_PER = 1_000_000


class Action(StrEnum):
    """What to do next."""

    PLAN = "plan"
    SKIP_PLAN = "skip_plan"
    SAMPLE = "sample"
    JUDGE = "judge"
    DECIDE = "decide"
    """Choose among what there is: by agreement, cluster size, likelihood, order."""


@dataclass(frozen=True, slots=True)
class Stock:
    """A budget."""

    total: float
    left: float


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast candidates come."""

    tokens_per_s: float
    """Of each."""
    num_together: int
    """Side by side when it was measured. More of them together are taken to be no faster than that in all."""

    def of(self, num: int) -> float:
        """Tokens per second of each of so many side by side."""
        return self.tokens_per_s * min(1.0, self.num_together / num)


@dataclass(frozen=True, slots=True)
class Part:
    """The most that one call of a role may come to, in tokens."""

    prompt_tokens: int
    max_tokens: int


@dataclass(frozen=True, slots=True)
class State:
    """Everything that a choice depends on."""

    n: int
    """The most candidates."""
    votes: tuple[int | None, ...]
    """The cluster of each candidate that has ended; None for one that does not vote."""
    seconds: Stock
    """Until the soft deadline."""
    tokens: Stock | None = None
    """Completion tokens; None without a budget."""
    money: Stock | None = None
    """Likewise, in the currency of ``price``."""
    price: Price | None = None
    planner: Part | None = None
    """None once the plan is made or left out."""
    judge: Part | None = None
    """None where it is switched off."""
    prompt_tokens: int = 0
    """The most that a solver's prompt has."""
    num_per_prompt: int = 1
    """Candidates for which it is known to be billed once."""
    max_tokens: int | None = None
    """Per candidate, by the settings or the model's context."""
    lengths: Lengths | None = None
    rate: Rate | None = None
    headroom: int | None = None
    """Candidates that the endpoint's rate limits have room for now; None where no limit is known."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What to do next, and why."""

    action: Action
    reason: str
    """In numbers, a phrase."""
    state: State
    """What it was decided by: ``choose_next`` of it is this choice."""
    n: int = 0
    """Candidates to sample, or clusters to judge."""
    max_tokens: int | None = None
    """Per candidate; None leaves it to the model."""


def describe_choice(choice: Choice) -> str:
    """A choice in a line: what, and why."""
    whats = {
        Action.PLAN: "to plan",
        Action.SKIP_PLAN: "no plan",
        Action.SAMPLE: f"{choice.n} more candidate{'s' if choice.n != 1 else ''}",
        Action.JUDGE: f"to judge {choice.n} answers",
        Action.DECIDE: "to end",
    }
    limit = "" if choice.max_tokens is None else f" of at most {choice.max_tokens:,} tokens"
    return f"{whats[choice.action]}{limit}: {choice.reason}"


@dataclass(frozen=True, slots=True)
class _Cost:
    tokens: float = 0
    money: float = 0
    seconds: float = 0

    def plus(self, other: "_Cost") -> "_Cost":
        return _Cost(self.tokens + other.tokens, self.money + other.money, self.seconds + other.seconds)


def choose_next(state: State) -> Choice:
    """Choose the next step.

    Args:
        state: of a question that has not been decided.

    Returns:
        ``PLAN`` or ``SKIP_PLAN`` as long as there may be a plan; then ``SAMPLE`` until ``JUDGE`` or ``DECIDE`` ends it.
    """
    if state.planner is not None:
        return _choose_plan(state, state.planner)
    num_more = state.n - len(state.votes)
    majority = find_majority(state.votes, min(1, num_more))
    if majority is not None:
        end = ", which one more could not undo" if num_more else ""
        return Choice(Action.DECIDE, f"{_count(state, majority)} candidates agree{end}", state)
    if num_more == 0:
        return _choose_end(state, f"all {state.n} candidates are there")
    wave = _choose_wave(state, min(num_more, _count_missing(state)))
    return _choose_end(state, wave) if isinstance(wave, str) else wave


def _choose_plan(state: State, planner: Part) -> Choice:
    cost = _price_calls(state, planner, 1)
    expected = state.lengths.p90 if state.lengths is not None else state.max_tokens
    with_candidate = cost.plus(_price_candidates(state, 1, expected or MIN_TOKENS))
    quarter = [
        f"a plan may take {_show(name, need, stock.left)}, more than a quarter"
        for name, need, stock in _compare(state, cost)
        if name != "s" and need > stock.left * MAX_SHARE_OF_PLAN
    ]
    if quarter:
        return Choice(Action.SKIP_PLAN, quarter[0], state)
    lack = _find_lack(state, with_candidate)
    if lack:
        return Choice(Action.SKIP_PLAN, f"plan and one candidate {lack}", state)
    need = _show_need(state, with_candidate)
    return Choice(Action.PLAN, f"plan and one candidate take at most {need}" if need else "no budget binds", state)


def _count_missing(state: State) -> int:
    """Count the fewest further candidates that could end it."""
    votes = Counter(vote for vote in state.votes if vote is not None)
    return max(1, votes.total() + 2 - 2 * max(votes.values())) if votes else FIRST_WAVE


def _choose_wave(state: State, wanted: int) -> Choice | str:
    """Choose how many candidates to sample now, up to ``wanted``; or say why none."""
    has_vote = any(vote is not None for vote in state.votes)
    held = _hold_for_judge(state)
    lack = ""
    for num in range(wanted, 0, -1):
        lack = _find_wave_lack(state, num, held)
        if not lack:
            return _sample(state, num, held, wanted)
    if has_vote or (state.votes and state.seconds.left <= 0):
        return f"one more candidate {lack}"
    # Without any answer one candidate is asked for, whatever is expected of it, if it can be paid for at all.
    for kept, least in ((held, MIN_TOKENS), (_Cost(), 1)):
        room = _find_room(state, 1, kept)
        if room is None or room >= least:
            return _sample(state, 1, kept, wanted)
    return f"one candidate {_find_lack(state, _price_candidates(state, 1, 1))}"


def _find_wave_lack(state: State, num: int, held: _Cost) -> str:
    """Say what so many candidates of their expected length lack beside what is held back; empty where they fit."""
    if state.headroom is not None and state.headroom < num:
        return f"does not fit the endpoint's rate limits, which have room for {state.headroom}"
    room, (_, expected) = _find_room(state, num, held), _expect(state, num)
    if room is not None and room < MIN_TOKENS:
        return f"would have {max(0, room)} tokens"
    if room is not None and expected is None:
        return "is of a length that nothing is known of, and the budget is not endless"
    return _find_lack(state, _price_candidates(state, num, expected or MIN_TOKENS), held)


def _expect(state: State, num: int) -> tuple[str, int | None]:
    """Say which length so many candidates must have room for, each: its name, and the tokens where they are known."""
    if num > 1:
        return "p90", state.max_tokens if state.lengths is None else state.lengths.p90
    return "p50", MIN_TOKENS if state.lengths is None else state.lengths.p50


def _sample(state: State, num: int, held: _Cost, wanted: int) -> Choice:
    room = _find_room(state, num, held)
    limits = [limit for limit in (room, state.max_tokens) if limit is not None]
    parts = [_show_votes(state) if state.votes else "none has ended"]
    if num < wanted:
        parts.append(f"{num} of {wanted} wanted fit")
    if state.lengths is not None:
        name, tokens = _expect(state, num)
        need = _show_need(state, _price_candidates(state, num, tokens or 0))
        parts.append(f"{name} of {tokens:,} tokens ({_show_source(state.lengths)}){need and ': '}{need}")
    if held != _Cost():
        parts.append(f"{_show_held(state, held)} held back for the judge")
    return Choice(Action.SAMPLE, "; ".join(parts), state, n=num, max_tokens=min(limits) if limits else None)


def _choose_end(state: State, why: str) -> Choice:
    """Choose between the judge and an end, when no more candidates are to come; ``why`` says why none are."""
    majority = find_majority(state.votes, 0)
    clusters = len({vote for vote in state.votes if vote is not None})
    if majority is not None:
        return Choice(Action.DECIDE, f"{why}; {_count(state, majority)} agree", state)
    if clusters < 2:
        return Choice(Action.DECIDE, f"{why}; {clusters} different answers", state)
    if state.judge is None:
        return Choice(Action.DECIDE, f"{why}; {clusters} different answers, and the judge is off", state)
    lack = ""
    for num in range(clusters, 1, -1):
        cost = _price_calls(state, state.judge, 2 * (num - 1), rounds=math.ceil(math.log2(num)))
        lack = _find_lack(state, cost)
        if not lack:
            need = _show_need(state, cost)
            reason = f"{why}; {num} of {clusters} different answers compared{need and ' for at most '}{need}"
            return Choice(Action.JUDGE, reason, state, n=num)
    return Choice(Action.DECIDE, f"{why}; {clusters} different answers, and a judge {lack}", state)


def _hold_for_judge(state: State) -> _Cost:
    """Say what is kept from the candidates for the judge's first match."""
    if state.judge is None or state.n < 2:
        return _Cost()
    cost = _price_calls(state, state.judge, 2)
    is_dear = any(need > stock.total * MAX_SHARE_OF_JUDGE for _, need, stock in _compare(state, cost))
    return _Cost() if is_dear else cost


def _price_candidates(state: State, num: int, tokens: int) -> _Cost:
    price = state.price or Price(0, 0)
    prompts = math.ceil(num / state.num_per_prompt) * state.prompt_tokens
    seconds = 0.0 if state.rate is None else tokens / state.rate.of(num)
    return _Cost(num * tokens, (prompts * price.prompt + num * tokens * price.completion) / _PER, seconds)


def _price_calls(state: State, part: Part, num: int, *, rounds: int = 1) -> _Cost:
    """Price calls of a planner or judge at their limit, and in seconds as if each were as long as a candidate."""
    price = state.price or Price(0, 0)
    money = num * (part.prompt_tokens * price.prompt + part.max_tokens * price.completion) / _PER
    length = part.max_tokens if state.lengths is None else min(part.max_tokens, state.lengths.p90)
    together = math.ceil(num / rounds)
    seconds = 0.0 if state.rate is None else rounds * length / state.rate.of(together)
    return _Cost(num * part.max_tokens, money, seconds)


def _find_room(state: State, num: int, held: _Cost) -> int | None:
    """Find the most tokens that each of so many candidates may have; None where neither tokens nor money run out."""
    rooms: list[int] = []
    if state.tokens is not None:
        rooms.append(math.floor((state.tokens.left - held.tokens) / num))
    if state.money is not None and state.price is not None:
        left = state.money.left - held.money - _price_candidates(state, num, 0).money
        if left < 0:
            rooms.append(0)
        elif state.price.completion > 0:
            room = left * _PER / (num * state.price.completion) * (1 - 1e-9)
            if math.isfinite(room):  # a price next to nothing limits nothing
                rooms.append(math.floor(room))
    return min(rooms) if rooms else None


def _compare(state: State, cost: _Cost) -> Iterable[tuple[str, float, Stock]]:
    """Set a cost beside each budget that there is: unit, need, budget."""
    if state.tokens is not None:
        yield "tokens", cost.tokens, state.tokens
    if state.money is not None:
        yield "money", cost.money, state.money
    yield "s", cost.seconds, state.seconds


def _find_lack(state: State, cost: _Cost, held: _Cost | None = None) -> str:
    """Say which budget has no room for a cost beside what is held back; empty where all have."""
    held = held or _Cost()
    for (name, need, stock), (_, kept, _) in zip(_compare(state, cost), _compare(state, held), strict=True):
        if need > stock.left - kept or stock.left <= 0:
            back = f", {_show(name, kept)} of which are held back for the judge" if kept else ""
            return f"would need {_show(name, need, max(0, stock.left))}{back}"
    return ""


def _count(state: State, majority: int) -> str:
    return f"{sum(vote == majority for vote in state.votes)} of {len(state.votes)}"


def _show_votes(state: State) -> str:
    votes = Counter(vote for vote in state.votes if vote is not None)
    if not votes:
        return f"none of {len(state.votes)} has an answer"
    return f"votes stand {' : '.join(str(size) for _, size in votes.most_common())}"


def _show_source(lengths: Lengths) -> str:
    past = f" and {lengths.num_past} past" if lengths.num_past else ""
    return f"{lengths.num_own} own{past}"


def _show_need(state: State, cost: _Cost) -> str:
    return ", ".join(_show(name, need, stock.left) for name, need, stock in _compare(state, cost) if need)


def _show_held(state: State, held: _Cost) -> str:
    return ", ".join(_show(name, need) for name, need, _ in _compare(state, held) if need)


def _show(name: str, *amounts: float) -> str:
    """Write an amount with its unit, or one of another: ``90 of 420 tokens``."""
    form = {"tokens": ",.0f", "money": ".3g", "s": ".1f"}[name]
    return f"{' of '.join(format(amount, form) for amount in amounts)} {name}"
