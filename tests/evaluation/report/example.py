"""A report's input with made-up numbers: three benchmarks, four systems, one ablation, and awkward names in it."""

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from abruzzi.evaluation.component_table import ComponentRow, ComponentTable, Section
from abruzzi.evaluation.protocol import BenchmarkIdentity, ModelIdentity, Protocol
from abruzzi.evaluation.report.report_input import PairedRow, ReportInput
from abruzzi.evaluation.scores import Score
from abruzzi.evaluation.systems import parse_system
from abruzzi.statistics.averages import leave_one_out_estimates
from abruzzi.statistics.estimate import Estimate

SIZES = {"gsm8k": 200, "arithmetic-mix": 240, "humaneval": 164}
SOLVER = ModelIdentity(spec="embedded", name="SmolLM2-135M-Instruct", sha256="5b1c" * 16)
ACCURACIES = {
    "gsm8k": {"single": 0.112, "plan": 0.121, "bo3": 0.154, "full": 0.167},
    "arithmetic-mix": {"single": 0.312, "plan": 0.291, "bo3": 0.381, "full": 0.366},
    "humaneval": {"single": 0.061, "plan": 0.058, "bo3": 0.064, "full": 0.066},
}
TOKENS = {"single": 214.0, "plan": 371.0, "bo3": 655.0, "full": 843.0}
DOMAINS = {"gsm8k": ("maths",), "arithmetic-mix": ("maths", "logic", "procedural"), "humaneval": ("code",)}


def around(value: float, half: float = 0.02) -> Estimate:
    """An estimate with a symmetric interval, cut to [0, 1]."""
    return Estimate(value, max(0.0, value - half), min(1.0, value + half))


def difference(value: float, half: float = 0.02) -> Estimate:
    """A difference with a symmetric interval."""
    return Estimate(value, value - half, value + half)


def make_protocol(system: str = "single", benchmark: str = "gsm8k", **changes: Any) -> Protocol:
    """A protocol of the given system."""
    roles = {"single": ("solver",), "plan": ("solver", "planner"), "bo3": ("solver", "judge")}
    ask = parse_system(system, {"temperature": 1.0, "max_tokens": 1024, "seed": 7}).ask
    identity = BenchmarkIdentity(
        name=benchmark, revision="9d1f0c2", num_items=SIZES.get(benchmark, 10), items_sha256="a7" * 32
    )
    protocol = Protocol(
        version="0.1.0",
        benchmark=identity,
        system=system,
        ask=ask,
        models=dict.fromkeys(roles.get(system, ("solver", "planner", "judge")), SOLVER),
        prompts={"solve": "0123456789ab", **({"plan": "ba9876543210"} if system in ("plan", "full") else {})},
        runs=16,
    )
    return protocol.model_copy(update=changes)


