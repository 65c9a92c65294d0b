"""One question on its way: what is asked, of whom, under which settings, and what it has yielded so far.

``Run`` is the only mutable thing of the pipeline. Every stage writes what it has into it at once, so that a deadline,
a failure or Ctrl-C in the next stage loses nothing that was paid for.
"""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

from abruzzi.errors import DataError
from abruzzi.ledger import Ledger
from abruzzi.models.chat import ChatModel
from abruzzi.nouns import Candidate, Judgement, Plan, PlanOutcome
from abruzzi.reasoning.adaptive import Choice
from abruzzi.reasoning.conversation import Conversation, describe
from abruzzi.reasoning.events import CallEnded, Chose, Event, Listen, Warned, ignore
from abruzzi.reasoning.lengths import History
from abruzzi.reasoning.settings import AskSettings

MAX_QUESTION_BYTES = 1_000_000
"""A question longer than this is refused whatever the model's context; it is a file, not a question."""

BYTES_PER_TOKEN = 8
"""No tokenizer in use packs more bytes of prose into a token on average: a question beyond
``max_context`` times this cannot fit, and is refused before any call is paid for."""

Agree = Callable[[str, str], Awaitable[bool]]
"""Decides whether two final answers are equal; may take long, never hangs."""

Afford = Callable[[int, int, int], int]
"""Says how many of n candidates the solver's rate limits have room for: ``(n, prompt_tokens, tokens_each)`` → 0…n."""


@dataclass(frozen=True, slots=True)
class Roles:
    """Who plays which part; often one model plays all three."""

    solver: ChatModel
    planner: ChatModel
    judge: ChatModel
    afford: Afford | None = field(default=None, kw_only=True)
    """None where no rate limits are known; read only while adapting."""
    history: History | None = field(default=None, kw_only=True)
    """How long past candidates were, of whoever keeps the models open; read and filled only while adapting. None leaves
    every question to itself, so that a score does not depend on the order of its items."""


@dataclass(slots=True)
class Run:
    """One question and everything it has yielded so far."""

    question: str
    roles: Roles
    settings: AskSettings
    agree: Agree
    listen: Listen = ignore
    ledger: Ledger = field(default_factory=Ledger)
    plan: Plan = field(default_factory=lambda: Plan(PlanOutcome.OFF))
    candidates: dict[int, Candidate] = field(default_factory=dict[int, Candidate])
    judgements: list[Judgement] = field(default_factory=list[Judgement])
    choices: list[Choice] = field(default_factory=list[Choice])
    """What was chosen on the way and why; empty unless adapting."""
    warnings: list[str] = field(default_factory=list[str])
    started: float = field(default=math.nan)
    """Event-loop time at which answering began."""
    conversation: Conversation | None = None
    """What the question ends; None for a plain question. Its ``question`` is then the run's."""

    def start(self) -> None:
        """Begin the clock and let the listener hear of every upstream call."""
        self.started = anyio.current_time()
        self.ledger.on_call = lambda call: self.listen(CallEnded(call))

    @property
    def told(self) -> str:
        """What planner and judge are told was asked: the question, or the conversation that it ends."""
        return self.question if self.conversation is None else describe(self.conversation)

    @property
    def soft_deadline(self) -> float:
        """Event-loop time after which one complete candidate is enough."""
        return self.started + self.settings.soft_deadline_s

    @property
    def hard_deadline(self) -> float:
        """Event-loop time at which the question ends, come what may."""
        return self.started + self.settings.hard_deadline_s

    @property
    def seconds(self) -> float:
        """Seconds since answering began."""
        return anyio.current_time() - self.started

    def tokens_left(self) -> int | None:
        """Completion tokens that the budget still allows; None without a budget."""
        budget = self.settings.token_budget
        return None if budget is None else max(0, budget - self.ledger.totals().usage.completion_tokens)

    def choose(self, choice: Choice) -> None:
        """Record a choice."""
        self.choices.append(choice)
        self.listen(Chose(choice))

    def tell(self, event: Event) -> None:
        """Pass an event on."""
        self.listen(event)

    def warn(self, message: str) -> None:
        """Record something that went wrong without stopping the question."""
        self.warnings.append(message)
        self.listen(Warned(message))


def check_question(question: str, max_context: int | None) -> None:
    """Refuse a question that no call could answer.

    Raises:
        DataError: it is empty, or larger than we or the model can take.
    """
    if not question.strip():
        raise DataError("the question is empty; write one, pipe one in, or name a file with -f")
    size = len(question.encode("utf-8", errors="replace"))
    context = "" if max_context is None else f"; the model's context is {max_context:,} tokens"
    if size >= MAX_QUESTION_BYTES:
        raise DataError(
            f"the question has {size:,} bytes, and the limit is {MAX_QUESTION_BYTES:,}{context}; ask about less of it"
        )
    if max_context is not None and size > max_context * BYTES_PER_TOKEN:
        raise DataError(
            f"the question has {size:,} bytes, which cannot fit{context}; ask about less of it, or use a model with "
            "a longer context"
        )
