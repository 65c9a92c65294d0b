"""Speculation changes no text: the real engine with every method, against itself without.

A small model with random weights says the same on 200 prompts in a moment, by every method. The slow tests do it with
SmolLM2-135M, and draw 20,000 times at temperature 1; their figures are in docs/results/speculation.md:

    pytest -n0 -s -m slow tests/engine/test_exactness.py
"""

import random
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from abruzzi.engine.counters import EngineCounters, read_counters
from abruzzi.engine.process import Engine
from abruzzi.engine.self_measurement import complete
from abruzzi.engine.settings import EngineSettings
from abruzzi.engine.speculation import DEFAULTS, Method, Speculation
from tests.engine.small_model import END, write_small_model

pytestmark = pytest.mark.engine

MAX_TOKENS = 24
DRAWS, AT_ONCE = 20_000, 16
SELDOM = (Method.NGRAM_MAP_K, Method.NGRAM_MAP_K4V)
"""They wait for a text that repeats itself oftener than one of four tokens can."""
WORDS = ("river", "stone", "window", "garden", "winter", "letter", "orange", "silver", "market", "bridge")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_model(tmp_path_factory.mktemp("small"))


def speculation_by(method: Method, model: Path) -> Speculation:
    """The method's defaults; the draft model is the model itself, whose drafts are mostly right."""
    if method is Method.DRAFT_SIMPLE:
        return Speculation(method, max_draft_tokens=4, draft_model=model)
    return DEFAULTS[method]


@contextmanager
def running(model: Path, speculation: Speculation | None, *, slots: int = 3, context: int = 128) -> Generator[Engine]:
    settings = EngineSettings(
        model=model, slots=slots, context_tokens=context, threads=1, speculation=speculation, prompt_cache_mib=0
    )
    with Engine(settings) as engine:
        yield engine


def ask_all(engine: Engine, prompts: list[list[int]] | list[str], tokens: int = MAX_TOKENS) -> list[list[int]]:
    """Greedy tokens of each prompt; all at once, so that they share the slots."""
    body = {"prompt": prompts, "n_predict": tokens, "temperature": 0, "return_tokens": True, "cache_prompt": False}
    answers: list[dict[str, Any]] = complete(engine, body, path="/completion")
    return [answer["tokens"] for answer in sorted(answers, key=lambda answer: answer["index"])]


def write_letters(number: int) -> list[list[int]]:
    """Prompts that repeat a phrase, with something else between."""
    dice = random.Random(7)
    prompts: list[list[int]] = []
    for _ in range(number):
        phrase, between = (dice.choices(range(END), k=dice.randint(3, 8)) for _ in range(2))
        prompts.append([*phrase, *between, *phrase, *between[:2], *phrase])
    return prompts


