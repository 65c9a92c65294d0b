"""Exports: whole or not there, never over another, and traceable; read back by the tools that they are for."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from gguf import GGUFReader, dequantize
from peft import PeftModel
from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]

from abruzzi.engine.gguf import inspect
from abruzzi.errors import CheckpointError, ConfigError
from abruzzi.training.base import Source, identify, load_model, load_tokenizer
from abruzzi.training.export import (
    Exported,
    export_adapter_gguf,
    export_adapter_hf,
    export_merged_gguf,
    export_merged_hf,
)
from abruzzi.training.gguf import permute, write_model
from tests.training.small import add_adapter, make_llama, make_tokenizer, save

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

PROMPT = torch.tensor([[0, 40, 41, 42, 43, 44, 45, 46, 47, 48]])


@dataclass(frozen=True)
class Run:
    """A base, and a checkpoint of an adapter trained on it."""

    base: Source
    checkpoint: Path
    logits: torch.Tensor
    """What the trained model says of a prompt."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    tokenizer = make_tokenizer()
    save(make_llama(is_tied=True), tokenizer, folder / "base")
    write_model(make_llama(is_tied=True), folder / "base.gguf", precision="f16", vocabulary=tokenizer)
    wrapped = add_adapter(make_llama(is_tied=True)).eval()
    checkpoint = save(wrapped, tokenizer, folder / "checkpoints" / "step-000040")
    (checkpoint / "state.json").write_text('{"step": 40}')
    with torch.no_grad():
        logits = wrapped(PROMPT).logits
    return Run(Source("hf:org/small@main", folder / "base", folder / "base.gguf"), checkpoint, logits)


