"""Lays a training report out as a page: which sections it has and what stands in them, the same in every format."""

from collections.abc import Mapping, Sequence

from abruzzi.pages.page import Page, Section
from abruzzi.pages.table import fact_table, join_words, plain
from abruzzi.training.report.examples import write_examples
from abruzzi.training.report.facts import run_table, setting_tables
from abruzzi.training.report.quantities import HACKS, LEARNING, OUTCOMES, POLICY, REWARD, SPEED, family_reward
from abruzzi.training.report.run_rows import Run, names_in
from abruzzi.training.report.summary import summarise
from abruzzi.training.report.tables import ends_table, held_out_tables, outcome_table, pass_tables, time_tables


def lay_out(runs: Sequence[Run], facts: Mapping[str, str]) -> Page:
    """Lay runs out side by side; what they have nothing to say about has no section.

    Args:
        runs: as they were read.
        facts: how this report was made, in the order in which they stand.

    Raises:
        RecordError: a file of rollouts cannot be read.
    """
    grpo, sft = ([run for run in runs if run.stage == stage] for stage in ("grpo", "sft"))
    families = names_in((row for run in grpo for row in run.steps), "reward_by_family")
    rewards = [*REWARD, *map(family_reward, families if len(families) > 1 else ())]
    sections = [
        Section("run", "What was run", (run_table(runs),)),
        Section("held-out", "Held-out accuracy", tuple(held_out_tables(runs))),
        Section("pass-k", "pass@k", tuple(pass_tables(runs))),
        Section("learning", "Fine-tuning", tuple(ends_table("First and last steps", LEARNING, sft))),
        Section("reward", "Reward", tuple(ends_table("First and last steps: reward", rewards, grpo))),
        Section("policy", "The policy", tuple(ends_table("First and last steps: policy", POLICY, grpo))),
        Section(
            "outcomes",
            "Outcomes and signs of hacking",
            (
                *outcome_table(grpo),
                *ends_table("First and last steps: outcomes", OUTCOMES, grpo),
                *ends_table("First and last steps: signs of hacking, share of rollouts", HACKS, grpo),
            ),
        ),
        Section("time", "Time", (*time_tables(runs), *ends_table("First and last steps: speed", [SPEED], grpo))),
        Section("examples", "Rollouts, early and late", markdown=write_examples(grpo)),
        Section("settings", "Settings", (*setting_tables(runs), *fact_table("This report", facts))),
    ]
    title = f"Training: {join_words([run.label for run in runs])}"
    kept = tuple(section for section in sections if section.tables or section.markdown)
    return Page(title, plain(facts.get("date", "")), tuple(summarise(runs)), kept)
