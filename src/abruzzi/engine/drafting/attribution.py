"""Writes into the ledger where an engine's accepted tokens came from, by replaying its rule on what was said.

When: after a call has ended, so that nothing waits for it but the return of the call itself; its row reaches the
ledger then. How: prompt and completions are tokenised by the engine, and ``ngram_simple`` is replayed on each
completion. Where the replay drafts and accepts just as many tokens as the engine says it did, the sources are exact;
else (a completion's text gave other tokens than were sampled) they are marked as an estimate. Rows of calls that
failed or were cancelled, of retries, and of calls with tools are left as they are, and so is every row when the engine
cannot be asked.
"""

from dataclasses import replace
from functools import partial

from abruzzi.engine.drafting.draft import DraftLimits
from abruzzi.engine.drafting.ngram_simple import NgramSimple
from abruzzi.engine.drafting.replay import Completed, add_up, replay
from abruzzi.engine.drafting.tokens import Tokens
from abruzzi.errors import ProtocolError, UnreachableError
from abruzzi.ledger import Call, CallOutcome, DraftSources, Ledger
from abruzzi.models.chat import ChatModel, ChatRequest, Emit, ignore
from abruzzi.models.thinking import CLOSE, OPEN
from abruzzi.models.wrapped import WrappedChat
from abruzzi.nouns import Completion, FinishReason


class AttributingChat(WrappedChat):
    """A model of an engine that drafts by ``ngram-simple``, whose rows say where accepted tokens came from.

    Args:
        inner: the model.
        tokens: how the engine reads and writes.
        limits: the engine's.
    """

    def __init__(self, inner: ChatModel, tokens: Tokens, limits: DraftLimits) -> None:
        super().__init__(inner)
        self._tokens = tokens
        self._limits = limits

    async def complete(self, request: ChatRequest, *, ledger: Ledger, emit: Emit = ignore) -> tuple[Completion, ...]:
        """Complete a chat; see ``ChatModel.complete``."""
        own = Ledger(clock=ledger.clock)
        own.started = ledger.started  # so that the rows' times are of the caller's ledger
        try:
            completions = await self._inner.complete(request, ledger=own, emit=emit)
            if len(own.calls) == 1 and _can_attribute(own.calls[0], request):
                own.calls[0] = await self._attribute(own.calls[0], request, completions)
            return completions
        finally:
            for call in own.calls:
                ledger.record(call)

    async def _attribute(self, call: Call, request: ChatRequest, completions: tuple[Completion, ...]) -> Call:
        try:
            prompt = await self._tokens.read_prompt(request.messages)
            said = [
                await self._tokens.read_completion(text, has_ended=has_ended)
                for text, has_ended in (spell_out(completion, request.stop) for completion in completions)
            ]
        except (UnreachableError, ProtocolError):
            return call  # what was answered counts more than where its drafts came from
        new_drafter = partial(NgramSimple, limits=self._limits)
        # One by one: to this rule a sibling is a stranger.
        replayed = add_up(
            found
            for ids in said
            if ids
            for found in replay([Completed(prompt, ids)], new_drafter, max_tokens=request.max_tokens)
        )
        is_exact = (replayed.draft_tokens, replayed.accepted_tokens) == (
            call.usage.draft_tokens,
            call.usage.accepted_tokens,
        )
        accepted = {source.value: count for source, count in replayed.accepted.items() if count}
        return replace(call, draft_sources=DraftSources(accepted, is_exact))


def spell_out(completion: Completion, stop: tuple[str, ...]) -> tuple[str, bool]:
    """Write a completion as it was sampled, as far as that is known, and whether the end-of-text token ended it.

    Args:
        completion: its thoughts apart, its stop string taken off.
        stop: the request's stop strings. One that closes a tag which the text left open is what ended it.
    """
    text = completion.text
    if completion.reasoning:
        is_closed = bool(text) or completion.finish_reason is not FinishReason.LENGTH
        text = OPEN + completion.reasoning + (f"{CLOSE}\n{text}" if is_closed else "")
    if completion.finish_reason is not FinishReason.STOP:
        return text, False
    closing = next((end for end in stop if end not in text and end.replace("/", "") in text), "")
    return text + closing, not closing


def _can_attribute(call: Call, request: ChatRequest) -> bool:
    has_accepted = bool(call.usage.accepted_tokens)
    return has_accepted and call.outcome is CallOutcome.OK and call.num_choices == request.n and not request.tools
