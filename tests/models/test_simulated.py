"""The measuring rod keeps its times and counts what it sees."""

from collections.abc import Mapping
from typing import Any

import anyio

from abruzzi.ledger import CallOutcome, Ledger
from abruzzi.models.chat import ChatRequest, Schema
from abruzzi.models.openai_client import OpenAIChat
from abruzzi.models.simulated import TimedReply, fill_enum, open_simulated, read_schema_name
from abruzzi.nouns import FinishReason, Message, Role, ToolCall

REQUEST = ChatRequest(role=Role.SOLVER, messages=(Message("user", "one two three"),))


def respond(body: Mapping[str, Any]) -> TimedReply:
    return TimedReply(fill_enum(body), 0.0, 1) if read_schema_name(body) else TimedReply("hello", 0.1, 7)


def test_a_reply_takes_its_time_and_is_billed() -> None:
    async def main() -> None:
        async with open_simulated(respond) as endpoint, OpenAIChat(endpoint.base_url, max_n=1) as chat:
            ledger = Ledger()
            (completion,) = await chat.complete(REQUEST, ledger=ledger)
            assert completion.text == "hello"
            assert 0.1 <= completion.seconds < 2
            assert (ledger.totals().usage.prompt_tokens, ledger.totals().usage.completion_tokens) == (3, 7)
            assert endpoint.num_requests == 1

    anyio.run(main)


def test_a_schema_of_enumerations_is_kept() -> None:
    body = {"type": "object", "properties": {"word": {"type": "string", "enum": ["ibex"]}}, "required": ["word"]}
    schema = Schema("word", body | {"additionalProperties": False})

    async def main() -> None:
        async with open_simulated(respond) as endpoint, OpenAIChat(endpoint.base_url, max_n=1) as chat:
            request = ChatRequest(role=Role.JUDGE, messages=REQUEST.messages, schema=schema)
            (completion,) = await chat.complete(request, ledger=Ledger())
            assert completion.text == '{"word": "ibex"}'

    anyio.run(main)


def test_a_client_that_leaves_is_seen() -> None:
    async def main() -> None:
        async with open_simulated(lambda _: TimedReply("late", 60.0, 1)) as endpoint:
            ledger = Ledger()
            async with OpenAIChat(endpoint.base_url, model="simulated", max_n=1) as chat:
                with anyio.move_on_after(0.3):
                    await chat.complete(REQUEST, ledger=ledger)
            assert [call.outcome for call in ledger.calls] == [CallOutcome.CANCELLED]
            with anyio.fail_after(5):
                while endpoint.num_cut < 1:
                    await anyio.sleep(0.01)

    anyio.run(main)


def test_calls_of_tools_are_streamed_in_pieces_and_arrive_whole() -> None:
    calls = (ToolCall("call_1", "add", '{"a": 40, "b": 2}'), ToolCall("call_2", "now", "{}"))

    async def main() -> None:
        reply = TimedReply("", 0.0, 9, calls)
        async with open_simulated(lambda _: reply) as endpoint, OpenAIChat(endpoint.base_url, max_n=1) as chat:
            (completion,) = await chat.complete(REQUEST, ledger=Ledger())
        assert (completion.tool_calls, completion.finish_reason) == (calls, FinishReason.TOOL_CALLS)

    anyio.run(main)
