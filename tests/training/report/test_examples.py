"""Rollouts that are shown, and that nothing in them is markup."""

import json
from pathlib import Path

from markdown_it import MarkdownIt

from abruzzi.training.report.examples import MAX_CHARS, choose, write_examples
from abruzzi.training.report.run_rows import read_runs
from tests.training.report.made_up import Row, grpo_facts, rollout_row, write_run


def written(tmp_path: Path, *rollouts: Row, name: str = "a", is_control: bool = False) -> str:
    facts = grpo_facts(name, shuffle_rewards=is_control)
    return write_examples(read_runs([write_run(tmp_path / name, [], rollouts=rollouts, **facts)]))


def test_the_first_and_the_last_step_give_one_of_each_outcome_that_is_an_answer_s(tmp_path: Path) -> None:
    outcomes = ("wrong", "correct", "wrong", "timeout", "unparsed", "correct")
    rollouts = [rollout_row(step, outcome, f"{step} {n}") for step in (1, 2, 9) for n, outcome in enumerate(outcomes)]
    folder = write_run(tmp_path / "a", [], rollouts=rollouts, **grpo_facts())
    assert [row["text"] for row in choose(folder / "rollouts.jsonl")] == ["1 1", "1 0", "1 4", "9 1", "9 0", "9 4"]


def test_a_run_of_one_step_and_a_run_without_rollouts(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", [], rollouts=[rollout_row(3, "wrong")], **grpo_facts())
    assert len(choose(folder / "rollouts.jsonl")) == 1
    assert choose(tmp_path / "rollouts.jsonl") == []
    assert written(tmp_path, name="b") == ""


def test_a_line_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", [], rollouts=[rollout_row(1, "wrong")], **grpo_facts())
    with (folder / "rollouts.jsonl").open("a") as file:
        file.write(json.dumps(rollout_row(2, "correct"))[:-9])
    assert [row["step"] for row in choose(folder / "rollouts.jsonl")] == [1]


def test_texts_keep_their_lines_and_cannot_become_markup(tmp_path: Path) -> None:
    hostile = "# no heading\n```\n<script>alert(1)</script>\n````\n[x](javascript:y)\x1b[31m\u202e"
    html = MarkdownIt("commonmark").render(written(tmp_path, rollout_row(1, "wrong", hostile, item="*x*")))
    assert html.count("<pre>") == 1
    for element in ("<script", "<a ", "<h1", "<em>"):
        assert element not in html
    assert "# no heading\n```\n&lt;script&gt;alert(1)&lt;/script&gt;\n````\n" in html
    assert "\x1b" not in html
    assert "\u202e" not in html


def test_a_long_text_is_shown_at_both_ends(tmp_path: Path) -> None:
    text = "a" * 5000 + "<answer>7</answer>"
    markdown = written(tmp_path, rollout_row(1, "correct", text))
    assert f"[… {5018 - MAX_CHARS:,} characters …]" in markdown
    assert "<answer>7</answer>" in markdown
    assert len(markdown) < MAX_CHARS + 200


def test_a_control_s_outcomes_are_said_to_be_dealt(tmp_path: Path) -> None:
    assert "say nothing of the texts" in written(tmp_path, rollout_row(1, "correct"), is_control=True)
    assert "say nothing of the texts" not in written(tmp_path, rollout_row(1, "correct"), name="b")
