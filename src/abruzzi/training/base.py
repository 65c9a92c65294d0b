"""Open the model that is to be trained: ours, a folder, a GGUF file, or one from a hub.

    embedded                  SmolLM2-135M-Instruct, from the same GGUF file that the embedded engine runs
    FOLDER                    a Hugging Face folder: config.json, *.safetensors, tokenizer
    FILE.gguf                 a GGUF file of the llama family
    hf:ORG/REPO@REVISION      a repository of a hub, at a commit, tag or branch
    draft:SHAPE:MODEL         the start of a draft model for one of these, e.g. draft:4x192:embedded; see ``draft``

A GGUF file is converted once into a Hugging Face folder in the cache (dequantised to float32, tied embeddings stay
tied) and read from there ever after, so that what is trained is what the engine runs. transformers does that, and gets
two things wrong that are put right here: a quantised model cannot be saved unless it is told to dequantise, and its
tokenizer forgets how llama.cpp splits text before merging (SmolLM's digits): a quarter of short strings with digits and
blanks came out otherwise. A draft's start is likewise made once.

It runs no code from a repository, and it converts no GGUF file whose tokenizer was not checked against llama.cpp.
"""

import contextlib
import hashlib
import importlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from gguf import GGUFReader
from safetensors import SafetensorError, safe_open
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils.logging import disable_progress_bar

from abruzzi.config import missing_package
from abruzzi.engine.gguf import inspect
from abruzzi.engine.lock import locked
from abruzzi.engine.weights import fetch_base
from abruzzi.errors import ConfigError, WeightsError
from abruzzi.training.draft import make_draft, parse_shape

EMBEDDED_REPO = "HuggingFaceTB/SmolLM2-135M-Instruct"
FORMS = "embedded, a folder, FILE.gguf, hf:ORG/REPO@REVISION or draft:SHAPE:MODEL"

_HUB_SPEC = re.compile(r"hf:(?P<repo>[\w.-]+/[\w.-]+)@(?P<revision>[\w./-]+)")
_DRAFT_SPEC = re.compile(r"draft:(?P<shape>[^:]*):(?P<model>.+)")
_HUB_FILES = ("*.json", "*.safetensors", "*.jinja", "*.txt", "tokenizer.model")
_COMMIT = re.compile("[0-9a-f]{40}")
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json")
_INDEX_FILE = "model.safetensors.index.json"
_VOLATILE_KEYS = frozenset({"_name_or_path", "transformers_version", "dtype", "torch_dtype"})
"""Of a config.json: they say who wrote it and how it was loaded, not which model it is."""


def _split_smollm() -> Any:
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )


def _split_gpt2() -> Any:
    return pre_tokenizers.ByteLevel(add_prefix_space=False)


_SPLITS: dict[str, Callable[[], Any]] = {"smollm": _split_smollm, "gpt-2": _split_gpt2}
"""``tokenizer.ggml.pre`` of a GGUF file -> how text is split before merging."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a base model lies on this machine."""

    spec: str
    """As it was asked for."""
    folder: Path
    """A Hugging Face folder."""
    gguf: Path | None = None
    """The GGUF file that it was converted from; None where there is none."""

    @property
    def hub_name(self) -> str:
        """What other tools can find it by: its repository, or the spec where it has none.

        The embedded base is its repository's model, quantised.
        """
        if self.spec == "embedded":
            return EMBEDDED_REPO
        return self.spec.removeprefix("hf:").partition("@")[0] if self.spec.startswith("hf:") else self.spec


@dataclass(frozen=True, slots=True)
class Base:
    """A model opened for training, with its tokenizer."""

    model: PreTrainedModel
    tokenizer: Any
    """A ``PreTrainedTokenizerBase``, whose own types leave too much open."""
    identity: str
    """sha256 over configuration and weights; see ``identify``."""
    source: Source


