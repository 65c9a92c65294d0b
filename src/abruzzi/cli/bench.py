"""``abruzzi bench``: figures as ratios, measured side by side in one run.

Absolute times on a shared machine mean little; every table here compares ways of doing the same thing, in turn, within
one run, and gives medians.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

app = typer.Typer(help="Compare pipelines and ways of sampling, side by side in one run.", no_args_is_help=True)


@app.command("embedded")
def embedded_command(
    repeats: Annotated[int, typer.Option(min=1, help="Questions per way of sampling.")] = 5,
    tokens: Annotated[int, typer.Option(min=1, help="Tokens per candidate, at most.")] = 96,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Planned best-of-3 on the embedded engine as a multiple of one planned candidate."""
    import anyio

    from abruzzi.cli.bench_embedded import measure

    rows = anyio.run(measure, repeats, tokens)
    _print("planned best-of-3 against one planned candidate", rows, as_json=as_json)
    return 0


@app.command("pipeline")
def pipeline_command(
    repeats: Annotated[int, typer.Option(min=1, help="Questions per scenario and preset.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Our pipeline against the published one on one simulated endpoint: calls and wall time."""
    import anyio

    from abruzzi.cli.bench_pipeline import measure

    rows = anyio.run(measure, repeats)
    _print("preset default against preset paper, same endpoint, same delays", rows, as_json=as_json)
    return 0


def _print(title: str, rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"title": title, "rows": list(rows)}, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, box=None, title_justify="left")
    for column in rows[0]:
        table.add_column(column.replace("_", " "), justify="left" if isinstance(rows[0][column], str) else "right")
    for row in rows:
        table.add_row(*(f"{value:.2f}" if isinstance(value, float) else str(value) for value in row.values()))
    Console().print(table)
