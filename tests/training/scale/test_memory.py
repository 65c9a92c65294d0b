from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.capacity.gpus import GPUS, Gpu
from abruzzi.capacity.shapes import SHAPES, ModelShape
from abruzzi.training.scale.memory import EngineMemory, engine_memory, layer_bytes_per_token, training_memory

SMALL = ModelShape(2, 8, 4, 2, 2, 16, 10, is_tied=False, has_qkv_bias=True)
"""608 parameters a layer, 80 in the head, 1,384 in all."""
LARGE = SHAPES["Qwen/Qwen2.5-32B"]


def test_memory_of_a_small_model_by_hand() -> None:
    memory = training_memory(SMALL, num_gpus=4, tokens=100, logit_tokens=50)
    assert memory.weights == 4 * 1384 / 4
    assert memory.gradients == 4 * 1384 / 4
    assert memory.optimiser == 8 * 1384 / 4
    # Weights of two layers and the head, gradients of one layer and the head, two bytes each.
    assert memory.gathered == 2 * (2 * 608 + 80) + 2 * (608 + 80)
    assert memory.checkpoints == 2 * 2 * 100 * 8
    # Per token 3 x 8 of norms and residual, 3 x (8 + 4) of attention, 7 x 16 of the MLP, two bytes each; 8 x 8 float32.
    assert layer_bytes_per_token(SMALL) == 2 * (24 + 36 + 112) + 64
    assert memory.working == 100 * 408
    assert memory.logits == 10 * 10 * 50
    assert memory.total == 1384 + 1384 + 2768 + 3968 + 3200 + 40800 + 5000


def test_a_tenth_of_the_memory_is_left_alone() -> None:
    memory = training_memory(SMALL, num_gpus=4, tokens=100, logit_tokens=50)
    gpu = Gpu("toy", memory.total / 0.9 + 1, 1.0, 1.0)
    assert memory.fits(gpu)
    assert not memory.fits(replace(gpu, memory_bytes=memory.total / 0.9 - 1))


def test_the_published_layout_needs_fused_kernels_and_ours_does_not() -> None:
    assert training_memory(LARGE, num_gpus=256, tokens=32768, logit_tokens=1024).fits(GPUS["h100"])
    assert not training_memory(LARGE, num_gpus=256, tokens=65536, logit_tokens=1024).fits(GPUS["h100"])


def test_whole_logits_of_a_pack_alone_would_take_half_the_memory() -> None:
    memory = training_memory(LARGE, num_gpus=256, tokens=32768, logit_tokens=32768)
    assert memory.logits == pytest.approx(49.8e9, rel=1e-3)
    assert not memory.fits(GPUS["h100"])


@given(st.integers(1, 1024), st.integers(1, 65536))
def test_more_gpus_never_need_more_and_more_tokens_never_less(num_gpus: int, tokens: int) -> None:
    memory = training_memory(LARGE, num_gpus=num_gpus, tokens=tokens, logit_tokens=tokens).total
    assert training_memory(LARGE, num_gpus=num_gpus + 1, tokens=tokens, logit_tokens=tokens).total < memory
    assert training_memory(LARGE, num_gpus=num_gpus, tokens=tokens + 1, logit_tokens=tokens).total > memory


def test_memory_of_an_engine_by_hand() -> None:
    gpu = Gpu("toy", 10_000.0, 1.0, 1.0)
    memory = engine_memory(SMALL, gpu, tensor_parallel=2, share=0.6, num_gpus=8, offload=False)
    assert memory == EngineMemory(weights=1384.0, cache=6000.0 - 1384.0, trainer=16 * 1384 / 8)
    assert memory.total == 6000 + 2768
    assert memory.fits(gpu)
    assert engine_memory(SMALL, gpu, tensor_parallel=2, share=0.6, num_gpus=8, offload=True).trainer == 0


def test_an_engine_without_room_does_not_fit() -> None:
    no_cache = engine_memory(LARGE, GPUS["h100"], tensor_parallel=1, share=0.7, num_gpus=128, offload=True)
    assert no_cache.cache < 0
    assert not no_cache.fits(GPUS["h100"])
    crowded = engine_memory(LARGE, GPUS["h100"], tensor_parallel=4, share=0.9, num_gpus=8, offload=False)
    assert crowded.total > GPUS["h100"].memory_bytes
    assert not crowded.fits(GPUS["h100"])
