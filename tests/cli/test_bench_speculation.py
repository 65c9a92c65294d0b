"""Methods of speculation are put beside off, round by round, and the chosen one is held to its goal."""

import pytest

from abruzzi.cli.bench_speculation import describe, measure
from abruzzi.engine.speculation_choice import OFF, OFF_AGAIN, Load, TextKind, Timing
from abruzzi.errors import ConfigError

SECONDS = {OFF: 2.0, OFF_AGAIN: 2.1, "ngram-simple": 1.0, "ngram-mod": 4.0}


def time_all() -> list[Timing]:
    """Time each method in three rounds; every round is slower than the one before, for all alike."""
    return [
        Timing(name, load, kind, number, 10, 8, 4, cpu_s=seconds * (1 + number), wall_s=99.0, text_sha256="same")
        for number in range(3)
        for load in Load
        for kind in (TextKind.CODE, TextKind.COPYING)
        for name, seconds in SECONDS.items()
    ]


def test_a_method_is_a_multiple_of_off() -> None:
    report = describe(time_all(), "ngram-simple")
    assert {ratio.name: (ratio.value, ratio.low, ratio.high, ratio.num_pairs) for ratio in report.ratios} == {
        "ngram-simple / off, alone, seconds a token": (0.5, 0.5, 0.5, 3),
        "ngram-mod / off, alone, seconds a token": (2.0, 2.0, 2.0, 3),
        "ngram-simple / off, full, seconds a token": (0.5, 0.5, 0.5, 3),
        "ngram-mod / off, full, seconds a token": (2.0, 2.0, 2.0, 3),
    }
    assert [ratio.verdict.value for ratio in report.ratios] == ["met", "", "met", ""]
    assert report.rows[0] == {
        "method": "ngram-simple",
        "load": "alone",
        "chosen": "yes",
        "drafted": 48,
        "accepted": 0.5,
        "time_ratio": 0.5,
    }


def test_a_choice_that_slows_down_misses_and_off_has_nothing_to_miss() -> None:
    assert [ratio.verdict.value for ratio in describe(time_all(), "ngram-mod").ratios] == ["", "missed", "", "missed"]
    report = describe(time_all(), OFF)
    assert all(ratio.goal is None for ratio in report.ratios)
    assert report.title.endswith("off")


def test_only_embedded_models_are_measured() -> None:
    with pytest.raises(ConfigError, match="embedded:base"):
        measure("http://localhost:9/v1", 5, 8, lambda line: None)
