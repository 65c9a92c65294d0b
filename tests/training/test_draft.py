"""A draft model: how it starts, and that it is trained, exported and run beside its base."""

from pathlib import Path
from typing import Any, cast

import pytest
import torch

from abruzzi.data.examples import Example
from abruzzi.engine.process import Engine
from abruzzi.engine.settings import EngineSettings
from abruzzi.engine.speculation import Method, Speculation
from abruzzi.errors import ConfigError
from abruzzi.nouns import Message
from abruzzi.training.base import find_base, identify, load_base, load_model
from abruzzi.training.checkpoint import resolve_checkpoint
from abruzzi.training.draft import DraftShape, make_draft, parse_shape, reduce_embeddings
from abruzzi.training.export import export_merged_gguf, open_merged
from abruzzi.training.fidelity import ask_engine
from abruzzi.training.gguf import write_model
from abruzzi.training.policy import open_policy
from abruzzi.training.recipe import ModelSettings, SftSettings
from abruzzi.training.sft import Sft, train_sft
from abruzzi.training.tokens import encode_examples
from tests.training.asking import next_token_kl
from tests.training.small import TEXTS, make_llama, make_tokenizer, save
from tests.training.toys import CPU

PROMPT = [0, 40, 41, 42, 43, 44, 45, 46, 47, 48]


def test_shapes_are_read() -> None:
    assert parse_shape("4x192") == DraftShape(4, 192)
    assert parse_shape("4") == DraftShape(4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no draft has the shape ''"),
        ("0x64", "no draft has the shape '0x64'"),
        ("4x", "no draft has the shape '4x'"),
        ("x64", "no draft has the shape 'x64'"),
        ("4x100", "a draft cannot be 100 wide: give a multiple of 32"),
    ],
)
def test_other_shapes_are_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_shape(text)


def test_reduced_embeddings_keep_inner_products() -> None:
    """Rows that lie in a plane of eight dimensions lose nothing but their scale when reduced to two."""
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(8, 2, generator=generator, dtype=torch.float64)
    plane: torch.Tensor = cast("Any", torch.linalg).qr(drawn)[0]
    flat = torch.tensor([[3.0, 4.0], [0.0, 5.0], [-5.0, 0.0], [4.0, -3.0]], dtype=torch.float64)
    reduced = reduce_embeddings((flat @ plane.T).float(), 2)
    torch.testing.assert_close(reduced @ reduced.T, (flat @ flat.T / 25).float(), atol=1e-5, rtol=0)


def test_what_is_dropped_is_what_varies_least() -> None:
    rows = torch.tensor([[0.1, 0.0, 4.0], [0.0, 3.0, 0.0], [-0.1, 0.0, 4.0]])
    assert list(map(int, reduce_embeddings(rows, 2).abs().argmax(1))) == [0, 1, 0]


def test_fresh_layers_begin_with_the_bases_tokens() -> None:
    base = make_llama(is_tied=True)
    draft: Any = make_draft(base, DraftShape(2, 32))
    config = draft.config
    assert (config.num_hidden_layers, config.hidden_size, config.vocab_size) == (2, 32, base.config.vocab_size)
    assert (config.bos_token_id, config.eos_token_id) == (0, 1)
    assert config.max_position_embeddings == base.config.max_position_embeddings
    assert draft.lm_head.weight is draft.model.embed_tokens.weight
    reduced = reduce_embeddings(base.model.embed_tokens.weight.detach(), 32)
    assert (draft.model.embed_tokens.weight == reduced).all()
    again: Any = make_draft(base, DraftShape(2, 32))
    assert all((weight == again.state_dict()[name]).all() for name, weight in draft.state_dict().items())


@pytest.mark.parametrize("is_tied", [True, False])
def test_the_first_layers_are_the_bases(is_tied: bool) -> None:
    base = make_llama(is_tied=is_tied)
    draft: Any = make_draft(base, DraftShape(1))
    with torch.no_grad():
        # What the base itself holds after its first layer, through its own last norm and head.
        hidden = base(torch.tensor([PROMPT]), output_hidden_states=True).hidden_states[1]
        wanted = base.lm_head(base.model.norm(hidden))
        torch.testing.assert_close(draft.eval()(torch.tensor([PROMPT])).logits, wanted, atol=1e-5, rtol=0)
    assert base.config.num_hidden_layers == 2, "the base stays as it was"


