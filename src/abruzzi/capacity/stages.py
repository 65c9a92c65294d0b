"""Where the seconds of a question go by stage: as predicted, and as a real question's ledger has them.

    plan      the planning call
    prefill   from the solver's request to its first token: the prompt, and waiting for it
    decode    from there to the end of the candidates
    judge     all comparisons
    rest      what none of these accounts for: probes, agreement, the pipeline itself; a prediction has none

Calls of one stage often run side by side. A second in which several do is one second of the question; one in which two
stages do (a retry of the planner, say, beside the solver) is the earlier stage's.
"""

from collections.abc import Sequence
from typing import Literal

from abruzzi.capacity.question import QuestionTime
from abruzzi.ledger import Call
from abruzzi.nouns import Role

Stage = Literal["plan", "prefill", "decode", "judge", "rest"]
STAGES: tuple[Stage, ...] = ("plan", "prefill", "decode", "judge", "rest")
Span = tuple[float, float]


def predicted_stages(question: QuestionTime) -> dict[Stage, float]:
    """Give a predicted question's seconds by stage; they add up to its seconds."""
    found: dict[Stage, float] = dict.fromkeys(STAGES, 0.0)
    for phase in question.phases:
        if phase.name == "solve":
            found["prefill"] += phase.prefill_s
            found["decode"] += phase.decode_s
        else:
            found["plan" if phase.name == "plan" else "judge"] += phase.seconds
    return found


def ledger_stages(calls: Sequence[Call], seconds: float) -> dict[Stage, float]:
    """Give a real question's seconds by stage.

    Args:
        calls: of its ledger, in any order.
        seconds: of the question, on the ledger's clock.

    Returns:
        Seconds by stage; they add up to ``seconds``, or to what the calls cover where that is more.
    """
    spans: dict[Stage, list[Span]] = {stage: [] for stage in STAGES}
    for call in calls:
        end = call.started_s + call.seconds
        match call.role:
            case Role.SOLVER:
                first = end if call.ttft_s is None else call.started_s + call.ttft_s
                spans["prefill"].append((call.started_s, first))
                spans["decode"].append((first, end))
            case Role.PLANNER | Role.TOPICS:
                spans["plan"].append((call.started_s, end))
            case Role.JUDGE:
                spans["judge"].append((call.started_s, end))
            case Role.PROBE | Role.GUARD:
                pass
    found: dict[Stage, float] = dict.fromkeys(STAGES, 0.0)
    counted: list[Span] = []
    for stage in STAGES:
        found[stage] = _covered([*counted, *spans[stage]]) - _covered(counted)
        counted += spans[stage]
    found["rest"] = max(0.0, seconds - _covered(counted))
    return found


def _covered(spans: Sequence[Span]) -> float:
    """Add up the seconds in which at least one span runs."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total
