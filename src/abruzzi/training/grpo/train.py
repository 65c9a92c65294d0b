"""The GRPO loop: collect, update, and now and then measure, record, save.

    for each step:  prompts ─sample─verify→ groups ─advantages─→ one update;   every k: a checkpoint, held-out accuracy

A step is a function of the weights, the optimiser's state, the run's seed and the position in the prompt stream, and a
checkpoint holds all of these: a run that was killed goes on from its last checkpoint and does the same steps again.

Why a loop of our own and not TRL's ``GRPOTrainer``: docs/decisions/0011.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from abruzzi.errors import CheckpointError
from abruzzi.records import LineWriter, read_lines
from abruzzi.training.checkpoint import find_checkpoint, read_state, save_checkpoint
from abruzzi.training.grpo.collect import collect, update_share
from abruzzi.training.grpo.rewards import Verify, verify_replies
from abruzzi.training.grpo.rollouts import Prompt, Sampler
from abruzzi.training.grpo.rows import held_out_row, rollout_rows, step_row
from abruzzi.training.grpo.stream import PromptStream
from abruzzi.training.grpo.update import update_policy
from abruzzi.training.held_out import measure_held_out
from abruzzi.training.policy import Policy, load_weights, save_policy
from abruzzi.training.recipe import GrpoSettings
from abruzzi.training.run_record import METRICS_FILE, ROLLOUTS_FILE, rewind
from abruzzi.training.seeds import seed_of, seed_torch

WEIGHTS_FILE, START_FILE, OPTIMIZER_FILE = "trained.safetensors", "start.safetensors", "optimizer.pt"


@dataclass(frozen=True, slots=True)
class Grpo:
    """A run: what is trained, on what, how, and who is told."""

    policy: Policy
    sampler: Sampler
    prompts: Sequence[Prompt]
    held_out: Sequence[Prompt]
    """Empty leaves the measuring out."""
    settings: GrpoSettings
    run: Path
    """The run's folder; made by ``run_record.start_record``."""
    verify: Verify = verify_replies
    on_row: Callable[[dict[str, Any]], None] = field(default=lambda row: None)
    """Told every row of ``metrics.jsonl``: progress bars and trackers."""
    clock: Callable[[], float] = perf_counter


@dataclass(slots=True)
class _State:
    """What changes from step to step, besides weights and optimiser."""

    step: int = 0
    position: int = 0
    share: float = 0.5
    """Running share of groups that teach something."""
    num_rollouts: int = 0
    num_tokens: int = 0
    """Generated ones."""


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """What the loop holds while it runs."""

    optimizer: torch.optim.Optimizer
    state: _State
    start: dict[str, torch.Tensor]
    """The weights that training began with."""
    stream: PromptStream
    record: Callable[[dict[str, Any]], None]
    rollouts: LineWriter


