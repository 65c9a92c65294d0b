import re
import threading
import time
from collections.abc import Callable

from abruzzi.nouns import Outcome
from abruzzi.verifiers import Row, verify, verify_many

QUESTION = {"question": "What is 6 times 7, in words?"}


def same(prompt: str) -> str:
    return f"They agree.\n{code_of(prompt)} SAME"


def code_of(prompt: str) -> str:
    found = re.search(r"the code (\w+)\.", prompt)
    assert found
    return found[1]


def row(answer: str, truth: str = "forty-two", source: str = "stem_web") -> Row:
    return Row("r", source, f"<answer>{answer}</answer> \\boxed{{{answer}}}", truth, QUESTION)


def test_decides_what_equality_leaves_open() -> None:
    answer = row("six times seven")
    undecided = verify(answer.response, answer.ground_truth, data_source="stem_web", extra=QUESTION)
    assert undecided.outcome is Outcome.ERROR
    decided = verify(answer.response, answer.ground_truth, data_source="stem_web", extra=QUESTION, grade=same)
    assert (decided.outcome, decided.score) == (Outcome.CORRECT, 1.0)
    assert 0 <= decided.seconds < 10


def test_is_not_asked_where_equality_decides() -> None:
    def refuse(prompt: str) -> str:
        raise AssertionError(prompt)

    rows = [row("Forty-Two"), row("C", "B", "stem__supergpqa"), row("42", "42", "math__x"), row("", "42", "unknown")]
    outcomes = [verdict.outcome for verdict in verify_many(rows, grade=refuse, workers=1)]
    assert outcomes == [Outcome.CORRECT, Outcome.WRONG, Outcome.CORRECT, Outcome.ERROR]


def test_published_mode_believes_the_public_phrase() -> None:
    def decide(reply: str) -> Callable[[str], str]:
        return lambda prompt: reply

    answers = [("Final Decision: Yes", 1.0), ("Final Decision: No", 0.0), ("final decision: yes", 0.0)]
    for reply, score in answers:
        (verdict,) = verify_many([row("six times seven")], mode="published", grade=decide(reply), workers=1)
        assert verdict.score == score
    (verdict,) = verify_many([row("Forty-Two", source="stem__web")], mode="published", grade=same, workers=1)
    assert verdict.outcome is Outcome.ERROR


def test_a_grader_that_fails_is_an_error_of_its_row_alone() -> None:
    def fail_on_one(prompt: str) -> str:
        if "one" in prompt.split("STUDENT ANSWER")[1]:
            raise ConnectionError("no route")
        return same(prompt)

    rows = [row("number one"), row("number two"), row("Final Decision: SAME one")]
    verdicts = list(verify_many(rows, grade=fail_on_one, workers=1))
    assert [verdict.outcome for verdict in verdicts] == [Outcome.ERROR, Outcome.CORRECT, Outcome.ERROR]
    assert "ConnectionError: no route" in verdicts[0].reason


def test_is_asked_side_by_side_and_the_order_is_kept() -> None:
    at_once, most = 0, 0
    lock = threading.Lock()

    def slowly(prompt: str) -> str:
        nonlocal at_once, most
        number = int(prompt.split("STUDENT ANSWER")[1].split()[1])
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.01 * (20 - number))
        with lock:
            at_once -= 1
        return f"{code_of(prompt)} {'SAME' if number % 3 == 0 else 'DIFFERENT'}"

    rows = [row(f"answer {number} of many" if number % 2 else "forty-two") for number in range(20)]
    outcomes = [verdict.outcome for verdict in verify_many(rows, grade=slowly, workers=2)]
    assert outcomes == [
        Outcome.CORRECT if number % 2 == 0 or number % 3 == 0 else Outcome.WRONG for number in range(20)
    ]
    assert 2 <= most <= 8


def test_leaving_early_asks_no_more() -> None:
    asked: list[str] = []

    def note(prompt: str) -> str:
        asked.append(prompt)
        return "Final Decision: Yes"

    verdicts = verify_many((row(f"answer {number}") for number in range(10_000)), mode="fixed", grade=note, workers=1)
    next(verdicts)
    verdicts.close()
    time.sleep(0.1)
    num_asked = len(asked)
    time.sleep(0.1)
    assert len(asked) == num_asked < 400
