"""Makes what a judge is taught: two replies to one question, one right and one wrong, in both orders, with a check.

    verified rollouts ─draw→ pairs (right, wrong) ─explain→ {"reasoning": a check, "verdict"} ─ both orders → examples

Position cannot help: each pair is there twice, with opposite verdicts. The replies are the solver's own, so that the
wrong ones are plausible; both ended by themselves and state an answer, and both are shown as the pipeline shows
candidates to a judge that reads thoughts.

The reasoning is written by program, is true, and is short: ``7 (first) or 9 (second)? 3 + 4 = 7, not 9: 7 (first).``
Who said what stands first, then the check (what comes out, or where it cannot be worked out in a line the first fault
that ``faults`` finds in the wrong reply), then the right answer with its place, which is a copy of what was said at the
beginning. A model that writes it token by token has nothing left to find out when it comes to the verdict. (Checks that
ended in "the first is wrong" taught 135M parameters to find the right figure and to name the same place always:
docs/results/training-135m.md.) The check of a sum is that of its last digits where these differ: to tell which of two
answers is right takes less than to find it.

A judge that reads thoughts is not taught right replies that have a fault too, or an equals sign that cannot be checked:
right by luck is no pattern for it. Measuring keeps them.

No ties are taught: the pipeline asks about different answers only, and of two wrong ones neither is worth a verdict.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal, TypeVar

from abruzzi.data.examples import Example, write_examples
from abruzzi.data.items import Item
from abruzzi.data.splits import normalise_question
from abruzzi.errors import DataError
from abruzzi.models.thinking import split_thinking
from abruzzi.nouns import FinishReason, Message, Outcome
from abruzzi.reasoning.judge import MAX_RESPONSE_CHARS, judge_messages, shorten, write_response
from abruzzi.reasoning.settings import AskSettings, JudgeReads
from abruzzi.training.equations import find_numbers
from abruzzi.training.faults import Fault, FaultKind, correct_result, find_faults, is_sound
from abruzzi.training.grpo.rollouts import RolloutGroup
from abruzzi.training.seeds import seed_of
from abruzzi.verifiers.extract import extract_answer

MAX_REASONING_TOKENS = 96
"""Of a check; the judge must not take longer than the candidates."""

Place = Literal["first", "second"]
EntryT = TypeVar("EntryT")


@dataclass(frozen=True, slots=True)
class Reply:
    """A completion that ended by itself, states an answer and was verified."""

    text: str
    """All of it, thoughts included."""
    answer: str
    """As extracted."""
    is_correct: bool
    mean_logprob: float | None = None
    """Per token (nats), where the rollout still has it."""


@dataclass(frozen=True, slots=True)
class Answered:
    """All such replies to one item."""

    item: Item
    family: str
    replies: tuple[Reply, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two replies to an item, with different answers."""

    item: Item
    family: str
    right: Reply
    wrong: Reply


@dataclass(slots=True)
class JudgeCounts:
    """What was made, and what was left out."""

    num_items: int = 0
    """With replies."""
    num_unsound: int = 0
    """Items whose right replies are right by luck, or cannot be checked."""
    num_unexplained: int = 0
    """Pairs whose check is longer than the limit whatever it says."""
    num_examples: int = 0
    drawn: Counter[str] = field(default_factory=Counter[str])
    """Family → pairs before balancing."""
    used: Counter[str] = field(default_factory=Counter[str])
    """Family → pairs that became examples."""
    checks: Counter[str] = field(default_factory=Counter[str])
    """Kind of check → pairs."""


def read_groups(groups: Iterable[RolloutGroup]) -> list[Answered]:
    """Gather the replies of rollout groups, those of one item together."""
    return _gather(
        (
            group.prompt.item,
            group.prompt.family,
            rollout.text,
            rollout.verdict.outcome,
            sum(rollout.sampled.logprobs) / len(rollout.sampled.logprobs) if rollout.sampled.logprobs else None,
        )
        for group in groups
        for rollout in group.rollouts
        if rollout.sampled.finish_reason is FinishReason.STOP
    )


def read_rollouts(rows: Iterable[Mapping[str, Any]], items: Mapping[str, Item]) -> list[Answered]:
    """Gather the replies of a run's ``rollouts.jsonl``; truncated ones are ``unparsed`` there and left out.

    Args:
        rows: ``{"item", "family", "text", "outcome"}``, and ``"mean_logprob"`` where it is known.
        items: id → item, all that were asked in the run.

    Raises:
        DataError: a row is of another item, or is no rollout.
    """

    def read(row: Mapping[str, Any]) -> tuple[Item, str, str, Outcome, float | None]:
        try:
            item, outcome = items[row["item"]], Outcome(row["outcome"])
            return item, str(row["family"]), str(row["text"]), outcome, row.get("mean_logprob")
        except (KeyError, ValueError) as error:
            raise DataError(
                f"the row {str(dict(row))[:80]!r} is no rollout of an item given here ({error}); pass the items of the "
                "recipe that the run was made with"
            ) from error

    return _gather(map(read, rows))


