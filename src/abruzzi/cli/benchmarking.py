"""Prints what benchmarks there are, and proves their own answers."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from abruzzi.cli.gauge import open_gauge
from abruzzi.errors import VerifierError
from abruzzi.evaluation.benchmarks.registry import find_benchmark, list_benchmarks
from abruzzi.evaluation.gold_check import check_gold


def print_benchmarks() -> int:
    """Print a table of the named benchmarks.

    Returns:
        The exit code: 0.
    """
    table = Table("name", "items", "source", "revision", "licence", "scorer")
    for benchmark in list_benchmarks():
        table.add_row(
            benchmark.name,
            str(benchmark.num_items),
            benchmark.source,
            benchmark.revision,
            benchmark.licence,
            benchmark.scorer,
        )
    Console().print(table)
    print("Also: reasoning-gym:TASK[,TASK…][?size=200&seed=0&KEY=VALUE], and any FILE.jsonl of {id, question, answer}.")
    return 0


def print_gold_check(name: str, data: Path | None, limit: int | None) -> int:
    """Print which of a benchmark's own answers do not pass its own verifier.

    Returns:
        The exit code: 0.

    Raises:
        VerifierError: some do not.
    """
    benchmark = find_benchmark(name)
    items = benchmark.load(data)[:limit]
    with open_gauge() as gauge:
        report = check_gold(items, progress=lambda done: gauge.show(benchmark.name, done, len(items)))
    for fault in (*report.faults, *report.missing):
        print(f"{fault.item}: {fault.reason}")
    passed = f"{report.num_passed} of {report.num_items} pass with their own answer"
    print(f"{passed}; {len(report.missing)} have none to try; {report.seconds:.1f} s")
    if report.faults:
        raise VerifierError(f"{len(report.faults)} items of {benchmark.name} do not pass with their own answer")
    return 0
