"""Tells what happens to a question as text for two channels: thoughts while it is being answered, then the answer.

What a stream sends piece by piece and what a whole reply holds come from the same narrator. With several candidates the
thoughts are the plan and a line for each step, and the answer comes once it is chosen. A single candidate's own
thoughts and text are passed on while they are written. The answer is the chosen candidate's text without its
``<answer>`` tags.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, cast

from pydantic_core import from_json

from abruzzi.nouns import Candidate, FinishReason, Judgement, Plan, PlanOutcome
from abruzzi.reasoning.adaptive import describe_choice
from abruzzi.reasoning.events import (
    CandidateDelta,
    CandidateEnded,
    CandidateRestarted,
    CandidatesStarted,
    Chose,
    Event,
    JudgementMade,
    PlanDelta,
    PlanMade,
    PlanStarted,
    Settled,
    Warned,
)
from abruzzi.serving.answer_tags import AnswerText
from abruzzi.serving.faults import hide_addresses
from abruzzi.serving.refusal import Refusal

Channel = Literal["reasoning", "content"]


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text for a channel of a choice."""

    channel: Channel
    text: str
    index: int = 0


class PlanReader:
    """Reads the plan's text out of the planner's growing JSON reply."""

    def __init__(self) -> None:
        self._raw = ""
        self.text = ""
        """The plan so far."""

    def feed(self, piece: str) -> str:
        """Take the next piece of the reply; return what it adds to the plan."""
        self._raw += piece
        start = self._raw.find("{")
        if start < 0:
            return ""
        try:
            reply: object = from_json(self._raw[start:], allow_partial="trailing-strings")
        except ValueError:
            return ""
        plan = cast("dict[str, object]", reply).get("plan") if isinstance(reply, dict) else None
        if not isinstance(plan, str) or not plan.startswith(self.text):
            return ""
        added, self.text = plan[len(self.text) :], plan
        return added


@dataclass(slots=True)
class _Live:
    """A choice that is passed on while it is written."""

    answer: AnswerText
    text: str = ""
    """What it has said, since it last began."""
    sent: str = ""
    """What was passed on before it began again."""
    moved: str = ""
    """Thoughts since it last began; they may repeat what was sent as text."""


@dataclass(slots=True)
class Narrator:
    """Turns events into pieces."""

    is_live: bool
    """Pass the candidates' own text on; only the plain upstream has more than one then."""
    is_upstream: bool = False
    """The plain upstream's text stays as it is, and there are no steps to tell."""
    _plan: PlanReader = field(default_factory=PlanReader)
    _live: dict[int, _Live] = field(default_factory=dict[int, _Live])
    _num_candidates: int = 0
    _num_ended: int = 0

    def hear(self, event: Event) -> Iterable[Piece]:
        """Tell an event.

        Raises:
            Refusal: a candidate began again and now says something else than what was passed on.
        """
        match event:
            case CandidateDelta() if self.is_live:
                yield from self._grow(event)
            case CandidateRestarted(index) if self.is_live:
                self._restart(index)
            case PlanDelta(text):
                if added := self._plan.feed(text):
                    yield Piece("reasoning", added)
            case CandidatesStarted(n):
                self._num_candidates = n
                if n > 1 and not self.is_upstream:
                    yield Piece("reasoning", f"Asking for {n} candidates.\n")
            case _:
                if not self.is_upstream:
                    yield from (Piece("reasoning", line) for line in self._tell_step(event))

    def _grow(self, event: CandidateDelta) -> Iterator[Piece]:
        live = self._live.setdefault(event.index, _Live(AnswerText(keeps_tags=self.is_upstream)))
        if event.is_reasoning:
            live.moved += event.text
            if not live.sent:
                yield Piece("reasoning", event.text, event.index)
            return
        live.text += event.text
        new = event.text
        if live.sent:
            new = _skip_told(live, event.text)
        if new and (shown := live.answer.feed(new)):
            yield Piece("content", shown, event.index)

    def _restart(self, index: int) -> None:
        live = self._live.get(index)
        if live is not None:
            live.sent = live.sent or live.text
            live.text = live.moved = ""

    def _tell_step(self, event: Event) -> Iterator[str]:
        match event:
            case Chose(choice):
                yield f"Chose {describe_choice(choice)}.\n"
            case PlanStarted():
                yield "Planning.\n"
            case PlanMade(plan):
                yield self._tell_plan(plan)
            case CandidateEnded(candidate) if self._num_candidates > 1:
                self._num_ended += 1
                yield f"Candidate {self._num_ended} of {self._num_candidates} ended: {describe(candidate)}\n"
            case Settled(_, size, num_cancelled):
                yield f"{size} candidates agree; the remaining {num_cancelled} can no longer change that.\n"
            case JudgementMade(judgement):
                yield tell_judgement(judgement)
            case Warned(message):
                yield f"Note: {hide_addresses(message)}\n"
            case _:
                pass

    def _tell_plan(self, plan: Plan) -> str:
        if plan.outcome is PlanOutcome.PLANNED:
            return "\n\n" if self._plan.text else f"{plan.text}\n\n"
        start = "\n" if self._plan.text else ""
        return f"{start}No plan: {hide_addresses(plan.reason)}\n" if plan.reason else start


def _skip_told(live: _Live, piece: str) -> str:
    """Of a piece of a choice that began again, return what was not passed on before.

    Raises:
        Refusal: it says something else now; what a client has read cannot be taken back.
    """
    if live.moved.strip() and live.sent.strip().startswith(live.moved.strip()[: len(live.sent.strip())]):
        # The reply had begun inside a thought: what was passed on as text was that thought.
        live.sent = ""
        return "\n\n" + piece
    if live.sent.startswith(live.text):
        return ""
    if live.text.startswith(live.sent):
        new, live.sent = live.text[len(live.sent) :], ""
        return new
    raise Refusal(
        "the upstream broke off in the middle of the answer and began a different one; ask again",
        status=502,
        type="upstream_error",
        code="upstream_restarted",
    )


def describe(candidate: Candidate) -> str:
    """Say in a few words how a candidate ended."""
    if candidate.tool_calls:
        return "it calls " + ", ".join(call.name for call in candidate.tool_calls)
    match candidate.finish_reason:
        case FinishReason.ERROR:
            return f"it failed: {hide_addresses(candidate.error or 'no reason given')}"
        case FinishReason.CANCELLED:
            return "it was cancelled"
        case FinishReason.LENGTH:
            return "it was cut at its token limit"
        case _ if candidate.answer is None:
            return "it holds no clear answer"
        case _:
            answer = " ".join(candidate.answer.split())
            return answer if len(answer) <= 200 else answer[:199] + "…"


def tell_judgement(judgement: Judgement) -> str:
    """Tell what the judge found, order by order."""
    first, second = judgement.first + 1, judgement.second + 1
    winner = "neither" if judgement.winner is None else f"candidate {judgement.winner + 1}"
    lines = [f"The judge compared candidates {first} and {second}: {winner} is preferred.\n"]
    for vote in judgement.votes:
        if vote.reasoning:
            lines.append(f"  With candidate {vote.shown_first + 1} first: {' '.join(vote.reasoning.split())}\n")
    return "".join(lines)
