"""How the server runs: every switch of ``abruzzi serve``, with the vetted default.

Written as one ``[serve]`` table in TOML with the tables ``limits``, ``store``, ``guard`` and ``trace`` in it, and as
options of the command. How questions are answered stands in ``[ask]``, who answers in ``[models]``. Keys and passwords
are never settings: they come from the environment or from the file of hashed keys.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from abruzzi.config import build, redact
from abruzzi.errors import ConfigError
from abruzzi.serving.caps import Caps
from abruzzi.serving.guard.settings import GuardSettings
from abruzzi.serving.store.settings import StoreSettings

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

_Count = Annotated[int, Field(ge=1)]
_Limit = Annotated[int, Field(ge=0)]
"""0 is no limit; TOML has no word for none."""
_Seconds = Annotated[float, Field(gt=0)]


class KeyLimits(BaseModel):
    """What one API key may use; 0 is no limit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests_per_minute: _Limit = 60
    concurrent: _Limit = 8
    """Questions of the key that run at once, per server; more wait in the queue."""
    tokens_per_minute: _Limit = 0
    """Prompt and completion tokens of all upstream calls for the key."""
    tokens_per_day: _Limit = 0


class LimitSettings(BaseModel):
    """How much the server takes on: the ``[serve.limits]`` table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    running: _Count = 64
    """Questions that run at once, of all keys together."""
    waiting: Annotated[int, Field(ge=0)] = 256
    """Questions that wait for their turn; beyond it the server answers 429. 0 lets nobody wait."""
    wait_s: _Seconds = 30.0
    """Longest wait in the queue; after it the server answers 429. A stream beats while it waits, and one that has
    beaten is told of the refusal by its last event; a client that does not stream hears nothing, and many a proxy gives
    up after a minute."""
    storage: str = "memory://"
    """Where rates and token budgets are counted: a storage URI of the package ``limits``. ``redis://host:6379`` makes
    several replicas count together; one with a password comes from ``ABRUZZI_LIMITS_STORAGE`` instead."""
    upstream_tier: str = ""
    """A hosted tier whose limits are known (``models.hosted``), e.g. ``cerebras-free``; empty for none."""
    upstream_requests_per_minute: _Limit = 0
    """What the upstream allows each model, here and below; it comes before the tier's. 0 takes the tier's, or learns it
    from the upstream's ``x-ratelimit-*`` headers, where it sends them."""
    upstream_requests_per_hour: _Limit = 0
    upstream_requests_per_day: _Limit = 0
    upstream_tokens_per_minute: _Limit = 0
    """Prompt and completion together."""
    upstream_tokens_per_hour: _Limit = 0
    upstream_tokens_per_day: _Limit = 0
    key: KeyLimits = KeyLimits()
    """Of every key that the file of keys gives no limits of its own."""


class TraceSettings(BaseModel):
    """Where traces go: the ``[serve.trace]`` table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: str | None = None
    """OTLP over HTTP, whole: ``http://collector:4318/v1/traces``. None traces nothing. Headers with secrets come from
    ``OTEL_EXPORTER_OTLP_HEADERS``."""
    service_name: str = "abruzzi"
    sample_ratio: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of the questions that are traced where the request's ``traceparent`` does not decide it."""
    content: bool = False
    """Write questions and answers into the spans."""


class ServeSettings(BaseModel):
    """The server's settings; frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8800
    """0 takes a free one."""
    keys_file: Path | None = None
    """Hashed keys, as ``abruzzi keys`` writes them; None reads the user's own file, if there is one."""
    no_keys: bool = False
    """Serve whoever reaches the port; on loopback only."""
    max_body_bytes: Annotated[int, Field(ge=1024)] = 4_000_000
    heartbeat_s: _Seconds = 10.0
    """A stream that has nothing to say sends a comment so often, so that proxies keep it open."""
    drain_s: Annotated[float, Field(ge=0)] = 60.0
    """After SIGTERM, how long running questions may go on."""
    page: bool = True
    """Serve the web page."""
    log_content: bool = False
    """Write questions and answers into the log."""
    limits: LimitSettings = LimitSettings()
    caps: Caps = Caps()
    store: StoreSettings = StoreSettings()
    guard: GuardSettings = GuardSettings()
    trace: TraceSettings = TraceSettings()

    @model_validator(mode="after")
    def _is_not_open_to_the_world(self) -> Self:
        if self.no_keys and self.host not in LOOPBACK:
            raise ValueError(
                f"no_keys serves loopback only, and host is {self.host!r}; make keys: abruzzi keys add NAME"
            )
        return self


def build_serve_settings(table: Mapping[str, Any], options: Mapping[str, Any], *, source: str) -> ServeSettings:
    """Build the server's settings from the ``[serve]`` table and the options of the command line.

    Args:
        table: as TOML gives it.
        options: field name to value; they win, and None leaves the table's value.
        source: where the table comes from, for the error message.

    Raises:
        ConfigError: a key is unknown or a value out of range, also in an inner table; names the key and the value.
    """
    settings = build(ServeSettings, _build_inner(ServeSettings, table, source, "serve"), options, source=source)
    # Not validators: nothing of an address that holds a secret is repeated.
    if _holds_secret(settings.limits.storage):
        raise ConfigError(
            f"{source}: [serve.limits] storage holds a user or a password; set it as ABRUZZI_LIMITS_STORAGE instead"
        )
    if _holds_secret(settings.trace.endpoint or ""):
        raise ConfigError(
            f"{source}: [serve.trace] endpoint holds a user, a password or a key; take it out, and set "
            "OTEL_EXPORTER_OTLP_HEADERS, as in 'authorization=Bearer KEY'"
        )
    return settings


def _holds_secret(address: str) -> bool:
    return "@" in address or redact(address) != address


def _build_inner(settings_type: type[BaseModel], table: Mapping[str, Any], source: str, name: str) -> dict[str, Any]:
    """Build each inner table by itself, so that its errors name it and suggest the nearest of its own keys."""
    built = dict(table)
    for key, field in settings_type.model_fields.items():
        inner = field.annotation
        if key not in built or not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            continue
        where = f"{source}: [{name}.{key}]"
        if not isinstance(built[key], Mapping):
            raise ConfigError(f"{where} is a table, and not {redact(repr(built[key]))}")
        built[key] = build(inner, _build_inner(inner, built[key], source, f"{name}.{key}"), source=where)
    return built
