"""Replays adapting and fixed numbers of candidates on recorded candidates; prints a Markdown table.

    .venv/bin/python scripts/replay_adaptive.py docs/results/training-135m/eval-sft/chain_sum… [--budget 100 200]

Each folder is an evaluation of the system ``single`` with at least four samples of each item. The pipeline itself runs,
on a double that gives the recorded completions in their order, cut where a request's ``max_tokens`` cuts them; so
accuracy and tokens are what the engine would have given. Time is not: every candidate gets a token a second, side by
side without loss, prompts are free, and ``steps`` are those seconds. No plan and no judge.
"""

import argparse
import gzip
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from abruzzi.ledger import Ledger
from abruzzi.models.chat import ChatRequest
from abruzzi.models.scripted import Reply, ScriptedChat, reply
from abruzzi.nouns import FinishReason
from abruzzi.reasoning.pipeline import answer
from abruzzi.reasoning.run import Roles, Run
from abruzzi.reasoning.settings import AskSettings
from abruzzi.verifiers.agree import agree_quickly
from scripts.measure_adaptive import report
from tests.models.virtual_time import run_virtual

MOST = 4
BASE: dict[str, Any] = {"plan": "off", "judge": False, "soft_deadline_s": 86_400, "hard_deadline_s": 86_400}


def read_pools(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Read the recorded candidates of each item, in the order of their repeats."""
    pools: dict[str, dict[int, dict[str, Any]]] = {}
    with gzip.open(folder / "samples.jsonl.gz", "rt", encoding="utf-8") as file:
        for sample in map(json.loads, file):
            candidate = sample["candidates"][0] | {"is_correct": sample["outcome"] == "correct"}
            pools.setdefault(sample["item"], {})[sample["repeat"]] = candidate
    return {item: [found[repeat] for repeat in range(MOST)] for item, found in pools.items() if len(found) >= MOST}


class Recorded:
    """Says what was recorded, one after another, within the limit of each request."""

    def __init__(self, pool: Sequence[dict[str, Any]]) -> None:
        self._left = list(pool)

    def __call__(self, request: ChatRequest) -> list[Reply]:
        """Take the next replies."""
        taken, self._left = self._left[: request.n], self._left[request.n :]
        return [self._say(candidate, request.max_tokens) for candidate in taken]

    def _say(self, candidate: dict[str, Any], limit: int | None) -> Reply:
        num, ended = candidate["num_tokens"], FinishReason(candidate["finish_reason"])
        if limit is not None and num > limit:
            return reply("cut", seconds=limit, num_tokens=limit, finish_reason=FinishReason.LENGTH)
        return Reply(candidate["text"], candidate["reasoning"], num, ended, num, candidate["mean_logprob"])


async def _agree(first: str, second: str) -> bool:
    return agree_quickly(first, second) is True


def play(pool: Sequence[dict[str, Any]], settings: AskSettings) -> dict[str, Any]:
    """Answer one item from its pool."""
    model = ScriptedChat(Recorded(pool))

    async def main() -> Run:
        run = Run("?", Roles(model, model, model), settings, _agree, ledger=Ledger(anyio.current_time))
        result = await answer(run)
        chosen.append(pool[result.chosen]["is_correct"] and run.candidates[result.chosen].is_complete)
        seconds.append(result.seconds)
        return run

    chosen: list[bool] = []
    seconds: list[float] = []
    run = run_virtual(main)
    tokens = run.ledger.totals().usage.completion_tokens
    budget = settings.token_budget
    assert budget is None or tokens <= budget, f"{tokens} tokens of a budget of {budget}"
    return {
        "is_correct": chosen[0],
        "candidates": len(run.candidates),
        "completion_tokens": tokens,
        "steps": seconds[0],
    }


def main() -> None:
    """Replay and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--budget", type=int, nargs="*", default=[100, 200])
    arguments = parser.parse_args()
    free: dict[str, dict[str, Any]] = {
        f"adapt, n ≤ {MOST}": {"n": MOST, "adapt": True},
        **{f"fixed n = {n}": {"n": n} for n in (1, 3, MOST)},
    }
    tables = {"no budget": free} | {
        f"at most {budget} tokens a question": {
            name: changes | {"token_budget": budget} for name, changes in free.items()
        }
        for budget in arguments.budget
    }
    for folder in arguments.folders:
        pools = read_pools(folder)
        for title, systems in tables.items():
            rows = [
                {"item": item, "system": name, **play(pool, AskSettings.model_validate(BASE | changes))}
                for name, changes in systems.items()
                for item, pool in pools.items()
            ]
            sys.stdout.write(f"\n### {folder.name}, {title}\n\n")
            report(rows, systems, ("candidates", "completion_tokens", "steps"))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
