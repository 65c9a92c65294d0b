"""Has a model call a tool where it must, also at an endpoint that takes no notice of ``tool_choice``.

``tool_choice`` "required", or one function, says that the reply is a call. Some servers let that pass without a word:
llama.cpp does (measured on the engine that comes with us, 2026-11-29), and leaves the tools themselves out too, where a
model's chat template knows none. So a choice that ended as a text of its own is asked for again: the functions are told
in the conversation, and the reply is held to a schema of which each value is a call (``constrained``). That an endpoint
takes no notice is remembered, and the first try is left out from then on.

One call is what this way gives, also where several would be allowed. Parameters that are no schema of draft 2020-12, or
too large a one, hold the arguments to an object and no more. Regular expressions in a function's parameters are
told to the model and not enforced: whoever wrote them is a stranger, as is what they would be held against.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from abruzzi.errors import ConfigError, ModelError
from abruzzi.ledger import Ledger
from abruzzi.models.chat import ChatEvent, ChatRequest, Emit, Ended, Restarted, Schema, TextDelta
from abruzzi.models.constrained import Constrainer
from abruzzi.models.sampling import Habits, sample
from abruzzi.models.schemas import check_schema
from abruzzi.models.structured import is_object
from abruzzi.nouns import Completion, FinishReason, Message, ToolCall

DODGED = "the endpoint takes no notice of tool_choice; asked again as JSON"
_EXPRESSIONS = frozenset({"pattern", "patternProperties"})
_NAMED = frozenset({"properties", "$defs", "definitions", "dependentSchemas"})
"""Keywords whose keys are names and not keywords."""


def must_call(request: ChatRequest) -> bool:
    """Say whether the reply must be a call of a tool."""
    return bool(request.tools) and (request.tool_choice == "required" or isinstance(request.tool_choice, Mapping))


async def force_call(
    habits: Habits, constrainer: Constrainer, request: ChatRequest, *, ledger: Ledger, emit: Emit
) -> tuple[Completion, ...]:
    """Complete a request whose replies must be calls; a schema for other replies is of no effect.

    Args:
        habits: of the client.
        constrainer: of the same client.
        request: what is asked; see ``must_call``.
        ledger: gets a row per upstream call.
        emit: told of each end, and of thoughts as they come; of text only when a choice ends.

    Returns:
        One completion for each choice: a call, a reply that was cut, or an error that says why there is no call.

    Raises:
        ModelError: no choice could be started, or the endpoint does not take the functions' parameters as a schema.
    """
    forcing = _Forcing(habits, constrainer, request, ledger, emit)
    if not habits.facts.ignores_tool_choice:
        await sample(habits, request, ledger=ledger, emit=forcing.check)
    else:
        forcing.dodged = dict.fromkeys(range(request.n))
    if forcing.dodged:
        await forcing.ask_as_json()
    return tuple(completion for _, completion in sorted(forcing.done.items()))


@dataclass(slots=True)
class _Forcing:
    """One request on its way."""

    habits: Habits
    constrainer: Constrainer
    request: ChatRequest
    ledger: Ledger
    emit: Emit
    dodged: dict[int, Completion | None] = field(default_factory=dict[int, Completion | None])
    """Choices that are not calls yet; with what they said, where they were asked for."""
    done: dict[int, Completion] = field(default_factory=dict[int, Completion])

    def check(self, event: ChatEvent) -> None:
        """Take an event of the first try; a choice that is no call is held back."""
        match event:
            case TextDelta():
                return
            case Ended(completion):
                if completion.finish_reason is FinishReason.STOP:
                    self.habits.learn(ignores_tool_choice=True)
                    self.dodged[completion.index] = completion
                elif completion.finish_reason is FinishReason.LENGTH and completion.text.strip():
                    self.dodged[completion.index] = completion  # it may still have come to a call: nothing is learnt
                else:
                    self._end(completion)
            case _:
                self.emit(event)

    async def ask_as_json(self) -> None:
        """Ask for the choices that are no calls, held to a schema."""
        indices = sorted(self.dodged)
        functions = find_functions(self.request)
        schema = make_schema(functions)
        asked = replace(
            self.request,
            messages=tell_functions(self.request.messages, functions),
            n=len(indices),
            schema=schema,
            json_object=False,
            tools=(),
            tool_choice=None,
            parallel_tool_calls=None,
        )
        for index, dodged in self.dodged.items():
            if dodged is not None:
                self.emit(Restarted(index, DODGED))

        def forward(event: ChatEvent) -> None:
            match event:
                case TextDelta():
                    pass
                case Ended(completion):
                    self._end(self._read(replace(completion, index=indices[completion.index])))
                case _:
                    self.emit(replace(event, index=indices[event.index]))

        try:
            await self.constrainer.complete(self.habits, asked, schema, ledger=self.ledger, emit=forward)
        except ModelError as error:
            if not self.done:
                raise
            for index in indices:
                dodged = self.dodged[index]
                if index not in self.done and dodged is not None:
                    self._end(replace(dodged, finish_reason=FinishReason.ERROR, error=f"no call of a tool: {error}"))

    def _read(self, completion: Completion) -> Completion:
        """Read the call out of a reply that fits the schema."""
        dodged = self.dodged[completion.index]
        if dodged is not None:
            completion = replace(completion, seconds=dodged.seconds + completion.seconds)
        if completion.finish_reason is not FinishReason.STOP:
            return completion
        said = cast("Mapping[str, Any]", json.loads(completion.text)["call"])
        call = ToolCall(
            f"call_{uuid.uuid4().hex[:24]}", said["name"], json.dumps(said["arguments"], ensure_ascii=False)
        )
        return replace(completion, text="", finish_reason=FinishReason.TOOL_CALLS, tool_calls=(call,))

    def _end(self, completion: Completion) -> None:
        if completion.text:
            self.emit(TextDelta(completion.index, completion.text))
        self.done[completion.index] = completion
        self.emit(Ended(completion))


def find_functions(request: ChatRequest) -> list[Mapping[str, Any]]:
    """Find the functions of which one must be called."""
    functions = [cast("Mapping[str, Any]", tool["function"]) for tool in request.tools]
    if isinstance(request.tool_choice, Mapping):
        chosen = request.tool_choice["function"]["name"]
        functions = [function for function in functions if function["name"] == chosen]
    return functions


def make_schema(functions: Sequence[Mapping[str, Any]]) -> Schema:
    """Make the schema of a call; where parameters are no schema that can be followed, any object is let through."""
    schema = Schema("call", write_call_schema(functions))
    try:
        check_schema(schema)
    except ConfigError:
        return Schema("call", write_call_schema([{"name": function["name"]} for function in functions]))
    return schema


def write_call_schema(functions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Write the schema of which each value is a call of one of these functions.

    Parameters with references stand in ``$defs``, so that what they refer to can be found again.
    """
    calls: list[dict[str, Any]] = []
    parts: dict[str, Any] = {}
    for number, function in enumerate(functions):
        parameters = _drop_expressions(function.get("parameters") or {})
        parameters = {"type": "object", **parameters}
        if _has_reference(parameters):
            parts[f"f{number}"] = _move_references(parameters, f"#/$defs/f{number}")
            parameters = {"$ref": f"#/$defs/f{number}"}
        calls.append(
            {
                "type": "object",
                "properties": {"name": {"type": "string", "enum": [function["name"]]}, "arguments": parameters},
                "required": ["name", "arguments"],
                "additionalProperties": False,
            }
        )
    body: dict[str, Any] = {
        "type": "object",
        "properties": {"call": calls[0] if len(calls) == 1 else {"anyOf": calls}},
        "required": ["call"],
        "additionalProperties": False,
    }
    return body | ({"$defs": parts} if parts else {})


