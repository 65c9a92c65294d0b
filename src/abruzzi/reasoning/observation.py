"""Reads off a run what the next choice depends on: votes, lengths, speed, and what is left of each budget.

Bills come from the ledger. A row whose usage is only a lower bound (a stream that broke off) is counted at the most
that its call may have come to, so that what is left is never overstated. A prompt that no call has been billed for yet
is counted a token for each byte, which no byte-level tokenizer exceeds, and some for the chat template.

What this cannot foresee: a client that asks again for a reply that broke off, or for JSON that did not fit, spends
more than its call was counted at. That shows in the ledger, and in the next choice.
"""

import json
from collections.abc import Mapping, Sequence

from abruzzi.ledger import Call, CallOutcome
from abruzzi.models.chat import ChatRequest
from abruzzi.nouns import Candidate, FinishReason, Role, Usage
from abruzzi.reasoning.adaptive import MIN_TOKENS, Part, Rate, State, Stock
from abruzzi.reasoning.judge import JUDGE_SCHEMA, MAX_RESPONSE_CHARS, judge_messages, shorten, show_candidate
from abruzzi.reasoning.lengths import expect
from abruzzi.reasoning.plan import plan_request
from abruzzi.reasoning.run import Run
from abruzzi.reasoning.sample import solve_request
from abruzzi.statistics.costs import Price, price_usage

TEMPLATE_TOKENS = 64
"""For the words of a chat template; each message has some more."""
MESSAGE_TOKENS = 16
MARK = "0" * 16
"""As long as the judge's."""
UNKNOWN_TOKENS = 1024
"""What a candidate without a limit is taken to ask of a rate limit."""


def observe(run: Run, *, may_plan: bool) -> State:
    """Read the state off a run.

    Args:
        run: under way, between two steps: no call is open.
        may_plan: whether the plan is still to be chosen.
    """
    settings = run.settings
    solver = bound_prompt(solve_request(run, run.plan, 1, None))
    planner = Part(bound_prompt(plan_request(run)), settings.plan_tokens)
    judge = Part(_bound_judge(run), settings.judge_tokens)
    price = None if settings.money is None else Price(settings.prompt_price or 0, settings.completion_price or 0)
    most = {
        Role.SOLVER: Part(solver, max((choice.max_tokens or 0 for choice in run.choices), default=0)),
        Role.PLANNER: planner,
        Role.JUDGE: judge,
    }
    spent = charge(run.ledger.calls, most)
    limit = _limit_candidate(run, solver)
    calls = [call for call in run.ledger.calls if call.role is Role.SOLVER]
    prompt_tokens, num_per_prompt = learn_prompt(calls, solver)
    own = count_tokens(list(run.candidates.values()), calls)
    history = run.roles.history
    num_more = settings.n - len(run.candidates)
    afford = run.roles.afford
    return State(
        n=settings.n,
        votes=tuple(run.candidates[index].cluster for index in sorted(run.candidates)),
        seconds=Stock(settings.soft_deadline_s, settings.soft_deadline_s - run.seconds),
        tokens=None
        if settings.token_budget is None
        else Stock(settings.token_budget, settings.token_budget - spent.completion_tokens),
        money=None
        if settings.money is None or price is None
        else Stock(settings.money, settings.money - price_usage(spent, price)),
        price=price,
        planner=planner if may_plan else None,
        judge=judge if settings.judge else None,
        prompt_tokens=prompt_tokens,
        num_per_prompt=num_per_prompt,
        max_tokens=limit,
        lengths=expect(own, () if history is None else history.of(run.roles.solver.name), limit),
        rate=measure_rate([call for call in run.ledger.calls if call.model == run.roles.solver.name]),
        headroom=None if afford is None or num_more < 1 else afford(num_more, prompt_tokens, limit or UNKNOWN_TOKENS),
    )


def remember(run: Run) -> None:
    """Add the lengths of a run's candidates to the history, if one is kept."""
    if run.roles.history is not None:
        calls = [call for call in run.ledger.calls if call.role is Role.SOLVER]
        run.roles.history.add(run.roles.solver.name, count_tokens(list(run.candidates.values()), calls))


