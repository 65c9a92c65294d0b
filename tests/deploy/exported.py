"""What ``/metrics`` exports, with every label; and what a query of Prometheus asks for."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from abruzzi.ledger import Call, CallOutcome
from abruzzi.nouns import Answer, Candidate, DecidedBy, FinishReason, Judgement, Plan, PlanOutcome, Role, Usage
from abruzzi.reasoning.events import Answered, CallEnded, CandidateEnded, JudgementMade, PlanMade
from abruzzi.serving.metrics import Metrics
from abruzzi.serving.question_record import Status

USAGE = Usage(prompt_tokens=10, cached_tokens=4, completion_tokens=20, reasoning_tokens=8)


def make_metrics() -> Metrics:
    return Metrics(version="test", models=["abruzzi"])


def feed(metrics: Metrics) -> None:
    """Count one of everything, under every value that a label of a closed set has."""
    metrics.question_started("abruzzi")
    for status in Status:
        metrics.question_ended("abruzzi", status, 2.0)
    metrics.first_token("abruzzi", 0.3)
    for role in Role:
        for outcome in CallOutcome:
            call = Call(role, "m", outcome, 1, 1, USAGE, is_exact=True, started_s=0, ttft_s=0.5, seconds=1.0)
            metrics.hear(CallEnded(call))
    for plan in (Plan(outcome, "") for outcome in PlanOutcome):
        metrics.hear(PlanMade(plan))
    for reason in FinishReason:
        candidate = Candidate(0, "42", "", "42", reason, 0, 1.0)
        metrics.hear(CandidateEnded(candidate))
    for winner in (0, None):
        metrics.hear(JudgementMade(Judgement(0, 1, winner, ())))
    for decided_by in DecidedBy:
        metrics.hear(Answered(Answer("q", Plan(PlanOutcome.OFF, ""), (), (), "42", 0, decided_by, 1.0)))
    metrics.refused("server_overloaded")
    metrics.queue_changed(running=1, waiting=1)
    metrics.waited(0.1)
    metrics.headroom_waited(0.1)
    for outcome in ("ok", "cancelled", "error"):
        metrics.stored("end", outcome, 0.01)
    for outcome in ("passed", "redacted", "refused"):
        metrics.guarded("answer", outcome)
    for is_ok in (True, False):
        metrics.keys_reloaded(is_ok=is_ok)
    metrics.rates_failed()


Exported = Mapping[str, Mapping[str, set[str]]]
"""Name of each sample → label → its values."""


def read_exported(metrics: Metrics) -> Exported:
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for family in text_string_to_metric_families(metrics.render()[0].decode()):
        for sample in family.samples:
            labels = found[sample.name]
            for label, value in sample.labels.items():
                labels[label].add(value)
    return found


WORDS = frozenset({"by", "without", "or", "and", "unless", "offset", "on", "ignoring", "bool", "inf", "nan"})


@dataclass(frozen=True)
class Selector:
    """One metric of a query, and what its labels must be."""

    name: str
    matchers: tuple[tuple[str, str, str], ...]
    """Label, operator, value."""


@dataclass(frozen=True)
class Query:
    """What a query asks for. Covers as much of PromQL as deploy/ uses; promtool checks the grammar."""

    selectors: tuple[Selector, ...]
    grouped_by: frozenset[str]


def read_query(text: str) -> Query:
    grouped_by = {label.strip() for group in re.findall(r"\bby\s*\(([^)]*)\)", text) for label in group.split(",")}
    bare = re.sub(r"\bby\s*\([^)]*\)|\[[^\]]*\]", " ", text)
    selectors = [
        Selector(name, tuple(re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', matchers)))
        for name, matchers in re.findall(r"(?<![\w.$])([a-zA-Z_:][\w:]*)\b(?!\s*\()\s*(\{[^}]*\})?", bare)
        if name.lower() not in WORDS
    ]
    return Query(tuple(selectors), frozenset(grouped_by))


def explain(query: str, exported: Exported, foreign: frozenset[str]) -> list[str]:
    """Say what a query asks for that is not exported.

    Args:
        query: PromQL.
        exported: see ``read_exported``.
        foreign: metrics of others, which are not looked at.
    """
    read = read_query(query)
    problems: list[str] = []
    known = {"instance", "job"}
    for selector in read.selectors:
        if selector.name in foreign:
            continue
        labels = exported.get(selector.name)
        if labels is None:
            problems.append(f"no metric {selector.name}")
            continue
        known |= set(labels)
        problems += [
            f"{selector.name} has no label {label}"
            for label, _, _ in selector.matchers
            if label not in labels and label not in ("instance", "job")
        ]
    problems += [f"nothing has the label {label}" for label in sorted(read.grouped_by - known)]
    return problems
