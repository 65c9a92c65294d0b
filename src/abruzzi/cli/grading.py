"""Opens a model as a grader of free-text answers: a plain callable for the verifiers, which know no model."""

import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

from anyio.from_thread import start_blocking_portal

from abruzzi.cli.wiring import open_model
from abruzzi.errors import ModelError
from abruzzi.ledger import Ledger
from abruzzi.models.chat import ChatModel, ChatRequest
from abruzzi.models.specs import ModelSpec, parse_spec
from abruzzi.nouns import FinishReason, Message, Role
from abruzzi.verifiers.graded import MAX_CALLS

MAX_TOKENS = 4096
"""A decision takes a line; a grader that reasons takes the rest."""


@contextmanager
def open_grader(spec: str) -> Generator[Callable[[str], str]]:
    """Open a model to grade with; what it cost is told on stderr at the end.

    Args:
        spec: the model, as in ``abruzzi models list``.

    Yields:
        A function from prompt to reply, callable from several threads at a time; it raises ModelError.

    Raises:
        ConfigError: no such model.
        ModelError: its endpoint is not there.
    """
    ledger = Ledger()
    parsed = parse_spec(spec)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(_open(parsed)) as model:
        yield lambda prompt: portal.call(_ask, model, prompt, ledger)
    totals = ledger.totals()
    tokens = totals.usage.prompt_tokens, totals.usage.completion_tokens
    print(
        f"grader: calls {totals.num_calls}, tokens {tokens[0]} + {tokens[1]}, failed {totals.num_failed}",
        file=sys.stderr,
    )


@asynccontextmanager
async def _open(spec: ModelSpec) -> AsyncGenerator[ChatModel]:
    async with AsyncExitStack() as stack:
        yield await open_model(stack, spec, slots=MAX_CALLS)


async def _ask(model: ChatModel, prompt: str, ledger: Ledger) -> str:
    request = ChatRequest(Role.JUDGE, (Message("user", prompt),), max_tokens=MAX_TOKENS, temperature=0.0)
    (completion,) = await model.complete(request, ledger=ledger)
    if completion.finish_reason is not FinishReason.STOP:
        raise ModelError(f"the grader's reply ended by {completion.finish_reason}: {completion.error or 'cut off'}")
    return completion.text
