"""What one question takes: plan, N candidates, judge, in the pipeline's own order and with its shared prefixes.

    plan    one call; its instructions are cached from the question before, the question itself is computed
    solve   one request for N candidates: the prompt (question and plan) is computed once, then N sequences are
            decoded; a majority that agrees ends it, so that it lasts as long as candidate N // 2 + 1 in order of
            length; where all differ, as long as the longest
    judge   where all N differ: a knock-out of N clusters, ⌈log2 N⌉ rounds and N − 1 matches, each in both orders side
            by side; what is computed is the question once and both responses in each order

Other questions may decode beside this one: ``batch`` is the sequences of all while this one solves. They slow a pass
down and share its cost. A question's ``machine_s`` are the seconds of the machine that are its own: all of its
prefills, and of each pass the share that its sequences are of all; places that nobody fills are nobody's.

Left out: waiting in a queue (``fleet``), the network, prefills of other questions in between, a gate that finds a
question easy, the solver's cached tokens of a former turn, clusters of unequal size.
"""

from dataclasses import dataclass
from math import ceil, log2

from abruzzi.capacity.lengths import order_means
from abruzzi.capacity.passes import prefill_passes
from abruzzi.capacity.replica import Replica, check_fit
from abruzzi.capacity.roofline import PassTime, Term
from abruzzi.capacity.speculation import Decode, Speculation, decode
from abruzzi.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens of everything that a question is made of."""

    plan_instructions: int
    solve_instructions: int
    judge_instructions: int
    plan_frame: int
    """The words around a plan in the solver's prompt."""
    match_frame: int
    """The words around two responses in the judge's prompt."""
    question: int = 150
    plan: int = 250
    candidate: int = 8000
    """A candidate's completion, thoughts included; the mean."""
    response: int = 400
    """What the judge reads of a candidate."""
    verdict: int = 200
    spread: float = 0.4
    """Of the candidates' lengths: σ of their logarithms."""


@dataclass(frozen=True, slots=True)
class Ask:
    """How a question is asked."""

    lengths: Lengths
    n: int = 3
    batch: int = 3
    """Sequences that the machine decodes side by side, of all questions; at least ``n``."""
    plans: bool = True
    is_judged: bool = True
    """All candidates differ, so that the judge compares them; False: a majority agrees."""
    speculation: Speculation | None = None

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ConfigError(f"n is {self.n}; there must be at least 1 candidate")
        if self.batch < self.n:
            raise ConfigError(f"a batch of {self.batch} does not hold {self.n} candidates; make it at least n")

    @property
    def others(self) -> int:
        """Sequences of other questions beside this one's."""
        return self.batch - self.n

    @property
    def prompt_tokens(self) -> int:
        """Of the solver."""
        tokens = self.lengths
        plan = tokens.plan_frame + tokens.plan if self.plans else 0
        return tokens.solve_instructions + tokens.question + plan

    @property
    def middle_tokens(self) -> float:
        """What a candidate attends to half-way."""
        return self.prompt_tokens + self.lengths.candidate / 2


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of a question."""

    name: str
    prefill_s: float
    decode_s: float
    machine_s: float
    """Seconds of the machine that are this question's."""
    prompt_tokens: int
    """Computed; the cached ones are not among them."""
    completion_tokens: float
    time: PassTime
    """All passes by term."""

    @property
    def seconds(self) -> float:
        """Of waiting."""
        return self.prefill_s + self.decode_s

    @property
    def bound(self) -> Term:
        """What most of it waits for."""
        return self.time.bound


@dataclass(frozen=True, slots=True)
class QuestionTime:
    """What one question takes."""

    phases: tuple[Phase, ...]
    ttft_s: float
    """From the solver's request to its first token."""
    decode: Decode
    """The solver's, half-way through."""
    batch: int

    @property
    def seconds(self) -> float:
        """From the question to its answer."""
        return sum(phase.seconds for phase in self.phases)

    @property
    def machine_s(self) -> float:
        """Seconds of the machine that are this question's."""
        return sum(phase.machine_s for phase in self.phases)

    @property
    def completion_tokens(self) -> float:
        """Of all its calls."""
        return sum(phase.completion_tokens for phase in self.phases)

    @property
    def tokens_per_second(self) -> float:
        """Of one candidate."""
        return 1 / self.decode.seconds_per_token

    @property
    def total_tokens_per_second(self) -> float:
        """Of the machine."""
        return self.batch * self.tokens_per_second

    def cost(self, price_per_hour: float) -> float:
        """In the price's money; none for what stands idle (``fleet``)."""
        return self.machine_s * price_per_hour / 3600


