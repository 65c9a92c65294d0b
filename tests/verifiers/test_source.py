import pytest

from abruzzi.verifiers.source import assemble, definitions, does_parse, parse, reads

HELPER, MAIN = "def helper(x):\n    return x", "def main(x):\n    return helper(x)"


def test_definitions_are_what_the_top_level_binds_and_does_not_import() -> None:
    functions = "def h(i):\n    j = 1\nclass K:\n    l = 1\nasync def m(): ..."
    source = f"import a\nfrom b import c\nd = e, f = 1, 2\ng: int = 3\n{functions}"
    assert definitions(source) == {"d", "e", "f", "g", "h", "K", "m"}
    assert definitions("def broken(") == set()


@pytest.mark.parametrize("source", ["def (", "x = '\0'", "x = '\ud800'", "(" * 500, "-" * 100_000 + "1", "return"])
def test_what_does_not_parse_raises_one_kind_of_error(source: str) -> None:
    try:
        parse(source)
    except SyntaxError:
        assert not does_parse(source)
    else:
        assert does_parse(source)


def test_a_stray_backslash_warns_nobody() -> None:
    assert does_parse("'\\d'")
    assert reads("f('\\d')") == {"f"}


def test_names_that_are_read_and_not_bound() -> None:
    assert reads("x = 1\nprint(x, y)") == {"print", "y"}
    assert reads("nonlocal x") == set()
    assert reads("def (") == set()


@pytest.mark.parametrize(
    ("blocks", "used", "expected"),
    [
        ([MAIN], (), [0]),
        (["x = 1", "print(2)"], (), [1]),
        ([HELPER, MAIN], (), [0, 1]),
        ([HELPER, MAIN], ("main",), [0, 1]),
        (["import math", "print(math.pi)"], (), [0, 1]),
        (["from math import *", "print(pi)"], (), [0, 1]),
        (["from math import pi as p", "x = 1", "print(p)"], (), [0, 1, 2]),
        ([MAIN, "print(main(1))"], ("main",), [0, 1]),
        ([MAIN, "print('done')"], ("main",), [0, 1]),
        ([MAIN, MAIN.replace("helper(x)", "x")], ("main",), [1]),
        (["input = sys.stdin.readline\nn = 1", "n = int(input())"], (), [1]),
        ([MAIN, "the output is 3"], ("main",), [0]),
        (["not python at all", "nor this"], (), [1]),
        ([HELPER, "print(unknown)"], (), [1]),
        ([HELPER, "print(1)"], ("main",), [1]),
    ],
)
def test_the_last_block_takes_along_what_it_lacks(
    blocks: list[str], used: tuple[str, ...], expected: list[int]
) -> None:
    assert assemble(blocks, used) == "\n\n".join(blocks[number] for number in expected)
