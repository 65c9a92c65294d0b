"""``abruzzi serve`` as a process: what it prints, what it refuses to start with, how it ends."""

import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from tests.cli.running import environment, run
from tests.serving.running import ask

KEY = "sk-abruzzi-0123456789abcdef"
PATIENCE_S = 120
"""For a machine that others keep busy."""


@contextmanager
def started(home: Path, *options: str, keys: str = KEY) -> Generator[tuple[subprocess.Popen[str], str]]:
    """Start a server on a free port; yields the process and its address without ``/v1``."""
    command = [sys.executable, "-m", "abruzzi", "serve", "--model", "scripted", "--port", "0", *options]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=home,
        env=environment(home, {"ABRUZZI_API_KEYS": keys}),
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("serving abruzzi, abruzzi-single,")
            found = re.fullmatch(r"base_url (http://127\.0\.0\.1:\d+)/v1\n", process.stdout.readline())
            assert found is not None
            yield process, found[1]
        finally:
            process.kill()


def test_it_answers_whoever_has_a_key_and_keeps_the_record(tmp_path: Path) -> None:
    with started(tmp_path) as (process, url):
        assert ask(url).status_code == 401
        headers = {"authorization": f"Bearer {KEY}"}
        body = {"model": "abruzzi", "messages": [{"role": "user", "content": "What is 17 + 25?"}]}
        done = httpx2.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=60, trust_env=False)
        assert done.json()["choices"][0]["message"]["content"] == "42"
        listed = httpx2.get(f"{url}/api/questions", headers=headers, trust_env=False).json()
        assert [row["id"] for row in listed["questions"]] == [done.json()["id"]]
        assert "text/html" in httpx2.get(url, trust_env=False).headers["content-type"]
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    assert out == ""
    assert KEY not in err
    assert "17 + 25" not in err
    assert (tmp_path / "questions.db").exists()


def test_sigterm_lets_a_running_stream_end_and_takes_nothing_new(tmp_path: Path) -> None:
    with started(tmp_path, "--no-keys", "--no-store") as (process, url):
        streamed: list[str] = []
        has_begun = threading.Event()

        def read() -> None:
            body = {"model": "abruzzi", "stream": True, "messages": [{"role": "user", "content": "17 + 25"}]}
            with httpx2.stream("POST", f"{url}/v1/chat/completions", json=body, timeout=60, trust_env=False) as reply:
                for line in reply.iter_lines():
                    streamed.append(line)
                    has_begun.set()

        reader = threading.Thread(target=read)
        reader.start()
        assert has_begun.wait(PATIENCE_S)
        process.send_signal(signal.SIGTERM)
        reader.join(timeout=PATIENCE_S)
        out, err = process.communicate(timeout=PATIENCE_S)
    assert "data: [DONE]" in streamed
    assert process.returncode == 0, out + err


def test_it_does_not_start_without_keys_or_on_a_port_that_is_taken(tmp_path: Path) -> None:
    bare = run(tmp_path, "serve", "--model", "scripted", "--port", "0")
    assert bare.code == 2
    assert "--no-keys" in bare.err
    opened = run(tmp_path, "serve", "--model", "scripted", "--no-keys", "--host", "0.0.0.0")
    assert opened.code == 2
    assert "loopback" in opened.err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run(tmp_path, "serve", "--model", "scripted", "--no-keys", "--port", port)
    assert done.code == 2
    assert f"cannot listen on 127.0.0.1:{port}" in done.err
    assert "Traceback" not in bare.err + opened.err + done.err


def test_without_keys_a_web_page_of_another_name_does_not_get_in(tmp_path: Path) -> None:
    with started(tmp_path, "--no-keys", "--no-store") as (_, url):
        done = httpx2.get(f"{url}/v1/models", headers={"host": "evil.example"}, trust_env=False)
        assert (done.status_code, done.json()["error"]["code"]) == (403, "foreign_host")
        assert httpx2.get(f"{url}/v1/models", trust_env=False).status_code == 200
