"""A package index on loopback that serves one folder, with the faults of a real one."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Index:
    """What the index serves and what it was asked."""

    folder: Path
    url: str = ""
    break_after_bytes: list[int] = field(default_factory=list[int])
    """One entry per download that is to break off after so many bytes; empty: none does."""
    ranges: list[str | None] = field(default_factory=list[str | None])
    """The Range header of each download."""

    @property
    def pip_arguments(self) -> tuple[str, ...]:
        return ("--no-index", "--find-links", self.url)


@contextmanager
def serving(folder: Path) -> Generator[Index]:
    """Serve the wheels of a folder."""
    index = Index(folder)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/":
                links = "".join(f'<a href="/{path.name}">{path.name}</a>\n' for path in folder.glob("*.whl"))
                self.answer(200, f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), "text/html")
                return
            content = (folder / self.path.lstrip("/")).read_bytes()
            asked = self.headers.get("Range")
            index.ranges.append(asked)
            start = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
            self.answer(206 if asked else 200, content[start:], "application/zip", start=start)

        def answer(self, status: int, body: bytes, kind: str, *, start: int = 0) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("ETag", '"1"')
            if status == 206:
                self.send_header("Content-Range", f"bytes {start}-{start + len(body) - 1}/{start + len(body)}")
            self.end_headers()
            if kind == "application/zip" and index.break_after_bytes:
                body = body[: index.break_after_bytes.pop(0)]
                self.close_connection = True
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the library's
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    index.url = f"http://127.0.0.1:{server.server_address[1]}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
