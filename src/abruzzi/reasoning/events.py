"""What happens while a question is being answered, as it happens.

The pipeline tells one listener of each event, in order; a terminal view, a recorder and a server are such listeners.
An event is whole in itself: who joins late needs only the events that are not deltas.
"""

from collections.abc import Callable
from dataclasses import dataclass

from abruzzi.ledger import Call
from abruzzi.nouns import Answer, Candidate, Judgement, Plan
from abruzzi.reasoning.adaptive import Choice


@dataclass(frozen=True, slots=True)
class Chose:
    """The next step was chosen, while adapting."""

    choice: Choice


@dataclass(frozen=True, slots=True)
class PlanStarted:
    """The planner was asked."""

    model: str


@dataclass(frozen=True, slots=True)
class PlanDelta:
    """A piece of the planner's raw reply."""

    text: str


@dataclass(frozen=True, slots=True)
class PlanMade:
    """The plan that the candidates will be shown, or why there is none."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class CandidatesStarted:
    """The solver was asked for this many candidates, those of earlier waves included."""

    n: int
    model: str


@dataclass(frozen=True, slots=True)
class CandidateDelta:
    """A piece of a candidate."""

    index: int
    text: str
    is_reasoning: bool


@dataclass(frozen=True, slots=True)
class CandidateRestarted:
    """A candidate's stream broke and began again: forget its deltas."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class CandidateEnded:
    """A candidate is finished, cancelled or failed; its cluster is the one known so far."""

    candidate: Candidate


@dataclass(frozen=True, slots=True)
class Settled:
    """A majority agreed that the remaining candidates cannot overturn; they are being cancelled."""

    cluster: int
    size: int
    num_cancelled: int


@dataclass(frozen=True, slots=True)
class JudgementMade:
    """Two candidates were compared in both orders."""

    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Warned:
    """Something went wrong without stopping the question."""

    message: str


@dataclass(frozen=True, slots=True)
class CallEnded:
    """An upstream call ended, well or not."""

    call: Call


@dataclass(frozen=True, slots=True)
class Answered:
    """The question has its answer."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Failed:
    """The question has no answer; everything that was finished stands in earlier events."""

    kind: str
    """The error's type."""
    message: str


Event = (
    Chose
    | PlanStarted
    | PlanDelta
    | PlanMade
    | CandidatesStarted
    | CandidateDelta
    | CandidateRestarted
    | CandidateEnded
    | Settled
    | JudgementMade
    | Warned
    | CallEnded
    | Answered
    | Failed
)
Listen = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Drop an event: the listener of a caller that needs only the answer."""
