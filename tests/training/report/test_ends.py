"""Both ends of a curve."""

from abruzzi.training.report.ends import Ends, ends_of, num_edge


def test_an_end_is_a_tenth_of_the_steps_and_at_least_one() -> None:
    assert [num_edge(n) for n in (1, 9, 14, 16, 60)] == [1, 1, 1, 2, 6]


def test_ends_are_means() -> None:
    """Of twenty steps the first two and the last two: (1 + 2) ÷ 2 and (19 + 20) ÷ 2."""
    ends = ends_of([(step, float(step)) for step in range(1, 21)])
    assert ends is not None
    assert ends == Ends(1.5, 19.5)
    assert ends.change == 18


def test_one_step_is_both_ends_and_none_has_none() -> None:
    assert ends_of([(7, 0.5)]) == Ends(0.5, 0.5)
    assert ends_of([]) is None
