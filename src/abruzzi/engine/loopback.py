"""Small questions to the engine over loopback, past every proxy that the environment names."""

import http.client
from typing import NamedTuple
from urllib.parse import urlsplit

from abruzzi.errors import UnreachableError


class Reply(NamedTuple):
    """What the engine answered."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: str


def get(root: str, path: str, *, api_key: str, timeout_s: float) -> Reply:
    """GET a path of the engine.

    Args:
        root: ``http://127.0.0.1:PORT``; anything after the port is ignored.
        path: begins with a slash.
        api_key: the engine's key.
        timeout_s: for connecting, and for each wait for bytes.

    Raises:
        UnreachableError: no connection, no answer in time, or not HTTP.
    """
    address = urlsplit(root)
    connection = http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port, timeout=timeout_s)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {api_key}", "Connection": "close"})
        response = connection.getresponse()
        body = response.read().decode("utf-8", "replace")
        return Reply(response.status, {name.lower(): value for name, value in response.getheaders()}, body)
    except (OSError, http.client.HTTPException) as error:
        reason = str(error) or type(error).__name__
        raise UnreachableError(f"the engine at {root} did not answer {path} ({reason})") from error
    finally:
        connection.close()