def logits_of(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(PROMPT).logits


def record_of(exported: Exported) -> dict[str, Any]:
    return json.loads(exported.record.read_text())


def test_an_adapter_is_read_back_by_peft(run: Run, tmp_path: Path) -> None:
    exported = export_adapter_hf(run.checkpoint, tmp_path / "solver", base=run.base)
    peft: Any = PeftModel
    back = peft.from_pretrained(make_llama(is_tied=True), exported.path)
    assert (logits_of(back) == run.logits).all()
    settings = json.loads((exported.path / "adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == "org/small"
    assert sorted(path.name for path in exported.path.iterdir()) == [
        "abruzzi.json", "adapter_config.json", "adapter_model.safetensors",
    ]  # fmt: skip
    assert exported.num_bytes == (exported.path / "adapter_model.safetensors").stat().st_size


def test_an_adapter_is_halved_where_wanted(run: Run, tmp_path: Path) -> None:
    whole = export_adapter_hf(run.checkpoint, tmp_path / "whole", base=run.base)
    half = export_adapter_hf(run.checkpoint, tmp_path / "half", base=run.base, precision="float16")
    assert half.num_bytes < 0.6 * whole.num_bytes
    weights = load_file(half.path / "adapter_model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float16}
    peft: Any = PeftModel
    assert (logits_of(peft.from_pretrained(make_llama(is_tied=True), half.path)) - run.logits).abs().max() < 0.05


def test_a_merged_model_stands_alone(run: Run, tmp_path: Path) -> None:
    exported = export_merged_hf(run.checkpoint, tmp_path / "merged", base=run.base)
    back = load_model(exported.path, dtype=torch.float32)
    assert back.config.tie_word_embeddings is True
    assert (logits_of(back) - run.logits).abs().max() < 1e-4
    assert load_tokenizer(exported.path)("x  12")["input_ids"] == make_tokenizer()("x  12")["input_ids"]
    assert identify(exported.path) != identify(run.base.folder)


def test_a_merged_model_in_half_precision(run: Run, tmp_path: Path) -> None:
    exported = export_merged_hf(run.checkpoint, tmp_path / "merged", base=run.base, precision="bfloat16")
    weights = load_file(exported.path / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.bfloat16}
    # Rounded once, after merging: exactly the merged float32 weights in bfloat16.
    exact = load_file(export_merged_hf(run.checkpoint, tmp_path / "exact", base=run.base).path / "model.safetensors")
    assert all((weight == exact[name].to(torch.bfloat16)).all() for name, weight in weights.items())


def test_a_merged_gguf_holds_base_and_adapter(run: Run, tmp_path: Path) -> None:
    exported = export_merged_gguf(run.checkpoint, tmp_path / "merged.gguf", base=run.base, precision="f32")
    tensors = {tensor.name: tensor for tensor in GGUFReader(exported.path).tensors}
    wrapped: Any = add_adapter(make_llama(is_tied=True))
    merged = wrapped.merge_and_unload().state_dict()["model.layers.1.self_attn.k_proj.weight"].numpy()
    found = tensors["blk.1.attn_k.weight"]
    assert abs(dequantize(found.data, found.tensor_type) - permute(merged, 2)).max() < 1e-6
    assert inspect(exported.path).context_length == 128


def test_an_adapter_gguf_is_one(run: Run, tmp_path: Path) -> None:
    exported = export_adapter_gguf(run.checkpoint, tmp_path / "solver.gguf", base=run.base)
    assert inspect(exported.path).is_adapter
    assert exported.record == tmp_path / "solver.abruzzi.json"


def test_all_weights_from_scratch_need_no_base(tmp_path: Path) -> None:
    checkpoint = save(make_llama(is_tied=True, seed=3), make_tokenizer(), tmp_path / "checkpoint")
    folder = export_merged_hf(checkpoint, tmp_path / "model", base=None)
    assert (
        logits_of(load_model(folder.path, dtype=torch.float32)) == logits_of(make_llama(is_tied=True, seed=3))
    ).all()
    file = export_merged_gguf(checkpoint, tmp_path / "model.gguf", base=None)
    assert inspect(file.path).architecture == "llama"
    assert record_of(file)["base"] is None


def test_the_record_traces_weights_to_base_and_checkpoint(run: Run, tmp_path: Path) -> None:
    exported = export_merged_gguf(run.checkpoint, tmp_path / "merged.gguf", base=run.base, precision="q4_0")
    record = record_of(exported)
    assert record["kind"] == "merged-gguf"
    assert record["precision"] == "q4_0"
    assert record["base"] == {"spec": "hf:org/small@main", "identity": identify(run.base.folder)}
    assert record["checkpoint"]["name"].endswith("checkpoints/step-000040")
    assert str(tmp_path.parent) not in exported.record.read_text()
    assert set(record["checkpoint"]["sha256"]) == {"adapter_model.safetensors"}
    assert set(record["sha256"]) == {"merged.gguf"}
    again = export_merged_gguf(run.checkpoint, tmp_path / "again.gguf", base=run.base, precision="q4_0")
    assert record_of(again)["sha256"]["again.gguf"] == record["sha256"]["merged.gguf"]


Export = Callable[[Run, Path], Exported]
EXPORTS: dict[str, Export] = {
    "adapter": lambda run, out: export_adapter_hf(run.checkpoint, out, base=run.base),
    "merged": lambda run, out: export_merged_hf(run.checkpoint, out, base=run.base),
    "adapter.gguf": lambda run, out: export_adapter_gguf(run.checkpoint, out, base=run.base),
    "merged.gguf": lambda run, out: export_merged_gguf(run.checkpoint, out, base=run.base),
}


@pytest.mark.parametrize("name", EXPORTS)
def test_nothing_is_written_over_and_nothing_is_left_behind(run: Run, tmp_path: Path, name: str) -> None:
    stale = tmp_path / "deep" / f".{name}.part"
    stale.mkdir(parents=True)
    (stale / "half").touch()
    exported = EXPORTS[name](run, tmp_path / "deep" / name)
    kept = {path.name for path in (tmp_path / "deep").iterdir()}
    assert kept == {name} | ({exported.record.name} if name.endswith(".gguf") else set())
    before = exported.record.read_bytes()
    with pytest.raises(ConfigError, match="is there already: remove it, or export to another place"):
        EXPORTS[name](run, tmp_path / "deep" / name)
    assert exported.record.read_bytes() == before


@pytest.mark.parametrize("name", EXPORTS)
def test_a_place_that_cannot_be_written_is_said(run: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match=r"cannot write .*: make room, or export to another place"):
        EXPORTS[name](run, tmp_path / "file" / name)


def test_an_export_that_fails_leaves_nothing(run: Run, tmp_path: Path) -> None:
    other = Source("other", save(make_llama(is_tied=True, hidden_size=32), make_tokenizer(), tmp_path / "other"))
    with pytest.raises(CheckpointError, match="cannot be merged into other"):
        export_merged_hf(run.checkpoint, tmp_path / "out", base=other)
    with pytest.raises(CheckpointError, match="cannot be merged into other"):
        export_merged_gguf(run.checkpoint, tmp_path / "out.gguf", base=other)
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_an_adapter_is_not_put_on_a_base_that_it_does_not_belong_to(run: Run, tmp_path: Path) -> None:
    exported = export_adapter_hf(run.checkpoint, tmp_path / "solver", base=run.base)
    other = Source("other", save(make_llama(is_tied=True, seed=7), make_tokenizer(), tmp_path / "other"))
    with pytest.raises(ConfigError, match=r"was trained on hf:org/small@main \(.*\), and not on other"):
        export_merged_hf(exported.path, tmp_path / "merged", base=other)
    export_merged_hf(exported.path, tmp_path / "merged", base=run.base)


def test_what_is_no_checkpoint_is_said(run: Run, tmp_path: Path) -> None:
    full = save(make_llama(is_tied=True), make_tokenizer(), tmp_path / "full")
    with pytest.raises(ConfigError, match="holds no adapter"):
        export_adapter_hf(full, tmp_path / "out", base=run.base)
    with pytest.raises(ConfigError, match="holds no adapter"):
        export_adapter_gguf(full, tmp_path / "out.gguf", base=run.base)
    with pytest.raises(ConfigError, match="is an adapter: name the base"):
        export_merged_hf(run.checkpoint, tmp_path / "out", base=None)
    with pytest.raises(CheckpointError, match="holds neither an adapter nor weights"):
        export_merged_hf(tmp_path, tmp_path / "out", base=None)
    with pytest.raises(ConfigError, match=r"let its name end in \.gguf"):
        export_adapter_gguf(run.checkpoint, tmp_path / "out.bin", base=run.base)
