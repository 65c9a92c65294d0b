"""Methods, how they are named, and what is kept out where several users ask."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from abruzzi.engine.counters import read_counters
from abruzzi.engine.process import Engine
from abruzzi.engine.self_measurement import complete
from abruzzi.engine.settings import Attention, EngineSettings, Order
from abruzzi.engine.speculation import (
    DEFAULTS,
    Method,
    Speculation,
    check_isolated,
    check_offered,
    offered_methods,
    parse_speculation,
    tell_native,
)
from abruzzi.errors import ConfigError, EngineStartError
from tests.engine.small_model import write_small_model


def test_methods_are_read_by_llama_cpps_names() -> None:
    assert parse_speculation("off") is parse_speculation("none") is None
    for method, speculation in DEFAULTS.items():
        assert parse_speculation(str(method)) == speculation
    draft = parse_speculation("draft=some/small.gguf")
    assert draft == Speculation(Method.DRAFT_SIMPLE, max_draft_tokens=4, draft_model=Path("some/small.gguf"))
    assert draft is not None
    assert parse_speculation(draft.name) == draft
    assert {*DEFAULTS, Method.DRAFT_SIMPLE} == set(Method)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ngram", "unknown speculation 'ngram'; choose: off, ngram-simple"),
        ("draft-eagle3", "draft-eagle3 needs a head trained for the one model"),
        ("draft", "names no draft model"),
        ("draft-simple", "names no draft model"),
        ("", "unknown speculation ''"),
    ],
)
def test_other_names_are_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_speculation(text)


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match="ngram_tokens is 0"):
        Speculation(ngram_tokens=0)
    with pytest.raises(ConfigError, match="max_draft_tokens is -1"):
        Speculation(max_draft_tokens=-1)
    with pytest.raises(ConfigError, match="needs a draft model"):
        Speculation(Method.DRAFT_SIMPLE)
    with pytest.raises(ConfigError, match=r"ngram-mod takes no draft model, and d\.gguf was given"):
        Speculation(Method.NGRAM_MOD, draft_model=Path("d.gguf"))


def test_an_order_keeps_its_speculation() -> None:
    for speculation in (None, *DEFAULTS.values(), parse_speculation("draft=d.gguf")):
        order = Order("m", 1, 64, 1, (), speculation, Attention.FUSED, 16, 0, "a", 0, "k", 1)
        assert Order.from_json(order.to_json()) == order


def test_native_parameters_say_what_was_asked() -> None:
    native = SimpleNamespace(
        common_speculative_type=SimpleNamespace(
            **{f"COMMON_SPECULATIVE_TYPE_{method.name}": number for number, method in enumerate(Method)}
        )
    )

    def told(speculation: Speculation) -> Any:
        parts = {part: SimpleNamespace() for part in ("ngram_simple", "ngram_map_k", "ngram_map_k4v", "ngram_mod")}
        threads = {"cpuparams": SimpleNamespace(), "cpuparams_batch": SimpleNamespace()}
        draft = SimpleNamespace(mparams=SimpleNamespace(), **threads)
        params = SimpleNamespace(speculative=SimpleNamespace(draft=draft, **parts))
        tell_native(native, params, speculation, threads=5)
        assert params.speculative.types == [list(Method).index(speculation.method)]
        return params.speculative

    k4v = told(Speculation(Method.NGRAM_MAP_K4V, ngram_tokens=6, max_draft_tokens=9)).ngram_map_k4v
    assert (k4v.size_n, k4v.size_m) == (6, 9)
    pool = told(Speculation(Method.NGRAM_MOD, ngram_tokens=6, max_draft_tokens=9)).ngram_mod
    assert (pool.n_match, pool.n_min, pool.n_max) == (6, 1, 9)
    draft = told(Speculation(Method.DRAFT_SIMPLE, max_draft_tokens=2, draft_model=Path("d.gguf"))).draft
    assert (draft.mparams.path, draft.n_max, draft.cpuparams.n_threads) == ("d.gguf", 2, 5)


def test_a_method_that_the_library_lacks_is_refused_with_what_it_has() -> None:
    offered = frozenset({Method.NGRAM_SIMPLE})
    check_offered(Speculation(), offered)
    with pytest.raises(ConfigError, match=r"has no speculation method 'ngram-mod'; it has: ngram-simple"):
        check_offered(DEFAULTS[Method.NGRAM_MOD], offered)


def test_the_library_says_which_methods_it_has() -> None:
    assert offered_methods() == frozenset(Method)
    with pytest.raises(EngineStartError, match=r"xllamacpp cannot be loaded \(ModuleNotFoundError.*run `pip install"):
        offered_methods((sys.executable, "-I", "-S"))


def test_only_what_keeps_nothing_is_let_through_for_several_users() -> None:
    for method in (Method.NGRAM_MAP_K, Method.NGRAM_MAP_K4V, Method.NGRAM_MOD, Method.NGRAM_CACHE):
        with pytest.raises(ConfigError, match=f"{method} keeps something of one question for the next"):
            check_isolated(DEFAULTS[method])
    check_isolated(DEFAULTS[Method.NGRAM_SIMPLE])
    check_isolated(Speculation(Method.DRAFT_SIMPLE, draft_model=Path("d.gguf")))


OTHERS = [0, 1, 2, 3, 4, 5, 6, 7, 5, 3, 1, 6, 4, 2, 0, 7]
OWN = [4, 2, 0, 1, 2, 3, 4, 5]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_model(tmp_path_factory.mktemp("small"))


def drafted(model: Path, speculation: Speculation, *, is_second: bool) -> tuple[int, int]:
    """Tokens drafted and accepted for one text, in an engine that has seen another's before or not."""
    settings = EngineSettings(
        model=model, slots=1, context_tokens=128, threads=1, speculation=speculation, prompt_cache_mib=0
    )
    body = {"n_predict": 24, "temperature": 0, "cache_prompt": False}
    with Engine(settings) as engine:
        if is_second:
            complete(engine, {**body, "prompt": [*OTHERS, *OWN, *OTHERS, *OWN]}, path="/completion")
        before = read_counters(engine)
        complete(engine, {**body, "prompt": OWN}, path="/completion")
        after = read_counters(engine)
    return after.draft_tokens - before.draft_tokens, after.accepted_tokens - before.accepted_tokens


