"""Gate and plan: once per question, in one call, shared by all candidates.

The published pipeline asks for topics with its gate and for the plan separately, and anew for each candidate (arXiv
2509.07604; six calls for N = 3), and throws the gate's own plan away. Here one structured reply is both: an empty plan
says that none is needed, which takes our planner six tokens, and what the topics were for stands in the plan, where the
candidates read it. The plan is read leniently (a truncated reply still yields its whole lines) but shown strictly:
answers are taken out first, see ``leak``.

A planner that fails, times out or rambles never stops the question: the plan then says why it is missing.
"""

import anyio
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json

from abruzzi.errors import ModelError
from abruzzi.models.chat import ChatEvent, ChatRequest, Schema, TextDelta
from abruzzi.nouns import Completion, FinishReason, Message, Plan, PlanOutcome, Role
from abruzzi.reasoning.events import PlanDelta, PlanMade, PlanStarted
from abruzzi.reasoning.leak import redact
from abruzzi.reasoning.prompts import fill, read_prompt
from abruzzi.reasoning.run import Run

PLAN_SCHEMA = Schema(
    name="plan",
    body={
        "type": "object",
        "properties": {"plan": {"type": "string"}},
        "required": ["plan"],
        "additionalProperties": False,
    },
)

MAX_SHARE_OF_SOFT_DEADLINE = 1 / 3
"""Planning may not eat the time of the candidates."""
MAX_SHARE_OF_BUDGET = 1 / 4
"""Nor their tokens."""


class _Reply(BaseModel):
    model_config = ConfigDict(extra="ignore")
    plan: str


async def make_plan(run: Run) -> Plan:
    """Ask the planner once, and note the plan in the run.

    Returns:
        The plan, or a plan without text that says why there is none; never raises for a failing planner.
    """
    if run.settings.plan == "off":
        return run.plan
    run.tell(PlanStarted(run.roles.planner.name))
    run.plan = await _ask_planner(run)
    if run.plan.outcome in (PlanOutcome.FAILED, PlanOutcome.UNUSABLE):
        run.warn(f"no plan: {run.plan.reason}")
    run.tell(PlanMade(run.plan))
    return run.plan


def planner_messages(question: str, *, is_forced: bool = False) -> tuple[Message, ...]:
    """Write what the planner is asked.

    Args:
        question: as it was put.
        is_forced: ask for a plan in any case; nothing is said of a gate then.
    """
    system, user = read_prompt("plan_always" if is_forced else "plan")
    return Message("system", system), Message("user", fill(user, question=question))


def plan_request(run: Run) -> ChatRequest:
    """Write the planner's request, within its share of the token budget."""
    left = run.tokens_left()
    return ChatRequest(
        role=Role.PLANNER,
        messages=planner_messages(run.told, is_forced=run.settings.plan == "always"),
        max_tokens=run.settings.plan_tokens
        if left is None
        else max(1, min(run.settings.plan_tokens, int(left * MAX_SHARE_OF_BUDGET))),
        temperature=0.0,
        seed=run.settings.seed,
        schema=PLAN_SCHEMA,
        timeouts=run.settings.timeouts,
    )


async def _ask_planner(run: Run) -> Plan:
    request = plan_request(run)

    def emit(event: ChatEvent) -> None:
        if isinstance(event, TextDelta):
            run.tell(PlanDelta(event.text))

    limit_s = run.settings.soft_deadline_s * MAX_SHARE_OF_SOFT_DEADLINE
    completions: tuple[Completion, ...] = ()
    with anyio.move_on_after(limit_s):
        try:
            completions = await run.roles.planner.complete(request, ledger=run.ledger, emit=emit)
        except ModelError as error:
            return Plan(PlanOutcome.FAILED, reason=str(error))
    if not completions:
        return Plan(PlanOutcome.FAILED, reason=f"the planner did not finish within {limit_s:.0f} s")
    return read_plan(completions[0], run.told, is_forced=run.settings.plan == "always")


def read_plan(completion: Completion, question: str, *, is_forced: bool = False) -> Plan:
    """Read the planner's reply.

    Args:
        completion: the reply; a truncated or failed one may still hold a plan.
        question: what was asked; its own numbers are not secrets.
        is_forced: a plan was asked for in any case, so an empty one is a failure and no gate.
    """
    reply = _parse(completion.text)
    if reply is None:
        if completion.finish_reason is FinishReason.ERROR:
            return Plan(PlanOutcome.FAILED, reason=completion.error or "the planner's call failed")
        return Plan(
            PlanOutcome.UNUSABLE, reason=f"the planner's reply is not the JSON asked for: {completion.text[:80]!r}"
        )
    if not reply.plan.strip() and completion.finish_reason is FinishReason.STOP and not is_forced:
        return Plan(PlanOutcome.NOT_NEEDED, reason="the gate says that the question is easy")
    text, num_redactions = redact(_tidy(reply.plan, completion.finish_reason), question)
    if not text.strip():
        return Plan(PlanOutcome.UNUSABLE, reason="the planner's plan is empty")
    return Plan(PlanOutcome.PLANNED, text=text, num_redactions=num_redactions)


def _parse(text: str) -> _Reply | None:
    """Read the reply's JSON object, a truncated one included."""
    start = text.find("{")
    if start < 0:
        return None
    try:
        return _Reply.model_validate(from_json(text[start:], allow_partial="trailing-strings"))
    except (ValueError, ValidationError):
        return None


def _tidy(plan: str, finish_reason: FinishReason) -> str:
    """Drop repeated lines (small models loop) and, in a truncated reply, the last line, which is half a step."""
    lines = [line.rstrip() for line in plan.strip().splitlines()]
    if finish_reason is FinishReason.LENGTH and len(lines) > 1:
        lines.pop()
    return "\n".join(dict.fromkeys(line for line in lines if line.strip()))
