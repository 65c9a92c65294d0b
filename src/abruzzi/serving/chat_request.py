"""Reads a request into what is asked: each parameter is honoured, or refused with an error that names it.

Both protocols come here; ``responses_request`` first writes its body in chat's terms.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from abruzzi.config import build
from abruzzi.errors import ConfigError
from abruzzi.models.chat import Schema
from abruzzi.models.schemas import check_schema
from abruzzi.nouns import Message, ToolCall
from abruzzi.reasoning.conversation import Conversation
from abruzzi.reasoning.settings import AskSettings
from abruzzi.serving.asked import Asked
from abruzzi.serving.caps import Caps
from abruzzi.serving.chat_body import (
    AssistantMessage,
    ChatBody,
    ChatMessage,
    Content,
    JsonObjectFormat,
    JsonSchemaFormat,
    NamedTool,
    PipelineOptions,
    ToolMessage,
)
from abruzzi.serving.offers import Offer, find_offer
from abruzzi.serving.refusal import Refusal
from abruzzi.serving.server import Server

FURTHER_SAMPLING = ("presence_penalty", "frequency_penalty", "logit_bias", "top_k", "min_p")
"""Passed on as they are."""
EXPRESSIONS = frozenset({"pattern", "patternProperties"})
NAMED = frozenset({"properties", "$defs", "definitions", "dependentSchemas"})
"""Keywords whose keys are names and not keywords."""
LITERAL = frozenset({"const", "enum", "default", "examples"})
"""Keywords that hold values and no schemas."""


def read_chat(body: ChatBody, server: Server) -> Asked:
    """Read a chat request.

    Raises:
        Refusal: a parameter contradicts another, the model's name or the operator's limits; names it.
    """
    offer = find_offer(body.model, server.offers)
    sampling = _read_sampling(body)
    conversation = read_conversation(body)
    is_kept = _read_store(body, has_store=server.store is not None)
    notes = {"user": body.user, "metadata": body.metadata}
    asked = Asked(
        offer=offer,
        conversation=conversation,
        settings=server.settings,
        messages=tuple(m.model_dump(mode="json", exclude_none=True) for m in body.messages),
        num_choices=_read_n(body, offer, server.caps),
        sampling=sampling,
        is_stream=body.stream or False,
        include_usage=_read_include_usage(body),
        is_kept=is_kept,
        notes={key: value for key, value in notes.items() if value is not None},
    )
    _check_cap("max_tokens", sampling.get("max_tokens"), server.caps.max_tokens)
    if offer.is_upstream:
        if body.abruzzi is not None:
            raise _refuse(
                f"{offer.id!r} is the plain upstream and takes no options of the pipeline; ask the model 'abruzzi'",
                "abruzzi",
            )
        return asked
    settings = choose_settings(body.abruzzi or PipelineOptions(), sampling, offer, server)
    _check_paper(settings, asked)
    return replace(asked, settings=settings)


def choose_settings(options: PipelineOptions, sampling: Mapping[str, Any], offer: Offer, server: Server) -> AskSettings:
    """Merge the operator's settings, what the offer fixes and what the client asked for.

    Raises:
        Refusal: the client asks for more than the operator allows, or for what contradicts the model's name.
    """
    wanted = options.model_dump(exclude_none=True)
    for name, value in wanted.items():
        if name in offer.fixed and offer.fixed[name] != value:
            raise _refuse(
                f"the model {offer.id!r} stands for {name}={offer.fixed[name]!r}; ask the model 'abruzzi' for others",
                f"abruzzi.{name}",
            )
    if offer.fixed and wanted.get("preset", "default") != "default":
        raise _refuse(f"the model {offer.id!r} has no preset; ask the model 'abruzzi' for it", "abruzzi.preset")
    caps = server.caps
    for name, cap in (
        ("n", caps.n),
        ("plan_tokens", caps.max_tokens),
        ("judge_tokens", caps.max_tokens),
        ("hard_deadline_s", caps.hard_deadline_s or server.settings.hard_deadline_s),
        ("token_budget", caps.token_budget or server.settings.token_budget),
    ):
        _check_cap(f"abruzzi.{name}", wanted.get(name), cap)
    hard = wanted.get("hard_deadline_s", server.settings.hard_deadline_s)
    if "soft_deadline_s" not in wanted:
        wanted["soft_deadline_s"] = min(hard, server.settings.soft_deadline_s)
    if wanted["soft_deadline_s"] > hard:
        raise _refuse(
            f"soft_deadline_s={wanted['soft_deadline_s']:g} is after hard_deadline_s={hard:g}; make it smaller",
            "abruzzi.soft_deadline_s",
        )
    base = server.settings.model_dump()
    if offer.fixed:
        base["preset"] = "default"
    stop = {"stop": (*server.settings.stop, *sampling["stop"])} if "stop" in sampling else {}
    try:
        return build(AskSettings, base, offer.fixed, wanted, {**sampling, **stop}, source="the request")
    except ConfigError as error:
        raise _refuse(str(error), "abruzzi") from error


def read_conversation(body: ChatBody) -> Conversation:
    """Read the messages, the tools and the form of the reply.

    Raises:
        Refusal: they contradict each other, or there is nothing to answer.
    """
    messages = read_messages(body.messages)
    tools = tuple(tool.model_dump(exclude_none=True) for tool in body.tools or ())
    if body.tool_choice is not None and not tools:
        raise _refuse("tool_choice is given without tools", "tool_choice")
    if body.parallel_tool_calls is not None and not tools:
        raise _refuse("parallel_tool_calls is given without tools", "parallel_tool_calls")
    choice = body.tool_choice
    if isinstance(choice, NamedTool) and choice.function.name not in {tool["function"]["name"] for tool in tools}:
        raise _refuse(
            f"tool_choice names the function {choice.function.name!r}, which is not among the tools", "tool_choice"
        )
    form = body.response_format
    sampling = {name: value for name in FURTHER_SAMPLING if (value := getattr(body, name)) is not None}
    return Conversation(
        messages=messages,
        tools=tools,
        tool_choice=choice.model_dump() if isinstance(choice, NamedTool) else choice,
        parallel_tool_calls=body.parallel_tool_calls,
        schema=read_schema(form) if isinstance(form, JsonSchemaFormat) else None,
        json_object=isinstance(form, JsonObjectFormat),
        sampling=sampling,
    )


def read_messages(messages: Sequence[ChatMessage]) -> tuple[Message, ...]:
    """Read the turns, and check that each result of a tool belongs to a call.

    Raises:
        Refusal: one does not, an assistant's turn is empty, or no user speaks.
    """
    read: list[Message] = []
    open_calls: set[str] = set()
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        match message:
            case AssistantMessage():
                calls = tuple(ToolCall(c.id, c.function.name, c.function.arguments) for c in message.tool_calls or ())
                if message.content is None and not calls:
                    raise _refuse(f"{where} holds neither content nor tool_calls", f"{where}.content")
                open_calls |= {call.id for call in calls}
                read.append(Message("assistant", _join(message.content), tool_calls=calls))
            case ToolMessage():
                if message.tool_call_id not in open_calls:
                    raise _refuse(f"{where} answers no call of an earlier message", f"{where}.tool_call_id")
                read.append(Message("tool", _join(message.content), tool_call_id=message.tool_call_id))
            case _:
                role = "user" if message.role == "user" else "system"
                read.append(Message(role, _join(message.content)))
    if not any(m.role == "user" and m.content.strip() for m in read):
        raise _refuse("there is no question: no user message holds any text", "messages")
    return tuple(read)


def read_schema(form: JsonSchemaFormat) -> Schema:
    """Read the schema that a reply must fit.

    Raises:
        Refusal: it is no JSON schema of an object, refers to something outside itself, or holds a regular expression,
            which could keep this process busy without end.
    """
    where = "response_format.json_schema.schema"
    schema = Schema(form.json_schema.name.replace("-", "_"), form.json_schema.body)
    try:
        check_schema(schema)
    except ConfigError as error:
        raise _refuse(str(error), where) from error
    if holds_pattern(form.json_schema.body):
        raise _refuse("this server checks no regular expressions: take pattern and patternProperties out", where)
    return schema


def holds_pattern(schema: object, *, are_names: bool = False) -> bool:
    """Say whether a schema holds a regular expression; a property that is called ``pattern`` is none."""
    match schema:
        case dict() as node:  # pyright: ignore[reportUnknownVariableType] -- JSON
            entries = cast("dict[str, object]", node)
            if not are_names and not EXPRESSIONS.isdisjoint(entries):
                return True
            return any(
                holds_pattern(value, are_names=not are_names and key in NAMED)
                for key, value in entries.items()
                if are_names or key not in LITERAL
            )
        case list() as nodes:  # pyright: ignore[reportUnknownVariableType] -- JSON
            return any(map(holds_pattern, cast("list[object]", nodes)))
        case _:
            return False


def _read_sampling(body: ChatBody) -> dict[str, Any]:
    """Gather the sampling parameters that the client set itself."""
    if body.max_tokens is not None and body.max_completion_tokens not in (None, body.max_tokens):
        raise _refuse("max_tokens and max_completion_tokens contradict each other; give one", "max_completion_tokens")
    sampling: dict[str, Any] = {
        "max_tokens": body.max_completion_tokens or body.max_tokens,
        "temperature": body.temperature,
        "top_p": body.top_p,
        "stop": (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ()) or None,
        "seed": body.seed,
    }
    return {name: value for name, value in sampling.items() if value is not None}


def _read_n(body: ChatBody, offer: Offer, caps: Caps) -> int:
    n = body.n or 1
    if n > 1 and not offer.is_upstream:
        raise _refuse(
            f"n={n} asks for several answers, and {offer.id!r} gives one; for more candidates behind it set "
            f'"abruzzi": {{"n": {n}}}, for several answers ask the upstream model itself',
            "n",
        )
    _check_cap("n", n, caps.n)
    return n


def _read_include_usage(body: ChatBody) -> bool:
    if body.stream_options is None:
        return False
    if not body.stream:
        raise _refuse("stream_options is for streams; set stream", "stream_options")
    return body.stream_options.include_usage or False


def _read_store(body: ChatBody, *, has_store: bool) -> bool:
    if body.store and not has_store:
        raise _refuse("this server keeps no records; leave store out", "store")
    is_kept = has_store and body.store is not False
    if body.metadata and not is_kept:
        raise _refuse("metadata is kept with a record, and this request leaves none", "metadata")
    return is_kept


def _check_paper(settings: AskSettings, asked: Asked) -> None:
    """The published pipeline has its own prompts and sampling: what it would drop is refused."""
    if settings.preset != "paper":
        return
    if not asked.is_plain:
        raise _refuse(
            "the preset 'paper' answers one plain user message, without tools, formats or penalties", "abruzzi.preset"
        )
    for name in ("temperature", "top_p", "stop", "seed"):
        if name in asked.sampling:
            raise _refuse(f"the preset 'paper' sets its own {name}; leave it out", name)


def _check_cap(param: str, wanted: float | None, cap: float | None) -> None:
    if wanted is not None and cap is not None and wanted > cap:
        raise _refuse(f"{param}={wanted:g} is more than this server allows, which is {cap:g}", param)


def _join(content: Content | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(part.text for part in content)


def _refuse(message: str, param: str) -> Refusal:
    return Refusal(message, status=400, type="invalid_request_error", code="invalid_value", param=param)
