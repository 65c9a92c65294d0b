"""Measures drafts by replay on texts that were made without them: acceptance and tokens a pass, by kind and by source.

    .venv/bin/python scripts/measure_drafting.py [--ngram 3] [--least 1] [--draft 16] [--json FILE] [--sample-plans 90]

Texts are the committed ones: candidates of training-135m/eval-sft and eval-grpo (four of each item, ended by
SmolLM2-135M with an adapter), candidates of ablation-135m (the base; groups of 3 and of 16), a trained and an
untrained judge's votes of training-135m/judges, both orders of a pair side by side, and the base's plans in
drafting/plans.jsonl.gz, which ``--sample-plans`` makes anew. Prompts are the pipeline's own.

What is kept of a completion is its text, and not always to the last blank. So each is spelled out again, tokenised,
and left out unless it has just as many tokens as the engine counted; how many are left is told. A vote has no such
count; its whole reply was kept.

Drafters: ``ngram-simple`` is the engine's own. ``own`` is the longest match in the completion's own prompt and text,
``group`` in those of its siblings too, in lock step. Every draft is of texts of one question. Ratios are of sums over
all questions of a kind; intervals, 95 %, are from resampled questions. No model runs here, and no time is measured.
"""

import argparse
import gzip
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from math import isfinite
from pathlib import Path
from statistics import median
from typing import Any

import anyio
import numpy as np
import platformdirs
from pydantic_core import to_jsonable_python

from abruzzi.cli.judging import read_answered
from abruzzi.cli.wiring import ModelSpecs, open_roles
from abruzzi.engine.drafting.draft import DraftLimits, NewDrafter
from abruzzi.engine.drafting.longest_match import LongestMatch
from abruzzi.engine.drafting.ngram_simple import NgramSimple
from abruzzi.engine.drafting.prompt import label_prompt
from abruzzi.engine.drafting.replay import Acceptance, Completed, add_up, replay
from abruzzi.engine.drafting.text import Part, Source
from abruzzi.ledger import Ledger
from abruzzi.models.chat import ChatRequest
from abruzzi.nouns import Message, Role
from abruzzi.reasoning.judge import write_response
from abruzzi.reasoning.plan import PLAN_SCHEMA, planner_messages
from abruzzi.reasoning.sample import solver_messages
from abruzzi.statistics.estimate import Estimate
from abruzzi.statistics.intervals import Floats, bootstrap
from abruzzi.training.base import find_base, load_tokenizer
from abruzzi.training.judge_accuracy import ORDERS
from abruzzi.training.judge_data import Answered, ask_about, draw_mark, draw_pairs

FAMILIES = ("chain_sum", "leg_counting", "letter_counting")
STOP = "</answer>"
PLANS = "drafting/plans.jsonl.gz"
PLAN_TOKENS = 160
RESAMPLES = 2000
TRAINED_JUDGE = "86c6592cb1e200a830beb7b139217c1c9562f040eda3bbda33da749fbcf2ccde"
BASE_JUDGE = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

Group = list[Completed]
"""Completions side by side."""


@dataclass
class Kind:
    """Texts of one kind."""

    name: str
    max_tokens: int
    questions: dict[str, list[Group]] = field(default_factory=lambda: defaultdict(list))
    num_read: int = 0
    num_kept: int = 0


class Reader:
    """Spells texts out as the engine read and wrote them."""

    def __init__(self, results: Path) -> None:
        self.results = results
        source = find_base("embedded", cache_dir=platformdirs.user_cache_path("abruzzi"))
        self.tokenizer: Any = load_tokenizer(source.folder)

    def rows(self, path: str) -> Iterator[dict[str, Any]]:
        """Read a compressed JSON Lines file."""
        with gzip.open(self.results / path, "rt") as lines:
            yield from map(json.loads, lines)

    def prompt(self, messages: Sequence[Message]) -> tuple[Part, ...]:
        """Render a prompt, each token with its source."""
        turns = [{"role": message.role, "content": message.content} for message in messages]
        text: str = self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        found = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        return label_prompt(text, found["input_ids"], [start for start, _ in found["offset_mapping"]])

    def completion(self, text: str, *, has_ended: bool) -> tuple[int, ...]:
        """Tokenise a completion."""
        end = [self.tokenizer.eos_token_id] if has_ended else []
        return (*self.tokenizer(text, add_special_tokens=False)["input_ids"], *end)

    def candidate(self, row: Mapping[str, Any]) -> tuple[int, ...] | None:
        """Spell a candidate out; None where that gives another number of tokens than the engine counted."""
        text = write_response(row["text"], row["reasoning"], "thoughts")
        is_stopped = row["finish_reason"] == "stop" and "<answer>" in text and STOP not in text
        ids = self.completion(text + STOP * is_stopped, has_ended=row["finish_reason"] == "stop" and not is_stopped)
        return ids if ids and len(ids) == row["num_tokens"] else None


