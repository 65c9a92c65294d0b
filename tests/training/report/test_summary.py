"""What the summary says, and that it says what did not move."""

from collections.abc import Sequence
from pathlib import Path

from abruzzi.pages.page import Finding
from abruzzi.training.report.run_rows import Row, read_runs
from abruzzi.training.report.summary import summarise
from tests.training.report.made_up import arc, grpo_facts, held_out_row, sft_facts, sft_row, step_row, write_run


def summary(tmp_path: Path, **runs: Sequence[Row]) -> list[Finding]:
    folders = [
        write_run(
            tmp_path / name,
            [dict(row) for row in rows],
            **(sft_facts(name) if name == "sft" else grpo_facts(name, shuffle_rewards="control" in name)),
        )
        for name, rows in runs.items()
    ]
    return summarise(read_runs(folders))


def find(findings: Sequence[Finding], subject: str) -> list[tuple[str, str]]:
    return [(f.kind, f.text.replace("\N{NO-BREAK SPACE}", " ")) for f in findings if f.subject == subject]


def test_what_rose_rose_and_what_did_not_move_is_said(tmp_path: Path) -> None:
    findings = summary(tmp_path, grpo=arc(gain=10))
    ((kind, text),) = find(findings, "grpo, held-out accuracy:")
    assert kind == "rose"
    assert text.startswith("rose from 25.0 % [20.0, 30.0] at step 0 to 41.7 % [36.7, 46.7] at step 4, by +16.7 [")
    assert text.endswith("] points (paired, 60 items).")
    (rose, still) = find(findings, "grpo, by family:")
    assert rose[0] == "rose"
    assert rose[1].startswith("rose: chain_sum +33.3 [")
    assert still[0] == "did not move"
    assert still[1].startswith("no change beyond noise: products 0.0 [")
    ((kind, text),) = find(findings, "grpo, pass@2:")
    assert kind == "rose"


def test_a_control_that_does_not_move_is_as_it_should_be_and_one_that_does_is_not(tmp_path: Path) -> None:
    findings = summary(tmp_path, grpo=arc(gain=10), control=arc(), control_too=arc(gain=12))
    ((kind, text),) = find(findings, "control, held-out accuracy:")
    assert kind == "did not move"
    assert text.endswith(", as rewards that say nothing should do.")
    ((kind, text),) = find(findings, "control_too, held-out accuracy:")
    assert kind == "rose"
    assert text.endswith(", which is not what rewards that say nothing should do.")
    ((kind, text),) = find(findings, "grpo against the control control:")
    assert kind == "rose"
    assert text.startswith("ends higher, by +16.7 [")
    ((kind, text),) = find(findings, "grpo against the control control_too:")
    assert kind == "did not move"
    assert text.startswith("ends no higher beyond noise, by −3.3 [")


def test_a_gain_that_more_samples_had_before_is_called_so(tmp_path: Path) -> None:
    """Thirty items go from one right sample of two to both: pass@1 rises, pass@2 was 1 before."""

    def measure(step: int, samples: list[int]) -> Row:
        return held_out_row(step, sum(samples) / 2, scores={"chain_sum": {f"{n}": samples for n in range(30)}})

    findings = summary(tmp_path, grpo=[measure(0, [0, 1]), measure(4, [1, 1])])
    ((kind, text),) = find(findings, "grpo, pass@2:")
    assert kind == "did not move"
    assert text.endswith("answers became likelier that were there before, and hardly any new ones came.")


def test_without_scores_nothing_is_claimed_that_intervals_do_not_show(tmp_path: Path) -> None:
    findings = summary(tmp_path, grpo=[held_out_row(0, 0.3), held_out_row(4, 0.32)])
    ((kind, text),) = find(findings, "grpo, held-out accuracy:")
    assert kind == "result"
    assert "no paired difference can be had" in text
    ((kind, text),) = find(findings, "grpo, pass@2:")
    assert (kind, text) == ("result", "from 40.0 % to 42.0 %; how sure that is, the record does not say.")


def test_the_best_in_between_is_said_to_be_chosen(tmp_path: Path) -> None:
    findings = summary(tmp_path, grpo=[held_out_row(s, a) for s, a in ((0, 0.1), (2, 0.6), (4, 0.5))])
    ((kind, text),) = find(findings, "grpo, held-out accuracy:")
    assert kind == "rose"
    assert text.endswith("; the best was 60.0 % [55.0, 65.0] at step 2, chosen for being the highest.")


def test_fine_tuning_says_its_loss_and_its_speed(tmp_path: Path) -> None:
    findings = summary(tmp_path, sft=[sft_row(step) for step in range(1, 5)])
    assert find(findings, "sft, first to last steps:") == [
        ("result", "loss 4.00 → 1.00; token accuracy 50.0 % → 87.5 %.")
    ]
    assert find(findings, "sft, time:") == [("result", "8 s; 400 tokens, 50.0 per second.")]
    assert find(findings, "sft:") == [("caution", "contamination: not checked: the recipe names no benchmark.")]


def test_the_largest_parts_of_the_seconds_are_named(tmp_path: Path) -> None:
    rows = [held_out_row(0, 0.1, seconds={"all": 60.0}), *(step_row(step) for step in range(1, 5))]
    findings = summary(tmp_path, grpo=rows)
    assert find(findings, "grpo, time:") == [
        ("result", "100 s, of which 60.0 % held-out, 20.0 % sample and 12.0 % update; 64 rollouts, 1.60 per second.")
    ]


def test_a_hack_that_rises_is_a_caution_and_none_is_said_too(tmp_path: Path) -> None:
    risen = summary(tmp_path, grpo=[step_row(1, hacks={}), step_row(2, hacks={"repetition": 0.2})])
    assert find(risen, "grpo, signs of hacking:") == [("caution", "repetition 0.0 → 20.0 %.")]
    still = summary(tmp_path / "b", grpo=[step_row(1), step_row(2, hacks={"empty_answer": 0.135})])
    assert find(still, "grpo, signs of hacking:") == [
        ("result", "no rate rose by 5.0 points or more; the largest change is +1.0 (empty answer).")
    ]


def test_cautions_name_what_is_not_finished_cut_or_without_a_verdict(tmp_path: Path) -> None:
    findings = summary(tmp_path, grpo=[step_row(1, truncated=0.25)])
    assert [text for _, text in find(findings, "grpo:")] == [
        "the run is not finished: 1 of 4 steps.",
        "rollouts without a verdict (timeout or error): 1, at the end 6.2 %; they are in no reward.",
        "25.0 % of the rollouts are cut at their limit at the end.",
    ]
    assert [text for _, text in find(summary(tmp_path / "b", grpo=[]), "grpo:")] == ["no step is recorded."]
