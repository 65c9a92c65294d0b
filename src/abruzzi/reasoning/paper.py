"""Preset ``paper``: the published pipeline, call by call, so that ours can always be compared with it.

After the authors' inference script (arXiv 2509.07604 §2; 268 lines). Each of the N samples runs its own chain, side by
side: topics and gate → plan (when the gate says hard) → solve; then a linear scan keeps a champion: the judge sees
champion and challenger once, in that order, and answers 0 or 1. A hard question takes 3N + (N − 1) calls, 11 for N = 3;
an easy one 2N + (N − 1), 8. The prompts keep the published intent in our words.

Kept although we think them wrong: the gate's plan is thrown away; the judge answers before it explains; one order only;
candidates without a closed thought are judged by their last 2,000 characters behind a fixed phrase.

Changed, because a comparison needs an outcome: a sample whose planner or gate fails is recorded as failed while the
others go on (there, too), but a judge that fails keeps the champion (there, the whole question is lost), and failed
samples are not judged (there, the text "No answer." takes their place).
"""

from collections.abc import Awaitable
from dataclasses import replace
from typing import Annotated

import anyio
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from abruzzi.errors import ModelError
from abruzzi.models.chat import ChatEvent, ChatRequest, ReasoningDelta, Schema, TextDelta
from abruzzi.nouns import (
    Candidate,
    Completion,
    DecidedBy,
    FinishReason,
    Judgement,
    Message,
    Plan,
    PlanOutcome,
    Role,
    Vote,
)
from abruzzi.reasoning.events import CandidateDelta, CandidateEnded, CandidatesStarted, JudgementMade, PlanMade
from abruzzi.reasoning.prompts import fill, read_prompt
from abruzzi.reasoning.run import Run
from abruzzi.reasoning.sample import read_candidate

