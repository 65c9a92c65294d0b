"""Opening the model to be trained: every form of its name, and everything that can be wrong with it."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import platformdirs
import pytest
import torch

from abruzzi.engine.process import Engine
from abruzzi.engine.settings import EngineSettings
from abruzzi.errors import ConfigError, WeightsError
from abruzzi.training.base import convert_gguf, fetch_snapshot, find_base, identify, load_base
from abruzzi.training.gguf import write_adapter, write_model
from tests.training.asking import tokenize
from tests.training.small import add_adapter, make_llama, make_tokenizer, save

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

STRINGS = [
    "12 + 30 = 42",
    "x  12",
    "x   7 y",
    "a\n\n12",
    "12  ",
    "\t5",
    "<|im_start|>user\nWhat is 17+25?<|im_end|>\n<|im_start|>assistant\n",
    "<think>\n12\n</think>\n<answer>42</answer>",
    "a \n\n  b   c",
    "'re don't I'LL 's",
    "日本語 12個",
    "🙂🙂3",
    "1,234.567",
    "   \n\n   ",
    "<|im_end|> <|im_end|>",
    "def f(x):\n    return x  # 12\n",
    "a\r\n\r\n3",
]
"""Where splitting text in another way shows: digits, blanks, marks of a chat."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hugging Face folder of a small model."""
    return save(make_llama(is_tied=True), make_tokenizer(), tmp_path_factory.mktemp("models") / "small")


def write_small(file: Path, *, is_tied: bool = True) -> Path:
    write_model(make_llama(is_tied=is_tied), file, precision="f16", vocabulary=make_tokenizer())
    return file


def test_a_folder_is_opened_as_it_is(folder: Path, tmp_path: Path) -> None:
    base = load_base(str(folder), cache_dir=tmp_path, dtype=torch.float32)
    state, own = base.model.state_dict(), make_llama(is_tied=True).state_dict()
    assert all((state[name] == weight).all() for name, weight in own.items())
    assert (base.source.folder, base.source.gguf, base.source.spec) == (folder, None, str(folder))
    assert base.tokenizer("x  12")["input_ids"] == make_tokenizer()("x  12")["input_ids"]
    assert list(tmp_path.iterdir()) == []


def test_weights_are_held_in_the_precision_asked_for(folder: Path, tmp_path: Path) -> None:
    model: Any = load_base(str(folder), cache_dir=tmp_path, dtype=torch.bfloat16).model
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}


