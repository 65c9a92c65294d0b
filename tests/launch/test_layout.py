import pytest

from abruzzi.capacity.shapes import SHAPES
from abruzzi.errors import ConfigError
from abruzzi.launch.choices import KvCache, Weights
from abruzzi.launch.facts import GIB
from abruzzi.launch.layout import MAX_SEQUENCES, Layout, choose_layout, list_splits, plan_memory
from abruzzi.launch.speculation import Speculation, SpeculationKind
from tests.launch.small import LARGE, SMALL, want


def test_splits_divide_heads_columns_and_cards() -> None:
    assert list_splits(LARGE, 8) == [1, 2, 4, 8]
    # 40 heads and 8 of keys: five cards share neither all heads of keys nor repeat them evenly.
    assert list_splits(LARGE, 10) == [1, 2]
    # 28 heads, 4 of keys: 8 cards cannot share 28 heads.
    assert list_splits(SHAPES["Qwen/Qwen2.5-7B"], 8) == [1, 2, 4]
    assert list_splits(SMALL, 4) == [1, 2, 4]


def test_a_replica_takes_the_fewest_cards_that_hold_a_question() -> None:
    one = choose_layout(want(count=8, n=1, context=8192))
    assert (one.tensor_parallel, one.data_parallel) == (1, 8)
    three = choose_layout(want(count=8, n=3))
    assert (three.tensor_parallel, three.data_parallel) == (2, 4)
    many = choose_layout(want(count=8, n=16))
    assert (many.tensor_parallel, many.data_parallel) == (4, 2)
    for layout, n in ((one, 1), (three, 3), (many, 16)):
        assert layout.budget.sequences >= n
        assert layout.tensor_parallel == 1 or plan_memory(want(n=n), layout.tensor_parallel // 2).sequences < n


def test_where_no_replica_holds_a_question_the_roomiest_is_taken() -> None:
    layout = choose_layout(want(count=2, n=64))
    assert layout.tensor_parallel == 2
    assert 1 <= layout.budget.sequences < 64


def test_a_split_that_is_asked_for_is_kept() -> None:
    assert choose_layout(want(count=8, tensor_parallel=8)).tensor_parallel == 8
    with pytest.raises(ConfigError, match="can be shared by 1, 2, 4, 8 cards"):
        choose_layout(want(count=8, tensor_parallel=3))


def test_a_32b_model_does_not_fit_24_gib_and_the_figure_is_told() -> None:
    wanted = want("24GiB", memory_bytes=24 * GIB)
    # 32,763,876,352 parameters of two bytes each.
    assert plan_memory(wanted, 1).weights == 65_527_752_704
    with pytest.raises(ConfigError) as caught:
        choose_layout(wanted)
    message = str(caught.value)
    assert "does not fit 24GiB" in message
    assert "of the 21.6 GiB" in message
    assert "weights take 61.0 GiB" in message
    assert "--hardware 4x24GiB" in message


@pytest.mark.parametrize(
    ("advised", "changes"),
    [
        ("--context 12173", {"context": 12173}),
        ("--weights fp8", {"weights": Weights.FP8}),
        ("--hardware 2xh100", {"count": 2}),
    ],
)
def test_what_a_refusal_advises_does_fit(advised: str, changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"leave 3\.0 GiB for keys and values, 12,173 tokens") as caught:
        choose_layout(want())
    assert advised in str(caught.value)
    assert choose_layout(want(**changes)).budget.sequences >= 1  # pyright: ignore[reportArgumentType]


def test_one_token_more_than_advised_does_not_fit() -> None:
    with pytest.raises(ConfigError):
        choose_layout(want(context=12174))


def test_a_model_that_fits_nothing_is_refused_without_false_hope() -> None:
    with pytest.raises(ConfigError, match="Take a smaller model or cards with more memory"):
        choose_layout(want("2GiB", memory_bytes=2 * GIB))


def test_a_smaller_cache_holds_twice_the_tokens() -> None:
    plain, halved = (plan_memory(want(kv_cache=cache), 2) for cache in (KvCache.AUTO, KvCache.FP8))
    assert halved.kv_tokens == pytest.approx(2 * plain.kv_tokens, abs=1)


def test_a_draft_model_takes_its_weights_and_its_cache() -> None:
    small = SHAPES["Qwen/Qwen2.5-1.5B"]
    speculation = Speculation(SpeculationKind.DRAFT, "Qwen/Qwen2.5-1.5B")
    plain, drafting = (plan_memory(w, 2) for w in (want(), want(speculation=speculation, draft_shape=small)))
    assert drafting.draft_weights == small.num_parameters
    # Two heads of keys on two cards: 28 layers, keys and values, one head of 128, two bytes.
    assert drafting.kv_per_token - plain.kv_per_token == 2 * 28 * 128 * 2
    assert drafting.tokens_per_sequence == plain.tokens_per_sequence + 3
    assert drafting.sequences < plain.sequences


def test_an_eagle_head_takes_one_layers_cache() -> None:
    speculation = Speculation(SpeculationKind.EAGLE, "head")
    plain, drafting = (plan_memory(w, 2) for w in (want(), want(speculation=speculation)))
    assert drafting.kv_per_token == pytest.approx(plain.kv_per_token * 65 / 64)
    assert drafting.draft_weights > 0


def test_more_sequences_than_a_step_takes_are_not_planned() -> None:
    layout: Layout = choose_layout(want(count=8, context=128, tensor_parallel=2))
    assert layout.budget.sequences > MAX_SEQUENCES
    assert layout.max_sequences == MAX_SEQUENCES
