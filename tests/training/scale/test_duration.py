import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.capacity.gpus import GPUS, Gpu
from abruzzi.capacity.shapes import SHAPES, ModelShape
from abruzzi.training.scale.duration import (
    ENGINE_SHARE,
    MAX_PLACES,
    Sampling,
    decode_seconds,
    estimate_sampling,
    training_flops,
    training_seconds,
)

SMALL = ModelShape(2, 8, 4, 2, 2, 16, 10, is_tied=False, has_qkv_bias=True)
"""1,304 parameters that a token is multiplied by, 1,384 in all, 32 bytes of cache a token."""
LARGE = SHAPES["Qwen/Qwen2.5-32B"]
TOY = Gpu("toy", 1e6, 1e6, 1e4)


def test_operations_of_an_update_by_hand() -> None:
    # A token: 6 x 1,304; and 12 x 2 layers x 8 for each of 5 tokens that it attends to.
    assert training_flops(SMALL, tokens=10, attended_tokens=5) == 10 * (7824 + 960)


def test_seconds_of_an_update_by_hand() -> None:
    assert training_seconds(4e6, TOY, num_gpus=8, mfu=0.25) == 2.0


def test_an_update_of_the_large_recipe_by_hand() -> None:
    # 512 packs of 32,768 tokens, 6 x 32.0e9 operations each and 12 x 64 x 5120 x 4096 of attention: 3.49e18 on 256
    # GPUs at 40 % of 989e12.
    flops = training_flops(LARGE, tokens=512 * 32768, attended_tokens=4096)
    assert flops == pytest.approx(3.49e18, rel=3e-3)
    assert training_seconds(flops, GPUS["h100"], num_gpus=256, mfu=0.4) == pytest.approx(34.5, rel=3e-3)


def test_decoding_waits_for_bandwidth_when_few_decode() -> None:
    # 2 x 1,384 bytes of weights and 3 x 10 x 32 of cache, at 60 % of 10 kB a second.
    assert decode_seconds(SMALL, TOY, tensor_parallel=1, places=3, context_tokens=10) == pytest.approx(3728 / 6e3)
    assert decode_seconds(SMALL, TOY, tensor_parallel=2, places=3, context_tokens=10) == pytest.approx(3728 / 12e3)


def test_decoding_waits_for_arithmetic_when_many_do() -> None:
    # 1,000 x (2 x 1,304 + 4 x 2 x 8 x 1) operations at 60 % of a million a second; the bytes would take less.
    slow = Gpu("slow", 1e6, 1e6, 1e9)
    assert decode_seconds(SMALL, slow, tensor_parallel=1, places=1000, context_tokens=1) == pytest.approx(2672e3 / 6e5)


def sample(**changes: float) -> Sampling:
    settings = {
        "num_copies": 2,
        "tensor_parallel": 2,
        "cache_bytes": 3200,
        "num_sequences": 80,
        "prompt_tokens": 10,
        "mean_tokens": 20,
        "max_tokens": 40,
    }
    return estimate_sampling(SMALL, TOY, **{**settings, **changes})  # pyright: ignore[reportArgumentType]


def test_sampling_by_hand() -> None:
    # Two GPUs of 3,200 bytes hold 200 tokens, ten sequences of 10 + 20 / 2; 40 sequences a copy take four turns of 20
    # steps; a step reads 2 x 1,384 bytes of weights and 10 x 20 x 32 of cache.
    result = sample()
    assert (result.cache_tokens, result.places) == (200, 10)
    assert result.step_s == pytest.approx((2768 + 6400) / 12e3)
    assert result.bulk_s == pytest.approx(4 * 20 * result.step_s)
    # Alone: 40 steps that read the weights and the cache of 10 + 40 / 2 tokens.
    assert result.tail_s == pytest.approx(40 * (2768 + 960) / 12e3)
    assert result.seconds == result.bulk_s


def test_sampling_lasts_as_long_as_its_longest_completion() -> None:
    result = sample(max_tokens=4000)
    assert result.seconds == result.tail_s > result.bulk_s


def test_places_are_bounded_by_sequences_and_by_the_engine() -> None:
    assert sample(num_sequences=6).places == 3
    assert sample(num_sequences=10_000, cache_bytes=1e9).places == MAX_PLACES


@given(st.integers(1, 10_000), st.integers(1, 64))
def test_more_copies_are_never_slower(num_sequences: int, num_copies: int) -> None:
    def bulk_s(copies: int) -> float:
        return sample(num_sequences=num_sequences, num_copies=copies, cache_bytes=1e9).bulk_s

    assert bulk_s(2 * num_copies) <= bulk_s(num_copies) * (1 + 1e-9)


def test_decoding_the_large_model_is_bounded_by_reading_its_weights() -> None:
    # 65.5 GB over four GPUs of 3.35 TB/s, reached to 60 %: 8 ms a token for a single sequence without a context.
    seconds = decode_seconds(LARGE, GPUS["h100"], tensor_parallel=4, places=1, context_tokens=0)
    assert seconds == pytest.approx(65.53e9 / (4 * 3.35e12 * ENGINE_SHARE), rel=1e-3)
