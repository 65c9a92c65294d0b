"""How a model is spread over cards: how many share each layer, how many replicas there are, what each has room for.

The rule: as few cards to a replica as hold all candidates of one question side by side to the end of their context, and
a replica on each such group of cards. Fewer cards to a replica mean less talk between cards and more replicas; all
candidates on one replica mean that their common prompt is computed and kept once. Where no split holds all of them, the
one that holds most is taken, and the candidates take turns.
"""

from dataclasses import dataclass, replace

from abruzzi.errors import ConfigError
from abruzzi.launch.budget import (
    MemoryBudget,
    eagle_bytes,
    kv_bytes,
    weight_bytes,
    workspace_bytes,
)
from abruzzi.launch.choices import KvCache, Weights
from abruzzi.launch.facts import GIB, Cards, ModelShape
from abruzzi.launch.speculation import OFF, Speculation, SpeculationKind

USABLE = 0.9
"""Share of a card's memory that is planned with: the rest is CUDA's context, the driver's and what fragments."""
MAX_SEQUENCES = 256
"""Most sequences of one step. Both engines have captured graphs up to about there; more of them wait in a queue."""
LARGE_CARD = 70 * 1e9
"""From here on an engine's steps are longer by default (vLLM 0.33: 70 GiB; SGLang 0.5.23: 60 GiB)."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a plan is asked for."""

    model: str
    shape: ModelShape
    cards: Cards
    context: int = 32768
    """Tokens of prompt and completion together."""
    n: int = 3
    """Candidates of one question."""
    weights: Weights = Weights.BF16
    kv_cache: KvCache = KvCache.AUTO
    speculation: Speculation = OFF
    draft_shape: ModelShape | None = None
    """Of a draft model."""
    tensor_parallel: int | None = None
    """Cards to a replica; None chooses."""

    @property
    def step_tokens(self) -> int:
        """Most tokens of one step: a longer prompt is computed in pieces of so many."""
        return 8192 if self.cards.memory_bytes >= LARGE_CARD else 2048


@dataclass(frozen=True, slots=True)
class Layout:
    """A model on its cards."""

    tensor_parallel: int
    """Cards that share each layer of a replica."""
    data_parallel: int
    """Replicas."""
    budget: MemoryBudget

    @property
    def max_sequences(self) -> int:
        """Sequences that a replica runs side by side."""
        return min(MAX_SEQUENCES, self.budget.sequences)


