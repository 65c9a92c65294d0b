"""Measures whole questions: our pipeline, the published one and optillm's best-of-n, in turn on one engine.

    .venv/bin/python scripts/measure_latency.py --model solver.gguf --items held-out/chain_sum.jsonl \
        --items held-out/leg_counting.jsonl [--shipped] [--limit 30] [--peers build/peers] [--json FILE]
        [--minutes 25] ROWS.jsonl

One embedded engine serves all four, with one model file for every role: an adapter is merged into it beforehand
(``abruzzi train export RUN --to merged-gguf``). With ``--shipped`` our planner and judge are those that ship, adapters
of the base in a second engine with as many slots as theirs; the others have no use for them, their prompts being
others. Ours is measured whole, with plan and judge, and without a plan; there likelihood chooses where no two agree,
unless ``--shipped`` is given. Each question is put to the four systems one after the other, in each of the 24 orders as
often as it goes, since a question's prompt is partly cached for whoever asks it next. What each system asks and how it
samples is its own; alike are the candidates' limit (``--tokens``) and that of every other call (256, which is what
optillm asks for where it rates; our plan has its own, smaller one). optillm gets the solver's messages that the adapter
was trained with, so the plain best-of-n is measured at its best.

CPU seconds are those of all processes, engine, proxy and client; tokens are the engine's own counters; optillm's calls
are counted in its log. Rows are written as they come, a line a question; the same command goes on where it stopped, and
without ``--model`` it only reports. optillm 0.4.0 is installed into a folder of its own under ``--peers``. Linux alone.
"""

import argparse
import itertools
import json
import random
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import httpx2

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from abruzzi.cli.bench_costs import Stopwatch
from abruzzi.cli.bench_record import describe_run, write_line
from abruzzi.cli.ratios import estimate_ratio
from abruzzi.cli.wiring import EMBEDDED_CUTS, EMBEDDED_TOKENS, connect, find_weights
from abruzzi.data.items import Item, read_items
from abruzzi.engine.counters import read_counters
from abruzzi.engine.process import Engine
from abruzzi.engine.settings import Adapter, EngineSettings
from abruzzi.errors import AbruzziError, ModelError
from abruzzi.evaluation.scoring import verify_item
from abruzzi.ledger import Ledger
from abruzzi.models.chat import ChatRequest, Emit, ignore
from abruzzi.models.openai_client import OpenAIChat
from abruzzi.models.specs import EmbeddedSpec
from abruzzi.models.wrapped import WrappedChat
from abruzzi.nouns import Completion, Outcome, Role
from abruzzi.reasoning.agreement import open_agreement
from abruzzi.reasoning.pipeline import answer
from abruzzi.reasoning.run import Agree, Roles, Run
from abruzzi.reasoning.sample import solver_messages
from abruzzi.reasoning.settings import AskSettings
from abruzzi.statistics.intervals import clustered_mean
from abruzzi.statistics.paired import paired_difference
from tests.serving.load.peers import OPTILLM_NEEDS, Peer, install, running

OURS, NO_PLAN, PAPER, OPTILLM = "abruzzi, default", "abruzzi, no plan", "abruzzi, paper", "optillm bon 0.4.0"
SYSTEMS = (OURS, NO_PLAN, PAPER, OPTILLM)
PRESETS: dict[str, dict[str, Any]] = {
    OURS: {"preset": "default"},
    NO_PLAN: {"preset": "default", "plan": "off"},
    PAPER: {"preset": "paper"},
}
GOAL = 0.5
SIDE_TOKENS = 256
"""Limit of every call that is no candidate."""
PATIENT = {"soft_deadline_s": 86_400.0, "hard_deadline_s": 86_400.0, "first_token_s": 3600.0, "idle_s": 3600.0}
"""A machine that others use, too, must not change an answer."""
WITHIN_S = 7200.0
_CALL = "POST http://127.0.0.1"
"""In optillm's log, where its client tells of a request to the engine."""

Found = dict[str, Any]
Ask = Callable[[Item, int], Awaitable[Found]]
"""(item, seed) → what the system said, its calls, and its seconds by stage where it tells."""


