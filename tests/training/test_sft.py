"""SFT through TRL's own trainer on a model of two layers: what is learnt; packing and kills that leave no trace."""

import itertools
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from abruzzi.errors import CheckpointError, RecordError, TrainingError
from abruzzi.records import LineWriter
from abruzzi.training.checkpoint import find_checkpoint, read_state
from abruzzi.training.policy import Policy, open_policy
from abruzzi.training.recipe import ModelSettings
from abruzzi.training.sft import IGNORED, make_dataset, train_sft
from abruzzi.training.tokens import Tokens
from tests.training.grpo.untyped import back_propagate, values
from tests.training.killed import make_sft, make_tokens, run_sft, start
from tests.training.saving import list_checkpoints
from tests.training.toys import CPU, NOWHERE, copy_weights, make_lora_policy, make_policy, save_base

Rows = list[dict[str, Any]]


def read(run: Path) -> Rows:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def assert_same_run(run: Path, straight: Path) -> None:
    found, wanted = read(run), read(straight)
    assert [row["step"] for row in found] == [row["step"] for row in wanted]
    for row, other in zip(found, wanted, strict=True):
        for key in ("loss", "grad_norm", "learning_rate", "token_accuracy", "entropy"):
            assert row[key] == pytest.approx(other[key], abs=1e-5), (row["step"], key)
        assert row["total_tokens"] == other["total_tokens"], "no token twice, and none forgotten"


def assert_same_weights(run: Path, other: Path) -> None:
    one, two = (
        open_policy(ModelSettings(base="scratch", method="full", start=str(f)), cache_dir=NOWHERE, seed=1, device=CPU)
        for f in (run, other)
    )
    for name, weight in one.trained().items():
        torch.testing.assert_close(weight, two.trained()[name], atol=1e-6, rtol=0)


def test_columns_have_no_loss_outside_the_mask() -> None:
    rows: Any = make_dataset([Tokens((5, 6, 7), (0, 1, 1)), Tokens((8,), (0,))])
    assert rows[0] == {"input_ids": [5, 6, 7], "labels": [IGNORED, 6, 7]}
    assert rows[1] == {"input_ids": [8], "labels": [IGNORED]}


def test_a_small_set_is_learnt_by_heart(tmp_path: Path) -> None:
    told: Rows = []
    settings: dict[str, Any] = {"max_steps": 30, "learning_rate": 2e-2, "accumulation": 1, "save_every": 50}
    train_sft(make_sft(tmp_path, examples=make_tokens(4), on_row=told.append, **settings))
    rows = read(tmp_path)
    assert rows == told
    assert [row["step"] for row in rows] == list(range(1, 31))
    assert rows[0]["loss"] > 5
    assert rows[-1]["loss"] < 0.5
    assert rows[-1]["token_accuracy"] > 0.9
    per_step = sum(len(tokens.ids) for tokens in make_tokens(4)) / 2  # two packs an epoch
    assert rows[-1]["total_tokens"] == pytest.approx(30 * per_step, rel=0.05)
    assert {row["num_steps"] for row in rows} == {30}
    assert set(rows[0]["seconds"]) == {"all"}
    assert list_checkpoints(tmp_path) == ["step-000030"], "the end is saved"


def test_the_schedule_is_the_recipes(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"max_steps": 8, "schedule": "linear", "warmup": 0.25, "learning_rate": 1e-3}
    train_sft(make_sft(tmp_path, **settings))
    assert [row["learning_rate"] for row in read(tmp_path)] == pytest.approx(
        [0, 5e-4, 1e-3, 1e-3 * 5 / 6, 1e-3 * 4 / 6, 1e-3 * 3 / 6, 1e-3 * 2 / 6, 1e-3 / 6]
    )


def test_epochs_end(tmp_path: Path) -> None:
    # 16 examples in 6 packs, two a step: 3 steps an epoch
    train_sft(make_sft(tmp_path, max_steps=None, epochs=2))
    rows = read(tmp_path)
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[-1]["total_tokens"] == 2 * sum(len(tokens.ids) for tokens in make_tokens(16))


