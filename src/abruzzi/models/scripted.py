"""A deterministic double of a language model: says what its script says, when it says so.

It keeps the whole contract of ``ChatModel`` (deltas, one end per choice, ledger rows, cancellation), so that whatever
runs on it runs on an endpoint. It deliberately does not enforce schemas, stop strings, token limits or timeouts: a
test scripts the reply that the endpoint's client would have given.

    chat = ScriptedChat({
        Role.PLANNER: [reply(json={"plan": "Add the tens first."})],
        Role.SOLVER: [reply("<answer>42</answer>", seconds=1.0), "<answer>41</answer>", hang("Let me see")],
        Role.JUDGE: lambda request: [reply("A")] * request.n,
    })

A token is a word with the space after it. Time passes only through ``sleep``, so a loop with virtual time makes
scripted hours pass at once.
"""

import json as json_format
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio

from abruzzi.errors import ModelError, ModelTimeoutError
from abruzzi.ledger import CallOutcome, Ledger, OpenCall
from abruzzi.models.chat import ChatRequest, Emit, Ended, ReasoningDelta, TextDelta, ignore
from abruzzi.nouns import Completion, FinishReason, Role, ToolCall, Usage

Sleep = Callable[[float], Awaitable[None]]
"""Waits for some seconds."""

TOKEN = re.compile(r"\s*\S+\s*|\s+")


@dataclass(frozen=True, slots=True)
class Reply:
    """What the double says for one choice; usually made by ``reply``, ``fail`` or ``hang``."""

    text: str = ""
    reasoning: str = ""
    seconds: float = 0.0
    """From the request to the end; the tokens come at equal steps."""
    finish_reason: FinishReason = FinishReason.STOP
    num_tokens: int | None = None
    """Generated tokens to report; None counts the words."""
    mean_logprob: float | None = None
    """Reported only to those who ask for log-probabilities."""
    error: ModelError | None = None
    """Breaks the choice after its text; a choice without any text could then not be started."""
    hangs: bool = False
    """Never ends after its text."""
    tool_calls: tuple[ToolCall, ...] = ()
    """Come whole, after the text; their tokens are the words of their arguments."""

    @property
    def is_refused(self) -> bool:
        """True when the choice fails before its first token."""
        return self.error is not None and not self.text and not self.reasoning


Line = Reply | str
Script = Callable[[ChatRequest], Sequence[Line]] | Mapping[Role, "Lines"]
Lines = Line | Sequence[Line] | Callable[[ChatRequest], Sequence[Line]]
"""One reply for ever, replies used up in order, or a function that gives ``request.n`` replies."""


def reply(
    text: str = "",
    *,
    json: Any = None,
    reasoning: str = "",
    seconds: float = 0.0,
    finish_reason: FinishReason = FinishReason.STOP,
    num_tokens: int | None = None,
    mean_logprob: float | None = None,
    tool_calls: Sequence[ToolCall] = (),
) -> Reply:
    """Script a choice that ends by itself, with its text or with calls; ``json`` is written out as its text."""
    if json is not None:
        text = json_format.dumps(json)
    if tool_calls:
        finish_reason = FinishReason.TOOL_CALLS
    return Reply(text, reasoning, seconds, finish_reason, num_tokens, mean_logprob, tool_calls=tuple(tool_calls))


def fail(error: ModelError | str, *, text: str = "", seconds: float = 0.0) -> Reply:
    """Script a choice that fails, after ``text`` or, without one, before its first token."""
    error = ModelError(error) if isinstance(error, str) else error
    return Reply(text, seconds=seconds, finish_reason=FinishReason.ERROR, error=error)


def hang(text: str = "", *, seconds: float = 0.0) -> Reply:
    """Script a choice that says ``text`` and then nothing more until it is cancelled."""
    return Reply(text, seconds=seconds, hangs=True)


@dataclass(slots=True)
class _Progress:
    """How far a choice has come: what a cancelled call is billed for."""

    text: list[str] = field(default_factory=list[str])
    reasoning: list[str] = field(default_factory=list[str])
    num_call_tokens: int = 0

    def count(self, line: Reply) -> tuple[int, int]:
        """Count the generated and the reasoning tokens so far."""
        said = len(self.text) + len(self.reasoning) + self.num_call_tokens
        if line.num_tokens is None:
            return said, len(self.reasoning)
        whole = count_tokens(line.text) + count_tokens(line.reasoning) + _count_call_tokens(line)
        scale = line.num_tokens / whole if whole else 1.0
        return round(said * scale) if whole else line.num_tokens, round(len(self.reasoning) * scale)


