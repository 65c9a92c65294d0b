"""Turns whatever the SDK raises into our errors, each with one clear line and without any key.

The line says what was asked of whom, what came back, and what to do next. Nothing of the SDK's exceptions is chained
to ours, because they carry the request with its headers.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx2
import openai

from abruzzi.errors import (
    AccessError,
    ContextLengthError,
    EndpointError,
    ModelError,
    ProtocolError,
    RateLimitError,
    UnreachableError,
)
from abruzzi.models.retry import NotConnectedError, read_retry_after
from abruzzi.models.wire import as_dict, as_int, as_text

MAX_DETAIL_CHARS = 300
_CONTEXT_CODES = ("context_length_exceeded", "exceed_context_size_error")
_CONTEXT_WORDS = re.compile(r"context (length|size|window)|maximum model length|context_length|exceed_context", re.I)
_CONTEXT_LIMIT = re.compile(
    r"(?:maximum context length (?:is|of)|maximum model length of|context length is(?: only)?|limit is|"
    r"context (?:size|length|window) \(|n_ctx\D{1,4})\s*(\d+)",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Site:
    """An endpoint, as error messages speak of it."""

    name: str
    """How ledgers name the model."""
    base_url: str
    model: str
    """Its id at the endpoint."""
    key: str = field(default="", repr=False)
    key_variable: str = "ABRUZZI_API_KEY"
    """The environment variable to set when the key is refused."""

    def clean(self, text: str) -> str:
        """Make one line of moderate length without the key."""
        if self.key:
            text = text.replace(self.key, "***")
        line = " ".join(text.split())
        return line if len(line) <= MAX_DETAIL_CHARS else line[: MAX_DETAIL_CHARS - 1] + "…"

    @property
    def slash_v1(self) -> str:
        """A hint at the usual mistake; empty when the address already ends as it should."""
        path = urlsplit(self.base_url).path
        return "" if path.rstrip("/").endswith("/v1") else f"; does the address lack /v1, as in {self.base_url}/v1?"


def explain(error: Exception, site: Site, *, now: Callable[[], float]) -> ModelError:
    """Turn an error of the SDK into one of ours.

    Args:
        error: what was raised: an ``openai.OpenAIError``, or a ``ValueError`` from reading the stream.
        site: the endpoint.
        now: seconds since the epoch, to read a ``Retry-After`` date.
    """
    url = site.base_url
    match error:
        case openai.APIConnectionError(__cause__=httpx2.ConnectError() as cause):
            reason = site.clean(str(cause)) or "no reason given"
            return NotConnectedError(f"cannot reach {url}: {reason}; is the server running, and the address right?")
        case openai.APIConnectionError():
            reason = site.clean(str(error.__cause__ or error)) or "no reason given"
            return UnreachableError(f"the connection to {url} broke off: {reason}")
        case openai.APIStatusError():
            return _explain_status(error, site, now)
        case openai.APIError():
            return _explain_in_stream(error, site)
        case json.JSONDecodeError():
            return ProtocolError(f"{url} sent a line that is not JSON: {site.clean(error.doc)[:80]!r}")
        case _:
            return ProtocolError(f"{url} sent something unreadable: {site.clean(str(error))}")


def explain_page(site: Site, status: int) -> ProtocolError | EndpointError:
    """Say that a web page came back where an API should be."""
    message = f"{site.base_url} answered with a web page ({status}), not as an API{site.slash_v1}"
    if status >= 500:
        return EndpointError(message, status)
    return ProtocolError(message if site.slash_v1 else message + "; check the address")


def _explain_status(error: openai.APIStatusError, site: Site, now: Callable[[], float]) -> ModelError:
    status, url, headers = error.status_code, site.base_url, error.response.headers
    content_type = as_text(headers.get("content-type"))
    if "html" in content_type or (isinstance(error.body, str) and error.body.lstrip().startswith("<")):
        return explain_page(site, status)
    if 300 <= status < 400:
        return EndpointError(f"{url} points elsewhere ({status}), and is not followed; give the address itself", status)
    detail = site.clean(_read_detail(error.body))
    if status in (401, 403):
        verb = "refused the API key" if site.key else "wants an API key"
        return AccessError(f"{url} {verb} ({status}): {detail}; set {site.key_variable}", status)
    asked_s = read_retry_after(headers.get("retry-after"), now())
    if status == 429 or (status == 503 and asked_s is not None):
        wait = "" if asked_s is None else f"; it asks to wait {asked_s:.0f} s"
        return RateLimitError(f"{url} has too much to do ({status}): {detail}{wait}", status, asked_s)
    if (overflow := _read_overflow(error, detail)) is not None:
        return ContextLengthError(f"{overflow} ({url}); shorten the prompt or use a longer context", status)
    if status == 404 and site.model not in detail and site.slash_v1:
        return EndpointError(f"{url} has no chat completions (404): {detail}{site.slash_v1}", status)
    if status == 404:
        return EndpointError(f"{url} has no model {site.model!r} (404): {detail}", status)
    verb = "refused the request" if status < 500 else "failed"
    return EndpointError(f"{url} {verb} ({status}): {detail}", status)


def _explain_in_stream(error: openai.APIError, site: Site) -> ModelError:
    """Read an error object that came inside a stream; its code, where it is a number, is an HTTP status."""
    detail = site.clean(_read_detail(error.body) or error.message)
    if (overflow := _read_overflow(error, detail)) is not None:
        return ContextLengthError(f"{overflow} ({site.base_url}); shorten the prompt or use a longer context")
    status = int(error.code) if error.code is not None and error.code.isdigit() else 500
    message = f"{site.base_url} broke off the reply with an error: {detail}"
    return RateLimitError(message) if status == 429 else EndpointError(message, status)


def _read_detail(body: object) -> str:
    """Find the message in an error's body."""
    if isinstance(body, str):
        return body.strip() or "no reason given"
    fields = as_dict(body)
    nested = as_dict(fields.get("error"))
    message = next(
        (text for key in ("message", "detail", "error") if (text := as_text(fields.get(key)))),
        as_text(nested.get("message")),
    )
    message = message or (json.dumps(fields.get("detail") or fields) if fields else "no reason given")
    param = as_text(fields.get("param"))
    return f"{message} [{param}]" if param and param not in message else message


def _read_overflow(error: openai.APIError, detail: str) -> str | None:
    """Say by how much a prompt is too long; None when the error is about something else."""
    fields = as_dict(error.body)
    is_coded = error.code in _CONTEXT_CODES or error.type in _CONTEXT_CODES
    found = _CONTEXT_LIMIT.search(detail)
    if not is_coded and not (found and _CONTEXT_WORDS.search(detail)):
        return None
    limit = as_int(fields.get("n_ctx")) or (int(found[1]) if found else 0)
    numbers = [int(number) for number in re.findall(r"\d+", detail)]
    asked = as_int(fields.get("n_prompt_tokens")) or max((n for n in numbers if n > limit), default=0)
    if not limit:
        return f"the prompt does not fit the model's context: {detail}"
    size = f"{asked:,} tokens asked for" if asked else "more tokens asked for than fit"
    return f"the prompt does not fit: {size}, and the model's context holds {limit:,}"
