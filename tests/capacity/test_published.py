"""The model against what others gave, K2-Think's own speeds first: 200 and 2,000 tokens a second, 160 and 16 s."""

from statistics import median

import pytest

from abruzzi.capacity.machines import find_machine
from abruzzi.capacity.published import K2_TOKENS, PUBLISHED, Published
from abruzzi.capacity.replica import Replica
from abruzzi.capacity.roofline import PassTime
from abruzzi.capacity.shapes import SHAPES
from abruzzi.capacity.speculation import decode


def find(source: str, machine: str) -> Published:
    (one,) = [one for one in PUBLISHED if (one.source, one.machine) == (source, machine)]
    return one


def pass_on(machine: str) -> PassTime:
    replica = Replica(SHAPES["Qwen/Qwen2.5-32B"], find_machine(machine))
    return decode(replica, sequences=1, context_tokens=K2_TOKENS / 2).pass_time


def test_constants_restate_what_they_were_fitted_to() -> None:
    for one in PUBLISHED:
        if one.use == "fitted":
            assert abs(one.error) < 0.01
        if one.use == "pinned":
            assert abs(one.error) < 0.03


def test_figures_of_gpus_that_nothing_was_fitted_to() -> None:
    errors = [abs(one.error) for one in PUBLISHED if one.source == "gpt-fast" and one.use == "checked"]
    assert len(errors) == 5
    assert median(errors) < 0.15
    assert max(errors) < 0.3


@pytest.mark.parametrize("machine", ["8xh100", "8xh200"])
def test_the_published_speed_of_gpus_within_a_fifth(machine: str) -> None:
    one = find("K2-Think", machine)
    assert one.use == "checked"
    assert abs(one.error) < 0.2
    # 32,000 tokens: 160 s, to the same bound.
    assert 160 / 1.2 < K2_TOKENS / one.predicted < 160 / 0.8


def test_the_published_speed_of_wafers_is_restated_not_predicted() -> None:
    one = find("K2-Think", "2xwse3")
    assert one.use == "pinned"
    assert 1900 < one.predicted < 2000
    assert pytest.approx(16, rel=0.05) == K2_TOKENS / one.predicted


def test_a_wafers_memory_is_not_what_its_speed_waits_for() -> None:
    # 64 GB at 21 PB/s would allow a hundred times the published speed.
    time = pass_on("2xwse3")
    assert time.bound == "fixed"
    assert time.reading_s < 0.02 * time.seconds


def test_one_gpu_cannot_have_given_the_published_speed() -> None:
    # All weights of a 32B model in 16 bits, at the full bandwidth of one H200: 75 tokens a second.
    replica = Replica(SHAPES["Qwen/Qwen2.5-32B"], find_machine("h200"))
    assert replica.read_bytes / replica.machine.bandwidth > 1 / 80
