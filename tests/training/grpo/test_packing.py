"""The packed update against each sequence alone."""

import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM

from abruzzi.training.grpo.packing import Branches, Pack, completion_logprobs, pack_rollouts
from abruzzi.training.seeds import seed_torch
from tests.training.grpo.untyped import back_propagate, values


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    seed_torch(0)
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
    )
    return LlamaForCausalLM(config).eval()


def make_groups(seed: int) -> list[Branches]:
    rng = random.Random(seed)
    groups: list[Branches] = []
    number = 0
    for _ in range(rng.randint(1, 4)):
        prompt = [rng.randrange(50) for _ in range(rng.randint(1, 12))]
        completions = [[rng.randrange(50) for _ in range(rng.randint(1, 15))] for _ in range(rng.randint(1, 5))]
        groups.append(Branches(prompt, completions, range(number, number + len(completions))))
        number += len(completions)
    return groups


def alone(model: LlamaForCausalLM, prompt: list[int], completion: list[int]) -> torch.Tensor:
    logits = model(input_ids=torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1]
    return logits.log_softmax(-1).gather(1, torch.tensor(completion)[:, None])[:, 0]


@pytest.mark.parametrize("max_tokens", [1, 20, 40, 1000])
@pytest.mark.parametrize("seed", range(4))
def test_logprobs_are_those_of_each_sequence_alone(model: LlamaForCausalLM, seed: int, max_tokens: int) -> None:
    groups = make_groups(seed)
    found: dict[int, torch.Tensor] = {}
    for pack in pack_rollouts(groups, max_tokens=max_tokens):
        logprobs = completion_logprobs(model, pack).logprobs_T
        for rollout in sorted(set(values(pack.rollouts_T))):
            found[rollout] = logprobs[pack.rollouts_T == rollout]
    for group in groups:
        for completion, rollout in zip(group.completions, group.rollouts, strict=True):
            torch.testing.assert_close(
                found[rollout], alone(model, list(group.prompt), list(completion)), atol=2e-5, rtol=0
            )


def test_gradients_are_those_of_each_sequence_alone(model: LlamaForCausalLM) -> None:
    groups = make_groups(1)

    def gradients() -> dict[str, torch.Tensor]:
        found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        model.zero_grad()
        return found

    packs = pack_rollouts(groups, max_tokens=60)
    back_propagate(torch.stack([completion_logprobs(model, pack).logprobs_T.sum() for pack in packs]).sum())
    packed = gradients()
    each = [alone(model, list(g.prompt), list(c)).sum() for g in groups for c in g.completions]
    back_propagate(torch.stack(each).sum())
    for name, gradient in gradients().items():
        torch.testing.assert_close(packed[name], gradient, atol=1e-4, rtol=1e-4)


def test_entropy_is_that_of_the_distribution(model: LlamaForCausalLM) -> None:
    (pack,) = pack_rollouts([Branches([1, 2], [[3]], [0])], max_tokens=10)
    entropy = completion_logprobs(model, pack).entropy_T
    p = model(input_ids=torch.tensor([[1, 2]])).logits[0, -1].softmax(-1)
    assert values(entropy) == pytest.approx([-(p * p.log()).sum().item()], abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), max_tokens=st.integers(1, 80))
def test_every_completion_is_packed_once_and_no_pack_is_longer_than_it_must_be(seed: int, max_tokens: int) -> None:
    groups = make_groups(seed)
    packs: list[Pack] = pack_rollouts(groups, max_tokens=max_tokens)
    texts: dict[int, list[int]] = {}
    for pack in packs:
        numbers = sorted(set(values(pack.rollouts_T)))
        assert len(pack.ids_N) <= max_tokens or len(numbers) == 1
        for number in numbers:
            assert number not in texts
            texts[number] = values(pack.targets_T[pack.rollouts_T == number])
    assert texts == {n: list(c) for g in groups for c, n in zip(g.completions, g.rollouts, strict=True)}


def test_a_group_that_fits_has_its_prompt_once() -> None:
    (pack,) = pack_rollouts([Branches([7] * 10, [[1, 2, 3], [4, 5]], [0, 1])], max_tokens=15)
    assert values(pack.ids_N) == [7] * 10 + [4, 5, 1, 2, 3]
    assert values(pack.positions_N) == [*range(12), 10, 11, 12]
    assert values(pack.sources_T) == [9, 10, 9, 12, 13]


def test_a_temperature_sharpens_what_is_trained_and_leaves_the_plain_values(model: LlamaForCausalLM) -> None:
    (pack,) = pack_rollouts([Branches([1, 2], [[3, 4]], [0])], max_tokens=10)
    plain, warm = completion_logprobs(model, pack), completion_logprobs(model, pack, temperature=0.5)
    logits = model(input_ids=torch.tensor([[1, 2, 3]])).logits[0, 1:]
    expected = (logits / 0.5).log_softmax(-1)[[0, 1], [3, 4]]
    torch.testing.assert_close(warm.logprobs_T, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(warm.plain_T, plain.logprobs_T.detach(), atol=1e-5, rtol=0)
    torch.testing.assert_close(warm.entropy_T, plain.entropy_T)
    assert not warm.plain_T.requires_grad
