"""The client on the real embedded engine: its ledger equals the engine's own counters, cancelled requests included."""

import os
import random
import urllib.request
from typing import Any

import anyio
import pytest

from abruzzi.engine.process import Engine
from abruzzi.errors import ContextLengthError, ModelError
from abruzzi.ledger import CallOutcome, Ledger
from abruzzi.models.chat import ChatEvent, ChatRequest, Ended, Schema, TextDelta
from abruzzi.models.endpoints import Dialect
from abruzzi.models.llamacpp import Counters, read_metrics
from abruzzi.models.openai_client import OpenAIChat
from abruzzi.models.structured import is_proof, probe_request, probe_schema
from abruzzi.nouns import FinishReason, Message, Role

pytestmark = pytest.mark.engine

NUM_REQUESTS = int(os.environ.get("ABRUZZI_TEST_REQUESTS", "9"))
"""Raise it for a campaign; nine of them take seconds."""
SCHEMA = Schema(
    "verdict",
    {
        "type": "object",
        "properties": {"verdict": {"type": "string", "enum": ["first", "second"]}},
        "required": ["verdict"],
        "additionalProperties": False,
    },
)


def open_chat(engine: Engine) -> OpenAIChat:
    return OpenAIChat(
        engine.base_url, model=engine.model, api_key=engine.api_key, dialect="llama.cpp", max_n=3, name="embedded"
    )


def read_counters(engine: Engine) -> Counters:
    page = urllib.request.Request(
        engine.base_url.removesuffix("/v1") + "/metrics", headers={"Authorization": f"Bearer {engine.api_key}"}
    )
    with urllib.request.urlopen(page) as reply:
        counters = read_metrics(reply.read().decode(), reply.headers["process-start-time-unix"])
    assert counters is not None
    return counters


def ask(question: str, **fields: Any) -> ChatRequest:
    fields = {"role": Role.SOLVER, "max_tokens": 12, "seed": 1, **fields}
    return ChatRequest(messages=(Message("user", question),), **fields)


async def run_one(chat: OpenAIChat, request: ChatRequest, ledger: Ledger, cut_after: int | None) -> None:
    """Make a request, and cancel it once so many pieces have come (0: while the prompt is computed)."""
    with anyio.CancelScope() as scope:
        seen = 0

        def count(event: ChatEvent) -> None:
            nonlocal seen
            seen += isinstance(event, TextDelta)
            if cut_after is not None and seen >= cut_after:
                scope.cancel()

        if cut_after == 0:
            scope.deadline = anyio.current_time() + 0.03
        await chat.complete(request, ledger=ledger, emit=count)


def errors_of(ledger: Ledger) -> str:
    """Say why calls failed, for whoever reads a failed test."""
    return "\n".join(call.error for call in ledger.calls if call.error)


@pytest.mark.parametrize("side_by_side", [1, 6])
def test_the_ledger_equals_the_engines_counters_over_mixed_requests(engine: Engine, side_by_side: int) -> None:
    """Six at a time want more choices than there are slots: some wait in the queue, and some are cut there."""
    rng, ledger = random.Random(side_by_side), Ledger()
    plans: list[tuple[ChatRequest, int | None]] = []
    for index in range(NUM_REQUESTS):
        filler = " ".join(rng.choice(["red", "blue", "seven", "apple"]) for _ in range(rng.choice([3, 70])))
        request = ask(f"Question {index}: {filler}. Say something.", n=rng.randint(1, 3), seed=index)
        plans.append((request, rng.choice([None, None, 0, 1, 5])))
    before = read_counters(engine)

    async def main() -> None:
        async with open_chat(engine) as chat:
            limiter = anyio.CapacityLimiter(side_by_side)

            async def take_turn(request: ChatRequest, cut_after: int | None) -> None:
                async with limiter:
                    await run_one(chat, request, ledger, cut_after)

            async with anyio.create_task_group() as group:
                for request, cut_after in plans:
                    group.start_soon(take_turn, request, cut_after)

    anyio.run(main)
    after, totals = read_counters(engine), ledger.totals()
    assert after.num_busy == after.num_queued == 0
    truth = (after.prompt_tokens - before.prompt_tokens, after.completion_tokens - before.completion_tokens)
    billed = (totals.usage.prompt_tokens, totals.usage.completion_tokens)
    if totals.is_exact:
        assert billed == truth
    else:  # a machine so busy that slots were not freed within seconds; the ledger then says that it is a lower bound
        assert billed <= truth
        assert sum(call.is_exact for call in ledger.calls) >= len(ledger.calls) * 3 // 4
    assert totals.num_cancelled >= NUM_REQUESTS // 4
    assert sum(call.outcome is CallOutcome.OK for call in ledger.calls) >= NUM_REQUESTS // 4


