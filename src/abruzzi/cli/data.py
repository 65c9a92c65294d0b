"""``abruzzi data``: look into training data before a model does."""

from pathlib import Path
from typing import Annotated

import typer

from abruzzi.errors import ConfigError

app = typer.Typer(help="Look into training data: does it hold a benchmark's items?", no_args_is_help=True)


@app.callback()
def _root() -> None:
    """Keep the command's name, although it is the only one so far."""


@app.command("contamination")
def contamination_command(
    train: Annotated[list[Path], typer.Argument(help="Training files: JSON Lines (also gzipped) or parquet.")],
    benchmark: Annotated[
        list[str], typer.Option("--benchmark", "-b", help="A benchmark ('abruzzi eval list'), or a JSONL file; repeat.")
    ],
    data: Annotated[
        Path | None, typer.Option("--data", help="The benchmark's data, where the hub is not to be asked.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many items, as in 'eval run'.")] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(
            "--field",
            help="Where a row's text stands, a.b going into objects; '*' is all text.  [default: "
            "question, problem, prompt, messages…]",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the report, for 'eval report', as JSON.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes at a time.  [default: one per core]")] = None,
    fail_if_dirty: Annotated[
        bool, typer.Option("--fail-if-dirty", help="Exit with code 1 when an item is found.")
    ] = False,
) -> int:
    """Tell which benchmark items stand in training files: word for word, within longer text, or nearly so.

    abruzzi data contamination train.jsonl --benchmark math-500 --benchmark own.jsonl --out contamination.json
    """
    if data is not None and len(benchmark) != 1:
        raise ConfigError(
            f"--data belongs to one --benchmark, and {len(benchmark)} are named; give a file as benchmark"
        )
    from abruzzi.cli.contaminating import Wish, search_files

    wish = Wish(tuple(train), tuple(benchmark), data, limit, tuple(field or ()), workers)
    return search_files(wish, out, fail_if_dirty=fail_if_dirty)
