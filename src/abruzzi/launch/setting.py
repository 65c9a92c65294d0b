"""One launch setting with its reason, and the ways to write many: as a command for a shell, as YAML for ``--config``.

Both engines read a YAML file whose keys are their long options without the dashes. Every value here is also JSON, which
YAML contains, so nothing else is needed to write it.
"""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Value = str | int | float | bool | Mapping[str, Any]
"""``True`` is a switch without a value; a mapping is written as JSON."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One option of an engine's command line."""

    name: str
    """The long option without its dashes."""
    value: Value
    reason: str
    """One line."""

    @property
    def text(self) -> str:
        """The value as a command line has it; empty for a switch."""
        if self.value is True:
            return ""
        return json.dumps(self.value) if isinstance(self.value, Mapping) else str(self.value)


def to_arguments(settings: Sequence[Setting]) -> list[str]:
    """Write settings as words of a command line."""
    words: list[str] = []
    for setting in settings:
        words += [f"--{setting.name}", setting.text] if setting.text else [f"--{setting.name}"]
    return words


def to_shell(command: Sequence[str], settings: Sequence[Setting]) -> str:
    """Write a command with its settings, one a line, quoted for a POSIX shell."""
    lines = [shlex.join(command)]
    lines += [shlex.join(to_arguments([setting])) for setting in settings]
    return " \\\n    ".join(lines)


def to_yaml(settings: Sequence[Setting]) -> str:
    """Write settings as YAML, each with its reason above it."""
    lines: list[str] = []
    for setting in settings:
        # An engine passes a mapping on as text, so text it is.
        value = setting.text if isinstance(setting.value, Mapping) else setting.value
        lines += [f"# {setting.reason}", f"{setting.name}: {json.dumps(value)}"]
    return "\n".join(lines)
