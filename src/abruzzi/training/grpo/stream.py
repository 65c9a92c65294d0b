"""The order in which prompts are asked: every prompt once an epoch, each epoch shuffled anew, resumable by a number."""

import random
from collections.abc import Sequence

from abruzzi.errors import DataError
from abruzzi.training.grpo.rollouts import Prompt
from abruzzi.training.seeds import seed_of


class PromptStream:
    """An endless stream of prompts.

    Args:
        prompts: at least one.
        seed: of the order.
        position: prompts taken before, for a run that goes on.

    Raises:
        DataError: there are no prompts.
    """

    def __init__(self, prompts: Sequence[Prompt], *, seed: int, position: int = 0) -> None:
        if not prompts:
            raise DataError("there are no prompts to train on; look at data.sources and the filters")
        self._prompts = prompts
        self._seed = seed
        self._order: tuple[int, list[int]] = (-1, [])
        self.position = position

    def take(self, count: int) -> list[Prompt]:
        """Take the next prompts."""
        taken = [self._at(self.position + step) for step in range(count)]
        self.position += count
        return taken

    def _at(self, position: int) -> Prompt:
        epoch, place = divmod(position, len(self._prompts))
        if self._order[0] != epoch:
            order = list(range(len(self._prompts)))
            random.Random(seed_of(self._seed, "epoch", epoch)).shuffle(order)
            self._order = (epoch, order)
        return self._prompts[self._order[1][place]]
