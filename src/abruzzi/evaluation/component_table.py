"""The component table: what each part of the pipeline adds, at its own price and at an equal one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from abruzzi.statistics.estimate import Estimate

Section = Literal["components", "selection", "placebo", "equal budget"]
"""``components``: the paper's rows (base, + plan, + best-of-N, + both). ``selection``: other ways to choose among the
same candidates, the oracle included. ``placebo``: plans without content. ``equal budget``: the full system's tokens
spent on something plain."""


@dataclass(frozen=True, slots=True)
class ComponentRow:
    """One variant of the system on one benchmark, or over all (``benchmark`` is then ``micro`` or ``macro``)."""

    section: Section
    benchmark: str
    label: str
    """As in the table's first column, e.g. ``+ plan + best-of-3 (judge)``."""
    plan: str
    """Arm: ``none``, ``plan``, ``shuffled``, ``filler``, ``long``."""
    n: int
    """Candidates per answer."""
    selection: str
    """``single``, ``judge``, ``majority``, ``likelihood``, ``oracle``."""
    accuracy: Estimate
    difference: Estimate | None
    """Paired by question, to the base row of the benchmark; None for the base itself."""
    gap_recovered: Estimate | None
    """Of the gap between pass@1 and the oracle over the same candidates; None where there is no gap."""
    completion_tokens: float | None
    """Per question, planner, all candidates and judge."""
    prompt_tokens: float | None
    num_items: int
    num_runs: int
    """Answers per question that the accuracy rests on; of the question with the fewest."""
    note: str = ""
    """What a reader must know: fewer runs than the others, a capped budget, plans that leaked."""

    @property
    def helps(self) -> bool | None:
        """True or False when the difference's interval excludes zero; None when it does not, or for the base."""
        if self.difference is None or not self.difference.excludes_zero:
            return None
        return self.difference.value > 0


@dataclass(frozen=True, slots=True)
class ComponentTable:
    """All rows of an ablation with what they were made under."""

    rows: tuple[ComponentRow, ...]
    facts: Mapping[str, str]
    """Name → value: model, weights, settings, prompts, command, machine, date, as they stand above the table."""
    curves: Mapping[str, Mapping[int, Estimate]]
    """``benchmark/arm`` → k → unbiased pass@k."""
    lengths: Mapping[str, tuple[int, ...]]
    """``benchmark/arm`` → generated tokens of each candidate."""
