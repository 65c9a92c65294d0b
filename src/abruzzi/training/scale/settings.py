"""The file ``scale.toml`` beside a large recipe: the machines, how the model is spread over them, what is expected.

Nothing in it changes what is learnt; that stands in the recipe.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from abruzzi.capacity.gpus import Gpu, find_gpu
from abruzzi.config import describe_problem, read_toml
from abruzzi.errors import ConfigError

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, le=1)]


class _Machines(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    gpu: str = "h100"
    """One of ``gpus.GPUS``."""
    nodes: Count = 1
    gpus_per_node: Count = 8
    mfu: Share = 0.4
    """Model FLOPs utilisation expected of training: arXiv 2204.02311, appendix B."""

    @property
    def num_gpus(self) -> int:
        """On all nodes."""
        return self.nodes * self.gpus_per_node

    @property
    def gpu_kind(self) -> Gpu:
        """Its data sheet."""
        return find_gpu(self.gpu)


class SftScale(_Machines):
    """SFT, every GPU a data-parallel rank that shards the model."""

    steps_per_epoch: Count
    """Expected; packing decides in the end."""
    attended_tokens: Count
    """Tokens that a token attends to, on average: half the mean length of an example, longer ones weighing more."""


class GrpoScale(_Machines):
    """GRPO on verl, where rollouts and updates take turns on all GPUs."""

    engine: Literal["vllm", "sglang"] = "vllm"
    tensor_parallel: Count = 4
    """GPUs that hold one copy of the engine."""
    engine_memory: Share = 0.7
    """Of each GPU's memory, for the engine's weights and cache."""
    sequence_parallel: Count = 1
    """GPUs that share each sequence in the update (Ulysses, arXiv 2309.14509)."""
    tokens_per_gpu: Count = 8192
    """In a micro-batch of the update."""
    offload: bool = False
    """Keep weights and optimiser in the hosts' memory while the other phase runs."""
    max_prompt_tokens: Count = 4096
    """Prompts that are longer are left out."""
    grader: str | None = None
    """Endpoint of a model that decides about free text (``verl_grader``); None leaves that without a reward."""
    expected_prompt_tokens: Count
    expected_completion_tokens: Count


class ModelScale(BaseModel):
    """What is known of the model before its weights are there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shape: str
    """See ``shapes.shape_of``."""


class Scale(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: ModelScale
    sft: SftScale | None = None
    grpo: GrpoScale | None = None


def read_scale(path: Path) -> Scale:
    """Read ``scale.toml``.

    Raises:
        ConfigError: the file cannot be read, a key is unknown or a value out of range; names it.
    """
    try:
        return Scale.model_validate(read_toml(path, Scale.model_fields))
    except ValidationError as error:
        raise ConfigError(f"{path}: {describe_problem(error)}") from error
