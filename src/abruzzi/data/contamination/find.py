"""Searches training rows for the items of benchmarks, in one pass and with bounded memory.

The benchmarks are indexed, since they are small; the rows stream by in batches, on as many processes as asked for. The
outcome does not depend on how many: batches are folded in their order. Of each item the strongest match is kept, the
first of equal ones. What the detectors look at is the question; an answer without its question is not searched for.
"""

import signal
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from functools import partial
from multiprocessing import get_context

from abruzzi.data.contamination.contained import ContainedIndex
from abruzzi.data.contamination.evidence import show_evidence
from abruzzi.data.contamination.exact import ExactIndex
from abruzzi.data.contamination.grams import Limits
from abruzzi.data.contamination.near import NearIndex
from abruzzi.data.contamination.normalise import Sentences, join_sentences, normalise
from abruzzi.data.contamination.report import BenchmarkFinding, Kind, Match, Report, TrainingFile
from abruzzi.data.items import Item, hash_items
from abruzzi.data.rows import MalformedRow
from abruzzi.data.training_rows import TrainingRow
from abruzzi.errors import ConfigError

BATCH_ROWS = 500
BATCH_CHARS = 1_000_000
"""A batch ends with whichever is reached first."""

_Batch = list[TrainingRow | MalformedRow]
_Hit = tuple[int, int, int, Kind, float]
"""Position of the row in its batch and of the text in its row; number of the question, how it was found, score."""
_Search = Callable[[list[tuple[str, ...]]], list[_Hit]]
_STRENGTH = {kind: rank for rank, kind in enumerate(Kind)}


@dataclass(frozen=True, slots=True)
class Settings:
    """When a row counts as holding an item; the defaults are measured in docs/results/contamination.md."""

    contained_words: int = 5
    """Words of the n-grams that tell a question within a longer text."""
    contained_share: float = 0.6
    """Share of a question's n-grams that a row must hold."""
    near_words: int = 3
    """Words of the n-grams whose sets are compared for near-duplicates."""
    near_similarity: float = 0.5
    """Jaccard similarity from which two texts are near."""
    min_words: int = 12
    """A question of fewer words is found exactly or as whole sentences only."""
    workers: int = 1
    """Processes. More than one starts the program's main module anew in each, so a script needs a main guard."""


class Detectors:
    """The three detectors of one set of questions.

    Args:
        texts: each question once.
        groups: of each benchmark, the numbers of its questions.
        settings: thresholds.

    Raises:
        ConfigError: datasketch is missing.
    """

    def __init__(self, texts: Sequence[Sentences], groups: Sequence[Collection[int]], settings: Settings) -> None:
        self._exact = ExactIndex(texts)
        self._contained = ContainedIndex(
            texts,
            groups,
            n=settings.contained_words,
            limits=Limits(settings.contained_share, settings.min_words, strict=1.0),
        )
        self._near = NearIndex(
            texts,
            groups,
            n=settings.near_words,
            limits=Limits(settings.near_similarity, settings.min_words, strict=0.9),
        )

    def find(self, text: str) -> dict[int, tuple[Kind, float]]:
        """Return which questions a text holds, each with the strongest evidence and its score."""
        row = normalise(text)
        found: dict[int, tuple[Kind, float]] = {}
        for kind, index in ((Kind.EXACT, self._exact), (Kind.CONTAINED, self._contained), (Kind.NEAR, self._near)):
            for number, score in index.find(row):
                found.setdefault(number, (kind, score))
        return found


