"""Spans of a question, in the GenAI conventions, from the pipeline's own events; no text unless it is wanted."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from abruzzi.ledger import CallOutcome
from abruzzi.nouns import FinishReason, Role
from abruzzi.reasoning.events import Answered, CallEnded, Event, Failed, PlanMade, Settled, Warned
from abruzzi.serving import tracing
from abruzzi.serving.settings import TraceSettings
from abruzzi.serving.tracing import Traces, make_traces, open_traces
from tests.reasoning.asking import ask, scripted
from tests.serving.test_metrics import ANSWER, PLAN, call

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
EPOCH_NS = 1_800_000_000 * 10**9


@dataclass
class Traced:
    """Traces into memory, under a clock of its own."""

    settings: TraceSettings = field(default_factory=TraceSettings)
    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    now_ns: int = EPOCH_NS

    def open(self) -> Traces:
        return make_traces(
            self.settings, SimpleSpanProcessor(self.exporter), version="1.2.3", now_ns=lambda: self.now_ns
        )

    def tell(self, *events: Event, headers: Mapping[str, str] | None = None) -> list[ReadableSpan]:
        """Trace a question of these events, ten seconds long; the spans in the order they ended."""
        messages = [{"role": "user", "content": "what is the secret?"}]
        with self.open().question(id="chatcmpl-1", model="abruzzi", headers=headers or {}, messages=messages) as listen:
            self.now_ns += 10 * 10**9
            for event in events:
                listen(event)
        return list(self.exporter.get_finished_spans())


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_a_question_is_a_root_with_a_span_for_each_call() -> None:
    planner, solver, root = Traced().tell(
        CallEnded(call(Role.PLANNER, seconds=1.0)),
        PlanMade(PLAN),
        CallEnded(call(seconds=4.0)),
        Settled(0, 2, 1),
        Answered(ANSWER),
    )
    assert (root.name, root.kind, root.parent) == ("invoke_workflow abruzzi", SpanKind.SERVER, None)
    assert attributes(root) == {
        "gen_ai.operation.name": "invoke_workflow",
        "gen_ai.agent.name": "abruzzi",
        "gen_ai.provider.name": "abruzzi",
        "gen_ai.request.model": "abruzzi",
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.usage.input_tokens": 20,
        "gen_ai.usage.output_tokens": 40,
        "abruzzi.calls.count": 2,
        "abruzzi.plan.outcome": "planned",
        "abruzzi.plan.leaked": False,
        "abruzzi.candidates.count": 2,
        "abruzzi.candidates.complete": 2,
        "abruzzi.candidates.cancelled": 1,
        "abruzzi.clusters.count": 1,
        "abruzzi.judgements.count": 0,
        "abruzzi.decided_by": "agreement",
        "abruzzi.chosen": 0,
    }
    assert root.status.status_code is StatusCode.UNSET
    assert (root.start_time, root.end_time) == (EPOCH_NS, EPOCH_NS + 10 * 10**9)
    assert root.context is not None
    for span in (planner, solver):
        assert (span.name, span.kind) == ("chat m", SpanKind.CLIENT)
        assert span.parent is not None
        assert span.parent.span_id == root.context.span_id
    assert (solver.start_time, solver.end_time) == (EPOCH_NS + 6 * 10**9, EPOCH_NS + 10 * 10**9)
    assert attributes(solver) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "m",
        "gen_ai.request.choice.count": 3,
        "gen_ai.response.time_to_first_chunk": 0.25,
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.reasoning.output_tokens": 8,
        "abruzzi.role": "solver",
        "abruzzi.attempt": 1,
        "abruzzi.outcome": "ok",
        "abruzzi.usage.is_exact": True,
    }
    assert attributes(planner)["abruzzi.role"] == "planner"
    assert root.resource.attributes["service.name"] == "abruzzi"
    assert root.resource.attributes["service.version"] == "1.2.3"


def test_the_callers_trace_is_taken_up() -> None:
    _, root = Traced().tell(
        CallEnded(call()), headers={"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=1"}
    )
    assert root.parent is not None
    assert (f"{root.parent.trace_id:032x}", f"{root.parent.span_id:016x}") == (TRACE, PARENT)
    assert root.context is not None
    assert f"{root.context.trace_id:032x}" == TRACE
    assert root.context.trace_state.to_header() == "vendor=1"


@pytest.mark.parametrize(
    "header", ["", "nonsense", f"00-{'0' * 32}-{PARENT}-01", f"ff-{TRACE}-{PARENT}-01", "é" * 9999]
)
def test_a_broken_traceparent_begins_a_trace_of_our_own(header: str) -> None:
    (root,) = Traced().tell(headers={"traceparent": header})
    assert root.parent is None


def test_the_caller_decides_whether_its_trace_is_sampled_and_the_ratio_for_the_rest() -> None:
    off, on = f"00-{TRACE}-{PARENT}-00", f"00-{TRACE}-{PARENT}-01"
    assert Traced().tell(CallEnded(call()), headers={"traceparent": off}) == []
    none = TraceSettings(sample_ratio=0.0)
    assert Traced(none).tell(CallEnded(call())) == []
    assert len(Traced(none).tell(CallEnded(call()), headers={"traceparent": on})) == 2


def test_failed_calls_and_questions_are_errors_told_by_type_alone() -> None:
    broken, cancelled, root = Traced().tell(
        CallEnded(call(outcome=CallOutcome.TIMEOUT)),
        CallEnded(call(outcome=CallOutcome.CANCELLED)),
        Failed("ModelTimeoutError", "no answer to 'what is the secret?'"),
    )
    assert (broken.status.status_code, attributes(broken)["error.type"]) == (StatusCode.ERROR, "timeout")
    assert cancelled.status.status_code is StatusCode.UNSET
    assert attributes(cancelled)["abruzzi.outcome"] == "cancelled"
    assert (root.status.status_code, attributes(root)["error.type"]) == (StatusCode.ERROR, "ModelTimeoutError")
    assert root.status.description is None
    assert not root.events, "an exception's own event would quote its message"


def test_an_error_that_passes_through_ends_the_root() -> None:
    traced = Traced()

    def fail() -> None:
        with traced.open().question(id="1", model="abruzzi", headers={}):
            raise ValueError("what is the secret?")

    with pytest.raises(ValueError, match="secret"):
        fail()
    (root,) = traced.exporter.get_finished_spans()
    assert attributes(root)["error.type"] == "ValueError"
    assert "secret" not in root.to_json()


def test_no_text_stands_in_a_span_unless_it_is_wanted() -> None:
    events = (CallEnded(call()), PlanMade(PLAN), Warned("a warning"), Answered(ANSWER))
    shown = "".join(span.to_json() for span in Traced().tell(*events))
    for text in ("secret", "Add.", "<answer>", "a warning"):
        assert text not in shown
    root = Traced(TraceSettings(content=True)).tell(*events)[-1]
    asked = json.loads(attributes(root)[tracing.INPUT_MESSAGES])
    told = json.loads(attributes(root)[tracing.OUTPUT_MESSAGES])
    assert asked == [{"role": "user", "parts": [{"type": "text", "content": "what is the secret?"}]}]
    assert told == [{"role": "assistant", "parts": [{"type": "text", "content": "42"}]}]


def test_a_real_run_has_a_span_for_every_row_of_its_ledger() -> None:
    asked = ask(scripted(planner=["no plan"], solver=["<answer>42</answer>"] * 3))
    *calls, root = Traced().tell(*asked.events)
    rows = asked.run.ledger.calls
    assert [attributes(span)["abruzzi.role"] for span in calls] == [row.role.value for row in rows]
    assert attributes(root)["gen_ai.usage.output_tokens"] == asked.run.ledger.totals().usage.completion_tokens
    assert attributes(root)["abruzzi.decided_by"] == asked.answer.decided_by.value
    assert asked.answer.candidates[0].finish_reason is FinishReason.STOP


def test_nothing_is_traced_without_a_collector() -> None:
    assert open_traces(TraceSettings(), version="1") is None


def test_spans_reach_a_collector_over_http() -> None:
    bodies: list[tuple[str, str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            bodies.append((self.path, self.headers["Content-Type"], self.rfile.read(size)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        traces = open_traces(TraceSettings(endpoint=f"http://127.0.0.1:{server.server_port}/v1/traces"), version="1")
        assert traces is not None
        with traces.question(id="1", model="abruzzi", headers={}) as listen:
            listen(CallEnded(call()))
        traces.close()
        server.shutdown()
    ((path, content_type, body),) = bodies
    assert (path, content_type) == ("/v1/traces", "application/x-protobuf")
    assert b"invoke_workflow abruzzi" in body
    assert b"chat m" in body


def test_names_of_the_conventions_are_those_of_the_published_package() -> None:
    from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as published
    from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE

    known = {value for name, value in vars(published).items() if name.startswith("GEN_AI")} | {ERROR_TYPE}
    ours = {value for name, value in vars(tracing).items() if name.isupper() and str(value).startswith("gen_ai.")}
    assert ours <= known
    assert len(ours) == 13
    assert tracing.ERROR_TYPE == ERROR_TYPE
