"""The client against a well-behaved endpoint: streaming, reasoning, n, logprobs, usage, the list of models."""

from dataclasses import replace

import anyio
import pytest

from abruzzi.errors import ConfigError, ModelError, ProtocolError
from abruzzi.ledger import Ledger
from abruzzi.models.chat import ChatModel, Ended, ReasoningDelta, Schema, TextDelta
from abruzzi.models.endpoints import Endpoints, Facts
from abruzzi.models.openai_client import ModelCard, OpenAIChat
from abruzzi.nouns import FinishReason, Message, Role, Usage
from tests.faultserver import FaultServer, Said, Traits, UsageStyle, refuse, say, web_page
from tests.models.asking import Asked, ask, ask_one, client, outcomes_of, put, request


def test_one_choice_comes_in_pieces_and_is_billed() -> None:
    with FaultServer([say(Said("so it\nis 42", reasoning="hm well"))]) as server:
        asked = ask_one(server, request(max_tokens=50, temperature=0.7, top_p=0.9, seed=3, stop=("</answer>",)))
    assert [type(event) for event in asked.events] == [ReasoningDelta] * 2 + [TextDelta] * 4 + [Ended]
    (completion,) = asked.completions
    assert (completion.text, completion.reasoning, completion.finish_reason) == (
        "so it\nis 42",
        "hm well",
        FinishReason.STOP,
    )
    assert (completion.num_tokens, completion.mean_logprob, completion.error) == (6, None, None)
    (call,) = asked.ledger.calls
    assert call.usage == Usage(prompt_tokens=6, completion_tokens=6, reasoning_tokens=2)
    assert (call.outcome.value, call.is_exact, call.attempt, call.num_choices, call.model) == ("ok", True, 1, 1, "m")
    assert 0 <= (call.ttft_s or -1) <= call.seconds
    body = server.records[0].seen.body
    assert {key: body[key] for key in ("max_tokens", "temperature", "top_p", "seed", "stop", "stream")} == {
        "max_tokens": 50, "temperature": 0.7, "top_p": 0.9, "seed": 3, "stop": ["</answer>"], "stream": True,
    }  # fmt: skip
    assert "n" not in body
    assert "logprobs" not in body


def test_what_is_not_asked_for_is_not_sent() -> None:
    with FaultServer([say("x")]) as server:
        ask_one(server)
    assert set(server.records[0].seen.body) == {"model", "messages", "stream", "stream_options"}


def test_messages_are_sent_as_they_are() -> None:
    with FaultServer([say("x")]) as server:
        messages = (Message("system", "be brief"), Message("user", 'ünïcode "quoted"\n'), Message("assistant", ""))
        ask_one(server, replace(request(), messages=messages))
    sent = server.records[0].seen.body["messages"]
    assert [(m["role"], m["content"]) for m in sent] == [(m.role, m.content) for m in messages]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_comes_from_either_field(field: str) -> None:
    with FaultServer([say(Said("</think> is a tag", reasoning="let me see"), reasoning_field=field)]) as server:
        asked = ask_one(server)
    assert asked.completions[0].reasoning == "let me see"
    assert asked.completions[0].text == "</think> is a tag"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>let me see</think>\n42", ("let me see", "42")),
        ("<think>let me see", ("let me see", "")),
        ("let me see </think> 42", ("let me see ", "42")),
        ("42", ("", "42")),
    ],
)
def test_inline_thoughts_are_told_from_text(text: str, expected: tuple[str, str]) -> None:
    with FaultServer([say(text)]) as server:
        asked = ask_one(server)
    assert (asked.completions[0].reasoning, asked.completions[0].text) == expected


def test_n_choices_come_from_one_call_and_end_in_their_own_time() -> None:
    answers = say(Said("a b c d", token_s=0.03), Said("b", token_s=0.01), Said("c d", token_s=0.02))
    with FaultServer([answers]) as server:
        asked = ask_one(server, request(n=3))
    assert [event.completion.index for event in asked.events if isinstance(event, Ended)] == [1, 2, 0]
    assert asked.texts == ["a b c d", "b", "c d"]
    assert asked.completions[1].seconds < asked.completions[2].seconds < asked.completions[0].seconds
    assert len(server.records) == 1
    assert asked.ledger.totals().usage.completion_tokens == server.completion_tokens == 7


def test_a_choice_that_ends_does_not_wait_for_its_siblings() -> None:
    """Agreement may end the sampling while a third candidate is silent for ever."""
    with FaultServer([say("a", Said("b c", token_s=30.0))]) as server:
        asked = Asked()

        async def main() -> None:
            async with client(server) as chat:
                with anyio.move_on_after(0.5):
                    await put(chat, request(n=2), asked)

        anyio.run(main)
        server.wait_until_idle()
    assert [event.completion.text for event in asked.events if isinstance(event, Ended)] == ["a"]
    assert outcomes_of(asked) == ["cancelled"]


