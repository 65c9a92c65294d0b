"""Shows where the seconds of a question go: on the embedded engine, measured, and for a 32B model on paper.

    taskset -c 1 .venv/bin/python scripts/plot_seconds.py ask [--items 4] [--clock cpu|wall] [--threads 1] --json FILE
    .venv/bin/python scripts/plot_seconds.py draw FILE [--machine cpu2] [--hardware 8xh100 4xwse3] [--tokens 20000]
        [--folder docs/images]

``ask`` puts questions of reasoning-gym through the whole pipeline on the embedded engine, with the settings of
``abruzzi ask`` and a fixed seed, and keeps their ledgers. The ledger's clock is given to it: with ``cpu`` it is CPU
seconds of this process and the engine's, which is what a machine of its own would take on one core, and far steadier
than wall seconds on a shared one. The first question finds nothing in the engine's cache; it is kept and marked.

``draw`` writes ``seconds-stages.svg`` (by stage: predictions beside what was measured) and ``seconds-terms.svg`` (by
what a pass waits for, all predicted: ``--machine`` has the embedded engine's constants, a name or a file of
``measure_capacity.py --toml``), and prints both as Markdown.
"""

# Matplotlib's stubs leave the type of keyword arguments open.
# pyright: reportUnknownMemberType=false

import argparse
import json
import re
import shlex
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import anyio
import platformdirs
from matplotlib.figure import Figure
from measure_capacity import cpu_seconds

from abruzzi.capacity.breakdown import visible_parts
from abruzzi.capacity.machine_file import open_machine
from abruzzi.capacity.passes import decode_pass, prefill_passes
from abruzzi.capacity.question import Ask, predict_question
from abruzzi.capacity.roofline import PassTime
from abruzzi.capacity.stages import STAGES, ledger_stages, predicted_stages
from abruzzi.cli.bench_record import describe_run, write_line
from abruzzi.cli.capacity_input import count_lengths, open_replica
from abruzzi.cli.wiring import EMBEDDED_TOKENS
from abruzzi.data.procedural import generate_items
from abruzzi.engine.process import Engine
from abruzzi.engine.settings import EngineSettings
from abruzzi.engine.weights import fetch_base
from abruzzi.ledger import Ledger
from abruzzi.models.openai_client import OpenAIChat
from abruzzi.nouns import Role
from abruzzi.pages import canvas as drawing
from abruzzi.pages.looks import PAPER, look
from abruzzi.reasoning.agreement import open_agreement
from abruzzi.reasoning.pipeline import answer
from abruzzi.reasoning.run import Roles, Run
from abruzzi.reasoning.settings import AskSettings

FAMILIES: Mapping[str, Mapping[str, Any]] = {
    "chain_sum": {"min_terms": 2, "max_terms": 3, "min_digits": 1, "max_digits": 2},
    "leg_counting": {"min_animals": 1, "max_animals": 3},
}
SEED = 7
MODEL, QUESTION_TOKENS, PLAN_TOKENS = "Qwen/Qwen2.5-32B", 150, 250
WORDS = {
    "plan": "plan",
    "prefill": "candidates' prompt",
    "decode": "candidates",
    "judge": "judge",
    "rest": "the rest",
    "weights": "weights",
    "cache": "keys and values",
    "arithmetic": "arithmetic",
    "overhead": "exchange and fixed",
}
PIXELS_PER_POINT = 2


@dataclass(frozen=True, slots=True)
class Row:
    """A bar."""

    label: str
    seconds: Mapping[str, float]
    """By part, in the order in which they are drawn."""

    @property
    def total(self) -> float:
        """Of the whole bar."""
        return sum(self.seconds.values())


# Asking


async def ask(asked: argparse.Namespace) -> None:
    """Ask everything, one question at a time, and write the ledgers."""
    settings = EngineSettings(
        model=fetch_base(platformdirs.user_cache_path("abruzzi")), slots=3, threads=asked.threads, max_restarts=0
    )
    questions = [
        (family, item.question)
        for number in range(asked.items)
        for family, made in FAMILIES.items()
        for item in generate_items(family, asked.items, SEED, dict(made))[number : number + 1]
    ]
    rows: list[dict[str, Any]] = []
    told = {
        "machine": write_line(describe_run(shlex.join(sys.argv))),
        "clock": asked.clock,
        "threads": asked.threads,
        "questions": rows,
    }
    async with AsyncExitStack() as stack:
        engine = stack.enter_context(Engine(settings))
        chat = await stack.enter_async_context(
            OpenAIChat(
                engine.base_url,
                model=engine.model,
                api_key=engine.api_key,
                name="embedded",
                dialect="llama.cpp",
                max_n=settings.slots,
                max_context=engine.max_context,
            )
        )
        agree = await stack.enter_async_context(open_agreement())

        def cpu_clock() -> float:
            assert engine.pid is not None, "the engine is not restarted"
            return time.process_time() + cpu_seconds(engine.pid)

        clock = cpu_clock if asked.clock == "cpu" else time.perf_counter
        limits = AskSettings.model_validate({**EMBEDDED_TOKENS, "seed": SEED, "first_token_s": 1200.0, "idle_s": 600.0})
        for number, (family, question) in enumerate(questions):
            run = Run(question, Roles(chat, chat, chat), limits, agree, ledger=Ledger(clock=clock))
            begun, begun_wall = clock(), time.perf_counter()
            result = await answer(run)
            rows.append(
                {
                    "family": family,
                    "question": question,
                    "is_cold": number == 0,
                    "decided_by": str(result.decided_by),
                    "seconds": clock() - begun,
                    "wall_s": time.perf_counter() - begun_wall,
                    "stages": ledger_stages(run.ledger.calls, clock() - begun),
                    "calls": [asdict(call) for call in run.ledger.calls],
                }
            )
            sys.stderr.write(f"{number + 1}/{len(questions)} {rows[-1]['stages']}\n")
            asked.json.write_text(json.dumps(told, indent=1) + "\n")  # at once, for the sake of what comes after


