"""Answers a question: plan → N candidates → agreement, or pairwise judgement between clusters → answer.

The order of business, and what each step falls back on:

1. The planner gates and plans in one call; without a usable plan the candidates go on without one.
2. N candidates are sampled and clustered as they end; a safe majority ends it (``agreement``).
3. Otherwise clusters meet in a knock-out tournament judged in both orders; a match that the judge does not decide goes
   by cluster size, then likelihood, then order. The judge is left out when it is switched off, when the soft deadline
   has passed or when the token budget has no room for it.
4. Where no candidate is complete, the best of what there is becomes the answer, and says so (``fallback``).

In a conversation a reply that ended by itself is complete without a short answer in it, and so are calls of tools: they
are clustered by ``ballot`` and judged like answers.

While adapting, the same steps are taken one at a time, each chosen by ``adaptive`` from what those before have yielded
and what is left of the budgets.

The hard deadline cuts any of these short and loses nothing that was finished. The pipeline never returns None: it
returns an ``Answer`` or raises a typed error, and everything finished before the error stands in the run.
"""

from dataclasses import replace

import anyio

from abruzzi.errors import ConfigError, ModelTimeoutError, NoCandidateError
from abruzzi.nouns import Answer, Candidate, DecidedBy, FinishReason, PlanOutcome
from abruzzi.reasoning import paper
from abruzzi.reasoning.adaptive import Action, choose_next
from abruzzi.reasoning.conversation import read_reply
from abruzzi.reasoning.events import Answered, JudgementMade
from abruzzi.reasoning.judge import NewMark, compare, new_mark
from abruzzi.reasoning.leak import holds_answer
from abruzzi.reasoning.observation import observe, remember
from abruzzi.reasoning.plan import make_plan
from abruzzi.reasoning.run import Run, check_question
from abruzzi.reasoning.sample import Sampler, sample
from abruzzi.reasoning.tally import find_majority, group_clusters, pick_speaker
from abruzzi.reasoning.tournament import Contender, pair_up, settle


async def answer(run: Run, *, make_mark: NewMark = new_mark) -> Answer:
    """Answer the run's question.

    Raises:
        DataError: the question is empty or too long.
        ConfigError: the preset ``paper`` is to carry on a conversation.
        ModelError: no candidate came: the endpoint failed, or the hard deadline passed first.
    """
    check_question(run.question, run.roles.solver.max_context)
    if run.conversation is not None and not run.conversation.is_plain:
        check_question(run.told, run.roles.solver.max_context)
        if run.settings.preset == "paper":
            raise ConfigError("the preset 'paper' answers single questions only: no earlier turns, tools or schemas")
    run.start()
    chosen: tuple[Candidate, DecidedBy] | None = None
    with anyio.move_on_at(run.hard_deadline) as limit:
        if run.settings.preset == "paper":
            chosen = await paper.choose(run)
        elif run.settings.adapt:
            chosen = await _adapt(run, make_mark)
        else:
            await sample(run, await make_plan(run))
            chosen = await choose(run, make_mark=make_mark)
    if limit.cancelled_caught:
        run.warn(f"the hard deadline of {run.settings.hard_deadline_s:g} s cut the question short")
    if run.settings.adapt:
        remember(run)
    candidate, decided_by = chosen or choose_without_judge(run)
    result = _conclude(run, candidate, decided_by)
    run.tell(Answered(result))
    return result


async def _adapt(run: Run, make_mark: NewMark) -> tuple[Candidate, DecidedBy]:
    """Take one step after another, each chosen by what those before have yielded.

    Raises:
        NoCandidateError: the budget has no room for a single candidate, or none holds any text.
    """
    sampler, may_plan = Sampler(run), run.settings.plan != "off"
    while True:
        choice = choose_next(observe(run, may_plan=may_plan))
        run.choose(choice)
        match choice.action:
            case Action.PLAN:
                await make_plan(run)
                may_plan = False
            case Action.SKIP_PLAN:
                may_plan = False
            case Action.SAMPLE:
                num_later = run.settings.n - len(run.candidates) - choice.n
                await sampler.draw(run.plan, choice.n, choice.max_tokens, num_later=num_later)
            case Action.JUDGE:
                groups = group_clusters(list(run.candidates.values()))
                return await _judge(run, groups[: choice.n], make_mark)
            case Action.DECIDE:
                if not run.candidates:
                    raise NoCandidateError(f"the budget is too small for a candidate: {choice.reason}; raise it")
                return choose_without_judge(run)


async def choose(run: Run, *, make_mark: NewMark = new_mark) -> tuple[Candidate, DecidedBy]:
    """Choose among the candidates that the run holds: agreement, or the judge between clusters, or what is left.

    Raises:
        NoCandidateError: there is no candidate with any text.
    """
    groups = group_clusters(list(run.candidates.values()))
    votes = [c.cluster for c in run.candidates.values()]
    if len(groups) < 2 or find_majority(votes, num_running=0) is not None or not run.settings.judge:
        return choose_without_judge(run)
    return await _judge(run, groups, make_mark)


