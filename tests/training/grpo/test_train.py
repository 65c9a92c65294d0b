"""The whole loop on a model of two layers that samples for real: complete rows, and kills that leave no trace."""

import json
import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from abruzzi.data.items import Item
from abruzzi.errors import CheckpointError, DataError, RecordError, TrainingError
from abruzzi.nouns import Verdict
from abruzzi.records import LineWriter
from abruzzi.training.checkpoint import find_checkpoint, read_state
from abruzzi.training.grpo.train import train_grpo
from abruzzi.training.policy import open_policy
from abruzzi.training.recipe import ModelSettings
from tests.training.killed import make_grpo, run_grpo, start
from tests.training.saving import list_checkpoints
from tests.training.toys import CPU, NOWHERE, copy_weights, make_lora_policy, make_policy, save_base, verify_even

Rows = list[dict[str, Any]]


def read(path: Path) -> Rows:
    return [json.loads(line) for line in path.read_text().splitlines()]


def steps_of(run: Path) -> Rows:
    return [row for row in read(run / "metrics.jsonl") if row["kind"] == "step"]


def without_seconds(rows: Rows) -> Rows:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def assert_same_run(run: Path, straight: Path) -> None:
    """As though it had not been disturbed: the same rows, and no rollout twice."""
    found, wanted = (read(folder / "metrics.jsonl") for folder in (run, straight))
    assert [(row["kind"], row["step"]) for row in found] == [(row["kind"], row["step"]) for row in wanted]
    for row, other in zip(found, wanted, strict=True):
        assert row.keys() == other.keys()
        for key in row.keys() & {"loss", "reward", "accuracy", "entropy", "grad_norm"}:
            assert row[key] == pytest.approx(other[key], abs=1e-5), (row["step"], key)
        for key in row.keys() & {"total_rollouts", "total_tokens", "num_groups", "outcomes", "learning_rate"}:
            assert row[key] == other[key], (row["step"], key)
    assert (run / "rollouts.jsonl").read_bytes() == (straight / "rollouts.jsonl").read_bytes()


def finish(run: Path, steps: int) -> None:
    process = start(run_grpo, run, steps, None)
    process.join(120)
    assert process.exitcode == 0


def test_rows_are_complete(tmp_path: Path) -> None:
    told: Rows = []
    train_grpo(make_grpo(tmp_path, steps=4, on_row=told.append))
    rows = read(tmp_path / "metrics.jsonl")
    assert rows == json.loads(json.dumps(told))
    assert [(row["kind"], row["step"]) for row in rows] == [
        ("held_out", 0),
        ("step", 1),
        ("step", 2),
        ("step", 3),
        ("held_out", 3),
        ("step", 4),
        ("held_out", 4),
    ]
    steps = steps_of(tmp_path)
    assert [row["learning_rate"] for row in steps] == [5e-4, 1e-3, 1e-3, 1e-3]
    assert [row["kl_to_start"] is None for row in steps] == [True, True, False, True]
    assert all(row["num_used"] >= 1 and row["loss"] is not None for row in steps)
    assert set(steps[0]["seconds"]) == {"sync", "sample", "verify", "update", "all"}
    held_out = [row for row in rows if row["kind"] == "held_out"]
    assert {row["num_items"] for row in held_out} == {3}
    assert set(held_out[0]["pass_at"]) == {"1", "2"}

    rollouts = read(tmp_path / "rollouts.jsonl")
    per_step = Counter(row["step"] for row in rollouts)
    assert per_step == {row["step"]: row["num_rollouts"] for row in steps}
    assert [row["total_rollouts"] for row in steps] == [sum(per_step[n] for n in range(1, k + 1)) for k in (1, 2, 3, 4)]
    assert steps[-1]["total_tokens"] == sum(row["num_tokens"] for row in rollouts)
    assert read_state(tmp_path / "checkpoints" / "step-000004")["num_rollouts"] == len(rollouts)
    assert list_checkpoints(tmp_path) == ["step-000002", "step-000004"], "the one of step 0 went, keep is 2"


def test_rewards_are_what_the_verifier_says(tmp_path: Path) -> None:
    train_grpo(make_grpo(tmp_path, steps=2))
    for row in read(tmp_path / "rollouts.jsonl"):
        if row["outcome"] != "unparsed":  # cut
            assert row["outcome"] == ("wrong" if len(row["text"]) % 2 else "correct")
    for row in steps_of(tmp_path):
        assert row["reward"] == pytest.approx(row["outcomes"].get("correct", 0) / row["num_rollouts"])


def test_a_checkpoint_can_be_opened_by_itself(tmp_path: Path) -> None:
    policy = make_policy()
    before = copy_weights(policy)
    train_grpo(make_grpo(tmp_path, policy=policy, steps=2))
    opened = open_policy(
        ModelSettings(base="scratch", method="full", start=str(tmp_path)), cache_dir=NOWHERE, seed=9, device=CPU
    )
    assert all(torch.equal(weight, policy.trained()[name]) for name, weight in opened.trained().items())
    assert any(not torch.equal(weight, before[name]) for name, weight in opened.trained().items())


