from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.capacity.machines import find_machine
from abruzzi.capacity.passes import decode_pass, prefill_passes, prefill_seconds
from abruzzi.capacity.replica import Replica
from abruzzi.capacity.shapes import SHAPES
from tests.capacity.shapes import SMALL, TOY

REPLICA = Replica(SMALL, TOY, chunk_tokens=16)
LARGE = Replica(SHAPES["Qwen/Qwen2.5-32B"], find_machine("8xh100"))


def test_a_pass_of_decoding_by_hand() -> None:
    time = decode_pass(REPLICA, sequences=3, context_tokens=10)
    # Three tokens of 2 x 1,304 operations, and 4 x 2 layers x 8 for each of 10 tokens attended to; a million a second.
    assert time.matrix_s == pytest.approx(7824e-6)
    assert time.attention_s == pytest.approx(1920e-6)
    # 2 x 1,304 bytes of weights, without the input embedding, and 3 x 10 x 32 of cache; ten thousand a second.
    assert time.weights_s == pytest.approx(0.2608)
    assert time.cache_s == pytest.approx(0.096)
    assert time.seconds == pytest.approx(0.3568)
    assert time.bound == "weights"


def test_verified_positions_cost_arithmetic_and_no_reading() -> None:
    one, four = (decode_pass(REPLICA, sequences=3, context_tokens=10, positions=k) for k in (1, 4))
    assert (four.matrix_s, four.attention_s) == pytest.approx((4 * one.matrix_s, 4 * one.attention_s))
    assert (four.weights_s, four.cache_s) == (one.weights_s, one.cache_s)


def test_bits_shrink_what_is_read() -> None:
    plain = decode_pass(REPLICA, sequences=3, context_tokens=10)
    small = decode_pass(replace(REPLICA, weight_bits=4, cache_bits=8), sequences=3, context_tokens=10)
    assert small.weights_s == pytest.approx(plain.weights_s / 4)
    assert small.cache_s == pytest.approx(plain.cache_s / 2)
    assert small.matrix_s == plain.matrix_s


def test_a_prompt_of_one_chunk_by_hand() -> None:
    (time,) = prefill_passes(REPLICA, tokens=10, cached_tokens=6)
    # Ten tokens of 2 x 1,224 operations, the head's 2 x 80 once; each attends to 6 + 10 / 2 tokens.
    assert time.matrix_s == pytest.approx((24480 + 160) * 1e-6)
    assert time.attention_s == pytest.approx(64 * 10 * 11 * 1e-6)
    assert time.weights_s == pytest.approx(0.2608)
    assert time.cache_s == pytest.approx(6 * 32 / 1e4)


def test_a_longer_prompt_reads_the_weights_chunk_by_chunk() -> None:
    first, second, third = prefill_passes(REPLICA, tokens=40)
    assert first.matrix_s == pytest.approx(16 * 2448e-6)
    assert third.matrix_s == pytest.approx((8 * 2448 + 160) * 1e-6)
    assert (first.cache_s, second.cache_s, third.cache_s) == pytest.approx((0, 16 * 32e-4, 32 * 32e-4))
    assert sum(time.attention_s for time in (first, second, third)) == pytest.approx(64 * 40 * 20 * 1e-6)
    assert prefill_seconds(REPLICA, tokens=40) == pytest.approx(first.seconds + second.seconds + third.seconds)


def test_a_prompt_that_is_cached_whole_takes_nothing() -> None:
    assert prefill_passes(REPLICA, tokens=0, cached_tokens=100) == []


def test_the_large_model_on_eight_gpus_by_hand() -> None:
    time = decode_pass(LARGE, sequences=1, context_tokens=0)
    # 2 x 31.98e9 bytes over eight GPUs of 3.35 TB/s, reached to 68 %; 128 all-reduces of 18 µs and 7/4 of 10 kB.
    assert time.weights_s == pytest.approx(3.511e-3, rel=1e-3)
    assert time.exchange_s == pytest.approx(128 * (18e-6 + 1.75 * 10240 / 450e9), rel=1e-9)
    assert time.bound == "weights"


def test_long_prompts_are_bound_by_arithmetic_and_a_batch_of_one_is_not() -> None:
    # 2 x 31.2e9 x 8192 operations, and 4 x 64 x 5120 x 8192 x 4096 of attention, at half of 8 x 989e12.
    (time,) = prefill_passes(LARGE, tokens=8192)
    assert time.arithmetic_s == pytest.approx((2 * 31.206e9 * 8192 + 4.398e13) / (4 * 989e12), rel=1e-3)
    assert time.arithmetic_s > time.reading_s


@given(st.integers(1, 200), st.integers(1, 4000))
def test_more_sequences_never_decode_faster_each_and_never_slower_in_all(sequences: int, context: int) -> None:
    def seconds(count: int) -> float:
        return decode_pass(LARGE, sequences=count, context_tokens=context).seconds

    assert seconds(sequences + 1) >= seconds(sequences)
    assert (sequences + 1) / seconds(sequences + 1) >= sequences / seconds(sequences) * (1 - 1e-9)


def test_a_cached_prefix_saves_its_share_of_the_arithmetic() -> None:
    (whole,) = prefill_passes(LARGE, tokens=8000)
    (rest,) = prefill_passes(LARGE, tokens=2000, cached_tokens=6000)
    assert rest.matrix_s == pytest.approx(whole.matrix_s / 4, rel=1e-3)
    # Of 32 million pairs the cached tokens' own 18 million are saved.
    assert rest.attention_s == pytest.approx(whole.attention_s * 14 / 32)
