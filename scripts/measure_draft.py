"""Makes a draft model's examples of recorded rollouts, and measures drafts: in torch, and in the real engine.

    .venv/bin/python scripts/measure_draft.py data RUN.json ROLLOUTS.jsonl[.gz] --out FOLDER [--first-step 9]
    .venv/bin/python scripts/measure_draft.py agree EVAL --adapter FOLDER --draft NAME=FOLDER… [--texts 8]
    .venv/bin/python scripts/measure_draft.py engine EVAL --adapter FILE.gguf --draft NAME=FILE.gguf…
        [--drafted 2,4] [--texts 4] [--repeats 5] [--temperature 0] [--threads 1]

``data`` writes FOLDER/train.jsonl, which recipes/smollm2-135m/draft.toml takes, and FOLDER/speculators.jsonl, for
vLLM's speculators. Held-out items are in neither: the run's own recipe says what it asked.

``agree`` and ``engine`` ask the held-out items of EVAL (a folder of ``abruzzi eval run`` folders, one a family), which
the solver has answered there. ``agree`` reads those answers with solver and drafts (``training.acceptance``); intervals
are 95 %, by text. ``engine`` has engines with and without drafts write answers anew, in turn; each asks for the first
token by itself, so that the prompt is computed, and is then timed. CPU seconds are the engine's own processes'.
``--adapter`` is the solver's: a PEFT folder for ``agree``, a GGUF file for ``engine``.
"""

import argparse
import gzip
import json
import os
import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import platformdirs
import torch

from abruzzi.data.examples import Example, write_examples
from abruzzi.engine.process import Engine
from abruzzi.engine.settings import Adapter, EngineSettings
from abruzzi.engine.speculation import Method, Speculation
from abruzzi.reasoning.sample import solver_messages
from abruzzi.statistics.estimate import Estimate
from abruzzi.statistics.intervals import clustered_mean
from abruzzi.training.acceptance import measure_acceptance
from abruzzi.training.base import find_base, load_model, load_tokenizer
from abruzzi.training.draft_data import make_draft_examples, write_speculator_rows
from abruzzi.training.export import open_merged
from abruzzi.training.fidelity import ask_engine
from abruzzi.training.material import gather_portions, gather_prompts
from abruzzi.training.recipe import build_recipe
from abruzzi.training.tokens import encode_example, encode_examples, encode_prompt

CACHE = platformdirs.user_cache_path("abruzzi")
MAX_TOKENS = 112
"""Of a completion, as in the solver's evaluations."""
MAX_EXAMPLE = 256
"""Tokens of prompt and reply; the recipe's."""


@dataclass(frozen=True, slots=True)
class Text:
    """A held-out question and the solver's answer to it."""

    family: str
    question: str
    reply: str


def say(line: str) -> None:
    """Write a line of what was found, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Read JSON Lines, compressed or not."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def write_data(wanted: argparse.Namespace) -> None:
    """Write the examples of a run's rollouts."""
    recipe = build_recipe(json.loads(wanted.run.read_text("utf-8"))["recipe"], str(wanted.run))
    if recipe.grpo is None:
        sys.exit(f"{wanted.run} is of no GRPO run: it recorded no rollouts")
    tokenizer = load_tokenizer(find_base(recipe.model.base, cache_dir=CACHE).folder)
    prompts = gather_prompts(recipe.data, tokenizer, gather_portions(recipe.data))
    limit = recipe.grpo.max_tokens
    rows = read_rows(wanted.rollouts)
    examples = make_draft_examples(rows, prompts, tokenizer, max_tokens=limit, first_step=wanted.first_step)
    encoded = encode_examples(tokenizer, examples, max_tokens=MAX_EXAMPLE).kept
    say(f"{wanted.out / 'train.jsonl'}: {write_examples(wanted.out / 'train.jsonl', examples)} examples")
    rows_file = wanted.out / "speculators.jsonl"
    say(f"{rows_file}: {write_speculator_rows(rows_file, encoded)} rows of token ids")