class ScriptedChat:
    """A ``ChatModel`` that follows a script."""

    def __init__(
        self,
        script: Script,
        *,
        name: str = "scripted",
        max_context: int | None = None,
        honours_n: bool = True,
        sleep: Sleep = anyio.sleep,
    ) -> None:
        """Make a double.

        Args:
            script: replies by role, or a function that gives the ``n`` replies of a request.
            name: as it stands in ledgers.
            max_context: what ``max_context`` says.
            honours_n: one upstream call for all choices of a request; False makes one call for each.
            sleep: waits; the only way in which time passes.
        """
        self._script = script
        self._used = dict.fromkeys(Role, 0)
        self._name = name
        self._max_context = max_context
        self._honours_n = honours_n
        self._sleep = sleep
        self.requests: list[ChatRequest] = []
        """Every request seen, in order."""

    @property
    def name(self) -> str:
        """The double's name."""
        return self._name

    @property
    def max_context(self) -> int | None:
        """What the test said."""
        return self._max_context

    def requests_of(self, role: Role) -> list[ChatRequest]:
        """Return the requests seen for one role, in order."""
        return [request for request in self.requests if request.role is role]

    async def complete(self, request: ChatRequest, *, ledger: Ledger, emit: Emit = ignore) -> tuple[Completion, ...]:
        """Play the script; see ``ChatModel.complete``.

        Raises:
            ModelError: every choice of the request is scripted to fail before its first token.
            AssertionError: the script has no reply for this request.
        """
        self.requests.append(request)
        lines = self._take(request)
        play = _Play(request, lines, self._name, ledger, emit, self._sleep)
        calls = [range(request.n)] if self._honours_n else [range(i, i + 1) for i in range(request.n)]
        async with anyio.create_task_group() as group:
            for indices in calls:
                group.start_soon(play.call, indices)
        if play.refusal is not None:
            raise play.refusal
        return tuple(play.completions[index] for index in range(request.n))

    def _take(self, request: ChatRequest) -> list[Reply]:
        """Take the replies of a request from the script."""
        lines = self._script if callable(self._script) else self._script.get(request.role, ())
        if callable(lines):
            taken = list(lines(request))
        elif isinstance(lines, Reply | str):
            taken = [lines] * request.n
        else:
            start = self._used[request.role]
            taken = list(lines[start : start + request.n])
            self._used[request.role] += request.n
        assert len(taken) == request.n, (
            f"request {len(self.requests)} asks for {request.n} {request.role.value} replies; "
            f"the script has {len(taken)} left"
        )
        return [reply(line) if isinstance(line, str) else line for line in taken]


@dataclass(slots=True)
class _Play:
    """One request on its way."""

    request: ChatRequest
    lines: list[Reply]
    name: str
    ledger: Ledger
    emit: Emit
    sleep: Sleep
    completions: dict[int, Completion] = field(default_factory=dict[int, Completion])
    progress: list[_Progress] = field(init=False)

    def __post_init__(self) -> None:
        self.progress = [_Progress() for _ in self.lines]

    @property
    def refusal(self) -> ModelError | None:
        """The error to raise when no choice at all could be started."""
        return self.lines[0].error if all(line.is_refused for line in self.lines) else None

    async def call(self, indices: range) -> None:
        """Make one upstream call for some of the choices."""
        call = self.ledger.open(self.request.role, self.name, num_choices=len(indices))
        try:
            async with anyio.create_task_group() as group:
                for index in indices:
                    group.start_soon(self._say, index, call)
        except anyio.get_cancelled_exc_class():
            # Whoever has all choices may cancel before the call has closed: there was nothing left to cancel.
            is_over = all(index in self.completions for index in indices)
            call.close(CallOutcome.OK if is_over else CallOutcome.CANCELLED, self._bill(indices), is_exact=True)
            raise
        errors = [line.error for index in indices if (line := self.lines[index]).error is not None]
        if len(errors) < len(indices):
            call.close(CallOutcome.OK, self._bill(indices), is_exact=True)
        else:
            outcome = CallOutcome.TIMEOUT if isinstance(errors[0], ModelTimeoutError) else CallOutcome.ERROR
            error, status = str(errors[0]), errors[0].status
            call.close(outcome, self._bill(indices), is_exact=True, error=error, status=status)

    def _bill(self, indices: range) -> Usage:
        counts = [self.progress[index].count(self.lines[index]) for index in indices]
        return Usage(
            prompt_tokens=sum(count_tokens(message.content) for message in self.request.messages),
            completion_tokens=sum(generated for generated, _ in counts),
            reasoning_tokens=sum(thought for _, thought in counts),
        )

    async def _say(self, index: int, call: OpenCall) -> None:
        """Say one choice, a token at a time."""
        line, progress = self.lines[index], self.progress[index]
        thoughts, words = TOKEN.findall(line.reasoning), TOKEN.findall(line.text)
        step = line.seconds / max(1, len(thoughts) + len(words))
        if not thoughts and not words:
            await self.sleep(line.seconds)
        for said, tokens, event in ((progress.reasoning, thoughts, ReasoningDelta), (progress.text, words, TextDelta)):
            for token in tokens:
                await self.sleep(step)
                call.mark_first_token()
                said.append(token)
                self.emit(event(index, token))
        if line.tool_calls:
            call.mark_first_token()
            progress.num_call_tokens = _count_call_tokens(line)
        if line.hangs:
            await anyio.sleep_forever()
        completion = Completion(
            index=index,
            text=line.text,
            reasoning=line.reasoning,
            finish_reason=line.finish_reason,
            seconds=call.seconds,
            mean_logprob=line.mean_logprob if self.request.logprobs else None,
            num_tokens=progress.count(line)[0],
            error=None if line.error is None else str(line.error),
            tool_calls=line.tool_calls,
        )
        self.completions[index] = completion
        if self.refusal is None:
            self.emit(Ended(completion))


def _count_call_tokens(line: Reply) -> int:
    return sum(count_tokens(call.arguments) for call in line.tool_calls)


def count_tokens(text: str) -> int:
    """Count the double's tokens: words with the space around them."""
    return len(TOKEN.findall(text))