def on_gradient(weight: Any, do: Callable[[Tensor], Tensor | None]) -> None:
    """Call a function with each gradient that reaches a weight; what it returns takes the gradient's place."""
    weight.register_hook(do)


def watch_gradients(policy: Policy) -> dict[str, Tensor]:
    """Sums of the gradients that reach each weight from now on."""
    sums: dict[str, Tensor] = {name: torch.zeros_like(weight) for name, weight in policy.trained().items()}
    for name, weight in policy.trained().items():
        on_gradient(weight, sums[name].add_)
    return sums


def mean_loss(policy: Policy, examples: list[Tokens]) -> Tensor:
    """The mean over trained tokens, each example by a forward pass of its own."""
    losses: list[Tensor] = []
    for tokens in examples:
        logits = policy.model(input_ids=torch.tensor([tokens.ids]), use_cache=False).logits[0, :-1]
        logprobs = logits.log_softmax(-1).gather(1, torch.tensor(tokens.ids[1:])[:, None])[:, 0]
        losses.append(-logprobs[torch.tensor(tokens.loss_mask[1:]) == 1])
    return torch.cat(losses).mean()


@pytest.mark.parametrize("packing", [True, False])
def test_gradients_are_those_of_each_example_alone(packing: bool, tmp_path: Path) -> None:
    """Through TRL's packing, collator and loss: one step over all examples, packed or padded."""
    examples = make_tokens(9)
    alone = make_policy()
    loss = mean_loss(alone, examples)
    back_propagate(loss)

    policy = make_policy()
    sums = watch_gradients(policy)
    num_batches = 3 if packing else 9
    settings: dict[str, Any] = {"max_steps": 1, "accumulation": num_batches, "packing": packing, "save_every": 9}
    train_sft(make_sft(tmp_path, policy=policy, examples=examples, **settings))
    (row,) = read(tmp_path)
    assert row["total_tokens"] == sum(len(tokens.ids) for tokens in examples), "one step saw all of them once"
    assert row["loss"] == pytest.approx(float(loss.detach()), abs=1e-5)
    for name, weight in alone.trained().items():
        assert weight.grad is not None
        torch.testing.assert_close(sums[name], weight.grad, atol=2e-6, rtol=1e-4)


def test_an_example_without_a_loss_teaches_nothing(tmp_path: Path) -> None:
    examples = make_tokens(3)
    (silent,) = make_tokens(1)
    silent = replace(silent, loss_mask=(0,) * len(silent.ids))
    policy = make_policy()
    sums = watch_gradients(policy)
    settings: dict[str, Any] = {"max_steps": 1, "accumulation": 4, "packing": False, "save_every": 9}
    train_sft(make_sft(tmp_path, policy=policy, examples=[*examples, silent], **settings))
    alone = make_policy()
    loss = mean_loss(alone, examples)
    back_propagate(loss)
    (row,) = read(tmp_path)
    assert row["loss"] == pytest.approx(float(loss.detach()), abs=1e-5)
    for name, weight in alone.trained().items():
        assert weight.grad is not None
        torch.testing.assert_close(sums[name], weight.grad, atol=2e-6, rtol=1e-4)


