"""A worker that needs no model and misbehaves as it is told.

``python fake_worker.py FOLDER BEHAVIOUR…``: each start takes the next behaviour, the last one for good. It keeps its
count in FOLDER. While it serves, GET /crash and /hang make it do so.
"""

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


def main() -> None:
    folder, behaviours = Path(sys.argv[1]), sys.argv[2:]
    order = json.loads(sys.stdin.readline())
    starts = folder / "starts"
    number = len(starts.read_text().splitlines()) if starts.exists() else 0
    with starts.open("a") as file:
        file.write(json.dumps({"pid": os.getpid(), "port": order["port"], "key": order["api_key"]}) + "\n")
    act(behaviours[min(number, len(behaviours) - 1)], order)


def act(behaviour: str, order: dict[str, Any]) -> None:
    kind, _, detail = behaviour.partition(":")
    if kind == "leave":
        log(detail)
        os._exit(3)
    elif kind == "killed":
        os.kill(os.getpid(), getattr(signal, detail or "SIGKILL"))
    elif kind == "error":
        log("0.00.001.000 E start: couldn't bind HTTP server socket" if detail == "bind" else detail)
        say(json.dumps({"error": "Failed to init server"}))
        os._exit(2)
    elif kind == "mumble":
        say(detail)
        wait_until_told()
    elif kind == "silent":
        wait_until_told()
    elif kind == "deaf":
        time.sleep(60)
    serve(order, is_odd=kind == "odd")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def log(line: str) -> None:
    sys.stderr.write(line + "\n")


def wait_until_told() -> None:
    sys.stdin.read(1)
    os._exit(0)


def serve(order: dict[str, Any], *, is_odd: bool) -> None:
    listening = threading.Event()
    listening.set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/crash":
                os._exit(7)
            if self.path == "/hang":
                listening.clear()
            if not listening.is_set():
                time.sleep(60)
            body = {"default_generation_settings": {"n_ctx": order["context_tokens"]}}
            content = json.dumps({} if is_odd else body).encode()
            self.send_response(200 if self.headers["Authorization"] == f"Bearer {order['api_key']}" else 401)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the library's
            pass

    server = ThreadingHTTPServer(("127.0.0.1", order["port"]), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    say(json.dumps({"ok": {"url": f"http://127.0.0.1:{server.server_address[1]}"}}))
    sys.stdin.read(1)
    if not listening.is_set():
        time.sleep(60)
    os._exit(0)


if __name__ == "__main__":
    main()