def tell_functions(messages: Sequence[Message], functions: Sequence[Mapping[str, Any]]) -> tuple[Message, ...]:
    """Write the functions, earlier calls and their results into the conversation's own text."""
    told = [_tell_call(message) for message in messages]
    order = (
        'Call one of these functions. Reply with JSON such as {"call": {"name": "...", "arguments": {...}}} '
        "and nothing else.\n" + "\n".join(json.dumps(dict(function), ensure_ascii=False) for function in functions)
    )
    place = next((i for i in range(len(told) - 1, -1, -1) if told[i].role == "user"), None)
    if place is None:
        return (*told, Message("user", order))
    told[place] = replace(told[place], content=f"{told[place].content}\n\n{order}")
    return tuple(told)


def _tell_call(message: Message) -> Message:
    if message.role == "tool":
        return Message("user", f"Result of {message.tool_call_id}: {message.content}")
    if not message.tool_calls:
        return message
    calls = [
        json.dumps({"call": {"name": call.name, "arguments": _read_arguments(call)}}, ensure_ascii=False)
        for call in message.tool_calls
    ]
    return Message(message.role, "\n".join([*([message.content] if message.content else []), *calls]))


def _read_arguments(call: ToolCall) -> object:
    """Read the arguments of an earlier call, which a client may have made up."""
    return json.loads(call.arguments) if is_object(call.arguments) else call.arguments


def _drop_expressions(part: Any, *, are_names: bool = False) -> Any:
    """Leave regular expressions out of a schema."""
    if isinstance(part, dict):
        return {
            key: _drop_expressions(value, are_names=not are_names and key in _NAMED)
            for key, value in cast("dict[str, Any]", part).items()
            if are_names or key not in _EXPRESSIONS
        }
    return [_drop_expressions(value) for value in cast("list[Any]", part)] if isinstance(part, list) else part


def _has_reference(part: Any) -> bool:
    if isinstance(part, dict):
        entries = cast("dict[str, Any]", part)
        return "$ref" in entries or any(map(_has_reference, entries.values()))
    return isinstance(part, list) and any(map(_has_reference, cast("list[Any]", part)))


def _move_references(part: Any, root: str) -> Any:
    """Let references from the root of a schema begin where it now stands."""
    if isinstance(part, dict):
        return {
            key: root + value[1:]
            if key == "$ref" and isinstance(value, str) and value.startswith("#")
            else _move_references(value, root)
            for key, value in cast("dict[str, Any]", part).items()
        }
    return [_move_references(value, root) for value in cast("list[Any]", part)] if isinstance(part, list) else part
