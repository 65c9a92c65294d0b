import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abruzzi.verifiers.agree import AnswerKind, agree, agree_quickly, canonical

SPELLINGS = [
    [
        "42",
        "42.0",
        "$42$",
        "\\$42",
        "42 cm",
        "42\\text{ apples}",
        "x = 42",
        "4.2\\times10^1",
        "84/2",
        "\\boxed{42}",
        "042",
    ],
    ["1000", "1,000", "1{,}000", "10^3", "1e3", "\\(1\\,000\\)", "$1,000.00"],
    ["1/2", "\\frac{1}{2}", "\\dfrac12", "0.5", ".5", "½", "2/4", "1:2"],
    ["-3/2", "-1\\frac12", "−1.5", "-1 1/2"],
    ["12%", "12\\%", "12 percent", "12"],
    ["2\\sqrt{2}", "\\sqrt8", "2√2", "\\frac{4}{\\sqrt{2}}", "8^{1/2}"],
    ["1 \\pm \\sqrt{2}", "\\{1+\\sqrt2, 1-\\sqrt2\\}", "x = 1 - \\sqrt{2} or x = 1 + \\sqrt{2}"],
    ["1, 2, 3", "3, 2 and 1", "\\{2, 1, 3\\}", "x=1, x=2, x=3"],
    ["(1, 2)", "\\left(1,\\, 2\\right)", "(x, y) = (1, 2)", "\\begin{pmatrix}1\\\\2\\end{pmatrix}"],
    ["[1, 2)", "\\left[1,2\\right)", "x \\in [1, 2)"],
    ["(-\\infty, 1) \\cup (2, 3]", "(2,3]\\cup(-\\infty,1)"],
    ["B", "(B)", "\\textbf{(B)}", "B) 17", "option B"],
    ["Paris", "paris.", "\\text{Paris}"],
    ["no solution", "No solutions"],
    ["3+4i", "4i+3"],
    ["\\pi/2", "\\frac{\\pi}{2}", "0.5\\pi", "π/2"],
    ['{"a": [1, 2], "b": null}', "{'b': None, 'a': [1, 2.0]}"],
    ["[[1, 2], [3, 4]]", "[[1,2],[3,4]]"],
    ["x^2 + 2x + 1", "(x+1)^2"],
    ["x < 3", "3 > x"],
]


@pytest.mark.parametrize("spellings", SPELLINGS, ids=lambda spellings: spellings[0])
def test_spellings_of_one_answer_agree(spellings: list[str]) -> None:
    for first in spellings:
        for second in spellings:
            assert agree(first, second), (first, second)


def test_different_answers_do_not_agree() -> None:
    firsts = [spellings[0] for spellings in SPELLINGS]
    for i, first in enumerate(firsts):
        for second in firsts[:i]:
            assert not agree(first, second), (first, second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("1041", "1042"),
        ("1" * 400, "1" * 399 + "2"),
        ("1" * 5000, "1" * 4999 + "2"),
        ("0.333333", "1/3"),
        ("3.14", "\\pi"),
        ("0.12", "12%"),
        ("(1, 2)", "(2, 1)"),
        ("(1, 2)", "[1, 2]"),
        ("3 or 4", "3"),
        ("1 2", "12"),
        ("58, 500", "58,500"),
        ("B", "C"),
        ("yes", "no"),
        ("Alice has 3", "Bob has 3"),
        ("\\frac{1}{2^{2012}}", "-\\frac{1}{2^{2012}}"),
        ("1 + \\frac12 + \\ldots + \\frac17", "2 + \\frac12 + \\ldots + \\frac17"),
    ],
)
def test_near_misses(first: str, second: str) -> None:
    assert not agree(first, second)


@pytest.mark.parametrize(
    ("kind", "first", "second", "is_equal"),
    [
        (AnswerKind.CHOICE, "(b)", "The answer is B) Paris", True),
        (AnswerKind.CHOICE, "A, C", "C and A", True),
        (AnswerKind.CHOICE, "AC", "C, A", True),
        (AnswerKind.CHOICE, "A", "B", False),
        (AnswerKind.CHOICE, "A", "A, B", False),
        (AnswerKind.TEXT, "The Eiffel Tower!", "eiffel tower", True),
        (AnswerKind.TEXT, "1,000 men", "1000 men", False),
        (AnswerKind.CODE, "```python\nx = 1\n```", "x = 1  \n\n", True),
        (AnswerKind.CODE, "if x:\n    y", "if x:\ny", False),
        (AnswerKind.DATA, "[1, 2]", "[1,2.0]", True),
        (AnswerKind.DATA, "[1]", "[true]", False),
        (AnswerKind.MATHS, "(1, 2]", "(1,2]", True),
    ],
)
def test_kinds(kind: AnswerKind, first: str, second: str, is_equal: bool) -> None:
    assert agree(first, second, kind) is is_equal
    assert agree(second, first, kind) is is_equal


def test_works_in_a_thread() -> None:
    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(agree("x+y", "y+x")))
    thread.start()
    thread.join()
    assert results == [True]


def test_quick_never_contradicts_algebra() -> None:
    assert agree_quickly("42", "42 cm") is True
    assert agree_quickly("42", "43") is False
    assert agree_quickly("x+1", "1+x") is None


numbers = st.one_of(
    st.integers(-50, 50).map(str),
    st.fractions(-5, 5, max_denominator=6).map(lambda f: f"\\frac{{{f.numerator}}}{{{f.denominator}}}"),
    st.decimals(-20, 20, places=2).map(str),
    st.integers(0, 9).map(lambda n: f"{n}\\sqrt{{2}}"),
    st.integers(0, 9).map(lambda n: f"{n}\\pi"),
    st.integers(0, 200).map(lambda n: f"{n}\\%"),
)


def dress(form: str, number: str) -> str:
    return form.replace("#", number)


FORMS = ["#", "$#$", "x = #", "# \\text{ cm}", "\\left(#\\right)", "\\$ #", "#.", "\\boxed{#}"]
dressed = st.builds(dress, st.sampled_from(FORMS), numbers)
answers = st.one_of(
    dressed,
    st.lists(numbers, min_size=1, max_size=3).map(", ".join),
    st.lists(numbers, min_size=2, max_size=3).map(lambda items: f"({', '.join(items)})"),
    st.lists(numbers, min_size=1, max_size=3).map(lambda items: f"\\{{{', '.join(items)}\\}}"),
    st.sampled_from(["A", "(A)", "\\text{B}", "yes", "Yes.", "no solution", "\\infty", "Person 3 wins"]),
)


@given(st.text(max_size=40))
def test_reflexive_on_any_text(text: str) -> None:
    assert agree(text, text)
    assert canonical(text) == canonical(text)


@given(st.text(alphabet="0123x+-*/^(){}[]\\,.=%$ abcπ½", max_size=12), st.text(alphabet="01x+-(){},.=%", max_size=6))
@settings(max_examples=60, deadline=None)
def test_symmetric_on_any_text(first: str, second: str) -> None:
    assert agree(first, second) == agree(second, first)


@given(answers, answers, answers)
@settings(max_examples=400, deadline=None)
def test_an_equivalence_on_generated_answers(first: str, second: str, third: str) -> None:
    assert agree(first, second) == agree(second, first)
    if agree(first, second) and agree(second, third):
        assert agree(first, third)
