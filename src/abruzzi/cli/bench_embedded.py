"""What best-of-3 costs on the embedded engine, with and without a shared prefix and parallel slots.

Ways of sampling take turns on one engine, question by question, so that a noisy machine is noisy to all of them. Every
question is new, so that no way profits from another's prompt cache. Candidates are cut at the same number of tokens and
nothing is stopped early or judged; where a model ends earlier by itself, the table's tokens show it.
"""

import statistics
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

from abruzzi.cli.ratios import median_ratio
from abruzzi.cli.wiring import EMBEDDED_TOKENS, fetch_weights, open_engine
from abruzzi.engine.settings import EngineSettings
from abruzzi.ledger import Ledger
from abruzzi.models.chat import ChatModel, ChatRequest, Emit, Ended, Restarted, ignore
from abruzzi.models.specs import EmbeddedSpec
from abruzzi.models.wrapped import WrappedChat
from abruzzi.nouns import Answer, Completion
from abruzzi.reasoning.pipeline import answer
from abruzzi.reasoning.run import Roles, Run
from abruzzi.reasoning.settings import AskSettings

ONE, SHARED, PARALLEL, SEQUENTIAL = (
    "one candidate",
    "three, one request (shared prefix, parallel slots)",
    "three parallel requests (no shared prefix)",
    "three requests in turn (one slot at work)",
)


class InTurn(WrappedChat):
    """A model whose choices are asked for one after another: what a plain loop does."""

    async def complete(self, request: ChatRequest, *, ledger: Ledger, emit: Emit = ignore) -> tuple[Completion, ...]:
        """Complete a chat n times, in turn; see ``ChatModel.complete``."""
        completions: list[Completion] = []
        for index in range(request.n):
            (completion,) = await self._inner.complete(
                replace(request, n=1), ledger=ledger, emit=lambda event, to=index: emit(_redirect(event, to))
            )
            completions.append(replace(completion, index=index))
        return tuple(completions)


def _redirect(event: Any, index: int) -> Any:
    match event:
        case Ended(completion):
            return Ended(replace(completion, index=index))
        case Restarted(_, reason):
            return Restarted(index, reason)
        case _:
            return replace(event, index=index)


async def measure(repeats: int, tokens: int) -> list[dict[str, Any]]:
    """Measure every way of sampling.

    Args:
        repeats: questions per way.
        tokens: limit per candidate.

    Returns:
        A row per way: median seconds, median ratio to one candidate, tokens.
    """
    base = AskSettings(
        plan="always",
        judge=False,
        stop_early=False,
        max_tokens=tokens,
        plan_tokens=EMBEDDED_TOKENS["plan_tokens"],
        stop=(),
        seed=7,
    )
    async with AsyncExitStack() as stack:
        chat = await open_engine(stack, EngineSettings(model=fetch_weights(EmbeddedSpec()), slots=3))
        ways: dict[str, tuple[ChatModel, AskSettings]] = {
            ONE: (chat, base.model_copy(update={"n": 1})),
            SHARED: (chat, base),
            PARALLEL: (chat, base.model_copy(update={"share_prefix": False})),
            SEQUENTIAL: (InTurn(chat), base),
        }
        answers: dict[str, list[Answer]] = {name: [] for name in ways}
        spent: dict[str, list[int]] = {name: [] for name in ways}
        for repeat in range(-1, repeats):
            for number, (name, (model, settings)) in enumerate(ways.items()):
                run = Run(_write_question(repeat, number), Roles(model, model, model), settings, _same)
                result = await answer(run)
                if repeat >= 0:  # the first round warms the engine up
                    answers[name].append(result)
                    spent[name].append(run.ledger.totals().usage.completion_tokens)
    seconds = {name: [result.seconds for result in results] for name, results in answers.items()}
    return [
        {
            "way": name,
            "median_seconds": statistics.median(seconds[name]),
            "times_one_candidate": median_ratio(seconds[name], seconds[ONE]),
            "completion_tokens": int(statistics.median(spent[name])),
            "repeats": repeats,
        }
        for name in ways
    ]


def _write_question(repeat: int, number: int) -> str:
    """A question of its own for every run, of about the same length."""
    first, second = 1000 + 37 * (repeat + 2) + 11 * number, 300 + 13 * (repeat + 2) + 7 * number
    return (
        f"In {first} a library held {second} books. Every year it buys as many books as it has shelves, and it has one "
        f"shelf for every {number + 7} books. Explain step by step, in full sentences, how its stock grows over four "
        "years, and what would change if it gave a tenth of its books away each year."
    )


async def _same(first: str, second: str) -> bool:
    return first == second