def read_texts(folder: Path, count: int) -> list[Text]:
    """Read the first whole answer to each of the first items of each family."""
    texts: list[Text] = []
    for family in sorted(path for path in folder.iterdir() if (path / "items.jsonl.gz").is_file()):
        questions = {row["item"]["id"]: row["item"]["question"] for row in read_rows(family / "items.jsonl.gz")}
        found: dict[str, Text] = {}
        for row in read_rows(family / "samples.jsonl.gz"):
            candidate = row["candidates"][0]
            if candidate["finish_reason"] == "stop" and row["item"] not in found and len(found) < count:
                # The evaluation takes thoughts and stop string out; this is how the solver wrote it.
                reply = f"<think>{candidate['reasoning']}</think>\n{candidate['text']}</answer>"
                found[row["item"]] = Text(family.name, questions[row["item"]], reply)
        texts += found.values()
    return texts


def measure_agreement(wanted: argparse.Namespace) -> None:
    """Print each draft's acceptance by solver and draft probabilities."""
    base = find_base("embedded", cache_dir=CACHE)
    solver, tokenizer = open_merged(wanted.adapter, base)
    texts = read_texts(wanted.eval, wanted.texts)
    encoded = [encode_example(tokenizer, Example("", solver_messages(text.question), text.reply)) for text in texts]
    drafts = [load_model(folder, dtype=torch.float32).eval() for _, folder in wanted.draft]
    found = measure_acceptance(cast("Any", solver).eval(), drafts, encoded)
    families = sorted({text.family for text in texts})
    num_tokens = sum(sum(tokens.loss_mask) for tokens in encoded)
    say(f"{len(texts)} texts, {num_tokens} tokens\n")
    say("| draft | parameters, M | texts | agreement | hit | overlap |\n| --- | ---: | --- | ---: | ---: | ---: |")
    for (name, _), draft, entries in zip(wanted.draft, drafts, found, strict=True):
        size = sum(weight.numel() for weight in cast("Any", draft).parameters()) / 1e6
        for family in ["all", *families]:
            own = [e for e, text in zip(entries, texts, strict=True) if family in ("all", text.family)]
            shares = " | ".join(
                show(mean_by_text([getattr(entry, kind) for entry in own]))
                for kind in ("agreement_T", "hit_T", "overlap_T")
            )
            say(f"| {name} | {size:.1f} | {family} | {shares} |")


def mean_by_text(values: Sequence[Sequence[float]]) -> Estimate:
    """Mean of the texts' means."""
    return clustered_mean(values)


def show(estimate: Estimate) -> str:
    """As a share with its interval."""
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def cpu_seconds(pid: int) -> float:
    """Of a process, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


@dataclass
class Arm:
    """An engine, and what was seen of it."""

    name: str
    engine: Engine
    seconds: list[float]
    """CPU seconds of each repeat."""
    num_tokens: int = 0
    num_drafted: int = 0
    num_accepted: int = 0


def measure_engine(wanted: argparse.Namespace) -> None:
    """Print acceptance, tokens a step and the ratio of CPU seconds to those without drafts."""
    base = find_base("embedded", cache_dir=CACHE)
    assert base.gguf is not None, "the embedded base is a GGUF file"
    tokenizer = load_tokenizer(base.folder)
    prompts = [encode_prompt(tokenizer, solver_messages(t.question)) for t in read_texts(wanted.eval, wanted.texts)]
    speculations: list[tuple[str, Speculation | None]] = [("off", None)]
    for name, file in wanted.draft:
        for drafted in map(int, wanted.drafted.split(",")):
            method = Speculation(Method.DRAFT_SIMPLE, max_draft_tokens=drafted, draft_model=file)
            speculations.append((f"{name}, {drafted}", method))
    with ExitStack() as opened:
        arms = [
            Arm(name, opened.enter_context(Engine(make_settings(base.gguf, speculation, wanted))), [])
            for name, speculation in speculations
        ]
        texts = [run_arm(arm, prompts, wanted, 0) for arm in arms]  # warms up; not timed
        same = [sum(one == off for one, off in zip(own, texts[0], strict=True)) for own in texts]
        for arm in arms:
            arm.seconds, arm.num_tokens, arm.num_drafted, arm.num_accepted = [], 0, 0, 0
        for repeat in range(wanted.repeats):
            for arm in arms[repeat % len(arms) :] + arms[: repeat % len(arms)]:
                run_arm(arm, prompts, wanted, repeat)
    off = arms[0].seconds
    say(f"{len(prompts)} prompts, temperature {wanted.temperature:g}, {wanted.repeats} repeats after one to warm up\n")
    say("| drafts | accepted | tokens a step | CPU ms a token | speed, off = 1 | same text as off |")
    say("| --- | ---: | ---: | ---: | ---: | ---: |")
    for arm, equal in zip(arms, same, strict=True):
        accepted = f"{arm.num_accepted / arm.num_drafted:.3f}" if arm.num_drafted else "–"
        per_step = arm.num_tokens / (arm.num_tokens - arm.num_accepted)
        ratios = [without / own for without, own in zip(off, arm.seconds, strict=True)]
        per_token = statistics.median(arm.seconds) / (arm.num_tokens / wanted.repeats) * 1e3
        speed = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        say(f"| {arm.name} | {accepted} | {per_step:.2f} | {per_token:.1f} | {speed} | {equal} of {len(prompts)} |")


def make_settings(model: Path, speculation: Speculation | None, wanted: argparse.Namespace) -> EngineSettings:
    """One slot, with the solver's adapter."""
    return EngineSettings(
        model=model,
        adapters=(Adapter("solver", wanted.adapter),),
        speculation=speculation,
        slots=1,
        context_tokens=1024,
        threads=wanted.threads,
    )


