"""No other web page gets anything done, or anything to read: not by a name, not by a form, not by being sent on."""

from collections.abc import Iterator

import pytest

from abruzzi.serving.settings import LOOPBACK
from tests.serving.page.hosting import Host, hosting
from tests.serving.running import scripted
from tests.serving.security.attacking import Attack, chat, check_error, client, each, ring, send

EVIL = "https://evil.example"


@pytest.fixture(scope="module")
def keyless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A server without keys, as ``--no-keys`` makes it."""
    with hosting(scripted(), tmp_path_factory.mktemp("store"), hosts=LOOPBACK) as running:
        yield running


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with hosting(scripted(), tmp_path_factory.mktemp("store"), keys=ring()) as running:
        yield running


NAMES = [
    Attack("origin.rebound-name", "evil.example"),
    Attack("origin.name-that-begins-as-ours", "127.0.0.1.evil.example"),
    Attack("origin.name-that-ends-as-ours", "evil-localhost"),
    Attack("origin.name-with-user", "localhost@evil.example"),
    Attack("origin.name-with-port", "evil.example:80"),
    Attack("origin.name-with-path", "evil.example/localhost"),
    Attack("origin.any-address", "0.0.0.0"),
    Attack("origin.other-loopback", "127.0.0.2"),
    Attack("origin.number-for-address", "2130706433"),
    Attack("origin.broken-brackets", "[::1"),
    Attack("origin.no-name", ""),
]


@each(NAMES)
def test_without_keys_a_foreign_name_is_refused(attack: Attack, keyless: Host) -> None:
    for path in ("/", "/v1/models", "/api/questions", "/metrics", "/openapi.json"):
        request = f"GET {path} HTTP/1.1\r\nHost: {attack.what}\r\nConnection: close\r\n\r\n"
        done = send(keyless.url, request.encode())
        assert done.status in (400, 403)
        if done.status == 403:
            assert check_error(done.body)["code"] == "foreign_host"
        assert b"abruzzi-single" not in done.body


def count_questions(host: Host) -> int:
    with client(host.url) as web:
        return len(web.get("/api/questions", params={"limit": 200}).json()["questions"])


PAGES = [
    Attack("origin.foreign-page", EVIL),
    Attack("origin.page-without-origin", "null"),
    Attack("origin.page-of-another-port", "http://127.0.0.1:1"),
    Attack("origin.page-that-begins-as-ours", "http://127.0.0.1.evil.example"),
]


@each(PAGES)
def test_without_keys_a_foreign_page_asks_nothing(attack: Attack, keyless: Host) -> None:
    before = count_questions(keyless)
    with client(keyless.url, None, Origin=attack.what) as web:
        for path in ("/v1/chat/completions", "/api/questions"):
            for headers in ({"Content-Type": "application/json"}, {"Content-Type": "text/plain"}, {}):
                done = web.post(path, content=str(chat()).replace("'", '"'), headers=headers)
                assert (done.status_code, check_error(done.content)["code"]) == (403, "foreign_origin")
    assert count_questions(keyless) == before


SIMPLE = [
    Attack("origin.form", "application/x-www-form-urlencoded"),
    Attack("origin.form-of-parts", "multipart/form-data; boundary=x"),
    Attack("origin.plain-text", "text/plain"),
    Attack("origin.plain-text-with-charset", "text/plain; charset=application/json"),
]


@each(SIMPLE)
def test_without_keys_a_form_asks_nothing(attack: Attack, keyless: Host) -> None:
    before = count_questions(keyless)
    body = str(chat()).replace("'", '"')
    with client(keyless.url, None) as web:
        for path in ("/v1/chat/completions", "/v1/responses", "/api/questions", "/api/render"):
            assert web.post(path, content=body, headers={"Content-Type": attack.what}).status_code == 400
    assert count_questions(keyless) == before


def test_the_page_itself_may_ask(keyless: Host) -> None:
    with client(keyless.url, None, Origin=keyless.url) as web:
        assert web.post("/v1/chat/completions", json=chat()).status_code == 200


READS = [
    Attack("origin.preflight", "OPTIONS", (401, 405)),
    Attack("origin.read-across", "GET", (200, 401)),
]


@each(READS)
def test_no_other_page_may_read(attack: Attack, keyed: Host) -> None:
    asked = {"Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": "authorization"}
    with client(keyed.url, None, Origin=EVIL, **asked) as web:
        for path in ("/v1/models", "/api/questions", "/", "/metrics", "/openapi.json"):
            done = web.request(attack.what, path)
            assert done.status_code in attack.allowed
            assert not [name for name in done.headers if name.startswith("access-control-")]


@each([Attack("origin.framed")])
def test_no_other_page_may_show_ours(attack: Attack, keyed: Host) -> None:
    with client(keyed.url, None) as web:
        headers = web.get("/").headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert (headers["cross-origin-opener-policy"], headers["cross-origin-resource-policy"]) == ("same-origin",) * 2


SENT_ON = [
    Attack("origin.sent-on-by-host", "Host: evil.example"),
    Attack("origin.sent-on-by-forwarded-host", "Host: localhost\r\nX-Forwarded-Host: evil.example"),
    Attack("origin.sent-on-by-forwarded", "Host: localhost\r\nForwarded: host=evil.example;proto=https"),
]


@each(SENT_ON)
def test_nobody_is_sent_elsewhere(attack: Attack, keyed: Host) -> None:
    for path in (
        "/healthz/",
        "/metrics/",
        "/page",
        "//evil.example",
        "//evil.example/..",
        "/\\evil.example",
        "/openapi.json/",
    ):
        done = send(keyed.url, f"GET {path} HTTP/1.1\r\n{attack.what}\r\nConnection: close\r\n\r\n".encode())
        assert done.status in (400, 404), path
        assert "location" not in done.headers
        assert b"evil.example" not in done.body
