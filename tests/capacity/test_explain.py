import pytest

from abruzzi.capacity.explain import TERMS, explain, shares
from abruzzi.capacity.machines import find_machine
from abruzzi.capacity.question import Ask, Lengths, predict_question
from abruzzi.capacity.replica import Replica
from abruzzi.capacity.roofline import PassTime
from abruzzi.capacity.shapes import SHAPES

LENGTHS = Lengths(plan_instructions=160, solve_instructions=37, judge_instructions=156, plan_frame=33, match_frame=65)


def explain_on(machine: str, ask: Ask) -> str:
    return explain(predict_question(Replica(SHAPES["Qwen/Qwen2.5-32B"], find_machine(machine)), ask))


def test_shares_are_of_the_seconds() -> None:
    found = shares(PassTime(1.0, 1.0, 3.0, 1.0, 2.0, 2.0, overlap=1.0))
    assert found == {
        "matrix": 1 / 8,
        "attention": 1 / 8,
        "weights": 3 / 8,
        "cache": 1 / 8,
        "exchange": 1 / 4,
        "fixed": 1 / 4,
    }
    assert set(found) == set(TERMS)


@pytest.mark.parametrize(
    ("machine", "batch", "words"),
    [
        ("8xh100", 3, "reading the weights: a larger batch"),
        ("8xh100", 180, "reading keys and values: a shorter context"),
        ("2xwse3", 3, "time that no layer and no pass goes without"),
    ],
)
def test_the_binding_term_and_its_remedy_are_named(machine: str, batch: int, words: str) -> None:
    text = explain_on(machine, Ask(LENGTHS, batch=batch))
    assert words in text
    assert text.startswith("solve takes 9")


def test_a_question_that_waits_for_something_else_says_so() -> None:
    # Prompts of 200,000 tokens and one word of answer: a pass of decoding reads, the question as a whole computes.
    long = Lengths(160, 37, 156, 33, 65, question=200_000, plan=1, candidate=1, response=1, verdict=1)
    text = explain_on("8xh100", Ask(long, n=1, batch=1))
    assert "over the whole question it is attention's arithmetic" in text
