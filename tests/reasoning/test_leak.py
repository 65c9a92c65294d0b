"""Plans must not hold answers."""

import pytest

from abruzzi.reasoning.leak import holds_answer, redact


@pytest.mark.parametrize(
    ("plan", "expected", "count"),
    [
        ("Add the tens, then the ones.", "Add the tens, then the ones.", 0),
        ("So the answer is 42.", "So the answer is […].", 1),
        ("Final answer: 42", "Final answer: […]", 1),
        ("The result will be x = 3\nCheck it.", "The result will be […]\nCheck it.", 1),
        ("Compute 17 + 25 = 42 and check.", "Compute 17 + 25 = […] and check.", 1),
        ("Write 17 + 25 as 10 + 7 + 20 + 5.", "Write 17 + 25 as 10 + 7 + 20 + 5.", 0),
        (r"Show that \boxed{\frac{1}{2}} holds.", "Show that […] holds.", 1),
        ("Do it. <answer>42</answer> Then stop.", "Do it. […] Then stop.", 1),
        ("Do it. <answer>42", "Do it. […]", 1),
        ("Set x = 17, a given number.", "Set x = 17, a given number.", 0),
        ("State what the answer is to be checked against.", "State what the answer is to be checked against.", 0),
        ("Use f(x) = 2x + 1 first.", "Use f(x) = 2x + 1 first.", 0),
    ],
)
def test_redact_takes_out_what_states_an_answer(plan: str, expected: str, count: int) -> None:
    assert redact(plan, "What is 17 + 25?") == (expected, count)


@pytest.mark.parametrize(
    ("plan", "answer", "question", "expected"),
    [
        ("It comes to 42 in the end.", "42", "What is 17 + 25?", True),
        ("It comes to 1,042.0 dollars.", "$1042", "What is it?", True),
        ("1. Add.\n2. Check.\n3. Stop.", "3", "How many?", False),
        ("Repeat steps 2 and 3.", "3", "How many?", False),
        ("Take 17 and 25.", "17", "What is 17 + 25?", False),
        ("Take 142.", "42", "What is 17 + 25?", False),
        ("Think of Paris first.", "Paris", "What is the capital of France?", True),
        ("Think of Paris first.", "Paris", "Is it Paris or Rome?", False),
        ("Consider a triangle.", "A", "Which option?", False),
        ("The correct option is (A) here.", "A", "Which option?", True),
        ("anything", "", "anything", False),
    ],
)
def test_holds_answer_tells_a_leak_from_a_given(plan: str, answer: str, question: str, expected: bool) -> None:
    assert holds_answer(plan, answer, question) is expected


def test_redact_is_linear_on_hostile_text() -> None:
    for hostile in ("answer is " * 20_000, "= " * 50_000, "\\boxed{" * 20_000, "<answer>" * 20_000, "1," * 50_000):
        redact(hostile, "q")
        holds_answer(hostile, "42", "q")
