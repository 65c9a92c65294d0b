"""What somebody who watches a question may see of its events: all of them, or what the guard lets through of each.

A piece passes a window of the guard as it comes; a finished text is checked whole, once, however many events repeat it.
What the guard withholds is left out of its event, and the event itself still comes: a watcher sees that a candidate
ended also where its text is not for him. Whether the question as a whole goes on is not decided here.

Guard or no guard, where the upstreams live is the operator's business: errors are told without their addresses.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from abruzzi.ledger import Ledger
from abruzzi.nouns import Answer, Candidate, Judgement, Message, Plan
from abruzzi.reasoning.events import (
    Answered,
    CallEnded,
    CandidateDelta,
    CandidateEnded,
    CandidateRestarted,
    Event,
    Failed,
    JudgementMade,
    PlanDelta,
    PlanMade,
    Warned,
)
from abruzzi.serving.faults import explain_failure, hide_addresses
from abruzzi.serving.guard.guard import Channel, Guard, Window
from abruzzi.serving.refusal import Refusal

WITHHELD = "(withheld)"
"""Stands where the guard lets nothing of an answer through."""
PLAN = -1
"""The plan's stream, beside those of the candidates."""


@dataclass(slots=True)
class Watcher:
    """Shows one question's events to one client."""

    guard: Guard | None
    messages: Sequence[Message]
    """The conversation, whose system messages the guard protects too."""
    ledger: Ledger | None = None
    """Gets the calls of the guard's model."""
    _windows: dict[tuple[Channel, int], Window | None] = field(default_factory=dict[tuple[Channel, int], Window | None])
    """None where the guard has ended a stream."""
    _checked: dict[tuple[Channel, str], str] = field(default_factory=dict[tuple[Channel, str], str])

    async def show(self, event: Event) -> Event | None:
        """Return an event as it may be seen; None where nothing of it may be, or not yet."""
        guard, event = self.guard, hide_insides(event)
        if guard is None:
            return event
        match event:
            case PlanDelta(text):
                shown = await self._push(guard, "reasoning", PLAN, text)
                return PlanDelta(shown) if shown else None
            case CandidateDelta(index, text, is_reasoning):
                shown = await self._push(guard, "reasoning" if is_reasoning else "answer", index, text)
                return replace(event, text=shown) if shown else None
            case _:
                return await self._show_whole(event)

    async def _show_whole(self, event: Event) -> Event:
        """Show an event that is no piece of a stream."""
        match event:
            case CandidateRestarted(index):
                for channel in ("answer", "reasoning"):
                    self._windows.pop((channel, index), None)
                return replace(event, reason=await self._check("answer", event.reason))
            case PlanMade(plan):
                return PlanMade(await self._show_plan(plan))
            case CandidateEnded(candidate):
                return CandidateEnded(await self._show_candidate(candidate))
            case JudgementMade(judgement):
                return JudgementMade(await self._show_judgement(judgement))
            case Warned(message):
                return Warned(await self._check("answer", message))
            case Failed(kind, message):
                return Failed(kind, await self._check("answer", message))
            case CallEnded(call) if call.error is not None:
                return CallEnded(replace(call, error=await self._check("answer", call.error)))
            case Answered(answer):
                return Answered(await self._show_answer(answer))
            case _:
                return event

    async def _push(self, guard: Guard, channel: Channel, index: int, text: str) -> str:
        if channel == "reasoning" and not guard.shows_reasoning:
            return ""
        place = channel, index
        if place not in self._windows:
            self._windows[place] = guard.window(channel, messages=self.messages, ledger=self.ledger)
        window = self._windows[place]
        if window is None:
            return ""
        try:
            return await window.push(text)
        except Refusal:
            self._windows[place] = None
            return ""

    async def _check(self, channel: Channel, text: str) -> str:
        assert self.guard is not None, "nothing is checked without a guard"
        if not text or (channel, text) in self._checked:
            return self._checked.get((channel, text), text)
        check = self.guard.check_answer if channel == "answer" else self.guard.check_reasoning
        try:
            shown = await check(text, messages=self.messages, ledger=self.ledger)
        except Refusal:
            shown = WITHHELD if channel == "answer" else ""
        self._checked[channel, text] = shown
        return shown

    async def _show_plan(self, plan: Plan) -> Plan:
        topics = "\n".join(plan.topics)
        return replace(
            plan,
            text=await self._check("reasoning", plan.text),
            reason=await self._check("reasoning", plan.reason),
            topics=plan.topics if await self._check("reasoning", topics) == topics else (),
        )

    async def _show_candidate(self, candidate: Candidate) -> Candidate:
        calls = [replace(c, arguments=await self._check("answer", c.arguments)) for c in candidate.tool_calls]
        return replace(
            candidate,
            text=await self._check("answer", candidate.text),
            reasoning=await self._check("reasoning", candidate.reasoning),
            answer=None if candidate.answer is None else await self._check("answer", candidate.answer),
            error=None if candidate.error is None else await self._check("answer", candidate.error),
            tool_calls=tuple(calls),
        )

    async def _show_judgement(self, judgement: Judgement) -> Judgement:
        votes = [
            replace(
                vote,
                reasoning=await self._check("reasoning", vote.reasoning),
                error=None if vote.error is None else await self._check("reasoning", vote.error),
            )
            for vote in judgement.votes
        ]
        return replace(judgement, votes=tuple(votes))

    async def _show_answer(self, answer: Answer) -> Answer:
        return replace(
            answer,
            answer=await self._check("answer", answer.answer),
            plan=await self._show_plan(answer.plan),
            candidates=tuple([await self._show_candidate(candidate) for candidate in answer.candidates]),
            judgements=tuple([await self._show_judgement(judgement) for judgement in answer.judgements]),
            warnings=tuple([await self._check("answer", warning) for warning in answer.warnings]),
        )


def hide_insides(event: Event) -> Event:
    """Take out of an event what errors say of the server and its upstreams."""
    match event:
        case Failed(kind, message):
            return Failed(kind, explain_failure(kind, message))
        case CandidateRestarted():
            return replace(event, reason=hide_addresses(event.reason))
        case CandidateEnded(candidate):
            return CandidateEnded(_hide_error(candidate))
        case JudgementMade(judgement):
            return JudgementMade(_hide_errors(judgement))
        case PlanMade(plan):
            return PlanMade(_hide_reason(plan))
        case Warned(message):
            return Warned(hide_addresses(message))
        case Answered(answer):
            hidden = replace(
                answer,
                plan=_hide_reason(answer.plan),
                candidates=tuple(map(_hide_error, answer.candidates)),
                judgements=tuple(map(_hide_errors, answer.judgements)),
                warnings=tuple(map(hide_addresses, answer.warnings)),
            )
            return Answered(hidden)
        case CallEnded(call):
            return event if call.error is None else CallEnded(replace(call, error=hide_addresses(call.error)))
        case _:
            return event


def _hide_error(candidate: Candidate) -> Candidate:
    return candidate if candidate.error is None else replace(candidate, error=hide_addresses(candidate.error))


def _hide_errors(judgement: Judgement) -> Judgement:
    votes = [
        vote if vote.error is None else replace(vote, error=hide_addresses(vote.error)) for vote in judgement.votes
    ]
    return replace(judgement, votes=tuple(votes))


def _hide_reason(plan: Plan) -> Plan:
    return replace(plan, reason=hide_addresses(plan.reason))
