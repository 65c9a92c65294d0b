from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.capacity.roofline import PassTime, Work, time_pass
from tests.capacity.shapes import TOY

WORK = Work(
    sequences=4,
    matrix_flops=6e6,
    attention_flops=2e6,
    weight_bytes=3e4,
    cache_bytes=2e4,
    message_bytes=100.0,
    layers=5,
)
TENSOR = replace(TOY, devices=4, link_bandwidth=1000.0, reduce_s=0.01)
PIPELINE = replace(TENSOR, devices=2, layout="pipeline")


def test_terms_on_one_device_by_hand() -> None:
    time = time_pass(WORK, replace(TOY, layer_s=0.1, pass_s=0.2))
    assert (time.matrix_s, time.attention_s, time.weights_s, time.cache_s) == (6.0, 2.0, 3.0, 2.0)
    assert time.exchange_s == 0
    assert time.fixed_s == pytest.approx(5 * 0.1 + 0.2)
    # Reading, 5 s, hides behind 8 s of arithmetic.
    assert time.seconds == pytest.approx(8.7)


def test_shares_of_the_peaks_stretch_their_own_terms() -> None:
    time = time_pass(WORK, replace(TOY, flops_share=0.5, bandwidth_share=0.25, cache_share=0.1))
    assert (time.matrix_s, time.attention_s) == (12.0, 4.0)
    assert (time.weights_s, time.cache_s) == pytest.approx((12.0, 20.0))


def test_devices_share_matrices_and_meet_twice_a_layer() -> None:
    time = time_pass(WORK, TENSOR)
    assert (time.matrix_s, time.attention_s, time.weights_s, time.cache_s) == (1.5, 0.5, 0.75, 0.5)
    # Ten all-reduces of 0.01 s and 2 x 3/4 of 100 bytes at 1,000 bytes a second.
    assert time.exchange_s == pytest.approx(10 * (0.01 + 0.15))


def test_a_pipeline_reads_all_weights_in_turn_and_works_on_half_the_sequences() -> None:
    time = time_pass(WORK, PIPELINE)
    assert time.weights_s == 3.0
    assert (time.matrix_s, time.attention_s, time.cache_s) == (3.0, 1.0, 1.0)
    # One hand-over of a group's half of the message.
    assert time.exchange_s == pytest.approx(0.01 + 0.05)


def test_a_pipeline_gives_a_single_sequence_nothing() -> None:
    alone, single = time_pass(replace(WORK, sequences=1), PIPELINE), time_pass(WORK, TOY)
    assert (alone.matrix_s, alone.weights_s, alone.cache_s) == (single.matrix_s, single.weights_s, single.cache_s)


@pytest.mark.parametrize(("overlap", "seconds"), [(1.0, 8.0), (0.5, 10.5), (0.0, 13.0)])
def test_overlap_hides_a_share_of_the_shorter(overlap: float, seconds: float) -> None:
    assert time_pass(WORK, replace(TOY, overlap=overlap)).seconds == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("terms", "overlap", "bound"),
    [
        ((5.0, 1.0, 5.5, 0.0, 0.0, 0.0), 1.0, "matrix"),  # 6 s of arithmetic hide 5.5 s of reading
        ((5.0, 1.0, 5.5, 0.0, 0.0, 0.0), 0.5, "weights"),  # nothing is hidden whole
        ((1.0, 5.0, 2.0, 2.0, 0.0, 0.0), 1.0, "attention"),
        ((1.0, 0.0, 2.0, 3.0, 0.0, 0.0), 1.0, "cache"),
        ((1.0, 0.0, 2.0, 3.0, 4.0, 0.0), 1.0, "exchange"),
        ((1.0, 0.0, 2.0, 3.0, 4.0, 4.5), 1.0, "fixed"),
    ],
)
def test_the_largest_visible_term_binds(
    terms: tuple[float, float, float, float, float, float], overlap: float, bound: str
) -> None:
    assert PassTime(*terms, overlap).bound == bound


@given(st.integers(1, 64), st.floats(0, 1))
def test_a_pass_is_never_faster_than_its_slowest_side(devices: int, overlap: float) -> None:
    time = time_pass(WORK, replace(TENSOR, devices=devices, overlap=overlap))
    assert time.seconds >= max(time.arithmetic_s, time.reading_s)
    assert time.seconds <= time.arithmetic_s + time.reading_s + time.exchange_s + time.fixed_s + 1e-9


def test_scaling_a_pass_scales_its_seconds() -> None:
    time = time_pass(WORK, TENSOR)
    assert time.scaled(7).seconds == pytest.approx(7 * time.seconds)
