"""Supervised fine-tuning, by TRL's ``SFTTrainer``: LoRA or all weights, packed without attention between examples.

What TRL does: packing, the loss, optimiser, schedule, data parallelism, FSDP and DeepSpeed through accelerate's own
configuration. What is added beside it: prompts rendered as they are at answer time with loss on the completion alone,
checkpoints that are whole or not there, and a stop at the first loss that is no number.

A checkpoint holds the weights once, whole and openable by anyone, however they are spread over processes in training.
So it is gone on from by other processes than made it, as long as they take as many packs a step. Two things bind it: an
optimiser's state that FSDP wrote is read under FSDP alone, and DeepSpeed keeps weights in a format of its own besides,
and goes on from these.

Packed examples keep apart only while no attention mask is passed and no cache is used (held by a test); TRL does so.
"""

import contextlib
import logging
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, cast

import datasets
import torch
from accelerate.utils import fsdp_utils
from datasets import Dataset
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict
from torch.nn.functional import pad
from transformers import TrainerCallback
from transformers.trainer import SCHEDULER_NAME, TRAINER_STATE_NAME
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from abruzzi.errors import AbruzziError, CheckpointError, ConfigError, TrainingError
from abruzzi.records import LineWriter
from abruzzi.training.checkpoint import find_checkpoint, read_state, save_checkpoint
from abruzzi.training.policy import HOST, Policy, load_weights, read_weights, save_policy
from abruzzi.training.processes import Processes, join_processes
from abruzzi.training.recipe import SftSettings
from abruzzi.training.run_record import METRICS_FILE, rewind
from abruzzi.training.tokens import Tokens

IGNORED = -100
"""The label of a token without loss, in torch and transformers."""
TRAINER_FOLDER = "trainer"
"""Inside a checkpoint: what transformers' trainer wants back."""


@dataclass(frozen=True, slots=True)
class Sft:
    """A run: what is trained, on what, how, and who is told."""

    policy: Policy
    examples: Sequence[Tokens]
    settings: SftSettings
    run: Path
    """The run's folder; made by ``run_record.start_record``."""
    is_bf16: bool = False
    on_row: Callable[[dict[str, Any]], None] = field(default=lambda row: None)
    """Told every row of ``metrics.jsonl``."""
    clock: Callable[[], float] = perf_counter


class _Trainer(SFTTrainer):
    """TRL's trainer, with its own state in a folder of a checkpoint of ours, and the weights beside that folder."""

    def __init__(self, policy: Policy, **settings: Any) -> None:
        cast("Any", super()).__init__(model=policy.model, processing_class=policy.tokenizer, **settings)
        self._policy = policy
        self._names = {name for name, _ in (*policy.model.named_parameters(), *policy.model.named_buffers())}
        """Of its weights, those that share their values with another's left out."""

    @property
    def is_sharded(self) -> bool:
        """Whether each process holds but its share of the weights."""
        return self.is_fsdp_enabled or self.is_deepspeed_enabled

    def gather_weights(self) -> dict[str, Any] | None:
        """Put sharded weights together, in the main process; None where each process has all of them anyway."""
        trainer: Any = self
        if not self.is_sharded:
            return None
        gathered: dict[str, Any] = trainer.accelerator.get_state_dict(trainer.model_wrapped) or {}
        return {name: weight for name, weight in gathered.items() if name in self._names}

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **settings: Any) -> Any:
        """Score the tokens that have a loss alone; without a GPU, TRL scores the prompts' too and forgets that."""
        trainer: Any = super()
        labels: Tensor = inputs["labels"]
        if labels.device != HOST:
            return trainer.compute_loss(model, inputs, *args, **settings)
        following = pad(labels[:, 1:], (0, 1), value=IGNORED)
        scored = (following != IGNORED).any(dim=0)
        scored[0] = True  # a row without any is no error, and neither is an example without a loss

        def keep_scored(_module: Any, _inputs: Any, outputs: Any) -> Any:
            """Leave the head nothing else to do."""
            outputs.last_hidden_state = outputs.last_hidden_state[:, scored]
            return outputs

        hook = self._policy.core.base_model.register_forward_hook(keep_scored)
        rest = {name: value for name, value in inputs.items() if name != "labels"}
        try:
            return trainer.compute_loss(model, {**rest, "shift_labels": following[:, scored]}, *args, **settings)
        finally:
            hook.remove()

    def save_state(self, folder: Path, *, is_main: bool) -> None:
        """Write what the trainer wants back besides the weights; called in every process."""
        folder.mkdir(exist_ok=True)
        trainer: Any = self
        if self.is_fsdp_enabled:
            plugin, accelerator = trainer.accelerator.state.fsdp_plugin, trainer.accelerator
            cast("Any", fsdp_utils).save_fsdp_optimizer(
                plugin, accelerator, trainer.optimizer, trainer.model, str(folder)
            )
            if is_main:
                torch.save(trainer.lr_scheduler.state_dict(), folder / SCHEDULER_NAME)
        else:
            trainer._save_optimizer_and_scheduler(str(folder))
        trainer._save_rng_state(str(folder))
        if is_main:
            self.state.save_to_json(str(folder / TRAINER_STATE_NAME))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Load the weights from where they lie: beside the trainer's folder."""
        holder = Path(resume_from_checkpoint).parent
        if not self.is_fsdp_enabled:
            load_weights(self._policy, read_weights(holder))
            return
        weights: Any = read_weights(holder) if self.is_world_process_zero() else {}
        options = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True, strict=False)
        set_model_state_dict(model, weights, options=options)