def load_base(spec: str, *, cache_dir: Path, dtype: torch.dtype, device: str | torch.device = "cpu") -> Base:
    """Open the model to be trained.

    Args:
        spec: which one; see the module's first lines.
        cache_dir: our cache, for downloads and converted models.
        dtype: of the weights in memory; bfloat16 is unusable on processors without units for it.
        device: where they go.

    Raises:
        ConfigError: the spec has none of the forms, or names a model that cannot be trained here.
        WeightsError: the weights are missing, broken or cannot be had.
    """
    disable_progress_bar()
    source = find_base(spec, cache_dir=cache_dir)
    identity = identify(source.folder)
    tokenizer = load_tokenizer(source.folder)
    model = load_model(source.folder, dtype=dtype, device=device)
    return Base(model=model, tokenizer=tokenizer, identity=identity, source=source)


def find_base(spec: str, *, cache_dir: Path) -> Source:
    """Find a base model's folder, fetching or converting it where needed, without loading it.

    Raises:
        ConfigError: the spec has none of the forms, or names a model that cannot be trained here.
        WeightsError: the weights are missing, broken or cannot be had.
    """
    if spec == "embedded":
        file = fetch_base(cache_dir)
        return Source(spec, convert_gguf(file, cache_dir), file)
    if spec.startswith("hf:"):
        match = _HUB_SPEC.fullmatch(spec)
        if match is None:
            raise ConfigError(f"{spec!r} names no pinned repository: write hf:ORG/REPO@REVISION")
        return Source(spec, _check_folder(fetch_snapshot(match["repo"], match["revision"], cache_dir=cache_dir)))
    if spec.startswith("draft:"):
        match = _DRAFT_SPEC.fullmatch(spec)
        if match is None:
            raise ConfigError(f"{spec!r} names no draft: write draft:SHAPE:MODEL, e.g. draft:4x192:embedded")
        return Source(spec, start_draft(match["shape"], match["model"], cache_dir=cache_dir))
    path = Path(spec)
    if path.suffix == ".gguf":
        return Source(spec, convert_gguf(path, cache_dir), path)
    if path.is_dir():
        return Source(spec, _check_folder(path))
    raise ConfigError(f"no model to train is called {spec!r}: give {FORMS}")


