"""``abruzzi verify``: hold responses against their ground truth, one JSON line each.

Parses, reads the rows, runs the verifiers, and prints verdicts in the rows' order as they become ready. A summary goes
to stderr, with a progress bar where that is a terminal.
"""

import json
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from abruzzi.errors import ConfigError, DataError, VerifierError
from abruzzi.nouns import Outcome, Verdict
from abruzzi.verifiers.reader import Malformed
from abruzzi.verifiers.router import route
from abruzzi.verifiers.row import Row

_AGREEMENTS = ("same", "only fixed", "only publ.", "otherwise")
"""Same score; or which mode alone calls the response correct."""
_Line = tuple[str, str, dict[str, Any] | None]
"""Domain, column of the summary, and what to print."""


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
    from abruzzi.verifiers.reader import join_responses, read_rows
    from abruzzi.verifiers.verify import check_many, verify_both, verify_many

    rows = join_responses(file, responses) if responses else read_rows(file, needs_response=not self_check)
    seen: deque[tuple[str, str]] = deque()
    watched = _watch(rows, seen)
    with _progress_bar(responses or file) as progress:
        if diff:
            pairs = verify_both(watched, workers=workers, timeout_s=timeout, progress=progress)
            counts = _report((_compare(*seen.popleft(), *pair) for pair in pairs), _AGREEMENTS)
        else:
            run = check_many if self_check else verify_many
            verdicts = run(watched, mode=mode, workers=workers, timeout_s=timeout, progress=progress)
            counts = _report((_tell(*seen.popleft(), verdict) for verdict in verdicts), tuple(Outcome))
    num_failed = sum(count for (_, outcome), count in counts.items() if outcome != Outcome.CORRECT)
    if self_check and num_failed:
        raise VerifierError(f"{num_failed} of {counts.total()} rows do not pass with their own ground truth")
    return 0


def _watch(rows: Iterable[Row | Malformed], seen: deque[tuple[str, str]]) -> Iterator[Row | Malformed]:
    """Pass rows on, and remember of each no more than the report needs."""
    for row in rows:
        seen.append((row.id, row.data_source if isinstance(row, Row) else ""))
        yield row


def _tell(key: str, data_source: str, verdict: Verdict) -> _Line:
    return _domain(data_source), verdict.outcome, {"id": key, **_describe(verdict)}


def _compare(key: str, data_source: str, fixed: Verdict, published: Verdict) -> _Line:
    """Say which mode calls a row correct; rows on whose score both agree are not printed."""
    right = (fixed.outcome is Outcome.CORRECT, published.outcome is Outcome.CORRECT)
    if right[0] is right[1] and abs(fixed.score - max(published.score, 0.0)) < 1e-6:
        return _domain(data_source), "same", None
    column = {(True, False): "only fixed", (False, True): "only publ."}.get(right, "otherwise")
    both = {"fixed": _describe(fixed), "published": _describe(published)}
    return _domain(data_source), column, {"id": key, "data_source": data_source, **both}


def _describe(verdict: Verdict) -> dict[str, Any]:
    return {
        "outcome": verdict.outcome,
        "score": verdict.score,
        "extracted": verdict.extracted,
        "reason": verdict.reason,
        "seconds": round(verdict.seconds, 6),
    }


def _report(lines: Iterable[_Line], columns: Sequence[str]) -> Counter[tuple[str, str]]:
    """Print lines as they come, and how many of each kind there were, also when interrupted."""
    counts: Counter[tuple[str, str]] = Counter()
    start = time.monotonic()
    try:
        for domain, column, content in lines:
            counts[domain, column] += 1
            if content is not None:
                print(json.dumps(content), flush=True)
    finally:
        if counts:
            print(_summarise(counts, columns, time.monotonic() - start), file=sys.stderr)
    return counts


def _summarise(counts: Counter[tuple[str, str]], columns: Sequence[str], seconds: float) -> str:
    """Write a table with a line per domain and a column per kind, and the speed."""
    domains = sorted({domain for domain, _ in counts})
    table = [f"{'':14}" + "".join(f"{column:>12}" for column in columns)]
    for name, members in [*((domain, [domain]) for domain in domains), ("all", domains)]:
        cells = (sum(counts[member, column] for member in members) for column in columns)
        table.append(f"{name:14}" + "".join(f"{cell:>12}" for cell in cells))
    return "\n".join([*table, f"{counts.total()} rows in {seconds:.1f} s, {counts.total() / seconds:.1f} per second"])


def _domain(data_source: str) -> str:
    try:
        return route(data_source).name
    except DataError:
        return "(no domain)"


@contextmanager
def _progress_bar(path: Path) -> Generator[Callable[[int], None] | None]:
    """Show how many rows are finished, where stderr is a terminal that the verdicts do not fill themselves."""
    if sys.stdout.isatty() or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from abruzzi.verifiers.reader import count_rows

    columns = (TextColumn("verifying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as bar:
        task = bar.add_task("", total=count_rows(path))
        yield lambda num_finished: bar.update(task, completed=num_finished)
