"""Settings from TOML files and the command line.

Precedence: defaults < TOML file < options on the command line. Keys are never settings: they come from the environment
alone. Unknown keys are refused, with the nearest known one named.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from abruzzi.errors import ConfigError

DEFAULT_FILE = "abruzzi.toml"
"""Read from the working folder when it is there and no other file is named."""
SHARED_TABLES = ("ask", "models", "serve")
"""Of the settings file that all commands share; ``serve`` is the server's alone, and the others let it stand."""

SettingsT = TypeVar("SettingsT", bound=BaseModel)

_SECRETS = (
    (re.compile(r"://[^\s'\"]*@"), "://***@"),
    (re.compile(r"[^\s'\"@:/]+:[^\s'\"@/]*@"), "***@"),
    (re.compile(r"(?i)(\w*(?:password|passwd|secret|token|key)=)[^\s'\"&]+"), r"\1***"),
)
"""Where an address holds a secret: before its host, with or without a scheme, and in a query or a list of words. A
password may itself hold slashes, colons and signs of all kinds, so that everything up to the last ``@`` counts."""


def read_toml(path: Path | None, tables: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Read a settings file.

    Args:
        path: the file; None means ``abruzzi.toml`` here, if there is one.
        tables: the tables that may stand in it.

    Returns:
        Table name → its keys; an empty dict when there is no file.

    Raises:
        ConfigError: the file is missing, not TOML, or holds an unknown table.
    """
    if path is None:
        path = Path(DEFAULT_FILE)
        if not path.is_file():
            return {}
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"cannot read the settings file {path}: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    known = sorted(tables)
    for name, table in content.items():
        if name not in known or not isinstance(table, dict):
            raise ConfigError(f"{path}: unknown table or top-level key {name!r}{suggest(name, known)}")
    return content


def build(settings_type: type[SettingsT], *layers: Mapping[str, Any], source: str) -> SettingsT:
    """Build settings from layers, the later ones winning; None values are left out.

    Args:
        settings_type: the pydantic model.
        layers: mappings of field name to value.
        source: where the values come from, for the error message.

    Raises:
        ConfigError: a key is unknown or a value out of range; names the key and the value.
    """
    merged = {key: value for layer in layers for key, value in layer.items() if value is not None}
    for key in merged:
        if key not in settings_type.model_fields:
            shown, known = redact(repr(key)), settings_type.model_fields
            raise ConfigError(f"{source}: unknown setting {shown}{suggest(key, known)}")
    try:
        return settings_type(**merged)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        value = f" (got {redact(repr(problem['input']))})" if where else ""
        message = problem["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{source}: {where + ': ' if where else ''}{message}{value}") from None  # it holds the value


def redact(text: str) -> str:
    """Take user names, passwords and keys out of the addresses in a text that is going to be shown."""
    for secret, shown in _SECRETS:
        text = secret.sub(shown, text)
    return text


def describe_problem(error: ValidationError) -> str:
    """Say what is wrong with a value that did not fit: where it stands, and why."""
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {problem['msg']}"


def missing_package(what: str, package: str, *, extra: str = "eval") -> ConfigError:
    """Make the error for an optional package that is not installed.

    Args:
        what: needs it.
        package: its name.
        extra: of ours that brings it.
    """
    kind = "train" if extra == "train" else "eval"
    way = f"run scripts/setup {kind}, or pip install 'abruzzi[{extra}]'"
    return ConfigError(f"{what} needs the package {package}; {way}")


def suggest(word: str, known: Iterable[str]) -> str:
    """Write the end of an error message: the nearest known word, or all of them."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"