def draw_pairs(
    answered: Iterable[Answered], *, per_item: int, seed: int, is_sound_only: bool, counts: JudgeCounts | None = None
) -> list[Pair]:
    """Draw pairs, for each item with wrong answers that all differ.

    What is drawn for an item depends on the seed and its replies alone. No two pairs show the same.

    Args:
        answered: the replies.
        per_item: pairs of an item, at most.
        seed: of the draws.
        is_sound_only: take only right replies that ``faults.is_sound`` finds nothing to say about; for teaching.
        counts: is told what was found.
    """
    counts = JudgeCounts() if counts is None else counts
    pairs: dict[tuple[str, str, str], Pair] = {}
    for one in answered:
        counts.num_items += 1
        rights = list({reply.text: reply for reply in one.replies if reply.is_correct}.values())
        wrongs = {reply.text: reply for reply in one.replies if not reply.is_correct}
        if is_sound_only and rights:
            rights = [reply for reply in rights if is_sound(one.item, reply.text)]
            counts.num_unsound += not rights
        for pair in _draw(one, rights, list(wrongs.values()), per_item, Random(seed_of(seed, "pairs", one.item.id))):
            pairs.setdefault((normalise_question(pair.item.question), pair.right.text, pair.wrong.text), pair)
    counts.drawn.update(pair.family for pair in pairs.values())
    return list(pairs.values())


def balance(
    entries: Sequence[EntryT], family_of: Callable[[EntryT], str], *, max_ratio: float, seed: int
) -> list[EntryT]:
    """Keep of each family at most ``max_ratio`` times as many entries as the scarcest one has, drawn at random."""
    by_family: dict[str, list[EntryT]] = {}
    for entry in entries:
        by_family.setdefault(family_of(entry), []).append(entry)
    limit = int(max_ratio * min(map(len, by_family.values()), default=0))
    kept: list[EntryT] = []
    for family, own in by_family.items():
        Random(seed_of(seed, "balance", family)).shuffle(own)
        kept += own[:limit]
    return kept


def is_distinct(right: str, wrong: str) -> bool:
    """False where two answers differ in their wording only, as far as can be told without mathematics."""
    right, wrong = _squeeze(right), _squeeze(wrong)
    are_same_numbers = find_numbers(right) == find_numbers(wrong) and right.count("-") == wrong.count("-")
    return right != wrong and not (find_numbers(right) and are_same_numbers)


def explain(pair: Pair) -> Iterator[Fault]:
    """Say what speaks against a pair's wrong reply: what comes out, the faults of its steps, or at last its answer."""
    found = list(correct_result(pair.item, right=pair.right.answer, wrong=pair.wrong.answer))
    yield from (fault for fault in found if fault.kind is FaultKind.RESULT)
    yield from find_faults(pair.item, pair.wrong.text)
    yield from (fault for fault in found if fault.kind is not FaultKind.RESULT)


def ask_about(
    pair: Pair, right_is: Place, *, mark: str, reads: JudgeReads, limit: int = MAX_RESPONSE_CHARS
) -> tuple[Message, ...]:
    """Write what the judge is asked about a pair.

    Args:
        pair: the two replies.
        right_is: where the right one is shown.
        mark: see ``reasoning.judge``.
        reads: what it is shown of each.
        limit: characters of each.
    """
    right, wrong = (shorten(show(reply.text, reads), limit) for reply in (pair.right, pair.wrong))
    first, second = (right, wrong) if right_is == "first" else (wrong, right)
    return judge_messages(pair.item.question, first, second, mark=mark)


def show(reply: str, reads: JudgeReads) -> str:
    """Write a whole reply as the pipeline would show it to its judge, the text from a stop string on taken off."""
    for stop in AskSettings.model_fields["stop"].default:
        reply = reply.partition(stop)[0]
    thoughts, text = split_thinking(reply)
    return write_response(text, thoughts, reads)


def draw_mark(seed: int, *purpose: str | int) -> str:
    """Draw a mark like the pipeline's, the same for the same purpose."""
    return f"{Random(seed_of(seed, 'mark', *purpose)).getrandbits(64):016x}"


