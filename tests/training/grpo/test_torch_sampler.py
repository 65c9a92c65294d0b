"""The torch sampler against transformers' own generation and forward pass."""

import copy
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import MistralConfig, MistralForCausalLM

from abruzzi.errors import ConfigError, DataError
from abruzzi.nouns import FinishReason
from abruzzi.training.grpo.rollouts import Sampled
from abruzzi.training.grpo.torch_sampler import TorchSampler
from tests.training.grpo.untyped import back_propagate, values
from tests.training.small import add_adapter, make_llama

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # PEFT reads it

EOS = 0
PROMPTS = [[5, 6, 7], [1, 2, 3, 4, 5, 6, 7, 8, 9], [3], [9, 9, 2, 8, 1]]


def make_model(**changes: Any) -> Any:
    """Weights far from zero, so that the next token is neither certain nor arbitrary."""
    settings: dict[str, Any] = {"vocab_size": 40, "max_position_embeddings": 512}
    # No special tokens: transformers would give tokens 0 and 1 a meaning of its own.
    settings |= {"bos_token_id": None, "eos_token_id": None}
    return make_llama(is_tied=True, **{**settings, **changes})


def make_lora(**changes: Any) -> Any:
    return add_adapter(make_model(), strength=0.3, **changes)


def sample(sampler: TorchSampler, prompts: Sequence[Sequence[int]] = PROMPTS, **changes: Any) -> list[list[Sampled]]:
    wanted: dict[str, Any] = {"group_size": 3, "max_tokens": 12, "temperature": 1.0, "seed": 7}
    return sampler.sample(prompts, **{**wanted, **changes})


def generate(model: Any, prompt: list[int], max_tokens: int) -> tuple[int, ...]:
    """Greedy, by transformers."""
    ids = torch.tensor([prompt])
    settings = {"do_sample": False, "max_new_tokens": max_tokens, "eos_token_id": EOS, "pad_token_id": EOS}
    return tuple(values(model.generate(ids, attention_mask=torch.ones_like(ids), **settings)[0, len(prompt) :]))


@torch.no_grad()
def logprobs(model: Any, prompt: list[int], ids: tuple[int, ...]) -> list[float]:
    """A fresh forward pass without cache."""
    logits: Tensor = model(input_ids=torch.tensor([[*prompt, *ids]]), use_cache=False).logits[0, len(prompt) - 1 : -1]
    return values(logits.log_softmax(-1).gather(1, torch.tensor(ids)[:, None])[:, 0])


def ids_of(groups: list[list[Sampled]]) -> list[tuple[int, ...]]:
    return [sampled.ids for group in groups for sampled in group]


@pytest.mark.parametrize("max_rows", [1, 4, 64])
def test_greedy_is_what_generate_says(max_rows: int) -> None:
    model = make_model()
    groups = sample(TorchSampler(model, [EOS], max_rows=max_rows), group_size=2, max_tokens=80, temperature=0.0)
    for prompt, group in zip(PROMPTS, groups, strict=True):
        assert {sampled.ids for sampled in group} == {generate(model, prompt, 80)}


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_greedy_is_what_generate_says_with_any_number_of_key_heads(heads: int) -> None:
    model = make_model(num_key_value_heads=heads)
    groups = sample(TorchSampler(model, [EOS]), temperature=0.0)
    assert [group[0].ids for group in groups] == [generate(model, prompt, 12) for prompt in PROMPTS]


@pytest.mark.parametrize("temperature", [1.0, 0.5, 0.0])
def test_logprobs_are_those_of_a_fresh_forward_at_temperature_1(temperature: float) -> None:
    model = make_model()
    groups = sample(TorchSampler(model, [EOS], max_rows=5), max_tokens=80, temperature=temperature)
    for prompt, group in zip(PROMPTS, groups, strict=True):
        for sampled in group:
            assert sampled.logprobs == pytest.approx(logprobs(model, prompt, sampled.ids), abs=1e-4)


