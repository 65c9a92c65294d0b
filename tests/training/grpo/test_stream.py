"""The order of asking: each prompt once an epoch, another order each epoch, resumable by its position."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.data.items import Item
from abruzzi.errors import DataError
from abruzzi.training.grpo.rollouts import Prompt
from abruzzi.training.grpo.stream import PromptStream

PROMPTS = [Prompt(Item(str(n), str(n), n, "math__own"), (n,)) for n in range(20)]


def ids(prompts: list[Prompt]) -> list[str]:
    return [prompt.item.id for prompt in prompts]


def test_each_prompt_is_asked_once_an_epoch() -> None:
    stream = PromptStream(PROMPTS, seed=1)
    epochs = [ids(stream.take(20)) for _ in range(3)]
    assert all(sorted(epoch) == sorted(ids(PROMPTS)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3, "each epoch is shuffled anew"
    assert tuple(epochs[0]) != tuple(ids(PROMPTS))
    assert stream.position == 60


def test_the_order_is_the_seeds() -> None:
    assert PromptStream(PROMPTS, seed=1).take(30) == PromptStream(PROMPTS, seed=1).take(30)
    assert PromptStream(PROMPTS, seed=1).take(30) != PromptStream(PROMPTS, seed=2).take(30)


@given(st.lists(st.integers(0, 50), max_size=6), st.integers(0, 100))
def test_a_stream_goes_on_where_another_stopped(counts: list[int], position: int) -> None:
    whole = PromptStream(PROMPTS, seed=3).take(position + sum(counts))[position:]
    stream = PromptStream(PROMPTS, seed=3, position=position)
    taken: list[Prompt] = []
    for count in counts:
        taken += stream.take(count)
        stream = PromptStream(PROMPTS, seed=3, position=stream.position)
    assert ids(taken) == ids(whole)


def test_one_prompt_is_enough_and_none_is_not() -> None:
    assert ids(PromptStream(PROMPTS[:1], seed=1).take(3)) == ["0", "0", "0"]
    with pytest.raises(DataError, match="no prompts to train on"):
        PromptStream([], seed=1)
