"""What is expected of the next candidate's length."""

import random

from abruzzi.reasoning.lengths import History, Lengths, expect


def test_nothing_is_known_of_nothing() -> None:
    assert expect([], [], 512) is None


def test_few_lengths_are_doubled_and_stay_within_the_limit() -> None:
    assert expect([40, 60], [], None) == Lengths(p50=40, p90=120, num_own=2, num_past=0)
    assert expect([40, 60], [], 100) == Lengths(p50=40, p90=100, num_own=2, num_past=0)


def test_nine_lengths_give_their_longest_and_nineteen_the_last_but_one() -> None:
    assert expect(range(1, 10), [], None) == Lengths(p50=5, p90=9, num_own=9, num_past=0)
    assert expect([], range(1, 20), None) == Lengths(p50=10, p90=18, num_own=0, num_past=19)


def test_the_longest_of_its_own_outweighs_the_past() -> None:
    assert expect([500], [10] * 50, None) == Lengths(p50=10, p90=500, num_own=1, num_past=50)


def test_enough_of_its_own_leave_the_past_aside() -> None:
    assert expect([10] * 9, [900] * 50, None) == Lengths(p50=10, p90=10, num_own=9, num_past=0)


def test_nine_in_ten_lengths_are_within_the_p90() -> None:
    draw = random.Random(7)
    within = 0
    for _ in range(2000):
        *seen, last = (round(draw.lognormvariate(5, 0.8)) for _ in range(13))
        known = expect((), seen, None)
        assert known is not None
        within += last <= known.p90
    # Rank ⌈0.9 · 13⌉ of 12 known ones is 12, which holds 12 in 13; three standard errors are 0.018.
    assert abs(within / 2000 - 12 / 13) < 0.018


def test_a_history_keeps_models_apart_and_forgets_the_oldest() -> None:
    history = History(size=3)
    history.add("small", [1, 2])
    history.add("large", [9])
    history.add("small", [3, 4])
    assert (history.of("small"), history.of("large"), history.of("other")) == ((2, 3, 4), (9,), ())
