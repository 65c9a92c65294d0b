"""Structured output: proven once per endpoint, in its own dialect, checked and asked for again."""

import json
from pathlib import Path

import anyio
import pytest

from abruzzi.errors import AccessError, EndpointError
from abruzzi.models.chat import ReasoningDelta, Schema
from abruzzi.models.endpoints import Dialect, Endpoints, Facts
from abruzzi.nouns import FinishReason, Role
from tests.faultserver import Action, FaultServer, Said, Seen, Slam, Traits, overflow, refuse, say
from tests.models.asking import Asked, ask, ask_one, client, outcomes_of, put, request

SCHEMA = Schema(
    "verdict",
    {
        "type": "object",
        "properties": {"reasoning": {"type": "string"}, "verdict": {"type": "string", "enum": ["first", "tie"]}},
        "required": ["reasoning", "verdict"],
        "additionalProperties": False,
    },
)
GOOD = '{"reasoning": "x", "verdict": "tie"}'
ASK = request(schema=SCHEMA, role=Role.JUDGE)
FIELDS = ("response_format", "structured_outputs", "json_schema")


def roles(asked: Asked) -> list[str]:
    return [call.role.value for call in asked.ledger.calls]


@pytest.mark.parametrize("dialect", FIELDS)
@pytest.mark.parametrize("does_refuse", [False, True])
def test_the_dialect_that_really_constrains_is_found_once(dialect: str, does_refuse: bool, tmp_path: Path) -> None:
    """Other dialects are ignored in silence, or refused; the model itself never replies in JSON."""
    others = frozenset(FIELDS) - {dialect}
    traits = Traits(constrains=frozenset({dialect}), refuses=others if does_refuse else frozenset())
    with FaultServer(lambda _: say("I would rather not."), traits) as server:
        first, second = ask(server, ASK, ASK, endpoints=Endpoints(tmp_path / "e.json"))
        third = ask_one(server, ASK, endpoints=Endpoints(tmp_path / "e.json"))
    num_probes = FIELDS.index(dialect) + 1
    assert roles(first) == ["probe"] * num_probes + ["judge"]
    assert roles(second) == roles(third) == ["judge"]
    for asked in (first, second, third):
        assert json.loads(asked.texts[0]) == {"reasoning": "x", "verdict": "first"}
    assert {record.seen.dialect for record in server.records} == {dialect}
    assert "guided_json" not in repr([record.seen.body for record in server.probes + server.records])


def test_one_probe_shows_constraint_and_n_alike() -> None:
    book = Endpoints()
    with FaultServer(lambda _: say(GOOD), Traits(max_n=1)) as server:
        asked = ask_one(server, ASK, endpoints=book)
        assert book.get(server.base_url, "m") == Facts(dialect=Dialect.RESPONSE_FORMAT, max_n=1)
    assert roles(asked) == ["probe", "judge"]
    (probe,) = server.probes
    assert probe.seen.n == 2
    schema = probe.seen.schema
    assert schema is not None
    (nonce,) = schema["properties"]["word"]["enum"]
    assert nonce not in probe.seen.prompt


def test_a_server_that_refuses_n_is_probed_with_one_choice() -> None:
    book = Endpoints()
    with FaultServer(lambda _: say(GOOD), Traits(refuses_n_above=1)) as server:
        asked = ask_one(server, ASK, endpoints=book)
        assert book.get(server.base_url, "m") == Facts(dialect=Dialect.RESPONSE_FORMAT, max_n=1)
    assert outcomes_of(asked) == ["error", "ok", "ok"]
    assert [probe.seen.n for probe in server.probes] == [2, 1]


def test_json_mode_has_the_schema_told_in_the_prompt() -> None:
    traits = Traits(constrains=frozenset({"json_object"}), refuses=frozenset({*FIELDS}))
    book = Endpoints()
    with FaultServer(lambda _: say(GOOD), traits) as server:
        asked = ask_one(server, ASK, endpoints=book)
        assert book.get(server.base_url, "m").dialect is Dialect.JSON_OBJECT
    assert asked.texts == [GOOD]
    (record,) = server.records
    assert record.seen.body["response_format"] == {"type": "json_object"}
    assert '"enum": ["first", "tie"]' in record.seen.prompt
    assert record.seen.prompt.startswith("What is 40 + 2 ?")


