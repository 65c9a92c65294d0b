"""Keeps the choices of one request while they grow, and tells the listener of each piece and each end.

The one place that holds rule 1 of ``ChatModel``: each choice ends once. A choice that fails before any choice of the
request has begun is held back, because if all of them do, the request raises instead.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from abruzzi.errors import ModelError, ProtocolError
from abruzzi.ledger import Clock
from abruzzi.models.chat import Emit, Ended, ReasoningDelta, Restarted, TextDelta
from abruzzi.models.thinking import Piece, Rewind, ThinkSplitter
from abruzzi.models.tool_calls import ToolCallBook
from abruzzi.models.wire import CallDelta
from abruzzi.nouns import Completion, FinishReason, ToolCall

REFUSING_REASONS = {
    "content_filter": "the endpoint filtered the reply",
    "abort": "the endpoint aborted the reply",
    "error": "the endpoint ended the reply with an error",
}
"""Finish reasons that leave no usable reply."""


@dataclass(slots=True)
class _Choice:
    """One choice on its way."""

    splitter: ThinkSplitter = field(default_factory=ThinkSplitter)
    thoughts: list[str] = field(default_factory=list[str])
    """Reasoning that came in its own field; the text beside it needs no splitting."""
    plain: list[str] = field(default_factory=list[str])
    calls: ToolCallBook = field(default_factory=ToolCallBook)
    sum_logprobs: float = 0.0
    num_logprobs: int = 0

    @property
    def text(self) -> str:
        """All text so far."""
        return self.splitter.text + "".join(self.plain)

    @property
    def reasoning(self) -> str:
        """All reasoning so far."""
        return "".join(self.thoughts) + self.splitter.reasoning


class Board:
    """The choices of one request."""

    def __init__(self, num_choices: int, emit: Emit, clock: Clock) -> None:
        self._choices = [_Choice() for _ in range(num_choices)]
        self._emit = emit
        self._clock = clock
        self._started_s = clock()
        self._completions: dict[int, Completion] = {}
        self._held: dict[int, Completion] = {}
        self._first_error: ModelError | None = None
        self._has_begun = False

    def unfinished(self, indices: Iterable[int]) -> list[int]:
        """Return those choices that have not ended."""
        return [index for index in indices if index not in self._completions]

    def put(
        self,
        index: int,
        *,
        text: str = "",
        reasoning: str = "",
        logprobs: tuple[float, ...] = (),
        calls: tuple[CallDelta, ...] = (),
    ) -> None:
        """Add a piece to a choice; of a tool call, nothing is told before it is whole."""
        choice = self._choices[index]
        choice.sum_logprobs += sum(logprobs)
        choice.num_logprobs += len(logprobs)
        if reasoning:
            self._begin()
            choice.thoughts.append(reasoning)
            self._emit(ReasoningDelta(index, reasoning))
        if text:
            self._begin()
            if choice.thoughts:
                choice.plain.append(text)
                self._emit(TextDelta(index, text))
            else:
                self._tell(index, choice.splitter.feed(text))
        for call in calls:
            self._begin()
            choice.calls.add(call)

    def end(self, index: int, reason: str, num_tokens: int | None) -> None:
        """End a choice as the server said.

        Args:
            index: which one.
            reason: the server's ``finish_reason``.
            num_tokens: tokens of this choice, where the server tells them apart.
        """
        self._begin()
        error = REFUSING_REASONS.get(reason)
        finish = FinishReason.LENGTH if reason == "length" else FinishReason.STOP
        tool_calls: tuple[ToolCall, ...] = ()
        if error is None and finish is FinishReason.STOP and (book := self._choices[index].calls):
            # By the calls and not by the reason: a server that was told which function to call may say "stop".
            try:
                finish, tool_calls = FinishReason.TOOL_CALLS, book.close()
            except ProtocolError as fault:
                error = str(fault)
        self._finish(index, finish if error is None else FinishReason.ERROR, num_tokens, error, tool_calls)

    def fail(self, index: int, error: ModelError) -> None:
        """End a choice with an error; what it had said so far is kept."""
        self._first_error = self._first_error or error
        self._finish(index, FinishReason.ERROR, None, error)

    def restart(self, index: int, reason: str) -> None:
        """Forget what a choice has said; it begins again."""
        self._choices[index] = _Choice()
        self._emit(Restarted(index, reason))

    def result(self) -> tuple[Completion, ...]:
        """Return all completions, in order.

        Raises:
            ModelError: no choice has ever begun; the first failure.
        """
        if not self._has_begun and self._first_error is not None:
            raise self._first_error
        return tuple(completion for _, completion in sorted(self._completions.items()))

    def _finish(
        self,
        index: int,
        finish: FinishReason,
        num_tokens: int | None,
        error: ModelError | str | None,
        tool_calls: tuple[ToolCall, ...] = (),
    ) -> None:
        choice = self._choices[index]
        self._tell(index, choice.splitter.close())
        completion = Completion(
            index=index,
            text=choice.text,
            reasoning=choice.reasoning,
            finish_reason=finish,
            seconds=self._clock() - self._started_s,
            mean_logprob=choice.sum_logprobs / choice.num_logprobs if choice.num_logprobs else None,
            num_tokens=choice.num_logprobs or None if num_tokens is None else num_tokens,
            error=None if error is None else str(error),
            tool_calls=tool_calls,
            cause=error if isinstance(error, ModelError) else None,
        )
        self._completions[index] = completion
        if self._has_begun:
            self._emit(Ended(completion))
        else:
            self._held[index] = completion

    def _begin(self) -> None:
        """Note that the request has borne something: earlier failures are values now."""
        self._has_begun = True
        held, self._held = self._held, {}
        for completion in held.values():
            self._emit(Ended(completion))

    def _tell(self, index: int, found: list[Piece | Rewind]) -> None:
        for item in found:
            match item:
                case Rewind():
                    self._emit(Restarted(index, "the reply began inside a thought"))
                case Piece("text", content):
                    self._emit(TextDelta(index, content))
                case Piece(_, content):
                    self._emit(ReasoningDelta(index, content))
