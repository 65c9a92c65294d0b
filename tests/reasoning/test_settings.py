"""The pipeline's settings refuse what makes no sense."""

import pytest
from pydantic import ValidationError

from abruzzi.reasoning.settings import AskSettings


@pytest.mark.parametrize(
    "bad",
    [
        {"n": 0},
        {"n": 1000},
        {"temperature": 3},
        {"top_p": 0},
        {"soft_deadline_s": 10, "hard_deadline_s": 5},
        {"preset": "magic"},
        {"judge_reads": "minds"},
        {"samples": 3},
        {"money": 1},
        {"money": 1, "adapt": True, "prompt_price": 1},
        {"money": 1, "adapt": True, "prompt_price": 1, "completion_price": 1, "preset": "paper"},
        {"money": 0, "adapt": True, "prompt_price": 1, "completion_price": 1},
        {"prompt_price": -1},
    ],
)
def test_impossible_settings_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        AskSettings.model_validate(bad)


def test_the_published_deadlines_are_the_defaults() -> None:
    assert (AskSettings().soft_deadline_s, AskSettings().hard_deadline_s) == (1200, 7200)
