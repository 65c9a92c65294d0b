"""Figures that others measured or claim, for GPUs that we do not have, and what the model says of them.

Batch of one throughout. gpt-fast (README at commit 0f925b5): A100 80 GB at 330 W, prompts of 5 tokens, completions of
200. K2-Think (arXiv 2509.07604 and its model card): about 200 tokens a second on an H100 or H200, how many of them is
not said, and about 2,000 on a WSE-3; a reply of 32k tokens in 160 s and 16 s. Cerebras (its blog of 2024-08-27):
Llama 3.1 8B and 70B in 16 bits at the launch, before speculation.
"""

from dataclasses import dataclass
from typing import Literal

from abruzzi.capacity.machines import find_machine
from abruzzi.capacity.replica import Replica
from abruzzi.capacity.shapes import SHAPES
from abruzzi.capacity.speculation import decode

Use = Literal["fitted", "checked", "pinned"]


@dataclass(frozen=True, slots=True)
class Published:
    """A decoding speed."""

    source: str
    model: str
    machine: str
    tokens_per_second: float
    context_tokens: float
    """That a token attends to, on average."""
    use: Use
    """``fitted``: a constant of ours comes from it. ``pinned``: one was set to restate it. ``checked``: none."""
    weight_bits: float = 16.0

    @property
    def predicted(self) -> float:
        """Tokens a second by our model."""
        replica = Replica(SHAPES[self.model], find_machine(self.machine), weight_bits=self.weight_bits)
        return 1 / decode(replica, sequences=1, context_tokens=self.context_tokens).seconds_per_token

    @property
    def error(self) -> float:
        """Predicted ÷ published − 1."""
        return self.predicted / self.tokens_per_second - 1


_SMALL, _LARGE, _SOLVER = "meta-llama/Llama-2-7b-hf", "meta-llama/Llama-2-70b-hf", "Qwen/Qwen2.5-32B"
K2_TOKENS = 32_000
"""Of the reply whose seconds are claimed."""

PUBLISHED: tuple[Published, ...] = (
    Published("gpt-fast", _SMALL, "a100", 104.9, 105, "fitted"),
    Published("gpt-fast", _SMALL, "2xa100", 168.84, 105, "fitted"),
    Published("gpt-fast", _SMALL, "4xa100", 254.02, 105, "checked"),
    Published("gpt-fast", _SMALL, "8xa100", 328.43, 105, "checked"),
    Published("gpt-fast", _LARGE, "2xa100", 21.32, 105, "checked"),
    Published("gpt-fast", _LARGE, "4xa100", 38.01, 105, "checked"),
    Published("gpt-fast", _LARGE, "8xa100", 62.50, 105, "checked"),
    Published("K2-Think", _SOLVER, "8xh100", 200, K2_TOKENS / 2, "checked"),
    Published("K2-Think", _SOLVER, "8xh200", 200, K2_TOKENS / 2, "checked"),
    Published("K2-Think", _SOLVER, "2xwse3", 2000, K2_TOKENS / 2, "pinned"),
    Published("Cerebras", "meta-llama/Llama-3.1-8B", "wse3", 1800, 500, "checked"),
    Published("Cerebras", "meta-llama/Llama-3.1-70B", "4xwse3", 450, 500, "checked"),
)
