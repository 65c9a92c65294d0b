"""What is counted, under labels that no client can add to."""

import pytest

from abruzzi.ledger import Call, CallOutcome
from abruzzi.nouns import (
    Answer,
    Candidate,
    DecidedBy,
    FinishReason,
    Judgement,
    Plan,
    PlanOutcome,
    Role,
    Usage,
)
from abruzzi.reasoning.events import Answered, CallEnded, CandidateEnded, Event, JudgementMade, PlanMade, Warned
from abruzzi.serving.metrics import MAX_WORDS, Metrics
from abruzzi.serving.question_record import Status


def call(role: Role = Role.SOLVER, outcome: CallOutcome = CallOutcome.OK, seconds: float = 2.0) -> Call:
    usage = Usage(prompt_tokens=10, cached_tokens=4, completion_tokens=20, reasoning_tokens=8)
    return Call(role, "m", outcome, 3, 1, usage, is_exact=True, started_s=0.5, ttft_s=0.25, seconds=seconds)


def candidate(index: int, reason: FinishReason = FinishReason.STOP) -> Candidate:
    return Candidate(index, "<answer>42</answer>", "", "42", reason, 0, 1.0)


PLAN = Plan(PlanOutcome.PLANNED, "Add.")
ANSWER = Answer("q", PLAN, (candidate(0), candidate(1)), (), "42", 0, DecidedBy.AGREEMENT, 3.0)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(version="1.2.3", models=["abruzzi", "abruzzi-plan"])


def read(metrics: Metrics) -> dict[str, float]:
    """All samples of ours, by name and labels."""
    body, content_type = metrics.render()
    assert content_type.startswith("text/plain; version=")
    lines = [line for line in body.decode().splitlines() if line.startswith("abruzzi") and "_created" not in line]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_questions_are_counted_by_model_and_status(metrics: Metrics) -> None:
    metrics.question_started("abruzzi")
    metrics.first_token("abruzzi", 0.3)
    metrics.question_ended("abruzzi", Status.ANSWERED, 90.0)
    metrics.question_ended("abruzzi", Status.FAILED, 1.0)
    found = read(metrics)
    assert found['abruzzi_build_info{version="1.2.3"}'] == 1
    assert found['abruzzi_questions_started_total{model="abruzzi"}'] == 1
    assert found['abruzzi_questions_total{model="abruzzi",status="answered"}'] == 1
    assert found['abruzzi_questions_total{model="abruzzi",status="failed"}'] == 1
    assert found['abruzzi_question_seconds_sum{model="abruzzi"}'] == 91.0
    assert found['abruzzi_question_seconds_bucket{le="60.0",model="abruzzi"}'] == 1
    assert found['abruzzi_question_seconds_bucket{le="120.0",model="abruzzi"}'] == 2
    assert found['abruzzi_question_seconds_bucket{le="7200.0",model="abruzzi"}'] == 2
    assert found['abruzzi_first_token_seconds_bucket{le="0.25",model="abruzzi"}'] == 0
    assert found['abruzzi_first_token_seconds_bucket{le="0.5",model="abruzzi"}'] == 1


def test_the_pipelines_events_are_counted(metrics: Metrics) -> None:
    events: list[Event] = [
        PlanMade(PLAN),
        CallEnded(call(Role.PLANNER)),
        CandidateEnded(candidate(0)),
        CandidateEnded(candidate(1)),
        CandidateEnded(candidate(2, FinishReason.CANCELLED)),
        CallEnded(call()),
        CallEnded(call(outcome=CallOutcome.CANCELLED)),
        JudgementMade(Judgement(0, 1, 0, ())),
        JudgementMade(Judgement(0, 1, None, ())),
        Warned("what was asked must not become a label"),
        Answered(ANSWER),
    ]
    for event in events:
        metrics.hear(event)
    found = read(metrics)
    assert found['abruzzi_plans_total{outcome="planned"}'] == 1
    assert found['abruzzi_upstream_calls_total{outcome="ok",role="planner"}'] == 1
    assert found['abruzzi_upstream_calls_total{outcome="ok",role="solver"}'] == 1
    assert found['abruzzi_upstream_calls_total{outcome="cancelled",role="solver"}'] == 1
    assert found['abruzzi_upstream_tokens_total{kind="prompt",outcome="ok",role="solver"}'] == 10
    assert found['abruzzi_upstream_tokens_total{kind="cached",outcome="ok",role="solver"}'] == 4
    assert found['abruzzi_upstream_tokens_total{kind="completion",outcome="cancelled",role="solver"}'] == 20
    assert found['abruzzi_upstream_tokens_total{kind="reasoning",outcome="ok",role="planner"}'] == 8
    assert found['abruzzi_upstream_call_seconds_sum{role="solver"}'] == 4.0
    assert found['abruzzi_candidates_total{finish_reason="stop"}'] == 2
    assert found['abruzzi_candidates_total{finish_reason="cancelled"}'] == 1
    assert found['abruzzi_judgements_total{outcome="decided"}'] == 1
    assert found['abruzzi_judgements_total{outcome="undecided"}'] == 1
    assert found['abruzzi_decisions_total{decided_by="agreement"}'] == 1
    assert "must not become" not in metrics.render()[0].decode()


def test_the_rest_of_the_server_is_counted(metrics: Metrics) -> None:
    metrics.refused("rate_limit_exceeded")
    metrics.refused(None)
    metrics.queue_changed(running=3, waiting=2)
    metrics.waited(0.2)
    metrics.headroom_waited(4.0)
    metrics.stored("begin", "ok", 0.004)
    metrics.guarded("answer", "redacted")
    metrics.keys_reloaded(is_ok=True)
    metrics.keys_reloaded(is_ok=False)
    metrics.rates_failed()
    found = read(metrics)
    assert found['abruzzi_refusals_total{code="rate_limit_exceeded"}'] == 1
    assert found['abruzzi_refusals_total{code="other"}'] == 1
    assert (found["abruzzi_questions_running"], found["abruzzi_questions_waiting"]) == (3, 2)
    assert found['abruzzi_queue_wait_seconds_bucket{le="0.5"}'] == 1
    assert found["abruzzi_headroom_wait_seconds_sum"] == 4.0
    assert found['abruzzi_store_seconds_count{operation="begin",outcome="ok"}'] == 1
    assert found['abruzzi_guard_checks_total{channel="answer",outcome="redacted"}'] == 1
    assert found['abruzzi_key_reloads_total{outcome="ok"}'] == 1
    assert found['abruzzi_key_reloads_total{outcome="broken"}'] == 1
    assert found["abruzzi_rate_storage_faults_total"] == 1


def test_labels_stay_bounded_whatever_comes(metrics: Metrics) -> None:
    for i in range(500):
        metrics.question_ended(f"made-up-{i}", Status.FAILED, 1.0)
        metrics.first_token(f"made-up-{i}", 1.0)
        metrics.refused(f"made-up-{i}")
    found = read(metrics)
    assert found['abruzzi_questions_total{model="other",status="failed"}'] == 500
    assert sum(name.startswith("abruzzi_refusals_total") for name in found) == MAX_WORDS + 1
    assert found['abruzzi_refusals_total{code="other"}'] == 500 - MAX_WORDS


def test_two_servers_in_one_process_count_apart(metrics: Metrics) -> None:
    metrics.refused("x")
    other = Metrics(version="1.2.3", models=[])
    assert 'abruzzi_refusals_total{code="x"}' not in read(other)


def test_the_process_is_watched_too(metrics: Metrics) -> None:
    assert b"process_resident_memory_bytes" in metrics.render()[0]