def read_evaluation(reader: Reader, folder: str, name: str) -> Kind:
    """Read four candidates of each item."""
    kind = Kind(name, max_tokens=112)
    for family in FAMILIES:
        items = {row["item"]["id"]: row["item"]["question"] for row in reader.rows(f"{folder}/{family}/items.jsonl.gz")}
        groups: dict[str, Group] = defaultdict(list)
        for row in reader.rows(f"{folder}/{family}/samples.jsonl.gz"):
            question = items[row["item"]]
            prompt = reader.prompt(solver_messages(question))
            for candidate in row["candidates"]:
                kind.num_read += 1
                ids = reader.candidate(candidate)
                if ids is not None:
                    groups[row["item"]].append(Completed(prompt, ids))
        for item, group in groups.items():
            kind.num_kept += len(group)
            kind.questions[item].append(group)
    return kind


def read_pools(reader: Reader, arm: str, size: int, name: str) -> Kind:
    """Read the first candidates of each item in an arm of the ablation."""
    kind = Kind(name, max_tokens=32)
    items = read_questions(reader)
    for row in reader.rows("ablation-135m/pools.jsonl.gz"):
        if row["arm"] != arm:
            continue
        question, plan = items[row["benchmark"], row["item"]], row["plan"]["text"]
        prompt = reader.prompt(solver_messages(question, plan))
        found = [reader.candidate(candidate) for candidate in row["candidates"][:size]]
        group = [Completed(prompt, ids) for ids in found if ids is not None]
        kind.num_read += len(found)
        kind.num_kept += len(group)
        if group:
            kind.questions[row["item"]].append(group)
    return kind


def read_plans(reader: Reader, name: str) -> Kind:
    """Read the planner's replies that ``--sample-plans`` kept."""
    kind = Kind(name, max_tokens=PLAN_TOKENS)
    for row in reader.rows(PLANS):
        kind.num_read += 1
        ids = reader.completion(row["reply"], has_ended=row["finish_reason"] == "stop")
        if len(ids) == row["num_tokens"]:
            kind.questions[row["item"]].append([Completed(reader.prompt(planner_messages(row["question"])), ids)])
            kind.num_kept += 1
    return kind


def sample_plans(reader: Reader, count: int) -> None:
    """Have the base plan for questions spread over the ablation's, as the pipeline does, and keep its replies.

    The ablation kept plans as the candidates saw them, lines and topics that came twice taken out.
    """
    asked = list(read_questions(reader).items())
    rows = anyio.run(_ask_planner, asked[:: len(asked) // count][:count])
    path = reader.results / PLANS
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode(), mtime=0))


