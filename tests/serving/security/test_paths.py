"""No address leads to a file or a record that is not meant, however it is written."""

from collections.abc import Iterator

import pytest

from tests.serving.page.hosting import Host, hosting
from tests.serving.running import scripted
from tests.serving.security.attacking import Attack, check_alive, check_error, each, ring, send, write_request

TARGETS = [
    Attack("path.dots", "../../../etc/passwd"),
    Attack("path.many-dots", "....//....//etc/passwd"),
    Attack("path.encoded-dots", "%2e%2e/%2e%2e/etc/passwd"),
    Attack("path.encoded-slashes", "..%2f..%2fetc%2fpasswd"),
    Attack("path.encoded-twice", "%252e%252e%252fetc%252fpasswd"),
    Attack("path.overlong-utf8", "%c0%ae%c0%ae%c0%afetc%c0%afpasswd"),
    Attack("path.half-width-dots", "%ef%bc%8e%ef%bc%8e/etc/passwd"),
    Attack("path.backslashes", "..%5c..%5cetc%5cpasswd"),
    Attack("path.plain-backslashes", "..\\..\\etc\\passwd"),
    Attack("path.absolute", "/etc/passwd"),
    Attack("path.drive", "C:%5cWindows%5cwin.ini"),
    Attack("path.share", "%5c%5cevil.example%5cshare"),
    Attack("path.file-address", "file:%2f%2f%2fetc%2fpasswd"),
    Attack("path.nul", "app.js%00.html"),
    Attack("path.nul-before", "%00../../etc/passwd"),
    Attack("path.newline", "app.js%0a"),
    Attack("path.semicolon", "app.js;/../../etc/passwd"),
    Attack("path.device", "/dev/stdin"),
    Attack("path.own-source", "../routes/page.py"),
    Attack("path.own-database", "../../questions.db"),
    Attack("path.hidden-file", ".git%2fconfig"),
    Attack("path.empty", ""),
    Attack("path.dot", "."),
    Attack("path.long", "a" * 5_000),
]
PREFIXES = ("/page/", "/api/questions/", "/v1/responses/", "/v1/models/", "/static/", "/")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with hosting(scripted(), tmp_path_factory.mktemp("store"), keys=ring()) as running:
        yield running


@each(TARGETS)
def test_no_address_leads_outside(attack: Attack, host: Host) -> None:
    for prefix in PREFIXES:
        if attack.what in ("", ".") and prefix == "/":
            continue  # the page itself
        for method in ("GET", "DELETE"):
            done = send(host.url, write_request(prefix + attack.what, method=method))
            assert done.status in (400, 404, 405), (method, prefix, done)
            assert b"root:" not in done.body
            assert b"import " not in done.body
            assert b"SQLite" not in done.body
            if done.status == 404:
                check_error(done.body)
    check_alive(host.url)