def predict_question(replica: Replica, ask: Ask) -> QuestionTime:
    """Predict one question.

    Args:
        replica: the model, for all roles, on its machine.
        ask: how it is asked.

    Raises:
        ConfigError: the batch does not fit into the memory.
    """
    check_fit(replica, sequences=ask.batch, tokens=ask.prompt_tokens + ask.lengths.candidate)
    phases = [_plan(replica, ask)] if ask.plans else []
    solve = _solve(replica, ask)
    phases += [solve, *(_judge(replica, ask) if ask.is_judged and ask.n > 1 else ())]
    middle = decode(replica, sequences=ask.batch, context_tokens=ask.middle_tokens, speculation=ask.speculation)
    return QuestionTime(tuple(phases), solve.prefill_s, middle, ask.batch)


def _plan(replica: Replica, ask: Ask) -> Phase:
    tokens = ask.lengths
    prefills = prefill_passes(replica, tokens=tokens.question, cached_tokens=tokens.plan_instructions)
    context = tokens.plan_instructions + tokens.question + tokens.plan / 2
    step = _step(replica, ask, 1, context)
    return _phase(
        "plan", ask, prefills, step, own=1, prompt_tokens=tokens.question, longest=tokens.plan, spent=tokens.plan
    )


def _solve(replica: Replica, ask: Ask) -> Phase:
    tokens, means = ask.lengths, order_means(ask.n, ask.lengths.spread)
    last = ask.n if ask.is_judged else ask.n // 2 + 1
    longest = tokens.candidate * means[last - 1]
    spent = tokens.candidate * sum(means[:last]) + (ask.n - last) * longest
    new_tokens = ask.prompt_tokens - tokens.solve_instructions
    prefills = prefill_passes(replica, tokens=new_tokens, cached_tokens=tokens.solve_instructions)
    step = _step(replica, ask, ask.n, ask.middle_tokens)
    return _phase("solve", ask, prefills, step, own=ask.n, prompt_tokens=new_tokens, longest=longest, spent=spent)


def _judge(replica: Replica, ask: Ask) -> list[Phase]:
    """Time the rounds of the knock-out; the first one computes the question."""
    tokens, phases, clusters = ask.lengths, list[Phase](), ask.n
    for number in range(1, ceil(log2(ask.n)) + 1):
        calls = 2 * (clusters // 2)
        clusters -= clusters // 2
        new_tokens, known = tokens.match_frame + 2 * tokens.response, tokens.judge_instructions + tokens.question
        prefills = [
            one for _ in range(calls) for one in prefill_passes(replica, tokens=new_tokens, cached_tokens=known)
        ]
        computed = calls * new_tokens
        if number == 1:
            computed += tokens.question
            prefills += prefill_passes(replica, tokens=tokens.question, cached_tokens=tokens.judge_instructions)
        step = _step(replica, ask, calls, known + new_tokens + tokens.verdict / 2)
        spent = calls * tokens.verdict
        phase = _phase(
            f"judge, round {number}",
            ask,
            prefills,
            step,
            own=calls,
            prompt_tokens=computed,
            longest=tokens.verdict,
            spent=spent,
        )
        phases.append(phase)
    return phases


def _step(replica: Replica, ask: Ask, own: int, context_tokens: float) -> Decode:
    """Decode ``own`` sequences of this question beside those of others, which are half-way through solving."""
    sequences = own + ask.others
    mean_context = (own * context_tokens + ask.others * ask.middle_tokens) / sequences
    return decode(replica, sequences=sequences, context_tokens=mean_context, speculation=ask.speculation)


def _phase(
    name: str,
    ask: Ask,
    prefills: list[PassTime],
    step: Decode,
    *,
    own: int,
    prompt_tokens: int,
    longest: float,
    spent: float,
) -> Phase:
    prefill_s = sum(one.seconds for one in prefills)
    decode_s = longest * step.seconds_per_token
    decoding = step.pass_time.scaled(longest / step.tokens_per_pass)
    return Phase(
        name=name,
        prefill_s=prefill_s,
        decode_s=decode_s,
        machine_s=prefill_s + spent * step.seconds_per_token / (own + ask.others),
        prompt_tokens=prompt_tokens,
        completion_tokens=spent,
        time=add(decoding, *prefills),
    )


def add(first: PassTime, *others: PassTime) -> PassTime:
    """Add passes up, term by term."""
    passes = (first, *others)
    return PassTime(
        matrix_s=sum(one.matrix_s for one in passes),
        attention_s=sum(one.attention_s for one in passes),
        weights_s=sum(one.weights_s for one in passes),
        cache_s=sum(one.cache_s for one in passes),
        exchange_s=sum(one.exchange_s for one in passes),
        fixed_s=sum(one.fixed_s for one in passes),
        overlap=first.overlap,
    )
