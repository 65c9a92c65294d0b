"""Writes an evaluation as a log of Inspect AI, so that its viewer and its tools can read what ours measured.

One sample of the log is one of ours: the item is its id, the repeat (from 0) its epoch (from 1). Its transcript tells
the plan, each candidate with its verdict, each judgement and the score; its messages are the question and the chosen
reply; the rest stands in the metadata. A sample without a score is an error there, with its reason, and enters no mean.
Mean and standard error are Inspect's own, computed from the scores and never copied from ours. It is an export and
one-way: the log takes no part in resuming (``docs/decisions/0007-evaluation-engine.md``) and is made whole in memory.
Samples know how long they took but not when: the log is dated with its export, and lasts as long as all of them.

Source: the log schema of Inspect AI 0.3.285 (``inspect_ai.log``), an optional package.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from pydantic_core import to_jsonable_python

from abruzzi.data.items import Item
from abruzzi.errors import ConfigError, DataError, RecordError
from abruzzi.evaluation.protocol import Protocol
from abruzzi.evaluation.samples import Sample
from abruzzi.ledger import Call, sum_usage
from abruzzi.nouns import Candidate, FinishReason, Judgement, Usage

SCORER = "verifier"
"""The score's name in the log."""

_SUFFIXES = (".eval", ".json")
_STOP_REASONS = {FinishReason.STOP: "stop", FinishReason.LENGTH: "max_tokens"}

_Record = dict[str, Any]


def write_inspect_log(protocol: Protocol, items: Sequence[Item], samples: Iterable[Sample], path: Path) -> None:
    """Write samples as a log that ``inspect view`` opens; a file of that name is replaced.

    Args:
        protocol: what they were made under; becomes the task's arguments.
        items: what was asked.
        samples: in any order; when some are missing, the log says ``cancelled`` instead of ``success``.
        path: ends in ``.eval`` (compressed, the viewer's own) or ``.json``.

    Raises:
        ConfigError: another ending, or Inspect AI is not installed.
        DataError: a sample of an item that is not among the items, or the same sample twice.
        RecordError: the file cannot be written.
    """
    if path.suffix not in _SUFFIXES:
        raise ConfigError(f"an Inspect log ends in {' or '.join(_SUFFIXES)}, not {path.suffix!r}; rename {path.name!r}")
    try:
        from inspect_ai.log import EvalLog, recompute_metrics, write_eval_log
    except ImportError as error:
        raise ConfigError(
            "writing an Inspect log needs the package inspect-ai; run pip install 'abruzzi[inspect]'"
        ) from error
    pairs = _pair(items, samples)
    num_planned = len(items) * protocol.runs
    now = datetime.now(UTC)
    begun = now - timedelta(seconds=sum(sample.seconds for _, sample in pairs))
    log = EvalLog.model_validate(
        {
            "status": "success" if len(pairs) == num_planned else "cancelled",
            "eval": {"created": now, **_describe_evaluation(protocol, items)},
            "plan": _describe_system(protocol),
            "stats": {
                "started_at": begun,
                "completed_at": now,
                **_sum_calls([call for _, sample in pairs for call in sample.calls]),
            },
            "samples": [_describe_sample(protocol, item, sample) for item, sample in pairs],
        }
    )
    recompute_metrics(log)
    assert log.results is not None, "just computed"
    log.results.total_samples = num_planned
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_eval_log(log, path)
    except OSError as error:
        raise RecordError(f"cannot write {path}: {error.strerror or error}; choose another place") from error


def _pair(items: Sequence[Item], samples: Iterable[Sample]) -> list[tuple[Item, Sample]]:
    """Pair samples with their items; Inspect orders them by epoch and id."""
    asked = {item.id: item for item in items}
    found: dict[tuple[str, int], Sample] = {}
    for sample in samples:
        if sample.item not in asked:
            raise DataError(
                f"a sample answers {sample.item!r}, which is not among the items; give those it was made of"
            )
        if sample.key in found:
            raise DataError(f"the sample {sample.key!r} is there twice; count it once")
        found[sample.key] = sample
    return [(asked[sample.item], sample) for sample in found.values()]


def _describe_evaluation(protocol: Protocol, items: Sequence[Item]) -> _Record:
    arguments = protocol.model_dump(mode="json")
    # The same protocol gives the same ids, so that two exports of one evaluation are known for one.
    digest = sha256(protocol.model_dump_json().encode()).hexdigest()[:22]
    metrics = [{"name": "inspect_ai/mean"}, {"name": "inspect_ai/stderr"}]
    return {
        "eval_id": digest,
        "run_id": digest,
        "task_id": digest,
        "task": protocol.benchmark.name,
        "task_version": protocol.benchmark.revision,
        "task_args": arguments,
        "solver": protocol.system,
        "solver_args": arguments["ask"],
        "model": protocol.models["solver"].name,
        "model_roles": {role: {"model": model.name} for role, model in protocol.models.items() if role != "solver"},
        "dataset": {
            "name": protocol.benchmark.name,
            "samples": len(items),
            "sample_ids": [item.id for item in items],
        },
        "config": {"epochs": protocol.runs, "epochs_reducer": ["mean"], "fail_on_error": False},
        "packages": {"abruzzi": protocol.version},
        "scorers": [{"name": SCORER, "metrics": metrics}],
        "metrics": metrics,
    }


def _describe_system(protocol: Protocol) -> _Record:
    ask = protocol.ask
    return {
        "name": protocol.system,
        "steps": [{"solver": protocol.system, "params": ask.model_dump(mode="json")}],
        "config": {
            "temperature": ask.temperature,
            "top_p": ask.top_p,
            **ask.cuts,
            "max_tokens": ask.max_tokens,
            "stop_seqs": list(ask.stop),
            "seed": ask.seed,
            "num_choices": ask.n,
        },
    }