def load_model(folder: Path, *, dtype: torch.dtype, device: str | torch.device = "cpu") -> PreTrainedModel:
    """Load the weights of a Hugging Face folder.

    Raises:
        WeightsError: they do not fit together.
    """
    try:
        auto = cast("Any", AutoModelForCausalLM)
        model = auto.from_pretrained(folder, dtype=dtype, local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise WeightsError(f"{folder} cannot be loaded: {_first_line(error)}; fetch or convert it again") from error
    return cast("PreTrainedModel", model.to(device))


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a Hugging Face folder.

    Raises:
        WeightsError: there is none, or it is broken.
    """
    try:
        auto = cast("Any", AutoTokenizer)
        return cast("PreTrainedTokenizerBase", auto.from_pretrained(folder, local_files_only=True))
    except (OSError, ValueError, KeyError) as error:
        raise WeightsError(f"{folder} has no tokenizer: {_first_line(error)}; copy it there, or fetch again") from error


def identify(folder: Path) -> str:
    """Compute what tells a model from all others: sha256 over its configuration and weights.

    The same model saved anew, in other shards or by another version of transformers, keeps it; other weights, or the
    same ones in another precision, do not.

    Raises:
        WeightsError: the folder cannot be read.
    """
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        lasting = {key: value for key, value in config.items() if key not in _VOLATILE_KEYS}
        digest = hashlib.sha256(json.dumps(lasting, sort_keys=True).encode())
        places = {name: file for file in weight_files(folder) for name in _tensor_names(file)}
        for name in sorted(places):
            with _open(places[name]) as opened:
                tensor: torch.Tensor = opened.get_tensor(name).contiguous()
            digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
            digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    except (OSError, ValueError, AttributeError, SafetensorError) as error:
        raise WeightsError(f"{folder} cannot be read: {_first_line(error)}; fetch or convert it again") from error
    return digest.hexdigest()


def weight_files(folder: Path) -> list[Path]:
    """List the files that hold a folder's weights.

    Raises:
        WeightsError: there are none, or one that the index names is missing.
    """
    index = folder / _INDEX_FILE
    if index.is_file():
        names = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
    else:
        names = sorted(file.name for file in folder.glob("*.safetensors"))
    missing = [name for name in names if not (folder / name).is_file()]
    if missing or not names:
        what = ", ".join(missing) or "*.safetensors"
        raise WeightsError(f"{folder} holds no {what}: fetch it again, or save it with save_pretrained")
    return [folder / name for name in names]


def convert_gguf(file: Path, cache_dir: Path) -> Path:
    """Convert a GGUF file into a Hugging Face folder, or find the one converted before.

    A second process that asks meanwhile waits for the first. What a killed conversion left behind is cleared away
    before the next one.

    Args:
        file: a model of the llama family, of any quantisation.
        cache_dir: our cache; the folder lies in its folder ``converted``, named by the file's content.

    Returns:
        The folder: float32 weights, configuration and tokenizer.

    Raises:
        WeightsError: the file is broken, or the cache cannot be written.
        ConfigError: it holds an adapter, or a tokenizer that was not checked; or a package is missing.
    """
    if inspect(file).is_adapter:
        raise ConfigError(f"{file} is a LoRA adapter: give the model that it belongs to")
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return _make_once(cache_dir / "converted" / f"{file.stem}-{digest[:16]}", lambda work: _convert(file, work))


def start_draft(shape: str, spec: str, *, cache_dir: Path) -> Path:
    """Make the start of a draft model, or find the one made before.

    Args:
        shape: ``LAYERSxWIDTH`` or ``LAYERS``; see ``draft``.
        spec: of the model that it drafts for.
        cache_dir: our cache; the folder lies in its folder ``drafts``, named by shape and base.

    Returns:
        The folder: weights, configuration, and the base's tokenizer with its chat template.

    Raises:
        ConfigError: there is no such shape or base, or the one does not fit the other.
        WeightsError: the base's weights are missing or broken, or the cache cannot be written.
    """
    parsed = parse_shape(shape)
    source = find_base(spec, cache_dir=cache_dir)

    def write(work: Path) -> None:
        """Write the folder."""
        cast("Any", make_draft(load_model(source.folder, dtype=torch.float32), parsed)).save_pretrained(work)
        cast("Any", load_tokenizer(source.folder)).save_pretrained(work)

    return _make_once(cache_dir / "drafts" / f"{shape}-{identify(source.folder)[:16]}", write)


def _make_once(folder: Path, write: Callable[[Path], None]) -> Path:
    """Have a folder of the cache written beside its place and moved there whole, if it is not there yet."""
    parent = folder.parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with locked(parent / ".lock"):
            if folder.is_dir():
                return folder
            for stale in parent.glob(".part-*"):
                shutil.rmtree(stale, ignore_errors=True)
            work = Path(tempfile.mkdtemp(prefix=".part-", dir=parent))
            try:
                write(work)
                for written in work.iterdir():
                    written.chmod(0o644)
                work.chmod(0o755)
                work.replace(folder)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"cannot write the model {folder} ({_first_line(error)}): make room, or choose another cache"
        ) from error
    return folder


def _convert(file: Path, work: Path) -> None:
    """Write a GGUF file's model and tokenizer into a folder."""
    split = _SPLITS.get(_split_name(file))
    if split is None:
        raise ConfigError(
            f"{file}: text is split as for {_split_name(file)!r}, which was not checked against llama.cpp (checked: "
            f"{', '.join(_SPLITS)}); give the model's Hugging Face folder instead"
        )
    where: dict[str, Any] = {"gguf_file": file.name, "local_files_only": True}
    try:
        tokenizer = cast("Any", AutoTokenizer).from_pretrained(file.parent, **where)
        tokenizer.backend_tokenizer.pre_tokenizer = split()
        tokenizer.save_pretrained(work)
        model = cast("Any", AutoModelForCausalLM).from_pretrained(
            file.parent, **where, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
        )
        model.save_pretrained(work)
    except ImportError as error:
        raise missing_package("a GGUF model to be trained", "accelerate", extra="train") from error
    except ValueError as error:
        raise ConfigError(f"{file} cannot be converted: {_first_line(error)}; give a folder instead") from error


def _split_name(file: Path) -> str:
    field = GGUFReader(file).get_field("tokenizer.ggml.pre")
    return "none" if field is None else str(field.contents())


def fetch_snapshot(repo: str, revision: str, *, cache_dir: Path, endpoint: str | None = None) -> Path:
    """Fetch a repository's weights, configuration and tokenizer from a hub, or find them in the cache.

    Args:
        repo: ``ORG/REPO``.
        revision: commit, tag or branch.
        cache_dir: our cache; the files go into its folder ``hub``.
        endpoint: the hub's address; None: as ``huggingface_hub`` is set.

    Raises:
        WeightsError: they cannot be had; says what to do.
    """
    hub: Any = importlib.import_module("huggingface_hub")
    errors: Any = importlib.import_module("huggingface_hub.errors")
    importlib.import_module("huggingface_hub.utils.logging").set_verbosity_error()  # it would tell of every retry
    spec = f"hf:{repo}@{revision}"
    where = {"revision": revision, "cache_dir": cache_dir / "hub", "allow_patterns": list(_HUB_FILES)}
    try:
        if _COMMIT.fullmatch(revision):  # what a commit holds never changes, so one that is whole needs no connection
            with contextlib.suppress(errors.LocalEntryNotFoundError, ConfigError, WeightsError):
                return _check_folder(Path(hub.snapshot_download(repo, local_files_only=True, **where)))
        folder = hub.snapshot_download(repo, endpoint=endpoint, token=os.environ.get("HF_TOKEN") or False, **where)
    except errors.GatedRepoError as error:
        raise WeightsError(f"{spec} is gated: ask for access on the hub, then set HF_TOKEN") from error
    except errors.RevisionNotFoundError as error:
        raise WeightsError(f"the hub has no revision {revision!r} of {repo}: check it") from error
    except errors.RepositoryNotFoundError as error:
        raise WeightsError(f"the hub has no {repo} for you: check the name, or set HF_TOKEN if private") from error
    except errors.LocalEntryNotFoundError as error:
        raise WeightsError(f"no connection to the hub, and {spec} is not in the cache: go online once") from error
    except (errors.HfHubHTTPError, errors.HFValidationError, OSError) as error:
        raise WeightsError(f"{spec} could not be fetched: {_first_line(error)}") from error
    return Path(folder)


def _check_folder(folder: Path) -> Path:
    """Return the folder if it holds a whole model."""
    if not (folder / "config.json").is_file():
        if (folder / "adapter_config.json").is_file():
            raise ConfigError(f"{folder} is a LoRA adapter: give the model that it belongs to")
        raise ConfigError(f"{folder} is no model folder, it has no config.json: give {FORMS}")
    weight_files(folder)
    if not any((folder / name).is_file() for name in _TOKENIZER_FILES):
        raise WeightsError(f"{folder} has no tokenizer: copy it there, or fetch again")
    return folder


def _tensor_names(file: Path) -> list[str]:
    with _open(file) as opened:
        return list(opened.keys())


def _open(file: Path) -> Any:
    """Open a safetensors file for single tensors; a context manager."""
    return cast("Any", safe_open)(file, framework="pt")


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
