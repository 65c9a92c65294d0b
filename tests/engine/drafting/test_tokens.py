"""How the engine reads and writes."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import anyio
import pytest

from abruzzi.engine.drafting.text import Source
from abruzzi.engine.drafting.tokens import EngineTokens
from abruzzi.engine.process import Engine
from abruzzi.errors import ProtocolError, UnreachableError
from abruzzi.nouns import Message

ASKED = [Message("system", "Be brief."), Message("user", "<question>\nWhat is 2 + 3 in 日本 🎉?\n</question>")]


class Mumbling(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"error": "Loading model"}')

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
        """Say nothing."""


@pytest.fixture
def mumbling() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Mumbling) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


def test_an_answer_without_tokens_is_a_typed_error(mumbling: str) -> None:
    with pytest.raises(ProtocolError, match=r"/apply-template has no 'prompt'.*Loading model"):
        anyio.run(EngineTokens(mumbling, "key").read_prompt, ASKED)


def test_an_engine_that_is_down_is_a_typed_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(UnreachableError, match="did not answer /apply-template"):
        anyio.run(EngineTokens(f"http://127.0.0.1:{port}/v1", "key").read_prompt, ASKED)


@pytest.mark.engine
def test_the_engine_reads_a_prompt_with_its_own_template_and_counts_as_its_usage_does(engine: Engine) -> None:
    tokens = EngineTokens(engine.base_url, engine.api_key)

    async def read() -> tuple[list[tuple[Source, int]], tuple[int, ...], tuple[int, ...]]:
        parts = await tokens.read_prompt(ASKED)
        question = next(part.ids for part in parts if part.source is Source.QUESTION)
        alone = await tokens.read_completion("What is 2 + 3 in 日本 🎉?", has_ended=True)
        return [(part.source, len(part.ids)) for part in parts], question, alone

    parts, question, alone = anyio.run(read)
    assert [source for source, _ in parts] == [Source.OTHER, Source.QUESTION, Source.OTHER]
    # The same words make the same tokens, up to where the next line's break may join the last one.
    assert question[:-1] == alone[: len(question) - 1]
    assert alone[-1] == 2  # <|im_end|>
