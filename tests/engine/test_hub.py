import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from abruzzi.engine.hub import HubFile, fetch_hub
from abruzzi.errors import WeightsError
from tests.engine.tiny import gguf_bytes

CONTENT = gguf_bytes(num_weights=40_000)

FETCH = """
import sys
from pathlib import Path
from abruzzi.engine.hub import HubFile, fetch_hub
print(fetch_hub(HubFile("org/tiny", "q4/tiny.gguf"), Path(sys.argv[1]), lambda *_: None, endpoint=sys.argv[2]))
"""


@dataclass
class Hub:
    """A hub with one repository, ``org/tiny``, and one gated one, ``org/gated``."""

    url: str = ""
    keys: list[str | None] = field(default_factory=list[str | None])
    """The Authorization header of each request."""
    num_downloads: int = 0


@pytest.fixture
def hub() -> Iterator[Hub]:
    state = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(sends_body=False)

        def do_GET(self) -> None:
            state.num_downloads += 1
            self.answer(sends_body=True)

        def answer(self, *, sends_body: bool) -> None:
            state.keys.append(self.headers.get("Authorization"))
            if self.path == "/org/tiny/resolve/main/q4/tiny.gguf":
                self.send_response(200)
                self.send_header("ETag", f'"{hashlib.sha256(CONTENT).hexdigest()}"')
                self.send_header("X-Repo-Commit", "c" * 40)
                self.send_header("Content-Length", str(len(CONTENT)))
                self.end_headers()
                if sends_body:
                    self.wfile.write(CONTENT)
                return
            code = {"gated": "GatedRepo", "tiny": "EntryNotFound"}.get(self.path.split("/")[2], "RepoNotFound")
            self.send_response(403 if code == "GatedRepo" else 404)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the library's
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ignore(done_bytes: int, total_bytes: int) -> None:
    pass


def test_a_file_is_fetched_once_and_then_found_offline(hub: Hub, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    file = HubFile("org/tiny", "q4/tiny.gguf")
    path = fetch_hub(file, tmp_path, lambda done, total: steps.append((done, total)), endpoint=hub.url)
    assert path.read_bytes() == CONTENT
    assert steps[-1] == (len(CONTENT), len(CONTENT))
    assert fetch_hub(file, tmp_path, ignore, endpoint=hub.url) == path
    assert hub.num_downloads == 1
    assert fetch_hub(file, tmp_path, ignore, endpoint="http://127.0.0.1:9") == path


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (HubFile("org/tiny", "other.gguf"), "org/tiny has no file 'other.gguf'"),
        (HubFile("org/none", "tiny.gguf"), "the hub has no org/none for you"),
        (HubFile("org/gated", "tiny.gguf"), "org/gated is gated: ask for access on the hub, then set HF_TOKEN"),
        (HubFile("org/bad name", "tiny.gguf"), "could not be fetched"),
    ],
)
def test_what_the_hub_has_not_is_one_clear_line(hub: Hub, tmp_path: Path, file: HubFile, message: str) -> None:
    with pytest.raises(WeightsError, match=message) as caught:
        fetch_hub(file, tmp_path, ignore, endpoint=hub.url)
    assert "\n" not in str(caught.value)


@pytest.mark.slow  # the library tries for 23 seconds before it gives up
def test_offline_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"no connection to the hub, and hf:org/tiny/tiny.gguf is not in the cache"):
        fetch_hub(HubFile("org/tiny", "tiny.gguf"), tmp_path, ignore, endpoint="http://127.0.0.1:9")


@pytest.mark.parametrize(("token", "sent"), [("", None), ("secret", "Bearer secret")])
def test_the_token_comes_from_the_environment_only(hub: Hub, tmp_path: Path, token: str, sent: str | None) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "token").write_text("stored by a login")
    environment = os.environ | {"HF_HOME": str(home), "HF_TOKEN": token}
    subprocess.run([sys.executable, "-c", FETCH, str(tmp_path / "cache"), hub.url], check=True, env=environment)
    assert set(hub.keys) == {sent}


def test_without_the_extra_the_command_to_run_is_named(tmp_path: Path) -> None:
    script = f"import sys; sys.modules['huggingface_hub'] = None\n{FETCH}"
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), ""], check=False, capture_output=True, text=True
    )
    assert done.stderr.splitlines()[-1].endswith("needs the extra `hub`: run `pip install 'abruzzi[hub]'`")
