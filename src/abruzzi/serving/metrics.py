"""Counts what the server does, for Prometheus. A registry of its own: two servers in one process never mix.

Every label takes its values from a small closed set: roles, outcomes, codes of ours, models that are offered. A key's
name, a question or whatever else a client chooses is no label; what is not in the set counts as ``other``. Seconds go
up to two hours, because questions do.

Names and labels are an interface: dashboards and alerts are built on them (deploy/).
"""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from abruzzi.ledger import Call
from abruzzi.reasoning.events import Answered, CallEnded, CandidateEnded, Event, JudgementMade, PlanMade
from abruzzi.serving.question_record import Status

OTHER = "other"
MAX_WORDS = 48
"""Different values that a label of our own words may take, before the rest count as ``other``."""

_TO_THE_END = (0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200)
_TO_THE_FIRST = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300)
_WAITS = (0.001, 0.01, 0.1, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120)
_MOMENTS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 20)


class Metrics:
    """All counts of one server.

    Args:
        version: of Abruzzi, for ``abruzzi_build_info``.
        models: the offered models; others count as ``other``.
    """

    def __init__(self, *, version: str, models: Iterable[str]) -> None:
        self._models = frozenset(models)
        self._words: dict[str, set[str]] = {}
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        build = Gauge("abruzzi_build_info", "Version of Abruzzi; always 1.", ["version"], registry=registry)
        build.labels(version).set(1)
        self._started = Counter("abruzzi_questions_started", "Questions that began.", ["model"], registry=registry)
        self._questions = Counter(
            "abruzzi_questions", "Questions that ended, by how.", ["model", "status"], registry=registry
        )
        self._running = Gauge("abruzzi_questions_running", "Questions being answered.", registry=registry)
        self._waiting = Gauge("abruzzi_questions_waiting", "Questions in the queue.", registry=registry)
        self._queue_wait = Histogram(
            "abruzzi_queue_wait_seconds", "From a question's entry to its turn.", registry=registry, buckets=_WAITS
        )
        self._first = Histogram(
            "abruzzi_first_token_seconds",
            "From a question's turn to the first piece that its client was sent, reasoning included.",
            ["model"],
            registry=registry,
            buckets=_TO_THE_FIRST,
        )
        self._seconds = Histogram(
            "abruzzi_question_seconds",
            "From a question's turn to its end; the wait before it is abruzzi_queue_wait_seconds.",
            ["model"],
            registry=registry,
            buckets=_TO_THE_END,
        )
        self._refusals = Counter("abruzzi_refusals", "Requests refused, by code.", ["code"], registry=registry)
        self._calls = Counter("abruzzi_upstream_calls", "Upstream calls.", ["role", "outcome"], registry=registry)
        self._call_seconds = Histogram(
            "abruzzi_upstream_call_seconds",
            "From an upstream call's request to its end.",
            ["role"],
            registry=registry,
            buckets=_TO_THE_END,
        )
        self._tokens = Counter(
            "abruzzi_upstream_tokens",
            "Tokens as the upstream counted them; cached ones are part of the prompt's, reasoning of the completion's.",
            ["role", "outcome", "kind"],
            registry=registry,
        )
        self._decisions = Counter(
            "abruzzi_decisions", "Answers, by what settled the question.", ["decided_by"], registry=registry
        )
        self._judgements = Counter(
            "abruzzi_judgements", "Comparisons of two candidates in both orders.", ["outcome"], registry=registry
        )
        self._plans = Counter("abruzzi_plans", "Planning calls, by what came of them.", ["outcome"], registry=registry)
        self._candidates = Counter(
            "abruzzi_candidates",
            "Candidates, by how they ended; cancelled ones were spared.",
            ["finish_reason"],
            registry=registry,
        )
        self._store = Histogram(
            "abruzzi_store_seconds",
            "Operations of the store.",
            ["operation", "outcome"],
            registry=registry,
            buckets=_MOMENTS,
        )
        self._guard = Counter("abruzzi_guard_checks", "Checks of the guard.", ["channel", "outcome"], registry=registry)
        self._reloads = Counter("abruzzi_key_reloads", "Readings of the file of keys.", ["outcome"], registry=registry)
        self._rate_faults = Counter(
            "abruzzi_rate_storage_faults",
            "Times that the shared storage of rates failed, and this server counted alone.",
            registry=registry,
        )
        self._headroom_wait = Histogram(
            "abruzzi_headroom_wait_seconds",
            "What upstream calls waited for the upstream's tokens-per-minute limit.",
            registry=registry,
            buckets=_WAITS,
        )

    def question_started(self, model: str) -> None:
        """Count a question that is about to be answered; ``question_ended`` follows for each, whatever happens."""
        self._started.labels(self._model(model)).inc()

    def first_token(self, model: str, seconds: float) -> None:
        """Count the time to the first piece that a client was sent."""
        self._first.labels(self._model(model)).observe(seconds)

    def question_ended(self, model: str, status: Status, seconds: float) -> None:
        """Count a question, however it ended."""
        self._questions.labels(self._model(model), status.value).inc()
        self._seconds.labels(self._model(model)).observe(seconds)

    def hear(self, event: Event) -> None:
        """Count what happened while a question was answered: a listener of the pipeline."""
        match event:
            case CallEnded(call):
                self.call_ended(call)
            case PlanMade(plan):
                self._plans.labels(plan.outcome.value).inc()
            case CandidateEnded(candidate):
                self._candidates.labels(candidate.finish_reason.value).inc()
            case JudgementMade(judgement):
                self._judgements.labels("undecided" if judgement.winner is None else "decided").inc()
            case Answered(answer):
                self._decisions.labels(answer.decided_by.value).inc()
            case _:
                pass

    def call_ended(self, call: Call) -> None:
        """Count an upstream call and its tokens; ``hear`` does it for those of the pipeline."""
        role, outcome, usage = call.role.value, call.outcome.value, call.usage
        self._calls.labels(role, outcome).inc()
        self._call_seconds.labels(role).observe(call.seconds)
        for kind, count in (
            ("prompt", usage.prompt_tokens),
            ("cached", usage.cached_tokens),
            ("completion", usage.completion_tokens),
            ("reasoning", usage.reasoning_tokens),
        ):
            self._tokens.labels(role, outcome, kind).inc(count)

    def refused(self, code: str | None) -> None:
        """Count a request that was not carried out."""
        self._refusals.labels(self._word("code", code or OTHER)).inc()

    def queue_changed(self, *, running: int, waiting: int) -> None:
        """Set how many questions run and wait."""
        self._running.set(running)
        self._waiting.set(waiting)

    def waited(self, seconds: float) -> None:
        """Count what a question waited for its turn."""
        self._queue_wait.observe(seconds)

    def headroom_waited(self, seconds: float) -> None:
        """Count what an upstream call waited for the upstream's limit."""
        self._headroom_wait.observe(seconds)

    def stored(self, operation: str, outcome: str, seconds: float) -> None:
        """Count an operation of the store.

        Args:
            operation: its name: ``begin``, ``append``, ``end``, …
            outcome: ``ok`` or what it failed of, in a word.
            seconds: it took.
        """
        self._store.labels(self._word("operation", operation), self._word("outcome", outcome)).observe(seconds)

    def guarded(self, channel: str, outcome: str) -> None:
        """Count a check of the guard.

        Args:
            channel: ``question``, ``answer`` or ``reasoning``.
            outcome: ``passed``, ``redacted`` or ``refused``.
        """
        self._guard.labels(self._word("channel", channel), self._word("verdict", outcome)).inc()

    def keys_reloaded(self, *, is_ok: bool) -> None:
        """Count a reading of the file of keys."""
        self._reloads.labels("ok" if is_ok else "broken").inc()

    def rates_failed(self) -> None:
        """Count a fault of the shared storage of rates."""
        self._rate_faults.inc()

    def render(self) -> tuple[bytes, str]:
        """Write everything as Prometheus reads it.

        Returns:
            The body, and its content type.
        """
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def _model(self, name: str) -> str:
        return name if name in self._models else OTHER

    def _word(self, label: str, word: str) -> str:
        """Let a label take no more than so many values, should a word ever come from outside."""
        known = self._words.setdefault(label, set())
        if word in known:
            return word
        if len(known) >= MAX_WORDS:
            return OTHER
        known.add(word)
        return word
