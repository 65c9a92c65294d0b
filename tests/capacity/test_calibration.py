"""The measuring script recovers constants that it was given."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "measure_capacity.py"


@pytest.fixture(scope="module")
def script() -> Any:
    spec = spec_from_file_location("measure_capacity", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["measure_capacity"] = module  # data classes look their module up
    spec.loader.exec_module(module)
    return module


def make_up(script: Any, replica: Any, points: list[Any]) -> list[Any]:
    """What a machine with a replica's constants would show."""
    found: list[Any] = []
    for point in points:
        context = point.tokens + 16.0
        blank = script.Measured(point, 1.0, 1.0, context, 1.0)
        seconds = sum(one.seconds for one in script.time_point(replica, blank))
        found.append(script.Measured(point, seconds, 2 * seconds, context, 1.0))
    return found


def test_constants_come_back(script: Any) -> None:
    truth = script.make_replica(20e9, flops=37e9, cache_share=0.13, pass_s=0.004)
    fitted = script.fit(make_up(script, truth, script.FIT), 20e9).machine
    assert fitted.flops == pytest.approx(37e9)
    assert fitted.cache_share == pytest.approx(0.13)
    assert fitted.pass_s == pytest.approx(0.004)


def test_wall_seconds_are_fitted_where_they_are_asked_for(script: Any) -> None:
    truth = script.make_replica(1e12, flops=37e9, cache_share=0.01, pass_s=0.004)
    fitted = script.fit(make_up(script, truth, script.FIT), 1e12, "wall").machine
    # Everything takes twice as long, the weights' known part of a tenth of a millisecond aside.
    assert fitted.flops == pytest.approx(37e9 / 2)
    assert fitted.pass_s == pytest.approx(0.008 + 98_362_432 / 1e12)


def test_no_time_a_pass_is_left_where_weights_come_faster_than_a_copy(script: Any) -> None:
    truth = script.make_replica(40e9, flops=37e9, cache_share=0.05)
    fitted = script.fit(make_up(script, truth, script.FIT), 10e9).machine
    assert fitted.pass_s == 0.0
    assert fitted.flops > 37e9


def test_the_report_counts_only_points_that_nothing_was_fitted_to(script: Any) -> None:
    truth = script.make_replica(20e9, flops=37e9, cache_share=0.13, pass_s=0.004)
    others = [script.Point("prefill", 1, 100), script.Point("decode", 2, 100)]
    measured = make_up(script, truth, [*script.FIT, *others])
    text = script.report("Two cores", [20e9], measured, truth)
    assert text.startswith("Two cores\n")
    assert "2 points that nothing was fitted to: median absolute error of cpu seconds 0.0%" in text
    assert text.count("| fitted |") == 4


def test_a_fitted_machine_can_be_read_again(script: Any, tmp_path: Path) -> None:
    from abruzzi.capacity.machine_file import read_machine

    machine = script.make_replica(20e9, flops=37e9, cache_share=0.13, pass_s=0.004).machine
    path = tmp_path / "mine.toml"
    path.write_text(script.to_toml("Two cores", machine))
    again = read_machine(path)
    for field in ("flops", "bandwidth", "cache_share", "pass_s", "overlap", "memory_bytes"):
        assert getattr(again, field) == pytest.approx(getattr(machine, field))
