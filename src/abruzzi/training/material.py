"""Gathers what a recipe trains on: items of each source, some held out, as examples for SFT or prompts for GRPO.

Held-out items of generated tasks have a seed of their own, the same in every stage of a recipe; items of files are
split by the hash of their question. What asks a question that any source holds out is taken out of every training set,
so that neither a generator that repeats itself nor another source can leak. The same recipe gives the same sets.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from abruzzi.data.am_thinking import read_am_thinking
from abruzzi.data.balance import balance_answers
from abruzzi.data.difficulty import Key, PassRate, keep_between, read_pass_rates
from abruzzi.data.examples import Example, read_examples
from abruzzi.data.guru import read_guru
from abruzzi.data.items import Item, read_items
from abruzzi.data.procedural import generate_items
from abruzzi.data.rows import MalformedRow
from abruzzi.data.splits import drop_asked, hash_question, split_items
from abruzzi.data.traces import list_styles, make_examples
from abruzzi.data.traces.examples import draw_plan
from abruzzi.errors import ConfigError, DataError
from abruzzi.nouns import Message
from abruzzi.reasoning.sample import solver_messages
from abruzzi.training.grpo.rollouts import Prompt
from abruzzi.training.recipe import TAUGHT, DataSettings, FileSource, ProceduralSource
from abruzzi.training.seeds import seed_of
from abruzzi.training.tokens import encode_prompt

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Portion:
    """The items of one source."""

    source: ProceduralSource | FileSource
    family: str
    """Task or file; numbered where several sources have the same, so that their items' scores are kept apart."""
    train: tuple[Item, ...]
    held_out: tuple[Item, ...]
    malformed: tuple[MalformedRow, ...] = ()
    """Rows of a file that hold no item."""
    num_filtered: int = 0
    """Items left out because they pass too rarely, too often, or were not measured."""


@dataclass(frozen=True, slots=True)
class Lessons:
    """What SFT teaches."""

    examples: tuple[Example, ...]
    malformed: tuple[MalformedRow, ...]
    """Rows of files that hold no example."""


def gather_portions(data: DataSettings) -> list[Portion]:
    """Gather the items of every source that has items.

    Raises:
        ConfigError: a source cannot be had.
        DataError: a source holds too little.
    """
    gathered = [_gather(source, data) for source in data.sources if source.kind not in TAUGHT]
    portions = _keep_apart(_name_apart(gathered))
    if data.rates is None:
        return portions
    rates = read_pass_rates(Path(data.rates), data.rates_of)
    return [_filter(portion, rates, data) for portion in portions]


def gather_lessons(data: DataSettings) -> Lessons:
    """Gather what SFT teaches: traces of generated tasks, and rows of files, shuffled.

    Raises:
        ConfigError: a source cannot be had, or has no traces.
        DataError: a file cannot be read.
    """
    examples: list[Example] = []
    malformed: list[MalformedRow] = []
    generated = [source for source in data.sources if isinstance(source, ProceduralSource)]
    portions = _keep_apart([_gather(source, data) for source in generated])
    for source, portion in zip(generated, portions, strict=True):
        examples += make_examples(
            portion.train,
            render=render_for(data),
            styles=source.styles or None,
            planned_share=source.planned_share,
            plan_says=source.plan_says,
            seed=source.seed,
        )
    held_out = [item for portion in portions for item in portion.held_out]
    for source in data.sources:
        if isinstance(source, FileSource):
            examples += drop_asked(_sift(_read_examples(source), source.limit, malformed), held_out)
    Random(seed_of(data.held_out_seed, "examples")).shuffle(examples)
    return Lessons(tuple(examples), tuple(malformed))


def gather_prompts(data: DataSettings, tokenizer: Any, portions: Sequence[Portion]) -> list[Prompt]:
    """Write the prompts that GRPO asks; a share of a generated task's shows a plan."""
    render = render_for(data)
    prompts: list[Prompt] = []
    for portion in portions:
        share = portion.source.planned_share if isinstance(portion.source, ProceduralSource) else 0.0
        for item in portion.train:
            rng = Random(seed_of(data.held_out_seed, "plan", item.id))
            plan = _draw_plan(portion, item, rng) if rng.random() < share else ""
            prompts.append(make_prompt(tokenizer, render(item.question, plan), item, portion.family))
    return prompts


def held_out_prompts(data: DataSettings, tokenizer: Any, portions: Sequence[Portion]) -> list[Prompt]:
    """Write the prompts of held-out items, without plans."""
    render = render_for(data)
    return [
        make_prompt(tokenizer, render(item.question, ""), item, portion.family)
        for portion in portions
        for item in portion.held_out
    ]


def make_prompt(tokenizer: Any, messages: Sequence[Message], item: Item, family: str) -> Prompt:
    """Make a prompt of messages."""
    return Prompt(item, tuple(encode_prompt(tokenizer, messages)), family)