def find_contamination(
    benchmark_items: Mapping[str, Sequence[Item]],
    rows: Iterable[TrainingRow | MalformedRow],
    settings: Settings | None = None,
    *,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Find the benchmark items that training rows hold.

    Args:
        benchmark_items: items of each benchmark, by its name.
        rows: read once, in order; may be larger than memory.
        settings: thresholds and processes; None for the defaults.
        progress: told how many rows have been searched.

    Returns:
        The strongest match of every item found, with evidence, and what was read.

    Raises:
        ConfigError: there are no items, a setting is out of range, datasketch is missing, or a process died.
        DataError: the rows cannot be read on.
    """
    settings = settings or Settings()
    _check(benchmark_items, settings)
    started = time.monotonic()
    questions = _number_questions(benchmark_items)
    groups = [
        {questions[key].number for item in items if (key := join_sentences(normalise(item.question)))}
        for items in benchmark_items.values()
    ]
    tally = _Tally()
    texts = [question.sentences for question in questions.values()]
    for batch, hits in _search_batches(texts, groups, _make_batches(rows), settings):
        tally.add(batch, hits)
        if progress is not None:
            progress(tally.num_rows)
    findings = tuple(_describe(name, items, questions, tally) for name, items in benchmark_items.items())
    return Report(
        benchmarks=findings,
        training=tuple(count.freeze(file) for file, count in tally.files.items()),
        settings=asdict(settings),
        seconds=round(time.monotonic() - started, 3),
    )


@dataclass(frozen=True, slots=True)
class _Question:
    number: int
    sentences: Sentences


@dataclass(slots=True)
class _Count:
    rows: int = 0
    malformed: int = 0
    dirty_rows: int = 0
    first_malformed: str = ""

    def freeze(self, file: str) -> TrainingFile:
        return TrainingFile(file, self.rows, self.malformed, self.dirty_rows, self.first_malformed)


@dataclass(frozen=True, slots=True)
class _Best:
    kind: Kind
    score: float
    row: TrainingRow
    text: str


@dataclass(slots=True)
class _Tally:
    """What has been found so far: of each question the best match and how many rows match it."""

    files: dict[str, _Count] = field(default_factory=dict[str, _Count])
    best: dict[int, _Best] = field(default_factory=dict[int, _Best])
    num_matches: dict[int, int] = field(default_factory=dict[int, int])
    num_rows: int = 0

    def add(self, batch: _Batch, hits: Iterable[_Hit]) -> None:
        for row in batch:
            self.num_rows += 1
            count = self.files.setdefault(row.file, _Count())
            if isinstance(row, MalformedRow):
                count.malformed += 1
                count.first_malformed = count.first_malformed or row.reason
            else:
                count.rows += 1
        pairs: set[tuple[int, int]] = set()
        for position, part, number, kind, score in hits:
            row = batch[position]
            assert isinstance(row, TrainingRow), "only rows that could be read are searched"
            pairs.add((position, number))
            best = self.best.get(number)
            if best is None or (_STRENGTH[kind], -score) < (_STRENGTH[best.kind], -best.score):
                self.best[number] = _Best(kind, score, row, row.texts[part])
        for _, number in pairs:
            self.num_matches[number] = self.num_matches.get(number, 0) + 1
        for position in {position for position, _ in pairs}:
            self.files[batch[position].file].dirty_rows += 1


def _check(benchmark_items: Mapping[str, Sequence[Item]], settings: Settings) -> None:
    if not any(benchmark_items.values()):
        raise ConfigError("no benchmark items to search for; name at least one benchmark that holds items")
    for name in ("contained_words", "near_words", "min_words", "workers"):
        if getattr(settings, name) < 1:
            raise ConfigError(f"{name} must be at least 1, got {getattr(settings, name)!r}")
    for name in ("contained_share", "near_similarity"):
        if not 0 < getattr(settings, name) <= 1:
            raise ConfigError(f"{name} must be above 0 and at most 1, got {getattr(settings, name)!r}")


def _number_questions(benchmark_items: Mapping[str, Sequence[Item]]) -> dict[tuple[str, ...], _Question]:
    """Give every question a number, the same where two items ask the same; one without any word cannot be found."""
    questions: dict[tuple[str, ...], _Question] = {}
    for items in benchmark_items.values():
        for item in items:
            sentences = normalise(item.question)
            if key := join_sentences(sentences):
                questions.setdefault(key, _Question(len(questions), sentences))
    return questions


def _make_batches(rows: Iterable[TrainingRow | MalformedRow]) -> Iterator[_Batch]:
    batch: _Batch = []
    num_chars = 0
    for row in rows:
        batch.append(row)
        num_chars += sum(map(len, row.texts)) if isinstance(row, TrainingRow) else 0
        if len(batch) >= BATCH_ROWS or num_chars >= BATCH_CHARS:
            yield batch
            batch, num_chars = [], 0
    if batch:
        yield batch


def _search_batches(
    texts: Sequence[Sentences], groups: Sequence[Collection[int]], batches: Iterator[_Batch], settings: Settings
) -> Iterator[tuple[_Batch, list[_Hit]]]:
    """Search batches in order; with several processes a few are under way at a time."""
    if settings.workers == 1:
        detectors = Detectors(texts, groups, settings)
        for batch in batches:
            yield batch, _search(detectors, _take_texts(batch))
        return
    pool = ProcessPoolExecutor(
        settings.workers,
        mp_context=get_context("spawn"),  # a fork of a program that has threads, a training say, may hang
        initializer=_prepare_process,
        initargs=(texts, groups, settings),
    )
    under_way: deque[tuple[_Batch, Future[list[_Hit]]]] = deque()
    try:
        for batch in batches:
            under_way.append((batch, pool.submit(_search_in_process, _take_texts(batch))))
            if len(under_way) > 2 * settings.workers:
                first, future = under_way.popleft()
                yield first, future.result()
        for first, future in under_way:
            yield first, future.result()
    except BrokenProcessPool as error:
        raise ConfigError(
            f"one of {settings.workers} search processes died: too little memory, or a script without a main guard; "
            "try fewer workers, or one"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _take_texts(batch: _Batch) -> list[tuple[str, ...]]:
    return [row.texts if isinstance(row, TrainingRow) else () for row in batch]


def _search(detectors: Detectors, texts: list[tuple[str, ...]]) -> list[_Hit]:
    return [
        (position, part, number, kind, score)
        for position, row in enumerate(texts)
        for part, text in enumerate(row)
        for number, (kind, score) in detectors.find(text).items()
    ]


_own_search: list[_Search] = []
"""What a search process searches with."""


def _prepare_process(texts: Sequence[Sentences], groups: Sequence[Collection[int]], settings: Settings) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    _own_search[:] = [partial(_search, Detectors(texts, groups, settings))]


def _search_in_process(texts: list[tuple[str, ...]]) -> list[_Hit]:
    return _own_search[0](texts)


def _describe(
    name: str, items: Sequence[Item], questions: Mapping[tuple[str, ...], _Question], tally: _Tally
) -> BenchmarkFinding:
    dirty: list[Match] = []
    for item in items:
        question = questions.get(join_sentences(normalise(item.question)))
        best = None if question is None else tally.best.get(question.number)
        if question is not None and best is not None:
            evidence = show_evidence(item.question, best.text)
            num_rows = tally.num_matches[question.number]
            score = round(best.score, 4)
            dirty.append(
                Match(item.id, best.kind, score, best.row.file, best.row.number, evidence, best.row.id, num_rows)
            )
    return BenchmarkFinding(name, hash_items(items), len(items), tuple(dirty))
