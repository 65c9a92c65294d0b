"""A recipe: one stage of training at one scale, as a TOML file; frozen, unknown keys refused.

    [model]   what is trained, and which of its weights
    [data]    what it is trained on, held out, and checked against
    [sft] or [grpo]   how
    [watch]   where curves go besides the run's own record

The defaults are the vetted settings for a 135M model on two cores; what a paper does otherwise stands in its recipe.
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from abruzzi.config import describe_problem
from abruzzi.data.traces.examples import PlanSays
from abruzzi.errors import ConfigError

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LoraSettings(_Table):
    """Low-rank adapters (arXiv 2106.09685) on every linear layer but the head."""

    rank: Count = 16
    alpha: Rate = 32.0
    """The update is scaled by alpha / rank."""
    dropout: Share = 0.0


class ScratchSettings(_Table):
    """A small Llama with random weights and a small tokenizer of its own: for tests and toys."""

    hidden: Count = 128
    layers: Count = 4
    heads: Count = 4
    kv_heads: Count = 2
    max_tokens: Count = 256


class ModelSettings(_Table):
    """What is trained."""

    base: str = "embedded"
    """``embedded``, ``scratch``, a Hugging Face folder, a GGUF file, or ``hf:ORG/REPO@revision``."""
    start: str | None = None
    """What training goes on from: a run, a checkpoint, or the folder of an exported adapter, of the same base."""
    method: Literal["lora", "full"] = "lora"
    lora: LoraSettings = LoraSettings()
    scratch: ScratchSettings = ScratchSettings()
    dtype: Literal["float32", "bfloat16"] = "float32"
    """bfloat16 needs a processor with units for it; on others it is many times slower."""
    end_of_turn: str | None = None
    """The token that ends a turn, where the tokenizer's end of text is another: ``<|im_end|>`` for Qwen2.5's bases."""
    attention: Literal["sdpa", "flash_attention_2", "eager"] = "sdpa"


class ProceduralSource(_Table):
    """Generated tasks; SFT writes traces for them, GRPO asks them."""

    kind: Literal["procedural"] = "procedural"
    task: str
    settings: dict[str, Any] = {}
    size: Count = 1000
    seed: int = 1
    styles: dict[str, float] = {}
    """Style of trace → weight; empty: all alike."""
    planned_share: Share = 0.0
    """Of the examples and prompts that show the solver a plan."""
    plan_says: PlanSays = "method"
    """How to go about it, or the facts that have to be known, where the task has any."""
    answer_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """No answer is that of more than this share of the items, held-out ones too; those beyond it are left out of
    ``size``. Where one answer is mostly right, a policy learns to guess it."""


class FileSource(_Table):
    """Rows of a file: examples for SFT, items for GRPO."""

    kind: Literal["examples", "items", "am-thinking", "guru"]
    path: str | None = None
    """A file or folder; None fetches the published set from the hub."""
    subsets: tuple[str, ...] = ()
    limit: Count | None = None
    """The first so many rows."""


TAUGHT = ("examples", "am-thinking")
"""Kinds of sources that are taught, and not asked."""
Source = Annotated[ProceduralSource | FileSource, Field(discriminator="kind")]


class DataSettings(_Table):
    """What is trained on, held out and checked against."""

    sources: tuple[Source, ...]
    held_out: Annotated[int, Field(ge=0)] = 100
    """Items per procedural source that no training step sees; drawn by the hash of the question."""
    held_out_seed: int = 7
    benchmarks: tuple[str, ...] = ()
    """No training row may match an item of these (``abruzzi data contamination``)."""
    prompt: Literal["solver", "bare"] = "solver"
    """How a question is put: as the pipeline's solver is asked, or alone, for models too small for instructions."""
    rates: str | None = None
    """File of pass rates (``abruzzi train rates``): GRPO asks only what passes now and then."""
    rates_of: str = ""
    """Whose rates in it; the name of the recipe that they were measured with."""
    rate_low: float = 0.0
    """Items that pass this often or less are left out."""
    rate_high: float = 1.0
    """Items that pass this often or more are left out."""
    allow_dirty: bool = False
    """Go on though rows match a benchmark; the record then says so."""


