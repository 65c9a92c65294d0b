"""Compares adapting with a fixed number of candidates on the embedded engine; prints a Markdown table.

    .venv/bin/python scripts/measure_adaptive.py ITEMS.jsonl -m embedded:solver.gguf --rows rows.jsonl [--limit 60]
        [--max-tokens 112] [--seed 1] [--minutes 30]

ITEMS are sums that ``abruzzi train held-out`` wrote. No plan and no judge. The systems take turns item by item, in an
order that rotates, with the same seed for an item, so that candidate i is the same draw in each; whoever comes second
finds the prompt cached. A row is written as each sample ends; rows that are there are not made again, and ``--minutes``
ends the run early, at a whole item.

A CPU second is one of this process or of the engine's, scoring excluded; on a busy machine it is the figure to compare.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio

from abruzzi.cli.bench_costs import read_cpu_s
from abruzzi.cli.wiring import ModelSpecs, open_roles
from abruzzi.data.items import Item, read_items
from abruzzi.evaluation.attempt import draw_seed
from abruzzi.reasoning.agreement import open_agreement
from abruzzi.reasoning.pipeline import answer
from abruzzi.reasoning.run import Agree, Roles, Run
from abruzzi.reasoning.settings import AskSettings
from abruzzi.statistics.intervals import clustered_mean, clustered_ratio
from abruzzi.statistics.paired import paired_difference
from abruzzi.verifiers.agree import agree_quickly

SYSTEMS: dict[str, dict[str, Any]] = {
    "adapt, n ≤ 5": {"n": 5, "adapt": True},
    "fixed n = 3": {"n": 3},
    "fixed n = 5": {"n": 5},
}


async def make_row(item: Item, system: str, roles: Roles, settings: AskSettings, agree: Agree) -> dict[str, Any]:
    """Answer an item once and write down what it took."""
    before = read_cpu_s(os.getpid())
    run = Run(item.question, roles, settings, agree)
    result = await answer(run)
    totals = run.ledger.totals()
    return {
        "item": item.id,
        "system": system,
        "is_correct": agree_quickly(result.answer, item.ground_truth) is True,
        "answer": result.answer,
        "decided_by": result.decided_by.value,
        "candidates": len(result.candidates),
        "cancelled": sum(c.finish_reason.value == "cancelled" for c in result.candidates),
        "answers": [c.answer for c in result.candidates],
        "calls": totals.num_calls,
        "prompt_tokens": totals.usage.prompt_tokens,
        "cached_tokens": totals.usage.cached_tokens,
        "completion_tokens": totals.usage.completion_tokens,
        "is_exact": totals.is_exact,
        "cpu_s": round(read_cpu_s(os.getpid()) - before, 3),
        "seconds": round(result.seconds, 3),
        "choices": [f"{choice.action.value} {choice.n}: {choice.reason}" for choice in run.choices],
    }


async def measure(arguments: argparse.Namespace, items: Sequence[Item]) -> None:
    """Make the rows that are missing."""
    made = {(row["item"], row["system"]) for row in read_rows(arguments.rows)}
    base = {"plan": "off", "judge": False, "max_tokens": arguments.max_tokens, "temperature": 1.0, "top_p": 1.0}
    ends = time.monotonic() + 60 * arguments.minutes
    async with open_roles(ModelSpecs(solver=arguments.model), n=5) as roles, open_agreement() as agree:
        for number, item in enumerate(items):
            if time.monotonic() > ends:
                break
            names = list(SYSTEMS)
            for system in names[number % 3 :] + names[: number % 3]:
                if (item.id, system) not in made:
                    seed = {"seed": draw_seed(arguments.seed, item.id)}
                    settings = AskSettings.model_validate(base | SYSTEMS[system] | seed)
                    row = await make_row(item, system, roles, settings, agree)
                    with arguments.rows.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(row, ensure_ascii=False) + "\n")


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read the rows made so far."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def report(rows: Sequence[Mapping[str, Any]], systems: Iterable[str], measures: Sequence[str]) -> None:
    """Print means, and the first system's differences from and ratios to the others, of items that all systems have.

    Intervals are 95 %, differences and ratios paired by item.
    """
    by_system = {name: {row["item"]: row for row in rows if row["system"] == name} for name in systems}
    items = sorted({str(row["item"]) for row in rows if all(row["item"] in found for found in by_system.values())})
    columns = " | ".join(("system", "accuracy, %", *measures))
    sys.stdout.write(f"{len(items)} items\n\n| {columns} |\n| --- |{' ---: |' * (1 + len(measures))}\n")

    def values(system: str, measure: str) -> list[tuple[float]]:
        return [(float(by_system[system][item][measure]),) for item in items]

    for name in by_system:
        score = clustered_mean(values(name, "is_correct"))
        cells = [f"{100 * score.value:.1f} [{100 * score.low:.1f}, {100 * score.high:.1f}]"]
        for measure in measures:
            numbers = [value for (value,) in values(name, measure)]
            cells.append(f"{statistics.mean(numbers):.2f} (median {statistics.median(numbers):.2f})")
        sys.stdout.write(f"| {name} | {' | '.join(cells)} |\n")
    first, *others = by_system
    for other in others:
        gain = paired_difference(values(first, "is_correct"), values(other, "is_correct"))
        told = [f"accuracy {100 * gain.value:+.1f} points [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]"]
        for measure in measures:
            ratio = clustered_ratio(values(first, measure), values(other, measure))
            if ratio is not None:
                told.append(f"{measure} × {ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]")
        sys.stdout.write(f"\n- {first} against {other}: {', '.join(told)}")
    sys.stdout.write("\n")


def main() -> None:
    """Measure what is missing, then report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("items", type=Path)
    parser.add_argument("-m", "--model", default="embedded")
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=60)
    parser.add_argument("--max-tokens", type=int, default=112)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=30)
    arguments = parser.parse_args()
    anyio.run(measure, arguments, read_items(arguments.items)[: arguments.limit])
    report(read_rows(arguments.rows), SYSTEMS, ("candidates", "completion_tokens", "cpu_s", "seconds"))


if __name__ == "__main__":
    main()
