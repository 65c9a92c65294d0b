"""The soft penalty by hand."""

import pytest

from abruzzi.errors import ConfigError, DataError
from abruzzi.training.grpo.overlong import overlong_penalty


@pytest.mark.parametrize(
    ("num_tokens", "penalty"),
    # limit 100, buffer 20: it begins at 80; (80 − 85) ÷ 20 = −0.25; (80 − 90) ÷ 20 = −0.5
    [(0, 0), (80, 0), (81, -0.05), (85, -0.25), (90, -0.5), (100, -1), (120, -1)],
)
def test_by_hand(num_tokens: int, penalty: float) -> None:
    assert overlong_penalty(num_tokens, max_tokens=100, buffer=20) == pytest.approx(penalty)


def test_a_buffer_as_long_as_the_limit_grows_from_the_first_token() -> None:
    assert overlong_penalty(1, max_tokens=4, buffer=4) == -0.25


@pytest.mark.parametrize("buffer", [0, 101, -1])
def test_a_buffer_out_of_range_is_refused(buffer: int) -> None:
    with pytest.raises(ConfigError, match="from 1 to max_tokens"):
        overlong_penalty(5, max_tokens=100, buffer=buffer)


def test_a_negative_length_is_refused() -> None:
    with pytest.raises(DataError, match="-3 tokens"):
        overlong_penalty(-3, max_tokens=100, buffer=20)
