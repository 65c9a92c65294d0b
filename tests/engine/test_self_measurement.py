"""The engine measures itself, here with a model so small that it takes a moment."""

import os
import sys
from pathlib import Path

import pytest

from abruzzi.engine.self_measurement import Plan, measure, process_cpu_s
from abruzzi.engine.settings import EngineSettings
from abruzzi.engine.speculation import DEFAULTS, Method, parse_speculation
from abruzzi.engine.speculation_choice import OFF, OFF_AGAIN, Load, TextKind, find_differences, find_gains
from abruzzi.engine.tuning_samples import write_sample
from abruzzi.errors import ConfigError, EngineStartError
from tests.engine.small_model import write_small_model

SIMPLE, POOL = DEFAULTS[Method.NGRAM_SIMPLE], DEFAULTS[Method.NGRAM_MOD]


@pytest.mark.engine
def test_every_method_takes_its_turn_at_every_load_and_writes_the_same(tmp_path: Path) -> None:
    settings = EngineSettings(model=write_small_model(tmp_path), slots=2, context_tokens=256, threads=1)
    told: list[str] = []
    timings = measure(settings, [SIMPLE, POOL], Plan(rounds=2, tokens=8, keeps_all=True), told.append)
    places = {(one.name, one.load, one.kind, one.round) for one in timings}
    names = (OFF, OFF_AGAIN, SIMPLE.name, POOL.name)
    assert places == {
        (name, load, kind, turn) for name in names for load in Load for kind in TextKind for turn in (0, 1)
    }
    assert len(timings) == len(places)
    assert find_differences(timings) == []
    assert all(1 <= one.completion_tokens <= (8 if one.load is Load.ALONE else 16) for one in timings)
    assert any(one.completion_tokens > 8 for one in timings)
    assert all(one.draft_tokens == 0 for one in timings if one.name in (OFF, OFF_AGAIN))
    assert sum(one.draft_tokens for one in timings) >= sum(one.accepted_tokens for one in timings)
    assert sum(one.draft_tokens for one in timings) > 0
    if sys.platform.startswith("linux"):
        assert all(one.cpu_s is not None and 0 < one.cpu_s < one.wall_s * 4 for one in timings)
    assert [line.split(";")[0] for line in told] == ["round 1 of 2", "round 2 of 2"]
    found = find_gains(timings, [SIMPLE, POOL])
    assert [len(of_method) for _, of_method in found.findings] == [2, 2]
    assert found.pick(is_one_user=True) is None  # two rounds are too few for any choice


@pytest.mark.engine
def test_a_draft_model_that_does_not_fit_ends_the_measurement(tmp_path: Path) -> None:
    settings = EngineSettings(model=write_small_model(tmp_path), slots=1, context_tokens=256, threads=1)
    other = parse_speculation(f"draft={write_small_model(tmp_path, 'other.gguf', letters='hgfedcbaxyz')}")
    assert other is not None
    with pytest.raises(EngineStartError, match="vocab"):
        measure(settings, [other], Plan(), print)


def test_a_plan_without_rounds_is_refused() -> None:
    with pytest.raises(ConfigError, match="rounds is 0"):
        Plan(rounds=0)


def test_samples_differ_from_round_to_round() -> None:
    samples = {write_sample(kind, number) for kind in TextKind for number in range(40)}
    assert len(samples) == 4 * 40


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks the kernel's clock of a process")
def test_cpu_seconds_of_a_process_grow_with_its_work() -> None:
    before = process_cpu_s(os.getpid())
    assert sum(number * number for number in range(300_000)) > 0
    after = process_cpu_s(os.getpid())
    assert before is not None
    assert after is not None
    assert 0 < after - before < 10
    assert process_cpu_s(None) is None
