import json

import pytest

from abruzzi.verifiers.published.cruxeval import score_cruxeval
from abruzzi.verifiers.row import Row
from tests.verifiers.sandbox.walls import need_any

HALF = "def f(x):\n    return x // 2"


@pytest.fixture(scope="module", autouse=True)
def _needs_a_sandbox() -> None:
    need_any()


def score(response: str, truth: object = None) -> float:
    truth = json.dumps({"functional": HALF}) if truth is None else truth
    return score_cruxeval(Row("r", "simulation__cruxeval-o", response, truth))


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("```python\nassert f(9) == 4\n```", 1.0),
        ("```python\nassert f(9) == 5\n```", 0.0),
        ("assert f(9) == 4", 1.0),
        ("It is assert f(9) == 4", 0.0),
        ("", 1.0),
        ("```python\npass\n```", 1.0),
        ("```python\ndef f(x): return 5\nassert f(9) == 5\n```", 1.0),
        ("```python\nassert f(9) == 5\n```\n```python\nassert f(9) == 4\n```", 0.0),
        ("```python\nassert f(9) == 4\n```\n```python\nassert f(9) == 5\n```", 1.0),
        ("<think>a</think>```python\nassert f(9) == 4\n```", 1.0),
        ("a</think>\nassert f(9) == 5\n</think>```python\nassert f(9) == 4\n```", 0.0),
        ("```python\nimport sys; sys.exit(0)\n```", 0.0),
        ("```python\nimport os; os._exit(0)\n```", 0.0),
        ("```python\nexit()\n```", 0.0),
        ("```python\ninput()\n```", 0.0),
        ("```python\nprint('x'); import os; os.kill(1, 9)\n```", 0.0),
        ("```python\nimport subprocess; subprocess.Popen(['true'])\n```", 0.0),
        ("```python\nprint('x')\nassert __name__ == 'builtins'\n```", 1.0),
    ],
)
def test_whatever_raises_nothing_scores(response: str, expected: float) -> None:
    assert score(response) == expected


@pytest.mark.slow
def test_an_endless_loop_scores_nothing_after_three_seconds() -> None:
    assert score("```python\nwhile True: pass\n```") == 0.0


@pytest.mark.parametrize("truth", ["no literal", "{'other': 1}", "[1]", 3, "f()"])
def test_a_broken_row_raises(truth: object) -> None:
    with pytest.raises((ValueError, TypeError, SyntaxError, KeyError)):
        score("", truth)