@pytest.mark.engine
@pytest.mark.parametrize("method", [Method.NGRAM_SIMPLE, Method.DRAFT_SIMPLE])
def test_an_isolated_method_drafts_the_same_whoever_asked_before(small: Path, method: Method) -> None:
    is_draft = method is Method.DRAFT_SIMPLE
    speculation = Speculation(method, ngram_tokens=2, max_draft_tokens=4, draft_model=small if is_draft else None)
    alone = drafted(small, speculation, is_second=False)
    assert alone[0] > 0
    assert drafted(small, speculation, is_second=True) == alone


@pytest.mark.engine
@pytest.mark.parametrize("method", [Method.NGRAM_MOD, Method.NGRAM_CACHE])
def test_a_pool_drafts_from_what_others_asked_and_so_is_never_isolated(small: Path, method: Method) -> None:
    speculation = Speculation(method, ngram_tokens=2, max_draft_tokens=4)
    assert drafted(small, speculation, is_second=True) != drafted(small, speculation, is_second=False)
    assert not method.is_isolated


@pytest.mark.engine
def test_a_draft_model_of_another_vocabulary_is_refused_at_the_start(small: Path, tmp_path: Path) -> None:
    other = write_small_model(tmp_path, "other.gguf", letters="hgfedcbaxyz")
    settings = EngineSettings(model=small, slots=1, context_tokens=64, speculation=parse_speculation(f"draft={other}"))
    with pytest.raises(EngineStartError, match="vocab"):
        Engine(settings).start()


@pytest.mark.engine
def test_a_draft_model_that_is_not_there_is_refused_at_the_start(small: Path, tmp_path: Path) -> None:
    missing = parse_speculation(f"draft={tmp_path / 'none.gguf'}")
    with pytest.raises(EngineStartError, match=r"none\.gguf"):
        Engine(EngineSettings(model=small, slots=1, context_tokens=64, speculation=missing)).start()
