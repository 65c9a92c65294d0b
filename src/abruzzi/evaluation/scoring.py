"""Scores replies: the verifiers of training and answering, put to an item's ground truth.

A reply that was cut at its token limit holds an answer only where it says so itself (a tag, a box, "the answer is …");
the last number on its last line is where it happened to be cut. Replies whose whole text is the answer (programs,
instructions to be followed) are verified as they are.
"""

from collections.abc import Awaitable, Callable, Sequence

import anyio

from abruzzi.data.items import Item
from abruzzi.nouns import Candidate, FinishReason, Outcome, Verdict
from abruzzi.verifiers import verify_async
from abruzzi.verifiers.extract import How, extract_answer
from abruzzi.verifiers.router import CODE, CRUXEVAL, INSTRUCTIONS, route

Judge = Callable[[Item, str], Awaitable[Verdict]]
"""Holds a reply against an item's ground truth; takes its time, never hangs."""

_WHOLE_REPLY = frozenset({CODE.name, CRUXEVAL.name, INSTRUCTIONS.name})
_ENDED = frozenset({FinishReason.STOP, FinishReason.LENGTH})


async def verify_item(item: Item, reply: str) -> Verdict:
    """Verify a reply in a process that can be killed.

    Raises:
        DataError: no verifier takes the item's data source.
    """
    return await verify_async(reply, item.ground_truth, data_source=item.data_source, extra=item.extra)


async def score_candidates(
    item: Item, candidates: Sequence[Candidate], judge: Judge = verify_item
) -> tuple[Verdict | None, ...]:
    """Verify candidates side by side.

    Returns:
        A verdict for each, in order; None for one that was cancelled or failed.

    Raises:
        DataError: no verifier takes the item's data source.
    """
    route(item.data_source)  # raised from here it is itself, and not a group of what each candidate met
    verdicts: list[Verdict | None] = [None] * len(candidates)

    async def score(place: int, candidate: Candidate) -> None:
        verdicts[place] = await score_candidate(item, candidate, judge)

    async with anyio.create_task_group() as group:
        for place, candidate in enumerate(candidates):
            if candidate.finish_reason in _ENDED:
                group.start_soon(score, place, candidate)
    return tuple(verdicts)


async def score_candidate(item: Item, candidate: Candidate, judge: Judge = verify_item) -> Verdict:
    """Verify one candidate's text."""
    if candidate.finish_reason is FinishReason.LENGTH and route(item.data_source).name not in _WHOLE_REPLY:
        extracted = extract_answer(candidate.text)
        if extracted is None or not extracted.is_whole or extracted.how is How.LAST_LINE:
            return Verdict(Outcome.UNPARSED, 0.0, None, "cut at its token limit before it stated an answer")
    return await judge(item, candidate.text)
