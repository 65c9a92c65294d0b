import json
from typing import Any

import pytest

from abruzzi.errors import DataError
from abruzzi.nouns import Outcome, Verdict
from abruzzi.verifiers.cruxeval import gold_reply_cruxeval, verify_cruxeval
from abruzzi.verifiers.row import Row
from tests.verifiers.sandbox.walls import need_any

DOUBLE = "def f(x):\n    return x * 2"
FIRST = "def f(items, default=0):\n    return items[0] if items else default"
APPLY = "def f(items, change):\n    change(items)\n    return items"
UPPER = "def f(text):\n    return text.upper()"


@pytest.fixture(scope="module", autouse=True)
def _needs_a_sandbox() -> None:
    need_any()


def question(function: str, line: str) -> str:
    return f"Complete it.\n\n```python\n{function}\nassert {line}\n```\n"


def judge(kind: str, assertion: str, function: str = DOUBLE, **extra: Any) -> Verdict:
    response = assertion if "\n" in assertion or not assertion else f"So:\n```python\n{assertion}\n```"
    return verify_cruxeval(
        Row("r", f"simulation__cruxeval-{kind}", response, json.dumps({"functional": function}), extra)
    )


@pytest.mark.parametrize(
    ("assertion", "function", "given", "expected"),
    [
        ("assert f(2) == 4", DOUBLE, "2", Outcome.CORRECT),
        ("assert f(2) == 5", DOUBLE, "2", Outcome.WRONG),
        ("assert f( 2 ) == 4.0", DOUBLE, "2", Outcome.CORRECT),
        ("assert f('ab') == 'abab'", DOUBLE, '"ab"', Outcome.CORRECT),
        ("assert f([], default=[1, (2,)]) == [1, (2,)]", FIRST, "[], default=[1, (2,)]", Outcome.CORRECT),
        ("assert f(3) == 6", DOUBLE, "2", Outcome.WRONG),
        ("assert f(2) == f(2)", DOUBLE, "2", Outcome.WRONG),
        ("assert f(2) == 2 * 2", DOUBLE, "2", Outcome.WRONG),
        ("assert f(2) == __import__('os').getpid()", DOUBLE, "2", Outcome.WRONG),
        ("def f(x):\n    return 5\nassert f(2) == 5", DOUBLE, "2", Outcome.WRONG),
        ("def f(x):\n    return x * 2\nassert f(2) == 4", DOUBLE, "2", Outcome.CORRECT),
        ("assert f(1) == 2\nassert f(2) == 4", DOUBLE, "2", Outcome.CORRECT),
        ("assert True", DOUBLE, "2", Outcome.UNPARSED),
        ("assert f(2)", DOUBLE, "2", Outcome.UNPARSED),
        ("assert f(2) == 4 or True", DOUBLE, "2", Outcome.UNPARSED),
        ("assert f(2) == 4 == 4", DOUBLE, "2", Outcome.UNPARSED),
        ("assert f(2) != 5", DOUBLE, "2", Outcome.UNPARSED),
        ("assert g(2) == 4", DOUBLE, "2", Outcome.UNPARSED),
        ("pass", DOUBLE, "2", Outcome.UNPARSED),
        ("import sys; sys.exit(0)", DOUBLE, "2", Outcome.UNPARSED),
        ("", DOUBLE, "2", Outcome.UNPARSED),
        ("assert f() == 7", "def f(): return 7", "", Outcome.CORRECT),
        ("assert f(None) == 7", "def f(x=0): return 7", "", Outcome.WRONG),
        ("assert f([1], lambda x: x.pop()) == []", APPLY, "[1], lambda x: x.pop()", Outcome.CORRECT),
    ],
)
def test_an_output_is_right_when_the_function_returns_it(
    assertion: str, function: str, given: str, expected: Outcome
) -> None:
    if "\n" in assertion:
        assertion = f"```python\n{assertion}\n```"
    for extra in ({"input": given}, {"original_prompt": question(function, f"f({given}) == ??"), "reference": "other"}):
        assert judge("o", assertion, function, **extra).outcome is expected