@pytest.mark.parametrize("max_n", [1, 2])
def test_choices_that_a_server_leaves_out_are_asked_for_anew_and_that_is_remembered(max_n: int) -> None:
    book = Endpoints()
    with FaultServer(lambda seen: say(f"reply {seen.order}"), Traits(max_n=max_n)) as server:
        first, second = ask(server, request(n=3, seed=7), request(n=3, seed=7), endpoints=book)
        facts = book.get(server.base_url, "m")
    for asked in (first, second):
        asked.check_contract(3)
        assert {completion.finish_reason for completion in asked.completions} == {FinishReason.STOP}
        assert asked.restarts == []
    assert facts == Facts(max_n=max_n)
    made = [(record.seen.body["seed"], record.seen.n) for record in server.records]
    asked_for = len(made) // 2  # by each; what is asked for side by side arrives in any order
    assert made[0] == (7, 3)
    assert sorted(made[:asked_for]) == ([(7, 3), (8, 1), (9, 1)] if max_n == 1 else [(7, 3), (9, 1)])
    assert sorted(made[asked_for:]) == ([(7, 1), (8, 1), (9, 1)] if max_n == 1 else [(7, 2), (9, 1)])
    total = first.ledger.totals().usage.completion_tokens + second.ledger.totals().usage.completion_tokens
    assert total == server.completion_tokens


def test_choices_asked_for_singly_run_side_by_side() -> None:
    with FaultServer(lambda _: say("x", ttft_s=0.2), Traits(max_n=1)) as server:
        asked = ask_one(server, request(n=5), max_n=1)
    spans = [(record.started, record.ended or 0.0) for record in server.records]
    assert len(spans) == 5
    assert max(start for start, _ in spans) < min(end for _, end in spans)
    assert asked.ledger.totals().usage.prompt_tokens == 5 * 6


def test_a_server_with_fewer_slots_tells_how_many_and_is_believed() -> None:
    book = Endpoints()
    with FaultServer(lambda _: say("x"), Traits(refuses_n_above=3, usage="per_choice")) as server:
        asked, again = ask(server, request(n=8), request(n=4), endpoints=book)
        assert book.get(server.base_url, "m") == Facts(max_n=3)
    asked.check_contract(8)
    assert sorted(record.seen.n for record in server.records[1:4]) == [2, 3, 3]
    assert outcomes_of(asked) == ["error", "ok", "ok", "ok"]
    assert asked.ledger.totals().is_exact
    assert again.texts == ["x"] * 4


def test_greedy_choices_are_asked_for_singly_without_giving_up_n_for_good() -> None:
    book = Endpoints()
    with FaultServer(lambda _: say("x"), Traits(refuses_greedy_n=True)) as server:
        greedy, warm = ask(server, request(n=2, temperature=0.0), request(n=2, temperature=1.0), endpoints=book)
        assert book.get(server.base_url, "m") == Facts()
    assert greedy.texts == warm.texts == ["x", "x"]
    assert [record.seen.n for record in server.records] == [2, 1, 1, 2]


def test_logprobs_are_averaged_over_a_choices_tokens() -> None:
    with FaultServer([say(Said("a b", reasoning="c", logprob=-0.5), Said("a", logprob=-2.0))]) as server:
        asked = ask_one(server, request(n=2, logprobs=True))
    assert [completion.mean_logprob for completion in asked.completions] == [-0.5, -2.0]
    assert [completion.num_tokens for completion in asked.completions] == [3, 1]


def test_an_endpoint_without_logprobs_is_asked_once() -> None:
    with FaultServer(lambda _: say("x"), Traits(refuses=frozenset({"logprobs"}))) as server:
        first, second = ask(server, request(logprobs=True), request(logprobs=True))
    assert first.texts == second.texts == ["x"]
    assert [completion.mean_logprob for completion in first.completions] == [None]
    assert ["logprobs" in record.seen.body for record in server.records] == [True, False, False]
    assert outcomes_of(first) == ["error", "ok"]


def test_an_endpoint_that_ignores_logprobs_gives_none() -> None:
    with FaultServer([say("x")], Traits(has_logprobs=False)) as server:
        assert ask_one(server, request(logprobs=True)).completions[0].mean_logprob is None