def train_grpo(grpo: Grpo) -> None:
    """Train, from the run's last checkpoint where there is one, until all steps are done.

    Raises:
        TrainingError: the loss is no number; the last checkpoint stays.
        CheckpointError: a checkpoint cannot be written or read.
        RecordError: a row cannot be written.
        DataError: there are no prompts, or too little can be learnt from them.
    """
    settings, policy = grpo.settings, grpo.policy
    optimizer = torch.optim.AdamW(
        policy.trained().values(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    checkpoint = find_checkpoint(grpo.run)
    state, start = _begin(grpo) if checkpoint is None else _resume(grpo, checkpoint, optimizer)
    for file in (METRICS_FILE, ROLLOUTS_FILE):
        rewind(grpo.run / file, -1 if checkpoint is None else state.step)
    stream = PromptStream(grpo.prompts, seed=settings.seed, position=state.position)
    with LineWriter(grpo.run / METRICS_FILE) as metrics, LineWriter(grpo.run / ROLLOUTS_FILE) as rollouts:

        def record(row: dict[str, Any]) -> None:
            """Write a row and tell of it."""
            metrics.write(row)
            grpo.on_row(row)

        under_way = _UnderWay(optimizer, state, start, stream, record, rollouts)
        if checkpoint is None:
            if settings.eval_on_start:
                _measure(grpo, under_way)
            _save(grpo, under_way)
        elif _is_measured(settings, state.step) and not _was_measured(grpo.run, state.step):
            _measure(grpo, under_way)  # killed while it was
        while state.step < settings.steps:
            _step(grpo, under_way)
            if state.step == settings.steps or state.step % settings.save_every == 0:
                _save(grpo, under_way)  # before the measuring, which may take as long as many steps
            if _is_measured(settings, state.step):
                _measure(grpo, under_way)


def _step(grpo: Grpo, under_way: _UnderWay) -> None:
    settings, state, optimizer, stream = grpo.settings, under_way.state, under_way.optimizer, under_way.stream
    number = state.step + 1
    begun = grpo.clock()
    grpo.sampler.sync()
    synced = grpo.clock()
    batch = collect(
        stream,
        grpo.sampler,
        grpo.policy.tokenizer,
        settings,
        seed=seed_of(settings.seed, "step", number),
        share=state.share,
        verify=grpo.verify,
        clock=grpo.clock,
    )
    for row in rollout_rows(number, batch):  # before the update, so that one that fails can be looked into
        under_way.rollouts.write(row)
    collected = grpo.clock()
    rate = settings.learning_rate * min(1.0, number / max(1, settings.warmup_steps))
    for group in optimizer.param_groups:
        group["lr"] = rate
    seed_torch(seed_of(settings.seed, "dropout", number))
    watches_start = settings.kl_coef > 0 or number % settings.eval_every == 0
    update = update_policy(
        grpo.policy, optimizer, batch.used, settings, start=under_way.start if watches_start else None
    )
    updated = grpo.clock()
    state.step, state.position = number, stream.position
    state.share = update_share(state.share, batch)
    state.num_rollouts += len(batch.rollouts)
    state.num_tokens += sum(len(rollout.sampled.ids) for rollout in batch.rollouts)
    seconds = {
        "sync": synced - begun,
        "sample": batch.sampling_s,
        "verify": batch.verifying_s,
        "update": updated - collected,
        "all": updated - begun,
    }
    row = step_row(number, batch, update, grpo.policy.tokenizer, max_tokens=settings.max_tokens)
    totals = {"total_rollouts": state.num_rollouts, "total_tokens": state.num_tokens}
    under_way.record({**row, **totals, "learning_rate": rate, "seconds": seconds})


def _is_measured(settings: GrpoSettings, step: int) -> bool:
    """Whether held-out items are measured after a step."""
    if step == 0:
        return settings.eval_on_start
    return step == settings.steps or step % settings.eval_every == 0


def _was_measured(run: Path, step: int) -> bool:
    return any(row["kind"] == "held_out" and row["step"] == step for row in read_lines(run / METRICS_FILE))


def _measure(grpo: Grpo, under_way: _UnderWay) -> None:
    if not grpo.held_out:
        return
    settings = grpo.settings
    begun = grpo.clock()
    grpo.sampler.sync()
    found = measure_held_out(
        grpo.sampler,
        grpo.held_out,
        grpo.policy.tokenizer,
        samples=settings.eval_samples if settings.eval_temperature else 1,
        temperature=settings.eval_temperature,
        max_tokens=settings.max_tokens,
        seed=seed_of(settings.seed, "held out"),
        verify=grpo.verify,
    )
    under_way.record(held_out_row(found, under_way.state.step, grpo.clock() - begun))


def _save(grpo: Grpo, under_way: _UnderWay) -> None:
    state = under_way.state

    def write(folder: Path) -> None:
        """Put into the folder what going on needs."""
        save_policy(grpo.policy, folder)
        trained = {name: weight.detach().contiguous() for name, weight in grpo.policy.trained().items()}
        (folder / WEIGHTS_FILE).write_bytes(save(trained))
        (folder / START_FILE).write_bytes(save(under_way.start))
        buffer = io.BytesIO()  # so that a full disk is an OSError and not one of torch's own
        torch.save(under_way.optimizer.state_dict(), buffer)
        (folder / OPTIMIZER_FILE).write_bytes(buffer.getvalue())

    facts = {
        "position": state.position,
        "share": state.share,
        "num_rollouts": state.num_rollouts,
        "num_tokens": state.num_tokens,
    }
    save_checkpoint(grpo.run, state.step, write, facts, keep=grpo.settings.keep)


def _begin(grpo: Grpo) -> tuple[_State, dict[str, torch.Tensor]]:
    return _State(), {name: weight.detach().clone() for name, weight in grpo.policy.trained().items()}


def _resume(grpo: Grpo, checkpoint: Path, optimizer: torch.optim.Optimizer) -> tuple[_State, dict[str, torch.Tensor]]:
    """Go back to a checkpoint."""
    saved = read_state(checkpoint)
    try:
        load_weights(grpo.policy, load((checkpoint / WEIGHTS_FILE).read_bytes()))
        start = load((checkpoint / START_FILE).read_bytes())
        optimizer.load_state_dict(torch.load(checkpoint / OPTIMIZER_FILE, weights_only=True))
        state = _State(**saved)
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"the checkpoint {checkpoint} cannot be gone on from: {error}; take it away") from error
    return state, {name: weight.to(grpo.policy.device) for name, weight in start.items()}