def test_three_choices_come_from_one_call_with_likelihoods(engine: Engine) -> None:
    ledger, ends = Ledger(), list[int]()

    async def main() -> None:
        async with open_chat(engine) as chat:
            completions = await chat.complete(
                ask("Name a colour.", n=3, logprobs=True),
                ledger=ledger,
                emit=lambda event: ends.append(event.completion.index) if isinstance(event, Ended) else None,
            )
        assert [completion.index for completion in completions] == [0, 1, 2]
        assert all(completion.mean_logprob is not None and completion.mean_logprob < 0 for completion in completions)
        assert sum(completion.num_tokens or 0 for completion in completions) == ledger.calls[0].usage.completion_tokens

    anyio.run(main)
    assert sorted(ends) == [0, 1, 2]
    assert len(ledger.calls) == 1


def test_it_samples_among_the_tokens_that_are_left_to_it(engine: Engine) -> None:
    def texts(**sampling: float) -> set[str]:
        async def main() -> None:
            async with open_chat(engine) as chat:
                request = ask("Tell me a story.", n=2, max_tokens=12, temperature=2.0, top_p=1.0, sampling=sampling)
                found.update(one.text for one in await chat.complete(request, ledger=Ledger()))

        found: set[str] = set()
        anyio.run(main)
        return found

    assert len(texts(top_k=1)) == len(texts(min_p=1.0)) == 1
    assert len(texts(top_k=0, min_p=0.0)) == 2


def test_it_constrains_as_it_is_trusted_to(engine: Engine) -> None:
    """The client does not probe the embedded engine; this does."""
    ledger = Ledger()

    async def main() -> None:
        async with open_chat(engine) as chat:
            nonce = probe_schema("0f1e2d3c4b")
            (probed,) = await chat.complete(probe_request(nonce, 1), ledger=ledger)
            assert is_proof(Dialect.RESPONSE_FORMAT, probed.text, nonce)
            (verdict,) = await chat.complete(ask("Which one?", schema=SCHEMA, max_tokens=40), ledger=ledger)
            assert verdict.text.replace(" ", "").replace("\n", "") in ('{"verdict":"first"}', '{"verdict":"second"}')

    anyio.run(main)
    assert [call.outcome for call in ledger.calls] == [CallOutcome.OK] * 2, errors_of(ledger)


def test_too_many_choices_and_too_long_a_prompt(engine: Engine) -> None:
    ledger = Ledger()

    async def main() -> None:
        async with OpenAIChat(engine.base_url, model=engine.model, api_key=engine.api_key, dialect="llama.cpp") as chat:
            completions = await chat.complete(ask("Hi", n=4, max_tokens=4), ledger=ledger)
            assert all(completion.finish_reason is not FinishReason.ERROR for completion in completions)
            with pytest.raises(ContextLengthError, match=r"tokens asked for, and the model's context holds"):
                await chat.complete(ask("word " * 20_000), ledger=ledger)
            await chat.discover()
            assert chat.max_context == engine.max_context

    anyio.run(main)
    # The four are refused, and asked for as three and one, side by side; then the prompt that is too long.
    first, *parts, last = [call.num_choices for call in ledger.calls]
    assert (first, sorted(parts), last) == (4, [1, 3], 1), errors_of(ledger)
    assert ledger.totals().is_exact


def test_a_wrong_key_is_told(engine: Engine) -> None:
    async def main() -> None:
        async with OpenAIChat(engine.base_url, model=engine.model, api_key="wrong") as chat:
            await chat.complete(ask("Hi"), ledger=Ledger())

    with pytest.raises(ModelError, match="refused the API key"):
        anyio.run(main)