def bound_prompt(request: ChatRequest) -> int:
    """Bound the tokens of a request's prompt from above."""
    further: list[object] = [*request.tools, *([] if request.schema is None else [request.schema.body])]
    for message in request.messages:
        further.extend((call.name, call.arguments) for call in message.tool_calls)
    sizes = [len(message.content.encode("utf-8", "replace")) + MESSAGE_TOKENS for message in request.messages]
    return TEMPLATE_TOKENS + sum(sizes) + sum(len(json.dumps(part)) for part in further)


def charge(calls: Sequence[Call], most: Mapping[Role, Part]) -> Usage:
    """Add up what calls cost, those whose usage is a lower bound at the most they may have come to.

    Args:
        calls: of the ledger.
        most: the most that a call of a role has as its prompt, and each of its choices as its reply.
    """
    prompt = completion = 0
    for call in calls:
        part = Part(0, 0) if call.is_exact else most.get(call.role, Part(0, 0))
        prompt += max(call.usage.prompt_tokens, part.prompt_tokens)
        completion += max(call.usage.completion_tokens, call.num_choices * part.max_tokens)
    return Usage(prompt_tokens=prompt, completion_tokens=completion)


def learn_prompt(calls: Sequence[Call], bound: int) -> tuple[int, int]:
    """Learn from the solver's calls what its prompt is billed at.

    Args:
        calls: of the solver.
        bound: where no call tells.

    Returns:
        Prompt tokens of one request, and for how many candidates that is known to be all.
    """
    billed = [call for call in calls if call.is_exact and call.usage.prompt_tokens]
    if not billed:
        return bound, 1
    return max(call.usage.prompt_tokens for call in billed), max(call.num_choices for call in billed)


def count_tokens(candidates: Sequence[Candidate], calls: Sequence[Call]) -> list[int]:
    """Count the tokens of the candidates that the model or its limit ended.

    Where the endpoint does not tell them apart, the sum that it billed is shared out by the length of their texts.
    """
    sizes = [len(c.text) + len(c.reasoning) + sum(len(call.arguments) for call in c.tool_calls) for c in candidates]
    billed = sum(call.usage.completion_tokens for call in calls)
    tokens_per_char = billed / sum(sizes) if sum(sizes) else 0.0
    counted: list[int] = []
    for candidate, size in zip(candidates, sizes, strict=True):
        tokens = round(size * tokens_per_char) if candidate.num_tokens is None else candidate.num_tokens
        if candidate.finish_reason not in (FinishReason.CANCELLED, FinishReason.ERROR) and tokens:
            counted.append(tokens)
    return counted


def measure_rate(calls: Sequence[Call]) -> Rate | None:
    """Measure how fast a model's replies came: that of the slowest whole call, the wait for it included.

    Args:
        calls: of one model.

    Returns:
        None where no call tells.
    """
    rates: list[Rate] = []
    for call in calls:
        if call.outcome is CallOutcome.OK and call.usage.completion_tokens and call.seconds > 0:
            middle = call.started_s + call.seconds / 2
            together = sum(c.num_choices for c in calls if c.started_s <= middle <= c.started_s + c.seconds)
            each = call.usage.completion_tokens / call.num_choices / call.seconds
            rates.append(Rate(each, max(together, call.num_choices)))
    return min(rates, key=lambda rate: rate.tokens_per_s * rate.num_together, default=None)


def _bound_judge(run: Run) -> int:
    """Bound the prompt of a comparison of any two of the candidates, or of two empty ones before there are any."""
    reads = run.settings.judge_reads
    shown = [shorten(show_candidate(c, reads), MAX_RESPONSE_CHARS) for c in run.candidates.values() if c.is_complete]
    longest = sorted(shown, key=lambda text: len(text.encode("utf-8", "replace")))[-2:]
    first, second = ("", "", *longest)[-2:]
    messages = judge_messages(run.told, first, second, mark=MARK)
    return bound_prompt(ChatRequest(role=Role.JUDGE, messages=messages, schema=JUDGE_SCHEMA))


def _limit_candidate(run: Run, prompt_tokens: int) -> int | None:
    """Find the most tokens of a candidate: as set, or where a budget must be met as the model's context has room."""
    settings, context = run.settings, run.roles.solver.max_context
    if settings.max_tokens is not None:
        return settings.max_tokens
    if context is None or (settings.token_budget is None and settings.money is None):
        return None
    return max(MIN_TOKENS, context - prompt_tokens)