def test_packed_examples_do_not_see_one_another(tmp_path: Path) -> None:
    """The states that TRL's collator leads to are those of each example alone; with plain positions they are not."""
    policy = make_policy()
    seen: list[tuple[dict[str, Any], Tensor]] = []

    def watch(module: Any, arguments: Any, given: dict[str, Any], found: Any) -> None:
        seen.append((given, found.last_hidden_state.detach()))

    policy.core.model.register_forward_hook(watch, with_kwargs=True)
    examples = make_tokens(9)
    # A learning rate of next to nothing: the weights stay.
    train_sft(make_sft(tmp_path, policy=policy, examples=examples, max_steps=1, accumulation=3, learning_rate=1e-12))
    policy.model.eval()
    packs, num_examples = list(seen), 0
    for given, states in packs:
        assert given.get("attention_mask") is None
        assert given["use_cache"] is False
        positions = values(given["position_ids"][0])
        starts = [*(place for place, position in enumerate(positions) if position == 0), len(positions)]
        assert len(starts) > 2, "several examples in a pack"
        for begin, end in itertools.pairwise(starts):
            ids = given["input_ids"][:, begin:end]
            assert tuple(values(ids[0])) in {tokens.ids for tokens in examples}
            with torch.no_grad():
                alone = policy.core.model(input_ids=ids, use_cache=False).last_hidden_state
            torch.testing.assert_close(states[:, begin:end], alone, atol=1e-5, rtol=1e-5)
            num_examples += 1
        with torch.no_grad():
            mixed = policy.core.model(input_ids=given["input_ids"], use_cache=False).last_hidden_state
        assert float((mixed - states).abs().max()) > 1e-2
    assert num_examples == 9


def test_an_adapter_is_trained_and_the_base_stays(tmp_path: Path) -> None:
    base = save_base(tmp_path / "base")
    policy = make_lora_policy(base)
    frozen = {name: weight.clone() for name, weight in policy.model.named_parameters() if "lora_" not in name}
    train_sft(make_sft(tmp_path / "run", policy=policy, learning_rate=1e-2))
    for name, weight in policy.model.named_parameters():
        assert "lora_" in name or torch.equal(weight, frozen[name])
    trained = copy_weights(policy)
    assert any(bool(weight.any()) for name, weight in trained.items() if "lora_B" in name)
    again = make_lora_policy(base, start=str(tmp_path / "run"))
    assert all(torch.equal(weight, trained[name]) for name, weight in again.trained().items())
    rows = read(tmp_path / "run")
    assert rows[-1]["loss"] < rows[0]["loss"]


def test_a_run_that_is_done_does_nothing_more_and_may_be_raised(tmp_path: Path) -> None:
    base = save_base(tmp_path / "base")

    def train(run: str, steps: int) -> Rows:
        policy = make_lora_policy(base, dropout=0.2)
        train_sft(make_sft(tmp_path / run, policy=policy, max_steps=steps, schedule="constant"))
        return read(tmp_path / run)

    first = train("a", 3)
    assert train("a", 3) == first
    train("a", 6)
    train("b", 6)
    assert_same_run(tmp_path / "a", tmp_path / "b")


def test_a_loss_that_is_no_number_stops_with_the_checkpoint_kept(tmp_path: Path) -> None:
    policy = make_policy()

    def poison(row: dict[str, Any]) -> None:
        if row["step"] == 3:
            with torch.no_grad():
                policy.trained()["model.norm.weight"].fill_(torch.nan)

    with pytest.raises(TrainingError, match=r"the loss of step 4 is nan; .* lower sft\.learning_rate"):
        train_sft(make_sft(tmp_path / "a", policy=policy, on_row=poison))
    assert list_checkpoints(tmp_path / "a") == ["step-000002"], "step 4 would have been saved"
    assert [row["step"] for row in read(tmp_path / "a")] == [1, 2, 3]
    for run in ("a", "b"):  # and with the cause gone it goes on from there
        train_sft(make_sft(tmp_path / run))
    assert_same_run(tmp_path / "a", tmp_path / "b")


def test_a_gradient_that_is_no_number_stops_before_it_is_saved(tmp_path: Path) -> None:
    policy = make_policy()
    on_gradient(policy.trained()["model.norm.weight"], lambda gradient: gradient * torch.inf)
    with pytest.raises(TrainingError, match=r"the gradient's norm of step 1 is (inf|nan)"):
        train_sft(make_sft(tmp_path, policy=policy, save_every=1))
    assert list_checkpoints(tmp_path) == []


