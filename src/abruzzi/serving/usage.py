"""Writes the ledger as OpenAI's usage object, with every upstream call in its details."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from abruzzi.ledger import Call, Ledger
from abruzzi.nouns import Answer, Usage


def write_usage(ledger: Ledger, answer: Answer | None = None) -> dict[str, Any]:
    """Write the usage of one question in chat's form.

    Args:
        ledger: all of its upstream calls, the cancelled and the failed ones too.
        answer: how it was decided, where there is an answer.
    """
    totals = ledger.totals()
    used = totals.usage
    details: dict[str, Any] = {
        "num_calls": totals.num_calls,
        "num_failed": totals.num_failed,
        "num_cancelled": totals.num_cancelled,
        "is_exact": totals.is_exact,
        "calls": [write_call(call) for call in ledger.calls],
    }
    if answer is not None:
        details |= {
            "decided_by": answer.decided_by.value,
            "chosen": answer.chosen,
            "num_candidates": len(answer.candidates),
            "plan": answer.plan.outcome.value,
            "seconds": round(answer.seconds, 4),
        }
    return {**_write_tokens(used), "abruzzi": details}


def write_call(call: Call) -> dict[str, Any]:
    """Write one upstream call."""
    return {
        "role": call.role.value,
        "model": call.model,
        "outcome": call.outcome.value,
        "num_choices": call.num_choices,
        "attempt": call.attempt,
        "prompt_tokens": call.usage.prompt_tokens,
        "cached_tokens": call.usage.cached_tokens,
        "completion_tokens": call.usage.completion_tokens,
        "reasoning_tokens": call.usage.reasoning_tokens,
        "is_exact": call.is_exact,
        "started_s": round(call.started_s, 4),
        "ttft_s": None if call.ttft_s is None else round(call.ttft_s, 4),
        "seconds": round(call.seconds, 4),
        "server_times": None if call.server_times is None else asdict(call.server_times),
    }


def _write_tokens(used: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": used.prompt_tokens,
        "completion_tokens": used.completion_tokens,
        "total_tokens": used.total_tokens,
        "prompt_tokens_details": {"cached_tokens": used.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": used.reasoning_tokens},
    }


def write_responses_usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Write chat's usage under the names of ``/v1/responses``."""
    return {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": {**usage["prompt_tokens_details"], "cache_write_tokens": 0},
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": usage["completion_tokens_details"],
        "total_tokens": usage["total_tokens"],
        "abruzzi": usage["abruzzi"],
    }
