from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.capacity.breakdown import PARTS, visible_parts
from abruzzi.capacity.roofline import PassTime

READING = PassTime(matrix_s=2.0, attention_s=1.0, weights_s=4.0, cache_s=1.0, exchange_s=0.5, fixed_s=0.25, overlap=1.0)
COUNTING = replace(READING, matrix_s=6.0)
SECONDS = st.floats(0, 1e3)


def test_what_hides_behind_reading_does_not_count() -> None:
    assert visible_parts(READING) == {"weights": 4.0, "cache": 1.0, "arithmetic": 0.0, "overhead": 0.75}


def test_what_hides_behind_arithmetic_does_not_count() -> None:
    assert visible_parts(COUNTING) == {"weights": 0.0, "cache": 0.0, "arithmetic": 7.0, "overhead": 0.75}


def test_half_of_the_shorter_sticks_out_where_half_overlaps() -> None:
    parts = visible_parts(replace(READING, overlap=0.5))
    assert (parts["arithmetic"], parts["weights"], parts["cache"]) == (1.5, 4.0, 1.0)


def test_each_pass_hides_its_own_shorter_side() -> None:
    # Added up first, 10 s of arithmetic would hide all 10 s of reading.
    assert visible_parts(READING, COUNTING) == {"weights": 4.0, "cache": 1.0, "arithmetic": 7.0, "overhead": 1.5}


@given(st.lists(st.builds(PassTime, *[SECONDS] * 6, st.floats(0, 1)), max_size=5))
def test_parts_add_up_to_the_seconds(passes: list[PassTime]) -> None:
    parts = visible_parts(*passes)
    assert tuple(parts) == PARTS
    assert sum(parts.values()) == pytest.approx(sum(one.seconds for one in passes))