@pytest.mark.parametrize("refuses", [frozenset[str](), frozenset({*FIELDS, "json_object"})])
def test_where_nothing_constrains_the_prompt_alone_must_do(refuses: frozenset[str]) -> None:
    book = Endpoints()
    reply = f"Here is my verdict:\n```json\n{GOOD}\n```\nI hope {{this}} helps."
    with FaultServer(lambda _: say(reply), Traits(constrains=frozenset(), refuses=refuses)) as server:
        first, second = ask(server, ASK, ASK, endpoints=book)
        assert book.get(server.base_url, "m").dialect is Dialect.PROMPT
    assert roles(first) == ["probe"] * 4 + ["judge"]
    assert roles(second) == ["judge"]
    assert first.texts == second.texts == [GOOD]
    assert all(record.seen.dialect is None for record in server.records)


NOTHING = Traits(constrains=frozenset())


def test_a_reply_that_does_not_fit_is_asked_for_again_with_its_fault_told() -> None:
    actions: list[Action] = [say('{"reasoning": "x", "verdict": "both"}'), say("tie!"), say(GOOD)]
    with FaultServer(actions, NOTHING) as server:
        asked = ask_one(server, ASK)
    assert asked.texts == [GOOD]
    assert asked.restarts == [0, 0]
    second, third = (record.seen.body["messages"] for record in server.records[1:])
    assert [message["role"] for message in second] == ["user", "assistant", "user"]
    assert second[1]["content"] == '{"reasoning": "x", "verdict": "both"}'
    assert "at $.verdict: 'both' is not one of ['first', 'tie']" in second[2]["content"]
    assert third[1]["content"] == "tie!"
    assert "holds no complete JSON object" in third[2]["content"]


def test_after_three_tries_the_reply_is_an_error_that_keeps_its_text() -> None:
    with FaultServer(lambda seen: say(f"never {seen.order}"), NOTHING) as server:
        asked = ask_one(server, ASK)
    (completion,) = asked.completions
    assert (completion.finish_reason, completion.text) == (FinishReason.ERROR, "never 2")
    assert "no reply in 3 tries could be used" in (completion.error or "")
    assert len(server.records) == 3
    assert asked.ledger.totals().usage.completion_tokens == server.completion_tokens


def test_only_the_choice_that_does_not_fit_is_asked_for_again() -> None:
    with FaultServer([say(GOOD, "bad"), say(GOOD)], NOTHING) as server:
        asked = ask_one(server, request(schema=SCHEMA, n=2))
    assert asked.texts == [GOOD, GOOD]
    assert asked.restarts == [1]
    assert [record.seen.n for record in server.records] == [2, 1]


def test_a_reply_cut_at_its_limit_is_handed_over_as_it_is() -> None:
    with FaultServer([say('{"reasoning": "a long one')], NOTHING) as server:
        asked = ask_one(server, request(schema=SCHEMA, max_tokens=2))
    (completion,) = asked.completions
    assert completion.finish_reason is FinishReason.LENGTH
    assert completion.text == '{"reasoning": "a '
    assert len(server.records) == 1


def test_a_retry_that_fails_keeps_the_reply_before_it() -> None:
    with FaultServer([say("tie!"), refuse(400, "enough")], NOTHING) as server:
        asked = ask_one(server, ASK)
    (completion,) = asked.completions
    assert (completion.finish_reason, completion.text) == (FinishReason.ERROR, "tie!")
    assert "enough" in (completion.error or "")


