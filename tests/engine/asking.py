"""Plain questions to a real engine, and everything that its stream said."""

import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from abruzzi.engine.process import Engine

Chunk = dict[str, Any]


@dataclass
class Stream:
    """The chunks of one streamed request."""

    chunks: list[Chunk] = field(default_factory=list[Chunk])
    is_whole: bool = False
    """True when it came to its [DONE]."""

    def texts(self) -> list[str]:
        """The text of each choice."""
        pieces: dict[int, str] = {}
        for chunk in self.chunks:
            for choice in chunk["choices"]:
                pieces[choice["index"]] = pieces.get(choice["index"], "") + (choice["delta"].get("content") or "")
        return [pieces[index] for index in sorted(pieces)]

    def usages(self) -> list[dict[str, Any]]:
        """One per choice that ended."""
        return [chunk["usage"] for chunk in self.chunks if chunk.get("usage")]

    @property
    def prompt_tokens(self) -> int:
        """The whole prompt's, known from the first chunk on."""
        return next(chunk["prompt_progress"]["total"] for chunk in self.chunks if "prompt_progress" in chunk)

    @property
    def completion_tokens(self) -> int:
        """Tokens that the stream told of: of all choices together."""
        told: dict[int, int] = {}
        for chunk in self.chunks:
            for choice in chunk["choices"]:
                if "timings" in chunk:
                    told[choice["index"]] = chunk["timings"]["predicted_n"]
        return sum(told.values())


def chat(
    engine: Engine, content: str, *, leave_if: Callable[[Stream], bool] = lambda stream: False, **settings: Any
) -> Stream:
    """Ask, and close the connection as soon as ``leave_if`` says so.

    Raises:
        OSError: the connection broke off.
        ValueError: an HTTP error, with its body.
    """
    body = {
        "messages": [{"role": "user", "content": content}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "timings_per_token": True,
        "return_progress": True,
        **settings,
    }
    address = urlsplit(engine.base_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    try:
        headers = {"Authorization": f"Bearer {engine.api_key}", "Content-Type": "application/json"}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        response = connection.getresponse()
        if response.status != 200:
            raise ValueError(response.read().decode())
        stream = Stream()
        for line in response:
            if not line.startswith(b"data: "):
                continue
            if line.startswith(b"data: [DONE]"):
                stream.is_whole = True
                break
            stream.chunks.append(json.loads(line.removeprefix(b"data: ")))
            if leave_if(stream):
                response.close()
                break
        return stream
    finally:
        connection.close()