async def _ask_planner(asked: Sequence[tuple[tuple[str, str], str]]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    async with open_roles(ModelSpecs(solver="embedded:base", speculation="off"), n=1) as roles:
        for (_, item), question in asked:
            request = ChatRequest(
                Role.PLANNER,
                planner_messages(question),
                max_tokens=PLAN_TOKENS,
                temperature=0.0,
                seed=1,
                schema=PLAN_SCHEMA,
            )
            (reply,) = await roles.planner.complete(request, ledger=Ledger())
            facts = {"reply": reply.text, "finish_reason": reply.finish_reason.value, "num_tokens": reply.num_tokens}
            rows.append({"item": item, "question": question, **facts})
    return rows


def read_votes(reader: Reader, judge: str, name: str) -> Kind:
    """Read a judge's votes; the two orders of a pair go side by side."""
    kind = Kind(name, max_tokens=96)
    pairs = draw_pairs(read_replies(reader), per_item=1, seed=0, is_sound_only=False)[:150]
    rows = reader.rows("training-135m/judges/votes.jsonl.gz")
    replies = {row["prompt"]: row["reply"] for row in rows if row["judge"] == judge}
    for number, pair in enumerate(pairs):
        mark = draw_mark(0, "measure", number)
        group: Group = []
        for right_is in ORDERS:
            kind.num_read += 1
            messages = ask_about(pair, right_is, mark=mark, reads="thoughts")
            said = "\0".join(f"{message.role}\0{message.content}" for message in messages)
            reply = replies.get(sha256(said.encode()).hexdigest())
            if not reply:
                continue
            ids = reader.completion(reply, has_ended=reply.rstrip().endswith("}"))
            group.append(Completed(reader.prompt(messages), ids))
        kind.num_kept += len(group)
        if group:
            kind.questions[pair.item.id].append(group)
    return kind


def read_replies(reader: Reader) -> list[Answered]:
    """Read the replies that the pairs were drawn from, as ``abruzzi eval judge`` does."""
    found: list[Answered] = []
    for family in FAMILIES:
        packed = reader.results / "training-135m" / "eval-sft" / family
        with tempfile.TemporaryDirectory() as folder:
            for path in packed.iterdir():
                data = path.read_bytes()
                is_packed = path.suffix == ".gz"
                name = path.stem if is_packed else path.name
                Path(folder, name).write_bytes(gzip.decompress(data) if is_packed else data)
            found += read_answered(Path(folder))
    return found


def read_questions(reader: Reader) -> dict[tuple[str, str], str]:
    """Read the ablation's questions."""
    rows = reader.rows("ablation-135m/items.jsonl.gz")
    return {(row["benchmark"], row["item"]["id"]): row["item"]["question"] for row in rows}


def drafters(limits: Mapping[str, DraftLimits]) -> dict[str, NewDrafter]:
    """Name the drafters that are compared."""
    return {
        "ngram-simple": partial(NgramSimple, limits=limits["ngram-simple"]),
        "own": partial(LongestMatch, limits=limits["longest"], shares=False),
        "group": partial(LongestMatch, limits=limits["longest"]),
    }


def replay_kind(kind: Kind, new_drafter: NewDrafter) -> list[Acceptance]:
    """Replay all texts of a kind; one sum per question."""
    return [
        add_up(one for group in groups for one in replay(group, new_drafter, max_tokens=kind.max_tokens))
        for groups in kind.questions.values()
    ]


def gain(ours: Sequence[Acceptance], theirs: Sequence[Acceptance]) -> Estimate:
    """Estimate how many more tokens a pass yields, paired by question."""

    def statistic(means: Floats) -> Floats:
        return means[..., 0] / means[..., 1] - means[..., 2] / means[..., 3]

    columns = [
        [
            one.num_tokens - one.num_completions,
            one.num_passes,
            other.num_tokens - other.num_completions,
            other.num_passes,
        ]
        for one, other in zip(ours, theirs, strict=True)
    ]
    return bootstrap(columns, statistic, resamples=RESAMPLES)


def ratio(above: Sequence[float], below: Sequence[float]) -> Estimate | None:
    """Estimate a ratio of sums over questions; None where nothing stands below, or next to nothing."""

    def statistic(means: Floats) -> Floats:
        return means[..., 0] / np.where(means[..., 1] > 0, means[..., 1], np.nan)

    if not sum(below):
        return None
    found = bootstrap(np.column_stack([above, below]), statistic, resamples=RESAMPLES)
    return found if isfinite(found.low) and isfinite(found.high) else None


def describe(kind: Kind, name: str, found: Sequence[Acceptance], own: Sequence[Acceptance]) -> dict[str, Any]:
    """Work out a row of the tables."""
    total = add_up(found)
    passes = [float(one.num_passes) for one in found]
    by_source = {
        source.value: {
            "share_of_accepted": total.accepted.get(source, 0) / max(1, total.accepted_tokens),
            "acceptance_rate": ratio(
                [one.accepted.get(source, 0) for one in found], [one.drafted.get(source, 0) for one in found]
            ),
            "draft_tokens": total.drafted[source],
        }
        for source in Source
        if source in total.drafted
    }
    return {
        "kind": kind.name,
        "drafter": name,
        "questions": len(found),
        "completions": total.num_completions,
        "tokens": total.num_tokens,
        "acceptance_rate": ratio([one.accepted_tokens for one in found], [one.draft_tokens for one in found]),
        "tokens_per_pass": ratio([one.num_tokens - one.num_completions for one in found], passes),
        "median_tokens_per_pass": median(one.tokens_per_pass for one in found),
        "drafted_per_pass": total.draft_tokens / max(1, total.num_passes),
        "gain_over_own": gain(found, own) if name == "group" else None,
        "by_source": by_source,
    }


def show_number(number: Estimate | float | None, digits: int = 2, sign: str = "") -> str:
    """Write a number with its interval."""
    if number is None:
        return "–"
    if isinstance(number, Estimate):
        low, high = (f"{end:{sign}.{digits}f}" for end in (number.low, number.high))
        return f"{number.value:{sign}.{digits}f} [{low}, {high}]"
    return f"{number:.{digits}f}"


def write_tables(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print both tables."""
    write_line("kind", "drafter", "acceptance", "drafted a pass", "tokens a pass", "median", "group − own")
    write_line(*["---"] * 7)
    for row in rows:
        write_line(
            row["kind"],
            row["drafter"],
            show_number(row["acceptance_rate"]),
            show_number(row["drafted_per_pass"]),
            show_number(row["tokens_per_pass"], 3),
            show_number(row["median_tokens_per_pass"]),
            show_number(row["gain_over_own"], 3, "+") if row["gain_over_own"] else "",
        )
    sys.stdout.write("\n")
    write_line("kind", "drafter", *(f"{source.value}: share, acceptance" for source in Source))
    write_line(*["---"] * (2 + len(Source)))
    for row in rows:
        cells = [
            f"{100 * found['share_of_accepted']:.0f} %, {show_number(found['acceptance_rate'])}" if found else "–"
            for found in (row["by_source"].get(source.value) for source in Source)
        ]
        write_line(row["kind"], row["drafter"], *cells)


def write_line(*cells: str) -> None:
    """Print a row of a Markdown table."""
    sys.stdout.write(f"| {' | '.join(cells)} |\n")
    sys.stdout.flush()


def main() -> None:
    """Read the arguments, then read, replay and tell of each kind."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--results", type=Path, default=Path("docs/results"))
    parser.add_argument("--ngram", type=int, default=3, help="of ngram-simple")
    parser.add_argument("--least", type=int, default=1, help="tokens of a match, at least, for own and group")
    parser.add_argument("--draft", type=int, default=16, help="tokens of a draft, at most")
    parser.add_argument("--only", action="append", default=[], help="kinds whose name holds this word")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sample-plans", type=int, metavar="N", help="sample N plans first, with the embedded engine")
    wanted = parser.parse_args()
    limits = {
        "ngram-simple": DraftLimits(wanted.ngram, wanted.draft),
        "longest": DraftLimits(wanted.least, wanted.draft),
    }
    reader = Reader(wanted.results)
    if wanted.sample_plans:
        sample_plans(reader, wanted.sample_plans)
    readers: dict[str, Callable[[str], Kind]] = {
        "reasoning, SFT, 4": partial(read_evaluation, reader, "training-135m/eval-sft"),
        "reasoning, SFT + GRPO, 4": partial(read_evaluation, reader, "training-135m/eval-grpo"),
        "reasoning, base, 3": partial(read_pools, reader, "none", 3),
        "reasoning, base with a plan, 3": partial(read_pools, reader, "plan", 3),
        "planning, base": partial(read_plans, reader),
        "judging, trained, both orders": partial(read_votes, reader, TRAINED_JUDGE),
        "judging, base, both orders": partial(read_votes, reader, BASE_JUDGE),
        "reasoning, base, 16": partial(read_pools, reader, "none", 16),
    }
    rows: list[dict[str, Any]] = []
    for name_of_kind, read in readers.items():
        if wanted.only and not any(word in name_of_kind for word in wanted.only):
            continue
        if name_of_kind.startswith("planning") and not (wanted.results / PLANS).exists():
            sys.stderr.write(f"{name_of_kind}: no {wanted.results / PLANS}; make it with --sample-plans 90\n")
            continue
        kind = read(name_of_kind)
        sys.stderr.write(f"{kind.name}: {kind.num_kept} of {kind.num_read}, {len(kind.questions)} questions\n")
        found = {name: replay_kind(kind, new_drafter) for name, new_drafter in drafters(limits).items()}
        rows += [
            {**describe(kind, name, one, found["own"]), "read": kind.num_read, "kept": kind.num_kept}
            for name, one in found.items()
        ]
        if wanted.json:
            wanted.json.write_text(json.dumps(to_jsonable_python(rows), indent=1) + "\n")
    write_tables(rows)


if __name__ == "__main__":
    main()