class SftSettings(_Table):
    """Supervised fine-tuning."""

    learning_rate: Rate = 1e-3
    schedule: Literal["cosine", "constant", "linear"] = "cosine"
    warmup: Share = 0.05
    """Share of the steps in which the learning rate rises to its value."""
    epochs: Rate = 1.0
    max_steps: Count | None = None
    max_tokens: Count = 512
    """Length of a pack, and of the longest example kept."""
    packing: bool = True
    """Several examples a sequence, without attention between them."""
    packs_per_device: Count = 1
    accumulation: Count = 4
    """Device batches per optimiser step."""
    recompute: bool = False
    """Keep of each layer its input alone, and compute the rest again on the way back: less memory, a third more time.
    Under FSDP its own recomputation is switched on."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    max_grad_norm: Rate = 1.0
    save_every: Count = 50
    """Optimiser steps between checkpoints."""
    keep: Count = 2
    """Checkpoints kept."""
    seed: int = 1


class GrpoSettings(_Table):
    """Group-relative policy optimisation."""

    steps: Count = 100
    prompts_per_step: Count = 16
    """Groups that an optimiser step learns from."""
    group_size: Annotated[int, Field(ge=2)] = 8
    max_tokens: Count = 96
    """Of a completion."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    learning_rate: Rate = 1e-4
    warmup_steps: Annotated[int, Field(ge=0)] = 5
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    max_grad_norm: Rate = 1.0
    updates_per_step: Count = 1
    """Optimiser updates from one step's rollouts; more than 1 is off-policy and clipped."""
    clip_low: Share = 0.2
    clip_high: Annotated[float, Field(ge=0)] = 0.28
    dual_clip: Annotated[float, Field(gt=1)] = 10.0
    """The ratio above which tokens of negative advantage stop pushing too; matters with several updates per step."""
    advantage_scale: Literal["none", "std"] = "std"
    aggregate: Literal["token", "sequence", "constant"] = "token"
    kl_coef: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the penalty for leaving the start; 0 needs no reference."""
    dynamic_sampling: bool = True
    """Drop groups that teach nothing and sample others in their place."""
    max_rounds: Count = 4
    """Samplings per step before it goes on with fewer groups."""
    mask_truncated: bool = True
    """Leave completions cut at the limit out of the loss; they count as unsolved in their group's baseline."""
    correction_cap: Annotated[float, Field(ge=1)] = 2.0
    """Truncates the weight that corrects for a sampler whose probabilities differ from the policy's."""
    sampler: Literal["torch", "engine"] = "torch"
    rows: Count = 64
    """Completions decoded side by side."""
    pack_tokens: Count = 1024
    """Tokens per forward pass of the update."""
    shuffle_rewards: bool = False
    """The control: rewards are dealt out anew among the step's rollouts, so that they say nothing."""
    eval_every: Count = 20
    eval_on_start: bool = True
    """Measure before the first step too; not worth its time where the start was measured by the run that made it."""
    eval_samples: Count = 4
    """Completions per held-out item."""
    eval_temperature: Annotated[float, Field(ge=0)] = 1.0
    save_every: Count = 20
    keep: Count = 2
    seed: int = 1

    @model_validator(mode="after")
    def _check_clips(self) -> Self:
        if self.dual_clip <= 1 + self.clip_high:
            raise ValueError(
                f"dual_clip must be above 1 + clip_high = {1 + self.clip_high:g}, and is {self.dual_clip:g}; raise it, "
                "or lower clip_high"
            )
        return self

    @model_validator(mode="after")
    def _check_old_policy(self) -> Self:
        if self.updates_per_step > 1 and self.temperature != 1:
            raise ValueError(
                f"updates_per_step={self.updates_per_step} takes the sampler's probabilities for the old policy's, "
                f"which are at temperature 1 and not {self.temperature:g}; set one of the two to 1"
            )
        return self


class WatchSettings(_Table):
    """Where curves go besides the run's own record."""

    tracker: Literal["none", "trackio", "tensorboard", "wandb"] = "tensorboard"
    project: str = "abruzzi"


class Recipe(_Table):
    """One stage of training."""

    name: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    model: ModelSettings = ModelSettings()
    data: DataSettings
    sft: SftSettings | None = None
    grpo: GrpoSettings | None = None
    watch: WatchSettings = WatchSettings()

    @model_validator(mode="after")
    def _check_stage(self) -> Self:
        if (self.sft is None) == (self.grpo is None):
            raise ValueError("a recipe is one stage: it has a table [sft] or a table [grpo], and not both")
        return self

    @model_validator(mode="after")
    def _check_sources(self) -> Self:
        unasked = [source.kind for source in self.data.sources if source.kind in TAUGHT]
        if self.grpo is not None and unasked:
            raise ValueError(
                f"a source of kind {unasked[0]!r} holds completions and no ground truths: [grpo] has nothing to ask of "
                "it; take it away, or give items"
            )
        return self


def read_recipe(path: Path, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe.

    Args:
        path: the TOML file.
        changes: ``table.key=value`` each, the value as in TOML; they win over the file.

    Raises:
        ConfigError: the file cannot be read, a key is unknown or a value out of range; names it.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the recipe {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    for change in changes:
        _apply(content, change)
    return build_recipe(content, str(path))


def build_recipe(content: Mapping[str, Any], source: str) -> Recipe:
    """Build a recipe from plain data.

    Raises:
        ConfigError: a key is unknown or a value out of range; names it.
    """
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{source}: {describe_problem(error)}") from error


def _apply(content: dict[str, Any], change: str) -> None:
    """Set one value, e.g. ``grpo.steps=20``."""
    key, equals, value = change.partition("=")
    names = key.strip().split(".")
    if not equals or not all(names):
        raise ConfigError(f"cannot read the change {change!r}; write table.key=value, e.g. grpo.steps=20")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()  # a bare word is a string
    table = content
    for name in names[:-1]:
        inner: object = table.setdefault(name, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"cannot set {key!r}: {name!r} is no table of the recipe")
        table = cast("dict[str, Any]", inner)
    table[names[-1]] = parsed