def make_score(system: str = "single", benchmark: str = "gsm8k", **changes: Any) -> Score:
    """A score with every field filled in."""
    accuracy, tokens = ACCURACIES.get(benchmark, {}).get(system, 0.4), TOKENS.get(system, 400.0)
    num_samples = SIZES.get(benchmark, 10) * 16
    draw = random.Random(f"{system} {benchmark}")
    chosen = tuple(min(1024, int(draw.lognormvariate(5.1, 0.55))) for _ in range(num_samples // 8))
    is_many = system in ("bo3", "full")
    correct = round(accuracy * num_samples)
    score = Score(
        protocol=make_protocol(system, benchmark),
        num_items=SIZES.get(benchmark, 10),
        num_missing=0,
        outcomes={
            "correct": correct,
            "wrong": num_samples - correct - 171,
            "unparsed": 160,
            "timeout": 3,
            "error": 0,
            "failed": 8,
        },
        accuracy=around(accuracy),
        clean_accuracy=around(accuracy - 0.011, 0.024),
        num_clean=SIZES.get(benchmark, 10) - 17,
        pass_at={k: around(1 - (1 - accuracy) ** (k**0.62), 0.02 + 0.004 * k**0.5) for k in (1, 2, 4, 8, 16)},
        majority_at={k: around(accuracy * (1 + 0.11 * (k - 1) ** 0.4), 0.025) for k in (1, 2, 4, 8, 16)},
        best_at={},
        candidate_accuracy=around(accuracy * 0.93) if is_many else None,
        oracle=around(accuracy * 1.6, 0.03) if is_many else None,
        gap_recovered=Estimate(0.12, -0.08, 0.31) if is_many else None,
        prompt_tokens=tokens * 0.8,
        completion_tokens=tokens,
        tokens_per_correct=tokens * 1.8 / accuracy,
        seconds=tokens / 60,
        seconds_per_correct=tokens / 60 / accuracy,
        cost=None,
        cost_per_correct=None,
        chosen_lengths=chosen,
        spent_lengths=tuple(int(length * tokens / 200) for length in chosen),
        truncated_share=0.064 if system == "single" else 0.131,
        domains={name: around(accuracy + 0.03 * i, 0.03) for i, name in enumerate(DOMAINS.get(benchmark, ("maths",)))},
        decided_by={"only_candidate": num_samples}
        if not is_many
        else {"agreement": num_samples // 2, "judge": num_samples // 3, "first": num_samples // 6},
    )
    score = replace(score, best_at=score.pass_at)
    return replace(score, **changes)


def make_row(section: Section, benchmark: str, label: str, gain: float | None, **changes: Any) -> ComponentRow:
    """A row of a component table, ``gain`` above its base."""
    base = ACCURACIES.get(benchmark, {}).get("single", 0.3)
    row = ComponentRow(
        section=section,
        benchmark=benchmark,
        label=label,
        plan="none",
        n=1,
        selection="single",
        accuracy=around(base + (gain or 0.0)),
        difference=None if gain is None else difference(gain, 0.015),
        gap_recovered=None,
        completion_tokens=214.0,
        prompt_tokens=160.0,
        num_items=SIZES.get(benchmark, 10),
        num_runs=16,
    )
    return replace(row, **changes)


def make_table(gains: Mapping[str, float] | None = None) -> ComponentTable:
    """A component table over all benchmarks; ``gains`` scales what the parts give on each."""
    scale = gains or {"gsm8k": 1.0, "arithmetic-mix": 1.4, "humaneval": 0.1}
    rows: list[ComponentRow] = []
    for name, factor in scale.items():
        planned: dict[str, Any] = {"plan": "plan", "completion_tokens": 371.0}
        three: dict[str, Any] = {"n": 3, "completion_tokens": 655.0, "gap_recovered": Estimate(0.21, -0.04, 0.47)}
        both: dict[str, Any] = {**three, "plan": "plan", "completion_tokens": 843.0}
        rows += [
            make_row("components", name, "base", None),
            make_row("components", name, "+ plan", 0.009 * factor - 0.012, **planned),
            make_row("components", name, "+ best-of-3 (judge)", 0.042 * factor, selection="judge", **three),
            make_row("components", name, "+ plan + best-of-3 (judge)", 0.044 * factor, selection="judge", **both),
            make_row("selection", name, "best-of-3 (majority)", 0.038 * factor, selection="majority", **three),
            make_row("selection", name, "best-of-3 (likelihood)", 0.006 * factor, selection="likelihood", **three),
            make_row("selection", name, "best-of-3 (oracle)", 0.131 * factor, selection="oracle", **three),
            make_row(
                "placebo", name, "+ another item’s plan", -0.024, plan="shuffled", note="Plans were cut to length."
            ),
            make_row("placebo", name, "+ filler of the same length", -0.004, plan="filler"),
            make_row("equal budget", name, "majority of 4", 0.046 * factor, n=4, completion_tokens=856.0),
        ]
    for row in [row for row in rows if row.benchmark == "gsm8k"]:
        rows.append(replace(row, benchmark="macro", num_items=604))
    return ComponentTable(
        rows=tuple(rows),
        facts={"solver": "SmolLM2-135M-Instruct, sha256 5b1c", "settings": "temperature 1.0, at most 1,024 tokens"},
        curves={
            f"{name}/{arm}": {k: around(1 - (1 - base) ** k**0.6) for k in (1, 2, 4, 8, 16)}
            for name in scale
            for arm, base in (("none", 0.1), ("plan", 0.12), ("shuffled", 0.08), ("filler", 0.095))
        },
        lengths={
            f"{name}/{arm}": tuple(int(random.Random(i).lognormvariate(centre, 0.5)) for i in range(400))
            for name in scale
            for arm, centre in (("none", 5.0), ("plan", 5.3), ("shuffled", 5.2), ("filler", 5.1))
        },
    )


def make_report(**changes: Any) -> ReportInput:
    """The whole example."""
    scores = [make_score(system, benchmark) for benchmark in ACCURACIES for system in TOKENS]
    averages = {
        make_protocol(system).label: leave_one_out_estimates(
            {name: around(values[system]) for name, values in ACCURACIES.items()}, SIZES
        )
        for system in TOKENS
    }
    report = ReportInput(
        title="Example with made-up numbers",
        scores=tuple(scores),
        tables=(make_table(),),
        comparison_markdown=COMPARISON,
        differences={"humaneval/full (SmolLM2-135M-Instruct)": ("max_tokens: 2048 against 1024",)},
        paired=(
            PairedRow("gsm8k", make_protocol("full").label, make_protocol().label, difference(0.055), 0.0002, 0.0006),
            PairedRow(
                "arithmetic-mix", make_protocol("full").label, make_protocol().label, difference(0.054), 0.004, 0.008
            ),
            PairedRow("humaneval", make_protocol("full").label, make_protocol().label, difference(0.005), 0.61, 0.61),
        ),
        averages=averages,
        facts={
            "command": "abruzzi eval report runs/gsm8k runs/arithmetic-mix runs/humaneval --out report",
            "versions": "Abruzzi 0.1.0, Python 3.11.2",
            "machine": "made up",
            "date": "2026-11-25",
        },
    )
    return replace(report, **changes)


COMPARISON = """\
Published numbers are quoted, not measured.

| System | gsm8k, % | Source |
| --- | ---: | --- |
| A published 135M model | 9.8 | made up |
| full (ours) | 16.7 | this report |

- The published number is one greedy sample; ours is the mean of 16 runs.
"""
