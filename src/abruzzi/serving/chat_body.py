"""The body of ``POST /v1/chat/completions``: every parameter that is honoured, with its limits.

A parameter that is not here is refused, see ``invalid``; a few of OpenAI's stand here with the one value that changes
nothing. What the parameters mean for the pipeline is decided in ``chat_request``. Of a list only the first wrong member
is looked for: a body of a thousand mistakes costs no more than one of a single mistake.
Fields after https://platform.openai.com/docs/api-reference/chat/create.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from abruzzi.reasoning.settings import MAX_N, JudgeReads

MAX_SEED = 2**53 - 1
"""Up to here a JSON number is the same whole number to everybody (RFC 8259, section 6)."""
MAX_TOKENS = 2**31 - 1


def _read_whole(value: object) -> object:
    """JSON knows one kind of number: 7.0 is a whole one too."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_read_whole)


class Strict(BaseModel):
    """A part of a request: nothing is converted, unknown fields are refused."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class TextPart(Strict):
    """A piece of a message; images and sound are not taken."""

    type: Literal["text"]
    text: str


Content = str | Annotated[list[TextPart], Field(min_length=1, fail_fast=True)]


class SystemMessage(Strict):
    """Instructions; ``developer`` is OpenAI's newer word for them."""

    role: Literal["system", "developer"]
    content: Content


class UserMessage(Strict):
    """What the user says."""

    role: Literal["user"]
    content: Content


class CalledFunction(Strict):
    """The function of a call, and the arguments as the model wrote them."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    arguments: str


class CalledTool(Strict):
    """A call that an earlier reply asked for."""

    id: Annotated[str, Field(min_length=1, max_length=256)]
    type: Literal["function"]
    function: CalledFunction


class AssistantMessage(Strict):
    """An earlier reply, as a client sends it back."""

    role: Literal["assistant"]
    content: Content | None = None
    tool_calls: Annotated[list[CalledTool], Field(min_length=1, fail_fast=True)] | None = None
    reasoning_content: str | None = None
    """Thoughts of an earlier turn; taken, and by the models' own convention not shown to them again."""
    refusal: None = None
    audio: None = None
    function_call: None = None
    annotations: Annotated[list[Any], Field(max_length=0)] | None = None


class ToolMessage(Strict):
    """The result of a call."""

    role: Literal["tool"]
    content: Content
    tool_call_id: Annotated[str, Field(min_length=1, max_length=256)]


ChatMessage = Annotated[SystemMessage | UserMessage | AssistantMessage | ToolMessage, Field(discriminator="role")]


class Function(Strict):
    """A function that the model may ask for."""

    name: Annotated[str, Field(pattern="^[a-zA-Z0-9_-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Strict):
    """A tool; only functions are."""

    type: Literal["function"]
    function: Function


class NamedFunction(Strict):
    """The name of a function."""

    name: Annotated[str, Field(min_length=1, max_length=64)]


class NamedTool(Strict):
    """The tool that the model must call."""

    type: Literal["function"]
    function: NamedFunction


ToolChoice = Literal["none", "auto", "required"] | NamedTool


class TextFormat(Strict):
    """Free text."""

    type: Literal["text"]


class JsonObjectFormat(Strict):
    """Some JSON object."""

    type: Literal["json_object"]


class NamedSchema(Strict):
    """A JSON schema under a name."""

    name: Annotated[str, Field(pattern="^[a-zA-Z0-9_-]{1,64}$")]
    body: Annotated[dict[str, Any], Field(alias="schema")]
    description: str | None = None
    strict: bool | None = None


class JsonSchemaFormat(Strict):
    """JSON that fits a schema."""

    type: Literal["json_schema"]
    json_schema: NamedSchema


ResponseFormat = Annotated[TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")]


class StreamOptions(Strict):
    """What a stream holds beside the answer."""

    include_usage: bool | None = None


class PipelineOptions(Strict):
    """The pipeline's own settings, under the key ``abruzzi``: names and limits are those of ``[ask]``."""

    preset: Literal["default", "paper"] | None = None
    n: Annotated[int, Field(ge=1, le=MAX_N), WHOLE] | None = None
    plan: Literal["auto", "always", "off"] | None = None
    judge: bool | None = None
    judge_reads: JudgeReads | None = None
    stop_early: bool | None = None
    plan_tokens: Annotated[int, Field(ge=16, le=MAX_TOKENS), WHOLE] | None = None
    judge_tokens: Annotated[int, Field(ge=16, le=MAX_TOKENS), WHOLE] | None = None
    soft_deadline_s: Annotated[float, Field(ge=1, le=1e9)] | None = None
    hard_deadline_s: Annotated[float, Field(ge=1, le=1e9)] | None = None
    token_budget: Annotated[int, Field(ge=1, le=MAX_TOKENS), WHOLE] | None = None


Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]], Field(max_length=16)
]
LogitBias = Annotated[
    dict[Annotated[str, Field(pattern="^[0-9]{1,9}$")], Annotated[float, Field(ge=-100, le=100)]],
    Field(json_schema_extra={"additionalProperties": False}),
]
Stop = Annotated[str, Field(min_length=1, max_length=256)]


class ChatBody(Strict):
    """The request."""

    model: Annotated[str, Field(min_length=1, max_length=256)]
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=2048, fail_fast=True)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1, le=MAX_N), WHOLE] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS), WHOLE] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS), WHOLE] | None = None
    stop: Stop | Annotated[list[Stop], Field(min_length=1, max_length=4)] | None = None
    seed: Annotated[int, Field(ge=-MAX_SEED, le=MAX_SEED), WHOLE] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    logit_bias: LogitBias | None = None
    top_k: Annotated[int, Field(ge=0, le=MAX_TOKENS), WHOLE] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    tools: Annotated[list[Tool], Field(min_length=1, max_length=128, fail_fast=True)] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    user: Annotated[str, Field(max_length=256)] | None = None
    metadata: Metadata | None = None
    store: bool | None = None
    logprobs: Literal[False] | None = None
    service_tier: Literal["auto", "default"] | None = None
    modalities: Annotated[list[Literal["text"]], Field(min_length=1, max_length=1)] | None = None
    abruzzi: PipelineOptions | None = None
