"""Export a checkpoint: as adapter or merged model, for Hugging Face tools or as a GGUF file for llama.cpp.

    CHECKPOINT ─┬─ export_adapter_hf    FOLDER/adapter_config.json, adapter_model.safetensors
                ├─ export_adapter_gguf  FILE.gguf, loaded beside its base and switched on per request
                ├─ export_merged_hf     FOLDER with configuration, weights and tokenizer
                └─ export_merged_gguf   FILE.gguf, quantised if wanted

A checkpoint is a PEFT adapter's folder, or a folder with all weights. Each export is written beside its place and then
renamed, is never written over another, and has an ``abruzzi.json`` with it: base, checkpoint and checksums, so that
weights found later can be traced. Merging is done in float32, whatever precision is written afterwards.

Whether the exported model answers as the trained one is for ``fidelity`` to say. Model cards are written elsewhere.
"""

import hashlib
import json
import shutil
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
from peft import PeftModel
from safetensors import SafetensorError
from safetensors import torch as safetensors_torch
from transformers import AutoConfig, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from abruzzi.errors import CheckpointError, ConfigError
from abruzzi.training.base import Source, identify, load_model, load_tokenizer
from abruzzi.training.gguf import ADAPTER_CONFIG, ADAPTER_WEIGHTS, Precision, write_adapter, write_model
from abruzzi.training.lineage import EXPORT_FILE, check_trained_on, is_adapter

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
HfPrecision = Literal["float32", "float16", "bfloat16"]


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    path: Path
    """A folder, or a GGUF file."""
    record: Path
    """Its ``abruzzi.json``; beside a GGUF file it is called ``NAME.abruzzi.json``."""
    num_bytes: int
    """Of the weights."""


def export_adapter_hf(checkpoint: Path, out: Path, *, base: Source, precision: HfPrecision = "float32") -> Exported:
    """Export the adapter of a checkpoint as a PEFT folder that names its base by its repository.

    Args:
        checkpoint: folder of a PEFT adapter.
        out: the folder that is made.
        base: what the adapter was trained on.
        precision: of its matrices.

    Raises:
        ConfigError: ``out`` exists, the checkpoint holds no adapter, or it is another base's.
        CheckpointError: it cannot be read, or ``out`` not be written.
    """
    _check_adapter(checkpoint)
    record = _describe("adapter-hf", checkpoint, base, precision)
    with _new_folder(out) as work:
        settings = json.loads((checkpoint / ADAPTER_CONFIG).read_text("utf-8"))
        settings["base_model_name_or_path"] = base.hub_name
        (work / ADAPTER_CONFIG).write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", "utf-8")
        tensors = cast("Any", safetensors_torch).load_file(checkpoint / ADAPTER_WEIGHTS)
        written = {name: tensor.to(DTYPES[precision]).contiguous() for name, tensor in tensors.items()}
        cast("Any", safetensors_torch).save_file(written, work / ADAPTER_WEIGHTS, metadata={"format": "pt"})
        _write_record(work / EXPORT_FILE, record, [work / ADAPTER_WEIGHTS])
    return _exported(out, out / EXPORT_FILE, [out / ADAPTER_WEIGHTS])


def export_merged_hf(
    checkpoint: Path, out: Path, *, base: Source | None, precision: HfPrecision = "float32"
) -> Exported:
    """Export a checkpoint as a whole model, its adapter merged if it is one.

    Args:
        checkpoint: folder of a PEFT adapter or of all weights.
        out: the folder that is made.
        base: what was trained; None for a model made from scratch.
        precision: of the weights.

    Raises:
        ConfigError: ``out`` exists, or the checkpoint is another base's or needs one.
        CheckpointError: it cannot be read, or ``out`` not be written.
        WeightsError: the base cannot be read.
    """
    record = _describe("merged-hf", checkpoint, base, precision)
    with _new_folder(out) as work:
        model, tokenizer = open_merged(checkpoint, base)
        cast("Any", model).to(DTYPES[precision]).save_pretrained(work)
        cast("Any", tokenizer).save_pretrained(work)
        for file in work.iterdir():
            file.chmod(0o644)
        _write_record(work / EXPORT_FILE, record, sorted(work.glob("*.safetensors")))
    return _exported(out, out / EXPORT_FILE, sorted(out.glob("*.safetensors")))


def export_adapter_gguf(
    checkpoint: Path, out: Path, *, base: Source, precision: Literal["f32", "f16"] = "f16"
) -> Exported:
    """Export the adapter of a checkpoint as a GGUF adapter.

    Args:
        checkpoint: folder of a PEFT adapter.
        out: the ``.gguf`` file that is made.
        base: what the adapter was trained on.
        precision: of its matrices.

    Raises:
        ConfigError: ``out`` exists, or the adapter cannot be expressed or is another base's.
        CheckpointError: it cannot be read, or ``out`` not be written.
    """
    _check_adapter(checkpoint)
    config = cast("PretrainedConfig", cast("Any", AutoConfig).from_pretrained(base.folder, local_files_only=True))
    record = _describe("adapter-gguf", checkpoint, base, precision)
    with _new_file(out, record) as work:
        write_adapter(checkpoint, config, work, precision=precision)
    return _exported(out, _record_of(out), [out])