def test_a_completion_depends_on_neither_the_rows_nor_the_company() -> None:
    model = make_model()
    wanted = sample(TorchSampler(model, [EOS], max_rows=64), group_size=6, max_tokens=20)
    assert len({len(ids) for ids in ids_of(wanted)}) > 5, "they differ in length, so rows leave and join"
    for max_rows in (1, 4, 7, 13):
        groups = sample(TorchSampler(model, [EOS], max_rows=max_rows), group_size=6, max_tokens=20)
        assert ids_of(groups) == ids_of(wanted)
    in_other_company = [[1], PROMPTS[1], [2] * 70, [3]]
    groups = sample(TorchSampler(model, [EOS], max_rows=8), in_other_company, max_tokens=20)
    assert ids_of(groups[1:2]) == ids_of([wanted[1][:3]])


def test_the_same_seed_gives_the_same_and_another_seed_another() -> None:
    sampler = TorchSampler(make_model(), [EOS])
    first = sample(sampler)
    assert sample(sampler) == first
    assert ids_of(sample(sampler, seed=8)) != ids_of(first)
    assert len(set(ids_of(first))) == len(ids_of(first)), "members of a group are drawn independently"


def test_what_is_sampled_is_distributed_as_the_model_says() -> None:
    model = make_model(vocab_size=6, initializer_range=0.1)
    groups = sample(TorchSampler(model, [EOS], max_rows=2000), [[1, 2]], group_size=2000, max_tokens=2)
    with torch.no_grad():
        first = model(input_ids=torch.tensor([[1, 2]])).logits[0, -1].softmax(-1).double()
        second = model(input_ids=torch.tensor([[1, 2, 4]])).logits[0, -1].softmax(-1).double()
    counts = Counter(sampled.ids[0] for sampled in groups[0])
    assert chi_square(counts, values(first)) < 20.5  # of 5 degrees of freedom, passed once in a thousand
    counts = Counter(sampled.ids[1] for sampled in groups[0] if sampled.ids[0] == 4)
    assert chi_square(counts, values(second)) < 20.5


def chi_square(counts: Counter[int], probabilities: list[float]) -> float:
    expected = [probability * counts.total() for probability in probabilities]
    assert min(expected) > 5, "the approximation holds"
    return sum((counts[token] - wanted) ** 2 / wanted for token, wanted in enumerate(expected))


def test_the_end_of_turn_is_kept_and_the_limit_is_told() -> None:
    max_tokens = 40
    groups = sample(TorchSampler(make_model(), [EOS, 3], max_rows=8), group_size=8, max_tokens=max_tokens)
    reasons = Counter(sampled.finish_reason for group in groups for sampled in group)
    assert reasons[FinishReason.STOP] > 0
    for group in groups:
        for sampled in group:
            assert not {EOS, 3} & set(sampled.ids[:-1])
            if sampled.ids[-1] in {EOS, 3}:
                assert sampled.finish_reason is FinishReason.STOP
            else:
                assert (sampled.finish_reason, len(sampled.ids)) == (FinishReason.LENGTH, max_tokens)
            assert len(sampled.logprobs) == len(sampled.ids)


def test_one_token_is_the_prompts_own_next_one() -> None:
    model = make_model()
    groups = sample(TorchSampler(model, [EOS]), max_tokens=1, temperature=0.0)
    assert [group[0].ids for group in groups] == [generate(model, prompt, 1) for prompt in PROMPTS]


def test_with_no_eos_every_completion_has_the_whole_length() -> None:
    groups = sample(TorchSampler(make_model(), [], max_rows=5), max_tokens=9)
    assert {len(ids) for ids in ids_of(groups)} == {9}


def test_a_prompt_longer_than_everything_so_far_joins_later() -> None:
    model = make_model()
    prompts = [[5, 6], [1 + number % 30 for number in range(150)], [4]]
    groups = sample(TorchSampler(model, [EOS], max_rows=3), prompts, max_tokens=70, temperature=0.0)
    assert [group[0].ids for group in groups] == [generate(model, prompt, 70) for prompt in prompts]