class Capped(WrappedChat):
    """A model whose every call has a limit, so that none of the systems rambles to the end of the context alone."""

    def __init__(self, inner: OpenAIChat, tokens: int) -> None:
        super().__init__(inner)
        self._tokens = tokens

    async def complete(self, request: ChatRequest, *, ledger: Ledger, emit: Emit = ignore) -> tuple[Completion, ...]:
        """Complete a chat; see ``ChatModel.complete``."""
        limit = self._tokens if request.role is Role.SOLVER else SIDE_TOKENS
        capped = replace(request, max_tokens=min(limit, request.max_tokens or limit))
        return await self._inner.complete(capped, ledger=ledger, emit=emit)


def ask_abruzzi(roles: Roles, agree: Agree, preset: Mapping[str, Any], tokens: int) -> Ask:
    """Make a system of one of our presets, or of one with a part off."""

    async def ask(item: Item, seed: int) -> Found:
        # The published pipeline takes the last alone.
        limits = {**EMBEDDED_TOKENS, **EMBEDDED_CUTS, "max_tokens": tokens}
        settings = AskSettings.model_validate({**PATIENT, **limits, **preset, "seed": seed})
        run = Run(item.question, roles, settings, agree)
        found: Found = {"text": "", "error": None, "decided_by": None}
        try:
            result = await answer(run)
            candidate = next(one for one in result.candidates if one.index == result.chosen)
            found |= {"text": candidate.text or candidate.reasoning, "decided_by": result.decided_by.value}
        except ModelError as error:
            found["error"] = str(error)[:200]
        stages: dict[str, dict[str, float]] = {}
        for role in dict.fromkeys(call.role for call in run.ledger.calls):
            calls = [call for call in run.ledger.calls if call.role is role]
            stages[role.value] = {
                "calls": len(calls),
                "seconds": max(c.started_s + c.seconds for c in calls) - min(c.started_s for c in calls),
                "completion_tokens": sum(c.usage.completion_tokens for c in calls),
            }
        return {**found, "calls": len(run.ledger.calls), "stages": stages}

    return ask


def ask_optillm(url: str, log: Path, tokens: int, client: httpx2.AsyncClient) -> Ask:
    """Make a system of optillm's proxy."""

    def count_calls() -> int:
        return log.read_text(errors="replace").count(_CALL)

    async def ask(item: Item, seed: int) -> Found:
        del seed  # it passes none on
        messages = [{"role": one.role, "content": one.content} for one in solver_messages(item.question)]
        before = count_calls()
        body = {"model": "embedded", "messages": messages, "max_tokens": tokens}
        found: Found = {"text": "", "error": None}
        try:
            reply = await client.post(f"{url}/chat/completions", json=body)
            if reply.status_code == 200:
                found["text"] = reply.json()["choices"][0]["message"]["content"]
            else:
                found["error"] = reply.text[:200]
        except httpx2.HTTPError as error:
            found["error"] = repr(error)
        return {**found, "calls": count_calls() - before}

    return ask


@contextmanager
def open_optillm(folder: Path, engine: Engine) -> Generator[tuple[str, Path]]:
    """Run optillm before the engine; yields its address and its log."""

    def write_command(environment: Path, scratch: Path, port: int, upstream: int) -> list[str]:
        del scratch
        return [
            *("env", f"OPENAI_API_KEY={engine.api_key}"),
            *(str(environment / "bin" / "optillm"), "--approach", "bon", "--best-of-n", "3", "--model", "embedded"),
            *("--base-url", f"http://127.0.0.1:{upstream}/v1", "--port", str(port), "--log", "info"),
        ]

    peer = Peer("optillm", "0.4.0", [["--no-deps", "optillm==0.4.0"], OPTILLM_NEEDS], write_command, streams=False)
    missing = install(peer, folder / peer.name)
    if missing is not None:
        raise ModelError(f"optillm cannot be installed: {missing}")
    port = int(engine.base_url.rpartition(":")[2].partition("/")[0])
    with tempfile.TemporaryDirectory() as scratch, running(peer, folder / peer.name, Path(scratch), port) as started:
        if isinstance(started, str):
            raise ModelError(f"optillm did not start: {started}")
        yield started[1], Path(scratch) / f"{peer.name}.log"


