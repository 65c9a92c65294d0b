"""A conversation that a question ends: earlier turns, tools, the form of its reply; and how the models are told of it.

A ``Run`` without one is asked as a plain question, and one of a single user message in the same words. Otherwise:

1. The solver gets the turns as they are. The client's system message stays first; our instructions follow in the same
   message, because many chat templates take only one. The last user message is asked as a plain question is, with the
   plan below it; results of tools that came after it stay after it.
2. Where tools may be called, our instructions name both ways to reply, and ``</answer>`` no longer stops the model: it
   may stand in a call's arguments. Where the reply must be JSON, they ask for that instead of ``<answer>``.
3. Planner and judge get the conversation as one text in the place of the question, the tools included.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from abruzzi.models.chat import Schema
from abruzzi.nouns import Message, ToolCall
from abruzzi.reasoning.prompts import fill, read_prompt

ANSWER_END = "</answer>"
"""Ends an answer that was asked for in tags."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a client sends: the turns so far, and what the reply may and must be."""

    messages: tuple[Message, ...]
    tools: tuple[Mapping[str, Any], ...] = ()
    """Functions in OpenAI's form; see ``ChatRequest.tools``."""
    tool_choice: str | Mapping[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    schema: Schema | None = None
    """What the reply must fit, where it is no call of a tool."""
    json_object: bool = False
    """The reply must be some JSON object."""
    sampling: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Further sampling parameters of the solver; see ``ChatRequest.sampling``."""

    @property
    def question(self) -> str:
        """The last user message's text; empty where there is none."""
        return next((m.content for m in reversed(self.messages) if m.role == "user"), "")

    @property
    def may_call_tools(self) -> bool:
        """True when the reply may be a call."""
        return bool(self.tools) and self.tool_choice != "none"

    @property
    def wants_json(self) -> bool:
        """True when a reply that is no call must be JSON."""
        return self.schema is not None or self.json_object

    @property
    def is_plain(self) -> bool:
        """True when it is one question and nothing else."""
        is_single = len(self.messages) == 1 and self.messages[0].role == "user"
        return is_single and not self.may_call_tools and not self.wants_json


def ask_solver(conversation: Conversation, plan: str = "") -> tuple[Message, ...]:
    """Write what the solver is asked.

    Args:
        conversation: what the client sent.
        plan: shown below the last user message; empty for none.
    """
    messages, (rules, user) = list(conversation.messages), read_prompt(_choose_prompt(conversation))
    if conversation.schema is not None:
        rules += f"\n\n{_tell_schema(conversation.schema)}"
    place = max((i for i, message in enumerate(messages) if message.role == "user"), default=None)
    if place is not None:
        content = fill(user, question=messages[place].content)
        if plan:
            content += "\n\n" + fill(read_prompt("solve_plan")[1], plan=plan)
        messages[place] = replace(messages[place], content=content)
    systems: list[str] = []
    while messages and messages[0].role == "system":
        systems.append(messages.pop(0).content)
    return Message("system", "\n\n".join(text for text in (*systems, rules) if text)), *messages


def _choose_prompt(conversation: Conversation) -> str:
    if conversation.wants_json:
        return "conversation/tools_json" if conversation.may_call_tools else "conversation/json"
    return "conversation/tools" if conversation.may_call_tools else "solve"


def _tell_schema(schema: Schema) -> str:
    return fill(read_prompt("conversation/schema")[1], schema=json.dumps(dict(schema.body)))


def choose_stops(conversation: Conversation, stop: tuple[str, ...]) -> tuple[str, ...]:
    """Leave out the stop string that belongs to an answer in tags, where the reply may be something else."""
    is_free = conversation.may_call_tools or conversation.wants_json
    return tuple(text for text in stop if text != ANSWER_END) if is_free else stop


def describe(conversation: Conversation) -> str:
    """Write a conversation as one text, for planner and judge; a plain one is its question."""
    if conversation.is_plain:
        return conversation.question
    tools = conversation.tools if conversation.may_call_tools else ()
    parts = [f"[system]\nThis tool may be called: {json.dumps(tool.get('function', tool))}" for tool in tools]
    if conversation.schema is not None:
        parts.append(f"[system]\n{_tell_schema(conversation.schema)}")
    elif conversation.json_object:
        parts.append("[system]\nThe reply must be one JSON object.")
    parts += [_describe_message(message) for message in conversation.messages]
    return fill(read_prompt("conversation/turns")[1], turns="\n\n".join(parts))


def _describe_message(message: Message) -> str:
    head = f"[{message.role}]" if message.tool_call_id is None else f"[result of {message.tool_call_id}]"
    return "\n".join([head, *([message.content] if message.content else []), *map(describe_call, message.tool_calls)])


def describe_call(call: ToolCall) -> str:
    """Write a tool call in a line."""
    return f"[{call.id} calls {call.name} with {call.arguments}]"


def read_reply(text: str) -> str:
    """Take what is for the client out of a reply: what stands in its last ``<answer>``, or else all of it."""
    _, _, tail = text.rpartition("<answer>")
    answer = tail.partition(ANSWER_END)[0].strip()
    return answer or text.replace("<answer>", "").replace(ANSWER_END, "").strip()
