"""The body of ``POST /v1/responses``: every parameter that is honoured, with its limits.

A parameter that is not here is refused, see ``invalid``.
Fields after https://platform.openai.com/docs/api-reference/responses/create.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from abruzzi.serving.chat_body import (
    MAX_TOKENS,
    WHOLE,
    JsonObjectFormat,
    Metadata,
    PipelineOptions,
    Strict,
    TextFormat,
)

_Id = Annotated[str, Field(min_length=1, max_length=256)]
_Status = Literal["in_progress", "completed", "incomplete"] | None


class TextPart(Strict):
    """A piece of a message; an earlier reply's pieces come back as ``output_text``."""

    type: Literal["input_text", "output_text"]
    text: str
    annotations: Annotated[list[Any], Field(max_length=0)] | None = None
    logprobs: Annotated[list[Any], Field(max_length=0)] | None = None


class InputMessage(Strict):
    """A message of any speaker."""

    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: str | Annotated[list[TextPart], Field(min_length=1, fail_fast=True)]
    id: _Id | None = None
    status: _Status = None


class FunctionCall(Strict):
    """A call that an earlier reply asked for."""

    type: Literal["function_call"]
    call_id: _Id
    name: Annotated[str, Field(min_length=1, max_length=64)]
    arguments: str
    id: _Id | None = None
    status: _Status = None


class FunctionCallOutput(Strict):
    """The result of a call."""

    type: Literal["function_call_output"]
    call_id: _Id
    output: str
    id: _Id | None = None
    status: _Status = None


class SummaryPart(Strict):
    """A piece of an earlier reply's thoughts."""

    type: Literal["summary_text"]
    text: str


class ReasoningItem(Strict):
    """Thoughts of an earlier reply; taken, and by the models' own convention not shown to them again."""

    type: Literal["reasoning"]
    id: _Id
    summary: Annotated[list[SummaryPart], Field(fail_fast=True)]
    status: _Status = None


InputItem = InputMessage | FunctionCall | FunctionCallOutput | ReasoningItem


class FunctionTool(Strict):
    """A function that the model may ask for."""

    type: Literal["function"]
    name: Annotated[str, Field(pattern="^[a-zA-Z0-9_-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class NamedTool(Strict):
    """The tool that the model must call."""

    type: Literal["function"]
    name: Annotated[str, Field(min_length=1, max_length=64)]


class SchemaFormat(Strict):
    """JSON that fits a schema."""

    type: Literal["json_schema"]
    name: Annotated[str, Field(pattern="^[a-zA-Z0-9_-]{1,64}$")]
    body: Annotated[dict[str, Any], Field(alias="schema")]
    description: str | None = None
    strict: bool | None = None


class TextSettings(Strict):
    """The form of the reply."""

    format: Annotated[TextFormat | JsonObjectFormat | SchemaFormat, Field(discriminator="type")] | None = None


class ResponsesBody(Strict):
    """The request."""

    model: Annotated[str, Field(min_length=1, max_length=256)]
    input: (
        Annotated[str, Field(min_length=1)]
        | Annotated[list[InputItem], Field(min_length=1, max_length=2048, fail_fast=True)]
    )
    instructions: str | None = None
    previous_response_id: _Id | None = None
    stream: bool | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_output_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS), WHOLE] | None = None
    tools: Annotated[list[FunctionTool], Field(min_length=1, max_length=128, fail_fast=True)] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    text: TextSettings | None = None
    user: Annotated[str, Field(max_length=256)] | None = None
    metadata: Metadata | None = None
    store: bool | None = None
    background: Literal[False] | None = None
    truncation: Literal["disabled"] | None = None
    service_tier: Literal["auto", "default"] | None = None
    abruzzi: PipelineOptions | None = None
