import pytest

from abruzzi.verifiers.sandbox.inside.cells import free_names, names_of_solution

CHECK = "def check(candidate):\n    assert candidate(1) == 2\n"


def test_free_names_are_those_that_the_module_does_not_bind() -> None:
    helper = "def helper(x):\n    y = x + limit\n    return math.floor(y) + size\n"
    source = f"import math\nlimit = 3\n{helper}assert f(helper(1))\n"
    assert free_names(source) == {"size", "f"}


def test_a_name_of_an_inner_scope_is_not_free() -> None:
    assert free_names("def outer():\n    found = 1\n    return [found + n for n in range(found)]\n") == {"range"}


@pytest.mark.parametrize(
    ("tests", "entry_names", "offered", "expected"),
    [
        ("assert add(1) == 2", [], ["add"], {"add"}),
        ("assert abs(add(1) - 2) < 1e-9", [], ["add", "abs"], {"add"}),
        ("assert set(f(1)) == set([2])", [], ["f", "set"], {"f"}),
        (CHECK + "check(add)", [], ["add", "check"], {"add"}),
        (CHECK + "check(Solution().add)", [], ["Solution"], {"Solution"}),
        (CHECK + "check(candidate=sum)", [], ["sum"], {"sum"}),
        ("assert sum(1, 2) == 3", [], ["sum"], {"sum"}),
        ("assert max(sum(1, 2), 0) == 3", [], ["sum", "max"], set[str]()),
        ("assert max(sum(1, 2), 0) == 3", ["sum"], ["sum", "max"], {"sum"}),
        ("assert math.isclose(area(2), 4)", [], ["area", "math"], {"area"}),
        ("assert gcd(4, 6) == 2", [], ["gcd"], {"gcd"}),
        ("assert gcd(4, 6) == 2 and lcm(4, 6) == 12", ["gcd", "lcm"], ["gcd", "lcm"], {"gcd", "lcm"}),
        ("from solution import add\nassert add(1) == 2", [], ["add"], set[str]()),
        ("assert decode(encode('a')) == 'a'", [], ["decode", "encode"], {"decode", "encode"}),
    ],
)
def test_the_solution_gives_what_is_under_test_and_nothing_else(
    tests: str, entry_names: list[str], offered: list[str], expected: set[str]
) -> None:
    prefix = {"gcd": object(), "lcm": object()}
    assert names_of_solution(tests, entry_names, prefix, offered) == expected
