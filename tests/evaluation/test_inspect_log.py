import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from statistics import mean

import pytest
from inspect_ai.event import InfoEvent, ScoreEvent
from inspect_ai.log import EvalLog, EvalSample, read_eval_log, recompute_metrics
from inspect_ai.model import ContentReasoning
from inspect_ai.scorer import mean_score, pass_at

from abruzzi.data.items import Item
from abruzzi.errors import ConfigError, DataError, RecordError
from abruzzi.evaluation.inspect_log import SCORER, write_inspect_log
from abruzzi.evaluation.protocol import BenchmarkIdentity, ModelIdentity, Protocol
from abruzzi.evaluation.samples import Sample, SampleOutcome
from abruzzi.ledger import Call, CallOutcome
from abruzzi.nouns import (
    Candidate,
    DecidedBy,
    FinishReason,
    Judgement,
    Outcome,
    Plan,
    PlanOutcome,
    Role,
    Usage,
    Verdict,
    Vote,
)
from abruzzi.reasoning.settings import AskSettings

ITEMS = [
    Item("sum", "What is 40 + 2?", "42", "math__own"),
    Item("cell", "What is half of 3?", 1.5, "table__hitab"),
    Item("words", "Which two?", ["left", "right"], "ood__bbeh"),
]
PROTOCOL = Protocol(
    version="0.1.0",
    benchmark=BenchmarkIdentity(name="tiny", revision="tiny.jsonl", num_items=3, items_sha256="ab" * 32),
    system="full",
    ask=AskSettings(n=2, temperature=1.0, max_tokens=64, seed=7),
    models={
        "solver": ModelIdentity(spec="embedded", name="small", sha256="cd" * 32),
        "judge": ModelIdentity(spec="openai:large", name="large"),
    },
    prompts={"solve": "0123"},
    runs=2,
)


def call(role: Role, model: str, usage: Usage) -> Call:
    return Call(role, model, CallOutcome.OK, 1, 1, usage, is_exact=True, started_s=0.0, ttft_s=0.1, seconds=1.0)


FULL = Sample(
    item="sum",
    repeat=0,
    outcome=SampleOutcome.CORRECT,
    score=1.0,
    reason="42 equals 42",
    answer="42",
    chosen=1,
    decided_by=DecidedBy.JUDGE,
    plan=Plan(PlanOutcome.PLANNED, "Add the numbers.", topics=("addition",)),
    candidates=(
        Candidate(0, "So it is 41.", "Forty and two…", "41", FinishReason.STOP, 0, 1.0, num_tokens=9),
        Candidate(1, "So it is 42.", "Four tens and two.", "42", FinishReason.LENGTH, 1, 2.0, num_tokens=12),
    ),
    verdicts=(Verdict(Outcome.WRONG, 0.0, "41", "41 is not 42"), Verdict(Outcome.CORRECT, 1.0, "42", "42 equals 42")),
    judgements=(Judgement(0, 1, 1, (Vote(0, 1, "The second adds up."), Vote(1, 1, "The first adds up."))),),
    calls=(
        call(Role.PLANNER, "small", Usage(prompt_tokens=30, cached_tokens=10, completion_tokens=5)),
        call(Role.SOLVER, "small", Usage(prompt_tokens=50, completion_tokens=21, reasoning_tokens=15)),
        call(Role.JUDGE, "large", Usage(prompt_tokens=80, completion_tokens=6)),
    ),
    seconds=3.5,
    warnings=("one candidate was cut",),
)


def plain(item: str, repeat: int, score: float) -> Sample:
    outcome = SampleOutcome.CORRECT if score else SampleOutcome.WRONG
    return Sample(item, repeat, outcome, score, "so it is", answer="x", seconds=0.5)


FAILED = Sample("cell", 1, SampleOutcome.FAILED, 0.0, "no connection to the endpoint")
SAMPLES = [
    plain("words", 1, 0.25),
    plain("words", 0, 0.5),
    FAILED,
    plain("cell", 0, 0.0),
    plain("sum", 1, 0.0),
    FULL,
]
"""Out of order. Means: sum (1 + 0) / 2 = 0.5, cell 0 (its other one has no score), words (0.5 + 0.25) / 2 = 0.375."""
ACCURACY = (0.5 + 0.0 + 0.375) / 3


def export(path: Path, samples: list[Sample] = SAMPLES) -> EvalLog:
    write_inspect_log(PROTOCOL, ITEMS, samples, path)
    return read_eval_log(str(path))