def test_a_thought_before_the_json_is_no_fault() -> None:
    with FaultServer([say(Said(f"<think>hm {{}}</think>{GOOD}"))], NOTHING) as server:
        asked = ask_one(server, ASK)
    assert asked.texts == [GOOD]
    assert asked.completions[0].reasoning == "hm {}"
    assert any(isinstance(event, ReasoningDelta) for event in asked.events)


def test_an_endpoint_that_has_lost_its_dialect_is_probed_anew() -> None:
    """An upgrade: the remembered field is refused now, and another one works."""
    book = Endpoints()
    traits = Traits(constrains=frozenset({"structured_outputs"}), refuses=frozenset({"response_format"}))
    with FaultServer(lambda _: say("no"), traits) as server:
        book.learn(server.base_url, "m", dialect=Dialect.RESPONSE_FORMAT, max_n=4)
        asked = ask_one(server, ASK, endpoints=book)
        assert book.get(server.base_url, "m") == Facts(dialect=Dialect.STRUCTURED_OUTPUTS, max_n=4)
    assert json.loads(asked.texts[0])["verdict"] == "first"
    assert roles(asked) == ["judge", "probe", "probe", "judge"]


def test_a_dialect_that_no_longer_holds_is_found_out_by_its_replies() -> None:
    book = Endpoints()
    with FaultServer(lambda _: say("prose"), Traits(constrains=frozenset())) as server:
        book.learn(server.base_url, "m", dialect=Dialect.RESPONSE_FORMAT)
        first, second = ask(server, ASK, ASK, endpoints=book)
        assert book.get(server.base_url, "m").dialect is Dialect.PROMPT
    assert first.completions[0].finish_reason is second.completions[0].finish_reason is FinishReason.ERROR
    assert roles(first) == ["judge"] * 3


def test_a_probe_that_meets_a_fault_says_so_and_learns_nothing() -> None:
    book = Endpoints()
    with FaultServer([], Traits(api_key="other")) as server:
        asked = ask_one(server, ASK, endpoints=book)
        assert isinstance(asked.error, AccessError)
        assert book.get(server.base_url, "m") == Facts()
    with FaultServer([say(GOOD)]) as server:
        server.probe_actions.extend([Slam(), refuse(503)])
        asked = ask_one(server, ASK)
        assert asked.texts == [GOOD]
    assert roles(asked) == ["probe"] * 3 + ["judge"]


def test_a_thinker_that_is_cut_before_it_shows_is_taken_on_trust_and_not_remembered() -> None:
    book = Endpoints()
    with FaultServer(lambda _: say(GOOD)) as server:
        server.probe_actions.append(say(Said("", reasoning="so " * 2000)))
        first, second = ask(server, ASK, ASK, endpoints=book)
        assert book.get(server.base_url, "m").dialect is None
    assert roles(first) == ["probe", "judge"]
    assert roles(second) == ["judge"]
    assert server.records[0].seen.dialect == "response_format"


def test_those_who_ask_together_share_one_probe() -> None:
    outcomes = [Asked() for _ in range(4)]
    with FaultServer(lambda _: say(GOOD)) as server:

        async def main() -> None:
            async with client(server) as chat, anyio.create_task_group() as group:
                for outcome in outcomes:
                    group.start_soon(put, chat, ASK, outcome)

        anyio.run(main)
    assert len(server.probes) == 1
    assert [outcome.texts for outcome in outcomes] == [[GOOD]] * 4


def test_the_embedded_engine_is_not_probed() -> None:
    with FaultServer(lambda _: say(GOOD)) as server:
        asked = ask_one(server, ASK, dialect="llama.cpp")
    assert asked.texts == [GOOD]
    assert roles(asked) == ["judge"]
    assert server.records[0].seen.dialect == "response_format"


@pytest.mark.parametrize("action", [refuse(400, "odd"), overflow("vllm")])
def test_a_refusal_that_is_not_about_the_schema_is_passed_on(action: Action) -> None:
    def act(seen: Seen) -> Action:
        return action

    with FaultServer(act) as server:
        asked = ask_one(server, ASK)
    assert isinstance(asked.error, EndpointError)
