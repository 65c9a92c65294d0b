"""Measures judges on what finished evaluations hold: pairs of a right and a wrong reply to one item.

    evaluations ─draw→ pairs ─each judge, both orders→ votes ─→ accuracy, flips, first share, beside what they must beat

The replies are those of single samples, so that nothing is sampled again and the pairs are held out wherever the
evaluation was. Each judge is asked as the pipeline asks it: same prompt, same schema, greedily. A vote is kept when it
is given, under the judge's name and weights and the words it was asked in; the same command asks for the missing ones.

What the pipeline gains by a judge is for ``abruzzi eval ablate`` to say.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import anyio
from pydantic_core import to_jsonable_python

from abruzzi.cli.evaluating import hash_weights
from abruzzi.cli.gauge import Gauge, open_gauge
from abruzzi.cli.wiring import ModelSpecs, open_roles
from abruzzi.data.items import Item
from abruzzi.errors import DataError, ModelError, RecordError
from abruzzi.evaluation.folder import find_folders, read_evaluation
from abruzzi.evaluation.samples import Sample
from abruzzi.evaluation.store import Store
from abruzzi.ledger import Ledger
from abruzzi.models.chat import ChatModel, ChatRequest
from abruzzi.nouns import FinishReason, Message, Role
from abruzzi.pages.digits import percent
from abruzzi.pages.markdown import write_document
from abruzzi.pages.page import Page, Section
from abruzzi.pages.table import Group, Table
from abruzzi.reasoning.judge import JUDGE_SCHEMA, write_response
from abruzzi.reasoning.settings import JudgeReads
from abruzzi.statistics.estimate import Estimate
from abruzzi.training.judge_accuracy import (
    Choices,
    JudgeScore,
    choose_by_likelihood,
    choose_by_majority,
    judge_accuracy,
)
from abruzzi.training.judge_data import Answered, Pair, draw_pairs, read_rollouts

VOTES_FILE, SCORES_FILE, REPORT_FILE = "votes.jsonl", "judges.json", "judges.md"
SLOTS = 6


@dataclass(frozen=True, slots=True)
class Judge:
    """A judge to be measured."""

    spec: str
    sha256: str | None
    """Of its weights, where they are files."""

    @property
    def identity(self) -> str:
        """What its votes are kept under."""
        return self.spec if self.sha256 is None else self.sha256


@dataclass(frozen=True, slots=True)
class KeptVote:
    """What a judge replied to one request."""

    judge: str
    prompt: str
    """sha256 of the messages."""
    reply: str
    """Empty where the call failed."""


@dataclass(frozen=True, slots=True)
class JudgeWish:
    """What the command line asked for."""

    judges: tuple[str, ...]
    reads: JudgeReads
    per_item: int
    """Pairs of an item, at most."""
    limit: int | None
    """Pairs, at most."""
    max_tokens: int
    parallel: int
    seed: int


def run_judges(places: Sequence[Path], out: Path, wish: JudgeWish) -> int:
    """Measure judges on the pairs of evaluations, and write what was found beside their votes.

    Returns:
        The exit code: 0.

    Raises:
        DataError: there is no evaluation, or no pair in it.
        ModelError: a judge cannot be asked.
        RecordError: a file cannot be read or written.
    """
    answered = [one for folder in find_folders(places) for one in read_answered(folder)]
    pairs = draw_pairs(answered, per_item=wish.per_item, seed=wish.seed, is_sound_only=False)[: wish.limit]
    if not pairs:
        raise DataError(
            "these evaluations hold no item with both a right and a wrong reply; sample each item several times: "
            "abruzzi eval run … --system single --runs 4"
        )
    judges = [Judge(spec, hash_weights(spec, "judge")) for spec in dict.fromkeys(wish.judges)]
    scores: dict[str, JudgeScore] = {}
    store = Store(out / VOTES_FILE, KeptVote, key=lambda vote: (vote.judge, vote.prompt))
    with store, open_gauge() as gauge:
        for judge in judges:

            def ask(requests: Sequence[tuple[Message, ...]], judge: Judge = judge) -> list[str]:
                missing = [messages for messages in requests if not store.is_done(_key(judge, messages))]
                anyio.run(_ask_all, judge, missing, store, wish, gauge)
                return [vote.reply for messages in requests if (vote := store.get(_key(judge, messages)))]

            scores[judge.spec] = judge_accuracy(pairs, ask, reads=wish.reads, seed=wish.seed)
    choosers: dict[str, Choices] = {spec: score.choices for spec, score in scores.items()}
    choosers["majority of the item's other replies"] = choose_by_majority(pairs, answered)
    likelihood = choose_by_likelihood(pairs)
    if likelihood is not None:
        choosers["likelihood"] = likelihood
    table = make_table(pairs, choosers, scores)
    report = write_document(Page(title="Judges", sections=(Section("judges", "What each chooses", tables=(table,)),)))
    _write(out / REPORT_FILE, report)
    facts = {
        "judges": judges,
        "num_pairs": len(pairs),
        "reads": wish.reads,
        "seed": wish.seed,
        "scores": scores,
        "baselines": {name: choices for name, choices in choosers.items() if name not in scores},
    }
    _write(out / SCORES_FILE, json.dumps(to_jsonable_python(facts), indent=1, ensure_ascii=False) + "\n")
    print(report)
    return 0


def read_answered(folder: Path) -> list[Answered]:
    """Read the verified replies of an evaluation's single samples.

    Raises:
        DataError: there is none in the folder.
        RecordError: it cannot be read.
    """
    found = read_evaluation(folder)
    items: dict[str, Item] = {item.id: item for item in found.items}
    family = found.protocol.benchmark.name
    stop = found.protocol.ask.stop
    rows = (
        {
            "item": sample.item,
            "family": family,
            "text": text,
            "outcome": sample.outcome.value,
            "mean_logprob": sample.candidates[0].mean_logprob,
        }
        for sample in found.samples
        for text in _spell_out(sample, stop)
    )
    return read_rollouts(rows, items)


def make_table(pairs: Sequence[Pair], choosers: dict[str, Choices], scores: dict[str, JudgeScore]) -> Table:
    """Lay out what each way of choosing makes of the pairs; what only judges have is a dash elsewhere."""
    families = list(dict.fromkeys(pair.family for pair in pairs))

    def row(name: str, choices: Choices) -> tuple[str, ...]:
        own = [percent(choices.accuracy), *(percent(choices.by_family[family]) for family in families)]
        score = scores.get(name)
        rest: list[Estimate | None] = (
            [None] * 3 if score is None else [score.flip_rate, score.first_share, score.unparsed]
        )
        return name, *own, *map(percent, rest)

    return Table(
        caption=f"{len(pairs)} pairs of a right and a wrong reply, each in both orders; per cent",
        head=("judge", "right", *families, "flips with the order", "names the first", "no verdict"),
        groups=(Group("", tuple(row(name, choices) for name, choices in choosers.items())),),
        notes=(
            "Right: both orders name the right reply; one half where they do not decide. Flips: of pairs with two "
            "verdicts that name a reply. Intervals are 95 %, clustered by item.",
        ),
    )


def _spell_out(sample: Sample, stop: Sequence[str]) -> Iterator[str]:
    """Give the whole text of a sample with one candidate that ended by itself, its stop string put back."""
    if not sample.is_scored or len(sample.candidates) != 1:
        return
    (candidate,) = sample.candidates
    if candidate.finish_reason is FinishReason.STOP:
        closing = next((end for end in stop if end.replace("/", "") in candidate.text), "")
        yield write_response(candidate.text, candidate.reasoning, "thoughts") + closing


async def _ask_all(
    judge: Judge, requests: Sequence[tuple[Message, ...]], store: Store[KeptVote], wish: JudgeWish, gauge: Gauge
) -> None:
    """Ask a judge, side by side, and keep each reply when it comes."""
    if not requests:
        return
    specs = ModelSpecs(solver=judge.spec)
    limiter = anyio.CapacityLimiter(wish.parallel)
    done = 0
    async with AsyncExitStack() as stack:
        roles = await stack.enter_async_context(open_roles(specs, n=min(SLOTS, wish.parallel), is_one_user=True))

        async def ask_one(messages: tuple[Message, ...]) -> None:
            nonlocal done
            async with limiter:
                reply = await _ask(roles.judge, messages, wish)
            store.add(KeptVote(judge.identity, _hash(messages), reply))
            done += 1
            gauge.show(judge.spec, done, len(requests))

        async with anyio.create_task_group() as group:
            for messages in requests:
                group.start_soon(ask_one, messages)


async def _ask(model: ChatModel, messages: tuple[Message, ...], wish: JudgeWish) -> str:
    request = ChatRequest(
        Role.JUDGE,
        messages,
        max_tokens=wish.max_tokens,
        temperature=0.0,
        seed=wish.seed,
        schema=JUDGE_SCHEMA,
    )
    (completion,) = await model.complete(request, ledger=Ledger())
    if completion.finish_reason is FinishReason.ERROR:
        raise ModelError(f"the judge {model.name} failed: {completion.error}; the same command goes on from here")
    return completion.text


def _key(judge: Judge, messages: tuple[Message, ...]) -> tuple[str, str]:
    return judge.identity, _hash(messages)


def _hash(messages: tuple[Message, ...]) -> str:
    return hashlib.sha256("\0".join(f"{m.role}\0{m.content}" for m in messages).encode()).hexdigest()


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RecordError(
            f"cannot write {path}: {error.strerror}; the votes are kept, the same command goes on"
        ) from error
