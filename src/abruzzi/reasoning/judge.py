"""Compares two candidates: both orders, reasons before the verdict, contestants' text fenced in.

Departures from the published judge (arXiv 2509.07604, whose script asks once, in one order, for an index before its
explanation, under a key that its own prompt misnames):

1. Both orders are asked, side by side; a verdict that flips with the order is a tie, not a win for the first.
2. The schema puts ``reasoning`` before ``verdict``.
3. Each response stands between lines that carry a mark which its author cannot know, so that text imitating the
   judge's format stays text. It is given behind the question: an engine's prefix cache serves the instructions to every
   comparison, and the question to all comparisons of it.
4. A judge that fails, rambles or times out yields a vote without preference; it never loses a candidate.
"""

import secrets
from collections.abc import Callable
from typing import Literal

import anyio
from pydantic import BaseModel, ConfigDict, ValidationError

from abruzzi.errors import ModelError
from abruzzi.models.chat import ChatRequest, Schema
from abruzzi.nouns import Candidate, FinishReason, Judgement, Message, Role, Vote
from abruzzi.reasoning.conversation import describe_call
from abruzzi.reasoning.prompts import fill, read_prompt
from abruzzi.reasoning.run import Run
from abruzzi.reasoning.settings import JudgeReads

JUDGE_SCHEMA = Schema(
    name="verdict",
    body={
        "type": "object",
        "properties": {
            "reasoning": {"type": "string"},
            "verdict": {"type": "string", "enum": ["first", "second", "tie"]},
        },
        "required": ["reasoning", "verdict"],
        "additionalProperties": False,
    },
)

MAX_RESPONSE_CHARS = 24_000
"""A longer response is shown to the judge by its head and its tail."""
CHARS_PER_TOKEN = 3
"""Cautious, so that two responses and the question fit a small model's context."""

NewMark = Callable[[], str]
"""Makes the mark of one question's comparisons; tests pass their own."""


class JudgeReply(BaseModel):
    """What a judge says of two responses."""

    model_config = ConfigDict(extra="ignore")
    reasoning: str = ""
    verdict: Literal["first", "second", "tie"]


def new_mark() -> str:
    """Make a mark that no contestant can guess: 64 random bits in hex."""
    return secrets.token_hex(8)


async def compare(run: Run, first: Candidate, second: Candidate, *, mark: str) -> Judgement:
    """Compare two candidates in both orders.

    Args:
        run: the question under way.
        first: a candidate.
        second: the other one.
        mark: see ``new_mark``. The same for all comparisons of a question: it was made after the candidates were, and
            their prompts share all up to the first response that way.

    Returns:
        The judgement, noted in the run too; its winner is None unless both orders prefer the same candidate.
    """
    votes: dict[int, Vote] = {}

    async def vote(shown_first: Candidate, shown_second: Candidate) -> None:
        votes[shown_first.index] = await _ask_judge(run, shown_first, shown_second, mark)

    async with anyio.create_task_group() as group:
        group.start_soon(vote, first, second)
        group.start_soon(vote, second, first)
    return read_votes(first.index, second.index, (votes[first.index], votes[second.index]))


def read_votes(first: int, second: int, votes: tuple[Vote, ...]) -> Judgement:
    """Turn the votes of both orders into a judgement: they must name the same candidate."""
    preferred = {vote.preferred for vote in votes}
    winner = preferred.pop() if len(preferred) == 1 else None
    return Judgement(first=first, second=second, winner=winner, votes=votes)


async def _ask_judge(run: Run, shown_first: Candidate, shown_second: Candidate, mark: str) -> Vote:
    try:
        completions = await run.roles.judge.complete(
            _judge_request(run, shown_first, shown_second, mark), ledger=run.ledger
        )
    except ModelError as error:
        return Vote(shown_first.index, None, "", error=str(error))
    completion = completions[0]
    if completion.finish_reason is FinishReason.ERROR:
        return Vote(shown_first.index, None, completion.text, error=completion.error or "the judge's call failed")
    reply = read_judge_reply(completion.text)
    if reply is None:
        reason = "was cut at its token limit" if completion.finish_reason is FinishReason.LENGTH else "is not a verdict"
        return Vote(
            shown_first.index, None, completion.text, error=f"the judge's reply {reason}: {completion.text[:80]!r}"
        )
    preferred = {"first": shown_first.index, "second": shown_second.index, "tie": None}[reply.verdict]
    return Vote(shown_first.index, preferred, reply.reasoning)


def read_judge_reply(text: str) -> JudgeReply | None:
    """Read the JSON of a judge's reply; None when it holds no verdict."""
    try:
        return JudgeReply.model_validate_json(text[text.find("{") :])
    except (ValueError, ValidationError):
        return None


def judge_messages(question: str, first: str, second: str, *, mark: str) -> tuple[Message, ...]:
    """Write what the judge is asked.

    Args:
        question: what the contestants were asked.
        first: the response shown first, short enough already.
        second: the other one.
        mark: stands on the lines between which a response stands; see ``new_mark``.
    """
    system, user = read_prompt("judge")
    content = fill(user, question=question, mark=mark, first=first, second=second)
    return Message("system", system), Message("user", content)


def write_response(text: str, thoughts: str, reads: JudgeReads) -> str:
    """Write a response as the judge reads it: what follows the thoughts, or the thoughts too, in ``<think>``."""
    return f"<think>{thoughts}</think>\n{text}" if reads == "thoughts" and thoughts else text


def show_candidate(candidate: Candidate, reads: JudgeReads) -> str:
    """Write a candidate as the judge reads it: its response, and its calls of tools, a line each."""
    response = write_response(candidate.text, candidate.reasoning, reads)
    return "\n".join([*([response] if response else []), *map(describe_call, candidate.tool_calls)])


def _judge_request(run: Run, shown_first: Candidate, shown_second: Candidate, mark: str) -> ChatRequest:
    question, limit = _fit_context(run)
    first, second = (
        shorten(show_candidate(shown, run.settings.judge_reads), limit) for shown in (shown_first, shown_second)
    )
    return ChatRequest(
        role=Role.JUDGE,
        messages=judge_messages(question, first, second, mark=mark),
        max_tokens=run.settings.judge_tokens,
        temperature=0.0,
        seed=run.settings.seed,
        schema=JUDGE_SCHEMA,
        timeouts=run.settings.timeouts,
    )


def _fit_context(run: Run) -> tuple[str, int]:
    """Give the question as the judge's context takes it, and how many characters of each response it takes.

    A plain question is never cut. A conversation may leave the responses no room; it gets at most half.
    """
    question, context = run.told, run.roles.judge.max_context
    if context is None:
        return question, MAX_RESPONSE_CHARS
    room = (context - run.settings.judge_tokens) * CHARS_PER_TOKEN - len("".join(read_prompt("judge")))
    if run.conversation is not None and not run.conversation.is_plain:
        question = shorten(question, max(200, room // 2))
    return question, max(200, min(MAX_RESPONSE_CHARS, (room - len(question)) // 2))


def shorten(text: str, limit: int) -> str:
    """Leave out the middle of a text that is longer than the limit; the final answer stands at its end."""
    if len(text) <= limit:
        return text
    head, tail = limit // 3, limit - limit // 3
    return f"{text[:head]}\n[… {len(text) - limit} characters left out …]\n{text[-tail:]}"
