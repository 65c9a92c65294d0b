"""What is chosen next: known answers, and what holds for every state."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.reasoning.adaptive import Action, Part, Rate, State, Stock, choose_next
from abruzzi.reasoning.lengths import Lengths
from abruzzi.statistics.costs import Price

FREE = State(n=5, votes=(), seconds=Stock(1200, 1200))
JUDGED = replace(FREE, judge=Part(500, 100))


def known(tokens: int) -> Lengths:
    return Lengths(p50=tokens, p90=tokens, num_own=2, num_past=0)


def tokens(total: int, left: int) -> Stock:
    return Stock(total, left)


@pytest.mark.parametrize(
    ("votes", "num"),
    [
        ((), 2),
        ((0, 1), 2),
        ((0, None), 1),
        ((None, None), 2),
        ((0, 0, 2), 1),
        ((0, 0, 2, None), 1),
        ((0, 1, 2), 2),
        ((0, 1, 2, 3), 1),
    ],
)
def test_the_fewest_candidates_that_could_end_it(votes: tuple[int | None, ...], num: int) -> None:
    choice = choose_next(replace(FREE, votes=votes))
    assert (choice.action, choice.n, choice.max_tokens) == (Action.SAMPLE, num, None)


def test_two_that_agree_end_it() -> None:
    choice = choose_next(replace(JUDGED, votes=(0, 0)))
    assert (choice.action, choice.reason) == (
        Action.DECIDE,
        "2 of 2 candidates agree, which one more could not undo",
    )


def test_three_to_one_ends_it_before_the_fifth() -> None:
    assert choose_next(replace(JUDGED, votes=(0, 0, 2, 0))).action is Action.DECIDE


def test_all_different_are_judged() -> None:
    choice = choose_next(replace(JUDGED, votes=(0, 1, 2, 3, 4)))
    assert (choice.action, choice.n) == (Action.JUDGE, 5)
    off = choose_next(replace(FREE, votes=(0, 1, 2, 3, 4)))
    assert (off.action, off.reason) == (
        Action.DECIDE,
        "all 5 candidates are there; 5 different answers, and the judge is off",
    )


def test_a_majority_of_all_needs_no_judge() -> None:
    assert choose_next(replace(JUDGED, votes=(0, 0, 0, 3, 4))).action is Action.DECIDE
    assert choose_next(replace(JUDGED, votes=(None,) * 5)).action is Action.DECIDE


def test_candidates_stop_where_their_p90_does_not_fit_beside_the_judges_share() -> None:
    state = replace(JUDGED, votes=(0, 1), lengths=known(90), tokens=tokens(600, 420))
    wave = choose_next(state)
    # 420 − 2 × 100 for the judge leave 220: two of 90, and each may use 110.
    assert (wave.action, wave.n, wave.max_tokens) == (Action.SAMPLE, 2, 110)
    assert wave.reason == (
        "votes stand 1 : 1; p90 of 90 tokens (2 own): 180 of 420 tokens; 200 tokens held back for the judge"
    )
    one = choose_next(replace(state, tokens=tokens(600, 379)))
    assert (one.n, one.max_tokens) == (1, 179)
    judged = choose_next(replace(state, tokens=tokens(600, 289)))
    assert (judged.action, judged.n) == (Action.JUDGE, 2)
    assert "would need 90 of 289 tokens, 200 tokens of which are held back" in judged.reason
    ended = choose_next(replace(state, tokens=tokens(600, 80)))
    assert ended.action is Action.DECIDE
    assert "a judge would need 200 of 80 tokens" in ended.reason


def test_a_last_candidate_needs_room_for_the_p50_alone() -> None:
    lengths = Lengths(p50=50, p90=90, num_own=2, num_past=0)
    state = replace(FREE, votes=(0, 1), lengths=lengths, tokens=tokens(600, 179))
    choice = choose_next(state)
    assert (choice.n, choice.max_tokens, choice.reason) == (
        1,
        179,
        "votes stand 1 : 1; 1 of 2 wanted fit; p50 of 50 tokens (2 own): 50 of 179 tokens",
    )
    assert choose_next(replace(state, tokens=tokens(600, 180))).n == 2
    assert choose_next(replace(state, tokens=tokens(600, 49))).action is Action.DECIDE


def test_a_judge_that_would_take_more_than_half_is_not_held_back_for() -> None:
    choice = choose_next(replace(JUDGED, votes=(0, 1), lengths=known(90), tokens=tokens(390, 200)))
    assert (choice.action, choice.n, choice.max_tokens) == (Action.SAMPLE, 2, 100)


def test_as_many_clusters_are_judged_as_can_be_paid_for() -> None:
    state = replace(JUDGED, n=4, votes=(0, 1, 2, 3), lengths=known(50))
    assert choose_next(replace(state, tokens=tokens(1000, 600))).n == 4
    assert choose_next(replace(state, tokens=tokens(1000, 599))).n == 3
    assert choose_next(replace(state, tokens=tokens(1000, 200))).n == 2
    assert choose_next(replace(state, tokens=tokens(1000, 199))).action is Action.DECIDE


def test_without_any_knowledge_of_length_a_budget_pays_for_one_at_first() -> None:
    choice = choose_next(replace(FREE, tokens=tokens(300, 300)))
    assert (choice.action, choice.n, choice.max_tokens) == (Action.SAMPLE, 1, 300)
    limited = choose_next(replace(FREE, tokens=tokens(300, 300), max_tokens=150))
    assert (limited.n, limited.max_tokens) == (2, 150)


def test_the_only_candidate_gets_what_there_is() -> None:
    choice = choose_next(replace(JUDGED, tokens=tokens(210, 5), lengths=known(90)))
    assert (choice.action, choice.n, choice.max_tokens) == (Action.SAMPLE, 1, 5)
    assert choose_next(replace(JUDGED, tokens=tokens(210, 0))).action is Action.DECIDE


def test_money_buys_prompts_and_completions() -> None:
    # A prompt costs 1000 × 1 and a token 2, of millionths: 5000 − 2 × 1000 leave 3000, so 750 tokens each.
    state = replace(
        FREE, money=Stock(0.005, 0.005), price=Price(1, 2), prompt_tokens=1000, max_tokens=700, num_per_prompt=1
    )
    choice = choose_next(state)
    assert (choice.n, choice.max_tokens) == (2, 700)
    # Billed once for both, 4000 are left: 1000 tokens each.
    shared = choose_next(replace(state, num_per_prompt=2, max_tokens=999))
    assert (shared.n, shared.max_tokens) == (2, 999)
    alone = choose_next(replace(state, max_tokens=999))
    assert (alone.n, alone.max_tokens) == (1, 999)
    broke = choose_next(replace(state, money=Stock(0.005, 0.001)))
    assert broke.action is Action.DECIDE
    assert "one candidate would need 0.001 of 0.001 money" in broke.reason


def test_free_completions_cost_only_their_prompts() -> None:
    state = replace(FREE, money=Stock(0.005, 0.005), price=Price(1, 0), prompt_tokens=1000)
    assert (choose_next(state).n, choose_next(state).max_tokens) == (2, None)
    assert choose_next(replace(state, prompt_tokens=5001)).action is Action.DECIDE


def test_seconds_are_expected_from_length_and_speed() -> None:
    # 100 tokens at 10/s measured two together: 10 s for two, 10 s for one.
    state = replace(FREE, votes=(0, 1), lengths=known(100), rate=Rate(10, 2), seconds=Stock(60, 11))
    assert choose_next(state).n == 2
    assert choose_next(replace(state, seconds=Stock(60, 9))).action is Action.DECIDE
    # Measured alone, two together are taken to be half as fast.
    slower = choose_next(replace(state, rate=Rate(10, 1)))
    assert slower.n == 1
    assert slower.reason.startswith("votes stand 1 : 1; 1 of 2 wanted fit")


def test_the_judge_is_left_out_where_its_time_is_gone() -> None:
    state = replace(JUDGED, n=2, votes=(0, 1), lengths=known(50), rate=Rate(10, 2), seconds=Stock(60, 6))
    assert choose_next(state).action is Action.JUDGE
    assert choose_next(replace(state, seconds=Stock(60, 4))).action is Action.DECIDE
    assert choose_next(replace(state, rate=None, seconds=Stock(60, -1))).action is Action.DECIDE


def test_after_the_deadline_nothing_more_is_sampled_once_one_has_ended() -> None:
    late = replace(FREE, seconds=Stock(60, -1))
    assert choose_next(late).action is Action.SAMPLE
    assert choose_next(replace(late, votes=(None, None))).action is Action.DECIDE


def test_rate_limits_bound_a_wave_but_not_the_first_candidate() -> None:
    assert choose_next(replace(FREE, headroom=1)).n == 1
    assert choose_next(replace(FREE, headroom=0)).n == 1
    choice = choose_next(replace(FREE, votes=(0, 1), headroom=0))
    assert choice.action is Action.DECIDE
    assert "does not fit the endpoint's rate limits, which have room for 0" in choice.reason


def test_a_plan_takes_at_most_a_quarter_and_leaves_a_candidate() -> None:
    state = replace(FREE, planner=Part(300, 100), max_tokens=200)
    assert choose_next(state).action is Action.PLAN
    assert choose_next(replace(state, tokens=tokens(400, 400))).action is Action.PLAN
    dear = choose_next(replace(state, tokens=tokens(399, 399)))
    assert (dear.action, dear.reason) == (
        Action.SKIP_PLAN,
        "a plan may take 100 of 399 tokens, more than a quarter",
    )
    long = choose_next(replace(state, tokens=tokens(400, 400), max_tokens=301))
    assert (long.action, long.reason) == (
        Action.SKIP_PLAN,
        "plan and one candidate would need 401 of 400 tokens",
    )
    slow = choose_next(replace(state, rate=Rate(10, 1), seconds=Stock(60, 20)))
    assert slow.action is Action.SKIP_PLAN


def stock(total: int, share: float) -> Stock:
    return Stock(total, total * share)


STOCKS = st.builds(stock, st.integers(1, 5000), st.floats(-0.1, 1))
PARTS = st.builds(Part, st.integers(1, 500), st.integers(16, 500))
STATES = st.builds(
    State,
    n=st.integers(1, 8),
    votes=st.lists(st.one_of(st.none(), st.integers(0, 3)), max_size=8).map(tuple),
    seconds=STOCKS,
    tokens=st.none() | STOCKS,
    money=STOCKS.map(lambda stock: Stock(stock.total / 1e6, stock.left / 1e6)),
    price=st.builds(Price, st.floats(0, 2), st.floats(0, 2)),
    planner=st.none() | PARTS,
    judge=st.none() | PARTS,
    prompt_tokens=st.integers(0, 500),
    num_per_prompt=st.integers(1, 4),
    max_tokens=st.none() | st.integers(1, 1000),
    lengths=st.none() | st.builds(Lengths, st.just(1), st.integers(1, 1000), st.just(1), st.just(0)),
    rate=st.none() | st.builds(Rate, st.floats(0.1, 100), st.integers(1, 4)),
    headroom=st.none() | st.integers(0, 8),
).filter(lambda state: len(state.votes) <= state.n)


@given(STATES)
def test_what_is_chosen_never_costs_more_than_is_left(state: State) -> None:
    choice = choose_next(state)
    assert choose_next(choice.state) == choice
    assert state.money is not None
    assert state.price is not None
    completion = prompt = 0
    match choice.action:
        case Action.PLAN:
            assert state.planner is not None
            completion, prompt = state.planner.max_tokens, state.planner.prompt_tokens
        case Action.SAMPLE:
            assert 1 <= choice.n <= state.n - len(state.votes)
            prompt = -(-choice.n // state.num_per_prompt) * state.prompt_tokens
            completion = choice.n * (choice.max_tokens or 0)
            if choice.max_tokens is None:
                assert state.tokens is None
                assert state.price.completion < 1e-290
        case Action.JUDGE:
            assert state.judge is not None
            assert 2 <= choice.n <= len({vote for vote in state.votes if vote is not None})
            completion, prompt = (
                2 * (choice.n - 1) * part for part in (state.judge.max_tokens, state.judge.prompt_tokens)
            )
        case Action.SKIP_PLAN | Action.DECIDE:
            return
    assert state.tokens is None or completion <= state.tokens.left
    assert (prompt * state.price.prompt + completion * state.price.completion) / 1e6 <= state.money.left
