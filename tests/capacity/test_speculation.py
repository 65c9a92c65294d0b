import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.capacity.machines import find_machine
from abruzzi.capacity.passes import decode_pass
from abruzzi.capacity.replica import Replica
from abruzzi.capacity.shapes import SHAPES
from abruzzi.capacity.speculation import Speculation, decode, expected_tokens, speed_up
from abruzzi.errors import ConfigError
from tests.capacity.shapes import SMALL, TOY

REPLICA = Replica(SMALL, TOY)


def test_tokens_a_pass_by_hand() -> None:
    assert expected_tokens(0.5, 3) == 1.875  # 1 + 1/2 + 1/4 + 1/8
    assert expected_tokens(0.0, 5) == 1
    assert expected_tokens(1.0, 5) == 6


@given(st.floats(0, 0.999), st.integers(1, 30))
def test_tokens_a_pass_are_the_closed_form_of_the_paper(acceptance: float, drafted: int) -> None:
    assert expected_tokens(acceptance, drafted) == pytest.approx((1 - acceptance ** (drafted + 1)) / (1 - acceptance))


def test_tokens_a_pass_are_what_throwing_a_coin_gives() -> None:
    rng, drafted, acceptance = random.Random(3), 4, 0.7

    def play() -> int:
        kept = 0
        while kept < drafted and rng.random() < acceptance:
            kept += 1
        return kept + 1

    mean = sum(play() for _ in range(40_000)) / 40_000
    assert mean == pytest.approx(expected_tokens(acceptance, drafted), abs=0.03)  # four standard errors


def test_decoding_with_drafts_by_hand() -> None:
    # Three drafted tokens of half a pass each; a pass of four positions still waits for 2,608 + 320 bytes.
    result = decode(REPLICA, sequences=1, context_tokens=10, speculation=Speculation(0.5, 3, draft_share=0.5))
    assert result.pass_time.seconds == pytest.approx(0.2928)
    assert result.draft_s == pytest.approx(1.5 * 0.2928)
    assert result.seconds_per_token == pytest.approx(2.5 * 0.2928 / 1.875)


def test_without_drafts_a_pass_is_a_token() -> None:
    result = decode(REPLICA, sequences=2, context_tokens=10)
    assert result.tokens_per_pass == 1
    assert result.seconds_per_token == decode_pass(REPLICA, sequences=2, context_tokens=10).seconds


def test_drafts_pay_where_reading_binds_and_cost_where_arithmetic_does() -> None:
    free = Speculation(0.6, 4)
    large = Replica(SHAPES["Qwen/Qwen2.5-32B"], find_machine("8xh100"))
    assert speed_up(large, sequences=1, context_tokens=4000, speculation=free) > 2
    embedded = Replica(SHAPES["embedded"], find_machine("cpu2"), weight_bits=5.85)
    assert speed_up(embedded, sequences=1, context_tokens=200, speculation=free) < 1


def test_a_draft_as_slow_as_the_model_never_pays() -> None:
    assert speed_up(REPLICA, sequences=1, context_tokens=10, speculation=Speculation(1.0, 4, 1.0)) <= 1


@pytest.mark.parametrize(
    ("values", "message"),
    [((1.1, 3, 0.0), "acceptance is 1.1"), ((0.5, 0, 0.0), "0 tokens"), ((0.5, 3, -0.1), "share of a pass is -0.1")],
)
def test_values_out_of_range_are_refused(values: tuple[float, int, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Speculation(*values)
