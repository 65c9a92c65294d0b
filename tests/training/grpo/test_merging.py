"""Adapters merged for a while against the same adapters computed beside the weights."""

from typing import Any

import pytest
import torch
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor

from abruzzi.training.grpo.merging import lora_merged
from tests.training.small import add_adapter, make_llama, make_qwen

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # PEFT reads it

IDS = torch.arange(2, 30)[None]


@torch.no_grad()
def logits(policy: Any) -> Tensor:
    return policy(input_ids=IDS).logits


def adapted(policy: Any) -> list[int]:
    return [id(module) for module in policy.modules() if isinstance(module, LoraLinear)]


@pytest.mark.parametrize(
    "settings", [{}, {"use_rslora": True}, {"target_modules": ["q_proj", "down_proj"]}, {"lora_alpha": 64}]
)
def test_a_merged_model_says_the_same_with_no_adapter_left(settings: dict[str, Any]) -> None:
    policy = add_adapter(make_qwen(), **settings)
    wanted, layers = logits(policy), adapted(policy)
    before = {name: (id(weight), weight.clone()) for name, weight in policy.named_parameters()}
    with lora_merged(policy.get_base_model()):
        assert adapted(policy) == []
        assert torch.allclose(logits(policy), wanted, atol=1e-4)
    assert adapted(policy) == layers
    after = dict(policy.named_parameters())
    assert list(after) == list(before)
    assert all(id(after[name]) == number and torch.equal(after[name], old) for name, (number, old) in before.items())
    assert torch.equal(logits(policy), wanted)


@pytest.mark.parametrize("settings", [{"use_dora": True}, {"lora_bias": True}])
def test_a_layer_that_is_no_plain_lora_goes_on_computing_itself(settings: dict[str, Any]) -> None:
    policy = add_adapter(make_qwen(), target_modules=["q_proj", "v_proj"], **settings)  # with biases
    wanted, layers = logits(policy), adapted(policy)
    with lora_merged(policy.get_base_model()):
        assert adapted(policy) == layers
        assert torch.equal(logits(policy), wanted)


def test_only_the_active_adapters_are_merged_and_none_where_they_are_off() -> None:
    policy = add_adapter(make_llama(is_tied=False))
    plain = logits(policy)
    policy.add_adapter("other", policy.peft_config["default"])
    for name, weight in policy.named_parameters():
        if "lora_B.other" in name:
            torch.nn.init.normal_(weight, std=0.1)
    with lora_merged(policy.get_base_model()):
        assert torch.allclose(logits(policy), plain, atol=1e-4)
    policy.set_adapter("other")
    other = logits(policy)
    assert not torch.allclose(other, plain, atol=1e-2)
    with lora_merged(policy.get_base_model()):
        assert torch.allclose(logits(policy), other, atol=1e-4)
    with policy.disable_adapter(), lora_merged(policy.get_base_model()):
        assert torch.equal(logits(policy), logits(policy.get_base_model()))


def test_the_layers_come_back_after_a_failure() -> None:
    policy = add_adapter(make_llama(is_tied=True))
    layers = adapted(policy)
    with pytest.raises(RuntimeError, match="midway"), lora_merged(policy.get_base_model()):
        raise RuntimeError("midway")
    assert adapted(policy) == layers


def test_a_model_without_adapters_stays_as_it_is() -> None:
    model = make_llama(is_tied=True)
    modules = [id(module) for module in model.modules()]
    with lora_merged(model):
        assert [id(module) for module in model.modules()] == modules
