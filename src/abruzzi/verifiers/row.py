"""What a verifier is given, and the shape every verifier has.

A row is one response with its ground truth, in the schema of the public Guru set (arXiv 2506.14965): ``data_source``
routes it to a domain, ``ground_truth`` has that domain's type, ``extra`` is the row's ``extra_info``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from abruzzi.nouns import Verdict


@dataclass(frozen=True, slots=True)
class Row:
    """One response to be verified."""

    id: str
    data_source: str
    """Routes the row to its domain, e.g. ``math__…``, ``codegen__…``, ``table__hitab``."""
    response: str
    """The whole reply of the model, thoughts included."""
    ground_truth: Any
    """What the domain needs: text, a JSON string of tests, a grid, a table of cells…"""
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Domain keys: ``prefix``, ``reward_metric``, ``instruction_id_list``, …"""


Verify = Callable[[Row], Verdict]
"""A domain's ``fixed`` verifier: total (never raises for anything a response holds), no time limit of its own beyond
what it documents; the pool enforces the wall limit from outside."""

Score = Callable[[Row], float]
"""A ``published`` reward function: returns what the public one returns and raises where that one raises."""

WriteGold = Callable[[Row], str]
"""Writes a reply that holds the row's own ground truth, for the self-check."""