def test_a_run_that_another_process_writes_is_left_alone(tmp_path: Path) -> None:
    train_sft(make_sft(tmp_path, max_steps=2))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with (
        LineWriter(tmp_path / "metrics.jsonl"),
        pytest.raises(RecordError, match="is being written by another process"),
    ):
        train_sft(make_sft(tmp_path))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_checkpoint_that_was_broken_is_named(tmp_path: Path) -> None:
    train_sft(make_sft(tmp_path, max_steps=2))
    checkpoint = find_checkpoint(tmp_path)
    assert checkpoint is not None
    (checkpoint / "trainer" / "trainer_state.json").unlink()
    with pytest.raises(CheckpointError, match=f"the checkpoint {checkpoint} cannot be gone on from: .*; take it away"):
        train_sft(make_sft(tmp_path))


def test_an_error_of_later_is_not_the_checkpoints(tmp_path: Path) -> None:
    train_sft(make_sft(tmp_path, max_steps=2))

    def fail(row: dict[str, Any]) -> None:
        raise OSError("no terminal any more")

    with pytest.raises(OSError, match=r"^no terminal any more$"):
        train_sft(make_sft(tmp_path, on_row=fail))


@pytest.fixture(name="tiny_disk")
def mount_tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for one checkpoint."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_stops_with_the_checkpoint_kept(tiny_disk: Path, tmp_path: Path) -> None:
    run = tiny_disk / "run"
    with pytest.raises(
        CheckpointError, match=r"cannot write the checkpoint of step 4: .*; the last good one is .*002$"
    ):
        train_sft(make_sft(run))
    assert list_checkpoints(run) == ["step-000002"]
    assert sorted(path.name for path in run.iterdir() if path.name.startswith(".trainer-")) == []
    subprocess.run(["mount", "-o", "remount,size=9m", str(tiny_disk)], check=True)
    for folder in (run, tmp_path / "straight"):
        train_sft(make_sft(folder))
    assert_same_run(run, tmp_path / "straight")


def test_a_checkpoint_holds_the_weights_once(tmp_path: Path) -> None:
    train_sft(make_sft(tmp_path, max_steps=2))
    checkpoint = find_checkpoint(tmp_path)
    assert checkpoint is not None
    assert [path.relative_to(checkpoint) for path in checkpoint.rglob("*.safetensors")] == [Path("model.safetensors")]
    names = {"optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"}
    assert {path.name for path in (checkpoint / "trainer").iterdir()} == names


def test_recomputing_changes_nothing_but_the_memory(tmp_path: Path) -> None:
    base = save_base(tmp_path / "base")
    for name in ("kept", "recomputed"):
        policy = make_lora_policy(base)
        train_sft(make_sft(tmp_path / name, policy=policy, max_steps=2, recompute=name == "recomputed"))
        assert policy.core.is_activation_checkpointing is (name == "recomputed")
    assert_same_run(tmp_path / "kept", tmp_path / "recomputed")


def test_killed_and_resumed_is_as_though_undisturbed(tmp_path: Path) -> None:
    """SIGKILL in the logging of a step, before the first checkpoint, after it, and while one is written."""
    straight, run = tmp_path / "straight", tmp_path / "run"
    for folder, look in ((straight, None), (run, 2), (run, 4), (run, 3)):
        process = start(run_sft, folder, look)
        process.join(120)
        assert process.exitcode == (0 if look is None else -9)
    checkpoint = find_checkpoint(run)
    assert checkpoint is not None
    assert read_state(checkpoint)["step"] == 2
    process = start(run_sft, run, None)
    while process.is_alive() and not list(run.glob("checkpoints/.step-000004.part/*")):
        time.sleep(0.0005)
    process.kill()
    process.join()
    process = start(run_sft, run, None)
    process.join(120)
    assert process.exitcode == 0
    assert_same_run(run, straight)
    assert_same_weights(run, straight)
    assert not list(run.glob(".trainer-*"))


def test_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Progress is told by ``on_row``; the libraries' bars would go between the lines."""
    train_sft(make_sft(tmp_path, max_steps=2))
    assert capfd.readouterr() == ("", "")
