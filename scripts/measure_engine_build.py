"""Measures a build of the engine's library against the one that is installed, each with both ways of attention.

    .venv/bin/python scripts/measure_engine_build.py --built FOLDER [-m MODEL.gguf] [--adapter ADAPTER.gguf]
        [--threads 1] [--rounds 5] [--contexts 200 800] [--tokens 40] [--json FILE]

FOLDER holds another build of xllamacpp (``pip install --target FOLDER --no-deps WHEEL``); without it the installed one
is measured alone. Up to four engines, all loaded, one at work at a time. They take turns with the same requests: a new
prompt of so many tokens with one token to say (the prompt's cost), then the same prompt, now cached, with ``--tokens``
for one completion and for three (decoding's). CPU milliseconds of the engine's process, medians of the rounds, and the
ratio to the installed build as llama.cpp has it, taken round by round, with the range of those ratios.

Not measured: a graphics card. Linux alone.
"""

import argparse
import json
import os
import shlex
import sys
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from measure_spins import post

from abruzzi.cli.bench_record import describe_run, write_line
from abruzzi.cli.wiring import cache_folder
from abruzzi.engine.process import Engine
from abruzzi.engine.settings import Adapter, Attention, EngineSettings
from abruzzi.engine.weights import fetch_base

WAYS = (Attention.FUSED, Attention.PLAIN)
WORK = (("a prompt token", 0), ("a step of one slot", 1), ("a step of three slots", 3))

Name = tuple[str, Attention]
BASELINE: Name = ("installed", Attention.FUSED)


def start(name: Name, wanted: argparse.Namespace, model: Path) -> Engine:
    """Make an engine of one build, with one way of attention."""
    build, attention = name
    command = EngineSettings(model=model).command
    if build == "built":
        command = ("env", f"PYTHONPATH={wanted.built}:{os.environ.get('PYTHONPATH', '')}", *command)
    adapters = () if wanted.adapter is None else (Adapter("adapter", wanted.adapter),)
    return Engine(
        EngineSettings(model=model, adapters=adapters, threads=wanted.threads, attention=attention, command=command)
    )


def ask(engine: Engine, prompt: str, n: int, tokens: int) -> float:
    """Send one greedy request; returns the CPU seconds that the engine took."""
    body: dict[str, Any] = {"prompt": prompt, "max_tokens": tokens, "n": n, "temperature": 0.0, "ignore_eos": True}
    if engine.adapter_ids:
        body["lora"] = [{"id": 0, "scale": 1.0}]
    _, cpu = post(engine, "/completions", body)
    return cpu


def measure(engines: dict[Name, Engine], context: int, rounds: int, tokens: int) -> list[dict[str, Any]]:
    """Let the engines take turns; returns a row for each kind of work and engine at one length of context."""
    costs: dict[tuple[str, Name], list[float]] = {(work, name): [] for work, _ in WORK for name in engines}
    for turn in range(rounds):
        # " again" is one token; the number in front makes each turn's prompt a new one from its first token on.
        prompt = f"{turn}" + " again" * context
        names = list(engines)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            for work, n in WORK:
                seconds = ask(engines[name], prompt, max(n, 1), tokens if n else 1)
                costs[work, name].append(1e3 * seconds / (tokens if n else context))
    rows: list[dict[str, Any]] = []
    for (work, name), milliseconds in costs.items():
        ratios = [one / other for one, other in zip(milliseconds, costs[work, BASELINE], strict=True)]
        rows.append(
            {
                "context": context,
                "work": work,
                "build": name[0],
                "attention": name[1],
                "cpu_ms": median(milliseconds),
                "ratio": median(ratios),
                "ratio_least": min(ratios),
                "ratio_most": max(ratios),
            }
        )
    return rows


def main() -> None:
    """Measure, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--built", type=Path)
    parser.add_argument("-m", "--model", type=Path)
    parser.add_argument("--adapter", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--contexts", type=int, nargs="+", default=[200, 800])
    parser.add_argument("--tokens", type=int, default=40)
    parser.add_argument("--json", type=Path)
    wanted = parser.parse_args()
    model = wanted.model or fetch_base(cache_folder(os.environ))
    builds = ("installed",) if wanted.built is None else ("installed", "built")
    record = describe_run(shlex.join(sys.argv))
    rows: list[dict[str, Any]] = []
    sys.stdout.write(
        "| context | work | build | attention | CPU ms | ÷ installed, fused | least to most |\n"
        "| ---: | --- | --- | --- | ---: | ---: | --- |\n"
    )
    with ExitStack() as stack:
        engines = {
            (build, way): stack.enter_context(start((build, way), wanted, model)) for build in builds for way in WAYS
        }
        for context in wanted.contexts:
            for row in measure(engines, context, wanted.rounds, wanted.tokens):
                rows.append(row)
                sys.stdout.write(
                    f"| {row['context']:,} | {row['work']} | {row['build']} | {row['attention']} | {row['cpu_ms']:.1f} "
                    f"| {row['ratio']:.2f} | {row['ratio_least']:.2f} to {row['ratio_most']:.2f} |\n"
                )
            sys.stdout.flush()
    sys.stdout.write(f"\n{write_line(record)}\n")
    if wanted.json is not None:
        wanted.json.write_text(json.dumps({"record": record, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
