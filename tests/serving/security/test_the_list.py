"""``docs/security.md`` lists exactly the attacks that are tried, and counts those that are tried elsewhere."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from typing import Any

from tests.serving import security
from tests.serving.page import test_safety
from tests.serving.rendering import test_document
from tests.serving.security.attacking import Attack

PAGE = Path(__file__).parents[3] / "docs" / "security.md"
LEAST = 40
"""What the project promised."""


def find_attacks() -> list[str]:
    """Find every attack that a test is run with."""
    found: list[str] = []
    for module in pkgutil.iter_modules(security.__path__, f"{security.__name__}."):
        for test in vars(importlib.import_module(module.name)).values():
            marks: list[Any] = getattr(test, "pytestmark", []) if inspect.isfunction(test) else []
            for mark in marks:
                if mark.name == "parametrize" and mark.args[0] == "attack":
                    attacks: list[Attack] = mark.args[1]
                    found += [attack.id for attack in attacks]
    return found


def test_the_list_is_what_is_tried() -> None:
    tried = find_attacks()
    assert len(tried) == len(set(tried)) >= LEAST
    listed = re.findall(r"^\| `([a-z0-9.-]+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(tried)


def test_the_counts_are_right() -> None:
    text = PAGE.read_text()
    assert f"**{len(find_attacks())} attacks**" in text
    assert f"{len(test_safety.ATTACKS)} texts that try to run or load something" in text
    assert f"{len(test_document.ATTACKS)} texts against the renderer" in text
