"""What is drawn, and what is not."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from abruzzi.pages.page import Plot
from abruzzi.training.report.figures import draw_plots
from abruzzi.training.report.run_rows import Row, read_runs
from tests.training.report.made_up import arc, grpo_facts, held_out_row, sft_facts, sft_row, step_row, write_run


def plots_of(tmp_path: Path, **runs: Sequence[Row]) -> dict[str, list[Plot]]:
    folders = [
        write_run(
            tmp_path / name, [dict(row) for row in rows], **(sft_facts(name) if name == "sft" else grpo_facts(name))
        )
        for name, rows in runs.items()
    ]
    return {key: [plot for alike in kinds for plot in alike] for key, kinds in draw_plots(read_runs(folders)).items()}


def titles(plots: Sequence[Plot]) -> list[str]:
    return [plot.title for plot in plots]


def alt(plot: Plot) -> str:
    return ET.fromstring(plot.svg).get("aria-label", "")


def test_a_run_and_its_control_share_their_axes(tmp_path: Path) -> None:
    plots = plots_of(tmp_path, grpo=arc(gain=10), control=arc())
    assert titles(plots["held-out"]) == [
        "Held-out accuracy", "Held-out accuracy: chain_sum", "Held-out accuracy: products",
    ]  # fmt: skip
    assert titles(plots["pass-k"]) == ["pass@k: grpo", "pass@k: control"]
    assert titles(plots["reward"]) == [
        "Reward", "Groups that teach something", "Reward: chain_sum", "Reward: letter_counting",
    ]  # fmt: skip
    assert titles(plots["time"]) == [
        "Seconds of a step: grpo", "Seconds of a step: control", "Rollouts per second of a step",
    ]  # fmt: skip
    for plot in (plots["held-out"][0], plots["reward"][0]):
        assert [entry.label for entry in plot.key] == ["grpo", "control"]
        assert len({entry.look for entry in plot.key}) == 2
    assert alt(plots["held-out"][1]).startswith(
        "Held-out accuracy: chain_sum. grpo 50.0 % at step 0, 83.3 % at step 4;"
    )


def test_what_is_zero_or_not_recorded_is_not_drawn(tmp_path: Path) -> None:
    plots = plots_of(tmp_path, grpo=[step_row(1), step_row(2, hacks={"repetition": 0.004})])
    assert titles(plots["policy"]) == [
        "Length", "Entropy", "Effective tokens after the sampler’s correction", "Loss", "Gradient norm",
        "Learning rate",
    ]  # fmt: skip
    assert titles(plots["outcomes"]) == [
        "Without a readable answer", "Without a verdict (timeout or error)", "Empty answer",
    ]  # fmt: skip
    assert plots["held-out"] == plots["pass-k"] == plots["learning"] == []


def test_a_curve_of_one_point_is_not_drawn(tmp_path: Path) -> None:
    plots = plots_of(tmp_path, grpo=[held_out_row(0, 0.1), step_row(1)])
    assert not any(plots.values())


def test_fine_tuning_alone_is_drawn_alone(tmp_path: Path) -> None:
    plots = plots_of(tmp_path, sft=[sft_row(step) for step in range(1, 40)])
    assert {key for key, own in plots.items() if own} == {"learning"}
    assert titles(plots["learning"]) == ["Loss", "Token accuracy", "Gradient norm", "Learning rate"]
    assert alt(plots["learning"][1]) == "Token accuracy. sft from 50.0 % at step 1 to 98.7 % at step 39."


def test_nothing_is_drawn_of_nothing(tmp_path: Path) -> None:
    assert not any(plots_of(tmp_path, grpo=[], sft=[]).values())


def test_seconds_that_are_not_split_are_no_layers(tmp_path: Path) -> None:
    rows = [step_row(step, seconds={"all": 3.0}) for step in (1, 2)]
    assert titles(plots_of(tmp_path, grpo=rows)["time"]) == ["Rollouts per second of a step"]