def find(log: EvalLog, item: str, epoch: int) -> EvalSample:
    assert log.samples is not None
    [sample] = [sample for sample in log.samples if (sample.id, sample.epoch) == (item, epoch)]
    return sample


@pytest.mark.parametrize("name", ["log.eval", "log.json"])
def test_every_sample_comes_back_once_with_its_epoch_and_score(tmp_path: Path, name: str) -> None:
    log = export(tmp_path / "new" / name)
    assert log.status == "success"
    assert log.samples is not None
    keys = [(sample.id, sample.epoch) for sample in log.samples]
    assert keys == [("cell", 1), ("sum", 1), ("words", 1), ("cell", 2), ("sum", 2), ("words", 2)]
    scored = {(s.id, s.epoch): s.scores[SCORER].as_float() for s in log.samples if s.scores}
    assert scored == {(s.item, s.repeat + 1): s.score for s in SAMPLES if s.is_scored}


def test_the_log_says_what_it_was_made_under(tmp_path: Path) -> None:
    log = export(tmp_path / "log.eval")
    assert Protocol.model_validate(log.eval.task_args) == PROTOCOL
    assert (log.eval.task, log.eval.model, log.eval.solver) == ("tiny", "small", "full")
    assert log.eval.config.epochs == 2
    assert log.eval.dataset.sample_ids == ["sum", "cell", "words"]
    assert (log.plan.config.temperature, log.plan.config.max_tokens, log.plan.config.seed) == (1.0, 64, 7)
    assert log.eval.model_roles is not None
    assert set(log.eval.model_roles) == {"judge"}


def test_the_transcript_tells_how_the_answer_came_about(tmp_path: Path) -> None:
    sample = find(export(tmp_path / "log.eval"), "sum", 1)
    *told, score = sample.events
    assert [(event.source, event.data) for event in told if isinstance(event, InfoEvent)] == [
        ("plan: planned", "Add the numbers."),
        (
            "candidate 0: wrong",
            "answer `41`, end: stop, 9 tokens, 1.0 s\n\n*Thoughts*\n\nForty and two…\n\n*Reply*\n\nSo it is 41.",
        ),
        (
            "candidate 1: correct",
            "answer `42`, end: length, 12 tokens, 2.0 s\n\n*Thoughts*\n\nFour tens and two.\n\n*Reply*\n\nSo it is 42.",
        ),
        (
            "judgement of 0 and 1: candidate 1",
            "Shown first 0, preferred 1. The second adds up.\n\nShown first 1, preferred 1. The first adds up.",
        ),
        ("answer: candidate 1, decided by judge", "42"),
    ]
    assert isinstance(score, ScoreEvent)
    assert score.score.value == 1.0


def test_a_sample_is_told_in_inspects_own_fields(tmp_path: Path) -> None:
    sample = find(export(tmp_path / "log.eval"), "sum", 1)
    assert (sample.input, sample.target, sample.total_time) == ("What is 40 + 2?", "42", 3.5)
    assert [(message.role, message.text) for message in sample.messages] == [
        ("user", "What is 40 + 2?"),
        ("assistant", "So it is 42."),
    ]
    thoughts = sample.messages[1].content[0]
    assert isinstance(thoughts, ContentReasoning)
    assert thoughts.reasoning == "Four tens and two."
    assert (sample.output.completion, sample.output.stop_reason) == ("So it is 42.", "max_tokens")
    assert sample.scores is not None
    score = sample.scores[SCORER]
    assert (score.answer, score.explanation, score.metadata) == ("42", "42 equals 42", {"outcome": "correct"})


def test_the_rest_stands_in_the_metadata(tmp_path: Path) -> None:
    metadata = find(export(tmp_path / "log.eval"), "sum", 1).metadata
    assert metadata["data_source"] == "math__own"
    assert metadata["warnings"] == ["one candidate was cut"]
    assert metadata["plan"]["topics"] == ["addition"]
    assert [candidate["answer"] for candidate in metadata["candidates"]] == ["41", "42"]
    assert [verdict["reason"] for verdict in metadata["verdicts"]] == ["41 is not 42", "42 equals 42"]
    assert [made["model"] for made in metadata["calls"]] == ["small", "small", "large"]
    assert "So it is" not in str(metadata)


def test_usage_is_counted_by_model_and_by_role(tmp_path: Path) -> None:
    log = export(tmp_path / "log.eval")
    sample = find(log, "sum", 1)
    small = sample.model_usage["small"]
    assert (small.input_tokens, small.input_tokens_cache_read, small.output_tokens) == (20 + 50, 10, 5 + 21)
    assert (small.reasoning_tokens, small.total_tokens) == (15, 106)
    assert sample.role_usage["judge"].total_tokens == 86
    assert log.stats.model_usage["small"].total_tokens == 106


