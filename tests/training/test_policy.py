"""The policy: what is trained of which model, started where, saved and put back."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError

from abruzzi.data.examples import Example
from abruzzi.errors import CheckpointError, ConfigError
from abruzzi.nouns import Message
from abruzzi.training.base import Source, identify
from abruzzi.training.checkpoint import save_checkpoint
from abruzzi.training.export import export_adapter_hf
from abruzzi.training.policy import Policy, load_weights, open_policy, save_policy, weights_of
from abruzzi.training.recipe import ModelSettings
from abruzzi.training.seeds import seed_torch
from abruzzi.training.tokens import encode_example
from tests.training.toys import CPU, NOWHERE, SCRATCH, copy_weights, make_lora_policy, make_policy, save_base

IDS = torch.tensor([[5, 6, 7, 8, 9]])


@torch.no_grad()
def logits(policy: Policy) -> torch.Tensor:
    return policy.model(input_ids=IDS).logits


def stir(policy: Policy) -> None:
    """Change what is trained as training would."""
    seed_torch(3)
    with torch.no_grad():
        for weight in policy.trained().values():
            weight.add_(torch.randn_like(weight), alpha=0.1)


def save(policy: Policy, run: Path, step: int = 1) -> Path:
    return save_checkpoint(run, step, lambda folder: save_policy(policy, folder), {}, keep=2)


def assert_same(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.fixture(name="base", scope="module")
def make_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_base(tmp_path_factory.mktemp("base"))


def test_from_scratch_all_weights_are_trained_and_the_seed_says_which() -> None:
    policy = make_policy()
    assert policy.core is policy.model
    assert sum(weight.numel() for weight in policy.trained().values()) == policy.model.num_parameters()
    assert policy.device == CPU
    assert policy.identity == "scratch"
    assert_same(copy_weights(make_policy()), copy_weights(policy))
    other = copy_weights(make_policy(seed=2))
    assert not torch.equal(other["model.embed_tokens.weight"], policy.trained()["model.embed_tokens.weight"])


def test_from_scratch_needs_texts_or_a_start() -> None:
    with pytest.raises(ConfigError, match="needs texts to make its tokenizer from, or a start"):
        open_policy(ModelSettings(base="scratch", scratch=SCRATCH), cache_dir=NOWHERE, seed=1)


@pytest.mark.parametrize("base", ["scratch", "folder"])
def test_weights_have_the_precision_asked_for(base: str, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"dtype": "bfloat16"} | ({} if base == "scratch" else {"base": str(save_base(tmp_path))})
    assert {weight.dtype for weight in make_policy(**changes).trained().values()} == {torch.bfloat16}


def test_with_lora_only_the_adapter_is_trained(base: Path) -> None:
    policy, whole = make_lora_policy(base), make_policy()
    trained = policy.trained()
    assert all("lora_" in name for name in trained)
    layers = {name.rpartition(".lora_")[0].rpartition(".")[2] for name in trained}
    assert layers == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert {weight.shape[0] for name, weight in trained.items() if "lora_A" in name} == {4}
    torch.testing.assert_close(logits(policy), logits(whole))  # a fresh adapter changes nothing
    assert policy.core is not policy.model
    assert len(policy.identity) == 64
    assert_same(copy_weights(make_lora_policy(base)), copy_weights(policy))


def test_lora_from_scratch_keeps_the_random_weights() -> None:
    policy = make_policy(method="lora")
    assert policy.trained()
    assert all("lora_" in name for name in policy.trained())


def test_starting_from_an_adapter_goes_on_with_it(base: Path, tmp_path: Path) -> None:
    trained = make_lora_policy(base)
    stir(trained)
    save(trained, tmp_path)
    again = make_lora_policy(base, start=str(tmp_path))
    assert_same(copy_weights(again), copy_weights(trained))
    assert torch.equal(logits(again), logits(trained))


def test_starting_full_training_from_an_adapter_merges_it(base: Path, tmp_path: Path) -> None:
    trained = make_lora_policy(base)
    stir(trained)
    save(trained, tmp_path)
    merged = make_policy(base=str(base), start=str(tmp_path))
    assert not any("lora" in name for name in merged.trained())
    assert merged.trained().keys() == make_policy().trained().keys()
    torch.testing.assert_close(logits(merged), logits(trained), atol=1e-5, rtol=0)


def test_starting_from_whole_weights(base: Path, tmp_path: Path) -> None:
    trained = make_policy()
    stir(trained)
    place = save(trained, tmp_path)
    for model in ("scratch", str(base)):
        assert_same(copy_weights(make_policy(start=str(place), base=model)), copy_weights(trained))
    lora = make_lora_policy(base, start=str(tmp_path))
    assert all("lora_" in name for name in lora.trained())
    torch.testing.assert_close(logits(lora), logits(trained))


def test_a_start_that_does_not_fit_is_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="neither a checkpoint nor a run"):
        make_policy(start=str(tmp_path / "nothing"))
    save(make_lora_policy(base), tmp_path)
    with pytest.raises(CheckpointError, match=r"holds an adapter and not a whole model; name its base in model\.base"):
        make_policy(start=str(tmp_path))


def test_an_adapter_is_put_on_what_it_was_trained_on_alone(base: Path, tmp_path: Path) -> None:
    trained = make_lora_policy(base)
    stir(trained)
    run = tmp_path / "run"
    save(trained, run)
    assert trained.trained_on == trained.identity
    record = {"recipe": {"model": {"base": str(base)}}, "base": trained.identity, "trained_on": trained.trained_on}
    (run / "run.json").write_text(json.dumps(record))
    assert_same(copy_weights(make_lora_policy(base, start=str(run))), copy_weights(trained))
    other = save_base(tmp_path / "other", seed=2)
    with pytest.raises(ConfigError, match=f"was trained on {base} .*, and not on {other} "):
        make_lora_policy(other, start=str(run))


def test_an_adapter_on_whole_weights_lies_on_these_and_not_on_the_named_base(base: Path, tmp_path: Path) -> None:
    whole = make_policy()
    stir(whole)
    start = save(whole, tmp_path / "whole")
    policy = make_lora_policy(base, start=str(start))
    assert (policy.identity, policy.trained_on) == (identify(base), identify(start))
    assert policy.trained_on != policy.identity
    save(policy, tmp_path / "run")
    record = {"recipe": {"model": {"base": str(base), "start": str(start)}}, "trained_on": policy.trained_on}
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    with pytest.raises(ConfigError, match=f"was trained on {start} "):
        make_lora_policy(base, start=str(tmp_path / "run"))
    assert_same(copy_weights(make_lora_policy(start, start=str(tmp_path / "run"))), copy_weights(policy))


def test_training_goes_on_from_an_exported_adapter(base: Path, tmp_path: Path) -> None:
    trained = make_lora_policy(base)
    stir(trained)
    checkpoint = save(trained, tmp_path)
    exported = export_adapter_hf(checkpoint, tmp_path / "solver", base=Source(str(base), base)).path
    again = make_lora_policy(base, start=str(exported))
    assert_same(copy_weights(again), copy_weights(trained))
    assert again.tokenizer.eos_token == trained.tokenizer.eos_token
    with pytest.raises(ConfigError, match="was trained on"):
        make_lora_policy(save_base(tmp_path / "other", seed=2), start=str(exported))


@pytest.mark.parametrize("method", ["full", "lora"])
def test_an_end_of_turn_ends_what_is_taught_and_goes_with_the_checkpoint(method: str, tmp_path: Path) -> None:
    """As with Qwen2.5's bases: the tokenizer ends texts with one token, the chat template turns with another."""
    base = save_base(tmp_path / "base")
    for name in ("tokenizer_config.json", "config.json", "generation_config.json"):
        content = json.loads((base / name).read_text())
        content |= {"eos_token": "<answer>"} if "eos_token" in content else {"eos_token_id": 5}
        (base / name).write_text(json.dumps(content))
    plain: Any = make_policy(base=str(base), method=method).tokenizer
    assert plain.eos_token == "<answer>", "it would never learn to stop at <|im_end|>"
    policy = make_policy(base=str(base), method=method, end_of_turn="<|im_end|>")
    end = plain.get_vocab()["<|im_end|>"]
    example = Example("1", (Message("user", "What is 1 + 2?"),), "3")
    tokens = encode_example(policy.tokenizer, example)
    assert (tokens.ids[-1], tokens.loss_mask[-1]) == (end, 1)
    assert (policy.core.config.eos_token_id, policy.core.generation_config.eos_token_id) == (end, end)
    save(policy, tmp_path / "run")
    again: Any = make_policy(base=str(base), method=method, start=str(tmp_path / "run"))
    assert again.tokenizer.eos_token_id == end, "a later stage need not say it again"
    with pytest.raises(ConfigError, match=r"model\.end_of_turn is '<end>', which is no token of"):
        make_policy(base=str(base), end_of_turn="<end>")


