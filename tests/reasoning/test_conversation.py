"""Conversations: what the models are told of them, and how best-of-N decides between replies of all kinds."""

import json
from typing import Any

import pytest

from abruzzi.errors import ConfigError, DataError
from abruzzi.models.chat import Schema
from abruzzi.models.scripted import Reply, ScriptedChat, fail, hang, reply
from abruzzi.nouns import DecidedBy, FinishReason, Message, Role, ToolCall
from abruzzi.reasoning.conversation import Conversation, ask_solver, choose_stops, describe, read_reply
from abruzzi.reasoning.prompts import read_prompt
from abruzzi.reasoning.recording import event_to_row, row_to_event
from abruzzi.reasoning.sample import solver_messages
from abruzzi.reasoning.settings import AskSettings
from tests.reasoning.asking import FIRST, PLAN, SECOND, Asked, ask, scripted

ADD = ToolCall("call_1", "add", '{"a": 40, "b": 2}')
SAME = ToolCall("call_9", "add", '{"b":2,"a":40}')
SUB = ToolCall("call_2", "sub", '{"a": 40, "b": 2}')
TOOLS = ({"type": "function", "function": {"name": "add", "description": "Adds."}},)
QUESTION = Message("user", "What is 40 + 2?")
PLAIN = Conversation((QUESTION,))
CALLING = Conversation((QUESTION,), tools=TOOLS)
SCHEMA = Schema("n", {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
TYPED = Conversation((QUESTION,), schema=SCHEMA)
TURNS = (
    Message("system", "Be brief."),
    Message("user", "Hello."),
    Message("assistant", "Hello!"),
    QUESTION,
    Message("assistant", "", (ADD,)),
    Message("tool", "42", tool_call_id="call_1"),
)
UNPLANNED = AskSettings(plan="off")
PREFERS_LATER = [reply(json=SECOND), reply(json=FIRST)]


def decide(conversation: Conversation, *solver: Reply | str, settings: AskSettings = UNPLANNED, **script: Any) -> Asked:
    return ask(scripted(solver=list(solver), **script), settings=settings, conversation=conversation)


def calls(*tool_calls: ToolCall, text: str = "") -> Reply:
    return reply(text, tool_calls=tool_calls)


@pytest.mark.parametrize("plan", ["", "Add $x."])
def test_one_plain_message_is_asked_in_the_very_words_of_a_question(plan: str) -> None:
    assert ask_solver(PLAIN, plan) == solver_messages(QUESTION.content, plan)
    assert describe(PLAIN) == QUESTION.content


def test_one_plain_message_makes_the_very_requests_of_a_question() -> None:
    def play(conversation: Conversation | None) -> ScriptedChat:
        solver = ["<answer>1</answer>", "<answer>2</answer>", "<answer>3</answer>"]
        judge = [reply(json=SECOND), reply(json=FIRST)] * 2
        model = scripted(planner=[reply(json=PLAN)], solver=solver, judge=judge)
        assert ask(model, question=QUESTION.content, conversation=conversation).error is None
        return model

    assert play(PLAIN).requests == play(None).requests


def test_the_turns_stay_and_the_clients_system_message_comes_first() -> None:
    asked = ask_solver(Conversation(TURNS), "Add.")
    planned = solver_messages(QUESTION.content, "Add.")
    assert asked[0] == Message("system", f"Be brief.\n\n{read_prompt('solve')[0]}")
    assert asked[3] == planned[1]
    assert [asked[i] for i in (1, 2, 4, 5)] == [TURNS[i] for i in (1, 2, 4, 5)]


def test_the_solver_gets_all_that_the_client_sent() -> None:
    sampling = {"presence_penalty": 0.5}
    conversation = Conversation(TURNS, TOOLS, "auto", parallel_tool_calls=False, schema=SCHEMA, sampling=sampling)
    model = scripted(planner=[reply(json=PLAN)], solver=[calls(ADD)], judge=[])
    ask(model, settings=AskSettings(n=1), conversation=conversation)
    (planner,), (solver,) = model.requests_of(Role.PLANNER), model.requests_of(Role.SOLVER)
    assert (solver.tools, solver.tool_choice, solver.parallel_tool_calls) == (TOOLS, "auto", False)
    assert (solver.schema, solver.sampling) == (SCHEMA, sampling)
    assert (planner.tools, planner.sampling) == ((), {})
    for part in ("Be brief.", "Hello!", "[call_1 calls add with", "[result of call_1]\n42", '"description": "Adds."'):
        assert part in planner.messages[-1].content


def test_a_clients_own_cuts_win() -> None:
    model = scripted(solver=[reply("4")], judge=[])
    conversation = Conversation(TURNS, sampling={"top_k": 7})
    ask(model, settings=AskSettings(n=1, plan="off", top_k=40, min_p=0.05), conversation=conversation)
    assert model.requests[0].sampling == {"top_k": 7, "min_p": 0.05}


def test_tags_and_their_stop_string_are_asked_for_only_where_they_belong() -> None:
    stop = ("</answer>", "END")
    for conversation, prompt, has_tags in (
        (PLAIN, read_prompt("solve")[0], True),
        (Conversation((QUESTION,), TOOLS, tool_choice="none"), read_prompt("solve")[0], True),
        (CALLING, read_prompt("conversation/tools")[0], True),
        (Conversation((QUESTION,), json_object=True), read_prompt("conversation/json")[0], False),
        (Conversation((QUESTION,), TOOLS, json_object=True), read_prompt("conversation/tools_json")[0], False),
    ):
        system = ask_solver(conversation)[0].content
        assert (system, "<answer>" in system) == (prompt, has_tags)
        is_free = conversation.may_call_tools or conversation.wants_json
        assert choose_stops(conversation, stop) == (("END",) if is_free else stop)
    assert json.dumps(dict(SCHEMA.body)) in ask_solver(TYPED)[0].content


def test_equal_calls_agree() -> None:
    asked = decide(CALLING, calls(ADD), calls(SUB), calls(SAME, text="I add."))
    assert asked.answer.decided_by is DecidedBy.AGREEMENT
    assert (asked.answer.tool_calls, asked.answer.answer) == ((ADD,), "")
    assert [c.cluster for c in asked.answer.candidates] == [0, 1, 0]


def test_calls_and_answers_are_different_and_the_judge_is_shown_both() -> None:
    model = scripted(solver=[calls(ADD, text="I add."), "<answer>42</answer>"], judge=PREFERS_LATER)
    asked = ask(model, settings=AskSettings(plan="off", n=2), conversation=CALLING)
    assert (asked.answer.decided_by, asked.answer.answer, asked.answer.tool_calls) == (DecidedBy.JUDGE, "42", ())
    shown = model.requests_of(Role.JUDGE)[0].messages[-1].content
    assert 'I add.\n[call_1 calls add with {"a": 40, "b": 2}]' in shown
    assert '"description": "Adds."' in shown


def test_a_call_settles_the_question_early_and_no_failure_hides_it() -> None:
    asked = decide(CALLING, calls(ADD), calls(SAME), hang())
    assert asked.answer.tool_calls == (ADD,)
    assert asked.answer.candidates[2].finish_reason is FinishReason.CANCELLED
    apart = AskSettings(plan="off", n=2, share_prefix=False)
    assert decide(CALLING, fail("boom"), calls(ADD), settings=apart).answer.tool_calls == (ADD,)


def test_json_replies_are_compared_as_values() -> None:
    asked = decide(TYPED, '{"n": 42}', '{"n": 41}', '{ "n": 42.0 }')
    assert (asked.answer.decided_by, asked.answer.answer) == (DecidedBy.AGREEMENT, '{"n": 42}')


def test_a_reply_that_is_not_json_does_not_count() -> None:
    asked = decide(TYPED, "<answer>42</answer>", fail("no fit", text="41"), '{"n": "</answer>"}')
    assert (asked.answer.decided_by, asked.answer.answer) == (DecidedBy.ONLY_CANDIDATE, '{"n": "</answer>"}')


LETTERS = ("Dear Ann,\n\nall is well.\nYours", "Dear Bob,\n\nall is well.\nYours", "Dear Cid,\n\nall is well.\nYours")


def test_open_replies_are_judged_and_a_common_last_line_is_no_agreement() -> None:
    asked = decide(Conversation((Message("user", "Write a letter."),)), *LETTERS, judge=PREFERS_LATER * 2)
    assert (asked.answer.decided_by, asked.answer.answer) == (DecidedBy.JUDGE, LETTERS[2])
    assert len(asked.answer.judgements) == 2


def test_open_replies_without_a_judge_go_by_likelihood() -> None:
    replies = [reply(text, mean_logprob=-0.1 * abs(i - 1)) for i, text in enumerate(LETTERS)]
    asked = decide(PLAIN, *replies, settings=AskSettings(plan="off", judge=False))
    assert (asked.answer.decided_by, asked.answer.answer) == (DecidedBy.LIKELIHOOD, LETTERS[1])


def test_a_stated_answer_is_compared_and_its_whole_reply_is_the_clients() -> None:
    asked = decide(PLAIN, "We add.\nThe answer is 42.", "The answer is 41.", "So \\boxed{42}")
    assert (asked.answer.decided_by, asked.answer.answer) == (DecidedBy.AGREEMENT, "We add.\nThe answer is 42.")
    assert [c.answer for c in asked.answer.candidates] == ["42", "41", "42"]


@pytest.mark.parametrize("text", ["<think>so it goes", "cut off in the middle\nof"])
def test_half_a_reply_is_not_complete(text: str) -> None:
    finish = FinishReason.STOP if "<think>" in text else FinishReason.LENGTH
    asked = decide(PLAIN, reply(text, finish_reason=finish), settings=AskSettings(plan="off", n=1))
    assert asked.answer.decided_by is DecidedBy.FALLBACK


@pytest.mark.parametrize(
    ("text", "reply_"),
    [
        ("<answer>42", "42"),
        ("I add.\n<answer> a \\boxed{42} </answer>", "a \\boxed{42}"),
        ("I add. <answer></answer>", "I add."),
        ("no tags", "no tags"),
    ],
)
def test_what_the_client_reads(text: str, reply_: str) -> None:
    assert read_reply(text) == reply_


def test_a_conversation_leaves_the_judge_room_for_the_responses() -> None:
    turns = (Message("user", "x" * 9000), Message("assistant", "y"), QUESTION)
    model = ScriptedChat(
        {Role.SOLVER: ["<answer>1</answer>", "<answer>2</answer>"], Role.JUDGE: PREFERS_LATER}, max_context=3000
    )
    ask(model, settings=AskSettings(plan="off", n=2, judge_tokens=500), conversation=Conversation(turns))
    shown = model.requests_of(Role.JUDGE)[0].messages[-1].content
    assert len(shown) < 2500 * 3
    assert "characters left out" in shown
    assert QUESTION.content in shown


def test_what_cannot_be_asked_is_refused() -> None:
    paper = AskSettings(preset="paper")
    assert isinstance(ask(scripted(), settings=paper, conversation=CALLING).error, ConfigError)
    assert isinstance(ask(scripted(), conversation=Conversation((Message("system", "x"),))).error, DataError)
    long = Conversation((Message("assistant", "x" * 1_000_000), QUESTION))
    assert isinstance(ask(scripted(), conversation=long).error, DataError)


def test_records_carry_the_calls_and_old_ones_are_read_without() -> None:
    asked = decide(CALLING, calls(ADD), calls(SUB), judge=PREFERS_LATER, settings=AskSettings(plan="off", n=2))
    for event in asked.events:
        assert row_to_event(json.loads(json.dumps(event_to_row(event, 1.0)))) == event
    row = event_to_row(asked.events[-1], 1.0)
    assert row["answer"]["candidates"][0]["tool_calls"][0]["name"] == "add"
    for candidate in row["answer"]["candidates"]:
        del candidate["tool_calls"]
    old = row_to_event(row)
    assert old != asked.events[-1]