class _Watch(TrainerCallback):
    """Writes a line a step, saves whole checkpoints, and stops at a loss or gradient that is no number."""

    def __init__(
        self, sft: Sft, processes: Processes, record: Callable[[dict[str, Any]], None], num_tokens: int
    ) -> None:
        self._sft = sft
        self._processes = processes
        self._record = record
        self._num_tokens_before = self._num_tokens = num_tokens
        self._begun = sft.clock()
        self.trainer: Any = None
        self._saved = -1

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """Check, write and tell of a step; save where it is time. All processes see the same numbers."""
        loss = (logs or {}).get("loss")
        if loss is None or logs is None:
            return
        for name, value in (("loss", loss), ("gradient's norm", logs.get("grad_norm") or 0.0)):
            if not math.isfinite(value):
                raise TrainingError(
                    f"the {name} of step {state.global_step} is {value!r}; the last checkpoint stays: lower "
                    "sft.learning_rate, or look at the data"
                )
        self._num_tokens = self._num_tokens_before + int(logs["num_tokens"])
        now = self._sft.clock()
        row = {
            "kind": "step",
            "step": state.global_step,
            "loss": loss,
            "grad_norm": logs.get("grad_norm"),
            "learning_rate": logs.get("learning_rate"),
            "token_accuracy": logs.get("mean_token_accuracy"),
            "entropy": logs.get("entropy"),
            "total_tokens": self._num_tokens,
            "num_steps": state.max_steps,
            "seconds": {"all": now - self._begun},
        }
        self._begun = now
        self._processes.by_main(lambda: self._record(row))
        if state.global_step % self._sft.settings.save_every == 0:  # after the check: never weights that are no numbers
            self.save(state.global_step)

    def save(self, step: int) -> None:
        """Save a checkpoint, once a step."""
        if step == self._saved:
            return
        is_main = self._processes.is_main

        def write_weights(folder: Path) -> None:
            """Put all weights into the folder, in the main process."""
            weights = self.trainer.gather_weights()
            if is_main:
                save_policy(self._sft.policy, folder, weights)

        def write(folder: Path) -> None:
            """Put our weights and the trainer's own state into the folder."""
            try:
                self._processes.together(lambda: write_weights(folder))  # an error here is known before shards are sent
                self.trainer.save_state(folder / TRAINER_FOLDER, is_main=is_main)
            except (RuntimeError, CheckpointException) as error:  # torch's words for a disk that is full
                raise OSError(0, str(error).splitlines()[0]) from error

        facts, keep = {"num_tokens": self._num_tokens}, self._sft.settings.keep
        save_checkpoint(self._sft.run, step, write, facts, keep=keep, processes=self._processes)
        self._saved = step


