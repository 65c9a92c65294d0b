"""A worker of the engine that needs no model: it answers ``/completion`` from the request alone, and keeps a record.

``python fake_engine.py FOLDER [FAULT…]``: each request takes the next fault: ``drop`` closes the connection without an
answer, ``refuse`` answers HTTP 400, ``nonsense`` answers an empty object, ``fewer`` leaves a completion out.
A start writes a line to FOLDER/starts, a request one to FOLDER/requests.

Completion i of a request is the prompt's tokens, each plus the seed plus i, cut at the limit; the log-probability of a
token is −token / 100, and a token that ends in 7 has none.
"""

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


def complete(body: dict[str, Any], index: int) -> dict[str, Any]:
    ids = [token + body["seed"] % 1000 + index for token in body["prompt"]]
    kept = ids[: body["n_predict"]]
    probabilities = [{"id": token, "logprob": -token / 100} for token in kept if token % 10 != 7]
    reason = "eos" if len(ids) <= body["n_predict"] else "limit"
    return {"index": index, "tokens": kept, "completion_probabilities": probabilities, "stop_type": reason}


def main() -> None:
    folder, faults = Path(sys.argv[1]), sys.argv[2:]
    order = json.loads(sys.stdin.readline())
    lock = threading.Lock()

    def note(name: str, row: dict[str, Any]) -> None:
        with lock, (folder / name).open("a") as file:
            file.write(json.dumps(row) + "\n")

    adapters = [Path(path).read_bytes().hex() for path in order["adapters"]]
    note("starts", {"pid": os.getpid(), "adapters": adapters})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(200, {"default_generation_settings": {"n_ctx": order["context_tokens"]}})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            note("requests", {"path": self.path, "key": self.headers["Authorization"], **body})
            with lock:
                fault = faults.pop(0) if faults else ""
            choices = [complete(body, index) for index in range(body["n_cmpl"])][::-1]
            if fault == "refuse":
                self.answer(400, {"error": {"message": "no such thing"}})
            elif fault == "nonsense":
                self.answer(200, {})
            elif fault == "fewer":
                self.answer(200, choices[1:])
            elif fault != "drop":
                self.answer(200, choices if len(choices) > 1 else choices[0])

        def answer(self, status: int, body: object) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the library's
            pass

    server = ThreadingHTTPServer(("127.0.0.1", order["port"]), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(json.dumps({"ok": {"url": f"http://127.0.0.1:{server.server_address[1]}"}}) + "\n")
    sys.stdout.flush()
    sys.stdin.read(1)
    os._exit(0)


if __name__ == "__main__":
    main()
