"""Our pipeline against the published one: calls and wall time on one endpoint with the same simulated delays.

Two models of delay. ``equal``: every call takes the same time, which counts the serial steps. ``tokens``: a call takes
time by the tokens it writes; solving takes a log-normal number of them (median 1,500, sigma 0.4, as long thoughts
spread), the same draws for both pipelines; our gate-and-plan call writes as much as their gate and plan together, and
our judge half as much again as theirs, since it reasons before its verdict.

The endpoint gives one choice per request, so that calls are counted alike; one that honours ``n`` saves ours two more.
The client knows the endpoint beforehand (its probe is done), as it does from the second question on.
"""

import json
import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from abruzzi.cli.bench_report import Report
from abruzzi.cli.ratios import Ratio, estimate_ratio
from abruzzi.errors import ModelError
from abruzzi.ledger import Ledger
from abruzzi.models.chat import ChatRequest
from abruzzi.models.openai_client import OpenAIChat
from abruzzi.models.simulated import TimedReply, fill_enum, open_simulated, read_schema_name
from abruzzi.nouns import Message, Role
from abruzzi.reasoning.judge import JUDGE_SCHEMA
from abruzzi.reasoning.paper import INDEX_SCHEMA, TOPICS_SCHEMA
from abruzzi.reasoning.pipeline import answer
from abruzzi.reasoning.plan import PLAN_SCHEMA
from abruzzi.reasoning.run import Roles, Run
from abruzzi.reasoning.settings import AskSettings

EQUAL_S = 0.2
SECONDS_PER_TOKEN = 0.0003
TTFT_S = 0.02
TOKENS = {"topics": 80, "paper_plan": 250, "plan": 330, "paper_judge": 100, "judge": 150}
SOLVE_MEDIAN_TOKENS, SOLVE_SIGMA = 1500, 0.4

SCENARIOS: Mapping[str, tuple[str, ...]] = {
    "hard, three agree": ("42", "42", "42"),
    "hard, two agree": ("42", "41", "42"),
    "hard, two answers and one without": ("42", "41", ""),
    "hard, three answers": ("42", "41", "40"),
    "easy, three agree": ("42", "42", "42"),
}


@dataclass(slots=True)
class _Play:
    """The endpoint's model: answers by schema, in the delays of one question."""

    delays: str
    is_hard: bool
    answers: Sequence[str]
    solve_tokens: Sequence[int]
    num_solved: int = field(default=0)

    def respond(self, body: Mapping[str, Any]) -> TimedReply:
        match read_schema_name(body):
            case PLAN_SCHEMA.name:
                plan = {"plan": "Add." if self.is_hard else ""}
                return self._time("plan", json.dumps(plan))
            case TOPICS_SCHEMA.name:
                return self._time(
                    "topics", json.dumps({"is_hard_problem": self.is_hard, "plan": "", "search_list": ["sums"]})
                )
            case JUDGE_SCHEMA.name:
                return self._time("judge", json.dumps({"reasoning": "Checked.", "verdict": "tie"}))
            case INDEX_SCHEMA.name:
                return self._time("paper_judge", json.dumps({"index": 0, "explanation": "Checked."}))
            case "":
                return self._solve_or_plan(body)
            case _:
                return TimedReply(fill_enum(body), 0.0, 5)

    def _solve_or_plan(self, body: Mapping[str, Any]) -> TimedReply:
        if "<topics>" in body["messages"][-1]["content"]:
            return self._time("paper_plan", "<plan>Add.</plan>")
        number, self.num_solved = self.num_solved % len(self.answers), self.num_solved + 1
        text = f"<think>So.</think><answer>{self.answers[number]}</answer>"
        return self._time("solve", text, self.solve_tokens[number])

    def _time(self, role: str, text: str, num_tokens: int | None = None) -> TimedReply:
        tokens = TOKENS[role] if num_tokens is None else num_tokens
        seconds = EQUAL_S if self.delays == "equal" else TTFT_S + tokens * SECONDS_PER_TOKEN
        return TimedReply(text, seconds, tokens)


@dataclass(slots=True)
class _Measured:
    seconds: list[float] = field(default_factory=list[float])
    calls: list[int] = field(default_factory=list[int])


async def measure(repeats: int) -> Report:
    """Measure every scenario under both models of delay.

    Args:
        repeats: questions per scenario and preset, the presets in turn.

    Returns:
        A row per scenario: calls and median seconds of both, and the median of their ratio, pair by pair.
    """
    rng = random.Random(7)
    rows: list[dict[str, Any]] = []
    ratios: list[Ratio] = []
    for delays in ("equal", "tokens"):
        for scenario, answers in SCENARIOS.items():
            found = {"default": _Measured(), "paper": _Measured()}
            for _ in range(repeats):
                draws = [round(rng.lognormvariate(0, SOLVE_SIGMA) * SOLVE_MEDIAN_TOKENS) for _ in answers]
                for preset, measured in found.items():
                    play = _Play(delays, scenario.startswith("hard"), answers, draws)
                    seconds, calls = await _ask(play, preset)
                    measured.seconds.append(seconds)
                    measured.calls.append(calls)
            ours, theirs = found["default"], found["paper"]
            name = f"preset default / paper, {scenario}, delays {delays}, wall"
            ratios.append(estimate_ratio(name, ours.seconds, theirs.seconds))
            rows.append(
                {
                    "delays": delays,
                    "scenario": scenario,
                    "calls": max(ours.calls),
                    "published_calls": max(theirs.calls),
                    "seconds": statistics.median(ours.seconds),
                    "published_seconds": statistics.median(theirs.seconds),
                    "wall_ratio": ratios[-1].value,
                }
            )
    return Report("preset default against preset paper, same endpoint, same delays", rows, ratios)


async def _ask(play: _Play, preset: str) -> tuple[float, int]:
    """Ask one question; return its seconds and its upstream calls."""
    async with (
        open_simulated(play.respond) as endpoint,
        OpenAIChat(endpoint.base_url, model="simulated", api_key="any", max_n=1) as chat,
    ):
        await _warm_up(chat)
        before = endpoint.num_requests
        play.num_solved = 0
        run = Run("What is 17 + 25?", Roles(chat, chat, chat), AskSettings.model_validate({"preset": preset}), _same)
        result = await answer(run)
        calls = len(run.ledger.calls)
        if endpoint.num_requests - before != calls:
            raise ModelError(f"the ledger has {calls} calls, the endpoint saw {endpoint.num_requests - before}")
        return result.seconds, calls


async def _warm_up(chat: OpenAIChat) -> None:
    """Let the client find the endpoint out, and open its first connection, outside the measured time."""
    request = ChatRequest(role=Role.PLANNER, messages=(Message("user", "warm up"),), schema=PLAN_SCHEMA)
    await chat.complete(request, ledger=Ledger())


async def _same(first: str, second: str) -> bool:
    return first == second