async def _judge(run: Run, groups: list[list[Candidate]], make_mark: NewMark) -> tuple[Candidate, DecidedBy]:
    """Let clusters meet, as long as the soft deadline allows."""
    with anyio.move_on_at(run.soft_deadline) as limit:
        return await _hold_tournament(run, [Contender(pick_speaker(g), len(g)) for g in groups], make_mark())
    assert limit.cancelled_caught, "the tournament returns unless the deadline cancels it"
    run.warn(f"the soft deadline of {run.settings.soft_deadline_s:g} s ended the judging")
    return choose_without_judge(run)


async def _hold_tournament(run: Run, contenders: list[Contender], mark: str) -> tuple[Candidate, DecidedBy]:
    decided_by = DecidedBy.FIRST
    while len(contenders) > 1:
        pairs, survivors = pair_up(contenders)
        if not _can_afford(run, 2 * len(pairs)):
            run.warn("the token budget has no room left for the judge")
            return choose_without_judge(run)
        winners: dict[int, int | None] = {}

        async def play(match: int, first: Contender, second: Contender, results: dict[int, int | None]) -> None:
            judgement = await compare(run, first.speaker, second.speaker, mark=mark)
            run.judgements.append(judgement)
            run.tell(JudgementMade(judgement))
            for vote in judgement.votes:
                if vote.error is not None:
                    run.warn(f"the judge gave no verdict: {vote.error}")
            results[match] = judgement.winner

        async with anyio.create_task_group() as group:
            for match, (first, second) in enumerate(pairs):
                group.start_soon(play, match, first, second, winners)
        for match, (first, second) in enumerate(pairs):
            survivor, decided_by = settle(first, second, winners[match])
            survivors.append(survivor)
        contenders = survivors
    return contenders[0].speaker, decided_by


def _can_afford(run: Run, num_calls: int) -> bool:
    left = run.tokens_left()
    return left is None or left >= num_calls * run.settings.judge_tokens


def choose_without_judge(run: Run) -> tuple[Candidate, DecidedBy]:
    """Choose among what the run holds: majority, cluster size, likelihood, order; or the best incomplete candidate.

    Raises:
        NoCandidateError: there is no candidate with any text.
        ModelTimeoutError: so, because the hard deadline passed.
    """
    candidates = list(run.candidates.values())
    groups = group_clusters(candidates)
    if len(groups) == 1 and len(groups[0]) == 1:
        return groups[0][0], DecidedBy.ONLY_CANDIDATE
    if groups:
        majority = find_majority([c.cluster for c in candidates], num_running=0)
        if majority is not None:
            return pick_speaker(groups[0]), DecidedBy.AGREEMENT
        best, decided_by = Contender(pick_speaker(groups[0]), len(groups[0])), DecidedBy.FIRST
        for group in groups[1:]:
            best, by = settle(best, Contender(pick_speaker(group), len(group)), None)
            decided_by = min(decided_by, by, key=_WEIGHT.index)
        return best.speaker, decided_by
    return _choose_incomplete(run, candidates), DecidedBy.FALLBACK


_WEIGHT = (DecidedBy.CLUSTER_SIZE, DecidedBy.LIKELIHOOD, DecidedBy.FIRST)
_WORTH = (FinishReason.STOP, FinishReason.LENGTH, FinishReason.CANCELLED, FinishReason.ERROR)


def _choose_incomplete(run: Run, candidates: list[Candidate]) -> Candidate:
    told = [c for c in candidates if c.text.strip() or c.reasoning.strip()]
    if told:
        return min(told, key=lambda c: (c.answer is None, _WORTH.index(c.finish_reason), -len(c.text), c.index))
    if run.seconds >= run.settings.hard_deadline_s:
        raise ModelTimeoutError(
            f"no candidate came within the hard deadline of {run.settings.hard_deadline_s:g} s; give it more time "
            "(--deadline) or a faster model"
        )
    errors = "; ".join(sorted({c.error for c in candidates if c.error})) or "all replies were empty"
    raise NoCandidateError(f"none of {len(candidates)} candidates holds any text: {errors}")


def _conclude(run: Run, chosen: Candidate, decided_by: DecidedBy) -> Answer:
    """Put the answer together; note whether the plan had given it away."""
    _note_leak(run)
    return Answer(
        question=run.question,
        plan=run.plan,
        candidates=tuple(run.candidates[index] for index in sorted(run.candidates)),
        judgements=tuple(run.judgements),
        answer=_write_answer(run, chosen),
        chosen=chosen.index,
        decided_by=decided_by,
        seconds=run.seconds,
        warnings=tuple(run.warnings),
    )


def _write_answer(run: Run, chosen: Candidate) -> str:
    """Write the final answer: the extracted one, or in a conversation the whole reply that holds it."""
    if chosen.tool_calls:
        return chosen.text.strip()
    if run.conversation is not None and not run.conversation.wants_json and chosen.text.strip():
        return read_reply(chosen.text)
    return chosen.answer if chosen.answer is not None else (chosen.text.strip() or chosen.reasoning.strip())


def _note_leak(run: Run) -> None:
    """Mark the plan that the candidates were shown, if it held an answer that they then gave."""
    if run.plan.outcome is not PlanOutcome.PLANNED:
        return
    answers = {c.answer for c in run.candidates.values() if c.answer is not None}
    if any(holds_answer(run.plan.text, given, run.told) for given in answers):
        run.plan = replace(run.plan, leaked=True)
        run.warn("the plan held an answer that a candidate then gave; their agreement is worth less")
