"""Runs the verifiers over a file: reads the rows, prints verdicts in their order as they become ready.

A summary goes to stderr, with a progress bar where that is a terminal.
"""

import json
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abruzzi.errors import DataError, VerifierError
from abruzzi.nouns import Outcome, Verdict
from abruzzi.verifiers.reader import Malformed, count_rows, join_responses, read_rows
from abruzzi.verifiers.router import Mode, route
from abruzzi.verifiers.row import Row
from abruzzi.verifiers.verify import check_many, verify_both, verify_many

_AGREEMENTS = ("same", "only fixed", "only publ.", "otherwise")
"""Same score; or which mode alone calls the response correct."""
_Line = tuple[str, str, dict[str, Any] | None]
"""Domain, column of the summary, and what to print."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to verify; None leaves it to the verifiers."""

    mode: Mode = "fixed"
    workers: int | None = None
    timeout_s: float | None = None
    responses: Path | None = None
    """Responses to the file's rows; None when they stand in the rows."""
    grader: str | None = None
    """A model spec."""
    unsafe: bool = False


def print_verdicts(file: Path, settings: Settings, *, is_self_check: bool) -> int:
    """Print a verdict per row, or prove that each row's own ground truth is judged correct.

    Returns:
        The exit code: 0.

    Raises:
        VerifierError: rows fail the self-check.
        AbruzziError: the rows cannot be read, or the grader not opened.
    """
    seen: deque[tuple[str, str]] = deque()
    rows = _watch(_read(file, settings, needs_response=not is_self_check), seen)
    with _open_grader(settings.grader) as grade, _progress_bar(settings.responses or file) as progress:
        if is_self_check:
            verdicts = check_many(
                rows,
                mode=settings.mode,
                workers=settings.workers,
                timeout_s=settings.timeout_s,
                progress=progress,
                unsafe=settings.unsafe,
            )
        else:
            verdicts = verify_many(
                rows,
                mode=settings.mode,
                workers=settings.workers,
                timeout_s=settings.timeout_s,
                progress=progress,
                grade=grade,
                unsafe=settings.unsafe,
            )
        counts = _report((_tell(*seen.popleft(), verdict) for verdict in verdicts), tuple(Outcome))
    num_failed = sum(count for (_, outcome), count in counts.items() if outcome != Outcome.CORRECT)
    if is_self_check and num_failed:
        num_errors = sum(count for (_, outcome), count in counts.items() if outcome == Outcome.ERROR)
        raise VerifierError(
            f"{num_failed} of {counts.total()} rows do not pass with their own ground truth; "
            f"{num_errors} of these are broken or hold nothing that could be put into a reply"
        )
    return 0


def print_differences(file: Path, settings: Settings) -> int:
    """Print both verdicts of the rows on which the two modes differ.

    Returns:
        The exit code: 0.

    Raises:
        DataError: the rows cannot be read.
    """
    seen: deque[tuple[str, str]] = deque()
    rows = _watch(_read(file, settings), seen)
    with _progress_bar(settings.responses or file) as progress:
        pairs = verify_both(
            rows,
            workers=settings.workers,
            timeout_s=settings.timeout_s,
            progress=progress,
            unsafe=settings.unsafe,
        )
        _report((_compare(*seen.popleft(), *pair) for pair in pairs), _AGREEMENTS)
    return 0


def _read(file: Path, settings: Settings, *, needs_response: bool = True) -> Iterator[Row | Malformed]:
    if settings.responses is not None:
        return join_responses(file, settings.responses)
    return read_rows(file, needs_response=needs_response)


def _open_grader(spec: str | None) -> AbstractContextManager[Callable[[str], str] | None]:
    if spec is None:
        return nullcontext()
    from abruzzi.cli.grading import open_grader  # brings the models' client with it, which takes a second to import

    return open_grader(spec)


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

    columns = (TextColumn("verifying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as bar:
        task = bar.add_task("", total=count_rows(path))
        yield lambda num_finished: bar.update(task, completed=num_finished)
