"""``abruzzi bench``: figures as ratios, measured side by side in one run.

Absolute times on a shared machine mean little; every bench compares ways of doing the same thing, in turn, within one
run, and gives medians, ratios with intervals, and whether a ratio keeps the goal that was set for it.
"""

import functools
import json
import os
import shlex
import sys
from collections.abc import Awaitable, Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from abruzzi.engine.cores import limit_spinning

app = typer.Typer(
    help="Compare pipelines, ways of sampling and speculation, side by side in one run.", no_args_is_help=True
)

SPECULATION_TOKENS = 24
"""As ``abruzzi engine tune`` has it."""

Model = Annotated[str, typer.Option("--model", "-m", help="embedded:base, embedded:FILE.gguf or hf:…")]
AdapterFolder = Annotated[
    Path | None, typer.Option("--adapter", help="Folder of an exported adapter of the embedded base.")
]
Repeats = Annotated[int, typer.Option(min=1, help="Turns of every way.")]
Tokens = Annotated[int, typer.Option(min=1, help="Tokens of every candidate.")]
WithTransformers = Annotated[
    bool, typer.Option("--transformers", help="Measure Hugging Face generate too; needs scripts/setup train.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Out = Annotated[Path | None, typer.Option("--out", help="Write JSON here as well.")]


@app.command("embedded")
def embedded_command(
    model: Model = "embedded:base",
    adapter: AdapterFolder = None,
    repeats: Repeats = 5,
    tokens: Tokens = 40,
    with_transformers: WithTransformers = False,
    as_json: AsJson = False,
    out: Out = None,
) -> int:
    """Best-of-3 in one request as a multiple of a plain loop, and of Hugging Face generate."""
    _prepare(with_transformers=with_transformers or adapter is not None)
    return _run({"embedded": _embedded(model, adapter, repeats, tokens, with_transformers)}, as_json=as_json, out=out)


@app.command("pipeline")
def pipeline_command(
    repeats: Annotated[int, typer.Option(min=1, help="Questions per scenario and preset.")] = 5,
    as_json: AsJson = False,
    out: Out = None,
) -> int:
    """Our pipeline against the published one on one simulated endpoint: calls and wall time."""
    _prepare(with_transformers=False)
    return _run({"pipeline": _pipeline(repeats)}, as_json=as_json, out=out)


@app.command("speculation")
def speculation_command(
    model: Model = "embedded:base",
    repeats: Repeats = 5,
    tokens: Annotated[int, typer.Option(min=4, help="Tokens of each text, at most.")] = SPECULATION_TOKENS,
    as_json: AsJson = False,
    out: Out = None,
) -> int:
    """Every method of speculation against none, on the embedded engine."""
    _prepare(with_transformers=False)
    return _run({"speculation": _speculation(model, repeats, tokens)}, as_json=as_json, out=out)


@app.command("all")
def all_command(
    model: Model = "embedded:base",
    adapter: AdapterFolder = None,
    repeats: Repeats = 5,
    tokens: Tokens = 40,
    with_transformers: WithTransformers = False,
    as_json: AsJson = False,
    out: Out = None,
) -> int:
    """Every bench, and all ratios in one table with their goals."""
    _prepare(with_transformers=with_transformers or adapter is not None)
    benches = {
        "pipeline": _pipeline(repeats),
        "embedded": _embedded(model, adapter, repeats, tokens, with_transformers),
        "speculation": _speculation(model, repeats, SPECULATION_TOKENS),
    }
    return _run(benches, as_json=as_json, out=out)


Tell = Callable[[Any], None]
Bench = Callable[[Tell], Awaitable[Any]]
"""Measures; tells of the ``bench_report.Report`` so far, and returns the whole one."""


def _embedded(model: str, adapter: Path | None, repeats: int, tokens: int, with_transformers: bool) -> Bench:
    async def measure(tell: Tell) -> Any:
        from abruzzi.cli import bench_embedded

        wanted = bench_embedded.Wanted(model, adapter, repeats, tokens, with_transformers)
        return await bench_embedded.measure(wanted, tell)

    return measure


def _pipeline(repeats: int) -> Bench:
    async def measure(tell: Tell) -> Any:
        from abruzzi.cli import bench_pipeline

        del tell  # it takes seconds
        return await bench_pipeline.measure(repeats)

    return measure


def _speculation(model: str, repeats: int, tokens: int) -> Bench:
    async def measure(tell: Tell) -> Any:
        from anyio.to_thread import run_sync

        from abruzzi.cli import bench_speculation

        del tell  # it compares whole rounds alone
        return await run_sync(bench_speculation.measure, model, repeats, tokens, _say)

    return measure


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _run(benches: Mapping[str, Bench], *, as_json: bool, out: Path | None) -> int:
    """Run benches one after the other; print and write what they found."""
    import anyio

    from abruzzi.cli.bench_record import describe_run
    from abruzzi.cli.bench_report import print_reports, to_json, write_json

    record = describe_run(shlex.join(["abruzzi", *sys.argv[1:]]))
    reports: dict[str, Any] = {}

    def keep(name: str, report: Any) -> None:
        reports[name] = report
        if out is not None:  # as soon as there is anything: a long run that is cut short has not been for nothing
            write_json(to_json(reports, record), out)

    for name, measure in benches.items():
        keep(name, anyio.run(measure, functools.partial(keep, name)))
    if as_json:
        print(json.dumps(to_json(reports, record), indent=2))
    else:
        print_reports(reports, record)
    return 0


def _prepare(*, with_transformers: bool) -> None:
    """See that the optional packages are there before anything is measured.

    Raises:
        ConfigError: one is missing.
    """
    limit_spinning(os.environ)  # torch's threads wait as the engine's do
    extras = {"numpy": "eval"} | (
        {"torch": "train", "transformers": "train", "peft": "train"} if with_transformers else {}
    )
    for package, extra in extras.items():
        if find_spec(package) is None:
            from abruzzi.config import missing_package

            raise missing_package("this bench", package, extra=extra)
