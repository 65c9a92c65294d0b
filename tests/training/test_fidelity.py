"""Does the exported model answer as the trained one: the comparison itself, and our exports under it."""

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import platformdirs
import pytest
import torch

from abruzzi.engine.process import Engine
from abruzzi.engine.settings import Adapter, EngineSettings
from abruzzi.errors import EngineError
from abruzzi.ledger import Ledger
from abruzzi.models.chat import ChatRequest
from abruzzi.models.openai_client import OpenAIChat
from abruzzi.nouns import Message, Role
from abruzzi.training.base import Base, Source, load_base, load_model
from abruzzi.training.export import export_adapter_gguf, export_merged_gguf, export_merged_hf
from abruzzi.training.fidelity import (
    Fidelity,
    ask_engine,
    compare_answers,
    complete_torch,
    engine_completer,
    next_logits,
    torch_completer,
)
from abruzzi.training.gguf import Precision, write_model
from tests.training.asking import next_token_kl
from tests.training.small import add_adapter, make_llama, make_tokenizer, save

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

END = 1
ROLES = ("solver", "planner", "judge")
PROMPTS = [[0, *range(40 + number, 48 + 3 * number)] for number in range(8)]
QUESTIONS = [
    *(f"What is {7 * number + 3} + {13 * number % 50}?" for number in range(10)),
    "Name three colours.",
    "Write a haiku about rain.",
    "Why is the sky blue?",
    "Count to ten.",
    "What is the capital of France?",
    "Translate house into French.",
    "List two fruits.",
    "Is 7 prime?",
    "Who wrote Hamlet?",
    "Give a synonym of fast.",
]


def compare(model: Any, exported_P: list[list[int]], trained_P: list[list[int]] | None = None) -> Fidelity:
    return compare_answers(
        model,
        lambda _: exported_P,
        PROMPTS[: len(exported_P)],
        decode=lambda ids: f"The answer is {ids[-1]}.",
        end_id=END,
        max_tokens=12,
        trained_P=trained_P,
    )


def test_a_parting_is_found_and_weighed() -> None:
    model = make_llama(is_tied=True)
    logits_V = next_logits(model, [*PROMPTS[1], 60, 61])
    found = compare(model, [[60, 61], [60, 61, 63, 64], [60, 61]], [[60, 61], [60, 61, 62, 64], [60, 61, 62]])
    assert (found.num_prompts, found.num_equal) == (3, 1)
    assert found.num_equal_answers == 2
    first, second = found.divergences
    assert (first.prompt, first.step, first.trained, first.exported) == (1, 2, 62, 63)
    assert first.gap == pytest.approx((logits_V[62] - logits_V[63]).item(), abs=1e-5)
    # Ending is a choice too: of the end token.
    logits_V = next_logits(model, [*PROMPTS[2], 60, 61])
    assert (second.prompt, second.step, second.trained, second.exported) == (2, 2, 62, None)
    assert second.gap == pytest.approx((logits_V[62] - logits_V[END]).item(), abs=1e-5)
    assert found.max_gap == max(first.gap, second.gap)


def test_greedy_completion_is_the_likeliest_token_each_time_and_ends_at_the_end() -> None:
    model = make_llama(is_tied=False, seed=4)
    expected: list[list[int]] = []
    for prompt in PROMPTS:
        ids: list[int] = []
        while len(ids) < 12:
            ids.append(int(next_logits(model, [*prompt, *ids]).argmax()))
        expected.append(ids)
    assert complete_torch(model, PROMPTS, end_id=END, max_tokens=12, rows=3) == expected
    end = expected[0][5]
    cut = [ids[: ids.index(end)] if end in ids else ids for ids in expected]
    assert complete_torch(model, PROMPTS, end_id=end, max_tokens=12, rows=3) == cut


def test_another_model_shows_by_its_gaps() -> None:
    model, other = make_llama(is_tied=True), make_llama(is_tied=True, seed=1)
    exported_P = complete_torch(other, PROMPTS, end_id=END, max_tokens=12)
    found = compare(model, exported_P)
    assert found.num_equal == 0
    assert found.max_gap > 1.0
    same = compare(model, complete_torch(model, PROMPTS, end_id=END, max_tokens=12, rows=3))
    assert (same.num_equal, same.num_equal_answers, same.divergences, same.max_gap) == (8, 8, (), 0.0)