async def measure(wanted: argparse.Namespace, items: Sequence[Item], done: Sequence[Found]) -> None:
    """Ask every question that has no row yet, and write a row for each."""
    orders = list(itertools.permutations(SYSTEMS))
    random.Random(3).shuffle(orders)  # a run cut short still has every system early and late
    told = {row["item"] for row in done}
    settings = EngineSettings(model=wanted.model, slots=3, threads=1, context_tokens=4096)
    deadline = time.monotonic() + 60 * wanted.minutes
    async with AsyncExitStack() as stack:
        engine = stack.enter_context(Engine(settings))
        url, log = stack.enter_context(open_optillm(wanted.peers, engine))
        client = await stack.enter_async_context(httpx2.AsyncClient(timeout=WITHIN_S, trust_env=False))
        agree = await stack.enter_async_context(open_agreement())
        chat, engines = Capped(await connect(stack, engine), wanted.tokens), [engine]
        presets = dict(PRESETS)
        trained = {"planner": chat, "judge": chat}
        if wanted.shipped:
            shipped = {role: find_weights(EmbeddedSpec(), role) for role in trained}
            adapters = tuple(Adapter(role, one.adapter) for role, one in shipped.items() if one.adapter is not None)
            # As many slots as users' one engine has, or judge and planner drive each other's instructions out.
            second = replace(settings, model=shipped["judge"].model, spare_slots=len(adapters), adapters=adapters)
            engines.append(stack.enter_context(Engine(second)))
            base = await connect(stack, engines[-1])
            for number, adapter in enumerate(adapters):
                trained[adapter.name] = Capped(base.with_adapter(number, name=adapter.name), wanted.tokens)
        else:
            presets[NO_PLAN] = {**presets[NO_PLAN], "judge": False}
        # The published prompts are not what a planner and a judge were taught.
        roles = {**dict.fromkeys((OURS, NO_PLAN), Roles(chat, **trained)), PAPER: Roles(chat, chat, chat)}
        systems = {name: ask_abruzzi(roles[name], agree, preset, wanted.tokens) for name, preset in presets.items()}
        systems[OPTILLM] = ask_optillm(url, log, wanted.tokens, client)
        warm_up = Item("warm-up", "What is 2 + 3?", "5", "math__own")
        for name in () if told >= {item.id for item in items} else systems:
            await ask_one(engines, systems[name], warm_up, 0)
        for number, item in enumerate(items):
            if item.id in told:
                continue
            if time.monotonic() > deadline:
                break
            row: Found = {"item": item.id, "order": orders[number % len(orders)], "systems": {}}
            for name in row["order"]:
                row["systems"][name] = await ask_one(engines, systems[name], item, number)
            with wanted.rows.open("a") as file:
                file.write(json.dumps(row) + "\n")
            sys.stderr.write(f"{number + 1} of {len(items)}\n")


async def count(engines: Sequence[Engine]) -> dict[str, int]:
    """Read the tokens that engines have worked on so far."""
    read = [await anyio.to_thread.run_sync(read_counters, engine) for engine in engines]
    fields = ("prompt_tokens", "cached_tokens", "completion_tokens")
    return {field: sum(getattr(one, field) for one in read) for field in fields}


async def ask_one(engines: Sequence[Engine], ask: Ask, item: Item, seed: int) -> Found:
    """Ask one system one question: what it said, whether that is right, and what it cost."""
    before, watch = await count(engines), Stopwatch()
    found = await ask(item, seed)
    cost = watch.read()
    after = await count(engines)
    verdict = await verify_item(item, found["text"])
    return {
        **found,
        "wall_s": round(cost.wall_s, 3),
        "cpu_s": round(cost.cpu_s, 3),
        **{field: after[field] - before[field] for field in after},
        "is_right": verdict.outcome is Outcome.CORRECT,
    }


def summarise(rows: Sequence[Found]) -> Found:
    """Put rows into figures: each system's own, and ours as a multiple of the others'."""
    found: Found = {"questions": len(rows), "systems": {}, "ratios": [], "accuracy_differences": []}
    for name in SYSTEMS:
        mine = [row["systems"][name] for row in rows]
        right = clustered_mean([(float(one["is_right"]),) for one in mine])
        found["systems"][name] = {
            "accuracy": [right.value, right.low, right.high],
            "errors": sum(one["error"] is not None for one in mine),
            **{
                f"median_{key}": statistics.median(one[key] for one in mine)
                for key in ("wall_s", "cpu_s", "calls", "prompt_tokens", "cached_tokens", "completion_tokens")
            },
            **{
                f"mean_{key}": statistics.fmean(one[key] for one in mine)
                for key in ("wall_s", "cpu_s", "completion_tokens")
            },
            "stages": _sum_stages(mine),
        }
    for one, other in itertools.product((OURS, NO_PLAN), (PAPER, OPTILLM)):
        for unit in ("wall_s", "cpu_s", "completion_tokens"):
            ours, theirs = ([float(row["systems"][name][unit]) for row in rows] for name in (one, other))
            goal = None if unit == "completion_tokens" else GOAL
            found["ratios"].append(estimate_ratio(f"{one} / {other}, {unit}", ours, theirs, goal=goal).to_json())
        right, others_right = ([(float(row["systems"][name]["is_right"]),) for row in rows] for name in (one, other))
        gap = paired_difference(right, others_right)
        found["accuracy_differences"].append([f"{one} − {other}", gap.value, gap.low, gap.high])
    return found


