"""The scripted double keeps the ChatModel contract."""

import anyio
import pytest

from abruzzi.errors import ModelError, ModelTimeoutError, RateLimitError
from abruzzi.ledger import CallOutcome, Ledger
from abruzzi.models.chat import ChatEvent, ChatModel, ChatRequest, Ended, ReasoningDelta, TextDelta
from abruzzi.models.scripted import Reply, ScriptedChat, count_tokens, fail, hang, reply
from abruzzi.nouns import Completion, FinishReason, Message, Role, ToolCall
from tests.models.virtual_time import run_virtual


def ask(n: int = 1, role: Role = Role.SOLVER, *, logprobs: bool = False) -> ChatRequest:
    return ChatRequest(role=role, messages=(Message("user", "What is 40 + 2 ?"),), n=n, logprobs=logprobs)


def play(
    chat: ChatModel, request: ChatRequest, limit_s: float = 1e9
) -> tuple[tuple[Completion, ...], Ledger, list[tuple[float, ChatEvent]]]:
    events: list[tuple[float, ChatEvent]] = []

    async def main() -> tuple[tuple[Completion, ...], Ledger]:
        ledger = Ledger(clock=anyio.current_time)
        with anyio.move_on_after(limit_s):
            return await chat.complete(
                request, ledger=ledger, emit=lambda e: events.append((anyio.current_time(), e))
            ), ledger
        return (), ledger

    completions, ledger = run_virtual(main)
    return completions, ledger, events


def test_replies_are_used_in_order_and_by_role() -> None:
    chat = ScriptedChat({Role.SOLVER: ["one", reply("two"), reply(json={"three": 3})], Role.JUDGE: "always"})
    assert [c.text for c in play(chat, ask(n=2))[0]] == ["one", "two"]
    assert [c.text for c in play(chat, ask(n=2, role=Role.JUDGE))[0]] == ["always", "always"]
    assert [c.text for c in play(chat, ask())[0]] == ['{"three": 3}']
    assert [r.n for r in chat.requests_of(Role.SOLVER)] == [2, 1]
    with pytest.raises(AssertionError, match="asks for 1 solver replies; the script has 0 left"):
        play(chat, ask())


def test_a_function_sees_the_request() -> None:
    def answer(request: ChatRequest) -> list[Reply]:
        return [reply(f"{request.messages[0].content} #{i}") for i in range(request.n)]

    by_function = play(ScriptedChat(answer), ask(n=2))[0]
    by_role = play(ScriptedChat({Role.SOLVER: answer}), ask(n=2))[0]
    assert [c.text for c in by_function] == ["What is 40 + 2 ? #0", "What is 40 + 2 ? #1"]
    assert by_role == by_function


def test_deltas_add_up_and_tokens_come_at_equal_steps() -> None:
    chat = ScriptedChat({Role.SOLVER: reply("so it\nis 42", reasoning="hm well", seconds=6.0)})
    completions, ledger, events = play(chat, ask())
    assert [(at, type(e)) for at, e in events] == [
        (1.0, ReasoningDelta), (2.0, ReasoningDelta),
        (3.0, TextDelta), (4.0, TextDelta), (5.0, TextDelta), (6.0, TextDelta), (6.0, Ended),
    ]  # fmt: skip
    assert "".join(e.text for _, e in events if isinstance(e, TextDelta)) == "so it\nis 42"
    assert events[-1][1] == Ended(completions[0])
    assert completions[0].reasoning == "hm well"
    assert completions[0].num_tokens == 6
    (call,) = ledger.calls
    assert (call.outcome, call.ttft_s, call.seconds, call.is_exact) == (CallOutcome.OK, 1.0, 6.0, True)
    assert (call.usage.prompt_tokens, call.usage.completion_tokens, call.usage.reasoning_tokens) == (6, 6, 2)


def test_choices_end_in_their_own_time_in_one_call_or_several() -> None:
    lines = [reply("a", seconds=3.0), reply("b", seconds=1.0), reply("c", seconds=2.0)]
    for honours_n, num_calls in ((True, 1), (False, 3)):
        completions, ledger, events = play(ScriptedChat({Role.SOLVER: lines}, honours_n=honours_n), ask(n=3))
        assert [e.completion.index for _, e in events if isinstance(e, Ended)] == [1, 2, 0]
        assert [c.index for c in completions] == [0, 1, 2]
        assert [c.seconds for c in completions] == [3.0, 1.0, 2.0]
        assert ledger.totals().num_calls == num_calls
        assert ledger.totals().usage.prompt_tokens == 6 * num_calls


