"""Reads model specs: how people name a model on the command line and in TOML.

    embedded                            the embedded engine's best model
    embedded:base                       the untrained base model
    embedded:/path/model.gguf           a local file in the embedded engine
    hf:ORG/REPO/FILE.gguf               a file of the Hugging Face hub in the embedded engine
    http://host:port/v1#model           an OpenAI-compatible endpoint; without #model, the one it serves
    https://host/v1#model
    cerebras:NAME                       a model at Cerebras
    scripted                            a canned demonstration without any model

Pure: nothing here opens a file, a socket or the environment. API keys come from environment variables only; which one
belongs to a spec is told by ``key_variables``. A key written into a spec is refused, and never repeated.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from urllib.parse import urlsplit

from abruzzi.config import redact
from abruzzi.errors import ConfigError

FORMS = (
    "embedded",
    "embedded:base",
    "embedded:/path/model.gguf",
    "hf:ORG/REPO/FILE.gguf",
    "http://host:port/v1#model",
    "https://host/v1#model",
    "cerebras:NAME",
    "scripted",
)
CEREBRAS_URL = "https://api.cerebras.ai/v1"
OPENAI_HOST = "api.openai.com"
_KEY_SHAPE = re.compile(r"(sk|csk|hf|gsk|nvapi|xai)[-_][A-Za-z0-9_-]{16,}", re.IGNORECASE)
_HUB_PART = re.compile(r"[\w.-]+")


@dataclass(frozen=True, slots=True)
class EmbeddedSpec:
    """A model in the embedded engine."""

    path: PurePath | None = None
    """A GGUF file; None for the model that Abruzzi fetches itself."""
    is_base: bool = False
    """The untrained base, without adapters."""


@dataclass(frozen=True, slots=True)
class HubSpec:
    """A GGUF file of the Hugging Face hub, in the embedded engine."""

    repo: str
    """``ORG/REPO``."""
    file: str


@dataclass(frozen=True, slots=True)
class EndpointSpec:
    """A model behind an OpenAI-compatible endpoint."""

    base_url: str
    """Ends before ``/chat/completions``; no slash at its end."""
    model: str | None = None
    """None: the one that the endpoint serves."""

    @property
    def host(self) -> str:
        """The host's name, without its port."""
        return urlsplit(self.base_url).hostname or ""


@dataclass(frozen=True, slots=True)
class ScriptedSpec:
    """The canned demonstration."""


ModelSpec = EmbeddedSpec | HubSpec | EndpointSpec | ScriptedSpec


def parse_spec(text: str) -> ModelSpec:
    """Read a model spec.

    Raises:
        ConfigError: it has no known form, is incomplete, or has a key in it.
    """
    spec = text.strip()
    scheme, colon, rest = spec.partition(":")
    match scheme.lower():
        case "embedded":
            return _parse_embedded(spec, rest) if colon else EmbeddedSpec()
        case "scripted" if not colon:
            return ScriptedSpec()
        case "hf" if colon:
            return _parse_hub(spec, rest)
        case "cerebras" if colon:
            _refuse_key(rest)
            if not rest.strip():
                raise ConfigError("the model spec 'cerebras:' names no model; write cerebras:NAME")
            return EndpointSpec(CEREBRAS_URL, rest.strip())
        case "http" | "https" if rest.startswith("//"):
            return _parse_url(spec)
        case _:
            raise _unknown(spec)


def _parse_embedded(spec: str, rest: str) -> EmbeddedSpec:
    if rest == "base":
        return EmbeddedSpec(is_base=True)
    if rest.lower().endswith(".gguf"):
        return EmbeddedSpec(path=PurePath(rest))
    if "/" in rest or "\\" in rest:
        raise ConfigError(
            f"the model spec {redact(spec)!r} names a file that is not a GGUF one; its name must end in .gguf"
        )
    raise _unknown(spec)


