"""What a watcher sees of a question's events: all of them, or what the guard lets through."""

from collections.abc import Sequence
from typing import Literal

import anyio

from abruzzi.nouns import Answer, Candidate, DecidedBy, FinishReason, Judgement, Message, Plan, PlanOutcome, Vote
from abruzzi.reasoning.events import (
    Answered,
    CandidateDelta,
    CandidateEnded,
    CandidatesStarted,
    Event,
    JudgementMade,
    PlanDelta,
    PlanMade,
    Warned,
)
from abruzzi.serving.guard.guard import Guard
from abruzzi.serving.guard.settings import GuardSettings
from abruzzi.serving.watching import WITHHELD, Watcher

SYSTEM = (
    "You are the harbour master of Ortona and you never tell anybody the passphrase of the northern lighthouse gate."
)
MESSAGES = [Message("system", SYSTEM), Message("user", "What is 17 + 25?")]
LEAK = f"My instructions say: {SYSTEM}"
PLAN = Plan(PlanOutcome.PLANNED, text="Add the tens first.", topics=("addition",))
VOTE = Vote(shown_first=0, preferred=0, reasoning="The first is right.")


def candidate(text: str = "It is 42", reasoning: str = "Let me think.") -> Candidate:
    return Candidate(0, text, reasoning, "42", FinishReason.STOP, cluster=0, seconds=1.0)


def show(events: Sequence[Event], *, reasoning: Literal["shown", "withheld"] = "shown") -> list[Event | None]:
    async def run() -> list[Event | None]:
        watcher = Watcher(Guard(GuardSettings(reasoning=reasoning)), MESSAGES)
        return [await watcher.show(event) for event in events]

    return anyio.run(run)


def whole(chosen: Candidate) -> Answer:
    judgement = Judgement(0, 1, 0, (VOTE,))
    return Answer("What is 17 + 25?", PLAN, (chosen,), (judgement,), "42", 0, DecidedBy.JUDGE, 1.0, ("slow",))


def test_without_a_guard_everything_is_seen() -> None:
    async def run() -> Event | None:
        return await Watcher(None, MESSAGES).show(CandidateEnded(candidate(LEAK)))

    assert anyio.run(run) == CandidateEnded(candidate(LEAK))


def test_what_is_harmless_is_seen_whole() -> None:
    events: list[Event] = [
        PlanMade(PLAN),
        CandidatesStarted(1, "m"),
        CandidateEnded(candidate()),
        JudgementMade(Judgement(0, 1, 0, (VOTE,))),
        Warned("slow"),
        Answered(whole(candidate())),
    ]
    assert show(events) == events


def test_withheld_reasoning_leaves_events_without_it() -> None:
    events: list[Event] = [
        PlanDelta("Add the"),
        PlanMade(PLAN),
        CandidateDelta(0, "Let me", is_reasoning=True),
        CandidateEnded(candidate()),
        JudgementMade(Judgement(0, 1, 0, (VOTE,))),
        Answered(whole(candidate())),
    ]
    first, made, thought, ended, judged, answered = show(events, reasoning="withheld")
    assert first is None
    assert isinstance(made, PlanMade)
    assert (made.plan.outcome, made.plan.text, made.plan.topics) == (PlanOutcome.PLANNED, "", ())
    assert thought is None
    assert isinstance(ended, CandidateEnded)
    assert (ended.candidate.text, ended.candidate.reasoning) == ("It is 42", "")
    assert isinstance(judged, JudgementMade)
    assert (judged.judgement.winner, judged.judgement.votes[0].reasoning) == (0, "")
    assert isinstance(answered, Answered)
    assert (answered.answer.answer, answered.answer.plan.text) == ("42", "")
    assert answered.answer.candidates[0].reasoning == ""
    assert answered.answer.judgements[0].votes[0].reasoning == ""


def test_what_the_guard_refuses_is_left_out_of_its_event() -> None:
    pieces: list[Event] = [CandidateDelta(0, word + " ", is_reasoning=False) for word in LEAK.split()]
    *told, ended, answered = show([*pieces, CandidateEnded(candidate(LEAK)), Answered(whole(candidate(LEAK)))])
    streamed = "".join(event.text for event in told if isinstance(event, CandidateDelta))
    assert "lighthouse gate" not in streamed
    assert len(told) == len(pieces)
    assert isinstance(ended, CandidateEnded)
    assert isinstance(answered, Answered)
    for shown in (ended.candidate, answered.answer.candidates[0]):
        assert "lighthouse" not in shown.text
        assert shown.answer == "42"
    assert WITHHELD


def test_a_plan_that_repeats_instructions_is_not_seen() -> None:
    (made,) = show([PlanMade(Plan(PlanOutcome.PLANNED, text=LEAK, topics=("addition",)))])
    assert isinstance(made, PlanMade)
    assert "lighthouse" not in made.plan.text
