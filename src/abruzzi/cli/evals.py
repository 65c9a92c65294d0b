"""``abruzzi eval``: measure systems on benchmarks, take a pipeline apart, and report."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from abruzzi.cli.ask import MinP, TopK
from abruzzi.errors import ConfigError

app = typer.Typer(help="Measure: run a benchmark, take the pipeline apart, report, compare.", no_args_is_help=True)

BenchmarkName = Annotated[str, typer.Argument(help="A benchmark ('abruzzi eval list'), or a JSONL file of your own.")]
Out = Annotated[Path, typer.Option("--out", help="Folder of this evaluation; the same command resumes it.")]
Data = Annotated[Path | None, typer.Option("--data", help="The benchmark's data, where the hub is not to be asked.")]
Limit = Annotated[int | None, typer.Option(help="Only the first so many items.")]
Model = Annotated[str | None, typer.Option("--model", "-m", help="Solver; see 'abruzzi models list'.")]
Planner = Annotated[str | None, typer.Option(help="Planner.  [default: the solver]")]
JudgeModel = Annotated[str | None, typer.Option("--judge", help="Judge.  [default: the solver]")]
Temperature = Annotated[float | None, typer.Option(help="Of the solver.  [default: the benchmark's, mostly 1.0]")]
TopP = Annotated[float | None, typer.Option(help="Of the solver.  [default: the benchmark's, mostly 0.95]")]
MaxTokens = Annotated[int | None, typer.Option(help="Per candidate.  [default: the benchmark's, mostly 65536]")]
PlanTokens = Annotated[int | None, typer.Option(help="Of the planning call.  [default: 2048]")]
JudgeTokens = Annotated[int | None, typer.Option(help="Of one judge call.  [default: 2048]")]
Seed = Annotated[int, typer.Option(help="Of the whole evaluation.")]
Parallel = Annotated[int, typer.Option(help="Samples under way at a time.")]
Patience = Annotated[float, typer.Option(help="Seconds for which a failing endpoint is waited for, per sample.")]
Config = Annotated[Path | None, typer.Option(help="Settings file.  [default: abruzzi.toml here, if any]")]


@app.command(name="run")
def run_command(
    benchmark: BenchmarkName,
    out: Out,
    system: Annotated[
        str, typer.Option(help="single, plan, bo3, full, 'full,n=5', 'n=5,plan=off', or a TOML file.")
    ] = "full",
    runs: Annotated[int | None, typer.Option(help="Samples per item.  [default: the benchmark's, mostly 16]")] = None,
    data: Data = None,
    limit: Limit = None,
    model: Model = None,
    planner: Planner = None,
    judge: JudgeModel = None,
    temperature: Temperature = None,
    top_p: TopP = None,
    top_k: TopK = None,
    min_p: MinP = None,
    max_tokens: MaxTokens = None,
    plan_tokens: PlanTokens = None,
    judge_tokens: JudgeTokens = None,
    seed: Seed = 0,
    parallel: Parallel = 8,
    patience: Patience = 3600.0,
    ray: Annotated[
        str | None, typer.Option(help="Address of a Ray cluster to fan out over; 'local' starts one.")
    ] = None,
    config: Config = None,
) -> int:
    """Measure one system on one benchmark; the same command again goes on where it stopped.

    abruzzi eval run gsm8k --system full --out runs/gsm8k-full
    """
    from abruzzi.cli.evaluating import Wish, run_evaluation

    wish = Wish(
        models={"solver": model, "planner": planner, "judge": judge},
        sampling=_sampling(temperature, top_p, top_k, min_p, max_tokens, plan_tokens, judge_tokens) | {"seed": seed},
        data=data,
        limit=_positive("--limit", limit),
        parallel=_positive("--parallel", parallel) or 1,
        patience_s=patience,
        config=config,
    )
    return run_evaluation(benchmark, system, _positive("--runs", runs), out, wish, ray_address=ray)


@app.command(name="ablate")
def ablate_command(
    benchmarks: Annotated[list[str], typer.Argument(help="Benchmarks, or JSONL files of your own.")],
    out: Out,
    runs: Annotated[int, typer.Option(help="Candidates per item and arm, each a run of the single sample.")] = 16,
    n: Annotated[int, typer.Option(help="Candidates per answer in best-of-N.")] = 3,
    judged_runs: Annotated[int | None, typer.Option(help="Answers per item that the judge decides.")] = None,
    placebo_runs: Annotated[int | None, typer.Option(help="Candidates per item in each placebo arm.")] = None,
    long_runs: Annotated[int | None, typer.Option(help="Longer single samples per item.")] = None,
    limit: Limit = None,
    model: Model = None,
    planner: Planner = None,
    judge: JudgeModel = None,
    temperature: Temperature = None,
    top_p: TopP = None,
    top_k: TopK = None,
    min_p: MinP = None,
    max_tokens: MaxTokens = None,
    plan_tokens: PlanTokens = None,
    judge_tokens: JudgeTokens = None,
    seed: Seed = 0,
    parallel: Parallel = 4,
    patience: Patience = 3600.0,
    config: Config = None,
) -> int:
    """Take the pipeline apart: what plan, best-of-N, judge and their placebos are worth, at equal budgets too.

    abruzzi eval ablate "reasoning-gym:chain_sum?size=200" --out runs/ablation
    """
    _require("numpy", "matplotlib", "jinja2")
    from abruzzi.cli.ablating import run_ablation_command
    from abruzzi.cli.evaluating import Wish

    wish = Wish(
        models={"solver": model, "planner": planner, "judge": judge},
        sampling=_sampling(temperature, top_p, top_k, min_p, max_tokens, plan_tokens, judge_tokens) | {"seed": seed},
        data=None,
        limit=_positive("--limit", limit),
        parallel=_positive("--parallel", parallel) or 1,
        patience_s=patience,
        config=config,
    )
    sizes = {
        "runs": runs,
        "n": n,
        "judged_runs": runs if judged_runs is None else judged_runs,
        "placebo_runs": runs if placebo_runs is None else placebo_runs,
        "long_runs": runs if long_runs is None else long_runs,
    }
    return run_ablation_command(benchmarks, sizes, out, wish)


@app.command(name="report")
def report_command(
    folders: Annotated[list[Path], typer.Argument(help="Folders of evaluations and ablations, or above them.")],
    out: Annotated[Path | None, typer.Option("--out", help="Where to write.  [default: the first folder]")] = None,
    title: Annotated[str, typer.Option(help="Of the report.")] = "Evaluation",
    contamination: Annotated[
        Path | None, typer.Option(help="Report of 'abruzzi data contamination', for scores of the clean items.")
    ] = None,
    prices: Annotated[
        Path | None, typer.Option(help='TOML: [prices."MODEL"] with prompt and completion per million tokens.')
    ] = None,
    mixed: Annotated[bool, typer.Option("--mixed", help="Let unequal settings into one table, marked.")] = False,
) -> int:
    """Write report.md and a self-contained report.html.

    abruzzi eval report runs/gsm8k-single runs/gsm8k-full --out report
    """
    _require("numpy", "matplotlib", "jinja2")
    from abruzzi.cli.reporting import write_report

    return write_report(
        folders,
        folders[0] if out is None else out,
        title=title,
        contamination=contamination,
        prices=prices,
        is_mixed=mixed,
    )


@app.command(name="compare")
def compare_command(
    folders: Annotated[list[Path], typer.Argument(help="Folders of evaluations, or above them.")],
) -> int:
    """Put runs beside the paper's tables, and say what is not comparable."""
    _require("numpy")
    from abruzzi.cli.reporting import print_comparison

    return print_comparison(folders)