def _describe_sample(protocol: Protocol, item: Item, sample: Sample) -> _Record:
    described: _Record = {
        "id": item.id,
        "epoch": sample.repeat + 1,
        "input": item.question,
        "target": _write_truth(item.ground_truth),
        "messages": [{"role": "user", "content": item.question, "source": "input"}],
        "events": [
            {"event": "info", "source": title, "data": text, "working_start": 0.0} for title, text in _tell(sample)
        ],
        "metadata": _write_metadata(item, sample),
        "total_time": sample.seconds,
        "uuid": sha256(f"{protocol.benchmark.items_sha256}/{item.id}/{sample.repeat}".encode()).hexdigest()[:22],
        **_sum_calls(sample.calls),
    }
    chosen = next((candidate for candidate in sample.candidates if candidate.index == sample.chosen), None)
    if chosen is not None:
        thoughts = [{"type": "reasoning", "reasoning": chosen.reasoning}] if chosen.reasoning else []
        reply = {"role": "assistant", "content": [*thoughts, {"type": "text", "text": chosen.text}]}
        described["messages"].append(reply)
        described["output"] = {
            "model": protocol.models["solver"].name,
            "choices": [{"message": reply, "stop_reason": _STOP_REASONS.get(chosen.finish_reason, "unknown")}],
            "time": chosen.seconds,
        }
    if sample.is_scored:
        score = {
            "value": sample.score,
            "answer": sample.answer,
            "explanation": sample.reason,
            "metadata": {"outcome": sample.outcome},
        }
        described["scores"] = {SCORER: score}
        described["events"].append({"event": "score", "scorer": SCORER, "score": score, "working_start": 0.0})
    else:
        message = f"{sample.outcome}: {sample.reason}"
        described["error"] = {"message": message, "traceback": message, "traceback_ansi": message}
    return described


def _write_truth(truth: object) -> str | list[str]:
    """Write a ground truth as Inspect's targets are: a string, or several."""
    if isinstance(truth, str):
        return truth
    if isinstance(truth, list) and all(isinstance(part, str) for part in cast("list[object]", truth)):
        return cast("list[str]", truth)
    return json.dumps(to_jsonable_python(truth, fallback=repr), ensure_ascii=False)


def _tell(sample: Sample) -> Iterator[tuple[str, str]]:
    """Tell how the answer came about, a thing at a time: its title and its text."""
    yield f"plan: {sample.plan.outcome}", sample.plan.text or sample.plan.reason
    verdicts = sample.verdicts or (None,) * len(sample.candidates)
    for candidate, verdict in zip(sample.candidates, verdicts, strict=True):
        found = "not verified" if verdict is None else str(verdict.outcome)
        yield f"candidate {candidate.index}: {found}", _write_reply(candidate)
    for judgement in sample.judgements:
        yield _tell_judgement(judgement)
    if sample.decided_by is not None:
        yield f"answer: candidate {sample.chosen}, decided by {sample.decided_by}", sample.answer or ""


def _write_reply(candidate: Candidate) -> str:
    facts = [
        "no answer" if candidate.answer is None else f"answer `{candidate.answer}`",
        f"end: {candidate.finish_reason}",
        *([] if candidate.num_tokens is None else [f"{candidate.num_tokens} tokens"]),
        f"{candidate.seconds:.1f} s",
    ]
    thoughts = [f"*Thoughts*\n\n{candidate.reasoning}", "*Reply*"] if candidate.reasoning else []
    return "\n\n".join([", ".join(facts), *thoughts, candidate.error or candidate.text])


def _tell_judgement(judgement: Judgement) -> tuple[str, str]:
    winner = "neither" if judgement.winner is None else f"candidate {judgement.winner}"
    votes = [
        f"Shown first {vote.shown_first}, preferred {'none' if vote.preferred is None else vote.preferred}. "
        f"{vote.error or vote.reasoning}"
        for vote in judgement.votes
    ]
    return f"judgement of {judgement.first} and {judgement.second}: {winner}", "\n\n".join(votes)


def _write_metadata(item: Item, sample: Sample) -> _Record:
    """Keep what the transcript leaves out; no text is kept twice."""
    row: _Record = to_jsonable_python(sample)
    for told in ("item", "repeat", "score", "reason", "seconds", "judgements"):
        del row[told]
    for candidate in row["candidates"]:
        del candidate["text"], candidate["reasoning"]
    del row["plan"]["text"]
    return {"data_source": item.data_source, **row}


def _sum_calls(calls: Sequence[Call]) -> _Record:
    """Sum tokens by model and by role, as Inspect counts them: cached prompt tokens apart from the others."""
    by_model: defaultdict[str, list[Usage]] = defaultdict(list)
    by_role: defaultdict[str, list[Usage]] = defaultdict(list)
    for call in calls:
        by_model[call.model].append(call.usage)
        by_role[call.role].append(call.usage)
    return {
        "model_usage": {name: _write_usage(sum_usage(usages)) for name, usages in by_model.items()},
        "role_usage": {name: _write_usage(sum_usage(usages)) for name, usages in by_role.items()},
    }


def _write_usage(usage: Usage) -> dict[str, int]:
    return {
        "input_tokens": usage.prompt_tokens - usage.cached_tokens,
        "input_tokens_cache_read": usage.cached_tokens,
        "output_tokens": usage.completion_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "total_tokens": usage.total_tokens,
    }