def test_a_draft_is_smaller_than_its_base() -> None:
    with pytest.raises(ConfigError, match="of width 96 is wider than its base, which has 64"):
        make_draft(make_llama(is_tied=True), DraftShape(1, 96))
    with pytest.raises(ConfigError, match="of 2 layers is as deep as its base, which has 2"):
        make_draft(make_llama(is_tied=True), DraftShape(2))


def test_a_start_is_made_once_and_has_the_bases_tokenizer(tmp_path: Path) -> None:
    base = save(make_llama(is_tied=True), make_tokenizer(), tmp_path / "base")
    spec = f"draft:2x32:{base}"
    opened = load_base(spec, cache_dir=tmp_path / "cache", dtype=torch.float32)
    assert (opened.source.spec, opened.source.gguf) == (spec, None)
    assert opened.tokenizer("x  12")["input_ids"] == make_tokenizer()("x  12")["input_ids"]
    assert opened.tokenizer.chat_template == make_tokenizer().chat_template
    (opened.source.folder / "mark").touch()
    assert (find_base(spec, cache_dir=tmp_path / "cache").folder / "mark").exists()
    assert opened.identity == identify(opened.source.folder) != identify(base)
    # Other weights under the same name are another base.
    save(make_llama(is_tied=True, seed=5), make_tokenizer(), base)
    assert find_base(spec, cache_dir=tmp_path / "cache").folder != opened.source.folder


@pytest.mark.parametrize("spec", ["draft:2x32", "draft:2x32:", "draft:big:embedded"])
def test_what_names_no_draft_is_refused(tmp_path: Path, spec: str) -> None:
    with pytest.raises(ConfigError, match="draft"):
        find_base(spec, cache_dir=tmp_path)


@pytest.mark.engine
def test_a_draft_is_trained_exported_and_drafts_for_its_base(tmp_path: Path) -> None:
    tokenizer = make_tokenizer()
    save(make_llama(is_tied=True), tokenizer, tmp_path / "base")
    write_model(make_llama(is_tied=True), tmp_path / "base.gguf", precision="f32", vocabulary=tokenizer)
    settings = ModelSettings(base=f"draft:2x32:{tmp_path / 'base'}", method="full")
    policy = open_policy(settings, cache_dir=tmp_path / "cache", seed=1, device=CPU)
    examples = [Example(str(n), (Message("user", text),), text) for n, text in enumerate(TEXTS)]
    encoded = encode_examples(policy.tokenizer, examples, max_tokens=128)
    losses: list[float] = []
    (tmp_path / "run").mkdir()
    train_sft(
        Sft(
            policy,
            encoded.kept,
            SftSettings(max_steps=12, learning_rate=1e-2, accumulation=1),
            tmp_path / "run",
            on_row=lambda row: losses.append(row["loss"]),
        )
    )
    assert losses[-1] < 0.8 * losses[0]

    checkpoint = resolve_checkpoint(tmp_path / "run")
    source = find_base(settings.base, cache_dir=tmp_path / "cache")
    exported = export_merged_gguf(checkpoint, tmp_path / "draft.gguf", base=source, precision="f32")
    trained = cast("Any", open_merged(checkpoint, source)[0]).eval()
    assert trained.config.hidden_size == 32
    small: dict[str, Any] = {"slots": 1, "context_tokens": 128, "threads": 1}
    with Engine(EngineSettings(model=exported.path, **small)) as engine, torch.no_grad():
        logits_V = trained(torch.tensor([PROMPT])).logits[0, -1]
        assert next_token_kl(engine, PROMPT, logits_V) < 1e-4

    # Beside its base it proposes, and the base's text stays what it was.
    greedy: dict[str, Any] = {"n_predict": 24, "temperature": 0.0, "return_tokens": True, "ignore_eos": True}
    texts: list[Any] = []
    for speculation in (None, Speculation(Method.DRAFT_SIMPLE, max_draft_tokens=3, draft_model=exported.path)):
        with Engine(EngineSettings(model=tmp_path / "base.gguf", speculation=speculation, **small)) as engine:
            reply = ask_engine(engine, PROMPT, adapter=None, settings=greedy)
            texts.append(reply["tokens"])
    assert texts[0] == texts[1]
    assert len(texts[0]) == 24
    assert reply["timings"]["draft_n"] > 0


def test_an_untrained_draft_is_opened_by_others(tmp_path: Path) -> None:
    """The start in the cache is a model folder like any other."""
    save(make_llama(is_tied=True), make_tokenizer(), tmp_path / "base")
    source = find_base(f"draft:1:{tmp_path / 'base'}", cache_dir=tmp_path / "cache")
    assert load_model(source.folder, dtype=torch.float32).config.num_hidden_layers == 1
