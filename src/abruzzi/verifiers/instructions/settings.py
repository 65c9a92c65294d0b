"""Reads the settings of an instruction from its row, and says which one is missing or unusable."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

Settings = Mapping[str, Any]
Check = Callable[[str, Settings], bool]
"""Says whether a reply follows one instruction with these settings."""


class SettingError(ValueError):
    """The row's settings for an instruction are missing or unusable."""


def get_number(settings: Settings, name: str) -> int:
    """Read a count; the released files hold counts as floats."""
    value = settings.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value) or value < 0:
        raise SettingError(f"{name} is {value!r}, not a count")
    return int(value)


def get_text(settings: Settings, name: str) -> str:
    """Read a text that is not blank."""
    value = settings.get(name)
    if not isinstance(value, str) or not value.strip():
        raise SettingError(f"{name} is {value!r}, not a text")
    return value.strip()


def get_texts(settings: Settings, name: str) -> list[str]:
    """Read a list of texts that is not empty."""
    value = settings.get(name)
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise SettingError(f"{name} is {value!r}, not a list of texts")
    return [str(text) for text in cast("Sequence[Any]", value)]


def holds(settings: Settings, relation: str, count: int, threshold: int) -> bool:
    """Compare a count with a threshold by the relation that the row names."""
    match settings.get(relation):
        case "at least":
            return count >= threshold
        case "less than":
            return count < threshold
        case other:
            raise SettingError(f"{relation} is {other!r}, neither 'at least' nor 'less than'")
