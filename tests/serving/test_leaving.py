"""A client that leaves stops everything upstream within a second; the record keeps what was finished.

Clients are real sockets, and the upstream is a server on loopback that notes when its caller hangs up.
"""

import json
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from abruzzi.models.openai_client import OpenAIChat
from abruzzi.models.scripted import hang
from abruzzi.nouns import Role
from abruzzi.serving.app import build_app
from abruzzi.serving.question_record import Status
from abruzzi.serving.settings import LimitSettings
from tests.faultserver import FaultServer, say
from tests.serving.recorded import MemoryStore
from tests.serving.running import UNLIMITED, make_server, running, scripted, serving, wait_until

WITHIN_S = 1.0


@contextmanager
def client(url: str, **fields: Any) -> Generator[socket.socket]:
    """Send a request from a bare socket; leaving the block hangs up."""
    address = urlsplit(url)
    body = json.dumps({"model": "abruzzi", "messages": [{"role": "user", "content": "17 + 25?"}], **fields}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=10) as connection:
        connection.sendall(head.encode() + body)
        yield connection


def count_cancelled(store: MemoryStore) -> int:
    return sum(row["event"] == "call_ended" and row["call"]["outcome"] == "cancelled" for row in store.only.events)


@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize("model", ["abruzzi", "abruzzi-single", "scripted"])
def test_a_client_that_leaves_cancels_the_call_and_ends_the_record(is_stream: bool, model: str) -> None:
    store, solver = MemoryStore(), scripted(solver=hang("So it is"))
    with serving(solver, store=store) as url:
        with client(url, model=model, stream=is_stream):
            wait_until(lambda: bool(solver.requests_of(Role.SOLVER)))
            time.sleep(0.1)
        took = wait_until(lambda: "end cancelled" in store.log)
    assert took < WITHIN_S
    assert store.only.status is Status.CANCELLED
    assert count_cancelled(store) == 1
    if model != "scripted":
        texts = [row["candidate"]["text"] for row in store.only.events if row["event"] == "candidate_ended"]
        assert "So it is" in texts, "what was said by then is kept"


def test_the_connection_upstream_is_closed_within_a_second() -> None:
    """Through the real client: the upstream sees its caller hang up on a stream that has only begun."""
    slow = say(*["word " * 200] * 3, token_s=0.05)
    with FaultServer([slow]) as upstream:
        store = MemoryStore()
        chat = OpenAIChat(upstream.base_url, model="m")
        with serving(chat, store=store) as url:
            with client(url, model="abruzzi-bo3", stream=True) as connection:
                assert b"200 OK" in connection.recv(4096)
                wait_until(lambda: bool(upstream.records) and upstream.records[0].tokens_sent > 5)
            took = wait_until(lambda: upstream.records[0].closed_by_client)
            wait_until(lambda: "end cancelled" in store.log)
        assert took < WITHIN_S
        assert count_cancelled(store) == 1


def test_a_client_that_leaves_while_it_waits_leaves_the_queue() -> None:
    solver = scripted(solver=hang())
    limits = LimitSettings(running=1, key=UNLIMITED)
    server = make_server(solver, limits=limits)
    with running(build_app(server)) as url, client(url, model="scripted"):
        wait_until(lambda: server.admission.running == 1)
        with client(url, model="scripted"):
            wait_until(lambda: server.admission.waiting == 1)
        assert wait_until(lambda: server.admission.waiting == 0) < WITHIN_S
        assert len(solver.requests) == 1
