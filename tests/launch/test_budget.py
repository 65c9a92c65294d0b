import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.launch.budget import (
    GRAPH_BYTES,
    MemoryBudget,
    eagle_bytes,
    kv_bytes,
    kv_heads_per_card,
    weight_bytes,
    workspace_bytes,
)
from abruzzi.launch.choices import KvCache, Weights
from tests.launch.small import LARGE, SMALL


def test_weights_of_a_small_model_by_hand() -> None:
    assert weight_bytes(SMALL, 1, Weights.BF16) == 2 * 1384
    assert weight_bytes(SMALL, 2, Weights.BF16) == 1384
    assert weight_bytes(SMALL, 1, Weights.FP8) == 1384
    # Two heads of keys on four cards: each card has one, half of which another one has too. Of each of 2 layers,
    # keys and values of 8 x 2 numbers, half of them extra.
    assert weight_bytes(SMALL, 4, Weights.BF16) == 2 * (1384 / 4 + 2 * 2 * 8 * 2 * 0.5)


def test_keys_and_values_of_a_small_model_by_hand() -> None:
    assert kv_bytes(SMALL, 1, KvCache.AUTO) == 2 * 2 * 4 * 2
    assert kv_bytes(SMALL, 2, KvCache.AUTO) == 16
    assert kv_bytes(SMALL, 4, KvCache.AUTO) == 16, "a head is not cut in two"
    assert kv_bytes(SMALL, 2, KvCache.FP8) == 8
    assert [kv_heads_per_card(LARGE, t) for t in (1, 2, 8, 40)] == [8, 4, 1, 1]


def test_keys_and_values_agree_with_the_shapes_own_count() -> None:
    assert kv_bytes(LARGE, 1, KvCache.AUTO) == LARGE.kv_bytes_per_token == 262_144


def test_workspace_of_a_small_model_by_hand() -> None:
    # Two bytes of 4 x 8 and of (2 x 8 + 2 x 4 + 3 x 16) / 2 for each of 100 tokens; 8 bytes of 10 logits of 3 rows / 2.
    found = workspace_bytes(SMALL, 2, step_tokens=100, sequences=3)
    assert found - GRAPH_BYTES == pytest.approx(2 * 100 * (32 + 36) + 8 * 10 * 3 / 2)


def test_an_eagle_head_of_a_small_model_by_hand() -> None:
    # 608 of a layer, 8 x (8 + 2 x 4) more in its attention, 3 x 64 that join three states, 80 of the head.
    assert eagle_bytes(SMALL, 1) == 2 * (608 + 128 + 192 + 80)
    assert eagle_bytes(SMALL, 2) == 608 + 128 + 192 + 80


def test_what_is_left_becomes_tokens_and_sequences() -> None:
    budget = MemoryBudget(1000.0, 900.0, 500.0, 50.0, 100.0, kv_per_token=2.0, tokens_per_sequence=30)
    assert budget.kv == 250
    assert budget.kv_tokens == 125
    assert budget.sequences == 4


def test_where_nothing_is_left_there_is_room_for_nothing() -> None:
    budget = MemoryBudget(1000.0, 900.0, 900.0, 0.0, 100.0, kv_per_token=2.0, tokens_per_sequence=30)
    assert budget.kv == -100
    assert (budget.kv_tokens, budget.sequences) == (0, 0)


@given(st.sampled_from([1, 2, 4, 8]))
def test_the_cards_of_a_replica_hold_at_least_the_whole_model(cards: int) -> None:
    assert cards * weight_bytes(LARGE, cards, Weights.BF16) >= 2 * LARGE.num_parameters
    assert cards * kv_bytes(LARGE, cards, KvCache.AUTO) >= LARGE.kv_bytes_per_token
