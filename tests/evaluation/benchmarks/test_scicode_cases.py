import pytest

from abruzzi.evaluation.benchmarks.scicode_cases import Comparison, split_case


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("assert np.allclose(f(1), target)", [Comparison("", "f(1)", "target")]),
        ("x = 1\nassert f(x) == target", [Comparison("x = 1", "f(x)", "target")]),
        ("assert (f(0) == 0) == target", [Comparison("", "f(0) == 0", "target")]),
        ("assert np.allclose(f(1), target, atol=1e-2)", [Comparison("", "f(1)", "target", 1e-5, 1e-2)]),
        ("assert math.isclose(f(1), target, rel_tol=0.1)", [Comparison("", "f(1)", "target", 0.1, 1e-8)]),
        (
            "a, b = f(1)\nassert np.allclose(a, target[0]) and np.allclose(b, target[1])",
            [Comparison("a, b = f(1)", "a", "target[0]"), Comparison("", "b", "target[1]")],
        ),
        (
            "assert np.allclose(f(1), target)\ny = 2\nassert np.allclose(f(y), target)",
            [Comparison("", "f(1)", "target"), Comparison("y = 2", "f(y)", "target")],
        ),
        (
            "from scicode.compare.cmp import cmp_tuple_or_list\nassert cmp_tuple_or_list(f(1), target)",
            [Comparison("", "f(1)", "target")],
        ),
    ],
)
def test_a_case_is_split_into_its_comparisons(source: str, parts: list[Comparison]) -> None:
    assert split_case(source) == parts


@pytest.mark.parametrize(
    "source",
    [
        "a, b = target\nassert f(1) == a",
        "def same(a, b):\n    return True\nassert same(f(1), target)",
        "assert np.allclose(f(target), target)",
        "assert np.allclose(f(1), target, equal_nan=True)",
        "assert f(1) != target",
        "assert f(1) == 2",
        "assert f(",
    ],
)
def test_a_case_that_compares_in_a_way_of_its_own_is_not_converted(source: str) -> None:
    assert split_case(source) is None
