"""Asks the engine how it reads and writes: a prompt as token ids with their sources, a completion as token ids.

The engine's own chat template and tokenizer are asked over loopback (``/apply-template``, ``/tokenize``, ``/props``),
in a thread. What was sampled is not told in a stream, so a completion's text is tokenised again; most often that gives
the sampled ids, and where it does not, whoever compares counts will see it.
"""

import http.client
import json
from collections.abc import Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

import anyio

from abruzzi.engine.drafting.prompt import label_prompt
from abruzzi.engine.drafting.text import Part
from abruzzi.errors import ProtocolError, UnreachableError
from abruzzi.nouns import Message

TIMEOUT_S = 5.0
"""For each answer."""


class Tokens(Protocol):
    """Tells how an engine reads and writes."""

    async def read_prompt(self, messages: Sequence[Message]) -> tuple[Part, ...]:
        """Render and tokenise a prompt, generation prefix included."""
        ...

    async def read_completion(self, text: str, *, has_ended: bool) -> tuple[int, ...]:
        """Tokenise a completion, with the end-of-text token where the model gave it."""
        ...


class EngineTokens:
    """The tokens of a running engine.

    Args:
        base_url: the engine's.
        api_key: the engine's.
    """

    def __init__(self, base_url: str, api_key: str) -> None:
        self._address = urlsplit(base_url)
        self._api_key = api_key

    async def read_prompt(self, messages: Sequence[Message]) -> tuple[Part, ...]:
        """Render and tokenise a prompt; see ``Tokens.read_prompt``.

        Raises:
            UnreachableError: the engine does not answer.
            ProtocolError: it answers something else.
        """
        turns = [{"role": message.role, "content": message.content} for message in messages]
        text = str(await self._ask("/apply-template", "prompt", {"messages": turns}))
        asked = {"content": text, "add_special": True, "parse_special": True, "with_pieces": True}
        tokens = await self._ask("/tokenize", "tokens", asked)
        return label_prompt(text, [int(token["id"]) for token in tokens], _starts([token["piece"] for token in tokens]))

    async def read_completion(self, text: str, *, has_ended: bool) -> tuple[int, ...]:
        """Tokenise a completion; see ``Tokens.read_completion``.

        Raises:
            UnreachableError: the engine does not answer.
            ProtocolError: it answers something else.
        """
        ids = await self._ask("/tokenize", "tokens", {"content": text, "parse_special": False})
        if not has_ended:
            return tuple(ids)
        end = {"content": await self._ask("/props", "eos_token"), "parse_special": True}
        return (*ids, *await self._ask("/tokenize", "tokens", end))

    async def _ask(self, path: str, wanted: str, body: dict[str, Any] | None = None) -> Any:
        """Get one field of the engine's answer."""
        reply = await anyio.to_thread.run_sync(self._request, path, body)
        try:
            return json.loads(reply)[wanted]
        except (ValueError, KeyError, TypeError) as error:
            raise ProtocolError(f"the engine's answer to {path} has no {wanted!r}: {reply[:200]!r}") from error

    def _request(self, path: str, body: dict[str, Any] | None) -> str:
        connection = http.client.HTTPConnection(
            self._address.hostname or "127.0.0.1", self._address.port, timeout=TIMEOUT_S
        )
        headers = {"Authorization": f"Bearer {self._api_key}", "Content-Type": "application/json"}
        try:
            if body is None:
                connection.request("GET", path, headers=headers)
            else:
                connection.request("POST", path, json.dumps(body), headers)
            return connection.getresponse().read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(f"the engine did not answer {path} ({error or type(error).__name__})") from error
        finally:
            connection.close()


def _starts(pieces: Sequence[str | list[int]]) -> list[int]:
    """Tell at which character of the text each token begins; a token that is part of a character comes as bytes."""
    starts, text = list[int](), b""
    for piece in pieces:
        starts.append(len(text.decode("utf-8", "ignore")))
        text += piece.encode() if isinstance(piece, str) else bytes(piece)
    return starts
