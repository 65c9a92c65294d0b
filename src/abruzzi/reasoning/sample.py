"""Samples the candidates of one question, and stops as soon as more of them could change nothing.

All candidates (while adapting, those of a wave) come from one request where the endpoint honours ``n``, so that their
common prompt is computed once. Each is read and clustered the moment it ends. Sampling ends when all have ended, when a
majority is safe (``tally.find_majority``), or when the soft deadline finds a complete candidate; the rest is then
cancelled upstream, and what the cancelled ones had said so far stays on record.
"""

import math
from dataclasses import dataclass, field, replace

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from abruzzi.errors import ModelError
from abruzzi.models.chat import ChatEvent, ChatRequest, Ended, ReasoningDelta, Restarted, TextDelta
from abruzzi.models.structured import is_object
from abruzzi.nouns import Candidate, Completion, FinishReason, Message, Plan, PlanOutcome, Role
from abruzzi.reasoning.ballot import cast_ballot
from abruzzi.reasoning.clustering import Clustering
from abruzzi.reasoning.conversation import Conversation, ask_solver, choose_stops
from abruzzi.reasoning.events import CandidateDelta, CandidateEnded, CandidateRestarted, CandidatesStarted, Settled
from abruzzi.reasoning.prompts import fill, read_prompt
from abruzzi.reasoning.run import Run
from abruzzi.reasoning.tally import find_majority
from abruzzi.verifiers.extract import How, extract_answer, split_thinking

MIN_TOKENS = 16
"""A candidate is not started with fewer tokens than this left for it in the budget."""


@dataclass(slots=True)
class _Draft:
    """What a candidate has said so far; it counts when the candidate is cancelled."""

    text: list[str] = field(default_factory=list[str])
    reasoning: list[str] = field(default_factory=list[str])


def solver_messages(question: str, plan: str = "") -> tuple[Message, ...]:
    """Write what the solver is asked; question first, plan last, so that planned and plain prompts share a prefix."""
    system, user = read_prompt("solve")
    content = fill(user, question=question)
    if plan:
        content += "\n\n" + fill(read_prompt("solve_plan")[1], plan=plan)
    return Message("system", system), Message("user", content)


def solve_request(run: Run, plan: Plan, n: int, max_tokens: int | None, *, first: int = 0) -> ChatRequest:
    """Write the solver's request.

    Args:
        run: the question under way.
        plan: what the candidates are shown, if it is one.
        n: how many.
        max_tokens: of each; None leaves it to the server.
        first: index of the first; each has a seed of its own.
    """
    settings, shown_plan = run.settings, plan.text if plan.outcome is PlanOutcome.PLANNED else ""
    request = ChatRequest(
        role=Role.SOLVER,
        messages=solver_messages(run.question, shown_plan),
        n=n,
        max_tokens=max_tokens,
        temperature=settings.temperature,
        top_p=settings.top_p,
        stop=settings.stop,
        seed=None if settings.seed is None else settings.seed + first,
        logprobs=True,
        timeouts=settings.timeouts,
        sampling=settings.cuts,
    )
    conversation = run.conversation
    if conversation is None:
        return request
    return replace(
        request,
        messages=ask_solver(conversation, shown_plan),
        stop=choose_stops(conversation, settings.stop),
        schema=conversation.schema,
        json_object=conversation.json_object,
        tools=conversation.tools,
        tool_choice=conversation.tool_choice,
        parallel_tool_calls=conversation.parallel_tool_calls,
        sampling={**settings.cuts, **conversation.sampling},
    )


async def sample(run: Run, plan: Plan) -> None:
    """Sample ``n`` candidates into ``run.candidates``.

    Raises:
        ModelError: every request failed before a single token came; the first failure.
    """
    n, max_tokens = _fit_budget(run)
    await Sampler(run).draw(plan, n, max_tokens)