TOPICS_SCHEMA = Schema(
    name="search_list",
    body={
        "type": "object",
        "properties": {
            "is_hard_problem": {"type": "boolean"},
            "plan": {"type": "string"},
            "search_list": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["is_hard_problem", "plan", "search_list"],
        "additionalProperties": False,
    },
)
INDEX_SCHEMA = Schema(
    name="better_response",
    body={
        "type": "object",
        "properties": {"index": {"type": "integer"}, "explanation": {"type": "string"}},
        "required": ["index", "explanation"],
        "additionalProperties": False,
    },
)
NO_ANSWER = "No answer found; the end of the reasoning reads: "
TAIL_CHARS = 2000


class _Topics(BaseModel):
    model_config = ConfigDict(extra="ignore")
    is_hard_problem: bool
    search_list: list[str]


class _Index(BaseModel):
    model_config = ConfigDict(extra="ignore")
    index: Annotated[int, Field(ge=0, le=1)]
    explanation: str = ""


async def choose(run: Run) -> tuple[Candidate, DecidedBy] | None:
    """Run all chains into ``run.candidates`` and scan for the champion.

    Returns:
        The champion and what decided; None when no sample came back, which the caller settles.
    """
    run.tell(CandidatesStarted(run.settings.n, run.roles.solver.name))
    async with anyio.create_task_group() as group:
        for index in range(run.settings.n):
            group.start_soon(_run_chain, run, index)
        await _wait(run)
        group.cancel_scope.cancel()
    finished = [c for _, c in sorted(run.candidates.items()) if c.finish_reason is not FinishReason.ERROR]
    if not finished:
        return None
    return await _scan(run, finished)


async def _wait(run: Run) -> None:
    """Wait for every sample until the soft deadline, and from then on for the first one."""
    poll_s = min(0.05, run.settings.soft_deadline_s / 10)
    while len(run.candidates) < run.settings.n:
        is_late = anyio.current_time() >= run.soft_deadline
        if is_late and any(c.finish_reason is not FinishReason.ERROR for c in run.candidates.values()):
            return
        await anyio.sleep(poll_s)


async def _run_chain(run: Run, index: int) -> None:
    """Topics, plan, solve: one sample."""
    started = run.seconds
    try:
        topics = await _ask_topics(run)
        plan = await _ask_plan(run, topics.search_list) if topics.is_hard_problem else None
        candidate = read_candidate(await _solve(run, index, plan))
    except (ModelError, ValidationError) as error:
        reason = str(error) if isinstance(error, ModelError) else "the planner's reply is not the JSON asked for"
        candidate = Candidate(
            index=index,
            text="",
            reasoning="",
            answer=None,
            finish_reason=FinishReason.ERROR,
            cluster=None,
            seconds=run.seconds - started,
            error=reason,
        )
    if candidate.error is not None:
        run.warn(f"sample {index} failed: {candidate.error}")
    run.candidates[index] = candidate
    run.tell(CandidateEnded(candidate))


async def _ask_topics(run: Run) -> _Topics:
    user = fill(read_prompt("paper_topics")[1], question=run.question)
    request = _request(run, Role.TOPICS, Message("user", user), schema=TOPICS_SCHEMA)
    completion = await _complete(run.roles.planner.complete(request, ledger=run.ledger))
    return _Topics.model_validate_json(completion.text[max(0, completion.text.find("{")) :])


async def _ask_plan(run: Run, topics: list[str]) -> str:
    user = fill(read_prompt("paper_plan")[1], question=run.question, topics=repr(topics))
    request = _request(run, Role.PLANNER, Message("user", user))
    completion = await _complete(run.roles.planner.complete(request, ledger=run.ledger))
    plan = read_plan_tag(completion.text)
    run.plan = Plan(PlanOutcome.PLANNED, text=plan, topics=tuple(topics))
    run.tell(PlanMade(run.plan))
    return plan


def read_plan_tag(text: str) -> str:
    """Read the plan as the published script does: before the last ``</plan>``, after the last ``<plan>`` in that."""
    if "</plan>" not in text:
        return text
    return text.rsplit("</plan>", 1)[0].rsplit("</plan>", 1)[-1].rsplit("<plan>", 1)[-1]


async def _solve(run: Run, index: int, plan: str | None) -> Completion:
    system, user = read_prompt("paper_solve")
    content = fill(user, question=run.question)
    if plan is not None:
        content = fill(read_prompt("paper_ideas")[1], question=run.question, plan=plan)
    request = _request(run, Role.SOLVER, Message("system", system), Message("user", content))
    request = replace(request, temperature=1.0, max_tokens=run.settings.max_tokens)

    def emit(event: ChatEvent) -> None:
        if isinstance(event, TextDelta | ReasoningDelta):
            run.tell(CandidateDelta(index, event.text, is_reasoning=isinstance(event, ReasoningDelta)))

    completion = await _complete(run.roles.solver.complete(request, ledger=run.ledger, emit=emit))
    return replace(completion, index=index)


def _request(run: Run, role: Role, *messages: Message, schema: Schema | None = None) -> ChatRequest:
    """Write a request as the script does: no sampling settings, whatever the server's own are."""
    return ChatRequest(role=role, messages=messages, schema=schema, timeouts=run.settings.timeouts)


async def _complete(call: Awaitable[tuple[Completion, ...]]) -> Completion:
    """Await a call for one choice; a failed choice is raised, since it ends its chain."""
    (completion,) = await call
    if completion.finish_reason is FinishReason.ERROR:
        raise ModelError(completion.error or "the call failed")
    return completion


async def _scan(run: Run, candidates: list[Candidate]) -> tuple[Candidate, DecidedBy]:
    """Keep a champion: each next candidate meets it once, shown second."""
    champion, decided_by = candidates[0], DecidedBy.ONLY_CANDIDATE
    for challenger in candidates[1:]:
        judgement = await _compare_once(run, champion, challenger)
        run.judgements.append(judgement)
        run.tell(JudgementMade(judgement))
        decided_by = DecidedBy.FIRST if judgement.winner is None else DecidedBy.JUDGE
        if judgement.winner == challenger.index:
            champion = challenger
    return champion, decided_by


async def _compare_once(run: Run, champion: Candidate, challenger: Candidate) -> Judgement:
    system, user = read_prompt("paper_judge")
    content = fill(user, question=run.question, first=shown_text(champion), second=shown_text(challenger))
    request = _request(run, Role.JUDGE, Message("system", system), Message("user", content), schema=INDEX_SCHEMA)
    try:
        completion = await _complete(run.roles.judge.complete(request, ledger=run.ledger))
        reply = _Index.model_validate_json(completion.text[max(0, completion.text.find("{")) :])
    except (ModelError, ValidationError) as error:
        run.warn(f"the judge gave no verdict, the champion stays: {str(error)[:200]}")
        vote = Vote(champion.index, None, "", error=str(error)[:200])
    else:
        vote = Vote(champion.index, (champion, challenger)[reply.index].index, reply.explanation)
    return Judgement(champion.index, challenger.index, vote.preferred, (vote,))


def shown_text(candidate: Candidate) -> str:
    """What the published judge sees: the text after the thought, or a fixed phrase and the end of the thought."""
    if candidate.reasoning and candidate.text:
        return candidate.text
    return NO_ANSWER + (candidate.text or candidate.reasoning)[-TAIL_CHARS:]