def choose_layout(wanted: Wanted) -> Layout:
    """Spread a model over its cards.

    Raises:
        ConfigError: no split of the layers holds a single sequence, or the one asked for is impossible.
    """
    splits = [wanted.tensor_parallel] if wanted.tensor_parallel else list_splits(wanted.shape, wanted.cards.count)
    if wanted.tensor_parallel:
        _check_split(wanted, wanted.tensor_parallel)
    budgets = {split: plan_memory(wanted, split) for split in splits}
    if not any(budget.sequences for budget in budgets.values()):
        raise _refuse(wanted, max(budgets), budgets[max(budgets)])
    whole = [split for split, budget in budgets.items() if budget.sequences >= wanted.n]
    split = min(whole) if whole else max(budgets, key=lambda split: budgets[split].sequences)
    return Layout(split, wanted.cards.count // split, budgets[split])


def why_split(wanted: Wanted, layout: Layout) -> str:
    """Say in a line why so many cards share each layer."""
    if wanted.tensor_parallel:
        return "as asked for"
    if layout.budget.sequences >= wanted.n:
        return f"the fewest cards that hold {wanted.n} whole sequences"
    return "the split that holds most sequences"


def list_splits(shape: ModelShape, num_cards: int) -> list[int]:
    """List the numbers of cards that can share each layer: whole heads, whole columns, whole replicas."""
    return [
        t
        for t in range(1, num_cards + 1)
        if num_cards % t == 0
        and shape.heads % t == 0
        and shape.intermediate % t == 0
        and (shape.kv_heads % t == 0 or t % shape.kv_heads == 0)
    ]


def plan_memory(wanted: Wanted, tensor_parallel: int) -> MemoryBudget:
    """Count what each card of a replica keeps."""
    shape, kind = wanted.shape, wanted.speculation.kind
    draft_weights, draft_kv = 0.0, 0.0
    if kind is SpeculationKind.EAGLE:
        draft_weights = eagle_bytes(shape, tensor_parallel)
        draft_kv = kv_bytes(replace(shape, layers=1), tensor_parallel, wanted.kv_cache)
    elif wanted.draft_shape is not None:
        draft_weights = weight_bytes(wanted.draft_shape, tensor_parallel, Weights.BF16)
        draft_kv = kv_bytes(wanted.draft_shape, tensor_parallel, wanted.kv_cache)
    return MemoryBudget(
        card=wanted.cards.memory_bytes,
        usable=USABLE * wanted.cards.memory_bytes,
        weights=weight_bytes(shape, tensor_parallel, wanted.weights),
        draft_weights=draft_weights,
        workspace=workspace_bytes(shape, tensor_parallel, step_tokens=wanted.step_tokens, sequences=MAX_SEQUENCES),
        kv_per_token=kv_bytes(shape, tensor_parallel, wanted.kv_cache) + draft_kv,
        tokens_per_sequence=wanted.context + wanted.speculation.num_draft_tokens,
    )


def _check_split(wanted: Wanted, split: int) -> None:
    possible = list_splits(wanted.shape, wanted.cards.count)
    if split not in possible:
        raise ConfigError(
            f"--tensor-parallel {split}: {wanted.model} on {wanted.cards.spec} can be shared by "
            f"{', '.join(map(str, possible))} cards; heads ({wanted.shape.heads}, {wanted.shape.kv_heads} of keys and "
            f"values), MLP width ({wanted.shape.intermediate}) and the cards must divide evenly"
        )


def _refuse(wanted: Wanted, split: int, budget: MemoryBudget) -> ConfigError:
    """Say what does not fit, by how much, and what would."""
    each = "the card" if split == 1 else f"each of {split} cards"
    fixed = budget.weights + budget.draft_weights
    need = budget.kv_per_token * budget.tokens_per_sequence
    if budget.kv <= 0:
        problem = f"weights take {fixed / GIB:.1f} GiB and a step {budget.workspace / GIB:.1f} GiB"
    else:
        problem = (
            f"weights and a step leave {budget.kv / GIB:.1f} GiB for keys and values, {budget.kv_tokens:,} tokens, "
            f"and one sequence of {wanted.context:,} takes {need / GIB:.1f} GiB"
        )
    return ConfigError(
        f"{wanted.model} in {wanted.weights} does not fit {wanted.cards.spec}: of the {budget.usable / GIB:.1f} GiB "
        f"that {each} may be filled with, {problem}. {_advise(wanted, budget)}"
    )


def _advise(wanted: Wanted, budget: MemoryBudget) -> str:
    """List what makes it fit, each checked by the same count."""
    ways: list[str] = []
    if budget.kv_tokens > wanted.speculation.num_draft_tokens:
        ways.append(f"--context {budget.kv_tokens - wanted.speculation.num_draft_tokens}")
    for count in (1, 2, 4, 8, 16):
        more = replace(wanted, cards=replace(wanted.cards, count=count), tensor_parallel=None)
        if count > wanted.cards.count and _fits(more):
            ways.append(f"--hardware {more.cards.spec}")
            break
    if wanted.weights is not Weights.FP8 and _fits(replace(wanted, weights=Weights.FP8)):
        ways.append("--weights fp8")
    if wanted.kv_cache is not KvCache.FP8 and _fits(replace(wanted, kv_cache=KvCache.FP8)):
        ways.append("--kv-cache fp8")
    if not ways:
        return "Take a smaller model or cards with more memory"
    return f"What fits by the same count: {', or '.join(ways)}"


def _fits(wanted: Wanted) -> bool:
    splits = [wanted.tensor_parallel] if wanted.tensor_parallel else list_splits(wanted.shape, wanted.cards.count)
    return any(plan_memory(wanted, split).sequences for split in splits)