def write_texts(number: int) -> list[str]:
    """Short beginnings of four kinds in turn: sums, copying, code, judging; no two alike."""
    kinds: tuple[Callable[[int], str], ...] = (
        lambda i: f"Ann has {i + 3} eggs and buys {i % 11 + 2}. She has",
        lambda i: " ".join(WORDS[(i * k + i // 10) % 10] for k in (1, 3, 7, 1, 3, 7, 1, 3)),
        lambda i: f"def f{i}(a):\n    return a + {i}\ndef f{i + 1}(a):\n    return",
        lambda i: f"A: {i} + {i % 9} = {i + i % 9}. B: {i} + {i % 9} = {i + i % 9 + 1}. Better:",
    )
    return [kinds[index % 4](index) for index in range(number)]


def describe(method: Method, ours: list[list[int]], plain: list[list[int]], counters: EngineCounters) -> str:
    same = sum(mine == theirs for mine, theirs in zip(ours, plain, strict=True))
    return (
        f"{method}: {same} of {len(plain)} identical, {counters.completion_tokens} tokens, "
        f"{counters.accepted_tokens} of {counters.draft_tokens} drafted accepted"
    )


@pytest.fixture(scope="module")
def small_plain(small: Path) -> list[list[int]]:
    with running(small, None, slots=1) as engine:
        return ask_all(engine, write_letters(200))


@pytest.mark.parametrize("method", list(Method))
def test_a_small_model_says_the_same_on_200_prompts(small: Path, small_plain: list[list[int]], method: Method) -> None:
    with running(small, speculation_by(method, small)) as engine:
        ours = ask_all(engine, write_letters(200))
        counters = read_counters(engine)
    assert ours == small_plain
    assert 100 < counters.accepted_tokens <= counters.draft_tokens
    assert len({tuple(tokens) for tokens in ours}) > 50


@pytest.fixture(scope="module")
def real_plain(engine: Engine) -> list[list[int]]:
    with running(engine.settings.model, None, slots=1) as plain:
        return ask_all(plain, write_texts(200), 12)


@pytest.mark.slow
@pytest.mark.parametrize("method", list(Method))
def test_smollm2_says_the_same_on_200_prompts(engine: Engine, real_plain: list[list[int]], method: Method) -> None:
    with running(engine.settings.model, speculation_by(method, engine.settings.model)) as speculating:
        ours = ask_all(speculating, write_texts(200), 12)
        counters = read_counters(speculating)
    print(describe(method, ours, real_plain, counters))  # noqa: T201 - the figure to record
    assert ours == real_plain
    assert 0 < counters.accepted_tokens <= counters.draft_tokens


def draw(engine: Engine, draws: int, first_seed: int) -> Counter[tuple[int, ...]]:
    """The three letters that follow one prompt, drawn again and again at temperature 1 without any cut."""
    said: Counter[tuple[int, ...]] = Counter()
    prompt = [6, 4, 5, 1, 7, 6, 0, 2, 5, 6, 4, 5, 1, 7, 6, 0, 6, 4, 5]  # its phrase goes on as before now and then
    free = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "logit_bias": [[END, False]]}
    for start in range(0, draws, AT_ONCE):
        # Choices of one request have seeds of their own, which follow the request's.
        body = {"prompt": prompt, "n_predict": 4, "n": AT_ONCE, "seed": first_seed + start, "return_tokens": True}
        said.update(tuple(answer["tokens"][:3]) for answer in complete(engine, {**body, **free}, path="/completion"))
    return said


@pytest.fixture(scope="module")
def plain_draws(small: Path) -> Counter[tuple[int, ...]]:
    with running(small, None, slots=AT_ONCE) as engine:
        return draw(engine, DRAWS, 1)


@pytest.mark.slow
@pytest.mark.parametrize("method", list(Method))
def test_20000_draws_at_temperature_1_come_from_the_same_distribution(
    small: Path, plain_draws: Counter[tuple[int, ...]], method: Method
) -> None:
    stats: Any = import_module("scipy.stats")
    plain = plain_draws
    with running(small, speculation_by(method, small), slots=AT_ONCE) as engine:
        ours = draw(engine, DRAWS, 1_000_000 * (1 + list(Method).index(method)))
        counters = read_counters(engine)
    common = [letters for letters, count in (plain + ours).items() if count >= 10]
    rest = [sum(count for letters, count in said.items() if letters not in common) for said in (plain, ours)]
    table = [
        [*(said[letters] for letters in common), *([rare] if sum(rest) else [])]
        for said, rare in zip((plain, ours), rest, strict=True)
    ]
    found = stats.chi2_contingency(table)
    print(  # noqa: T201 - the figure to record
        f"{method}: chi-square {found.statistic:.1f} with {found.dof} degrees of freedom, p {found.pvalue:.3f}; "
        f"{counters.accepted_tokens} of {counters.draft_tokens} drafted accepted"
    )
    assert min(plain.total(), ours.total()) >= DRAWS
    assert (0 if method in SELDOM else DRAWS / 20) < counters.accepted_tokens < counters.draft_tokens
    assert 0.001 < found.pvalue < 0.999
