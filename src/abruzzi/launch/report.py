"""A launch plan as people read it and as programs do."""

from collections.abc import Mapping, Sequence
from typing import Any

from abruzzi.launch.facts import GIB
from abruzzi.launch.layout import USABLE
from abruzzi.launch.plan import LaunchPlan

_WIDE = 24
"""Characters of a value that the table makes room for."""


def describe_plan(plan: LaunchPlan) -> str:
    """Write a plan as text: the layout, the memory, each setting with its reason, the command."""
    wanted, layout = plan.wanted, plan.layout
    replicas = f"{layout.data_parallel} replica{'s' if layout.data_parallel > 1 else ''}"
    cards = f"{layout.tensor_parallel} card{'s' if layout.tensor_parallel > 1 else ''}"
    parts = [
        f"{wanted.model} on {wanted.cards.spec}, {plan.engine} {plan.version}: {replicas} of {cards}",
        "\n".join(_memory_lines(plan)),
        "\n".join(_columns([(s.name, s.text or "on", s.reason) for s in plan.settings])),
        plan.shell,
    ]
    if plan.notes:
        parts.append("\n".join(f"note: {note}" for note in plan.notes))
    return "\n\n".join(parts)


def plan_to_json(plan: LaunchPlan) -> dict[str, Any]:
    """Write a plan as plain data; memory in bytes on each card."""
    wanted, layout, budget = plan.wanted, plan.layout, plan.layout.budget
    return {
        "engine": plan.engine.value,
        "engine_version": plan.version,
        "model": wanted.model,
        "hardware": wanted.cards.spec,
        "context_tokens": wanted.context,
        "n": wanted.n,
        "tensor_parallel": layout.tensor_parallel,
        "data_parallel": layout.data_parallel,
        "memory": {
            "card_bytes": budget.card,
            "usable_bytes": budget.usable,
            "weights_bytes": budget.weights,
            "draft_weights_bytes": budget.draft_weights,
            "workspace_bytes": budget.workspace,
            "kv_bytes": budget.kv,
            "kv_bytes_per_token": budget.kv_per_token,
            "kv_tokens": budget.kv_tokens,
            "sequences": budget.sequences,
        },
        "command": list(plan.command),
        "settings": {s.name: dict(s.value) if isinstance(s.value, Mapping) else s.value for s in plan.settings},
        "reasons": {s.name: s.reason for s in plan.settings},
        "notes": list(plan.notes),
    }


def _memory_lines(plan: LaunchPlan) -> list[str]:
    wanted, layout, budget = plan.wanted, plan.layout, plan.layout.budget
    draft = wanted.speculation.kind
    rows = [
        ("memory of each card", budget.card, ""),
        ("planned with", budget.usable, f"{USABLE:.0%} of it"),
        ("weights", budget.weights, f"{wanted.weights}, a share of {layout.tensor_parallel}"),
        *([(f"{draft}'s weights", budget.draft_weights, "bf16")] if budget.draft_weights else []),
        ("workspace", budget.workspace, f"estimated, for steps of {wanted.step_tokens:,} tokens"),
        ("keys and values", budget.kv, f"{budget.kv_tokens:,} tokens of {budget.kv_per_token / 1024:.1f} KiB"),
    ]
    lines = _columns([(name, f"{number / GIB:6.1f} GiB", note) for name, number, note in rows])
    together = layout.data_parallel * (layout.max_sequences // wanted.n)
    return [
        *lines,
        f"{layout.max_sequences} sequences of {wanted.context:,} tokens side by side on each replica, "
        f"{layout.max_sequences * layout.data_parallel} in all: {together} questions with {wanted.n} candidates",
    ]


def _columns(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    """Set three columns; what is too wide for the second pushes the third to a line of its own."""
    first = max(len(name) for name, _, _ in rows)
    second = max((len(value) for _, value, _ in rows if len(value) <= _WIDE), default=0)
    lines: list[str] = []
    for name, value, note in rows:
        gap = "\n" + " " * (first + second + 4) if len(value) > _WIDE else "  "
        lines.append(f"{name:<{first}}  {value:<{second}}{gap}{note}".rstrip())
    return lines
