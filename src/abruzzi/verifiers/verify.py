r"""Verifies rows of any domain, in processes that can be killed: what others install this package for.

    from abruzzi.verifiers import verify
    verify("So it is \\\boxed{42}.", "42", data_source="math__guru").outcome     # correct

Each verification has a wall limit from outside its process; one that is killed for it is a ``timeout`` verdict, one
whose process crashes or runs out of memory an ``error``. The processes start with the first call, are shared by later
ones, and end with the interpreter. They need no ``if __name__ == "__main__"``.

In ``published`` mode the score is what the public reward function returns (``-1`` for a wrong ``aime`` reply), and
what it raises is an ``error``; the public reward manager makes that 0, as it does with a timeout.
"""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Any

from abruzzi.errors import DataError
from abruzzi.nouns import Outcome, Verdict
from abruzzi.verifiers import symbolic
from abruzzi.verifiers.graded import grade_row, grade_undecided, may_need_grader, needs_grader
from abruzzi.verifiers.pool import Died, Ending, Pool, Raised, Returned, TimedOut
from abruzzi.verifiers.reader import Malformed
from abruzzi.verifiers.router import PRELOADED, Mode, route
from abruzzi.verifiers.row import Row
from abruzzi.verifiers.sandbox import rooms
from abruzzi.verifiers.science.grading import Grade

_Job = tuple[Row | Malformed, Mode]
_DEFAULT_LIMIT_S = 30.0
"""For a row that no domain takes."""


def verify(
    response: str,
    ground_truth: object,
    *,
    data_source: str,
    extra: Mapping[str, Any] | None = None,
    mode: Mode = "fixed",
    timeout_s: float | None = None,
    grade: Grade | None = None,
    unsafe: bool = False,
) -> Verdict:
    """Verify one response; may be called from any thread, and not from a worker of its own pool.

    Args:
        response: the whole reply, thoughts included.
        ground_truth: what the row's domain needs.
        data_source: routes to the domain, e.g. ``math__…``; see ``router``.
        extra: the row's ``extra_info``.
        mode: ``fixed`` is right, ``published`` agrees with the public reward functions.
        timeout_s: wall limit; None takes the domain's own.
        grade: asks a model whether a free-text answer means the same; called in this process, outside the limit.
        unsafe: run untrusted code even where no sandbox can be had.

    Raises:
        DataError: fixed mode does not know the data source.
        ConfigError: the limit is not positive.
    """
    job = _make_job(response, ground_truth, data_source, extra, mode)
    verdict = _to_verdict(_shared_pool(1, unsafe, os.getpid()).submit(_judge, job, _limit(timeout_s, job)).result())
    row = job[0]
    if grade is not None and isinstance(row, Row) and needs_grader(row, mode, verdict):
        return grade_row(row, mode, grade)
    return verdict


async def verify_async(
    response: str,
    ground_truth: object,
    *,
    data_source: str,
    extra: Mapping[str, Any] | None = None,
    mode: Mode = "fixed",
    timeout_s: float | None = None,
    unsafe: bool = False,
) -> Verdict:
    """Verify one response from an event loop, beside as many others as there are cores; cancelling it kills it.

    Arguments and exceptions are those of ``verify``, less the grader.
    """
    job = _make_job(response, ground_truth, data_source, extra, mode)
    return _to_verdict(await _shared_pool(count_cores(), unsafe, os.getpid()).run(_judge, job, _limit(timeout_s, job)))


def verify_many(
    rows: Iterable[Row | Malformed],
    *,
    mode: Mode = "fixed",
    workers: int | None = None,
    timeout_s: float | None = None,
    progress: Callable[[int], None] | None = None,
    grade: Grade | None = None,
    unsafe: bool = False,
) -> Generator[Verdict, None, None]:
    """Verify rows, lazily and in order; verdicts do not depend on the number of workers.

    Closing the generator ends the verifications that are under way.

    Args:
        rows: may be endless, read in a thread of their own; a malformed one gives an ``error`` verdict, and so does
            an unknown data source.
        mode: as for ``verify``.
        workers: processes at a time; None takes one per core.
        timeout_s: wall limit per row; None takes each domain's own.
        progress: told how many rows are finished, as they finish, from another thread.
        grade: as for ``verify``; called from a few threads side by side.
        unsafe: as for ``verify``.

    Raises:
        ConfigError: no workers, or a limit that is not positive.
    """
    if grade is None:
        return _run(
            _judge,
            ((row, mode) for row in rows),
            workers=workers,
            timeout_s=timeout_s,
            progress=progress,
            unsafe=unsafe,
        )
    kept: deque[Row | None] = deque()

    def keep() -> Iterator[_Job]:
        for row in rows:
            kept.append(row if may_need_grader(row) else None)
            yield row, mode

    verdicts = _run(_judge, keep(), workers=workers, timeout_s=timeout_s, progress=progress, unsafe=unsafe)
    return grade_undecided(((kept.popleft(), verdict) for verdict in verdicts), mode, grade)


