"""Sources in the ledger: by a double, and by the engine itself."""

from collections.abc import Sequence

import anyio
import pytest

from abruzzi.engine.drafting.attribution import AttributingChat, spell_out
from abruzzi.engine.drafting.draft import DraftLimits
from abruzzi.engine.drafting.text import Part, Source
from abruzzi.engine.drafting.tokens import EngineTokens
from abruzzi.engine.process import Engine
from abruzzi.engine.settings import EngineSettings
from abruzzi.engine.speculation import Speculation
from abruzzi.errors import ModelError, UnreachableError
from abruzzi.ledger import Call, CallOutcome, DraftSources, Ledger
from abruzzi.models.chat import ChatRequest, Emit, ignore
from abruzzi.models.openai_client import OpenAIChat
from abruzzi.nouns import Completion, FinishReason, Message, Role, Usage

LIMITS = DraftLimits(ngram_tokens=2, max_draft_tokens=3)
REQUEST = ChatRequest(Role.SOLVER, (Message("user", "cdefghijk"),), max_tokens=50)


def say(text: str, reason: FinishReason = FinishReason.LENGTH, reasoning: str = "") -> Completion:
    return Completion(0, text, reasoning, reason, 1.0)


class Letters:
    """Every letter is a token; the prompt's are of the question."""

    async def read_prompt(self, messages: Sequence[Message]) -> tuple[Part, ...]:
        return (Part(Source.QUESTION, tuple(map(ord, messages[-1].content))),)

    async def read_completion(self, text: str, *, has_ended: bool) -> tuple[int, ...]:
        return (*map(ord, text), *[0] * has_ended)


class Unreachable(Letters):
    async def read_prompt(self, messages: Sequence[Message]) -> tuple[Part, ...]:
        raise UnreachableError("the engine is being started again")


class Drafting:
    """A model that says one thing and names its counts."""

    name, max_context = "m", None

    def __init__(self, text: str, usage: Usage, fault: ModelError | None = None) -> None:
        self._text, self._usage, self._fault = text, usage, fault

    async def complete(self, request: ChatRequest, *, ledger: Ledger, emit: Emit = ignore) -> tuple[Completion, ...]:
        call = ledger.open(request.role, self.name, num_choices=request.n)
        outcome = CallOutcome.OK if self._fault is None else CallOutcome.ERROR
        call.close(outcome, self._usage, is_exact=True)
        if self._fault is not None:
            raise self._fault
        return (say(self._text),)


def ask(model: AttributingChat, request: ChatRequest = REQUEST) -> Call:
    told: list[Call] = []
    ledger = Ledger(clock=iter(range(100)).__next__, on_call=told.append)
    anyio.run(lambda: model.complete(request, ledger=ledger))
    assert told == ledger.calls
    (call,) = told
    return call


def test_sources_are_exact_where_the_replay_counts_as_the_engine_does() -> None:
    # z d e | f g h -> question, accepted | i j k -> and so on: "zdefgh" then q, and nothing matches.
    call = ask(AttributingChat(Drafting("zdefghq", Usage(9, 0, 7, 0, 3, 3)), Letters(), LIMITS))
    assert call.draft_sources == DraftSources({"question": 3}, is_exact=True)
    assert call.started_s == 2.0  # on the caller's clock, from the caller's start


def test_sources_that_do_not_add_up_are_an_estimate() -> None:
    call = ask(AttributingChat(Drafting("zdefghq", Usage(9, 0, 7, 0, 3, 2)), Letters(), LIMITS))
    assert call.draft_sources == DraftSources({"question": 3}, is_exact=False)


@pytest.mark.parametrize(
    ("tokens", "usage"), [(Unreachable(), Usage(9, 0, 7, 0, 3, 3)), (Letters(), Usage(9, 0, 7, 0, 3, 0))]
)
def test_a_row_stays_as_it_is_where_nothing_can_be_told(tokens: Letters, usage: Usage) -> None:
    call = ask(AttributingChat(Drafting("zdefghq", usage), tokens, LIMITS))
    assert (call.draft_sources, call.usage) == (None, usage)


def test_a_failed_call_keeps_its_row() -> None:
    ledger = Ledger()
    model = AttributingChat(Drafting("", Usage(9, 0, 7, 0, 3, 3), ModelError("gone")), Letters(), LIMITS)
    with pytest.raises(ModelError, match="gone"):
        anyio.run(lambda: model.complete(REQUEST, ledger=ledger))
    assert [(call.outcome, call.draft_sources) for call in ledger.calls] == [(CallOutcome.ERROR, None)]


def test_a_completion_is_spelled_out_as_it_was_sampled() -> None:
    stop = ("</answer>",)
    assert spell_out(say("<answer>5", FinishReason.STOP, "2+3"), stop) == (
        "<think>2+3</think>\n<answer>5</answer>",
        False,
    )
    assert spell_out(say("5.", FinishReason.STOP), stop) == ("5.", True)
    assert spell_out(say("", FinishReason.LENGTH, "2+"), stop) == ("<think>2+", False)


def test_the_bill_adds_sources_up() -> None:
    ledger = Ledger()
    assert ledger.totals().draft_sources is None
    usages = [Usage(1, 0, 9, 0, 5, 3), Usage(1, 0, 9, 0, 5, 2)]
    rows = [ledger.open(Role.SOLVER, "m").close(CallOutcome.OK, usage, is_exact=True) for usage in usages]
    assert ledger.totals().draft_sources is None
    told = Ledger(calls=[_with(rows[0], {"own": 1, "plan": 2}), _with(rows[1], {"own": 2})])
    assert told.totals().draft_sources == DraftSources({"own": 3, "plan": 2}, is_exact=True)
    partly = Ledger(calls=[_with(rows[0], {"own": 3}), rows[1]])
    assert partly.totals().draft_sources == DraftSources({"own": 3}, is_exact=False)


def _with(call: Call, accepted: dict[str, int]) -> Call:
    return Call(
        call.role, call.model, call.outcome, call.num_choices, call.attempt, call.usage, is_exact=True,
        started_s=0.0, ttft_s=None, seconds=1.0, draft_sources=DraftSources(accepted, is_exact=True),
    )  # fmt: skip


@pytest.mark.engine
def test_the_engines_accepted_tokens_all_have_a_source(engine: Engine) -> None:
    settings = EngineSettings(
        model=engine.settings.model,
        slots=1,
        context_tokens=512,
        threads=1,
        speculation=Speculation(ngram_tokens=3, max_draft_tokens=16),
    )
    content = "<question>\nRepeat: " + " ".join(["one two three four five six"] * 6) + "\n</question>"
    request = ChatRequest(Role.SOLVER, (Message("user", content),), max_tokens=40, temperature=0.0, seed=1)
    with Engine(settings) as speculating:

        async def complete() -> Ledger:
            ledger = Ledger()
            chat = OpenAIChat(
                speculating.base_url, model=speculating.model, api_key=speculating.api_key, dialect="llama.cpp"
            )
            async with chat:
                tokens = EngineTokens(speculating.base_url, speculating.api_key)
                await AttributingChat(chat, tokens, DraftLimits(3, 16)).complete(request, ledger=ledger)
            return ledger

        (call,) = anyio.run(complete).calls
    assert call.draft_sources is not None
    assert call.draft_sources.is_exact
    assert sum(call.draft_sources.accepted.values()) == call.usage.accepted_tokens
    assert call.draft_sources.accepted["question"] > 0
