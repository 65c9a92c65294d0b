"""Nothing that needs a key is had without one, whatever stands in its place; and its comparison tells nothing."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from abruzzi.serving.key_file import hash_key
from abruzzi.serving.keys import HashedRing
from tests.serving.page.hosting import Host, hosting
from tests.serving.running import scripted
from tests.serving.security.attacking import ANN, QUESTION, Attack, chat, each, ring, send, write_request

BODIES: dict[str, Any] = {
    "/v1/chat/completions": chat(),
    "/v1/responses": {"model": "abruzzi", "input": QUESTION},
    "/api/questions": chat(),
    "/api/render": {"text": "x"},
}
WITHOUT_KEY = {"/", "/healthz", "/readyz", "/metrics"}
UNKNOWN = [("GET", "/v1/nothing"), ("POST", "/v1/completions"), ("GET", "/api/"), ("OPTIONS", "/v1/models")]

HEADERS = [
    Attack("access.no-key", {}),
    Attack("access.wrong-key", {"Authorization": "Bearer sk-abruzzi-0000000000000000"}),
    Attack("access.empty-key", {"Authorization": "Bearer"}),
    Attack("access.part-of-a-key", {"Authorization": f"Bearer {ANN[:-1]}"}),
    Attack("access.key-and-more", {"Authorization": f"Bearer {ANN} {ANN}"}),
    Attack("access.two-keys", {"Authorization": f"Bearer x, Bearer {ANN}"}),
    Attack("access.key-in-other-case", {"Authorization": f"Bearer {ANN.upper()}"}),
    Attack("access.basic", {"Authorization": "Basic YW5uOnNrLWFicnV6emktYW5uLTAxMjM0NTY3ODlhYmNkZWY="}),
    Attack("access.no-scheme", {"Authorization": ANN}),
    Attack("access.other-scheme", {"Authorization": f"bearer{ANN}"}),
    Attack("access.digest-for-the-key", {"Authorization": f"Bearer {hash_key(ANN)}"}),
    Attack("access.other-header", {"X-Api-Key": ANN, "Api-Key": ANN, "Proxy-Authorization": f"Bearer {ANN}"}),
    Attack("access.cookie", {"Cookie": f"Authorization=Bearer {ANN}; api_key={ANN}"}),
    Attack("access.claimed-owner", {"X-User": "ann", "X-Forwarded-User": "ann", "X-Forwarded-For": "127.0.0.1"}),
]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with hosting(scripted(), tmp_path_factory.mktemp("store"), keys=ring()) as running:
        yield running


@pytest.fixture(scope="module")
def routes(host: Host) -> list[tuple[str, str]]:
    """Every route of the document that needs a key, and some that there are not."""
    document = httpx2.get(f"{host.url}/openapi.json", trust_env=False).json()
    found = [
        (method.upper(), path.format(name="abruzzi", response_id="resp_1", question_id="chatcmpl-1"))
        for path, operations in document["paths"].items()
        for method in operations
        if path not in WITHOUT_KEY
    ]
    assert len(found) >= 11
    return [*found, *UNKNOWN]


def check_refused(host: Host, method: str, path: str, **request: Any) -> None:
    done = httpx2.request(method, host.url + path, trust_env=False, timeout=30, **request)
    assert (done.status_code, done.json()["error"]["code"]) == (401, "invalid_api_key"), (method, path)
    assert done.headers["www-authenticate"] == "Bearer"
    assert ANN not in done.text


@each(HEADERS)
def test_no_route_opens_without_a_key_that_is_known(attack: Attack, host: Host, routes: list[tuple[str, str]]) -> None:
    for method, path in routes:
        body = {"json": BODIES.get(path, {})} if method == "POST" else {}
        check_refused(host, method, path, headers=attack.what, **body)


@each([Attack("access.key-in-query")])
def test_a_key_in_the_address_is_none(attack: Attack, host: Host, routes: list[tuple[str, str]]) -> None:
    for method, path in routes:
        check_refused(host, method, f"{path}?api_key={ANN}&key={ANN}&access_token={ANN}")


@each([Attack("access.key-in-body")])
def test_a_key_in_the_body_is_none(attack: Attack, host: Host) -> None:
    for path, body in BODIES.items():
        check_refused(host, "POST", path, json={**body, "api_key": ANN, "authorization": f"Bearer {ANN}"})


BEFORE = [
    Attack("access.broken-body-first", b"{" * 1000),
    Attack("access.large-body-first", b" " * 5_000_000),
    Attack("access.wrong-fields-first", b'{"model": 7}'),
]


@each(BEFORE)
def test_a_body_is_not_read_for_a_stranger(attack: Attack, host: Host) -> None:
    for path in BODIES:
        check_refused(host, "POST", path, content=attack.what, headers={"Content-Type": "application/json"})


DETOURS = [
    Attack("access.doubled-slash", "//v1/models", (404,)),
    Attack("access.dots", "/healthz/../v1/models", (404,)),
    Attack("access.encoded-slash", "/v1%2fmodels", (401, 404)),
    Attack("access.encoded-letter", "/%76%31/models", (401,)),
    Attack("access.other-case", "/V1/models", (404,)),
    Attack("access.absolute-target", "http://localhost/v1/models", (401, 404)),
    Attack("access.method-in-header", "/v1/models", (401,)),
]


@each(DETOURS)
def test_no_detour_leads_past_the_key(attack: Attack, host: Host) -> None:
    done = send(
        host.url, write_request(attack.what, "X-HTTP-Method-Override: GET", "X-Original-URL: /healthz", key=None)
    )
    assert done.status in attack.allowed
    assert b"owned_by" not in done.body


@each([Attack("access.comparison-in-constant-time")])
def test_every_key_is_compared_whole_and_in_constant_time(attack: Attack) -> None:
    tree = ast.parse(textwrap.dedent(inspect.getsource(HashedRing.identify)))
    (loop,) = (node for node in ast.walk(tree) if isinstance(node, ast.For))
    assert "hmac.compare_digest(entry.digest, digest)" in ast.unparse(loop)
    leaving = (ast.Break, ast.Return, ast.Continue, ast.Raise)
    assert not [node for node in ast.walk(loop) if isinstance(node, leaving)], "the place of a key would be told"
    compared = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Compare)]
    assert not [text for text in compared if "digest" in text or ("token" in text and "==" in text)]