def export_merged_gguf(
    checkpoint: Path, out: Path, *, base: Source | None, precision: Precision = "q8_0", base_gguf: Path | None = None
) -> Exported:
    """Export a checkpoint as a whole model in a GGUF file, its adapter merged if it is one.

    Args:
        checkpoint: folder of a PEFT adapter or of all weights.
        out: the ``.gguf`` file that is made.
        base: what was trained; None for a model made from scratch.
        precision: of the matrices.
        base_gguf: where metadata and vocabulary are copied from; None takes the file that the base was converted from,
            or where there is none, writes them from configuration and tokenizer.

    Raises:
        ConfigError: ``out`` exists, or the model cannot be expressed or is another base's.
        CheckpointError: it cannot be read, or ``out`` not be written.
        WeightsError: the base cannot be read.
    """
    record = _describe("merged-gguf", checkpoint, base, precision)
    with _new_file(out, record) as work:
        model, tokenizer = open_merged(checkpoint, base)
        known = base_gguf or (base.gguf if base else None)
        write_model(model, work, precision=precision, vocabulary=known or tokenizer)
    return _exported(out, _record_of(out), [out])


def open_merged(checkpoint: Path, base: Source | None) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Open a checkpoint as a plain model in float32, its adapter merged if it is one, with its tokenizer.

    Raises:
        ConfigError: it is an adapter and no base is given.
        CheckpointError: it cannot be read.
        WeightsError: the base cannot be read.
    """
    if not is_adapter(checkpoint):
        return load_model(checkpoint, dtype=torch.float32), load_tokenizer(checkpoint)
    if base is None:
        raise ConfigError(f"{checkpoint} is an adapter: name the base that it was trained on")
    model = load_model(base.folder, dtype=torch.float32)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # PEFT reads names that transformers has replaced
            merged = cast("Any", PeftModel).from_pretrained(model, checkpoint).merge_and_unload(safe_merge=True)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"{checkpoint} cannot be merged into {base.spec}: {str(error)[:300]}") from error
    return merged, load_tokenizer(checkpoint if (checkpoint / "tokenizer.json").is_file() else base.folder)


def _check_adapter(checkpoint: Path) -> None:
    if not is_adapter(checkpoint):
        raise ConfigError(f"{checkpoint} holds no adapter ({ADAPTER_CONFIG}): export the merged model instead")


def _describe(kind: str, checkpoint: Path, base: Source | None, precision: str) -> dict[str, Any]:
    """Make the record of an export, and refuse a checkpoint that was trained on another base."""
    identity = None if base is None else identify(base.folder)
    if base is not None and identity is not None and is_adapter(checkpoint):
        check_trained_on(checkpoint, identity, base.spec)
    weights = [checkpoint / ADAPTER_WEIGHTS] if is_adapter(checkpoint) else sorted(checkpoint.glob("*.safetensors"))
    if not weights:
        raise CheckpointError(f"{checkpoint} holds neither an adapter nor weights: name a checkpoint's folder")
    return {
        "kind": kind,
        "precision": precision,
        "base": None if base is None else {"spec": base.spec, "identity": identity},
        # No path of this machine: the record travels with the weights.
        "checkpoint": {"name": "/".join(checkpoint.absolute().parts[-3:]), "sha256": _digests(weights)},
    }


def _write_record(file: Path, record: dict[str, Any], weights: list[Path]) -> None:
    file.write_text(json.dumps({**record, "sha256": _digests(weights)}, indent=2) + "\n", "utf-8")


def _digests(files: list[Path]) -> dict[str, str]:
    digests: dict[str, str] = {}
    for file in files:
        try:
            with file.open("rb") as stream:
                digests[file.name] = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise CheckpointError(f"{file} cannot be read: {error.strerror}") from error
    return digests


def _exported(path: Path, record: Path, weights: list[Path]) -> Exported:
    return Exported(path, record, sum(file.stat().st_size for file in weights))


def _record_of(file: Path) -> Path:
    return file.with_suffix(f".{EXPORT_FILE}")


@contextmanager
def _new_folder(out: Path) -> Generator[Path]:
    """Give a folder beside ``out`` to write into, and move it there once the block ends well."""
    with _work(out) as work:
        yield work
        work.rename(out)


@contextmanager
def _new_file(out: Path, record: dict[str, Any]) -> Generator[Path]:
    """Give a file beside ``out`` to write, and move it and its record there once the block ends well."""
    if out.suffix != ".gguf":
        raise ConfigError(f"{out} would be a GGUF file: let its name end in .gguf")
    with _work(out) as work:
        part = work / out.name
        yield part
        _write_record(work / EXPORT_FILE, record, [part])
        # The record first: a file that is there has one.
        (work / EXPORT_FILE).replace(_record_of(out))
        part.rename(out)


@contextmanager
def _work(out: Path) -> Generator[Path]:
    """Give a folder beside ``out`` to work in, gone after the block; what a killed export left is taken away."""
    if out.exists():
        raise ConfigError(f"{out} is there already: remove it, or export to another place")
    work = out.with_name(f".{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if work.exists():
            shutil.rmtree(work)
        work.mkdir()
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except CheckpointError:
        raise
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CheckpointError(f"cannot write {out} ({reason}): make room, or export to another place") from error
