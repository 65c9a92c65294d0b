"""What a measurement of held-out items says, worked out by hand."""

from collections.abc import Iterable
from typing import Any

import pytest

from abruzzi.training.grpo.rows import held_out_row
from abruzzi.training.held_out import HeldOut, measure_held_out
from abruzzi.training.scratch import make_tokenizer
from tests.training.toys import TEXTS, ScriptedSampler, make_prompts, verify_letters

TOKENIZER = make_tokenizer(TEXTS)


def measure(script: Iterable[str], count: int) -> HeldOut:
    settings: dict[str, Any] = {"samples": 4, "temperature": 1.0, "max_tokens": 5, "seed": 3}
    return measure_held_out(
        ScriptedSampler(TOKENIZER, script),
        make_prompts(TOKENIZER, count),  # "others" and "sums" in turn
        TOKENIZER,
        verify=verify_letters,
        **settings,
    )


def test_accuracy_is_the_mean_over_items() -> None:
    found = measure(["rrrr", "wwww", "rrww", "rwuc"], 4)
    # (1 + 0 + 1/2 + 1/4) / 4
    assert found.accuracy is not None
    assert found.accuracy.value == pytest.approx(0.4375)
    assert found.accuracy.low < 0.4375 < found.accuracy.high
    assert {name: family.value for name, family in found.by_family.items()} == pytest.approx(
        {"others": 0.75, "sums": 0.125}
    )
    # pass@2 of c correct of 4: 1 − C(4 − c, 2) / 6, so 1, 0, 5/6, 1/2
    assert found.pass_at == pytest.approx({1: 0.4375, 2: (1 + 0 + 5 / 6 + 1 / 2) / 4, 4: 0.75})
    # each letter is a token and an end, the cut one has no end
    assert found.mean_tokens == pytest.approx((15 * 2 + 1) / 16)
    assert found.truncated == 1 / 16
    assert (found.num_unjudged, len(found.groups)) == (0, 4)


def test_what_has_no_verdict_is_left_out_and_counted() -> None:
    found = measure(["rrte", "tttt", "rwww"], 3)
    # The second item says nothing, and the first has two samples.
    assert found.accuracy is not None
    assert found.accuracy.value == pytest.approx((1 + 0.25) / 2)
    assert set(found.pass_at) == {1, 2}
    assert found.pass_at[2] == pytest.approx((1 + (1 - 3 / 6)) / 2)
    assert found.num_unjudged == 6
    assert list(found.by_family) == ["others"]
    assert found.scores == {"others": {"sum/0": [1, 1], "sum/2": [1, 0, 0, 0]}, "sums": {"sum/1": []}}


def test_where_no_sample_has_a_verdict_there_is_no_accuracy() -> None:
    found = measure(["tttt", "eeee"], 2)
    assert (found.accuracy, found.by_family, found.pass_at, found.num_unjudged) == (None, {}, {}, 8)
    row = held_out_row(found, 3, 1.0)
    assert (row["accuracy"], row["interval"], row["num_unjudged"], row["num_items"]) == (None, None, 8, 2)


def test_items_are_asked_as_told() -> None:
    sampler = ScriptedSampler(TOKENIZER, ["rw", "rw", "rw"])
    measure_held_out(
        sampler,
        make_prompts(TOKENIZER, 3),
        TOKENIZER,
        samples=2,
        temperature=0.5,
        max_tokens=5,
        seed=3,
        verify=verify_letters,
    )
    assert (sampler.asked, sampler.seeds) == ([3], [3])
