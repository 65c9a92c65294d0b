"""The nouns of Abruzzi: frozen data that flows between rooms, with one meaning each.

    question ─gate+plan→ Plan ─sample × N→ Candidate… ─agree→ clusters ─judge→ Judgement… ─→ Answer

This file holds no behaviour beyond derived properties, and imports nothing of ours but the errors.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from abruzzi.errors import ModelError


class Role(StrEnum):
    """What an upstream call is for."""

    PROBE = "probe"
    """Finds out once what an endpoint can do."""
    PLANNER = "planner"
    SOLVER = "solver"
    JUDGE = "judge"
    TOPICS = "topics"
    """The published pipeline's separate gate call (preset ``paper`` only)."""
    GUARD = "guard"
    """The server's guard asks whether a text may pass, or has reasoning summarised."""


class FinishReason(StrEnum):
    """Why a completion ended."""

    STOP = "stop"
    """The model ended it, or a stop string did."""
    LENGTH = "length"
    """Cut at the token limit: never to be read as a whole answer."""
    TOOL_CALLS = "tool_calls"
    """The model ended it with calls of tools, each of them whole."""
    CANCELLED = "cancelled"
    """We stopped it: it could no longer change the outcome, or a deadline passed."""
    ERROR = "error"
    """The endpoint failed; see ``Completion.error``."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a function that the model asks its client to make."""

    id: str
    """Names the call, so that its result can be told apart from others."""
    name: str
    arguments: str
    """A JSON object, as the model wrote it."""


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    """What an ``assistant`` message asked for; its content is then often empty."""
    tool_call_id: str | None = None
    """Which call a ``tool`` message is the result of."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one upstream call, as its server counted them (summed over its choices)."""

    prompt_tokens: int = 0
    """All prompt tokens, the cached ones included."""
    cached_tokens: int = 0
    """Prompt tokens that the server did not compute again."""
    completion_tokens: int = 0
    """Generated tokens, the reasoning ones included."""
    reasoning_tokens: int = 0
    draft_tokens: int | None = None
    """Tokens proposed by speculative decoding; None where the server does not say."""
    accepted_tokens: int | None = None
    """Drafted tokens that were kept; None where the server does not say."""

    @property
    def total_tokens(self) -> int:
        """Prompt plus completion tokens."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model returned for one choice of one request; a failed one is a value too."""

    index: int
    """Which of the request's n choices."""
    text: str
    """What follows the reasoning."""
    reasoning: str
    """Thoughts, from a reasoning field or from ``<think>``; empty if there were none."""
    finish_reason: FinishReason
    seconds: float
    """From the request to this choice's end."""
    mean_logprob: float | None = None
    """Mean log-probability per generated token (nats), where the endpoint gives it."""
    num_tokens: int | None = None
    """Generated tokens of this choice, where the endpoint tells them apart."""
    error: str | None = None
    """Why it failed, when ``finish_reason`` is ``error``."""
    tool_calls: tuple[ToolCall, ...] = ()
    """Whole calls in the model's order; empty unless ``finish_reason`` is ``tool_calls``."""
    cause: ModelError | None = field(default=None, compare=False, repr=False)
    """What stands behind ``error``, where the call failed and not the reply."""


class PlanOutcome(StrEnum):
    """What became of the planning call."""

    PLANNED = "planned"
    NOT_NEEDED = "not_needed"
    """The gate said the question is easy."""
    OFF = "off"
    UNUSABLE = "unusable"
    """The planner answered, but not with a plan."""
    FAILED = "failed"
    """The call failed or ran out of time."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The planner's outline, made once per question and shared by all candidates."""

    outcome: PlanOutcome
    text: str = ""
    """What the candidates were shown; empty unless ``planned``."""
    topics: tuple[str, ...] = ()
    """Of the published pipeline's gate (preset ``paper``); ours names none."""
    num_redactions: int = 0
    """Statements of an answer taken out before any candidate saw the plan."""
    leaked: bool = False
    """True when the plan shown to the candidates still held the answer they then gave."""
    reason: str = ""
    """Why there is no plan, in a sentence."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One completion entered in best-of-N, with its extracted answer or its calls of tools."""

    index: int
    text: str
    reasoning: str
    answer: str | None
    """The extracted final answer; None when there is none to be found. A reply in a conversation that states none in so
    many words is its own answer."""
    finish_reason: FinishReason
    cluster: int | None
    """Which cluster of equal answers or calls it belongs to; None when it has neither."""
    seconds: float
    mean_logprob: float | None = None
    num_tokens: int | None = None
    error: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()

    @property
    def is_complete(self) -> bool:
        """True when the model ended it itself and it holds an answer, or whole calls of tools."""
        if self.finish_reason is FinishReason.TOOL_CALLS:
            return bool(self.tool_calls)
        return self.finish_reason is FinishReason.STOP and self.answer is not None


@dataclass(frozen=True, slots=True)
class Vote:
    """One judge call: one order of two candidates."""

    shown_first: int
    """Index of the candidate shown first."""
    preferred: int | None
    """Index of the candidate preferred; None for a tie or when the call gave no verdict."""
    reasoning: str
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """A comparison of two candidates, each representing its cluster, in both orders."""

    first: int
    second: int
    winner: int | None
    """Index of the preferred candidate; None when the two orders disagree, tie or fail."""
    votes: tuple[Vote, ...]


class DecidedBy(StrEnum):
    """What settled the question."""

    AGREEMENT = "agreement"
    """A majority of the candidates gave equal answers that the rest could not overturn."""
    JUDGE = "judge"
    CLUSTER_SIZE = "cluster_size"
    """The judge did not decide; the larger cluster won."""
    LIKELIHOOD = "likelihood"
    """Neither did; the candidate with the highest mean log-probability won."""
    ONLY_CANDIDATE = "only_candidate"
    """Just one candidate was asked for, or just one came back with an answer."""
    FIRST = "first"
    """Nothing told the candidates apart; the first one stands."""
    FALLBACK = "fallback"
    """No candidate is complete; the best of what there is (truncated or without a clear answer)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of a question: the chosen candidate and how it was chosen."""

    question: str
    plan: Plan
    candidates: tuple[Candidate, ...]
    judgements: tuple[Judgement, ...]
    answer: str
    """The final answer; the chosen candidate's text where no shorter answer could be extracted."""
    chosen: int
    """Index of the chosen candidate."""
    decided_by: DecidedBy
    seconds: float
    warnings: tuple[str, ...] = field(default=())
    """What went wrong on the way without stopping it, a sentence each."""

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The chosen candidate's calls; ``answer`` is then the text beside them, often empty."""
        return next((c.tool_calls for c in self.candidates if c.index == self.chosen), ())


class Outcome(StrEnum):
    """What a verifier found."""

    CORRECT = "correct"
    WRONG = "wrong"
    UNPARSED = "unparsed"
    """No answer could be found in the response, or what was found has no meaning."""
    TIMEOUT = "timeout"
    """The verification hit its wall limit."""
    ERROR = "error"
    """The verifier or the row is broken; says nothing about the response."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One response held against its ground truth."""

    outcome: Outcome
    score: float
    """In [0, 1]; below 1 and above 0 only where partial credit exists. 0 unless correct or wrong. In ``published`` mode
    the public number as it is, −1 included."""
    extracted: str | None
    """The answer that was judged."""
    reason: str
    """Why, in a sentence."""
    seconds: float = 0.0