# Drawing


def embedded_stages(told: Mapping[str, Any]) -> Row:
    """Give the mean question's seconds by stage, the first one left out."""
    warm = [row["stages"] for row in told["questions"] if not row["is_cold"]]
    return Row("embedded, 135M", {stage: statistics.fmean(one[stage] for one in warm) for stage in STAGES})


def embedded_terms(told: Mapping[str, Any], machine: str) -> list[Row]:
    """Predict what the passes of the mean solver's call wait for."""
    solving = [
        call["usage"]
        for row in told["questions"]
        if not row["is_cold"]
        for call in row["calls"]
        if call["role"] == Role.SOLVER
    ]
    prompt, cached, completion = (
        statistics.fmean(usage[name] for usage in solving)
        for name in ("prompt_tokens", "cached_tokens", "completion_tokens")
    )
    replica = open_replica("embedded", open_machine(machine), None, 16.0)
    prefills = prefill_passes(replica, tokens=round(prompt - cached), cached_tokens=round(cached))
    step = decode_pass(replica, sequences=3, context_tokens=prompt + completion / 6)
    return [_terms("embedded, prompt", prefills), _terms("embedded, step", [step])]


def predicted(hardware: str, tokens: int) -> tuple[Row, list[Row]]:
    """Predict a judged question of the large model: by stage, and what its passes wait for."""
    lengths = count_lengths(
        question=QUESTION_TOKENS, plan=PLAN_TOKENS, candidate=tokens, response=400, verdict=200, spread=0.4
    )
    replica, wanted = open_replica(MODEL, open_machine(hardware), None, 16.0), Ask(lengths)
    question = predict_question(replica, wanted)
    known = lengths.solve_instructions
    prefills = prefill_passes(replica, tokens=wanted.prompt_tokens - known, cached_tokens=known)
    name = hardware.replace("xh100", " H100").replace("xwse3", " WSE-3")
    terms = [_terms(f"{name}, prompt", prefills), _terms(f"{name}, step", [question.decode.pass_time])]
    return Row(f"{name}, 32B", {**predicted_stages(question)}), terms


def _terms(label: str, passes: Sequence[PassTime]) -> Row:
    return Row(label, {**visible_parts(*passes)})