def run_arm(arm: Arm, prompts: Sequence[Sequence[int]], wanted: argparse.Namespace, seed: int) -> list[Any]:
    """Have an engine answer every prompt once; returns the token ids."""
    settings: dict[str, Any] = {
        "temperature": wanted.temperature, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "seed": seed,
        "cache_prompt": True, "return_tokens": True,
    }  # fmt: skip
    texts: list[Any] = []
    seconds = 0.0
    for prompt in prompts:
        ask_engine(arm.engine, prompt, adapter="solver", settings=settings | {"n_predict": 1})
        pid = arm.engine.pid
        assert pid is not None, "it has just answered"
        before = cpu_seconds(pid)
        reply = ask_engine(arm.engine, prompt, adapter="solver", settings=settings | {"n_predict": MAX_TOKENS})
        seconds += cpu_seconds(pid) - before
        texts.append(reply["tokens"])
        arm.num_tokens += reply["timings"]["predicted_n"]
        arm.num_drafted += reply["timings"].get("draft_n", 0)
        arm.num_accepted += reply["timings"].get("draft_n_accepted", 0)
    arm.seconds.append(seconds)
    return texts


def parse_draft(text: str) -> tuple[str, Path]:
    """Read ``NAME=PATH``."""
    name, equals, path = text.partition("=")
    if not equals or not path:
        raise argparse.ArgumentTypeError(f"{text!r} is no NAME=PATH")
    return name, Path(path)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(required=True)
    data = commands.add_parser("data")
    data.add_argument("run", type=Path)
    data.add_argument("rollouts", type=Path)
    data.add_argument("--out", type=Path, required=True)
    data.add_argument("--first-step", type=int, default=1)
    data.set_defaults(do=write_data)
    agree, engine = commands.add_parser("agree"), commands.add_parser("engine")
    for command, texts in ((agree, 8), (engine, 4)):
        command.add_argument("eval", type=Path)
        command.add_argument("--adapter", type=Path, required=True)
        command.add_argument("--draft", type=parse_draft, action="append", required=True)
        command.add_argument("--texts", type=int, default=texts)
    agree.set_defaults(do=measure_agreement)
    engine.add_argument("--drafted", default="2,4")
    engine.add_argument("--repeats", type=int, default=5)
    engine.add_argument("--temperature", type=float, default=0.0)
    engine.add_argument("--threads", type=int, default=1)
    engine.set_defaults(do=measure_engine)
    wanted = parser.parse_args()
    wanted.do(wanted)


if __name__ == "__main__":
    main()