def test_a_run_that_is_done_does_nothing_more_and_may_be_raised(tmp_path: Path) -> None:
    train_grpo(make_grpo(tmp_path / "a", steps=2))
    before = read(tmp_path / "a" / "metrics.jsonl")
    train_grpo(make_grpo(tmp_path / "a", steps=2))
    assert read(tmp_path / "a" / "metrics.jsonl") == before
    train_grpo(make_grpo(tmp_path / "a", steps=5))
    train_grpo(make_grpo(tmp_path / "b", steps=5))
    assert without_seconds(steps_of(tmp_path / "a")) == without_seconds(steps_of(tmp_path / "b"))
    assert (tmp_path / "a" / "rollouts.jsonl").read_bytes() == (tmp_path / "b" / "rollouts.jsonl").read_bytes()


@pytest.mark.parametrize("kl_coef", [0.0, 0.1])
def test_an_adapter_with_dropout_goes_on_as_though_never_stopped(tmp_path: Path, kl_coef: float) -> None:
    base = save_base(tmp_path / "base")

    def train(run: str, steps: int) -> None:
        policy = make_lora_policy(base, dropout=0.3)
        train_grpo(make_grpo(tmp_path / run, policy=policy, steps=steps, kl_coef=kl_coef, updates_per_step=2))

    for steps in (2, 4):
        train("a", steps)
    train("b", 4)
    assert without_seconds(steps_of(tmp_path / "a")) == without_seconds(steps_of(tmp_path / "b"))


def test_the_control_learns_from_rewards_that_say_nothing(tmp_path: Path) -> None:
    train_grpo(make_grpo(tmp_path, steps=2, shuffle_rewards=True))
    rows = read(tmp_path / "rollouts.jsonl")
    assert any(row["outcome"] == ("correct" if len(row["text"]) % 2 else "wrong") for row in rows)


def test_the_start_need_not_be_measured(tmp_path: Path) -> None:
    train_grpo(make_grpo(tmp_path, steps=1, eval_on_start=False))
    assert [(row["kind"], row["step"]) for row in read(tmp_path / "metrics.jsonl")] == [("step", 1), ("held_out", 1)]


def test_a_last_step_is_kept_while_it_is_measured_and_measured_once(tmp_path: Path) -> None:
    class KilledError(Exception):
        """Stands for what ends a process."""

    grpo = make_grpo(tmp_path / "a", steps=2, eval_on_start=False)
    held_out = {prompt.item.id for prompt in grpo.held_out}

    def die(replies: Sequence[tuple[Item, str]]) -> list[Verdict]:
        if held_out & {item.id for item, _ in replies}:
            raise KilledError
        return verify_even(replies)

    with pytest.raises(KilledError):
        train_grpo(replace(grpo, verify=die))
    assert list_checkpoints(tmp_path / "a")[-1] == "step-000002"
    assert [row["kind"] for row in read(tmp_path / "a" / "metrics.jsonl")] == ["step", "step"]
    for run in ("a", "a", "b"):
        train_grpo(make_grpo(tmp_path / run, steps=2, eval_on_start=False))
    assert_same_run(tmp_path / "a", tmp_path / "b")
    assert [row["kind"] for row in read(tmp_path / "a" / "metrics.jsonl")] == ["step", "step", "held_out"]


def test_without_held_out_items_nothing_is_measured(tmp_path: Path) -> None:
    train_grpo(make_grpo(tmp_path, steps=1, held_out=[]))
    assert [row["kind"] for row in read(tmp_path / "metrics.jsonl")] == ["step"]


def test_greedy_measuring_takes_one_sample(tmp_path: Path) -> None:
    train_grpo(make_grpo(tmp_path, steps=1, eval_temperature=0.0))
    assert list(read(tmp_path / "metrics.jsonl")[0]["pass_at"]) == ["1"]


def test_steps_that_teach_nothing_leave_the_weights(tmp_path: Path) -> None:
    policy = make_policy()
    before = copy_weights(policy)

    def verify(replies: Sequence[tuple[Item, str]]) -> list[Verdict]:
        return [verdict for reply in replies for verdict in verify_even([(reply[0], "")])]

    # All that ends is right, and none is cut: every group is alike.
    train_grpo(make_grpo(tmp_path, policy=policy, steps=2, verify=verify, max_tokens=60, max_rounds=2))
    assert all(torch.equal(weight, before[name]) for name, weight in policy.trained().items())
    assert [(row["num_used"], row["num_rounds"], "loss" in row) for row in steps_of(tmp_path)] == [(0, 2, False)] * 2