@app.command(name="judge")
def judge_command(
    folders: Annotated[list[Path], typer.Argument(help="Folders of evaluations of single samples, or above them.")],
    judges: Annotated[list[str], typer.Option("--judge", help="A judge to measure; several may be given.")],
    out: Out,
    reads: Annotated[Literal["answer", "thoughts"], typer.Option(help="What it is shown of each reply.")] = "answer",
    per_item: Annotated[int, typer.Option(help="Pairs per item, at most.")] = 2,
    limit: Annotated[int | None, typer.Option(help="Pairs, at most.")] = None,
    judge_tokens: Annotated[int, typer.Option(help="Of one judge call.")] = 256,
    parallel: Annotated[int, typer.Option(help="Calls under way at a time.")] = 6,
    seed: Seed = 0,
) -> int:
    """Measure judges on pairs of right and wrong replies that evaluations hold: accuracy, and flips with the order.

    abruzzi eval judge runs/solver --judge embedded --judge embedded:base --out runs/judges
    """
    _require("numpy", "torch")
    from abruzzi.cli.judging import JudgeWish, run_judges

    wish = JudgeWish(
        judges=tuple(judges),
        reads=reads,
        per_item=_positive("--per-item", per_item) or 1,
        limit=_positive("--limit", limit),
        max_tokens=_positive("--judge-tokens", judge_tokens) or 1,
        parallel=_positive("--parallel", parallel) or 1,
        seed=seed,
    )
    return run_judges(folders, out, wish)


@app.command(name="list")
def list_command() -> int:
    """List the benchmarks with source, revision, licence, size and scorer."""
    from abruzzi.cli.benchmarking import print_benchmarks

    return print_benchmarks()


@app.command(name="check")
def check_command(benchmark: BenchmarkName, data: Data = None, limit: Limit = None) -> int:
    """Prove that a benchmark's own answers pass its own verifier."""
    from abruzzi.cli.benchmarking import print_gold_check

    return print_gold_check(benchmark, data, _positive("--limit", limit))


@app.command(name="export")
def export_command(
    folder: Annotated[Path, typer.Argument(help="Folder of an evaluation.")],
    out: Annotated[Path, typer.Option("--out", help="An Inspect log: FILE.eval or FILE.json.")],
) -> int:
    """Write an evaluation as a log of Inspect AI, for its viewer."""
    from abruzzi.evaluation.folder import read_evaluation
    from abruzzi.evaluation.inspect_log import write_inspect_log

    found = read_evaluation(folder)
    write_inspect_log(found.protocol, found.items, found.samples, out)
    print(out)
    return 0


def _sampling(
    temperature: float | None,
    top_p: float | None,
    top_k: int | None,
    min_p: float | None,
    max_tokens: int | None,
    plan_tokens: int | None,
    judge_tokens: int | None,
) -> dict[str, Any]:
    given = {
        "temperature": temperature,
        "top_p": top_p,
        "top_k": top_k,
        "min_p": min_p,
        "max_tokens": max_tokens,
        "plan_tokens": plan_tokens,
        "judge_tokens": judge_tokens,
    }
    return {name: value for name, value in given.items() if value is not None}


def _positive(option: str, value: int | None) -> int | None:
    if value is not None and value < 1:
        raise ConfigError(f"{option} must be at least 1, got {value}")
    return value


def _require(*packages: str) -> None:
    """Refuse a command whose packages are not installed, before it has done anything."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise ConfigError(f"this needs {', '.join(missing)}: run scripts/setup eval, or pip install 'abruzzi[eval]'")