def test_the_tokenizer_is_saved_with_its_template(base: Path, tmp_path: Path) -> None:
    for number, policy in enumerate((make_policy(), make_lora_policy(base))):
        save(policy, tmp_path / str(number))
        again: Any = make_policy(base=str(base), start=str(tmp_path / str(number))).tokenizer
        text = "What is 1 + 2?<|im_end|><answer>"
        assert again(text)["input_ids"] == policy.tokenizer(text)["input_ids"]
        assert again.chat_template == policy.tokenizer.chat_template


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_weights_of_holds_others_for_a_while_and_gives_back_bit_for_bit(base: Path, kind: str) -> None:
    policy = make_policy() if kind == "full" else make_lora_policy(base)
    start, first = copy_weights(policy), logits(policy)
    stir(policy)
    own, second = copy_weights(policy), logits(policy)
    assert not torch.equal(first, second)
    with weights_of(policy, start):
        assert_same(copy_weights(policy), start)
        assert torch.equal(logits(policy), first)
    assert_same(copy_weights(policy), own)
    with pytest.raises(ZeroDivisionError), weights_of(policy, start):
        raise ZeroDivisionError
    assert_same(copy_weights(policy), own)
    assert all(weight.requires_grad for weight in policy.trained().values())


def test_weights_of_another_model_are_refused_and_change_nothing() -> None:
    policy = make_policy()
    own = copy_weights(policy)
    wider = copy_weights(make_policy(scratch=SCRATCH.model_copy(update={"hidden": 48})))
    deeper = copy_weights(make_policy(scratch=SCRATCH.model_copy(update={"layers": 3})))
    with pytest.raises(CheckpointError, match=r"has shape \(\d+, 48\) and not \(\d+, 32\); check \[model\]"):
        load_weights(policy, wider)
    with pytest.raises(CheckpointError, match=r"model\.layers\.2\..* do not match; check \[model\]"):
        load_weights(policy, deeper)
    last = list(own)[-1]
    odd = {name: weight + 1 for name, weight in own.items()} | {last: torch.zeros(3)}
    with pytest.raises(CheckpointError, match=last), weights_of(policy, odd):
        pass
    assert_same(copy_weights(policy), own)