def render_for(data: DataSettings) -> Any:
    """How a question is put: ``(question, plan) → messages``."""
    return solver_messages if data.prompt == "solver" else bare_messages


def bare_messages(question: str, plan: str = "") -> tuple[Message, ...]:
    """Ask the question and nothing else: for models too small for instructions."""
    return (Message("user", f"{question}\n{plan}" if plan else question),)


def _filter(portion: Portion, rates: Mapping[Key, PassRate], data: DataSettings) -> Portion:
    kept = keep_between(portion.train, rates, data.rate_low, data.rate_high)
    if not kept.items:
        raise DataError(
            f"no item of {portion.family} passes between {data.rate_low:g} and {data.rate_high:g} of the time "
            f"({kept.num_below} below, {kept.num_above} above, {kept.num_unmeasured} not measured for "
            f"{data.rates_of!r}); measure more, or widen the thresholds"
        )
    # Anew, because a policy that leans to one answer passes now and then mostly where that answer is right.
    share = portion.source.answer_share if isinstance(portion.source, ProceduralSource) else 1.0
    train = tuple(balance_answers(kept.items, share))
    return replace(portion, train=train, num_filtered=len(portion.train) - len(train))


def _gather(source: ProceduralSource | FileSource, data: DataSettings) -> Portion:
    if isinstance(source, ProceduralSource):
        train = balance_answers(
            generate_items(source.task, source.size, source.seed, source.settings), source.answer_share
        )
        return Portion(source, source.task, tuple(train), _distinct(source, data))
    malformed: list[MalformedRow] = []
    items = _sift(_read_file_items(source), source.limit, malformed)
    split = split_items(items, held_out=data.held_out, seed=data.held_out_seed)
    family = Path(source.path).stem if source.path else source.kind
    return Portion(source, family, tuple(split.train), tuple(split.held_out), tuple(malformed))


def _name_apart(portions: Sequence[Portion]) -> list[Portion]:
    """Number the families that bear the name of another."""
    counts = Counter(portion.family for portion in portions)
    return [
        portion if counts[portion.family] == 1 else replace(portion, family=f"{portion.family}-{number}")
        for number, portion in enumerate(portions, start=1)
    ]


def _keep_apart(portions: Sequence[Portion]) -> list[Portion]:
    """Take out of each training set what any portion holds out."""
    held_out = [item for portion in portions for item in portion.held_out]
    apart = [replace(portion, train=tuple(drop_asked(portion.train, held_out))) for portion in portions]
    for portion in apart:
        if not portion.train:
            raise DataError(
                f"every item of {portion.family} asks a question that is held out; make data.held_out smaller"
            )
    return apart


def _distinct(source: ProceduralSource, data: DataSettings) -> tuple[Item, ...]:
    """Generate held-out items, each question once."""
    if data.held_out == 0:
        return ()
    generated = generate_items(source.task, 4 * data.held_out, data.held_out_seed, source.settings)
    distinct: dict[str, Item] = {}
    for item in generated:
        distinct.setdefault(hash_question(item.question), item)
    kept = tuple(balance_answers(tuple(distinct.values()), source.answer_share, data.held_out))
    if len(kept) < data.held_out:
        raise DataError(
            f"{source.task} with {source.settings} asks only {len(kept)} different questions of the {data.held_out} to "
            f"be held out (at most {source.answer_share:g} of one answer); widen its settings or make data.held_out "
            "smaller"
        )
    return kept


def _draw_plan(portion: Portion, item: Item, rng: Random) -> str:
    source = portion.source
    assert isinstance(source, ProceduralSource), "no other source shows plans"
    styles = [style for style in list_styles(source.task) if not source.styles or source.styles.get(style)]
    return draw_plan(item, rng.choice(styles), source.plan_says, rng)


def _sift(rows: Iterator[T | MalformedRow], limit: int | None, malformed: list[MalformedRow]) -> list[T]:
    """Take the first rows that can be used, and keep the others apart."""
    kept: list[T] = []
    for row in rows:
        if isinstance(row, MalformedRow):
            malformed.append(row)
        else:
            kept.append(row)
        if len(kept) == limit:
            break
    return kept


def _read_examples(source: FileSource) -> Iterator[Example | MalformedRow]:
    match source.kind:
        case "examples":
            return read_examples(_path(source))
        case "am-thinking":
            return read_am_thinking(None if source.path is None else Path(source.path), source.subsets)
        case _:
            raise ConfigError(f"a source of kind {source.kind!r} has no completions to teach; SFT takes examples")


def _read_file_items(source: FileSource) -> Iterator[Item | MalformedRow]:
    if source.kind == "guru":
        return read_guru(None if source.path is None else Path(source.path), source.subsets)
    return iter(read_items(_path(source)))


def _path(source: FileSource) -> Path:
    if source.path is None:
        raise ConfigError(f"a source of kind {source.kind!r} needs a path")
    return Path(source.path)
