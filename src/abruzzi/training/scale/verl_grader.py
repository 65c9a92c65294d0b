"""A grader for free-text science answers, asked from verl's reward workers.

Guru's web questions are answered in words, and where these are not the reference's own, only a model can tell whether
they mean the same; the published runs keep such a model (general-verifier, 1.5B) behind an endpoint. Here it is any
OpenAI-compatible endpoint, opened once in each reward worker and open until that ends. Without one such answers have no
reward, and right ones are learnt from only where they repeat the reference.
"""

import os
from collections.abc import Awaitable, Callable
from functools import partial

import anyio
from anyio import from_thread, to_thread

from abruzzi.errors import ConfigError, ModelError
from abruzzi.ledger import Ledger
from abruzzi.models.chat import ChatModel, ChatRequest
from abruzzi.models.specs import EndpointSpec, find_key, parse_spec
from abruzzi.nouns import FinishReason, Message, Role, Verdict
from abruzzi.verifiers.graded import grade_row
from abruzzi.verifiers.row import Row

MAX_TOKENS = 4096
"""A decision takes a line; a grader that reasons takes the rest."""

OpenModel = Callable[[str], Awaitable[ChatModel]]

_opened: dict[str, ChatModel] = {}
_opening = anyio.Lock()


def parse_grader(spec: str) -> EndpointSpec:
    """Read a grader's address.

    Raises:
        ConfigError: it names no endpoint.
    """
    parsed = parse_spec(spec)
    if not isinstance(parsed, EndpointSpec):
        raise ConfigError(f"grader {spec!r} must be an endpoint's address, e.g. http://grader:8000/v1")
    return parsed


async def open_model(spec: str) -> ChatModel:
    """Open an endpoint's model, or find it open already.

    Raises:
        ConfigError: the spec names no endpoint, or its key is missing.
        ModelError: the endpoint does not say which model it serves.
    """
    parsed = parse_grader(spec)
    async with _opening:
        if spec not in _opened:
            # Here and not above: without a grader, reward workers do without the SDK, which verl's engines may pin.
            from abruzzi.models.openai_client import OpenAIChat

            chat = OpenAIChat(parsed.base_url, model=parsed.model, api_key=find_key(parsed, os.environ) or "")
            await chat.discover()
            _opened[spec] = chat
        return _opened[spec]


async def grade(row: Row, spec: str, open_model: OpenModel = open_model) -> tuple[Verdict, int]:
    """Let a model decide a row that was left undecided.

    Args:
        row: what ``graded.needs_grader``.
        spec: the model's endpoint.
        open_model: opens it.

    Returns:
        The verdict, ``error`` where the grader failed or is not there; and the tokens that its calls took.
    """
    ledger = Ledger()

    async def complete(prompt: str) -> str:
        """Ask the model, opened when the first question comes."""
        model = await open_model(spec)
        request = ChatRequest(Role.JUDGE, (Message("user", prompt),), max_tokens=MAX_TOKENS, temperature=0.0)
        (completion,) = await model.complete(request, ledger=ledger)
        if completion.finish_reason is not FinishReason.STOP:
            raise ModelError(f"the grader's reply ended by {completion.finish_reason}: {completion.error or 'cut off'}")
        return completion.text

    # The verifier asks from a thread of its own; each call runs in the event loop that the thread came from.
    verdict = await to_thread.run_sync(grade_row, row, "fixed", partial(from_thread.run, complete))
    return verdict, ledger.totals().usage.total_tokens