def train_sft(sft: Sft) -> None:
    """Train, from the run's last checkpoint where there is one; where several processes train, each calls this.

    Raises:
        ConfigError: the launch asks for FSDP, and there are no GPUs.
        TrainingError: the loss is no number; the last checkpoint stays.
        CheckpointError: a checkpoint cannot be written or read.
        RecordError: a row cannot be written.
    """
    processes = join_processes()
    with _quiet(), contextlib.ExitStack() as opened:
        metrics: list[LineWriter] = []

        def begin() -> tuple[Path | None, dict[str, Any]]:
            """Find where to go on from, take away what came after it, and open the curves."""
            checkpoint = find_checkpoint(sft.run)
            state = {"step": 0, "num_tokens": 0} if checkpoint is None else read_state(checkpoint)
            rewind(sft.run / METRICS_FILE, int(state["step"]))
            metrics.append(opened.enter_context(LineWriter(sft.run / METRICS_FILE)))
            return checkpoint, state

        checkpoint, state = processes.by_main(begin)
        step = int(state["step"])

        def record(row: dict[str, Any]) -> None:
            """Write a row and tell of it; in the main process."""
            metrics[0].write(row)
            sft.on_row(row)

        watch = _Watch(sft, processes, record, int(state["num_tokens"]))
        dataset = make_dataset(sft.examples)
        trainer: Any = _Trainer(sft.policy, args=_config(sft, processes), train_dataset=dataset, callbacks=[watch])
        watch.trainer = trainer
        _drop_printing(trainer)
        if processes.is_fsdp and not trainer.is_fsdp_enabled:
            raise ConfigError(
                "the launch asks for FSDP, which shards over GPUs alone, and there are none; use torchrun"
            )
        if sft.settings.recompute and processes.is_fsdp:  # its own does not gather a layer's weights once more
            trainer.accelerator.state.fsdp_plugin.activation_checkpointing = True
        if checkpoint is not None and step >= _num_steps(trainer, sft.settings):
            return
        try:
            trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint / TRAINER_FOLDER))
        except (OSError, ValueError) as error:
            if isinstance(error, AbruzziError) or checkpoint is None or trainer.state.global_step > step:
                raise
            raise CheckpointError(
                f"the checkpoint {checkpoint} cannot be gone on from: {error}; take it away"
            ) from error
        watch.save(trainer.state.global_step)


def make_dataset(examples: Sequence[Tokens]) -> Dataset:
    """Turn examples into TRL's columns: token ids, and labels that are ignored where there is no loss."""
    return cast("Any", Dataset).from_dict(
        {
            "input_ids": [list(tokens.ids) for tokens in examples],
            "labels": [
                [
                    token if is_trained else IGNORED
                    for token, is_trained in zip(tokens.ids, tokens.loss_mask, strict=True)
                ]
                for tokens in examples
            ],
        }
    )


def _config(sft: Sft, processes: Processes) -> SFTConfig:
    settings = sft.settings
    return SFTConfig(
        output_dir=str(sft.run),  # nothing is written there: save_strategy
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.schedule,
        warmup_steps=settings.warmup,  # below 1 it is a share of the steps
        num_train_epochs=settings.epochs,
        max_steps=-1 if settings.max_steps is None else settings.max_steps,
        per_device_train_batch_size=settings.packs_per_device,
        gradient_accumulation_steps=settings.accumulation,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        max_length=settings.max_tokens,
        packing=settings.packing,
        packing_strategy="bfd",
        gradient_checkpointing=settings.recompute and not processes.is_fsdp,
        bf16=sft.is_bf16,
        fp16=False,
        seed=settings.seed,
        data_seed=settings.seed,
        shuffle_dataset=True,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=False,
        use_cpu=processes.is_on_cpu,
        ddp_find_unused_parameters=False,  # every one that is trained is used
    )


def _num_steps(trainer: Any, settings: SftSettings) -> int:
    """Optimiser steps of the whole run."""
    if settings.max_steps is not None:
        return settings.max_steps
    per_epoch = max(1, math.ceil(len(trainer.get_train_dataloader()) / settings.accumulation))
    return math.ceil(settings.epochs * per_epoch)


def _drop_printing(trainer: Any) -> None:
    """Take away the callbacks that print: progress is told by ``on_row``."""
    for callback in list(trainer.callback_handler.callbacks):
        if type(callback).__name__ in ("PrinterCallback", "ProgressCallback"):
            trainer.remove_callback(callback)


class _quiet:  # noqa: N801 - used like a function
    """Keeps the libraries' progress bars and notices of no consequence from the terminal."""

    def __enter__(self) -> None:
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        warnings.simplefilter("ignore")
        datasets.disable_progress_bars()
        self._logger = logging.getLogger("trl")
        self._level = self._logger.level
        self._logger.setLevel(logging.ERROR)

    def __exit__(self, *error: Any) -> None:
        self._logger.setLevel(self._level)
        self._warnings.__exit__(*error)
