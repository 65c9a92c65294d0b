"""A sample: one item answered once by one system, scored, with everything it took.

An outcome is never folded into a number here: ``correct`` and ``wrong`` carry the verifier's score, ``unparsed`` and
``timeout`` (the verifier gave the reply its whole time) score 0 and are counted apart, ``error`` (the verifier or the
item is broken) and ``failed`` (the system gave no answer because an endpoint failed) have no score at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from abruzzi.errors import RecordError
from abruzzi.ledger import Call, sum_usage
from abruzzi.nouns import Candidate, DecidedBy, FinishReason, Judgement, Outcome, Plan, PlanOutcome, Usage, Verdict


class SampleOutcome(StrEnum):
    """What became of a sample."""

    CORRECT = "correct"
    WRONG = "wrong"
    UNPARSED = "unparsed"
    TIMEOUT = "timeout"
    ERROR = "error"
    """The verifier or the item is broken; no score."""
    FAILED = "failed"
    """The system gave no answer; no score, and tried again when the run is resumed."""


UNSCORED = frozenset({SampleOutcome.ERROR, SampleOutcome.FAILED})


@dataclass(frozen=True, slots=True)
class Sample:
    """One item answered once by one system."""

    item: str
    """The item's id."""
    repeat: int
    """Which of the protocol's runs, from 0."""
    outcome: SampleOutcome
    score: float
    """In [0, 1]; meaningless where ``is_scored`` is false."""
    reason: str
    """Why, in a sentence."""
    answer: str | None = None
    """The final answer; None when there is none."""
    chosen: int | None = None
    """Index of the chosen candidate."""
    decided_by: DecidedBy | None = None
    plan: Plan = field(default_factory=lambda: Plan(PlanOutcome.OFF))
    candidates: tuple[Candidate, ...] = ()
    verdicts: tuple[Verdict | None, ...] = ()
    """One for each candidate; None for one that did not end by itself or at its limit."""
    judgements: tuple[Judgement, ...] = ()
    calls: tuple[Call, ...] = ()
    """The ledger: every upstream call, those of given-up tries included."""
    seconds: float = 0.0
    """Wall time of the try that counts."""
    warnings: tuple[str, ...] = ()

    @property
    def is_scored(self) -> bool:
        """True when the score says something about the system."""
        return self.outcome not in UNSCORED

    @property
    def usage(self) -> Usage:
        """Tokens of all its calls."""
        return sum_usage([call.usage for call in self.calls])

    @property
    def chosen_tokens(self) -> int | None:
        """Generated tokens of the chosen candidate; None where the endpoint does not tell them apart."""
        chosen = next((c for c in self.candidates if c.index == self.chosen), None)
        return None if chosen is None else chosen.num_tokens

    @property
    def is_truncated(self) -> bool:
        """True when the chosen candidate was cut at its token limit."""
        return any(c.index == self.chosen and c.finish_reason is FinishReason.LENGTH for c in self.candidates)

    @property
    def has_correct(self) -> bool:
        """True when at least one candidate is correct: what a perfect choice would have found."""
        return any(v is not None and v.outcome is Outcome.CORRECT for v in self.verdicts)


_ADAPTER = TypeAdapter(Sample)


def sample_to_row(sample: Sample) -> dict[str, Any]:
    """Write a sample as plain JSON types."""
    row: dict[str, Any] = to_jsonable_python(sample)
    return row


def row_to_sample(row: Mapping[str, Any]) -> Sample:
    """Read a row that ``sample_to_row`` wrote.

    Raises:
        RecordError: it lacks a field or holds one of another kind.
    """
    try:
        return _ADAPTER.validate_python(dict(row))
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise RecordError(
            f"a stored sample cannot be read: {where}: {problem['msg']}; it was written by another version of Abruzzi"
        ) from error
