from dataclasses import replace

import pytest

from abruzzi.capacity.machines import find_machine
from abruzzi.capacity.replica import Replica, check_fit
from abruzzi.capacity.shapes import SHAPES
from abruzzi.errors import ConfigError
from tests.capacity.shapes import SMALL, TOY

REPLICA = Replica(SMALL, TOY)
LARGE = SHAPES["Qwen/Qwen2.5-32B"]


def test_memory_by_hand() -> None:
    # 2 x 1,384 bytes of weights; nine tenths of 100,000 leave 87,232 for 32 bytes a token.
    assert REPLICA.memory_for_weights == 2768
    assert REPLICA.read_bytes == 2608
    assert REPLICA.cache_tokens == 2726
    small = replace(REPLICA, weight_bits=4, cache_bits=8)
    assert small.memory_for_weights == 692
    assert small.cache_tokens == (90_000 - 692) // 16


def test_a_tied_head_is_read_although_it_is_the_embedding() -> None:
    tied = Replica(SHAPES["embedded"], TOY)
    assert tied.read_bytes == tied.memory_for_weights


def test_what_fits_passes_and_what_does_not_is_told_what_would() -> None:
    check_fit(REPLICA, sequences=27, tokens=100)
    with pytest.raises(ConfigError, match=r"28 sequences of 100 tokens do not fit on 'toy': there is room for 27"):
        check_fit(REPLICA, sequences=28, tokens=100)


def test_the_large_model_needs_more_than_one_small_gpu_and_more_than_one_wafer() -> None:
    for name, more in (("l40s", "2xl40s"), ("wse3", "2xwse3")):
        replica = Replica(LARGE, find_machine(name))
        assert replica.cache_tokens == 0
        with pytest.raises(ConfigError, match=rf"weights take 65\.5 GB .* more devices \({more}\)"):
            check_fit(replica, sequences=1, tokens=1000)
    check_fit(Replica(LARGE, find_machine("2xwse3")), sequences=1, tokens=33_000)
    with pytest.raises(ConfigError, match=r"more devices \(4xwse3\)"):
        check_fit(Replica(LARGE, find_machine("2xwse3")), sequences=2, tokens=33_000)
    with pytest.raises(ConfigError, match="take a machine with more memory"):
        check_fit(Replica(LARGE, find_machine("cpu2")), sequences=1, tokens=1000)


@pytest.mark.parametrize("bits", [0.0, -1.0, 65.0, float("nan")])
def test_bits_out_of_range_are_refused(bits: float) -> None:
    with pytest.raises(ConfigError, match="weight_bits is"):
        replace(REPLICA, weight_bits=bits)