def test_cancelling_bills_what_was_said() -> None:
    chat = ScriptedChat({Role.SOLVER: [reply("one two three four", seconds=4.0), hang("let me")]})
    completions, ledger, events = play(chat, ask(n=2), limit_s=2.5)
    assert completions == ()
    assert not any(isinstance(e, Ended) for _, e in events)
    (call,) = ledger.calls
    assert call.outcome is CallOutcome.CANCELLED
    assert call.usage.completion_tokens == 2 + 2
    assert call.seconds == 2.5


def test_cancelling_at_the_last_end_finds_nothing_left_to_cancel() -> None:
    ledger = Ledger()

    async def main() -> None:
        with anyio.CancelScope() as scope:

            def stop(event: ChatEvent) -> None:
                if isinstance(event, Ended):
                    scope.cancel()

            await ScriptedChat({Role.SOLVER: "x"}).complete(ask(), ledger=ledger, emit=stop)

    run_virtual(main)
    assert [call.outcome for call in ledger.calls] == [CallOutcome.OK]


def test_a_failing_choice_is_a_value_and_spares_its_siblings() -> None:
    chat = ScriptedChat({Role.SOLVER: [fail("the stream broke", text="half an"), "whole"]})
    completions, ledger, _ = play(chat, ask(n=2))
    assert [(c.finish_reason, c.text, c.error) for c in completions] == [
        (FinishReason.ERROR, "half an", "the stream broke"),
        (FinishReason.STOP, "whole", None),
    ]
    assert ledger.calls[0].outcome is CallOutcome.OK


def test_it_raises_only_when_no_choice_could_be_started() -> None:
    ledgers: list[Ledger] = []
    events: list[ChatEvent] = []

    async def main() -> None:
        ledgers.append(Ledger(clock=anyio.current_time))
        chat = ScriptedChat({Role.SOLVER: [fail(RateLimitError("slow down", retry_after_s=3.0)), fail("no")]})
        await chat.complete(ask(n=2), ledger=ledgers[0], emit=events.append)

    with pytest.raises(RateLimitError, match="slow down"):
        run_virtual(main)
    assert events == []
    assert ledgers[0].calls[0].outcome is CallOutcome.ERROR
    completions, _, _ = play(ScriptedChat({Role.SOLVER: [fail("no"), "yes"]}), ask(n=2))
    assert [c.finish_reason for c in completions] == [FinishReason.ERROR, FinishReason.STOP]


def test_a_scripted_timeout_is_billed_as_one() -> None:
    chat = ScriptedChat({Role.PLANNER: fail(ModelTimeoutError("no first token in 5 s"), text="x", seconds=5.0)})
    completions, ledger, _ = play(chat, ask(role=Role.PLANNER))
    assert completions[0].error == "no first token in 5 s"
    assert ledger.calls[0].outcome is CallOutcome.TIMEOUT
    assert isinstance(ModelTimeoutError("x"), ModelError)


def test_tokens_and_likelihood_can_be_scripted() -> None:
    line = reply("two words", num_tokens=100, mean_logprob=-0.5)
    completions, ledger, _ = play(ScriptedChat({Role.SOLVER: line}), ask(logprobs=True))
    assert (completions[0].num_tokens, completions[0].mean_logprob) == (100, -0.5)
    assert ledger.totals().usage.completion_tokens == 100
    assert play(ScriptedChat({Role.SOLVER: line}), ask())[0][0].mean_logprob is None


@pytest.mark.parametrize("text", ["", " ", "a", " a  b\nc ", "\n\nx", "naïve  café"])
def test_tokens_lose_no_text(text: str) -> None:
    completions, _, events = play(ScriptedChat({Role.SOLVER: reply(text)}), ask())
    assert "".join(e.text for _, e in events if isinstance(e, TextDelta)) == text == completions[0].text
    assert count_tokens(text) == completions[0].num_tokens


def test_calls_of_tools_come_whole_and_are_billed_by_their_words() -> None:
    add = ToolCall("call_1", "add", '{"a": 40, "b": 2}')
    chat = ScriptedChat({Role.SOLVER: [reply("I add.", tool_calls=[add], seconds=4), reply(tool_calls=[add])]})
    completions, ledger, _ = play(chat, ask(n=2))
    assert [(c.text, c.tool_calls, c.num_tokens) for c in completions] == [("I add.", (add,), 6), ("", (add,), 4)]
    assert {c.finish_reason for c in completions} == {FinishReason.TOOL_CALLS}
    assert ledger.totals().usage.completion_tokens == 10
