"""What every file of attacks needs: an attack with a name, two owners, and requests that no client tidies up."""

import json
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from abruzzi.serving.key_file import hash_key
from abruzzi.serving.keys import HashedRing
from tests.serving.running import UNLIMITED

ANN, BEN = "sk-abruzzi-ann-0123456789abcdef", "sk-abruzzi-ben-0123456789abcdef"
QUESTION = "What is 17 + 25?"


@dataclass(frozen=True, slots=True)
class Attack:
    """One attempt; ``docs/security.md`` lists it under its id."""

    id: str
    what: Any = None
    """What is sent, as the file's own test reads it."""
    allowed: tuple[int, ...] = (400,)
    """Statuses that are right."""


def each(attacks: Iterable[Attack]) -> pytest.MarkDecorator:
    """Run a test once for each attack, under its id."""
    return pytest.mark.parametrize("attack", attacks, ids=lambda attack: attack.id)


def ring() -> HashedRing:
    """Know two owners."""
    return HashedRing({hash_key(ANN): "ann", hash_key(BEN): "ben"}, None, UNLIMITED, tell=lambda _: None)


def client(url: str, key: str | None = ANN, **headers: str) -> httpx2.Client:
    """Open a client with a key, or with none."""
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    return httpx2.Client(base_url=url, headers=headers, trust_env=False, timeout=30)


def chat(**fields: Any) -> dict[str, Any]:
    """Write the body of a chat request."""
    return {"model": "abruzzi-single", "messages": [{"role": "user", "content": QUESTION}], **fields}


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back over a plain socket."""

    status: int
    """0 when the connection was closed without a response."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Names in lower case."""
    body: bytes = b""
    is_closed: bool = True
    """False when the server kept the connection open until we gave up."""


def send(url: str, *parts: bytes, within_s: float = 15.0) -> Answered:
    """Send bytes as they are and read until the server closes, or the time is up."""
    address = urlsplit(url)
    received, is_closed = b"", False
    with socket.create_connection((address.hostname, address.port), timeout=within_s) as connection:
        try:
            for part in parts:
                connection.sendall(part)
            while not is_closed:
                piece = connection.recv(65536)
                received += piece
                is_closed = not piece
        except TimeoutError:
            pass
        except OSError:
            is_closed = True
    return _read(received, is_closed)


def _read(received: bytes, is_closed: bool) -> Answered:
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    if not lines[0].startswith("HTTP/1.1 "):
        return Answered(0, is_closed=is_closed)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    return Answered(int(lines[0].split()[1]), headers, body, is_closed)


def write_request(target: str, *headers: str, method: str = "GET", body: bytes = b"", key: str | None = ANN) -> bytes:
    """Write a request; the target and the headers go in as they are."""
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", "Connection: close"]
    lines += [] if key is None else [f"Authorization: Bearer {key}"]
    lines += [f"Content-Length: {len(body)}", "Content-Type: application/json"] if body else []
    return "\r\n".join([*lines, *headers, "", ""]).encode("latin-1") + body


def check_alive(url: str) -> None:
    """See that the server still answers."""
    with client(url) as web:
        done = web.post("/v1/chat/completions", json=chat())
    assert (done.status_code, done.json()["choices"][0]["message"]["content"]) == (200, "So it is 42")


def check_error(body: bytes) -> dict[str, Any]:
    """See that an error has OpenAI's shape; return it."""
    error = json.loads(body)["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert "Traceback" not in error["message"]
    return error
