import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.verifiers.published.latex_text import NotConvertedError, latex_to_text
from abruzzi.verifiers.published.maths import score_maths
from abruzzi.verifiers.row import Row

CASES = Path(__file__).parents[4] / "shared/reference/verifier_cases.jsonl"


def score(response: str, gold: Any, source: str = "math__x", **extra: Any) -> float:
    return score_maths(Row("r", source, response, gold, extra))


@pytest.mark.skipif(not CASES.exists(), reason="the shared case file is not here")
def test_scores_of_the_public_functions() -> None:
    cases = [json.loads(line) for line in CASES.read_text("utf-8").splitlines()]
    cases = [case for case in cases if case["domain"] == "math"]
    wrong: list[str] = []
    for case in cases:
        try:
            got = score_maths(
                Row(case["id"], case["data_source"], case["response"], case["ground_truth"], case["extra"])
            )
        except ValueError as error:
            got = f"{type(error).__name__}: {error}"
        if got != (case.get("raises") or case["expected_score"]):
            wrong.append(case["id"])
    assert len(cases) > 100
    assert len(wrong) <= len(cases) / 100, wrong


@pytest.mark.parametrize(
    ("answer", "gold", "expected"),
    [
        ("2\\pi", "6.2832", 0.0),
        ("2.0\\sqrt{8}", "4\\sqrt{2}", 1.0),
        ("12\\%", "0.12", 1.0),
        ("Monday", "Mon", 1.0),
        ("\\frac{2}{4}", "\\frac{1}{2}", 0.0),
        ("0.25", "\\frac{1}{4}", 1.0),
        ("9" * 400, "8" * 400, 1.0),
        ("x \\ge 2", "x \\geq 2", 1.0),
        ("\\binom{5}{2}", "52", 1.0),
        ("(1,2.00001)", "(1,2)", 1.0),
        ("(1,2.00001)", "[1,2]", 0.0),
        ("101_2", "101", 1.0),
        ("ab+1", "1+ba", 1.0),
        ("abc", "bca", 0.0),
        ("1 1/2", "3/2", 1.0),
        ("9**9**9", "0.5", 0.0),
    ],
)
def test_quirks_of_the_default(answer: str, gold: str, expected: float) -> None:
    assert score(f"\\boxed{{{answer}}}", gold) == expected


def test_extraction() -> None:
    assert score("42", "42") == 1.0
    assert score("The answer is 42", "42") == 0.0
    assert score("The answer is 42. So", "42", reward_metric="prime_math") == 1.0
    assert score("7 is the answer", "7", reward_metric="prime_math") == 1.0
    assert score("\\boxed{6.2831853}", "2\\pi", reward_metric="prime_math") == 1.0
    assert score("Answer: x = \\frac12", "\\frac{1}{2}", "aime_2024") == 1.0
    assert score("\\boxed{42}", "42", "aime_2024") == -1.0
    assert score("#### 1,234", "1234", "openai/gsm8k") == 1.0
    assert score("#### 42.0", "42", "openai/gsm8k") == 0.0
    assert score("\\fbox{42}", "42", "lighteval/MATH") == 0.0
    assert score("\\boxed{42\\text{ cm}}", "42", "DigitalLearningGmbH/MATH-lighteval") == 1.0
    assert score("so 42", "42", "numina_olympiads") == 0.0


def test_judge() -> None:
    judged = {"reward_metric": "math_llm_judge", "question": "q"}
    assert score("\\boxed{a}", "b", **judged, judge_reply="Final Grade: CORRECT") == 1.0
    assert score("\\boxed{a}", "b", **judged, judge_reply="Final Grade: INCORRECT") == 0.0
    assert score("a", "b", **judged, judge_reply="CORRECT") == 0.0
    assert score("\\boxed{\\sin(x)^2+\\cos(x)^2}", "1", **judged, judge_reply="INCORRECT") == 1.0
    with pytest.raises(json.JSONDecodeError):
        score("\\boxed{a}", "b", **judged, judge_reply="HTTP500")
    with pytest.raises(ValueError, match="JUDGE_URL"):
        score("\\boxed{a}", "b", **judged)
    with pytest.raises(KeyError):
        score("\\boxed{a}", "b", reward_metric="math_llm_judge")


@pytest.mark.parametrize(
    "answer",
    [
        "__import__('os').system('touch /tmp/pwned')*\\pi",
        "().__class__.__bases__[0].__subclasses__()",
        "exec(x)",
        "all.all",
        "\\pi*9**9**9",
        "(" * 5_000,
        "{" * 5_000,
        "\\frac{1}{" * 300,
    ],
)
def test_model_text_is_never_executed(answer: str) -> None:
    for metric in ("default", "prime_math", "math_llm_judge"):
        extra = {"reward_metric": metric, "question": "q", "judge_reply": "INCORRECT"}
        assert score(f"\\boxed{{{answer}}}", "0.5", **extra) == 0.0
    assert not Path("/tmp/pwned").exists()


@pytest.mark.parametrize(
    ("latex", "text"),
    [
        ("\\frac{1+2}{3}", "1+2/3"),
        ("\\frac12", "1/2"),
        ("\\sqrt[3]{8}", "√(8)"),
        ("\\sqrt\\pi", "√(π)"),
        ("\\pi r", "πr"),
        ("\\( \\pi r \\)", "π r"),
        ("\\binom{5}{2}", "52"),
        ("\\mathbf{4x}", "4𝐱"),
        ("\\mbox{cm}", ""),
        ("\\bar{x}", "x̅"),
        ("3 \\text{ or } 4", "3  or  4"),
        ("\\begin{pmatrix}1 & 20\\\\3 & 4\\end{pmatrix}", "[  1 20;  3  4 ]"),
        ("\\begin{cases}1&2\\\\3\\end{cases}", "1   2\n3"),
        ("\\[x\\] a", "\n    x\n a"),
        ("\\boxed{42", "42"),
        ("a}b", "ab"),
        ("\\frac{1}", "%s/%s1"),
        ("f''(x)", "f”(x)"),
    ],
)
def test_latex_to_text(latex: str, text: str) -> None:
    assert latex_to_text(latex) == text


@pytest.mark.parametrize("latex", ["\\sqrt", "\\begin{pmatrix}\\end{pmatrix}", "\\frac{1}{" * 300])
def test_latex_that_the_original_gives_up_on(latex: str) -> None:
    with pytest.raises(NotConvertedError):
        latex_to_text(latex)


@given(
    st.text(alphabet="0123xy+-*/^(){}[]\\,.=%$!_ fracsqtpi", max_size=40), st.text(alphabet="012x.,/()[]", max_size=8)
)
def test_total(answer: str, gold: str) -> None:
    for metric in ("default", "prime_math"):
        assert score(f"\\boxed{{{answer}}}", gold, reward_metric=metric) in (0.0, 1.0)
