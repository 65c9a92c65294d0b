"""Memory and hours of a large recipe, on paper, before anybody rents a GPU; the formulas stand in memory and duration.

An estimate is no measurement. What it is good for: seeing that a layout cannot fit, that one phase takes most of the
time, or that a run is days and not hours. What it takes on trust (utilisation, mean lengths, packs per epoch) stands in
``scale.toml`` and is printed with it.
"""

from dataclasses import dataclass, fields

from abruzzi.capacity.gpus import Gpu
from abruzzi.capacity.shapes import ModelShape, shape_of
from abruzzi.errors import ConfigError
from abruzzi.training.recipe import GrpoSettings, Recipe, SftSettings
from abruzzi.training.scale.duration import Sampling, estimate_sampling, training_flops, training_seconds
from abruzzi.training.scale.memory import EngineMemory, TrainingMemory, engine_memory, training_memory
from abruzzi.training.scale.settings import GrpoScale, Scale, SftScale

LOSS_CHUNK_TOKENS = 1024
"""Tokens whose logits are there at once in SFT: the loss is computed in chunks."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run needs."""

    gpu: Gpu
    num_gpus: int
    training: TrainingMemory
    engine: EngineMemory | None
    """GRPO's, while it samples."""
    sampling: Sampling | None
    phases: tuple[tuple[str, float], ...]
    """What a step is made of, with its seconds."""
    tokens_per_step: float
    steps: int
    assumptions: tuple[str, ...]
    """What was taken on trust, a phrase each."""

    @property
    def step_s(self) -> float:
        """Seconds of one step."""
        return sum(seconds for _, seconds in self.phases)

    @property
    def hours(self) -> float:
        """Of all steps, nothing failing."""
        return self.steps * self.step_s / 3600

    @property
    def fits(self) -> bool:
        """Tell whether both phases have room."""
        return self.training.fits(self.gpu) and (self.engine is None or self.engine.fits(self.gpu))


def estimate(recipe: Recipe, scale: Scale) -> Estimate:
    """Estimate a recipe on its machines.

    Raises:
        ConfigError: ``scale.toml`` lacks the stage's table, or names an unknown GPU or shape.
    """
    shape = shape_of(scale.model.shape)
    stage = "sft" if recipe.sft is not None else "grpo"
    if recipe.sft is not None and scale.sft is not None:
        return _estimate_sft(recipe.sft, scale.sft, shape)
    if recipe.grpo is not None and scale.grpo is not None:
        return _estimate_grpo(recipe.grpo, scale.grpo, shape)
    raise ConfigError(f"nothing says which machines {recipe.name!r} runs on; write a table [{stage}] in scale.toml")


def _estimate_sft(sft: SftSettings, scale: SftScale, shape: ModelShape) -> Estimate:
    per_gpu = sft.packs_per_device * sft.max_tokens
    tokens = float(per_gpu * sft.accumulation * scale.num_gpus)
    flops = training_flops(shape, tokens=tokens, attended_tokens=scale.attended_tokens)
    steps = round(scale.steps_per_epoch * sft.epochs)
    return Estimate(
        gpu=scale.gpu_kind,
        num_gpus=scale.num_gpus,
        training=training_memory(
            shape, num_gpus=scale.num_gpus, tokens=per_gpu, logit_tokens=min(LOSS_CHUNK_TOKENS, per_gpu)
        ),
        engine=None,
        sampling=None,
        phases=(("update", training_seconds(flops, scale.gpu_kind, num_gpus=scale.num_gpus, mfu=scale.mfu)),),
        tokens_per_step=tokens,
        steps=steps if sft.max_steps is None else min(steps, sft.max_steps),
        assumptions=(
            f"{scale.steps_per_epoch} steps per epoch",
            f"a token attends to {scale.attended_tokens} others",
            f"utilisation {scale.mfu:.0%}",
        ),
    )


