"""``abruzzi verify``: hold responses against their ground truth, one JSON line each."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from abruzzi.errors import ConfigError


def verify_command(
    file: Annotated[Path, typer.Argument(help="JSON Lines, or Guru's parquet; '-' is JSON Lines from stdin.")],
    mode: Annotated[
        Literal["fixed", "published"], typer.Option(help="'published' agrees with the public reward functions.")
    ] = "fixed",
    workers: Annotated[int | None, typer.Option(help="Processes at a time.  [default: one per core]")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds per row.  [default: each domain's own]")] = None,
    responses: Annotated[
        Path | None, typer.Option(help="Responses {id, response} to the rows of FILE, as JSON Lines.")
    ] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Show only the rows where the two modes differ.")] = False,
    self_check: Annotated[
        bool, typer.Option("--self-check", help="Prove that each row's own ground truth is judged correct.")
    ] = False,
    grader: Annotated[
        str | None, typer.Option(help="Model that decides on free-text answers; see 'abruzzi models list'.")
    ] = None,
    unsafe: Annotated[
        bool, typer.Option("--unsafe", help="Run untrusted code even where no sandbox can be had.")
    ] = False,
) -> int:
    """Verify responses: rows {id, data_source, response, ground_truth, extra} to lines {id, outcome, score, ...}.

    abruzzi verify rows.jsonl > verdicts.jsonl
    """
    if workers is not None and workers < 1:
        raise ConfigError(f"--workers must be at least 1, got {workers}")
    if timeout is not None and not timeout > 0:
        raise ConfigError(f"--timeout must be positive, got {timeout:g}")
    if self_check and (diff or responses is not None):
        raise ConfigError("--self-check looks at no responses; leave --diff and --responses out")
    if grader is not None and (diff or self_check):
        raise ConfigError("--grader serves neither --diff nor --self-check; leave it out")
    from abruzzi.cli.verifying import Settings, print_differences, print_verdicts

    settings = Settings(mode, workers, timeout, responses, grader, unsafe)
    if diff:
        return print_differences(file, settings)
    return print_verdicts(file, settings, is_self_check=self_check)
