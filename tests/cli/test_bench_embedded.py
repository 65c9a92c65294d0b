"""Ways of sampling take turns on questions of their own, and ours is put beside the others."""

from collections.abc import Callable
from pathlib import Path

import anyio.lowlevel
import pytest

from abruzzi.cli.bench_costs import Cost
from abruzzi.cli.bench_embedded import (
    HF_BATCH,
    IN_TURN,
    LOOP,
    ONE,
    PARALLEL,
    SHARED,
    Wanted,
    Way,
    list_ways,
    measure,
    take_turns,
    write_question,
)
from abruzzi.cli.bench_embedded import (
    ignore as drop,
)
from abruzzi.cli.bench_report import Report
from abruzzi.errors import ConfigError
from abruzzi.ledger import CallOutcome, Ledger
from abruzzi.models.chat import ChatRequest, Emit, ignore
from abruzzi.nouns import Completion, FinishReason, Message, Usage
from tests.cli.running import run

WANTED = Wanted(repeats=5, tokens=7)


class Engine:
    """A double of the engine's client: it notes requests, and counts ten tokens of prompt for each."""

    name = "double"
    max_context = None

    def __init__(self) -> None:
        self.requests: list[ChatRequest] = []

    async def complete(self, request: ChatRequest, *, ledger: Ledger, emit: Emit = ignore) -> tuple[Completion, ...]:
        self.requests.append(request)
        call = ledger.open(request.role, self.name, num_choices=request.n)
        await anyio.lowlevel.checkpoint()
        tokens = request.n * (request.max_tokens or 0)
        call.close(CallOutcome.OK, Usage(prompt_tokens=10, completion_tokens=tokens), is_exact=True)
        return tuple(Completion(index, "x", "", FinishReason.LENGTH, 0.0) for index in range(request.n))


class Scripted:
    """A watch that says what it was told to."""

    def __init__(self, cost: Cost) -> None:
        self._cost = cost

    def read(self) -> Cost:
        return self._cost


def script(costs: dict[str, float], ways: dict[str, Way]) -> Callable[[], Scripted]:
    """Make watches that measure so many CPU seconds for each way, in the order in which ways take turns."""
    turns = [costs[name] for name in ways]
    started = -1

    def start() -> Scripted:
        nonlocal started
        started += 1
        cpu_s = turns[started % len(turns)] * (1 + started // len(turns))
        return Scripted(Cost(wall_s=2 * cpu_s, cpu_s=cpu_s))

    return start


def turn(ways: dict[str, Way], costs: dict[str, float], tell: Callable[[Report], None] = drop) -> Report:
    """Let ways take turns under scripted watches."""

    async def take() -> Report:
        return await take_turns(ways, WANTED, tell, start_watch=script(costs, ways))

    return anyio.run(take)


def test_each_way_asks_as_it_says() -> None:
    engine = Engine()
    prompt = (Message("user", "?"),)
    asked: dict[str, list[ChatRequest]] = {}
    for name, way in list_ways(engine, tokens=7).items():
        engine.requests.clear()
        usage = anyio.run(way, prompt, 4)
        asked[name] = list(engine.requests)
        assert usage.completion_tokens == (7 if name == ONE else 21), name
        assert usage.prompt_tokens == 10 * len(asked[name])
    assert {name: [request.n for request in requests] for name, requests in asked.items()} == {
        ONE: [1],
        SHARED: [3],
        PARALLEL: [1, 1, 1],
        IN_TURN: [1, 1, 1],
        LOOP: [1, 1, 1],
    }
    for name, requests in asked.items():
        assert all(request.sampling == {"ignore_eos": True, "cache_prompt": name != LOOP} for request in requests)
        assert len({request.seed for request in requests}) == len(requests), "candidates must not be copies"


def test_ours_is_a_multiple_of_each_other_way() -> None:
    ways = list_ways(Engine(), tokens=7)
    costs = {ONE: 1.0, SHARED: 2.0, PARALLEL: 4.0, IN_TURN: 2.5, LOOP: 8.0}
    told: list[Report] = []
    report = turn(ways, costs, told.append)
    ratios = {ratio.name: ratio for ratio in report.ratios}
    assert {name: ratio.value for name, ratio in ratios.items()} == {
        f"{SHARED} / {ONE}, cpu_s": 2.0,
        f"{SHARED} / {PARALLEL}, cpu_s": 0.5,
        f"{SHARED} / {IN_TURN}, cpu_s": 0.8,
        f"{SHARED} / {LOOP}, cpu_s": 0.25,
        f"{SHARED} / {LOOP}, wall_s": 0.25,
    }
    assert ratios[f"{SHARED} / {LOOP}, cpu_s"].goal == 0.4
    assert ratios[f"{SHARED} / {LOOP}, cpu_s"].verdict == "met"
    # Turns 2 to 6 count, of 2, 3, 4, 5 and 6 times the scripted cost; the first one warms up.
    assert report.rows[0] == {
        "way": ONE,
        "cpu_s": 4.0,
        "wall_s": 8.0,
        "prompt_tokens": 10,
        "of_them_cached": 0,
        "completion_tokens": 7,
    }
    assert [len(one.rows) for one in told] == [5] * 5
    assert [one.ratios[0].num_pairs for one in told] == [1, 2, 3, 4, 5]


def test_transformers_has_a_goal_of_its_own() -> None:
    async def way(prompt: tuple[Message, ...], seed: int) -> Usage:
        return Usage(prompt_tokens=len(prompt), completion_tokens=seed)

    ways: dict[str, Way] = {SHARED: way, HF_BATCH: way}
    report = turn(ways, {SHARED: 1.0, HF_BATCH: 2.0})
    first = report.ratios[0]
    assert (first.value, first.goal, first.verdict) == (0.5, 0.3, "missed")


def test_no_question_comes_twice_and_all_are_equally_long() -> None:
    questions = [write_question(repeat, number) for repeat in range(-1, 20) for number in range(7)]
    assert len(set(questions)) == len(questions)
    assert len({len(question) for question in questions}) == 1


@pytest.mark.parametrize("model", ["http://x/v1", "scripted"])
def test_only_embedded_models_are_measured(model: str) -> None:
    with pytest.raises(ConfigError, match=r"embedded:FILE\.gguf"):
        anyio.run(measure, Wanted(model=model))


def test_an_adapter_stands_on_the_base_alone(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="embedded:base"):
        anyio.run(measure, Wanted(model="embedded:other.gguf", adapter=tmp_path))


@pytest.mark.slow
@pytest.mark.engine
def test_the_bench_runs_on_the_engine_and_in_transformers(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    arguments = ("bench", "embedded", "--repeats", "2", "--tokens", "4", "--transformers", "--out", str(out), "--json")
    data = run(tmp_path, *arguments).json
    rows = {row["way"]: row for row in data["benches"]["embedded"]["rows"]}
    assert rows[SHARED]["completion_tokens"] == rows[LOOP]["completion_tokens"] == rows[HF_BATCH]["completion_tokens"]
    assert rows[SHARED]["prompt_tokens"] == rows[HF_BATCH]["prompt_tokens"], "both render the same prompt"
    assert rows[LOOP]["of_them_cached"] == 0
    assert rows[SHARED]["cpu_s"] < rows[LOOP]["cpu_s"]
    assert out.is_file()
