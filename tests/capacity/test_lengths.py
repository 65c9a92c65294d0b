import random
from math import erf, exp, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.capacity.lengths import order_means
from abruzzi.errors import ConfigError


@pytest.mark.parametrize("spread", [0.1, 0.4, 1.0, 2.0])
def test_the_longer_of_two_in_closed_form(spread: float) -> None:
    # The mean of the larger of two log-normal values of mean 1 is 2 Φ(σ / √2) = 1 + erf(σ / 2).
    shorter, longer = order_means(2, spread)
    assert longer == pytest.approx(1 + erf(spread / 2), abs=1e-9)
    assert shorter == pytest.approx(1 - erf(spread / 2), abs=1e-9)


def test_equal_lengths_are_all_the_mean() -> None:
    assert order_means(5, 0.0) == pytest.approx((1.0,) * 5)


@given(st.integers(1, 16), st.floats(0, 1.5))
def test_means_rise_and_add_up_to_their_number(count: int, spread: float) -> None:
    means = order_means(count, spread)
    assert sum(means) == pytest.approx(count)
    assert list(means) == pytest.approx(sorted(means))


def test_five_against_draws() -> None:
    rng, sums, rounds = random.Random(5), [0.0] * 5, 20_000
    for _ in range(rounds):
        draws = sorted(exp(rng.gauss(-(0.4**2) / 2, 0.4)) for _ in range(5))
        sums = [total + draw for total, draw in zip(sums, draws, strict=True)]
    # The largest has a standard deviation of about 0.45.
    assert [total / rounds for total in sums] == pytest.approx(order_means(5, 0.4), abs=4 * 0.45 / sqrt(rounds))


@pytest.mark.parametrize(("count", "spread"), [(0, 0.4), (3, -0.1), (3, 3.1), (3, float("nan"))])
def test_values_out_of_range_are_refused(count: int, spread: float) -> None:
    with pytest.raises(ConfigError, match="must"):
        order_means(count, spread)