@pytest.mark.parametrize("merges_lora", [False, True])
def test_adapters_are_sampled_from_and_left_bit_for_bit(merges_lora: bool) -> None:
    policy = make_lora()
    before = copy.deepcopy(policy.state_dict())
    groups = sample(TorchSampler(policy, [EOS], merges_lora=merges_lora), temperature=0.0)
    after = policy.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)
    for prompt, group in zip(PROMPTS, groups, strict=True):
        assert group[0].ids == generate(policy, prompt, 12)
        assert group[0].logprobs == pytest.approx(logprobs(policy, prompt, group[0].ids), abs=1e-4)
    with policy.disable_adapter():
        assert [group[0].ids for group in groups] != [generate(policy, prompt, 12) for prompt in PROMPTS]


def test_it_always_samples_from_the_weights_as_they_are() -> None:
    policy = make_lora()
    sampler = TorchSampler(policy, [EOS])
    sample(sampler)
    with torch.no_grad():
        for name, weight in policy.named_parameters():
            if "lora_B" in name:
                weight.mul_(-1)
    groups = sample(sampler, temperature=0.0)
    assert [group[0].ids for group in groups] == [generate(policy, prompt, 12) for prompt in PROMPTS]


@pytest.mark.parametrize("checkpointing", [False, True])
def test_training_goes_on_as_if_nothing_had_been_sampled(checkpointing: bool) -> None:
    def train(*, samples: bool) -> tuple[list[float], Any]:
        policy = make_lora(lora_dropout=0.1)
        policy.get_base_model().set_attn_implementation("eager")
        if checkpointing:
            policy.get_base_model().activation_checkpointing_enable()
            policy.enable_input_require_grads()
            policy.config.use_cache = False
        policy.train()
        policy.get_base_model().model.norm.eval()  # a module whose mode is not the others'
        sampler = TorchSampler(policy, [EOS])
        optimizer: Any = torch.optim.AdamW([w for w in policy.parameters() if w.requires_grad], lr=1e-2)
        losses: list[float] = []
        torch.set_rng_state(torch.Generator().manual_seed(3).get_state())  # of dropout
        for _ in range(3):
            if samples:
                sample(sampler)
            ids = torch.arange(1, 9)[None]
            loss = policy(input_ids=ids, labels=ids).loss
            back_propagate(loss)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        return losses, policy

    losses, policy = train(samples=True)
    assert losses == train(samples=False)[0]
    assert policy.training
    assert not policy.get_base_model().model.norm.training
    assert policy.config._attn_implementation == "eager"
    assert policy.config.use_cache is not checkpointing


def test_a_failure_in_the_middle_leaves_the_model_as_it_was() -> None:
    policy = make_lora().train()
    sampler = TorchSampler(policy, [EOS])
    modules = [id(module) for module in policy.modules()]
    with pytest.raises(IndexError):
        sample(sampler, [[5, 6], [400]])
    assert policy.training
    assert [id(module) for module in policy.modules()] == modules


@pytest.mark.parametrize(
    "changes",
    [{"group_size": 0}, {"max_tokens": 0}, {"temperature": -1.0}, {"temperature": float("nan")}, {"seed": -1}],
)
def test_a_number_out_of_range_is_named(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(changes))):
        sample(TorchSampler(make_model(), [EOS]), **changes)


def test_an_empty_prompt_is_named_and_no_prompts_are_no_work() -> None:
    sampler = TorchSampler(make_model(), [EOS])
    with pytest.raises(DataError, match="prompt 1 has no tokens"):
        sample(sampler, [[3], []])
    assert sample(sampler, []) == []


def test_it_refuses_what_it_cannot_do() -> None:
    with pytest.raises(ConfigError, match="max_rows is 0"):
        TorchSampler(make_model(), [EOS], max_rows=0)
    config = MistralConfig(vocab_size=40, hidden_size=32, intermediate_size=64, num_hidden_layers=1, sliding_window=8)
    with pytest.raises(ConfigError, match="sliding"):
        TorchSampler(MistralForCausalLM(config), [EOS])