@pytest.fixture(name="mount")
def make_mounts(tmp_path: Path) -> Iterator[Any]:
    made: list[Path] = []

    def mount(kibibytes: int) -> Path:
        disk = tmp_path / f"disk-{kibibytes}"
        disk.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k", "tmpfs", str(disk)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("only root may mount a file system")
        made.append(disk)
        return disk

    yield mount
    for disk in made:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_an_os_error_wherever_it_gets_full(mount: Any) -> None:
    """Configuration, weights and tokenizer are written by three libraries, with three kinds of error."""
    policy = make_policy()
    num_bytes = 4 * policy.model.num_parameters()
    causes: set[type | None] = set()
    for kibibytes in (4, num_bytes // 2048, num_bytes // 1024 + 24):
        disk: Path = mount(kibibytes)
        with pytest.raises(OSError, match="No space left on device") as caught:
            save_policy(policy, disk / "step")
        causes.add(type(caught.value.__cause__))
    assert causes == {type(None), SafetensorError, Exception}


def test_an_error_that_is_no_full_disk_is_not_taken_for_one(tmp_path: Path) -> None:
    class Unsaved:
        def save_pretrained(self, folder: Path, **_: Any) -> None:
            raise KeyError(folder.name)

    with pytest.raises(KeyError):
        save_policy(Policy(Unsaved(), None, ""), tmp_path)
