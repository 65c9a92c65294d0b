"""Measures how long the engine's threads should look before they sleep at a barrier: a sweep of ``GOMP_SPINCOUNT``.

    .venv/bin/python scripts/measure_spins.py [-m MODEL.gguf] [--rounds 5] [--threads 2] [--json FILE]
        [--looks 1000 10000] [--contexts 0 512 1024]

One engine for each number of looks, all of them loaded, one at work at a time. They take turns with the same greedy
requests (one completion and three, after a short prompt and after long ones, which the first turn leaves in the
cache), first on the machine as it is and then beside as many busy processes as there are threads. Wall and CPU
milliseconds per token of one slot, CPU of the engine's process. Linux alone, and an engine that is built with libgomp,
as its Linux wheels are.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2

from abruzzi.cli.bench_costs import read_cpu_s
from abruzzi.cli.bench_record import describe_run, write_line
from abruzzi.engine.process import Engine
from abruzzi.engine.settings import EngineSettings
from abruzzi.engine.weights import fetch_base

LOOKS = (0, 1_000, 10_000, 100_000, 300_000)
"""0 is what OMP_WAIT_POLICY=passive means; 300,000 is libgomp's own default."""

QUESTION = "Count from one to fifty in words."


def start(spins: int, wanted: argparse.Namespace) -> Engine:
    """Make an engine whose threads look so often before they sleep."""
    worker = EngineSettings(model=wanted.model).command
    command = ("env", f"GOMP_SPINCOUNT={spins}", *worker)
    settings = EngineSettings(model=wanted.model, threads=wanted.threads, context_tokens=2048, command=command)
    return Engine(settings)


def ask(engine: Engine, context: int, n: int, tokens: int) -> dict[str, float]:
    """Send one greedy request after about so many more tokens of prompt; returns its cost."""
    body = {
        "messages": [{"role": "user", "content": "again " * context + QUESTION}],
        "max_tokens": tokens,
        "n": n,
        "temperature": 0.0,
        "ignore_eos": True,
    }
    wall, cpu = post(engine, "/chat/completions", body)
    return {"wall_ms": 1e3 * wall / tokens, "cpu_ms": 1e3 * cpu / tokens}


def post(engine: Engine, path: str, body: dict[str, Any]) -> tuple[float, float]:
    """Send a request; returns the wall seconds, and the CPU seconds of the engine's process."""
    assert engine.pid is not None, "it serves"
    pid = engine.pid
    before, started = read_cpu_s(pid), time.perf_counter()
    reply = httpx2.post(
        f"{engine.base_url}{path}",
        json=body,
        headers={"Authorization": f"Bearer {engine.api_key}"},
        timeout=600.0,
        trust_env=False,
    )
    reply.raise_for_status()
    return time.perf_counter() - started, read_cpu_s(pid) - before


def sweep(
    engines: dict[int, Engine], contexts: list[int], rounds: int, tokens: int, beside: str
) -> list[dict[str, Any]]:
    """Let the engines take turns; returns a row for each length of context, of completions and number of looks."""
    found: dict[tuple[int, int, int], list[dict[str, float]]] = {}
    for context, n in [(context, n) for context in contexts for n in (1, 3)]:
        for turn in range(-1, rounds):
            for spins, engine in engines.items():
                cost = ask(engine, context, n, tokens)
                if turn >= 0:
                    found.setdefault((context, n, spins), []).append(cost)
    return [
        {
            "beside": beside,
            "context": context,
            "completions": n,
            "looks": spins,
            **{key: statistics.median(cost[key] for cost in costs) for key in ("wall_ms", "cpu_ms")},
            "wall_ms_least": min(cost["wall_ms"] for cost in costs),
            "wall_ms_most": max(cost["wall_ms"] for cost in costs),
        }
        for (context, n, spins), costs in found.items()
    ]


def main() -> None:
    """Measure, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-m", "--model", type=Path)
    parser.add_argument("--looks", type=int, nargs="+", default=list(LOOKS))
    parser.add_argument("--contexts", type=int, nargs="+", default=[0, 512, 1024], help="tokens before the question")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=40)
    parser.add_argument("--busy-tokens", type=int, default=6, help="of a request beside busy processes: some collapse")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    wanted = parser.parse_args()
    if wanted.model is None:
        from abruzzi.cli.wiring import cache_folder

        wanted.model = fetch_base(cache_folder(os.environ))
    record = describe_run(shlex.join(sys.argv))
    with ExitStack() as stack:
        engines = {spins: stack.enter_context(start(spins, wanted)) for spins in wanted.looks}
        rows = sweep(engines, wanted.contexts, wanted.rounds, wanted.tokens, "nothing")
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(wanted.threads)]
        try:
            rows += sweep(
                engines, wanted.contexts, wanted.rounds, wanted.busy_tokens, f"{wanted.threads} busy processes"
            )
        finally:
            for process in busy:
                process.kill()
                process.wait()
    sys.stdout.write(
        "| beside | context | completions | looks | wall ms a token | least to most | CPU ms |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    )
    for row in rows:
        sys.stdout.write(
            f"| {row['beside']} | {row['context']:,} | {row['completions']} | {row['looks']:,} | {row['wall_ms']:.1f} "
            f"| {row['wall_ms_least']:.1f} to {row['wall_ms_most']:.1f} | {row['cpu_ms']:.1f} |\n"
        )
    sys.stdout.write(f"\n{write_line(record)}\n")
    if wanted.json is not None:
        wanted.json.write_text(json.dumps({"record": record, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