def test_an_identity_is_of_configuration_and_weights_and_of_nothing_else(folder: Path, tmp_path: Path) -> None:
    identity = identify(folder)
    assert len(identity) == 64
    model: Any = make_llama(is_tied=True)
    model.save_pretrained(tmp_path / "shards", max_shard_size="60KB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 1
    assert identify(tmp_path / "shards") == identity
    config = json.loads((folder / "config.json").read_text())
    for name, changes in {"named": {"_name_or_path": "x", "transformers_version": "9"}, "other": {"rope_x": 1}}.items():
        shutil.copytree(folder, tmp_path / name)
        (tmp_path / name / "config.json").write_text(json.dumps({**config, **changes}))
    assert identify(tmp_path / "named") == identity
    assert identify(tmp_path / "other") != identity
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight[5, 5] += 1e-6
    model.save_pretrained(tmp_path / "changed")
    assert identify(tmp_path / "changed") != identity
    make_llama(is_tied=True).to(torch.float16).save_pretrained(tmp_path / "half")
    assert identify(tmp_path / "half") != identity


@pytest.mark.parametrize("is_tied", [True, False])
def test_a_gguf_file_is_converted_once(tmp_path: Path, is_tied: bool) -> None:
    file = write_small(tmp_path / "small.gguf", is_tied=is_tied)
    cache = tmp_path / "cache"
    (cache / "converted" / ".part-killed").mkdir(parents=True)
    base = load_base(str(file), cache_dir=cache, dtype=torch.float32)
    assert base.source.gguf == file
    assert base.model.config.tie_word_embeddings is is_tied
    for name, weight in make_llama(is_tied=is_tied).state_dict().items():
        expected = weight.half().float() if weight.ndim > 1 else weight
        assert (base.model.state_dict()[name] == expected).all(), name
    assert sorted(path.name for path in (cache / "converted").iterdir()) == [".lock", base.source.folder.name]
    (base.source.folder / "mark").touch()
    again = load_base(str(file), cache_dir=cache, dtype=torch.float32)
    assert (again.source.folder / "mark").exists()
    assert again.identity == base.identity
    # The same name with other content is another model.
    write_model(make_llama(is_tied=is_tied, seed=9), file, precision="f16", vocabulary=make_tokenizer())
    assert load_base(str(file), cache_dir=cache, dtype=torch.float32).identity != base.identity


def test_a_converted_tokenizer_splits_text_as_the_original_did(tmp_path: Path) -> None:
    """transformers alone forgets that SmolLM's sets digits apart, which shows next to two blanks."""
    file = write_small(tmp_path / "small.gguf")
    back = load_base(str(file), cache_dir=tmp_path / "cache", dtype=torch.float32).tokenizer
    for text in STRINGS:
        assert back(text)["input_ids"] == make_tokenizer()(text)["input_ids"], text
    assert (back.bos_token, back.eos_token, back.pad_token) == ("<|im_start|>", "<|im_end|>", "<|im_end|>")


def test_a_file_whose_tokenizer_was_not_checked_is_refused(tmp_path: Path) -> None:
    file = write_small(tmp_path / "small.gguf")
    file.write_bytes(file.read_bytes().replace(b"smollm", b"falcon"))
    with pytest.raises(ConfigError, match="split as for 'falcon', which was not checked against llama"):
        convert_gguf(file, tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache" / "converted").iterdir()] == [".lock"]


@pytest.mark.parametrize(
    ("spec", "match"),
    [
        ("smollm", "no model to train is called 'smollm': give embedded, a folder"),
        ("hf:org/repo", "'hf:org/repo' names no pinned repository: write hf:ORG/REPO@REVISION"),
        ("hf:repo@main", "names no pinned repository"),
    ],
)
def test_a_name_of_no_form_is_refused(tmp_path: Path, spec: str, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        find_base(spec, cache_dir=tmp_path)


def test_what_is_wrong_with_a_folder_is_said(folder: Path, tmp_path: Path) -> None:
    def refuse(path: Path, error: type[Exception], match: str) -> None:
        with pytest.raises(error, match=match):
            load_base(str(path), cache_dir=tmp_path / "cache", dtype=torch.float32)

    (tmp_path / "empty").mkdir()
    refuse(tmp_path / "empty", ConfigError, "is no model folder, it has no config.json")
    add_adapter(make_llama(is_tied=True)).save_pretrained(tmp_path / "adapter")
    refuse(tmp_path / "adapter", ConfigError, "is a LoRA adapter: give the model that it belongs to")
    bare = Path(shutil.copytree(folder, tmp_path / "bare"))
    (bare / "model.safetensors").unlink()
    refuse(bare, WeightsError, r"holds no \*\.safetensors")
    (bare / "model.safetensors").write_bytes(b"not weights at all")
    refuse(bare, WeightsError, "cannot be read: .*; fetch or convert it again")
    cut = Path(shutil.copytree(folder, tmp_path / "cut"))
    (cut / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-8])
    refuse(cut, WeightsError, "cannot be read")
    make_llama(is_tied=True).save_pretrained(tmp_path / "shards", max_shard_size="60KB")
    first = min((tmp_path / "shards").glob("*.safetensors"))
    first.unlink()
    refuse(tmp_path / "shards", WeightsError, f"holds no {first.name}")
    mute = Path(shutil.copytree(folder, tmp_path / "mute"))
    for file in mute.glob("tokenizer*"):
        file.unlink()
    refuse(mute, WeightsError, "has no tokenizer")


def test_what_is_wrong_with_a_file_is_said(tmp_path: Path) -> None:
    file = write_small(tmp_path / "small.gguf")
    (tmp_path / "cut.gguf").write_bytes(file.read_bytes()[:-40])
    with pytest.raises(WeightsError, match="cut short"):
        find_base(str(tmp_path / "cut.gguf"), cache_dir=tmp_path)
    with pytest.raises(WeightsError, match="no model file at"):
        find_base(str(tmp_path / "none.gguf"), cache_dir=tmp_path)
    wrapped = add_adapter(make_llama(is_tied=True))
    wrapped.save_pretrained(tmp_path / "adapter")
    write_adapter(tmp_path / "adapter", wrapped.config, tmp_path / "adapter.gguf")
    with pytest.raises(ConfigError, match="is a LoRA adapter"):
        find_base(str(tmp_path / "adapter.gguf"), cache_dir=tmp_path)
    (tmp_path / "blocked").touch()
    with pytest.raises(WeightsError, match="cannot write the model"):
        convert_gguf(file, tmp_path / "blocked")


def test_a_repository_in_the_cache_needs_no_connection(folder: Path, tmp_path: Path) -> None:
    commit, name = "c" * 40, "models--org--small"
    shutil.copytree(folder, tmp_path / "hub" / name / "snapshots" / commit)
    found = fetch_snapshot("org/small", commit, cache_dir=tmp_path, endpoint="http://127.0.0.1:9")
    assert identify(found) == identify(folder)
    with pytest.raises(WeightsError, match="no connection to the hub, and hf:org/other@main is not in the cache"):
        fetch_snapshot("org/other", "main", cache_dir=tmp_path, endpoint="http://127.0.0.1:9")


@pytest.mark.engine
def test_llama_cpp_and_the_converted_tokenizer_agree_on_a_small_file(tmp_path: Path) -> None:
    file = write_small(tmp_path / "small.gguf")
    tokenizer = load_base(str(file), cache_dir=tmp_path / "cache", dtype=torch.float32).tokenizer
    with Engine(EngineSettings(model=file, slots=1, context_tokens=128, threads=1)) as engine:
        for text in STRINGS:
            assert tokenize(engine, text) == tokenizer(text)["input_ids"], text


@pytest.mark.slow
@pytest.mark.engine
def test_llama_cpp_and_the_embedded_bases_tokenizer_agree(engine: Engine) -> None:
    source = find_base("embedded", cache_dir=platformdirs.user_cache_path("abruzzi"))
    assert source.gguf == engine.settings.model
    tokenizer = load_base(source.spec, cache_dir=platformdirs.user_cache_path("abruzzi"), dtype=torch.float32).tokenizer
    rng = random.Random(0)
    pieces = [*"ab 1290\n\t.,'<>|é½日²", "  ", "<|im_start|>", "<|im_end|>", "<|endoftext|>", "the ", "12", " 3"]
    mixed = ["".join(rng.choice(pieces) for _ in range(rng.randint(1, 25))) for _ in range(300)]
    for text in [*STRINGS, *mixed]:
        assert tokenize(engine, text) == tokenizer(text)["input_ids"], text