def test_max_tokens_goes_by_its_other_name_where_that_is_wanted() -> None:
    with FaultServer(lambda _: say("a b c"), Traits(refuses=frozenset({"max_tokens", "temperature"}))) as server:
        asked = ask_one(server, request(max_tokens=2, temperature=0.0))
    assert asked.completions[0].finish_reason is FinishReason.LENGTH
    assert asked.texts == ["a b "]
    assert server.records[-1].seen.body["max_completion_tokens"] == 2
    assert not {"max_tokens", "temperature"} & set(server.records[-1].seen.body)


STYLES: list[UsageStyle] = ["total", "per_choice", "running", "running_only", "running_total"]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("n", [1, 3])
def test_the_bill_equals_the_servers_own_count(style: UsageStyle, n: int) -> None:
    answer = say(Said("a b c", reasoning="d"), Said("e"), Said("f g"), token_s=0.001)
    with FaultServer([answer], Traits(usage=style)) as server:
        asked = ask_one(server, request(n=n))
    (call,) = asked.ledger.calls
    assert call.is_exact
    assert call.usage == Usage(prompt_tokens=6, completion_tokens=server.completion_tokens, reasoning_tokens=1)
    assert server.completion_tokens == (4 if n == 1 else 7)


def test_a_server_that_tells_no_usage_is_billed_as_a_lower_bound() -> None:
    with FaultServer([say("a b")], Traits(usage="none")) as server:
        (call,) = ask_one(server).ledger.calls
    assert (call.usage, call.is_exact) == (Usage(), False)


def test_an_endpoint_that_does_not_know_stream_options_still_answers() -> None:
    with FaultServer(lambda _: say("x"), Traits(refuses=frozenset({"stream_options"}))) as server:
        asked = ask_one(server)
    assert asked.texts == ["x"]
    assert not asked.ledger.totals().is_exact


def test_vllm_is_asked_for_running_counts() -> None:
    traits = Traits(models=({"id": "m", "owned_by": "vllm", "max_model_len": 4096},), usage="running")
    with FaultServer([say("a b c", stall_after=2)], traits) as server:
        asked = Asked()

        async def main() -> None:
            async with client(server, model=None) as chat:
                await chat.discover()
                assert chat.max_context == 4096
                with anyio.move_on_after(0.3):
                    await put(chat, request(), asked)

        anyio.run(main)
    assert server.records[0].seen.body["stream_options"]["continuous_usage_stats"] is True
    (call,) = asked.ledger.calls
    assert (call.outcome.value, call.is_exact) == ("cancelled", False)
    assert call.usage.completion_tokens == server.completion_tokens == 2


def test_the_model_is_found_where_none_is_named() -> None:
    card = {"id": "org/model", "owned_by": "llamacpp", "meta": {"n_ctx": 512, "n_ctx_train": 8192}}
    with FaultServer([say("x")], Traits(models=(card,))) as server:

        async def main() -> None:
            async with client(server, model=None) as chat:
                assert chat.name == server.base_url
                assert await chat.list_models() == [ModelCard("org/model", 512, "llamacpp")]
                await chat.complete(request(), ledger=Ledger())
                assert (chat.name, chat.max_context) == ("org/model", 512)

        anyio.run(main)
    assert server.records[0].seen.body["model"] == "org/model"


def discover(server: FaultServer, model: str | None = None) -> OpenAIChat:
    async def main() -> OpenAIChat:
        async with client(server, model=model) as chat:
            await chat.discover()
            return chat

    return anyio.run(main)


def test_a_choice_of_models_or_none_is_an_error() -> None:
    with FaultServer([], Traits(models=())) as server, pytest.raises(ModelError, match="serves no model"):
        discover(server)
    many = tuple({"id": f"m{i}"} for i in range(10))
    with FaultServer([], Traits(models=many)) as server, pytest.raises(ConfigError, match=r"10 models.*m0, m1.*…"):
        discover(server)
    with FaultServer([], Traits(models=many)) as server:
        assert discover(server, "m3").name == "m3"


def test_a_web_page_is_no_list_of_models() -> None:
    with FaultServer([], Traits(lists=web_page())) as server, pytest.raises(ProtocolError, match="web page"):
        discover(server)
    with FaultServer([], Traits(lists=refuse(404))) as server:
        assert discover(server, "m").max_context is None


def test_a_call_to_a_remote_llamacpp_that_is_cut_is_billed_by_its_chunks() -> None:
    traits = Traits(models=({"id": "m", "owned_by": "llamacpp", "meta": {"n_ctx": 512}},), usage="per_choice")
    with FaultServer([say("a b c", stall_after=2), say("a b c")], traits) as server:
        asked = Asked()

        async def main() -> None:
            async with client(server) as chat:
                await chat.discover()
                with anyio.move_on_after(0.2):
                    await put(chat, request(), asked)
                await put(chat, request(), asked)

        anyio.run(main)
    assert outcomes_of(asked) == ["cancelled", "ok"]
    assert [call.is_exact for call in asked.ledger.calls] == [False, True]
    assert asked.ledger.calls[1].usage == Usage(prompt_tokens=6, completion_tokens=3)
    assert server.records[0].seen.body["timings_per_token"] is True


