"""Supervised fine-tuning, by TRL's ``SFTTrainer``: LoRA or all weights, packed without attention between examples.

What TRL does: packing, the loss, optimiser, schedule, data parallelism, FSDP and DeepSpeed through accelerate's own
configuration. What is added beside it: prompts rendered as they are at answer time with loss on the completion alone,
checkpoints that are whole or not there, and a stop at the first loss that is no number.

Packed examples keep apart only while no attention mask is passed and no cache is used (held by a test); TRL does so.
"""

import logging
import math
import shutil
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, cast

import datasets
from datasets import Dataset
from safetensors import SafetensorError
from transformers import TrainerCallback
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from abruzzi.errors import AbruzziError, CheckpointError, TrainingError
from abruzzi.records import LineWriter
from abruzzi.training.checkpoint import find_checkpoint, read_state, save_checkpoint
from abruzzi.training.policy import Policy, save_policy
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


class _Watch(TrainerCallback):
    """Writes a line a step, saves whole checkpoints, and stops at a loss or gradient that is no number."""

    def __init__(self, sft: Sft, metrics: LineWriter, num_tokens: int) -> None:
        self._sft = sft
        self._metrics = metrics
        self._num_tokens_before = self._num_tokens = num_tokens
        self._begun = sft.clock()
        self.trainer: Any = None
        self._saved = -1

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """Check, write and tell of a step; save where it is time."""
        loss = (logs or {}).get("loss")
        if loss is None or logs is None or not state.is_world_process_zero:
            return
        for name, value in (("loss", loss), ("gradient's norm", logs.get("grad_norm", 0.0))):
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
        self._metrics.write(row)
        self._sft.on_row(row)
        if state.global_step % self._sft.settings.save_every == 0:  # after the check: never weights that are no numbers
            self.save(state.global_step)

    def save(self, step: int) -> None:
        """Save a checkpoint of ours around the trainer's own."""
        if step == self._saved or not self.trainer.is_world_process_zero():
            return
        trainer = self.trainer

        def write(folder: Path) -> None:
            """Put our weights and the trainer's own state into the folder."""
            save_policy(self._sft.policy, folder)
            scratch = self._sft.run / f".trainer-{step}"
            trainer.args.output_dir = str(scratch)
            try:
                trainer._save_checkpoint(trainer.model, None)
                (scratch / f"checkpoint-{step}").rename(folder / TRAINER_FOLDER)
            except (RuntimeError, SafetensorError) as error:  # torch's and safetensors' words for a disk that is full
                raise OSError(0, str(error).splitlines()[0]) from error
            finally:
                shutil.rmtree(scratch, ignore_errors=True)

        facts = {"num_tokens": self._num_tokens}
        save_checkpoint(self._sft.run, step, write, facts, keep=self._sft.settings.keep)
        self._saved = step


def train_sft(sft: Sft) -> None:
    """Train, from the run's last checkpoint where there is one.

    Raises:
        TrainingError: the loss is no number; the last checkpoint stays.
        CheckpointError: a checkpoint cannot be written or read.
        RecordError: a row cannot be written.
    """
    checkpoint = find_checkpoint(sft.run)
    state = {"step": 0, "num_tokens": 0} if checkpoint is None else read_state(checkpoint)
    step = int(state["step"])
    rewind(sft.run / METRICS_FILE, step)
    with LineWriter(sft.run / METRICS_FILE) as metrics, _quiet():
        for stale in sft.run.glob(".trainer-*"):
            shutil.rmtree(stale)
        watch = _Watch(sft, metrics, int(state["num_tokens"]))
        trainer: Any = SFTTrainer(
            model=sft.policy.model,
            args=_config(sft),
            train_dataset=make_dataset(sft.examples),
            processing_class=sft.policy.tokenizer,
            callbacks=[watch],
        )
        watch.trainer = trainer
        _drop_printing(trainer)
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


def _config(sft: Sft) -> SFTConfig:
    settings = sft.settings
    return SFTConfig(
        output_dir=str(sft.run / ".trainer"),
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
        gradient_checkpointing=False,
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
