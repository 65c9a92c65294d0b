"""Traces of questions, in OpenTelemetry's GenAI conventions: a root span a question, a span an upstream call.

The root carries the decision: what settled the question, how many candidates and clusters, what the plan came to. Each
call's span carries its role, its tokens and how it ended. Spans are made from the pipeline's events, so nothing else of
Abruzzi knows of tracing. The caller's W3C ``traceparent`` is taken up: our root is a child of its span.

No question, plan or answer stands in a span unless ``content`` says so; names of models and words of ours are all there
is. Errors are told by type alone, because a message may quote what was asked.
"""

import json
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from abruzzi.ledger import Call, CallOutcome
from abruzzi.nouns import Answer, Usage
from abruzzi.reasoning.events import Answered, CallEnded, Event, Failed, Listen, PlanMade, Settled
from abruzzi.serving.settings import TraceSettings

# Names of the GenAI conventions, https://github.com/open-telemetry/semantic-conventions-genai, release v0.1.0. They are
# written out here because the package that holds them marks its own as moved.
OPERATION = "gen_ai.operation.name"
AGENT = "gen_ai.agent.name"
"""The name of what a workflow's span runs; v0.1.0 put it in place of ``gen_ai.workflow.name``."""
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
CHOICE_COUNT = "gen_ai.request.choice.count"
RESPONSE_ID = "gen_ai.response.id"
FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
"""Seconds."""
INPUT_TOKENS = "gen_ai.usage.input_tokens"
CACHED_TOKENS = "gen_ai.usage.cache_read.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
CHAT, INVOKE_WORKFLOW = "chat", "invoke_workflow"

# https://opentelemetry.io/docs/specs/semconv/registry/attributes/error/
ERROR_TYPE = "error.type"

# Ours.
ROLE = "abruzzi.role"
ATTEMPT = "abruzzi.attempt"
OUTCOME = "abruzzi.outcome"
IS_EXACT = "abruzzi.usage.is_exact"
DECIDED_BY = "abruzzi.decided_by"
CHOSEN = "abruzzi.chosen"
NUM_CANDIDATES = "abruzzi.candidates.count"
NUM_COMPLETE = "abruzzi.candidates.complete"
NUM_CLUSTERS = "abruzzi.clusters.count"
NUM_CANCELLED = "abruzzi.candidates.cancelled"
NUM_JUDGEMENTS = "abruzzi.judgements.count"
NUM_CALLS = "abruzzi.calls.count"
PLAN_OUTCOME = "abruzzi.plan.outcome"
PLAN_LEAKED = "abruzzi.plan.leaked"

PROVIDER_OURS = "abruzzi"
PROVIDER_UPSTREAM = "openai"
"""The conventions' word for an upstream that speaks OpenAI's protocol, whoever runs it."""
_NS = 1_000_000_000


