"""Where a problem stands is told as a path into what the client sent."""

from typing import Any

import pytest

from abruzzi.serving.invalid import write_path

BODY: dict[str, Any] = {"messages": [{"role": "user", "content": 5}], "tools": [{"function": {}}]}


@pytest.mark.parametrize(
    ("loc", "is_missing", "path"),
    [
        (("body", "messages", 0, "user", "content", "str"), False, "messages[0].content"),
        (("body", "tools", 0, "function", "name"), True, "tools[0].function.name"),
        (("body", "model"), True, "model"),
        (("body",), False, ""),
        (("body", "messages", 7), False, "messages"),
    ],
)
def test_a_path(loc: tuple[str | int, ...], is_missing: bool, path: str) -> None:
    assert write_path(loc, BODY, is_missing=is_missing) == path