def test_a_loss_that_is_no_number_stops_with_the_checkpoint_kept(tmp_path: Path) -> None:
    policy = make_policy()
    num_calls = 0

    def poison(replies: Sequence[tuple[Item, str]]) -> list[Verdict]:
        nonlocal num_calls
        num_calls += 1
        if num_calls > 4:  # held out, and at least three steps
            policy.trained()["model.norm.weight"].data.fill_(torch.nan)
        return verify_even(replies)

    with pytest.raises(TrainingError, match="the loss is nan"):
        train_grpo(make_grpo(tmp_path / "a", policy=policy, steps=5, verify=poison, save_every=1, held_out=[]))
    checkpoint = find_checkpoint(tmp_path / "a")
    assert checkpoint is not None
    done = int(read_state(checkpoint)["step"])
    assert done >= 1
    assert steps_of(tmp_path / "a")[-1]["step"] == done
    failed = [row for row in read(tmp_path / "a" / "rollouts.jsonl") if row["step"] == done + 1]
    assert failed, "what the message says to look at is there"
    for run in ("a", "b"):  # and with the cause gone it goes on from there
        train_grpo(make_grpo(tmp_path / run, steps=5, save_every=1, held_out=[]))
    assert_same_run(tmp_path / "a", tmp_path / "b")


def test_no_prompts_are_an_error(tmp_path: Path) -> None:
    grpo = make_grpo(tmp_path, steps=1)
    with pytest.raises(DataError, match="no prompts to train on"):
        train_grpo(replace(grpo, prompts=[]))


def test_a_run_that_another_process_writes_is_left_alone(tmp_path: Path) -> None:
    train_grpo(make_grpo(tmp_path, steps=1))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with (
        LineWriter(tmp_path / "metrics.jsonl"),
        pytest.raises(RecordError, match="is being written by another process"),
    ):
        train_grpo(make_grpo(tmp_path, steps=3))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20])


@pytest.mark.parametrize("file", ["trained.safetensors", "start.safetensors", "optimizer.pt", "state.json"])
@pytest.mark.parametrize("break_it", [Path.unlink, cut_off])
def test_a_checkpoint_that_was_broken_is_named(tmp_path: Path, file: str, break_it: Callable[[Path], None]) -> None:
    train_grpo(make_grpo(tmp_path, steps=1, held_out=[]))
    checkpoint = find_checkpoint(tmp_path)
    assert checkpoint is not None
    for path in (tmp_path / "checkpoints").glob(f"*/{file}"):
        break_it(path)
    if file == "state.json" and break_it is Path.unlink:
        assert find_checkpoint(tmp_path) is None
        return
    with pytest.raises(CheckpointError, match=f"{checkpoint}"):
        train_grpo(make_grpo(tmp_path, steps=2, held_out=[]))


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    train_grpo(make_grpo(tmp_path / "run", steps=1, held_out=[]))
    lora = make_lora_policy(save_base(tmp_path / "base"))
    with pytest.raises(CheckpointError, match=r"is of another model: .*; check \[model\]"):
        train_grpo(make_grpo(tmp_path / "run", policy=lora, steps=2, held_out=[]))


@pytest.fixture(name="tiny_disk")
def mount_tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for the checkpoint of step 0 and one with the optimiser's state."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1600k", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_stops_with_the_checkpoint_kept(tiny_disk: Path, tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"step 4: .*No space left on device.*the last good one is .*step-000002$"
    ):
        train_grpo(make_grpo(tiny_disk / "run", steps=4))
    assert list_checkpoints(tiny_disk / "run") == ["step-000000", "step-000002"]
    subprocess.run(["mount", "-o", "remount,size=9m", str(tiny_disk)], check=True)
    for run in (tiny_disk / "run", tmp_path / "straight"):
        train_grpo(make_grpo(run, steps=4))
    assert_same_run(tiny_disk / "run", tmp_path / "straight")


def test_killed_and_resumed_is_as_though_undisturbed(tmp_path: Path) -> None:
    """SIGKILL between any two looks at the clock: in sampling, verifying, updating, measuring, and before the first
    checkpoint."""
    straight, run = tmp_path / "straight", tmp_path / "run"
    finish(straight, 6)
    for look in (1, 3, 2, 21, 30):
        process = start(run_grpo, run, 6, look)
        process.join(120)
        assert process.exitcode == -9
    finish(run, 6)
    assert_same_run(run, straight)


def test_killed_while_a_checkpoint_is_written(tmp_path: Path) -> None:
    straight, run = tmp_path / "straight", tmp_path / "run"
    finish(straight, 6)
    for _ in range(2):
        process = start(run_grpo, run, 6, None)
        while process.is_alive() and not list(run.glob("checkpoints/.step-*.part/*")):
            time.sleep(0.0005)
        process.kill()
        process.join()
    finish(run, 6)
    assert_same_run(run, straight)


@pytest.mark.slow
def test_killed_at_ten_random_moments(tmp_path: Path) -> None:
    straight, run = tmp_path / "straight", tmp_path / "run"
    rng = random.Random(11)
    metrics = run / "metrics.jsonl"
    for _ in range(10):
        size = metrics.stat().st_size if metrics.exists() else 0
        process = start(run_grpo, run, 10_000, None)
        while not metrics.exists() or metrics.stat().st_size == size:  # until it has begun
            assert process.is_alive()
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 2))
        process.kill()
        process.join()
        assert process.exitcode == -9
    checkpoint = find_checkpoint(run)
    assert checkpoint is not None
    last = int(read_state(checkpoint)["step"])
    for folder in (run, straight):
        finish(folder, last + 3)
    assert last > 10
    assert_same_run(run, straight)
