"""Protocols: what may differ between two rows of a table, and what may not."""

from typing import Any

import pytest

from abruzzi.evaluation.protocol import BenchmarkIdentity, ModelIdentity, Protocol, differences
from abruzzi.reasoning.settings import AskSettings

BENCHMARK = BenchmarkIdentity(name="sums", revision="r1", num_items=3, items_sha256="a" * 64)


def protocol(**changes: Any) -> Protocol:
    whole: dict[str, Any] = {
        "version": "1",
        "benchmark": BENCHMARK,
        "system": "single",
        "ask": AskSettings(n=1, plan="off"),
        "models": {"solver": ModelIdentity(spec="embedded", name="m")},
        "prompts": {"solve": "1234"},
        "runs": 16,
    }
    return Protocol(**(whole | changes))


def test_what_is_compared_may_differ() -> None:
    other = protocol(
        system="full",
        ask=AskSettings(n=3, plan="always", seed=7),
        models={"solver": ModelIdentity(spec="x", name="y"), "judge": ModelIdentity(spec="x", name="y")},
        prompts={"solve": "1234", "plan": "77"},
    )
    assert differences(protocol(), other) == []
    assert other.label == "full (y)"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"version": "2"}, "version: 1 against 2"),
        ({"runs": 4}, "runs: 16 against 4"),
        ({"ask": AskSettings(n=1, plan="off", temperature=0.1)}, "temperature: 0.7 against 0.1"),
        ({"ask": AskSettings(n=1, plan="off", max_tokens=9)}, "max_tokens: None against 9"),
        ({"ask": AskSettings(n=1, plan="off", min_p=0.05)}, "min_p: None against 0.05"),
        ({"ask": AskSettings(n=1, plan="off", stop=())}, "stop: ('</answer>',) against ()"),
        ({"prompts": {"solve": "9"}}, "prompt solve: 1234 against 9"),
        (
            {"benchmark": BENCHMARK.model_copy(update={"items_sha256": "b" * 64, "num_items": 2})},
            "items: 3 of revision r1 (aaaaaaaaaaaa) against 2 of revision r1 (bbbbbbbbbbbb)",
        ),
    ],
)
def test_what_makes_scores_unequal_is_named(changes: dict[str, Any], says: str) -> None:
    assert differences(protocol(), protocol(**changes)) == [says]
