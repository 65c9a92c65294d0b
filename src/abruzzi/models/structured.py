"""Structured output: how each dialect asks for it, how an endpoint's dialect is proven, how a reply is checked.

An endpoint's word is not taken for it. The probe is a schema whose one valid value is a fresh random word that the
prompt does not mention: whoever replies with that word has been held to the schema. Servers that ignore the field, and
servers that turn it down, both go on to the next dialect.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from abruzzi.errors import StructureError
from abruzzi.models.chat import ChatRequest, Schema
from abruzzi.models.endpoints import Dialect
from abruzzi.models.schemas import UnfollowableError, find_fault
from abruzzi.nouns import Message, Role

MAX_RETRIES = 2
"""How often a reply that does not fit is asked for again."""
PROBE_TOKENS = 512
"""Room for a model that thinks before it replies; one that does not uses a dozen."""
ANY_OBJECT = Schema("object", {"type": "object"})
"""What a reply must fit of which only some JSON object is asked."""
PROBED = (Dialect.RESPONSE_FORMAT, Dialect.STRUCTURED_OUTPUTS, Dialect.JSON_SCHEMA, Dialect.JSON_OBJECT)
"""The dialects in the order in which they are tried; where none holds, the prompt alone must do."""
_SHOWN_CHARS = 200
_MAX_STARTS = 64
"""Braces in a reply that are tried as the beginning of its JSON."""


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def constrain(dialect: Dialect, schema: Schema) -> dict[str, Any]:
    """Write the request fields that hold a reply to a schema."""
    body = dict(schema.body)
    match dialect:
        case Dialect.RESPONSE_FORMAT:
            named = {"name": schema.name, "schema": body, "strict": True}
            return {"response_format": {"type": "json_schema", "json_schema": named}}
        case Dialect.STRUCTURED_OUTPUTS:
            return {"structured_outputs": {"json": body}}
        case Dialect.JSON_SCHEMA:
            return {"json_schema": body}
        case Dialect.JSON_OBJECT:
            return {"response_format": {"type": "json_object"}}
        case Dialect.PROMPT:
            return {}


def tell_schema(messages: tuple[Message, ...], schema: Schema) -> tuple[Message, ...]:
    """Write the schema into the last message of the user, for an endpoint that cannot be held to it."""
    order = (
        f"Reply with one JSON object and nothing else. It must fit this JSON schema:\n{json.dumps(dict(schema.body))}"
    )
    place = next((i for i in range(len(messages) - 1, -1, -1) if messages[i].role == "user"), None)
    if place is None:
        return (*messages, Message("user", order))
    told = replace(messages[place], content=f"{messages[place].content}\n\n{order}")
    return (*messages[:place], told, *messages[place + 1 :])


def ask_again(messages: tuple[Message, ...], schema: Schema, text: str, error: str) -> tuple[Message, ...]:
    """Write the conversation that tells a model what was wrong with its reply."""
    complaint = (
        f"That reply cannot be used: {error}. Reply again with one JSON object and nothing else. "
        f"It must fit this JSON schema:\n{json.dumps(dict(schema.body))}"
    )
    return (*messages, Message("assistant", text or "(empty)"), Message("user", complaint))


def read_json(text: str, schema: Schema) -> str:
    """Find the JSON object in a reply and check it.

    Args:
        text: the reply; prose or a code fence around the object is forgiven.
        schema: what it must fit.

    Returns:
        The object's own text.

    Raises:
        StructureError: there is no JSON, or none that fits; says where and why.
    """
    complaint, start = "", 0
    for _ in range(_MAX_STARTS):
        start = text.find("{", start)
        if start < 0:
            break
        try:
            value, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            start += 1
            continue
        try:
            fault = find_fault(value, schema)
        except UnfollowableError as error:
            raise StructureError(f"the schema {schema.name!r} cannot be followed: {_shorten(str(error))}") from None
        if not fault:
            return text[start:end]
        complaint = complaint or fault
        start = end
    if complaint:
        raise StructureError(f"it does not fit the schema {schema.name!r} {_shorten(complaint)}")
    raise StructureError(f"it holds no complete JSON object: {_shorten(repr(text))}")


def _shorten(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"


def probe_schema(nonce: str) -> Schema:
    """Make the schema that only the nonce fits."""
    body = {
        "type": "object",
        "properties": {"word": {"type": "string", "enum": [nonce]}},
        "required": ["word"],
        "additionalProperties": False,
    }
    return Schema("probe", body)


def probe_request(schema: Schema, n: int) -> ChatRequest:
    """Ask for a word without saying which."""
    message = Message("user", 'Choose a word, and reply with JSON such as {"word": "..."}.')
    return ChatRequest(role=Role.PROBE, messages=(message,), n=n, max_tokens=PROBE_TOKENS, schema=schema)


def is_proof(dialect: Dialect, text: str, schema: Schema) -> bool:
    """Tell whether a reply to the probe shows that the dialect holds."""
    if dialect is Dialect.JSON_OBJECT:
        return is_object(text)
    try:
        read_json(text, schema)
    except StructureError:
        return False
    return True


def is_object(text: str) -> bool:
    """Tell whether a text is one JSON object."""
    try:
        return isinstance(json.loads(text, parse_constant=_refuse_constant), Mapping)
    except (ValueError, RecursionError):
        return False
