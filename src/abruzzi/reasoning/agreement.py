"""Decides whether two final answers are equal, without ever holding the pipeline up.

Most pairs are settled at once by their canonical forms. The rest need computer algebra, which a hostile answer can keep
busy for ever, so it runs in a process of its own under a wall limit. That process starts when the first such pair
comes, and ends with the question.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio

from abruzzi.errors import VerifierError
from abruzzi.reasoning.run import Agree
from abruzzi.verifiers.agree import agree, agree_quickly, prepare_agreement
from abruzzi.verifiers.pool import Died, Pool, Raised, Returned, TimedOut

LIMIT_S = 5.0
"""Per pair; ordinary algebra takes milliseconds."""


def _agree_pair(pair: tuple[str, str]) -> bool:
    return agree(*pair)


@asynccontextmanager
async def open_agreement(limit_s: float = LIMIT_S) -> AsyncGenerator[Agree]:
    """Open the decision for one question.

    Args:
        limit_s: wall limit per pair that needs computer algebra.

    Yields:
        A function of two answers that says whether they are equal; it raises ``VerifierError`` for a pair that could
        not be decided in time.
    """
    pool = Pool(1, prepare=prepare_agreement)

    async def decide(first: str, second: str) -> bool:
        quick = agree_quickly(first, second)
        if quick is not None:
            return quick
        match await pool.run(_agree_pair, (first, second), limit_s):
            case Returned(value):
                return value
            case TimedOut():
                raise VerifierError(f"undecided after {limit_s:g} s")
            case Raised(reason) | Died(reason):
                raise VerifierError(reason)

    try:
        yield decide
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(pool.close)