def _parse_hub(spec: str, rest: str) -> HubSpec:
    parts = rest.split("/")
    is_plain = all(_HUB_PART.fullmatch(part) and set(part) != {"."} for part in parts)
    if len(parts) < 3 or not is_plain or not rest.lower().endswith(".gguf"):
        raise ConfigError(f"the model spec {redact(spec)!r} is not of the form hf:ORG/REPO/FILE.gguf")
    return HubSpec("/".join(parts[:2]), "/".join(parts[2:]))


def _parse_url(spec: str) -> EndpointSpec:
    try:
        url = urlsplit(spec)
        host, port = url.hostname, url.port
    except ValueError:
        raise ConfigError("the model spec is not a valid URL; write http://host:port/v1#model") from None
    if "@" in url.netloc or url.query or _KEY_SHAPE.search(spec):
        raise ConfigError(
            f"the URL of a model spec takes no user name, password, key or query (host {host!r}); "
            "put the key into the environment variable ABRUZZI_API_KEY"
        )
    if not host:
        raise ConfigError(f"the model spec {redact(spec)!r} has no host; write http://host:port/v1#model")
    path = re.sub(r"(/chat/completions|/completions|/models)?/*$", "", url.path)
    netloc = f"[{host}]" if ":" in host else host
    netloc = netloc if port is None else f"{netloc}:{port}"
    return EndpointSpec(f"{url.scheme.lower()}://{netloc}{path}", url.fragment.strip() or None)


def _unknown(spec: str) -> ConfigError:
    _refuse_key(spec)
    near = _find_nearest(spec)
    hint = f"; did you mean {near!r}?" if near else "."
    shown = redact(spec)
    shown = shown if len(shown) <= 80 else shown[:79] + "…"
    return ConfigError(f"unknown model spec {shown!r}{hint} The forms are: {', '.join(FORMS)}")


def _find_nearest(spec: str) -> str | None:
    """Guess what was meant."""
    if spec.lower().endswith(".gguf"):
        return f"embedded:{spec}"
    if re.match(r"[\w.-]+:\d+(/|#|$)", spec):
        return f"http://{spec}"
    scheme = spec.lower().partition(":")[0]
    schemes = {form.partition(":")[0]: form for form in reversed(FORMS)}
    close = difflib.get_close_matches(scheme, schemes, n=1)
    if not close:
        return None
    same = {form.lower(): form for form in FORMS if form.partition(":")[0] == close[0]}
    nearest = difflib.get_close_matches(spec.lower(), same, n=1)
    return same[nearest[0]] if nearest else schemes[close[0]]


def _refuse_key(text: str) -> None:
    if _KEY_SHAPE.search(text):
        raise ConfigError("the model spec looks as if it held an API key; put keys into environment variables only")


def key_variables(spec: ModelSpec) -> tuple[str, ...]:
    """Name the environment variables that may hold a spec's key; the first one set counts."""
    if not isinstance(spec, EndpointSpec):
        return ()
    if spec.base_url == CEREBRAS_URL:
        return ("CEREBRAS_API_KEY",)
    own = "ABRUZZI_API_KEY_" + re.sub(r"[^A-Z0-9]+", "_", spec.host.upper())
    return (own, "OPENAI_API_KEY", "ABRUZZI_API_KEY") if spec.host == OPENAI_HOST else (own, "ABRUZZI_API_KEY")


def find_key(spec: ModelSpec, environ: Mapping[str, str]) -> str | None:
    """Find a spec's API key.

    Returns:
        The key; None for a spec that needs none, or an endpoint for which none is set.

    Raises:
        ConfigError: an endpoint that always wants a key has none, or the key cannot be sent in a header.
    """
    variables = key_variables(spec)
    for variable in variables:
        key = environ.get(variable, "").strip()
        if not key:
            continue
        if not key.isascii() or not key.isprintable() or " " in key:
            raise ConfigError(f"the key in {variable} has characters that no API key has; set it again")
        return key
    if isinstance(spec, EndpointSpec) and (spec.base_url == CEREBRAS_URL or spec.host == OPENAI_HOST):
        usual = "OPENAI_API_KEY" if spec.host == OPENAI_HOST else "CEREBRAS_API_KEY"
        raise ConfigError(f"{spec.host} wants an API key; set the environment variable {usual}")
    return None
