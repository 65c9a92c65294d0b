"""Samples rollouts from the policy through the embedded engine: llama.cpp in a process of its own.

The base is loaded once from a GGUF file, quantised or not; the policy's adapter is written anew at each ``sync``, and
the engine is started again with it, which takes a second or two. A group is one request for several completions, whose
prompt is computed once; prompts and completions are token ids, so that no text is tokenised twice.

Log-probabilities are llama.cpp's own, at temperature 1 and before any cut of the distribution. They differ from the
policy's by the rounding of weights and activations, and that is what the importance ratio is corrected for. Tokens that
are the beginning of a character (of an emoji, say) come without one and get NaN.

Prompts are not taken from llama.cpp's cache, although it would save their common beginning: a prompt computed in other
pieces is rounded differently, and the same seed would give other completions the second time.
"""

import http.client
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from math import nan
from pathlib import Path
from typing import Any, Self, cast
from urllib.parse import urlsplit

import numpy as np

from abruzzi.engine.process import Engine
from abruzzi.engine.settings import Adapter, EngineSettings
from abruzzi.errors import ConfigError, ContextLengthError, DataError, EndpointError, ProtocolError, UnreachableError
from abruzzi.nouns import FinishReason
from abruzzi.training.grpo.rollouts import Sampled

WriteAdapter = Callable[[Path], None]
"""Writes the policy's adapter, as it is now, as a GGUF file."""

_MAX_TRIES = 4
"""Of a request: an engine that crashed is started again meanwhile."""