def _fit_budget(run: Run) -> tuple[int, int | None]:
    """Choose how many candidates of which length the token budget allows."""
    n, max_tokens, left = run.settings.n, run.settings.max_tokens, run.tokens_left()
    if left is None:
        return n, max_tokens
    fitting = max(1, min(n, left // MIN_TOKENS))
    if fitting < n:
        run.warn(f"the token budget has {left} tokens left, enough for {fitting} of {n} candidates")
    share = max(1, left // fitting)
    return fitting, share if max_tokens is None else min(share, max_tokens)


class Sampler:
    """Draws the candidates of one question, in one wave or several, and clusters them all together."""

    def __init__(self, run: Run) -> None:
        """Begin with no candidate."""
        self._run = run
        self._n = 0
        """Candidates asked for so far."""
        self._num_later = 0
        """Candidates that may yet be asked for in later waves."""
        self._drafts: list[_Draft] = []
        self._clustering = Clustering(run)
        self._send: MemoryObjectSendStream[Completion]
        self._receive: MemoryObjectReceiveStream[Completion]
        self._first_error: ModelError | None = None

    async def draw(self, plan: Plan, num: int, max_tokens: int | None, *, num_later: int = 0) -> None:
        """Draw a wave of candidates into ``run.candidates``; those cut off stand there too.

        Args:
            plan: what they are shown.
            num: how many.
            max_tokens: of each; None leaves it to the server.
            num_later: how many may yet follow; they too could overturn a majority.

        Raises:
            ModelError: every request so far failed before a single token came; the first failure.
        """
        run, first = self._run, self._n
        self._n, self._num_later = first + num, num_later
        self._drafts += [_Draft() for _ in range(num)]
        self._send, self._receive = anyio.create_memory_object_stream[Completion](math.inf)
        run.tell(CandidatesStarted(self._n, run.roles.solver.name))
        try:
            async with anyio.create_task_group() as group:
                if run.settings.share_prefix:
                    group.start_soon(self._request, first, solve_request(run, plan, num, max_tokens, first=first))
                else:
                    for index in range(first, self._n):
                        group.start_soon(self._request, index, solve_request(run, plan, 1, max_tokens, first=index))
                await self._collect()
                group.cancel_scope.cancel()
        finally:
            self._keep_unfinished()
        if self._first_error is not None and not any(
            c.text or c.reasoning or c.tool_calls for c in run.candidates.values()
        ):
            raise self._first_error

    async def _request(self, offset: int, request: ChatRequest) -> None:
        """Make one request; its choices are the candidates from ``offset`` on."""
        ended: set[int] = set()

        def emit(event: ChatEvent) -> None:
            match event:
                case TextDelta(index, text):
                    self._drafts[offset + index].text.append(text)
                    self._run.tell(CandidateDelta(offset + index, text, is_reasoning=False))
                case ReasoningDelta(index, text):
                    self._drafts[offset + index].reasoning.append(text)
                    self._run.tell(CandidateDelta(offset + index, text, is_reasoning=True))
                case Restarted(index, reason):
                    self._drafts[offset + index] = _Draft()
                    self._run.tell(CandidateRestarted(offset + index, reason))
                case Ended(completion):
                    ended.add(completion.index)
                    self._send.send_nowait(replace(completion, index=completion.index + offset))

        try:
            await self._run.roles.solver.complete(request, ledger=self._run.ledger, emit=emit)
        except ModelError as error:
            self._first_error = self._first_error or error
            for index in range(request.n):
                if index not in ended:
                    self._send.send_nowait(_failure(offset + index, str(error), self._run.seconds))

    async def _collect(self) -> None:
        """Take completions as they end, until no more are needed."""
        run = self._run
        while len(run.candidates) < self._n:
            has_complete = any(c.is_complete for c in run.candidates.values())
            with anyio.move_on_at(run.soft_deadline if has_complete else math.inf) as waiting:
                await self._enter(await self._receive.receive())
            if waiting.cancelled_caught:
                run.warn(f"the soft deadline of {run.settings.soft_deadline_s:g} s ended the sampling")
                return
            if run.settings.stop_early and self._is_settled():
                return

    async def _enter(self, completion: Completion) -> None:
        """Turn a completion into a candidate: extract its answer and find its cluster."""
        candidate = read_candidate(completion, self._run.conversation)
        ballot = cast_ballot(candidate, self._run.conversation)
        if ballot is not None:
            await self._clustering.add(candidate.index, ballot.text, is_exact=ballot.is_exact)
        if candidate.error is not None:
            self._run.warn(f"candidate {candidate.index} failed: {candidate.error}")
        self._run.candidates[candidate.index] = candidate
        for index, label in self._clustering.labels().items():
            self._run.candidates[index] = replace(self._run.candidates[index], cluster=label)
        self._run.tell(CandidateEnded(self._run.candidates[candidate.index]))

    def _is_settled(self) -> bool:
        ended = self._run.candidates.values()
        num_running = self._n - len(ended)
        majority = find_majority([c.cluster for c in ended], max(num_running, min(1, self._num_later)))
        if majority is not None and num_running:
            size = sum(c.cluster == majority for c in ended)
            self._run.tell(Settled(majority, size, num_running))
        return majority is not None

    def _keep_unfinished(self) -> None:
        """Keep on record what the candidates that were cut off had said."""
        for index, draft in enumerate(self._drafts):
            if index in self._run.candidates:
                continue
            completion = Completion(
                index=index,
                text="".join(draft.text),
                reasoning="".join(draft.reasoning),
                finish_reason=FinishReason.CANCELLED,
                seconds=self._run.seconds,
            )
            self._run.candidates[index] = read_candidate(completion, self._run.conversation)
            self._run.tell(CandidateEnded(self._run.candidates[index]))
        self._send.close()
        self._receive.close()


def read_candidate(completion: Completion, conversation: Conversation | None = None) -> Candidate:
    """Extract the final answer of a completion; it has no cluster yet.

    A completion that ended by itself in the middle of a thought has no answer, whatever number stands there.

    Args:
        completion: what the solver returned.
        conversation: what it replies to; see ``_read_reply``. None for a plain question.
    """
    answer = _read_answer(completion) if conversation is None else _read_reply(completion, conversation)
    return enter(completion, answer)


def enter(completion: Completion, answer: str | None = None) -> Candidate:
    """Enter a completion as a candidate with an answer; it has no cluster yet."""
    return Candidate(
        index=completion.index,
        text=completion.text,
        reasoning=completion.reasoning,
        answer=answer,
        finish_reason=completion.finish_reason,
        cluster=None,
        seconds=completion.seconds,
        mean_logprob=completion.mean_logprob,
        num_tokens=completion.num_tokens,
        error=completion.error,
        tool_calls=completion.tool_calls,
    )


def _read_answer(completion: Completion) -> str | None:
    extracted = extract_answer(completion.text)
    if extracted is not None and not extracted.is_whole and completion.finish_reason is FinishReason.STOP:
        return None
    return None if extracted is None else extracted.text


def _read_reply(completion: Completion, conversation: Conversation) -> str | None:
    """Extract the answer of a reply in a conversation, where it need not be a short one.

    A call of a tool is no answer, and where JSON is asked for nothing else is. Otherwise a reply that states no answer
    in so many words is one as a whole: the last line of a letter, which would do for a sum, says nothing about it.
    """
    text = split_thinking(completion.text).text.strip()
    if completion.finish_reason is FinishReason.TOOL_CALLS:
        return None
    if conversation.wants_json:
        return text if is_object(text) else None
    extracted = extract_answer(completion.text)
    if extracted is not None and extracted.is_whole and not (extracted.how is How.LAST_LINE and "\n" in text):
        return extracted.text
    return text if text and completion.finish_reason is FinishReason.STOP else None


def _failure(index: int, error: str, seconds: float) -> Completion:
    return Completion(
        index=index, text="", reasoning="", finish_reason=FinishReason.ERROR, seconds=seconds, error=error
    )
