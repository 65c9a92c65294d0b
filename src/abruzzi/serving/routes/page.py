"""The web page: its files, read once, and the policy that they are served under.

The page loads nothing from elsewhere, runs no script but its own files, and can be framed by nobody. Its files are
named one by one when the server starts, so that no path leads outside.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from fastapi import APIRouter, Request
from starlette.responses import Response

from abruzzi.serving.refusal import Refusal

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types abruzzi",
    )
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-cache",
}
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
INDEX = "index.html"


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file of the page."""

    content: bytes
    media_type: str
    tag: str
    """Changes with its content; the browser asks with it whether the file is still the same."""


def read_page() -> dict[str, PageFile]:
    """Read the page's files: name to file."""
    found: dict[str, PageFile] = {}
    for entry in files("abruzzi.serving").joinpath("page").iterdir():
        media_type = MEDIA_TYPES.get(entry.name[entry.name.rfind(".") :])
        if media_type is not None:
            content = entry.read_bytes()
            found[entry.name] = PageFile(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"')
    return found


def page_routes() -> APIRouter:
    """Make the routes of the page's files; they hold nothing that needs a key."""
    router = APIRouter(include_in_schema=False)
    page = read_page()

    @router.get("/")
    async def show(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction] -- a route
        return send_file(request, page[INDEX])

    @router.get("/page/{name}")
    async def load(request: Request, name: str) -> Response:  # pyright: ignore[reportUnusedFunction] -- a route
        if name not in page or name == INDEX:
            raise Refusal("there is no such file", status=404, type="not_found_error", code="not_found")
        return send_file(request, page[name])

    return router


def send_file(request: Request, file: PageFile) -> Response:
    """Send a file, or say that the browser has it already."""
    headers = {**HEADERS, "ETag": file.tag}
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)