def write_judge_examples(
    path: Path,
    answered: Iterable[Answered],
    *,
    tokenizer: Any,
    per_item: int = 2,
    max_ratio: float = 1.0,
    reads: JudgeReads = "answer",
    seed: int = 1,
) -> JudgeCounts:
    """Write a judge's examples as a file that ``abruzzi train sft`` takes (``kind = "examples"``).

    Both orders of a pair stand together and families are mixed, so that the first rows (``limit``) will do too.

    Args:
        path: the JSON Lines file.
        answered: replies to items that are not held out.
        tokenizer: the base's, to measure checks with.
        per_item: pairs of an item, at most; each makes two examples.
        max_ratio: see ``balance``.
        reads: what the judge is shown of each reply; it must be asked with the same setting later on.
        seed: of all draws; the same seed and replies give the same file.

    Raises:
        DataError: there is no pair.
        RecordError: the file cannot be written.
    """

    def count_tokens(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])

    counts = JudgeCounts()
    pairs = draw_pairs(answered, per_item=per_item, seed=seed, is_sound_only=reads == "thoughts", counts=counts)
    checked = list(_check_all(pairs, count_tokens, counts))
    kept = balance(checked, lambda entry: entry[0].family, max_ratio=max_ratio, seed=seed)
    Random(seed_of(seed, "order")).shuffle(kept)
    examples: list[Example] = []
    for pair, fault in kept:
        counts.used[pair.family] += 1
        counts.checks[fault.kind] += 1
        examples += _make_examples(pair, fault, counts.used[pair.family], reads, seed)
    if not examples:
        raise DataError(
            f"no pair of a right and a wrong reply among {counts.num_items} items ({counts.num_unsound} of them "
            f"without a sound right one, {counts.num_unexplained} pairs with too long a check); sample more replies "
            "of each, or items that the solver gets right now and then"
        )
    counts.num_examples = write_examples(path, examples)
    return counts


def _gather(found: Iterable[tuple[Item, str, str, Outcome, float | None]]) -> list[Answered]:
    """Keep what was judged correct or wrong and states an answer."""
    answered: dict[str, tuple[Item, str, list[Reply]]] = {}
    for item, family, text, outcome, mean_logprob in found:
        extracted = extract_answer(text)
        if outcome not in (Outcome.CORRECT, Outcome.WRONG) or extracted is None or not extracted.is_whole:
            continue
        reply = Reply(text, " ".join(extracted.text.split()), outcome is Outcome.CORRECT, mean_logprob)
        if reply.answer:
            answered.setdefault(item.id, (item, family, []))[2].append(reply)
    return [Answered(item, family, tuple(replies)) for item, family, replies in answered.values()]


def _draw(one: Answered, rights: list[Reply], wrongs: list[Reply], per_item: int, rng: Random) -> Iterator[Pair]:
    rng.shuffle(rights)
    rng.shuffle(wrongs)
    by_answer = {_squeeze(reply.answer): reply for reply in wrongs}
    chosen = [wrong for wrong in by_answer.values() if rights and is_distinct(rights[0].answer, wrong.answer)]
    for number, wrong in enumerate(chosen[:per_item]):
        yield Pair(one.item, one.family, rights[number % len(rights)], wrong)


def _check_all(
    pairs: Iterable[Pair], count_tokens: Callable[[str], int], counts: JudgeCounts
) -> Iterator[tuple[Pair, Fault]]:
    """Find the firmest check of each pair that is short enough."""
    for pair in pairs:
        fits = (
            fault for fault in explain(pair) if count_tokens(_reason(pair, fault, "second")) <= MAX_REASONING_TOKENS
        )
        fault = next(fits, None)
        if fault is None:
            counts.num_unexplained += 1
        else:
            yield pair, fault


def _squeeze(text: str) -> str:
    return " ".join(text.lower().split())


def _reason(pair: Pair, fault: Fault, right_is: Place) -> str:
    right, wrong = pair.right.answer, pair.wrong.answer
    first, second = (right, wrong) if right_is == "first" else (wrong, right)
    return f"{first} (first) or {second} (second)? {fault.statement}: {right} ({right_is})."


def _make_examples(pair: Pair, fault: Fault, number: int, reads: JudgeReads, seed: int) -> Iterator[Example]:
    """Make both orders of a pair."""
    orders: tuple[Place, Place] = ("first", "second")
    for right_is in orders:
        reply = {"reasoning": _reason(pair, fault, right_is), "verdict": right_is}
        yield Example(
            id=f"{pair.item.id}/judge/{number}/{right_is}",
            messages=ask_about(pair, right_is, mark=draw_mark(seed, pair.item.id, number), reads=reads),
            completion=json.dumps(reply, ensure_ascii=False),
            family=pair.family,
            style=fault.kind,
        )