def test_the_log_lasts_as_long_as_its_samples(tmp_path: Path) -> None:
    stats = export(tmp_path / "log.eval").stats
    begun, ended = map(datetime.fromisoformat, (stats.started_at, stats.completed_at))
    assert (ended - begun).total_seconds() == pytest.approx(3.5 + 4 * 0.5, abs=0.01)


def test_a_sample_without_a_score_is_an_error_and_no_zero(tmp_path: Path) -> None:
    broken = Sample("sum", 0, SampleOutcome.ERROR, 0.0, "the row has no ground truth", answer="42")
    log = export(tmp_path / "log.eval", [broken, *SAMPLES[:-1]])
    assert log.results is not None
    assert (log.results.total_samples, log.results.completed_samples) == (6, 4)
    for key, message in {
        ("sum", 1): "error: the row has no ground truth",
        ("cell", 2): "failed: no connection to the endpoint",
    }.items():
        sample = find(log, *key)
        assert sample.scores is None
        assert sample.error is not None
        assert sample.error.message == message


def test_inspects_own_reducers_agree_with_our_mean(tmp_path: Path) -> None:
    log = export(tmp_path / "log.eval")
    assert log.samples is not None
    assert log.results is not None
    by_item = {
        item.id: [sample.scores[SCORER] for sample in log.samples if sample.id == item.id and sample.scores]
        for item in ITEMS
    }
    reduced = {item: mean_score()(scores).as_float() for item, scores in by_item.items()}
    assert reduced == {"sum": 0.5, "cell": 0.0, "words": 0.375}
    assert mean(reduced.values()) == pytest.approx(ACCURACY)
    [written] = log.results.scores
    assert written.metrics["mean"].value == pytest.approx(ACCURACY)
    # sd of (0.5, 0, 0.375) is √(13/192) around 7/24; over √3 items
    assert written.metrics["stderr"].value == pytest.approx((13 / 192 / 3) ** 0.5)
    assert pass_at(1)(by_item["sum"]).as_float() == 0.5
    recompute_metrics(log)
    assert log.results.scores[0].metrics["mean"].value == pytest.approx(ACCURACY)


def test_ground_truths_become_targets(tmp_path: Path) -> None:
    log = export(tmp_path / "log.eval")
    assert [find(log, item, 1).target for item in ("sum", "cell", "words")] == ["42", "1.5", ["left", "right"]]


def test_an_unfinished_evaluation_is_called_cancelled(tmp_path: Path) -> None:
    log = export(tmp_path / "log.eval", SAMPLES[:2])
    assert log.status == "cancelled"
    assert log.results is not None
    assert (log.results.total_samples, log.results.completed_samples) == (6, 2)


def test_a_log_without_any_score_is_still_a_log(tmp_path: Path) -> None:
    log = export(tmp_path / "log.eval", [FAILED])
    assert find(log, "cell", 2).error is not None
    assert export(tmp_path / "empty.eval", []).status == "cancelled"


def test_a_second_export_replaces_the_first_and_keeps_its_ids(tmp_path: Path) -> None:
    first = export(tmp_path / "log.eval", SAMPLES[:2])
    second = export(tmp_path / "log.eval")
    assert second.samples is not None
    assert len(second.samples) == 6
    assert first.eval.task_id == second.eval.task_id
    assert find(first, "words", 1).uuid == find(second, "words", 1).uuid


def test_what_cannot_be_exported_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ends in .eval or .json, not '.txt'"):
        export(tmp_path / "log.txt")
    with pytest.raises(DataError, match="'other', which is not among the items"):
        export(tmp_path / "log.eval", [replace(FULL, item="other")])
    with pytest.raises(DataError, match="there twice"):
        export(tmp_path / "log.eval", [FULL, FULL])
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="cannot write"):
        export(tmp_path / "file" / "log.eval")
    assert not list(tmp_path.glob("*.eval"))


def test_without_inspect_the_package_is_named(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['inspect_ai'] = None; from pathlib import Path\n"
        "from abruzzi.errors import ConfigError; from abruzzi.evaluation.inspect_log import write_inspect_log\n"
        "try: write_inspect_log(None, [], [], Path(sys.argv[1]))\n"
        "except ConfigError as error: print(error)\n"
    )
    said = subprocess.check_output([sys.executable, "-c", script, str(tmp_path / "log.eval")], text=True)
    assert said == "writing an Inspect log needs the package inspect-ai; run pip install 'abruzzi[inspect]'\n"