def test_a_connection_that_llamacpp_streamed_on_is_not_used_again() -> None:
    traits = Traits(models=({"id": "m", "owned_by": "llamacpp", "meta": {"n_ctx": 512}},), hangs_up_after_streams=True)
    with FaultServer([say("a b c"), say("a b c"), say("a b c")], traits) as server:
        asked = Asked()

        async def main() -> None:
            async with client(server) as chat:
                await chat.discover()
                for _ in range(3):
                    await put(chat, request(), asked)

        anyio.run(main)
    assert outcomes_of(asked) == ["ok", "ok", "ok"]


def test_a_named_model_does_not_need_the_list() -> None:
    with FaultServer([], Traits(api_key="secret")) as server:
        assert discover(server, "m").max_context is None
        with pytest.raises(ModelError, match="wants an API key"):
            discover(server)


def test_it_is_a_chat_model_that_shows_no_key() -> None:
    chat: ChatModel = OpenAIChat("http://127.0.0.1:9/v1", model="m", api_key="sk-secret", name="shown")
    assert chat.name == "shown"
    assert "secret" not in repr(chat)
    assert "secret" not in repr(vars(chat)).replace("_api_key': 'sk-secret'", "")


@pytest.mark.parametrize("url", ["http://me:sk-secret@host/v1", "http://host/v1?key=sk-secret"])
def test_an_address_with_a_key_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        OpenAIChat(url, model="m")
    assert "secret" not in str(caught.value)


def test_role_and_name_stand_in_the_row() -> None:
    with FaultServer([say("x")]) as server:
        (call,) = ask_one(server, request(role=Role.JUDGE), name="embedded:base").ledger.calls
    assert (call.role, call.model) == (Role.JUDGE, "embedded:base")


def test_roles_on_one_engine_run_under_adapters_of_their_own() -> None:
    """Each request says the scale of every adapter, the base's too: llama.cpp would go on from another's prompt."""
    asked = Asked()

    async def main(server: FaultServer) -> None:
        async with client(server, dialect="llama.cpp", name="base", num_adapters=2) as base:
            for chat in (base.with_adapter(0, name="solver"), base.with_adapter(1, name="judge"), base):
                await put(chat, request(), asked)

    with FaultServer([say("x")] * 3) as server:
        anyio.run(main, server)
    assert asked.error is None
    bodies = [dict(record.seen.body) for record in server.records]
    scales = [[(lora["id"], lora["scale"]) for lora in body.pop("lora")] for body in bodies]
    assert scales == [[(0, 1.0), (1, 0.0)], [(0, 0.0), (1, 1.0)], [(0, 0.0), (1, 0.0)]]
    assert bodies[0] == bodies[1] == bodies[2]
    assert [call.model for call in asked.ledger.calls] == ["solver", "judge", "base"]


def test_a_schema_and_an_adapter_go_out_together() -> None:
    schema = Schema("s", {"type": "object", "properties": {}, "required": [], "additionalProperties": False})

    async def main(server: FaultServer) -> None:
        async with client(server, dialect="llama.cpp", num_adapters=1) as base:
            await base.with_adapter(0, name="judge").complete(request(schema=schema), ledger=Ledger())

    with FaultServer([say("{}")]) as server:
        anyio.run(main, server)
    body = server.records[0].seen.body
    assert body["lora"] == [{"id": 0, "scale": 1.0}]
    assert body["response_format"]["json_schema"]["schema"] == schema.body


@pytest.mark.parametrize("adapter", [-1, 2])
def test_an_adapter_that_the_engine_does_not_have_is_refused(adapter: int) -> None:
    chat = OpenAIChat("http://127.0.0.1:9/v1", model="m", dialect="llama.cpp", num_adapters=2)
    with pytest.raises(ConfigError, match=f"m has 2 LoRA adapters, and none with the id {adapter}"):
        chat.with_adapter(adapter, name="solver")


def test_nothing_of_the_environment_is_sent_to_other_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK reads these by itself; setting them is the only way to show that they stay here."""
    for variable in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(variable, "from-the-environment")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with FaultServer([say("x")]) as server:
        assert ask_one(server).texts == ["x"]
    assert "from-the-environment" not in repr(server.records[0].seen.headers)