class Traces:
    """Makes the spans of questions.

    Args:
        provider: of the SDK; whoever made it shuts it down with ``close``.
        has_content: write questions and answers into the spans.
        now_ns: Unix time, nanoseconds.
    """

    def __init__(
        self, provider: TracerProvider, *, has_content: bool = False, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("abruzzi")
        self._propagator = TraceContextTextMapPropagator()
        self._has_content = has_content
        self._now_ns = now_ns

    @contextmanager
    def question(
        self,
        *,
        id: str,  # noqa: A002 - the field of the record
        model: str,
        headers: Mapping[str, str],
        messages: Sequence[Mapping[str, Any]] = (),
    ) -> Generator[Listen]:
        """Trace one question for the length of the block.

        Args:
            id: as the client sees it.
            model: the offered model that was asked.
            headers: of the request, names in lower case; ``traceparent`` and ``tracestate`` are read.
            messages: of the request; written only where content is wanted.

        Yields:
            A listener for the pipeline's events.
        """
        root = self._tracer.start_span(
            f"{INVOKE_WORKFLOW} {model}",
            context=self._propagator.extract(headers, Context()),
            kind=SpanKind.SERVER,
            attributes={
                OPERATION: INVOKE_WORKFLOW,
                AGENT: model,
                PROVIDER: PROVIDER_OURS,
                REQUEST_MODEL: model,
                RESPONSE_ID: id,
            },
            start_time=self._now_ns(),
        )
        if self._has_content and messages:
            root.set_attribute(INPUT_MESSAGES, _write_messages(messages))
        listener = _Listener(root, self._tracer, self._has_content, self._now_ns)
        try:
            yield listener.hear
        except BaseException as error:
            # Cancelled ones too: the client has left.
            _fail(root, type(error).__name__)
            raise
        finally:
            listener.sum_up()
            root.end(self._now_ns())

    def close(self) -> None:
        """Send what is left, and stop; may take seconds."""
        self._provider.shutdown()


class _Listener:
    """Turns the events of one question into spans and attributes."""

    def __init__(self, root: Span, tracer: Tracer, has_content: bool, now_ns: Callable[[], int]) -> None:
        self._root = root
        self._tracer = tracer
        self._has_content = has_content
        self._now_ns = now_ns
        self._num_calls = 0
        self._prompt_tokens = self._completion_tokens = 0

    def hear(self, event: Event) -> None:
        match event:
            case CallEnded(call):
                self._add_call(call)
            case PlanMade(plan):
                self._root.set_attribute(PLAN_OUTCOME, plan.outcome.value)
            case Settled():
                self._root.set_attribute(NUM_CANCELLED, event.num_cancelled)
            case Answered(answer):
                self._decide(answer)
            case Failed(kind):
                _fail(self._root, kind)
            case _:
                pass

    def sum_up(self) -> None:
        """Write the bill on the root."""
        self._root.set_attributes(
            {
                NUM_CALLS: self._num_calls,
                INPUT_TOKENS: self._prompt_tokens,
                OUTPUT_TOKENS: self._completion_tokens,
            }
        )

    def _add_call(self, call: Call) -> None:
        """Make the span of a call that has just ended."""
        self._num_calls += 1
        self._prompt_tokens += call.usage.prompt_tokens
        self._completion_tokens += call.usage.completion_tokens
        end = self._now_ns()
        span = self._tracer.start_span(
            f"{CHAT} {call.model}",
            context=set_span_in_context(self._root, Context()),
            kind=SpanKind.CLIENT,
            attributes={
                OPERATION: CHAT,
                PROVIDER: PROVIDER_UPSTREAM,
                REQUEST_MODEL: call.model,
                CHOICE_COUNT: call.num_choices,
                ROLE: call.role.value,
                ATTEMPT: call.attempt,
                OUTCOME: call.outcome.value,
                IS_EXACT: call.is_exact,
                **_write_usage(call.usage),
            },
            start_time=end - round(call.seconds * _NS),
        )
        if call.ttft_s is not None:
            span.set_attribute(FIRST_CHUNK, call.ttft_s)
        if call.outcome in (CallOutcome.ERROR, CallOutcome.TIMEOUT):
            _fail(span, call.outcome.value)
        span.end(end)

    def _decide(self, answer: Answer) -> None:
        clusters = {c.cluster for c in answer.candidates if c.cluster is not None}
        self._root.set_attributes(
            {
                DECIDED_BY: answer.decided_by.value,
                CHOSEN: answer.chosen,
                NUM_CANDIDATES: len(answer.candidates),
                NUM_COMPLETE: sum(c.is_complete for c in answer.candidates),
                NUM_CLUSTERS: len(clusters),
                NUM_JUDGEMENTS: len(answer.judgements),
                PLAN_LEAKED: answer.plan.leaked,
            }
        )
        if self._has_content:
            self._root.set_attribute(
                OUTPUT_MESSAGES, _write_messages([{"role": "assistant", "content": answer.answer}])
            )


def open_traces(settings: TraceSettings, *, version: str) -> Traces | None:
    """Open the way to a collector.

    Args:
        settings: of the server.
        version: of Abruzzi.

    Returns:
        None where nothing is to be traced.
    """
    if settings.endpoint is None:
        return None
    processor = BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.endpoint))
    return make_traces(settings, processor, version=version)


def make_traces(
    settings: TraceSettings,
    processor: SpanProcessor,
    *,
    version: str,
    now_ns: Callable[[], int] = time.time_ns,
) -> Traces:
    """Set tracing up over any processor of spans.

    Args:
        settings: of the server.
        processor: takes the finished spans.
        version: of Abruzzi.
        now_ns: Unix time, nanoseconds.
    """
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(settings.sample_ratio)),
        resource=Resource.create({SERVICE_NAME: settings.service_name, SERVICE_VERSION: version}),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(processor)
    return Traces(provider, has_content=settings.content, now_ns=now_ns)


def _write_usage(usage: Usage) -> dict[str, int]:
    return {
        INPUT_TOKENS: usage.prompt_tokens,
        CACHED_TOKENS: usage.cached_tokens,
        OUTPUT_TOKENS: usage.completion_tokens,
        REASONING_TOKENS: usage.reasoning_tokens,
    }


def _write_messages(messages: Sequence[Mapping[str, Any]]) -> str:
    """Write messages as the conventions want them: JSON, a list of parts each."""
    return json.dumps(
        [{"role": m.get("role"), "parts": [{"type": "text", "content": m.get("content")}]} for m in messages],
        ensure_ascii=False,
    )


def _fail(span: Span, kind: str) -> None:
    span.set_attribute(ERROR_TYPE, kind)
    span.set_status(Status(StatusCode.ERROR))