def _sum_stages(mine: Sequence[Found]) -> Mapping[str, Mapping[str, float]]:
    """Mean per question of what each stage took, by the ledger; nothing for a system that keeps none."""
    roles = dict.fromkeys(role for one in mine for role in one.get("stages", {}))
    return {
        role: {
            key: sum(one["stages"].get(role, {}).get(key, 0) for one in mine) / len(mine)
            for key in ("calls", "seconds", "completion_tokens")
        }
        for role in roles
    }


def write_report(found: Found) -> str:
    """Write Markdown tables of a summary."""
    lines = [
        "| system | accuracy, % | wall s | CPU s | calls | prompt tokens (cached) | completion tokens | errors |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, one in found["systems"].items():
        value, low, high = (100 * part for part in one["accuracy"])
        lines.append(
            f"| {name} | {value:.1f} [{low:.1f}, {high:.1f}] "
            f"| {one['median_wall_s']:.2f} | {one['median_cpu_s']:.2f} | {one['median_calls']:g} "
            f"| {one['median_prompt_tokens']:.0f} ({one['median_cached_tokens']:.0f}) "
            f"| {one['median_completion_tokens']:.0f} | {one['errors']} |"
        )
    lines += ["", "| ratio of | median | 95 % | goal | |", "| --- | ---: | ---: | ---: | --- |"]
    for one in found["ratios"]:
        goal = "" if one["goal"] is None else f"≤ {one['goal']:g}"
        lines.append(
            f"| {one['name']} | {one['ratio']:.2f} | [{one['low']:.2f}, {one['high']:.2f}] "
            f"| {goal} | {one['verdict']} |"
        )
    lines += ["", "| accuracy, points | difference | 95 % |", "| --- | ---: | ---: |"]
    for name, *parts in found["accuracy_differences"]:
        value, low, high = (100 * part for part in parts)
        lines.append(f"| {name} | {value:+.1f} | [{low:+.1f}, {high:+.1f}] |")
    lines += ["", "| stage, mean a question | calls | wall s | completion tokens |", "| --- | ---: | ---: | ---: |"]
    for name, one in found["systems"].items():
        for role, stage in one["stages"].items():
            lines.append(
                f"| {name}: {role} | {stage['calls']:.1f} | {stage['seconds']:.2f} | {stage['completion_tokens']:.0f} |"
            )
    return "\n".join(lines) + "\n"


def read_rows(path: Path) -> list[Found]:
    """Read the questions measured so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def main() -> None:
    """Measure what is missing, and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--shipped", action="store_true", help="our planner and judge are those that ship")
    parser.add_argument("--items", type=Path, action="append", default=[])
    parser.add_argument("--limit", type=int, default=30, help="items of each file")
    parser.add_argument("--tokens", type=int, default=112, help="limit of a candidate")
    parser.add_argument("--peers", type=Path, default=Path("build/peers").resolve())
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--json", type=Path)
    wanted = parser.parse_args()
    rows = read_rows(wanted.rows)
    record = describe_run(shlex.join(sys.argv))
    if wanted.model is not None:
        # One file's items among the other's, so that a run cut short has both.
        files = [read_items(path)[: wanted.limit] for path in wanted.items]
        items = [item for group in itertools.zip_longest(*files) for item in group if item is not None]
        random.Random(7).shuffle(items)
        anyio.run(measure, wanted, items, rows)
        rows = read_rows(wanted.rows)
    if not rows:
        sys.exit(f"measure_latency: {wanted.rows} has no row yet, and the time was too short for one")
    found = {"record": record, **summarise(rows)}
    sys.stdout.write(f"{len(rows)} questions\n\n{write_report(found)}\n{write_line(record)}\n")
    if wanted.json is not None:
        wanted.json.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    try:
        main()
    except AbruzziError as error:
        sys.exit(f"measure_latency: {error}")