def _estimate_grpo(grpo: GrpoSettings, scale: GrpoScale, shape: ModelShape) -> Estimate:
    gpu, num_gpus = scale.gpu_kind, scale.num_gpus
    engine = engine_memory(
        shape,
        gpu,
        tensor_parallel=scale.tensor_parallel,
        share=scale.engine_memory,
        num_gpus=num_gpus,
        offload=scale.offload,
    )
    num_rollouts = grpo.prompts_per_step * grpo.group_size
    prompt, completion = scale.expected_prompt_tokens, scale.expected_completion_tokens
    tokens = float(num_rollouts * (prompt + completion))
    flops = training_flops(shape, tokens=tokens, attended_tokens=(prompt + completion) / 2)
    update_s = training_seconds(flops, gpu, num_gpus=num_gpus, mfu=scale.mfu)
    sampling = estimate_sampling(
        shape,
        gpu,
        num_copies=num_gpus // scale.tensor_parallel,
        tensor_parallel=scale.tensor_parallel,
        cache_bytes=max(engine.cache, 0.0),
        num_sequences=num_rollouts,
        prompt_tokens=prompt,
        mean_tokens=completion,
        max_tokens=grpo.max_tokens,
    )
    forwards = 2 if grpo.kl_coef > 0 else 1
    return Estimate(
        gpu=gpu,
        num_gpus=num_gpus,
        training=training_memory(
            shape, num_gpus=num_gpus, tokens=scale.tokens_per_gpu, logit_tokens=scale.tokens_per_gpu
        ),
        engine=engine,
        sampling=sampling,
        phases=(
            ("sampling", sampling.seconds),
            ("log-probabilities", forwards * update_s / 3),
            ("update", update_s),
        ),
        tokens_per_step=tokens,
        steps=grpo.steps,
        assumptions=(
            f"prompts of {prompt} and completions of {completion} tokens",
            f"utilisation {scale.mfu:.0%}",
            "examples of equal length",
        ),
    )


def describe_estimate(result: Estimate) -> str:
    """Write an estimate as lines of text."""
    gpu = result.gpu
    lines = [f"{result.num_gpus} x {gpu.name}; estimated, not measured"]
    lines += _describe_memory("memory of the update", result.training, gpu, result.training.fits(gpu))
    if result.engine is not None and result.sampling is not None:
        lines += _describe_memory("memory while sampling", result.engine, gpu, result.engine.fits(gpu))
        lines.append(
            f"engine: {result.sampling.cache_tokens:,} tokens of cache and {result.sampling.places} sequences a copy, "
            f"{1e3 * result.sampling.step_s:.0f} ms a token"
        )
        is_tail = result.sampling.tail_s > result.sampling.bulk_s
        lines.append(f"sampling lasts as long as {'its longest completion' if is_tail else 'the bulk of it'}")
    phases = ", ".join(f"{name} {seconds:,.0f} s" for name, seconds in result.phases)
    lines.append(f"step: {result.tokens_per_step / 1e6:,.1f}M tokens in {result.step_s:,.0f} s ({phases})")
    lines.append(
        f"run: {result.steps:,} steps, {result.steps * result.tokens_per_step / 1e9:,.1f}B tokens, "
        f"{result.hours:,.0f} hours, {result.hours * result.num_gpus:,.0f} GPU hours"
    )
    lines.append(f"taken on trust: {'; '.join(result.assumptions)}")
    return "\n".join(lines)


def _describe_memory(title: str, memory: TrainingMemory | EngineMemory, gpu: Gpu, fits: bool) -> list[str]:
    parts = ", ".join(f"{field.name} {getattr(memory, field.name) / 1e9:.1f}" for field in fields(memory))
    verdict = "fits" if fits else "DOES NOT FIT"
    return [f"{title}: {memory.total / 1e9:.1f} of {gpu.memory_bytes / 1e9:.0f} GB, {verdict} ({parts})"]
