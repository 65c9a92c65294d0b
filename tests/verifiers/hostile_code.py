"""Code made to pass tests without solving them, to harm the machine, or to outlive its run.

``hostile_code.txt`` holds each under a line ``#### kind: name``: attempts, which end or are refused at once, and bombs,
which end by a limit. Each is a solution of ``add(a, b)``; those that define none get one that is wrong.
"""

import re
from pathlib import Path

_ENTRY = re.compile(r"^#### (\w+): (.+)\n((?:(?!^####).*\n?)*)", re.MULTILINE)
_WRONG = "\ndef add(a, b): return 0\n"


def read_hostile(kind: str) -> dict[str, str]:
    """Read the entries of a kind: name → source."""
    text = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8")
    found = {name: source for this, name, source in _ENTRY.findall(text) if this == kind}
    return {name: source if "def add" in source else source + _WRONG for name, source in found.items()}