def draw_shares(rows: Sequence[Row], *, name: str, title: str) -> str:
    """Draw each row as a bar of shares, its seconds beside it.

    Args:
        rows: from top to bottom, all with the same parts.
        name: of the drawing.
        title: what it shows, for those who do not see it.

    Returns:
        An ``svg`` element.
    """
    parts = list(rows[0].seconds)
    with drawing.canvas(name):
        figure = Figure(figsize=(drawing.WIDTH * 1.4, 0.75 + 0.34 * len(rows)), layout="constrained")
        axes = figure.add_subplot()
        for number, part in enumerate(parts):
            before = [100 * sum(row.seconds[one] for one in parts[:number]) / row.total for row in rows]
            widths = [100 * row.seconds[part] / row.total for row in rows]
            places = range(len(rows))
            axes.barh(
                places, widths, left=before, height=0.68, color=look(number).stand_in, alpha=0.85, label=WORDS[part]
            )
            for place, width, start in zip(places, widths, before, strict=True):
                if width >= 8:
                    axes.text(start + width / 2, place, f"{width:.0f}", color=PAPER, ha="center", va="center")
        for place, row in enumerate(rows):
            axes.text(101.5, place, write_seconds(row.total), va="center")
        axes.set_yticks(range(len(rows)), [row.label for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(0, 100)
        axes.set_xlabel("Share of the seconds, %")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(visible=False, axis="y")
        figure.legend(loc="outside upper left", ncols=len(parts), frameon=False, fontsize=8, handlelength=0.9)
        told = [f"{row.label}: {write_seconds(row.total)}, {_write_shares(row)}" for row in rows]
        return drawing.save_svg(figure, drawing.alt_text(title, told))


def _write_shares(row: Row) -> str:
    return ", ".join(f"{WORDS[part]} {value / row.total:.1%}" for part, value in row.seconds.items())


def write_seconds(seconds: float) -> str:
    """Write seconds with three digits, small ones in thousandths."""
    return f"{seconds:,.3g} s" if seconds >= 1 else f"{1e3 * seconds:,.3g} ms"


def write_standalone(svg: str, file: Path) -> None:
    """Write a page's drawing as a file of its own, with the page's colours, light and dark.

    Raises:
        OSError: the file cannot be written.
    """
    sheet = (Path(drawing.__file__).parent / "page.css").read_text("utf-8")
    colours = "".join(re.findall(r"^(?::root \{.*?^\}|@media screen.*?^\})\n", sheet, re.MULTILINE | re.DOTALL))
    style = f"<style>{colours}svg {{ background: var(--page); color: var(--ink); font-family: var(--sans); }}</style>"
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert found is not None, "matplotlib gives a view box"
    width, height = (round(PIXELS_PER_POINT * float(side)) for side in found.groups())
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
    file.write_text(re.sub(r"<svg ([^>]*)>", lambda tag: f"{opening}{tag[1]}>{style}", svg, count=1) + "\n", "utf-8")


def to_table(rows: Sequence[Row]) -> str:
    """Write rows as Markdown: seconds, and shares in per cent."""
    parts = list(rows[0].seconds)
    lines = [
        "| | in all | " + " | ".join(WORDS[part] for part in parts) + " |",
        "| --- |" + " ---: |" * (len(parts) + 1),
    ]
    for row in rows:
        cells = [f"{row.seconds[part] / row.total:.1%}" for part in parts]
        lines.append(f"| {row.label} | {write_seconds(row.total)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(asked: argparse.Namespace) -> None:
    """Draw both figures, and print their numbers."""
    told: dict[str, Any] = json.loads(asked.file.read_text("utf-8"))
    stages, terms = [embedded_stages(told)], embedded_terms(told, asked.machine)
    for hardware in asked.hardware:
        stage, term = predicted(hardware, asked.tokens)
        stages.append(stage)
        terms += term
    asked.folder.mkdir(parents=True, exist_ok=True)
    by_stage = draw_shares(stages, name="seconds-stages", title="Where the seconds of a question go, by stage")
    write_standalone(by_stage, asked.folder / "seconds-stages.svg")
    by_term = draw_shares(terms, name="seconds-terms", title="What the passes of the solver wait for")
    write_standalone(by_term, asked.folder / "seconds-terms.svg")
    warm = sum(not row["is_cold"] for row in told["questions"])
    sys.stdout.write(f"{told['machine']}; {warm} questions, {told['clock']} seconds, {told['threads']} thread(s)\n\n")
    sys.stdout.write(f"{to_table(stages)}\n\n{to_table(terms)}\n\n{_each_question(told)}\n")


def _each_question(told: Mapping[str, Any]) -> str:
    lines = [
        "| question | seconds | "
        + " | ".join(STAGES)
        + " | decided by | calls | prompt tokens | cached | completion |",
        "| --- |" + " ---: |" * (len(STAGES) + 1) + " --- | ---: | ---: | ---: | ---: |",
    ]
    for row in told["questions"]:
        usages = [call["usage"] for call in row["calls"]]
        sums = [
            sum(usage[name] for usage in usages) for name in ("prompt_tokens", "cached_tokens", "completion_tokens")
        ]
        lines.append(
            f"| {row['family']}{', cold' if row['is_cold'] else ''} | {row['seconds']:.1f} | "
            + " | ".join(f"{row['stages'][stage]:.2f}" for stage in STAGES)
            + f" | {row['decided_by']} | {len(usages)} | "
            + " | ".join(f"{value:,}" for value in sums)
            + " |"
        )
    return "\n".join(lines)


def main() -> None:
    """Ask or draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    commands = parser.add_subparsers(dest="command", required=True)
    asking = commands.add_parser("ask")
    asking.add_argument("--items", type=int, default=4, help="of each family")
    asking.add_argument("--clock", choices=["cpu", "wall"], default="cpu")
    asking.add_argument("--threads", type=int, default=1)
    asking.add_argument("--json", type=Path, required=True)
    drawn = commands.add_parser("draw")
    drawn.add_argument("file", type=Path)
    drawn.add_argument("--machine", default="cpu2", help="the embedded engine's, on paper")
    drawn.add_argument("--hardware", nargs="+", default=["8xh100", "4xwse3"])
    drawn.add_argument("--tokens", type=int, default=20_000, help="of a candidate of the large model")
    drawn.add_argument("--folder", type=Path, default=Path("docs/images"))
    asked = parser.parse_args()
    if asked.command == "ask":
        anyio.run(ask, asked)
    else:
        draw(asked)


if __name__ == "__main__":
    main()
