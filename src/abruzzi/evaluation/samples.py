"""A sample: one item answered once by one system, scored, with everything it took.

An outcome is never folded into a number here: ``correct`` and ``wrong`` carry the verifier's score, ``unparsed`` and
``timeout`` (the verifier gave the reply its whole time) score 0 and are counted apart, ``error`` (the verifier or the
item is broken) and ``failed`` (the system gave no answer because an endpoint failed) have no score at all.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from abruzzi.evaluation.store import Store
from abruzzi.ledger import Call, sum_usage
from abruzzi.nouns import Candidate, DecidedBy, FinishReason, Judgement, Outcome, Plan, PlanOutcome, Usage, Verdict

SAMPLES_FILE = "samples.jsonl"


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
    def key(self) -> tuple[str, int]:
        """Item and repeat: a sample is made once."""
        return self.item, self.repeat

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


def sample_store(folder: Path) -> Store[Sample]:
    """Open the samples of an evaluation's folder; a failed sample gives way to a later try."""
    return Store(
        folder / SAMPLES_FILE,
        Sample,
        key=lambda sample: sample.key,
        is_provisional=lambda sample: sample.outcome is SampleOutcome.FAILED,
    )
