"""Runs an ablation from the command line and prints its component table."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio

from abruzzi import __version__
from abruzzi.cli.evaluating import (
    Wish,
    identify_benchmark,
    identify_models,
    load_items,
    open_bench,
    read_settings,
    sampling_of,
)
from abruzzi.cli.gauge import open_gauge
from abruzzi.cli.reporting import describe_here, save_report
from abruzzi.cli.wiring import ModelSpecs, fit_settings
from abruzzi.config import build
from abruzzi.data.items import Item
from abruzzi.errors import ConfigError
from abruzzi.evaluation.ablation import Ablation, AblationSettings, run_ablation
from abruzzi.evaluation.benchmarks.benchmark import Benchmark
from abruzzi.evaluation.benchmarks.registry import find_benchmark
from abruzzi.evaluation.components import compute_components
from abruzzi.evaluation.folder import AblationProtocol, open_ablation, read_ablation
from abruzzi.evaluation.report.markdown import write_markdown
from abruzzi.evaluation.report.report_input import ReportInput
from abruzzi.evaluation.systems import parse_system
from abruzzi.reasoning.prompts import prompt_versions
from abruzzi.reasoning.settings import AskSettings


def run_ablation_command(names: Sequence[str], sizes: Mapping[str, int], out: Path, wish: Wish) -> int:
    """Make what is missing from the folder, then print its report and write it there.

    Returns:
        The exit code: 0.

    Raises:
        AbruzziError: a setting is wrong, a model cannot be opened, or its endpoint failed for too long.
    """
    settings = build(AblationSettings, sizes, source="command line")
    specs, asked = read_settings(wish)
    benchmarks = [find_benchmark(name) for name in names]
    samplings = [{**sampling_of(benchmark, specs), **asked, **wish.sampling} for benchmark in benchmarks]
    if any(sampling != samplings[0] for sampling in samplings):
        raise ConfigError(
            "these benchmarks are sampled differently, so their rows do not belong into one table; give --temperature, "
            "--top-p and --max-tokens, or ablate them one by one"
        )
    # Every part on and nothing stopped early: what to leave out is decided afterwards, over the same candidates.
    whole = {"n": settings.n, "plan": "auto", "judge": settings.judged_runs > 0, "stop_early": False}
    ask = fit_settings(specs, parse_system("full", samplings[0] | whole).ask.model_copy(update=whole))
    items = {benchmark.name: load_items(benchmark, wish) for benchmark in benchmarks}
    anyio.run(_run, specs, ask, settings, benchmarks, items, out, wish)
    report = ReportInput(
        title="Components", tables=(compute_components(read_ablation(out), {}),), facts=describe_here()
    )
    save_report(report, out)
    print(write_markdown(report))
    return 0


async def _run(
    specs: ModelSpecs,
    ask: AskSettings,
    settings: AblationSettings,
    benchmarks: Sequence[Benchmark],
    items: Mapping[str, Sequence[Item]],
    out: Path,
    wish: Wish,
) -> None:
    slots = ask.model_copy(update={"n": settings.runs})
    async with open_bench(specs, slots, parallel=wish.parallel, patience_s=wish.patience_s) as bench:
        protocol = AblationProtocol(
            version=__version__,
            benchmarks=tuple(identify_benchmark(benchmark, items[benchmark.name]) for benchmark in benchmarks),
            ask=ask,
            models=identify_models(specs, bench.roles, ask),
            prompts=prompt_versions(),
            settings=settings,
        )
        folder = open_ablation(out, protocol, items)
        stores = folder.stores
        with stores.plans, stores.pools, stores.groups, open_gauge() as gauge:
            await run_ablation(
                Ablation(
                    bench=bench,
                    settings=settings,
                    benchmarks=folder.items,
                    stores=stores,
                    parallel=wish.parallel,
                    on_step=lambda step: gauge.show(step.name, step.done, step.total),
                )
            )