@pytest.mark.engine
@pytest.mark.parametrize("is_tied", [True, False])
def test_the_engine_runs_a_small_model_and_its_adapter_as_torch_does(tmp_path: Path, is_tied: bool) -> None:
    tokenizer = make_tokenizer()
    base = save(make_llama(is_tied=is_tied), tokenizer, tmp_path / "base")
    write_model(make_llama(is_tied=is_tied), tmp_path / "base.gguf", precision="f32", vocabulary=tokenizer)
    wrapped = add_adapter(make_llama(is_tied=is_tied)).eval()
    checkpoint = save(wrapped, tokenizer, tmp_path / "checkpoint")
    source = Source("small", base, tmp_path / "base.gguf")
    export_adapter_gguf(checkpoint, tmp_path / "a.gguf", base=source, precision="f32")
    export_merged_gguf(checkpoint, tmp_path / "merged.gguf", base=source, precision="f32")
    plain = make_llama(is_tied=is_tied)
    adapters = (Adapter("solver", tmp_path / "a.gguf"),)
    small: dict[str, Any] = {"slots": 2, "context_tokens": 128, "threads": 1}
    with Engine(EngineSettings(model=tmp_path / "base.gguf", adapters=adapters, **small)) as engine:
        for prompt in PROMPTS:
            assert next_token_kl(engine, prompt, next_logits(wrapped, prompt), adapter="solver") < 1e-4
            assert next_token_kl(engine, prompt, next_logits(plain, prompt)) < 1e-4
            assert next_token_kl(engine, prompt, next_logits(plain, prompt), adapter="solver") > 0.1
        completer = engine_completer(engine, end_id=END, max_tokens=12, adapter="solver")
        found = compare(wrapped, completer(PROMPTS))
        assert found.max_gap < 0.01
        assert found.num_equal >= 7
        with pytest.raises(EngineError, match="has no adapter 'judge'; it has solver"):
            ask_engine(engine, PROMPTS[0], adapter="judge", settings={})
        with pytest.raises(EngineError, match="refused a completion"):
            ask_engine(engine, [], adapter=None, settings={})
    with Engine(EngineSettings(model=tmp_path / "merged.gguf", **small)) as engine:
        for prompt in PROMPTS:
            assert next_token_kl(engine, prompt, next_logits(wrapped, prompt)) < 1e-4
    with pytest.raises(EngineError, match="gave no completion"):
        ask_engine(engine, PROMPTS[0], adapter=None, settings={})


def make_roles(folder: Path) -> tuple[EngineSettings, dict[str | None, Any]]:
    """Make an engine of a small base with three adapters, and the same four models in torch."""
    tokenizer = make_tokenizer()
    source = Source("small", save(make_llama(is_tied=True), tokenizer, folder / "base"))
    write_model(make_llama(is_tied=True), folder / "base.gguf", precision="f32", vocabulary=tokenizer)
    models: dict[str | None, Any] = {None: make_llama(is_tied=True)}
    for seed, name in enumerate(ROLES):
        models[name] = add_adapter(make_llama(is_tied=True), seed=seed, strength=0.3).eval()
        checkpoint = save(models[name], tokenizer, folder / name)
        export_adapter_gguf(checkpoint, folder / f"{name}.gguf", base=source, precision="f32")
    adapters = tuple(Adapter(name, folder / f"{name}.gguf") for name in ROLES)
    model = folder / "base.gguf"
    return EngineSettings(model=model, adapters=adapters, slots=4, context_tokens=128, threads=1), models


@pytest.mark.engine
def test_no_request_goes_on_from_a_prompt_of_another_adapter(tmp_path: Path) -> None:
    """llama.cpp does so with its cache of past prompts: 3 of 100 requests, 4 at a time, were far off."""
    settings, models = make_roles(tmp_path)
    prompts = [[0, *range(40 + number, 60 + 2 * number)] for number in range(3)]
    logits = {(name, number): next_logits(models[name], prompts[number]) for name in models for number in range(3)}
    rng = random.Random(1)
    asked = [(rng.choice([None, *ROLES]), rng.randrange(3)) for _ in range(200)]
    with Engine(settings) as engine, ThreadPoolExecutor(4) as pool:

        def ask(which: tuple[str | None, int]) -> float:
            name, number = which
            return next_token_kl(engine, prompts[number], logits[which], adapter=name, is_cached=True)

        assert max(pool.map(ask, asked)) < 1e-3


@pytest.mark.engine
def test_three_roles_switch_adapters_on_one_engine_and_one_ledger(tmp_path: Path) -> None:
    """Side by side: each answers as it does alone, and the bill agrees with the engine's counters."""
    settings, _ = make_roles(tmp_path)
    ledger, texts = Ledger(), dict[str, list[str]]()

    async def main(engine: Engine) -> None:
        async with OpenAIChat(
            engine.base_url,
            model=engine.model,
            api_key=engine.api_key,
            name="base",
            dialect="llama.cpp",
            max_n=4,
            num_adapters=len(engine.adapter_ids),
        ) as chat:
            chats = {name: chat.with_adapter(number, name=name) for name, number in engine.adapter_ids.items()}

            async def put(name: str) -> None:
                request = ChatRequest(
                    Role.SOLVER, (Message("user", "the quick brown fox"),), n=2, max_tokens=10, temperature=0.0
                )
                completions = await {**chats, "base": chat}[name].complete(request, ledger=ledger)
                texts.setdefault(name, []).extend(completion.text for completion in completions)

            for name in (*ROLES, "base"):
                await put(name)
            async with anyio.create_task_group() as group:
                for name in (*ROLES, "base"):
                    group.start_soon(put, name)

    with Engine(settings) as engine:
        anyio.run(main, engine)
    assert all(len(answers) == 4 and len(set(answers)) == 1 for answers in texts.values()), texts
    assert len({answers[0] for answers in texts.values()}) == 4
    totals = ledger.totals()
    assert totals.is_exact
    assert [call.model for call in ledger.calls[:4]] == [*ROLES, "base"]
    assert totals.usage.completion_tokens <= 8 * 2 * 10