def verify_both(
    rows: Iterable[Row | Malformed],
    *,
    workers: int | None = None,
    timeout_s: float | None = None,
    progress: Callable[[int], None] | None = None,
    unsafe: bool = False,
) -> Iterator[tuple[Verdict, Verdict]]:
    """Verify rows in fixed and in published mode; gives both verdicts of each row, in order.

    Arguments and exceptions are those of ``verify_many``.
    """
    modes: tuple[Mode, Mode] = ("fixed", "published")

    def tell(num_finished: int) -> None:
        if progress is not None:
            progress(num_finished // 2)

    verdicts = _run(
        _judge,
        ((row, mode) for row in rows for mode in modes),
        workers=workers,
        timeout_s=timeout_s,
        progress=tell,
        unsafe=unsafe,
    )
    return zip(verdicts, verdicts, strict=True)


def check_many(
    rows: Iterable[Row | Malformed],
    *,
    mode: Mode = "fixed",
    workers: int | None = None,
    timeout_s: float | None = None,
    progress: Callable[[int], None] | None = None,
    unsafe: bool = False,
) -> Generator[Verdict, None, None]:
    """Put each row's own ground truth into a reply and verify that: whatever is not ``correct`` is a fault.

    The rows' responses are not looked at; arguments and exceptions are those of ``verify_many``.
    """
    return _run(
        _judge_gold,
        ((row, mode) for row in rows),
        workers=workers,
        timeout_s=timeout_s,
        progress=progress,
        unsafe=unsafe,
    )


def count_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def warm_up(*, unsafe: bool = False) -> None:
    """Import what most domains need, and let sympy build its parser, before workers are forked."""
    rooms.configure(unsafe=unsafe)
    symbolic.prepare()
    for domain in PRELOADED:
        domain.load_verify()


def _run(
    judge: Callable[[_Job], Verdict],
    jobs: Iterable[_Job],
    *,
    workers: int | None,
    timeout_s: float | None,
    progress: Callable[[int], None] | None,
    unsafe: bool,
) -> Generator[Verdict, None, None]:
    pool = _shared_pool(count_cores() if workers is None else workers, unsafe, os.getpid())
    for ending in pool.run_many(judge, jobs, partial(_limit, timeout_s), progress=progress):
        yield _to_verdict(ending)


@cache
def _shared_pool(workers: int, unsafe: bool, owner: int) -> Pool:
    """Keep one pool per kind, and per process: a fork of this one cannot use what its parent started."""
    return Pool(workers, prepare=partial(warm_up, unsafe=unsafe))


def _make_job(
    response: str, ground_truth: object, data_source: str, extra: Mapping[str, Any] | None, mode: Mode
) -> _Job:
    if mode == "fixed":
        route(data_source)
    return Row("", data_source, response, ground_truth, extra or {}), mode


def _limit(timeout_s: float | None, job: _Job) -> float:
    row, mode = job
    if timeout_s is not None:
        return timeout_s
    try:
        return route(row.data_source, mode).limit_s if isinstance(row, Row) else _DEFAULT_LIMIT_S
    except (DataError, NotImplementedError):
        return _DEFAULT_LIMIT_S


def _judge(job: _Job) -> Verdict:
    """Verify one row; runs in a worker."""
    row, mode = job
    if isinstance(row, Malformed):
        return Verdict(Outcome.ERROR, 0.0, None, row.reason)
    domain = route(row.data_source, mode)
    if mode == "fixed":
        return domain.load_verify()(row)
    score = float(domain.load_score()(row))
    outcome = Outcome.CORRECT if score >= 1 else Outcome.WRONG
    return Verdict(outcome, score, None, f"the public reward function gives {score:g}")


def _judge_gold(job: _Job) -> Verdict:
    """Verify a row's own ground truth; runs in a worker."""
    row, mode = job
    if isinstance(row, Row):
        row = replace(row, response=route(row.data_source).load_write_gold()(row))
    return _judge((row, mode))


def _to_verdict(ending: Ending[Verdict]) -> Verdict:
    match ending:
        case Returned():
            return replace(ending.value, seconds=ending.seconds)
        case Raised():
            return Verdict(Outcome.ERROR, 0.0, None, ending.error, ending.seconds)
        case TimedOut():
            reason = f"not done within {ending.limit_s:g} s"
            return Verdict(Outcome.TIMEOUT, 0.0, None, reason, ending.seconds)
        case Died():
            return Verdict(Outcome.ERROR, 0.0, None, ending.reason, ending.seconds)
