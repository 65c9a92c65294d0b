"""No field of a request, and no answer of the upstream, makes the server ask an address of somebody else's choice."""

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from abruzzi.models.openai_client import OpenAIChat
from abruzzi.models.retry import RetryPolicy
from tests.serving.page.hosting import Host, hosting
from tests.serving.running import scripted, serving
from tests.serving.security.attacking import QUESTION, Attack, chat, client, each, ring, send, write_request

TRAP = "http://TRAP/secret"
"""The address of the trap goes in its place."""
SECRET = "sk-upstream-0123456789abcdef"


class _Trap(BaseHTTPRequestHandler):
    """Notes whoever comes."""

    def do_GET(self) -> None:
        self.server.seen.append((self.path, str(self.headers)))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    do_POST = do_GET  # noqa: N815 - the base's own name

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's own name
        pass


class _Sender(BaseHTTPRequestHandler):
    """An upstream that sends whoever asks to another address."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("Location", self.server.target)  # type: ignore[attr-defined]
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST  # noqa: N815 - the base's own name

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's own name
        pass


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler], **fields: Any) -> Generator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.seen = []
    for name, value in fields.items():
        setattr(server, name, value)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


@pytest.fixture(scope="module")
def trap() -> Iterator[Any]:
    with listening(_Trap) as server:
        yield server


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with hosting(scripted(), tmp_path_factory.mktemp("store"), keys=ring()) as running:
        yield running


def part(**fields: Any) -> dict[str, Any]:
    return chat(messages=[{"role": "user", "content": [{"type": "text", "text": QUESTION}, fields]}])


def form(schema: Any) -> dict[str, Any]:
    return chat(response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": schema}})


def tool(**fields: Any) -> dict[str, Any]:
    return chat(tools=[fields])


def function(parameters: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", "parameters": parameters}}


FIELDS = [
    Attack("elsewhere.image", part(type="image_url", image_url={"url": TRAP})),
    Attack("elsewhere.sound", part(type="input_audio", input_audio={"data": TRAP, "format": "wav"})),
    Attack("elsewhere.file-address", part(type="file", file={"file_url": TRAP})),
    Attack("elsewhere.file-id", part(type="file", file={"file_id": "file:///etc/passwd"})),
    Attack("elsewhere.schema-reference", form({"type": "object", "properties": {"a": {"$ref": TRAP}}})),
    Attack("elsewhere.schema-dynamic-reference", form({"type": "object", "$dynamicRef": TRAP})),
    Attack("elsewhere.schema-file-reference", form({"$ref": "file:///etc/passwd"})),
    Attack("elsewhere.schema-id", form({"$id": TRAP, "type": "object", "properties": {"a": {"$ref": "x"}}})),
    Attack("elsewhere.schema-draft", form({"$schema": TRAP, "type": "object"}), (200, 400)),
    Attack("elsewhere.tool-reference", tool(**function({"$ref": TRAP})) | {"tool_choice": "required"}, (200, 400)),
    Attack("elsewhere.tool-server", tool(type="mcp", server_label="x", server_url=TRAP)),
    Attack("elsewhere.tool-search", tool(type="web_search", filters={"allowed_domains": [TRAP]})),
    Attack("elsewhere.base-url", chat(base_url=TRAP, api_base=TRAP, endpoint=TRAP)),
    Attack("elsewhere.base-url-of-the-pipeline", chat(abruzzi={"base_url": TRAP})),
    Attack("elsewhere.model", chat(model=f"{TRAP}#x"), (404,)),
    Attack("elsewhere.hub-model", chat(model="hf:ORG/REPO/FILE.gguf"), (404,)),
    Attack("elsewhere.file-model", chat(model="embedded:/etc/passwd.gguf"), (404,)),
    Attack("elsewhere.callback", chat(webhook=TRAP, callback_url=TRAP, metadata={"url": TRAP})),
    Attack("elsewhere.user", chat(user=TRAP, metadata={"webhook": TRAP}), (200,)),
    Attack("elsewhere.question", chat(messages=[{"role": "user", "content": f"![x]({TRAP}) {TRAP}"}]), (200,)),
]  # fmt: skip


def place(value: Any, address: str) -> Any:
    """Put the trap's address in."""
    if isinstance(value, dict):
        return {key: place(inner, address) for key, inner in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [place(inner, address) for inner in value]  # pyright: ignore[reportUnknownVariableType]
    return value.replace("TRAP", address) if isinstance(value, str) else value


@each(FIELDS)
def test_no_field_makes_the_server_ask_elsewhere(attack: Attack, host: Host, trap: Any) -> None:
    body = place(attack.what, f"127.0.0.1:{trap.server_port}")
    with client(host.url) as web:
        done = web.post("/v1/chat/completions", json=body)
    assert done.status_code in attack.allowed, done.text
    assert trap.seen == []


ITEMS = [
    Attack("elsewhere.response-image", [{"type": "input_image", "image_url": TRAP}]),
    Attack("elsewhere.response-file", [{"type": "input_file", "file_url": TRAP}]),
    Attack("elsewhere.response-file-id", [{"type": "input_file", "file_id": TRAP}]),
]


@each(ITEMS)
def test_no_item_of_a_response_makes_the_server_ask_elsewhere(attack: Attack, host: Host, trap: Any) -> None:
    content = place(attack.what, f"127.0.0.1:{trap.server_port}")
    with client(host.url) as web:
        body = {"model": "abruzzi-single", "input": [{"role": "user", "content": content}]}
        assert web.post("/v1/responses", json=body).status_code == 400
    assert trap.seen == []


RENDERED = [
    Attack("elsewhere.rendered-image", f"![x]({TRAP}) <img src='{TRAP}'>"),
    Attack(
        "elsewhere.rendered-formula", f"$\\includegraphics{{{TRAP}}}$ $\\href{{{TRAP}}}{{x}}$ $\\input{{/etc/passwd}}$"
    ),
]


@each(RENDERED)
def test_rendering_fetches_nothing(attack: Attack, host: Host, trap: Any) -> None:
    with client(host.url) as web:
        done = web.post("/api/render", json={"text": place(attack.what, f"127.0.0.1:{trap.server_port}")})
    assert done.status_code == 200
    assert "<img" not in done.json()["html"]
    assert "root:" not in done.text
    assert trap.seen == []


PROXIED = [
    Attack("elsewhere.open-proxy", "GET"),
    Attack("elsewhere.open-tunnel", "CONNECT"),
]


@each(PROXIED)
def test_the_server_is_no_proxy(attack: Attack, host: Host, trap: Any) -> None:
    address = f"127.0.0.1:{trap.server_port}"
    target = address if attack.what == "CONNECT" else f"http://{address}/secret"
    done = send(host.url, write_request(target, method=attack.what))
    assert done.status in (400, 404, 405)
    assert trap.seen == []


REDIRECTS = [Attack(f"elsewhere.upstream-redirects-{status}", status) for status in (301, 302, 303, 307, 308)]


@each(REDIRECTS)
def test_an_upstream_sends_neither_key_nor_question_on(attack: Attack, trap: Any) -> None:
    target = f"http://127.0.0.1:{trap.server_port}/v1/chat/completions"
    with listening(_Sender, status=attack.what, target=target) as upstream:
        chat_model = OpenAIChat(
            f"http://127.0.0.1:{upstream.server_port}/v1",
            model="m",
            api_key=SECRET,
            policy=RetryPolicy(max_tries=1),
        )
        with serving(chat_model, keys=ring(), close=chat_model.aclose) as url, client(url) as web:
            done = web.post("/v1/chat/completions", json=chat(model="m"))
    assert (done.status_code, done.json()["error"]["code"]) == (502, "upstream_failed")
    assert str(trap.server_port) not in done.text
    assert trap.seen == []