@pytest.fixture(scope="module")
def embedded() -> Base:
    return load_base("embedded", cache_dir=platformdirs.user_cache_path("abruzzi"), dtype=torch.float32)


@pytest.fixture(scope="module")
def trained(embedded: Base, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """The embedded base under a random strong adapter, and its checkpoint."""
    wrapped = add_adapter(embedded.model, r=16, lora_alpha=32, strength=0.04).eval()
    return wrapped, save(wrapped, embedded.tokenizer, tmp_path_factory.mktemp("trained"))


def ask_all(base: Base) -> list[list[int]]:
    return [
        base.tokenizer(f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n")["input_ids"]
        for question in QUESTIONS
    ]


def judge_export(
    engine: Engine, base: Base, wrapped: Any, *, adapter: str | None, max_kl: float, max_gap: float
) -> None:
    """Hold an export against the trained model: its next-token distributions, and its greedy completions."""
    prompts, tokenizer = ask_all(base), base.tokenizer
    kls = [next_token_kl(engine, prompt, next_logits(wrapped, prompt), adapter=adapter) for prompt in prompts]
    assert sum(kls) / len(kls) < max_kl, kls
    found = compare_answers(
        wrapped,
        engine_completer(engine, end_id=tokenizer.eos_token_id, max_tokens=24, adapter=adapter),
        prompts,
        decode=tokenizer.decode,
        end_id=tokenizer.eos_token_id,
        max_tokens=24,
    )
    assert found.max_gap < max_gap, found


@pytest.mark.slow
@pytest.mark.engine
def test_the_embedded_base_under_an_adapter(embedded: Base, trained: tuple[Any, Path], tmp_path: Path) -> None:
    wrapped, checkpoint = trained
    export_adapter_gguf(checkpoint, tmp_path / "a.gguf", base=embedded.source)
    plain = load_model(embedded.source.folder, dtype=torch.float32)
    assert embedded.source.gguf is not None
    write_model(plain, tmp_path / "base.gguf", precision="f16", vocabulary=embedded.source.gguf)
    adapters = (Adapter("solver", tmp_path / "a.gguf"),)
    with Engine(EngineSettings(model=tmp_path / "base.gguf", context_tokens=256, adapters=adapters)) as engine:
        judge_export(engine, embedded, wrapped, adapter="solver", max_kl=3e-4, max_gap=0.1)
    with Engine(EngineSettings(model=embedded.source.gguf, context_tokens=256, adapters=adapters)) as engine:
        judge_export(engine, embedded, wrapped, adapter="solver", max_kl=0.01, max_gap=0.5)


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.parametrize("precision", ["f16", "q8_0"])
def test_the_embedded_base_merged(
    embedded: Base, trained: tuple[Any, Path], tmp_path: Path, precision: Precision
) -> None:
    wrapped, checkpoint = trained
    export_merged_gguf(checkpoint, tmp_path / "merged.gguf", base=embedded.source, precision=precision)
    max_kl, max_gap = {"f16": (3e-4, 0.1), "q8_0": (0.02, 0.5)}[precision]
    with Engine(EngineSettings(model=tmp_path / "merged.gguf", context_tokens=256)) as engine:
        judge_export(engine, embedded, wrapped, adapter=None, max_kl=max_kl, max_gap=max_gap)


@pytest.mark.slow
def test_the_embedded_base_merged_for_hugging_face(embedded: Base, trained: tuple[Any, Path], tmp_path: Path) -> None:
    wrapped, checkpoint = trained
    merged = load_model(export_merged_hf(checkpoint, tmp_path / "m", base=embedded.source).path, dtype=torch.float32)
    found = compare_answers(
        wrapped,
        torch_completer(merged, end_id=embedded.tokenizer.eos_token_id, max_tokens=24),
        ask_all(embedded),
        decode=embedded.tokenizer.decode,
        end_id=embedded.tokenizer.eos_token_id,
        max_tokens=24,
    )
    assert found.max_gap < 1e-3, found
