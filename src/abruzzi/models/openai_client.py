"""A ``ChatModel`` behind any OpenAI-compatible endpoint, over the ``openai`` SDK.

This file sets the client up; ``constrained`` holds replies to a schema, ``sampling`` brings the choices in,
``upstream`` makes each call, ``wire`` knows the protocol. The SDK gives transport, authentication and the reading of
event streams; its retries are off, because each try is a row in the ledger.

Requests always stream: only then does closing the connection stop the server's work at once, and only then do
llama.cpp's counts cover every choice.
"""

import copy
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import anyio
import httpx2
import openai

from abruzzi.errors import ConfigError, ModelError, ModelTimeoutError
from abruzzi.ledger import Ledger
from abruzzi.models.chat import ChatRequest, Emit, ignore
from abruzzi.models.constrained import Constrainer
from abruzzi.models.endpoints import Dialect, Endpoints
from abruzzi.models.faults import Site, explain, explain_page
from abruzzi.models.forced_calls import force_call, must_call
from abruzzi.models.llamacpp import Counters, SlotBook, read_metrics
from abruzzi.models.retry import RetryPolicy
from abruzzi.models.sampling import Habits, sample
from abruzzi.models.upstream import Link
from abruzzi.models.usage import Meter, UsageMeter
from abruzzi.models.wire import LLAMACPP, as_dict, as_int, as_list, as_text
from abruzzi.nouns import Completion

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
LIST_S = 10.0
"""How long a list of models may take."""
COUNTERS_S = 1.0
"""How long one look at an engine's counters may take."""
_CONTEXT_FIELDS = ("max_model_len", "context_length", "context_window", "max_context_length")


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model that an endpoint serves."""

    id: str
    max_context: int | None
    """Tokens of prompt and completion together, where the server tells."""
    server: str
    """``owned_by``: names the software of some servers (vllm, sglang, llamacpp)."""


class OpenAIChat:
    """A model behind an OpenAI-compatible endpoint. Close it with ``aclose``, or use it as a context manager."""

    def __init__(
        self,
        base_url: str,
        *,
        model: str | None = None,
        api_key: str = "",
        name: str | None = None,
        key_variable: str = "ABRUZZI_API_KEY",
        dialect: Literal["llama.cpp"] | None = None,
        max_n: int | None = None,
        max_context: int | None = None,
        num_adapters: int = 0,
        endpoints: Endpoints | None = None,
        policy: RetryPolicy | None = None,
        rng: random.Random | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Set a client up; nothing is sent yet.

        Args:
            base_url: the address, as far as ``/chat/completions``.
            model: the model's id there; None asks the endpoint for the one it serves.
            api_key: sent as a bearer token; empty sends none.
            name: the model's name in ledgers; its id by default.
            key_variable: the environment variable that error messages tell to set.
            dialect: ``llama.cpp`` for the embedded engine: exact bills through its counters, no probe needed.
            max_n: most choices of one request, where known beforehand.
            max_context: tokens of prompt and completion together, where known beforehand.
            num_adapters: LoRA adapters that the embedded engine has loaded; this client's requests run under none of
                them, see ``with_adapter``.
            endpoints: remembers what is found out; by default for the life of this client only.
            policy: when to try again.
            rng: draws the jitter of waits and the probe's word.
            sleep: waits between tries.
            now: seconds since the epoch.

        Raises:
            ConfigError: the address holds a user name, a password or a query.
        """
        url = urlsplit(base_url)
        if "@" in url.netloc or url.query:
            raise ConfigError("an endpoint's address takes no user name, password or query; give the key apart")
        self._base_url = base_url.rstrip("/")
        self._model = model
        self._api_key = api_key
        self._name = name
        self._key_variable = key_variable
        self._max_n = max_n
        self._max_context = max_context
        self._endpoints = Endpoints() if endpoints is None else endpoints
        self._policy = policy or RetryPolicy()
        self._rng = rng or random.Random()
        self._sleep = sleep
        self._now = now
        self._server = LLAMACPP if dialect else ""
        self._slots = SlotBook(self._read_counters) if dialect else None
        self._constrainer = Constrainer(Dialect.RESPONSE_FORMAT if dialect else None)
        self._num_adapters = num_adapters
        self._adapter: int | None = None
        self.on_headers: Callable[[Mapping[str, str]], None] = _ignore_headers
        """Told of the headers of every reply, refusals included; the mapping does not mind the case of names."""
        # A proxy from the environment must not come between us and a server on this machine.
        self._http = openai.DefaultAsyncHttpxClient(
            # Nor is a question, or a key, sent on to wherever an endpoint may point.
            trust_env=url.hostname not in LOOPBACK,
            follow_redirects=False,
            event_hooks={"response": [self._tell_headers]},
        )
        self._client = openai.AsyncOpenAI(
            base_url=self._base_url, api_key=api_key or "none", max_retries=0, http_client=self._http
        )
        # Without a key, no authorisation is sent at all.
        self._headers: Mapping[str, str | openai.Omit] = {} if api_key else {"Authorization": openai.Omit()}
        # The SDK takes these from the environment, where they are meant for OpenAI's own host.
        self._client.organization = self._client.project = None

    def with_adapter(self, adapter: int, *, name: str) -> "OpenAIChat":
        """Make a second client of the same engine, whose requests run under one of its LoRA adapters.

        It shares this one's connections and its book of the engine's slots, since the counters are of all clients
        together; so it lives as long as this one, which is the one to close.

        Args:
            adapter: the adapter's id in the engine.
            name: the second client's name in ledgers.

        Raises:
            ConfigError: the engine has no such adapter; llama.cpp itself would take no notice of it.
        """
        if not 0 <= adapter < self._num_adapters:
            raise ConfigError(f"{self.name} has {self._num_adapters} LoRA adapters, and none with the id {adapter}")
        bound = copy.copy(self)
        bound._name, bound._adapter = name, adapter
        return bound

    def __repr__(self) -> str:
        return f"OpenAIChat({self._base_url!r}, model={self._model!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        with anyio.CancelScope(shield=True):
            await self._client.close()

    @property
    def name(self) -> str:
        """The model's name in ledgers: as given, or its id, or until that is known the endpoint's address."""
        return self._name or self._model or self._base_url

    @property
    def max_context(self) -> int | None:
        """Tokens of prompt and completion together; None until ``discover`` has found it."""
        return self._max_context

    async def list_models(self) -> list[ModelCard]:
        """Ask the endpoint which models it serves.

        Raises:
            ModelError: it cannot be reached, refuses the key, or has no such list.
        """
        with anyio.move_on_after(LIST_S):
            listed = await self._get("/models")
            if isinstance(listed, str):
                raise explain_page(self._site(), 200)
            cards = [as_dict(entry) for entry in as_list(as_dict(listed).get("data"))]
            return [_read_card(card) for card in cards if as_text(card.get("id"))]
        raise ModelTimeoutError(f"no list of models from {self._base_url} within {LIST_S:g} s")

    async def discover(self) -> None:
        """Find out the model's id, where none was given, and its context.

        Raises:
            ModelError: no model was named, and the endpoint cannot be asked or serves none.
            ConfigError: no model was named, and the endpoint serves several.
        """
        try:
            cards = await self.list_models()
        except ModelError:
            if self._model is None:
                raise
            return
        if self._model is None:
            if not cards:
                raise ModelError(f"{self._base_url} serves no model; load one there, or name one: URL#model")
            if len(cards) > 1:
                shown = ", ".join(card.id for card in cards[:8]) + (", …" if len(cards) > 8 else "")
                raise ConfigError(f"{self._base_url} serves {len(cards)} models; name one as URL#model: {shown}")
            self._model = cards[0].id
        card = next((card for card in cards if card.id == self._model), None)
        if card is None:
            return
        self._server = self._server or card.server
        if self._server == LLAMACPP and self._slots is None:
            # Somebody else may use that server too, so its counters say nothing of us; its chunks do.
            self._slots = SlotBook(_no_counters)
        self._max_context = self._max_context or card.max_context or await self._ask_props()

    async def complete(self, request: ChatRequest, *, ledger: Ledger, emit: Emit = ignore) -> tuple[Completion, ...]:
        """Complete a chat; see ``ChatModel.complete``, for a schema ``constrained``, for a call ``forced_calls``.

        Raises:
            ModelError: no choice could be started.
        """
        if self._model is None:
            await self.discover()
        habits = self._habits()
        if must_call(request):
            return await force_call(habits, self._constrainer, request, ledger=ledger, emit=emit)
        if request.schema is not None:
            return await self._constrainer.complete(habits, request, request.schema, ledger=ledger, emit=emit)
        if request.json_object:
            return await self._constrainer.complete_object(habits, request, ledger=ledger, emit=emit)
        return await sample(habits, request, ledger=ledger, emit=emit)

    async def _tell_headers(self, response: httpx2.Response) -> None:
        self.on_headers(response.headers)

    def _habits(self) -> Habits:
        assert self._model is not None, "the model is found out before it is asked"
        habits = Habits(
            link=Link(self._site(), self._client, self._stream_headers(), self._now, self._open_meter),
            endpoints=self._endpoints,
            policy=self._policy,
            rng=self._rng,
            sleep=self._sleep,
            server=self._server,
            fields=self._choose_adapter(),
        )
        if self._max_n is not None and habits.facts.max_n is None:
            habits.learn(max_n=self._max_n)
        return habits

    def _stream_headers(self) -> Mapping[str, str | openai.Omit]:
        """Choose the headers of a request whose reply is a stream."""
        if self._server != LLAMACPP:
            return self._headers
        # llama.cpp closes the connection after a stream, though it promises to keep it; on a busy machine the next
        # request would be sent on it before the end is seen.
        return {**self._headers, "Connection": "close"}

    def _choose_adapter(self) -> dict[str, Any]:
        """Write the request fields that say so, for every adapter: what is not said is not reset either."""
        scales = [{"id": number, "scale": float(number == self._adapter)} for number in range(self._num_adapters)]
        return {"lora": scales} if scales else {}

    def _site(self) -> Site:
        return Site(self.name, self._base_url, self._model or "", self._api_key, self._key_variable)

    async def _open_meter(self, num_choices: int) -> Meter:
        return UsageMeter(num_choices) if self._slots is None else await self._slots.open(num_choices)

    async def _get(self, path: str) -> object:
        """Get JSON from the endpoint."""
        try:
            return await self._client.get(path, cast_to=object, options={"headers": self._headers})
        except (openai.OpenAIError, ValueError) as error:
            fault = explain(error, self._site(), now=self._now)
        raise fault

    async def _ask_props(self) -> int | None:
        """Ask an older llama.cpp server for its context."""
        if self._server != LLAMACPP:
            return None
        try:
            props = as_dict(await self._get(f"{self._root}/props"))
        except ModelError:
            return None
        return as_int(as_dict(props.get("default_generation_settings")).get("n_ctx")) or None

    async def _read_counters(self) -> Counters | None:
        """Read llama.cpp's counters."""
        try:
            page = await self._http.get(
                f"{self._root}/metrics", headers={"Authorization": f"Bearer {self._api_key}"}, timeout=COUNTERS_S
            )
        except httpx2.HTTPError:
            return None
        return read_metrics(page.text, page.headers.get("process-start-time-unix", "")) if page.is_success else None

    @property
    def _root(self) -> str:
        return self._base_url.removesuffix("/v1")


async def _no_counters() -> None:
    return None


def _read_card(card: Mapping[str, Any]) -> ModelCard:
    meta = as_dict(card.get("meta"))
    sizes = [as_int(card.get(name)) for name in _CONTEXT_FIELDS] + [as_int(meta.get("n_ctx"))]
    return ModelCard(
        as_text(card.get("id")), next((size for size in sizes if size), None), as_text(card.get("owned_by"))
    )


def _ignore_headers(headers: Mapping[str, str]) -> None:
    """Nobody wants to know."""
