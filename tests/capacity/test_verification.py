import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.capacity.speculation import Speculation, expected_tokens
from abruzzi.capacity.verification import (
    Observed,
    PassCosts,
    best_draft,
    break_even,
    find_acceptance,
    measured_speed_up,
    observed_speed_up,
)
from abruzzi.errors import ConfigError

FREE = PassCosts({1: 0.1, 2: 0.1, 4: 0.1, 8: 0.1})
"""Memory binds: a pass takes as long whatever is in it."""
LINEAR = PassCosts({1: 0.1, 2: 0.2, 4: 0.4, 8: 0.8})
"""Arithmetic binds."""
BETWEEN = PassCosts({1: 0.1, 2: 0.12, 4: 0.15, 8: 0.25})


def test_costs_by_hand() -> None:
    assert BETWEEN.ratio(4) == pytest.approx(1.5)
    assert BETWEEN.drafts == (1, 3, 7)


def test_speed_up_by_hand() -> None:
    # 1 + 1/2 + 1/4 + 1/8 tokens in a pass that takes 1.5 steps; three draft passes of 0.1 steps make it 1.8.
    assert measured_speed_up(BETWEEN, Speculation(0.5, 3)) == pytest.approx(1.25)
    assert measured_speed_up(BETWEEN, Speculation(0.5, 3, draft_share=0.1)) == pytest.approx(1.875 / 1.8)


def test_where_passes_are_free_the_speed_up_is_the_papers() -> None:
    # arXiv 2211.17192, theorem 3.8, with a cost coefficient c of 0.05.
    alpha, gamma, c = 0.8, 3, 0.05
    paper = (1 - alpha ** (gamma + 1)) / ((1 - alpha) * (gamma * c + 1))
    assert measured_speed_up(FREE, Speculation(alpha, gamma, draft_share=c)) == pytest.approx(paper)


def test_the_longest_draft_is_best_where_it_is_free_and_none_where_arithmetic_binds() -> None:
    assert best_draft(FREE, 0.5) == (7, pytest.approx(expected_tokens(0.5, 7)))
    assert best_draft(LINEAR, 0.9) == (0, 1.0)


def test_the_best_draft_grows_with_the_acceptance() -> None:
    assert [best_draft(BETWEEN, acceptance)[0] for acceptance in (0.1, 0.3, 0.6, 0.95)] == [0, 1, 3, 7]


def test_break_even_by_hand() -> None:
    assert break_even(BETWEEN, 1) == pytest.approx(0.2)  # 1 + a = 1.2
    assert break_even(FREE, 7) == pytest.approx(0.0, abs=1e-9)
    assert break_even(LINEAR, 7) == pytest.approx(1.0)
    assert break_even(PassCosts({1: 0.1, 2: 0.25}), 1) is None


@given(st.floats(0.01, 0.99), st.integers(1, 16))
def test_at_break_even_a_draft_changes_nothing(acceptance: float, drafted: int) -> None:
    costs = PassCosts({1: 1.0, drafted + 1: expected_tokens(acceptance, drafted)})
    found = break_even(costs, drafted)
    assert found == pytest.approx(acceptance, abs=1e-6)
    assert measured_speed_up(costs, Speculation(acceptance, drafted)) == pytest.approx(1.0)


def test_the_share_accepted_is_less_than_a_tokens_acceptance() -> None:
    # Of three tokens at 1/2: (1/2 + 1/4 + 1/8) / 3 are accepted.
    assert find_acceptance(0.875 / 3, 3) == pytest.approx(0.5)
    assert find_acceptance(0.0, 5) == pytest.approx(0.0, abs=1e-9)
    assert find_acceptance(1.0, 5) == pytest.approx(1.0)


def test_what_a_run_saw_is_weighed_by_its_passes_with_a_draft() -> None:
    # Half the passes draft three tokens of which a third is accepted: 1 + 1/2 · 1 tokens a pass.
    seen = Observed(rate=1 / 3, draft_tokens=3, tokens_per_pass=1.5)
    assert seen.share == pytest.approx(0.5)
    assert observed_speed_up(BETWEEN, seen) == pytest.approx(1.5 / (0.5 + 0.5 * 1.5))


def test_a_run_with_a_draft_in_every_pass_lies_on_the_curve() -> None:
    seen = Observed(rate=0.875 / 3, draft_tokens=3, tokens_per_pass=1.875)
    assert observed_speed_up(BETWEEN, seen) == pytest.approx(measured_speed_up(BETWEEN, Speculation(0.5, 3)))


def test_what_was_not_measured_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no pass of 6 positions was measured; there are \[1, 2, 4, 8\]"):
        measured_speed_up(FREE, Speculation(0.5, 5))
    with pytest.raises(ConfigError, match="cost of a single step is missing"):
        PassCosts({2: 0.1})
    with pytest.raises(ConfigError, match="a pass of 2 positions takes 0"):
        PassCosts({1: 0.1, 2: 0.0})


@pytest.mark.parametrize(
    ("values", "message"),
    [((0.0, 3, 1.1), r"0\.0 of the drafted"), ((0.5, 0, 1.1), "0 tokens"), ((0.5, 2, 2.5), "at most 2")],
)
def test_observations_that_cannot_be_are_refused(values: tuple[float, int, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Observed(*values)


def test_a_rate_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"1\.5 of the drafted"):
        find_acceptance(1.5, 3)
