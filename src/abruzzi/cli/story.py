"""What is known of one question at this moment, gathered from its events.

The live view, the plain view, Ctrl-C, ``abruzzi show`` and ``--json`` all read the same story, so that they cannot tell
different ones.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_jsonable_python

from abruzzi.ledger import Call, Ledger, Totals
from abruzzi.nouns import Answer, Candidate, Judgement, Plan
from abruzzi.reasoning.adaptive import Choice
from abruzzi.reasoning.events import (
    Answered,
    CallEnded,
    CandidateDelta,
    CandidateEnded,
    CandidateRestarted,
    CandidatesStarted,
    Chose,
    Event,
    Failed,
    JudgementMade,
    PlanDelta,
    PlanMade,
    PlanStarted,
    Settled,
    Warned,
)


@dataclass(slots=True)
class Growing:
    """A candidate that is still being written."""

    text: str = ""
    num_pieces: int = 0
    """Deltas so far; most servers send a token in each."""
    first_piece_s: float | None = None
    last_piece_s: float = 0.0

    @property
    def pieces_per_second(self) -> float | None:
        """Speed since the first piece; None before there is one."""
        if self.first_piece_s is None or self.last_piece_s <= self.first_piece_s:
            return None
        return (self.num_pieces - 1) / (self.last_piece_s - self.first_piece_s)


@dataclass(slots=True)
class Story:
    """One question's story so far."""

    question: str
    planner: str | None = None
    plan_pieces: int = 0
    plan: Plan | None = None
    solver: str | None = None
    growing: dict[int, Growing] = field(default_factory=dict[int, Growing])
    candidates: dict[int, Candidate] = field(default_factory=dict[int, Candidate])
    settled: Settled | None = None
    choices: list[Choice] = field(default_factory=list[Choice])
    """What was chosen on the way and why, while adapting."""
    judgements: list[Judgement] = field(default_factory=list[Judgement])
    warnings: list[str] = field(default_factory=list[str])
    calls: list[Call] = field(default_factory=list[Call])
    answer: Answer | None = None
    failure: Failed | None = None
    seconds: float = 0.0

    def hear(self, event: Event, at_s: float) -> None:
        """Take in an event.

        Args:
            event: what happened.
            at_s: seconds since the question was asked.
        """
        self.seconds = max(self.seconds, at_s)
        match event:
            case PlanStarted(model):
                self.planner = model
            case PlanDelta():
                self.plan_pieces += 1
            case PlanMade(plan):
                self.plan = plan
            case CandidatesStarted(n, model):
                self.solver = model
                self.growing |= {index: Growing() for index in range(n) if index not in self.growing}
            case CandidateDelta(index, text):
                self._grow(index, text, at_s)
            case CandidateRestarted(index):
                self.growing[index] = Growing()
            case CandidateEnded(candidate):
                self.candidates[candidate.index] = candidate
            case Chose(choice):
                self.choices.append(choice)
            case Settled():
                self.settled = event
            case JudgementMade(judgement):
                self.judgements.append(judgement)
            case Warned(message):
                self.warnings.append(message)
            case CallEnded(call):
                self.calls.append(call)
            case Answered(answer):
                self.answer = answer
                self.plan = answer.plan
                self.candidates = {candidate.index: candidate for candidate in answer.candidates}
            case Failed():
                self.failure = event

    def _grow(self, index: int, text: str, at_s: float) -> None:
        growing = self.growing.setdefault(index, Growing())
        growing.text += text
        growing.num_pieces += 1
        growing.last_piece_s = at_s
        if growing.first_piece_s is None:
            growing.first_piece_s = at_s

    def totals(self) -> Totals:
        """The bill so far."""
        return Ledger(calls=self.calls).totals()

    def clusters(self) -> list[tuple[str, list[int]]]:
        """The answers given so far with the candidates that gave them, the most frequent first."""
        members: dict[int, list[int]] = {}
        for candidate in sorted(self.candidates.values(), key=lambda c: c.index):
            if candidate.cluster is not None:
                members.setdefault(candidate.cluster, []).append(candidate.index)
        sizes = Counter({cluster: len(indices) for cluster, indices in members.items()})
        return [(self.candidates[cluster].answer or "", members[cluster]) for cluster, _ in sizes.most_common()]

    def to_object(self) -> dict[str, Any]:
        """The one JSON object that ``--json`` prints; ``answer`` is null only where the question failed."""
        answer = self.answer
        return {
            "question": self.question,
            "plan": to_jsonable_python(self.plan),
            "candidates": [to_jsonable_python(self.candidates[index]) for index in sorted(self.candidates)],
            "judgements": to_jsonable_python(self.judgements),
            "choices": to_jsonable_python(self.choices),
            "answer": None if answer is None else answer.answer,
            "chosen": None if answer is None else answer.chosen,
            "decided_by": None if answer is None else answer.decided_by.value,
            "warnings": list(self.warnings),
            "error": None if self.failure is None else to_jsonable_python(self.failure),
            "ledger": {"calls": to_jsonable_python(self.calls), "totals": to_jsonable_python(self.totals())},
            "seconds": round(self.seconds, 4) if answer is None else round(answer.seconds, 4),
        }
