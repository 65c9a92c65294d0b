from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.nouns import Outcome
from abruzzi.verifiers.row import Row
from abruzzi.verifiers.tables import Quantity, gold_reply_tables, is_same_multiset, read_quantity, verify_tables


def judge(answer: str, truth: Any) -> Outcome:
    return verify_tables(Row("1", "table__hitab", f"<think>x</think>It is \\boxed{{{answer}}}.", truth)).outcome


@pytest.mark.parametrize(
    ("answer", "truth"),
    [
        ("42", "42"),
        ("42.0", 42),
        ("42.03", "42"),
        ("\\$1,234.50", "1234.5"),
        ("1{,}234", "1234"),
        ("−5", -5),
        ("(42)", "42"),
        ("(42)", "-42"),
        ("-\\$5.2", "-5.2"),
        ("12%", "0.12"),
        ("12\\%", "12"),
        ("12 percent", "12"),
        ("12", "12%"),
        ("0.035", "3.5%"),
        ("69.14", 0.691446),
        ("69.14\\%", 0.691446),
        ("12 million", "12000000"),
        ("1.2 billion dollars", "1200000000"),
        ("62.6 grams", 62.6),
        ("2.33", "2.33 years"),
        ("1 year", "1 years"),
        ("1:2", "0.5"),
        ("\\frac{1}{3}", 0.333333),
        ("2**0.5", "1.4142"),
        ("\\text{Juventus}", "juventus"),
        ("New York.", "new  york"),
        ("2001–2005", "2001-2005"),
        ("20 \\text{ to } 39", "20-39"),
        ("6/20/1969", "6/20/1969"),
        ("1,000 and above", "1,000 and above"),
        ("0", "0"),
        ("1" * 400, "1" * 400),
    ],
)
def test_equal_cells(answer: str, truth: Any) -> None:
    assert judge(answer, truth) is Outcome.CORRECT


@pytest.mark.parametrize(
    ("answer", "truth"),
    [
        ("43", "42"),
        ("42.1", "42"),
        ("2015", "2016"),
        ("1235000", "1234567"),
        ("1" * 399 + "2", "1" * 400),
        ("0.12", "12"),
        ("12\\%", "1200\\%"),
        ("12", "0.0012"),
        ("12 million", "12"),
        ("2 months", "2 years"),
        ("5 or 6", "5"),
        ("1000", "1,000 and above"),
        ("more than 5", "5"),
        ("2001-2005", "-4"),
        ("10-3", "7"),
        ("12/4/3", "1"),
        ("-42", "42"),
        ("1e-5", "0"),
        ("", "x"),
        ("True", "1"),
        ("men", "women"),
        ("9**9**9", "1"),
        ("1e1000000000", "1"),
        ("__import__('os').system('touch /tmp/x') or 3", "3"),
    ],
)
def test_cells_that_differ(answer: str, truth: Any) -> None:
    assert judge(answer, truth) in {Outcome.WRONG, Outcome.UNPARSED}


@pytest.mark.parametrize(
    ("answer", "truth", "outcome"),
    [
        ("a|b", "b|a", Outcome.CORRECT),
        ("1,000 | 2,000", "2000|1000", Outcome.CORRECT),
        ("10|9|100", "9|10|100", Outcome.CORRECT),
        ("Sask, Man", ["sask", "man"], Outcome.CORRECT),
        ("Sask and Man", ["sask", "man"], Outcome.CORRECT),
        ("a; b", ["a", "b"], Outcome.CORRECT),
        ("a|a", "a|b", Outcome.WRONG),
        ("a|b|c", "a|b", Outcome.WRONG),
        ("a", "a|b", Outcome.WRONG),
    ],
)
def test_several_answers_are_a_multiset(answer: str, truth: Any, outcome: Outcome) -> None:
    assert judge(answer, truth) is outcome


def test_pairing_finds_a_way_where_the_first_choice_blocks_it() -> None:
    # 1.0005 equals both truths, 0.9995 only the second: taking them in order would fail.
    assert is_same_multiset(["1.0005", "1.0014"], ["1.001", "1.0001"])
    assert not is_same_multiset(["1.0014", "1.0014"], ["1.001", "1.0001"])


@given(st.lists(st.integers(-999, 999).map(str) | st.sampled_from(["a", "b c"]), min_size=1, max_size=6), st.randoms())
def test_the_order_of_answers_does_not_matter(answers: list[str], rng: Any) -> None:
    shuffled = answers.copy()
    rng.shuffle(shuffled)
    assert is_same_multiset(shuffled, answers)
    assert not is_same_multiset([*shuffled[1:], "z"], answers)


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        ("42", Outcome.CORRECT),
        ("The answer is 42.", Outcome.CORRECT),
        ("<answer>42</answer>", Outcome.CORRECT),
        ("It rose from 12 to 42", Outcome.UNPARSED),
        ("<think>\\boxed{42}", Outcome.UNPARSED),
        ("\\boxed{}", Outcome.UNPARSED),
        ("", Outcome.UNPARSED),
        ("\\boxed{" + "4" * 3000 + "}", Outcome.UNPARSED),
    ],
)
def test_the_answer_is_not_dug_out_of_prose(response: str, outcome: Outcome) -> None:
    assert verify_tables(Row("1", "table__hitab", response, "42")).outcome is outcome


@pytest.mark.parametrize("truth", ["", "a||b", []])
def test_an_empty_truth_is_an_error(truth: Any) -> None:
    assert judge("a", truth) is Outcome.ERROR


@pytest.mark.parametrize(
    ("text", "quantity"),
    [
        ("$1,234.50", Quantity(Fraction("1234.5"))),
        ("12 %", Quantity(Fraction(12), is_percent=True)),
        ("(3.5)", Quantity(Fraction("3.5"), is_bracketed=True)),
        ("2 thousand tonnes", Quantity(Fraction(2000), unit="tonnes")),
        ("june 20, 1969", None),
        ("2001-2005", None),
        ("yes", None),
    ],
)
def test_quantities(text: str, quantity: Quantity | None) -> None:
    assert read_quantity(text) == quantity


@pytest.mark.parametrize("truth", ["a|b", ["a", "b"], 0.7, "12%", "-55,872", "1 january 2006", ["x"]])
def test_the_own_answer_is_correct(truth: Any) -> None:
    row = Row("1", "table__finqa", "", truth)
    assert verify_tables(replace(row, response=gold_reply_tables(row))).outcome is Outcome.CORRECT