@pytest.mark.parametrize(
    ("assertion", "function", "given", "expected"),
    [
        ("assert f(2) == 4", DOUBLE, "4", Outcome.CORRECT),
        ("assert f(1 + 1) == 4", DOUBLE, "4", Outcome.CORRECT),
        ("assert f(3) == 6", DOUBLE, "4", Outcome.WRONG),
        ("assert f(3) == 4", DOUBLE, "4", Outcome.WRONG),
        ("assert f('ab' * 3) == 'ABABAB'", UPPER, "'ABABAB'", Outcome.CORRECT),
        ("assert f(text='ab') == 'AB'", UPPER, "'AB'", Outcome.CORRECT),
        ("assert f(type('T', (), {'upper': lambda s: 'AB'})()) == 'AB'", UPPER, "'AB'", Outcome.WRONG),
        ("assert f(exit(0)) == 'AB'", UPPER, "'AB'", Outcome.WRONG),
        ("assert f(type('T', (), {'__eq__': lambda s, o: True})()) == 4", DOUBLE, "4", Outcome.WRONG),
        ("assert f(*[2]) == 4", DOUBLE, "4", Outcome.CORRECT),
        ("assert f(undefined) == 4", DOUBLE, "4", Outcome.WRONG),
        ("assert f([1, 2], lambda x: x.reverse()) == [2, 1]", APPLY, "[2, 1]", Outcome.CORRECT),
        ("assert f([1, 2], sorted) == [2, 1]", APPLY, "[2, 1]", Outcome.WRONG),
        ("assert f(type('T', (), {'upper': lambda s: 'AB', '__call__': id})()) == 'AB'", UPPER, "'AB'", Outcome.WRONG),
        ("assert True", DOUBLE, "4", Outcome.UNPARSED),
        ("pass", DOUBLE, "4", Outcome.UNPARSED),
    ],
)
def test_an_input_is_right_when_the_function_makes_the_given_output_of_it(
    assertion: str, function: str, given: str, expected: Outcome
) -> None:
    for extra in ({"output": given}, {"original_prompt": question(function, f"f(??) == {given}"), "reference": given}):
        assert judge("i", assertion, function, **extra).outcome is expected


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("<answer>\n4</answer>", Outcome.CORRECT),
        ("So it is\n\\boxed{4}", Outcome.CORRECT),
        ('```json\n{"reasoning": "2 * 2", "answer": "4"}\n```', Outcome.CORRECT),
        ('{"answer": "5"}\n', Outcome.WRONG),
        ("The answer is\n4", Outcome.UNPARSED),
        ("<think>\n\\boxed{4}", Outcome.UNPARSED),
    ],
)
def test_a_marked_literal_is_an_output_too(response: str, expected: Outcome) -> None:
    assert judge("o", response, input="2").outcome is expected


def test_without_the_given_input_only_the_truth_of_the_assertion_is_checked_and_said() -> None:
    verdict = judge("o", "assert f(2) == 4")
    assert verdict.outcome is Outcome.CORRECT
    assert "only this was checked" in verdict.reason
    assert judge("o", "assert f(2) == 5").outcome is Outcome.WRONG
    assert judge("o", "assert f(int(2)) == 4").outcome is Outcome.WRONG


def test_without_the_given_output_an_input_cannot_be_judged() -> None:
    verdict = judge("i", "assert f(3) == 6")
    assert verdict.outcome is Outcome.ERROR
    assert "output" in verdict.reason


@pytest.mark.parametrize("truth", ["", "{}", "[1]", "{'functional': 'def f(:'}", 3, None, "functional"])
def test_a_row_without_a_function_is_an_error(truth: object) -> None:
    row = Row("r", "simulation__cruxeval-o", "```python\nassert f(2) == 4\n```", truth)
    assert verify_cruxeval(row).outcome is Outcome.ERROR


@pytest.mark.parametrize(
    "answer", ["(" * 3000, "-" * 15_000 + "1", "[" * 150 + "]" * 150, "9**9**9**9", "'" + "x" * 50_000]
)
def test_a_hostile_literal_is_no_crash(answer: str) -> None:
    assert judge("o", f"assert f(2) == {answer}", input="2").outcome in (Outcome.WRONG, Outcome.UNPARSED)
    assert judge("o", f"<answer>\n{answer}</answer>", input="2").outcome in (Outcome.WRONG, Outcome.UNPARSED)


def test_the_gold_reply_is_judged_correct() -> None:
    prompt = question(DOUBLE, "f('ab') == ??")
    row = Row(
        "r",
        "simulation__cruxeval-o",
        "",
        json.dumps({"functional": DOUBLE}),
        {"original_prompt": prompt, "reference": "'abab'"},
    )
    gold = gold_reply_cruxeval(row)
    assert judge("o", gold, original_prompt=prompt).outcome is Outcome.CORRECT
    with pytest.raises(DataError, match="both"):
        gold_reply_cruxeval(Row("r", "simulation__cruxeval-i", "", "{}", {"reference": "4"}))
