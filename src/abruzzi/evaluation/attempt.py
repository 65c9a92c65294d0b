"""Makes one sample: asks the system, waits out an endpoint that fails for a while, scores what came.

A sample counts only when the system worked as it is: a candidate, plan or vote that is missing because a call failed
would be another, weaker system. Such a try is given up and the whole sample made again, until the patience is used up;
then the sample is ``failed``, with the reason, and has no score. The calls of every try stay on the bill. A model that
answers with nothing usable has not failed: that is its answer, ``unparsed``.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import anyio

from abruzzi.data.items import Item
from abruzzi.errors import AccessError, EndpointError, EngineError, ModelError, NoCandidateError, RateLimitError
from abruzzi.evaluation.patience import Sleep, wait_out
from abruzzi.evaluation.samples import Sample, SampleOutcome
from abruzzi.evaluation.scoring import Judge, score_candidates, verify_item
from abruzzi.ledger import Call, CallOutcome
from abruzzi.nouns import Answer, FinishReason, Judgement, Plan, PlanOutcome, Role
from abruzzi.reasoning.pipeline import answer
from abruzzi.reasoning.run import Agree, Roles, Run
from abruzzi.reasoning.settings import AskSettings


@dataclass(frozen=True, slots=True)
class Bench:
    """What samples are made with."""

    roles: Roles
    ask: AskSettings
    """The seed is that of the whole evaluation; each sample has its own drawn from it."""
    agree: Agree
    judge: Judge = verify_item
    patience_s: float = 3600.0
    """How long a failing endpoint is waited for, per sample."""
    sleep: Sleep = anyio.sleep


async def make_sample(bench: Bench, item: Item, repeat: int) -> Sample:
    """Make one sample.

    Raises:
        AccessError: an endpoint refuses the key: no sample will do better.
        DataError: the question is empty or too long for the model, or no verifier takes the item.
    """
    runs: list[Run] = []

    async def try_once() -> Answer:
        """Answer with every part of the system working, or raise."""
        ask = bench.ask.model_copy(update={"seed": draw_seed(bench.ask.seed, item.id, repeat)})
        runs.append(Run(item.question, bench.roles, ask, bench.agree))
        try:
            result = await answer(runs[-1])
        except NoCandidateError as error:
            if _has_failure(runs[-1]):
                raise ModelError(str(error)) from error
            raise
        check_whole(result, runs[-1].ledger.calls)
        return result

    try:
        result = await wait_out(try_once, patience_s=bench.patience_s, sleep=bench.sleep)
    except AccessError:
        raise
    except NoCandidateError as error:
        return _describe_nothing(item, repeat, runs[-1], str(error), _bill(runs))
    except (ModelError, EngineError) as error:
        return Sample(item.id, repeat, SampleOutcome.FAILED, 0.0, str(error), calls=_bill(runs))
    return await _score(bench, item, repeat, result, _bill(runs))


def check_whole(result: Answer, calls: Sequence[Call]) -> None:
    """Refuse an answer from a system of which a part was missing.

    Raises:
        ModelError: a planner, candidate or judge call failed; see ``failed_part``.
    """
    check_plan(result.plan, calls)
    for candidate in result.candidates:
        if candidate.finish_reason is FinishReason.ERROR:
            raise ModelError(f"candidate {candidate.index} failed: {candidate.error}")
    if lacks_votes(result.judgements, calls):
        errors = [vote.error for judgement in result.judgements for vote in judgement.votes if vote.error]
        reason = f"the judge failed: {errors[0] if errors else 'a call did not end well'}"
        raise failed_part(Role.JUDGE, reason, calls)


def lacks_votes(judgements: Sequence[Judgement], calls: Sequence[Call]) -> bool:
    """True when a vote of some judgements is missing because its call failed."""
    num_judged = sum(call.role is Role.JUDGE and call.outcome is CallOutcome.OK for call in calls)
    return num_judged < sum(len(judgement.votes) for judgement in judgements)


def check_plan(plan: Plan, calls: Sequence[Call]) -> None:
    """Refuse a plan that is missing because a call failed; a planner that never replied as it should has answered.

    Raises:
        ModelError: a planner call failed; see ``failed_part``.
    """
    has_failed = any(call.role is Role.PLANNER and call.outcome is not CallOutcome.OK for call in calls)
    if plan.outcome is PlanOutcome.FAILED and has_failed:
        raise failed_part(Role.PLANNER, f"the planner failed: {plan.reason}", calls)


def failed_part(role: Role, reason: str, calls: Sequence[Call]) -> ModelError:
    """Make the error of a planner or judge that failed, so that what will not pass (a refused key) is not waited out.

    The pipeline goes on without such a part and keeps no more of its error than words; its calls keep the status.
    """
    failed = [call for call in calls if call.role is role and call.outcome is not CallOutcome.OK]
    match next((call.status for call in reversed(failed) if call.status is not None), None):
        case None:
            return ModelError(reason)
        case (401 | 403) as status:
            return AccessError(reason, status)
        case 429:
            return RateLimitError(reason)
        case status:
            return EndpointError(reason, status)


def draw_seed(*parts: object) -> int:
    """Draw a seed of 31 bits from what it is for, the same on every machine."""
    digest = hashlib.sha256("\n".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def _has_failure(run: Run) -> bool:
    """True when a call failed, or one choice of a call whose others did not."""
    has_failed_call = any(call.outcome in (CallOutcome.ERROR, CallOutcome.TIMEOUT) for call in run.ledger.calls)
    return has_failed_call or any(c.finish_reason is FinishReason.ERROR for c in run.candidates.values())


def _bill(runs: Sequence[Run]) -> tuple[Call, ...]:
    return tuple(call for run in runs for call in run.ledger.calls)


async def _score(bench: Bench, item: Item, repeat: int, result: Answer, calls: tuple[Call, ...]) -> Sample:
    verdicts = await score_candidates(item, result.candidates, bench.judge)
    chosen, verdict = next((c, v) for c, v in zip(result.candidates, verdicts, strict=True) if c.index == result.chosen)
    if verdict is None:  # the best of what a deadline left: cut off by us, and judged by what it said until then
        verdict = await bench.judge(item, chosen.text)
    return Sample(
        item=item.id,
        repeat=repeat,
        outcome=SampleOutcome(verdict.outcome.value),
        score=verdict.score,
        reason=verdict.reason,
        answer=result.answer,
        chosen=result.chosen,
        decided_by=result.decided_by,
        plan=result.plan,
        candidates=result.candidates,
        verdicts=verdicts,
        judgements=result.judgements,
        calls=calls,
        seconds=result.seconds,
        warnings=result.warnings,
    )


def _describe_nothing(item: Item, repeat: int, run: Run, reason: str, calls: tuple[Call, ...]) -> Sample:
    """The model answered, with nothing: a bad answer, not a failed sample."""
    return Sample(
        item=item.id,
        repeat=repeat,
        outcome=SampleOutcome.UNPARSED,
        score=0.0,
        reason=reason,
        plan=run.plan,
        candidates=tuple(run.candidates[index] for index in sorted(run.candidates)),
        verdicts=(None,) * len(run.candidates),
        calls=calls,
        seconds=run.seconds,
        warnings=tuple(run.warnings),
    )
