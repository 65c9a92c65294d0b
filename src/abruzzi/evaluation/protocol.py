"""A protocol: everything a score depends on, stored beside it, and what keeps two scores out of one table.

Two scores stand side by side when they were made on the same items, in as many runs, with the same sampling, limits,
prompts and verifiers. What may differ is what is being compared: the system's parts and its models. Everything else
that differs is named by ``differences``; a table refuses such a pair, or marks it when the reader asks for it all the
same.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from abruzzi.reasoning.settings import AskSettings


class ModelIdentity(BaseModel):
    """Which model played a part, closely enough to fetch it again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: str
    """As it was named on the command line; holds no key."""
    name: str
    """What the endpoint or the engine calls it."""
    sha256: str | None = None
    """Of the weights file; None where an endpoint does not show its weights."""


class BenchmarkIdentity(BaseModel):
    """Which items were asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    revision: str
    """Of the data set; a file's own name where it is a person's own."""
    num_items: int
    items_sha256: str
    """Of questions and ground truths: the same exactly when the items are."""


class Protocol(BaseModel):
    """Everything a score depends on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    """Of Abruzzi; its verifiers go with it."""
    benchmark: BenchmarkIdentity
    system: str
    """The system's name: ``single``, ``plan``, ``bo3``, ``full`` or a person's own."""
    ask: AskSettings
    """Every setting of the pipeline; the seed is that of the whole evaluation."""
    models: Mapping[str, ModelIdentity]
    """Role → who played it: ``solver``, ``planner``, ``judge``; only roles that the system has."""
    prompts: Mapping[str, str]
    """Prompt → hash of its words."""
    runs: int
    """Samples per item."""

    @property
    def label(self) -> str:
        """Names the row in a table: the system, and the solver's name."""
        return f"{self.system} ({self.models['solver'].name})"


_SAMPLING = (
    *("preset", "temperature", "top_p", "top_k", "min_p", "max_tokens", "plan_tokens", "judge_tokens", "stop"),
    "token_budget",
)
"""Settings of the pipeline that must be equal; the others switch parts on and off, which is what is compared, or say
how long to wait."""


def differences(first: Protocol, second: Protocol) -> list[str]:
    """Name what keeps two scores of one benchmark out of one table, a phrase each; empty when nothing does."""
    found: list[str] = []

    def compare(name: str, one: Any, other: Any) -> None:
        if one != other:
            found.append(f"{name}: {one} against {other}")

    compare("version", first.version, second.version)
    compare("benchmark", first.benchmark.name, second.benchmark.name)
    if first.benchmark.items_sha256 != second.benchmark.items_sha256:
        found.append(f"items: {_describe(first.benchmark)} against {_describe(second.benchmark)}")
    compare("runs", first.runs, second.runs)
    for name in _SAMPLING:
        compare(name, getattr(first.ask, name), getattr(second.ask, name))
    for name in sorted(first.prompts.keys() & second.prompts.keys()):
        compare(f"prompt {name}", first.prompts[name], second.prompts[name])
    return found


def _describe(benchmark: BenchmarkIdentity) -> str:
    return f"{benchmark.num_items} of revision {benchmark.revision} ({benchmark.items_sha256[:12]})"
