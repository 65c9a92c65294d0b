"""Lets a grader decide what equality cannot: free-text answers, asked about in threads beside the pool.

The pool's workers know no model. They leave such an answer undecided; here, in the caller's process, it is put to the
grader, a few at a time, and the order of the rows is kept. Nothing is computed again that has not ended in a worker.
"""

import time
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TypeGuard

from abruzzi.nouns import Outcome, Verdict
from abruzzi.verifiers.published.science import score_judged
from abruzzi.verifiers.router import SCIENCE, Mode, route
from abruzzi.verifiers.row import Row
from abruzzi.verifiers.science import verify_science
from abruzzi.verifiers.science.grading import Grade

MAX_CALLS = 8
"""To the grader, side by side."""
_MAX_AHEAD = 256
"""Verdicts that may wait for a grader's answer about an earlier row."""


def may_need_grader(row: object) -> TypeGuard[Row]:
    """Say whether a row is worth keeping until its verdict is there."""
    return isinstance(row, Row) and row.data_source.startswith(("stem", "ood__bbeh"))


def needs_grader(row: Row, mode: Mode, verdict: Verdict) -> bool:
    """Say whether a row was left undecided for want of a grader."""
    if mode == "published":
        return row.data_source.startswith("stem_web") and verdict.outcome is Outcome.WRONG
    return verdict.outcome is Outcome.ERROR and verdict.extracted is not None and route(row.data_source) is SCIENCE


def grade_row(row: Row, mode: Mode, grade: Grade) -> Verdict:
    """Verify a row that ``needs_grader`` with the grader's help; whatever that raises is an ``error``."""
    start = time.monotonic()
    if mode == "published":
        score = score_judged(row, grade)
        outcome = Outcome.CORRECT if score >= 1 else Outcome.WRONG
        verdict = Verdict(outcome, score, None, f"the public reward function gives {score:g}")
    else:
        verdict = verify_science(row, grade)
    return replace(verdict, seconds=time.monotonic() - start)


def grade_undecided(
    entries: Iterable[tuple[Row | None, Verdict]], mode: Mode, grade: Grade
) -> Generator[Verdict, None, None]:
    """Pass verdicts on in order, those that need it after the grader's decision.

    Args:
        entries: verdicts, each with its row where a grader may be needed.
        mode: as the verdicts were made in.
        grade: called from up to eight threads at a time.
    """
    waiting: deque[Verdict | Future[Verdict]] = deque()
    threads = ThreadPoolExecutor(MAX_CALLS, thread_name_prefix="abruzzi-grader")
    try:
        for row, verdict in entries:
            if row is not None and needs_grader(row, mode, verdict):
                waiting.append(threads.submit(grade_row, row, mode, grade))
            else:
                waiting.append(verdict)
            while waiting and (len(waiting) > _MAX_AHEAD or _is_decided(waiting[0])):
                yield _decision(waiting.popleft())
        while waiting:
            yield _decision(waiting.popleft())
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def _is_decided(entry: Verdict | Future[Verdict]) -> bool:
    return isinstance(entry, Verdict) or entry.done()


def _decision(entry: Verdict | Future[Verdict]) -> Verdict:
    return entry if isinstance(entry, Verdict) else entry.result()