class EngineSampler:
    """Samples from a base with an adapter in llama.cpp; a context manager, which stops the engine.

    Args:
        settings: the engine's; ``slots`` completions are decoded side by side, each of at most ``context_tokens`` with
            its prompt. Adapters in it are replaced.
        write_adapter: None samples from the base alone.
        timeout_s: of one request, the time in the queue included.
        pause_s: before a request that failed is sent again; doubled each time.
    """

    def __init__(
        self,
        settings: EngineSettings,
        *,
        write_adapter: WriteAdapter | None = None,
        timeout_s: float = 3600.0,
        pause_s: float = 1.0,
    ) -> None:
        self._settings = settings
        self._write_adapter = write_adapter
        self._timeout_s = timeout_s
        self._pause_s = pause_s
        self._engine: Engine | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="abruzzi-adapter-")

    @property
    def name(self) -> str:
        """``llama.cpp`` and the file of the base."""
        return f"llama.cpp {self._settings.model.name}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the engine and remove the adapter's file."""
        self._stop()
        self._folder.cleanup()

    def sync(self) -> None:
        """Write the adapter and start the engine again with it; without adapter, the engine that runs goes on.

        Raises:
            WeightsError: the adapter or the base is no such file.
            EngineStartError: the engine did not come up.
        """
        if self._engine is not None and self._write_adapter is None:
            return
        self._stop()
        adapters: tuple[Adapter, ...] = ()
        if self._write_adapter is not None:
            path = Path(self._folder.name) / "policy.gguf"
            self._write_adapter(path)
            adapters = (Adapter("policy", path),)
        engine = Engine(replace(self._settings, adapters=adapters))
        engine.start()
        self._engine = engine

    def sample(
        self, prompts_P: Sequence[Sequence[int]], *, group_size: int, max_tokens: int, temperature: float, seed: int
    ) -> list[list[Sampled]]:
        """Sample completions; see ``Sampler.sample``.

        Raises:
            ConfigError: a number is out of range.
            DataError: a prompt is empty.
            ContextLengthError: a prompt and its completion do not fit a slot.
            EndpointError: the engine refused a request.
            ProtocolError: it answered with something else than completions.
            EngineError: it is down for good.
            UnreachableError: it did not answer, however often it was asked.
        """
        for name, value, least in (("group_size", group_size, 1), ("max_tokens", max_tokens, 1), ("seed", seed, 0)):
            if value < least:
                raise ConfigError(f"{name} is {value}; it must be at least {least}")
        if not 0 <= temperature < float("inf"):
            raise ConfigError(f"temperature is {temperature}; it must be 0 (greedy) or more")
        if self._engine is None:
            self.sync()
        assert self._engine is not None, "sync started it"
        engine = self._engine
        for p, prompt in enumerate(prompts_P):
            if not prompt:
                raise DataError(f"prompt {p} has no tokens; render it with the chat template first")
            if len(prompt) + max_tokens > engine.max_context:
                raise ContextLengthError(
                    f"prompt {p} has {len(prompt)} tokens, and with {max_tokens} to come they do not fit the "
                    f"{engine.max_context} of a slot: raise the engine's context_tokens, or leave the prompt out"
                )
        # A request for more completions than there are slots would never be served.
        largest = min(group_size, self._settings.slots)
        parts = [(p, first) for p in range(len(prompts_P)) for first in range(0, group_size, largest)]
        bodies: list[dict[str, Any]] = [
            {
                "prompt": list(prompts_P[p]),
                "n_cmpl": min(largest, group_size - first),
                "n_predict": max_tokens,
                "temperature": temperature,
                "samplers": ["temperature"],
                "seed": int(np.random.SeedSequence((seed, p, first)).generate_state(1)[0]) >> 1,
                "return_tokens": True,
                "n_probs": 1,
                "cache_prompt": False,
                "lora": [{"id": number, "scale": 1.0} for number in engine.adapter_ids.values()],
            }
            for p, first in parts
        ]
        groups: list[list[Sampled]] = [[] for _ in prompts_P]
        # Twice as many as are served at a time, so that a slot that becomes free finds work.
        num_threads = 2 * -(-self._settings.slots // largest)
        with ThreadPoolExecutor(num_threads) as pool:
            for (p, _), completions in zip(parts, pool.map(partial(self._ask, engine), bodies), strict=True):
                groups[p] += completions
        return groups

    def _stop(self) -> None:
        if self._engine is not None:
            self._engine.stop()
            self._engine = None

    def _ask(self, engine: Engine, body: dict[str, Any]) -> list[Sampled]:
        """Send a request, again if the connection breaks: the same seed gives the same completions."""
        for number in range(_MAX_TRIES):
            try:
                status, reply = _post(engine, body, timeout_s=self._timeout_s)
            except (OSError, http.client.HTTPException) as error:
                if engine.failure is not None:
                    raise engine.failure from error
                if number == _MAX_TRIES - 1:
                    reason = str(error) or type(error).__name__
                    raise UnreachableError(f"the engine did not answer {_MAX_TRIES} times, last: {reason}") from error
                time.sleep(self._pause_s * 2**number)
            else:
                if status != 200:
                    raise EndpointError(f"the engine answered HTTP {status}: {reply[:300]}", status)
                return read_completions(reply, body["n_cmpl"])
        raise AssertionError("the last try returns or raises")


def read_completions(reply: str, count: int) -> list[Sampled]:
    """Read llama.cpp's answer to a request for ``count`` completions.

    Raises:
        ProtocolError: it is something else, or there are log-probabilities of tokens that are not there.
    """
    try:
        content: Any = json.loads(reply)
        choices = cast("list[dict[str, Any]]", content if isinstance(content, list) else [content])
        completions = [_read_choice(choice) for choice in sorted(choices, key=lambda choice: int(choice["index"]))]
    except (ValueError, KeyError, TypeError) as error:
        raise ProtocolError(f"the engine gave no completions ({error!r}): {reply[:300]!r}") from error
    if len(completions) != count:
        raise ProtocolError(f"the engine gave {len(completions)} completions where {count} were asked for")
    return completions


def _read_choice(choice: dict[str, Any]) -> Sampled:
    ids = [int(token) for token in choice["tokens"]]
    given = [(int(token["id"]), float(token["logprob"])) for token in choice["completion_probabilities"]]
    logprobs: list[float] = []
    # From the end, because of the tokens that make up one character the last one has its log-probability.
    for token in reversed(ids):
        logprobs.append(given.pop()[1] if given and given[-1][0] == token else nan)
    if not ids or given:
        raise ValueError(f"{len(ids)} tokens, and {len(given)} log-probabilities of others")
    reason = {"eos": FinishReason.STOP, "limit": FinishReason.LENGTH}[choice["stop_type"]]
    return Sampled(tuple(ids), tuple(reversed(logprobs)), reason)


def _post(engine: Engine, body: dict[str, Any], *, timeout_s: float) -> tuple[int, str]:
    address = urlsplit(engine.base_url)
    connection = http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port, timeout=timeout_s)
    headers = {"Authorization": f"Bearer {engine.api_key}", "Content-Type": "application/json", "Connection": "close"}
    try:
        connection.request("POST", "/completion", json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8", "replace")
    finally:
        connection.close()
