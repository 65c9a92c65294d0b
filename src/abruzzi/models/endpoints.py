"""What was found out of an endpoint, remembered on disk so that it is found out once.

One JSON file holds the facts of all endpoints, keyed by base URL and model; it never holds a key or anything that was
said. It is a cache: a file that cannot be read counts as empty, one that cannot be written is done without, and two
processes that write at once lose at most one finding, which is then found again.
"""

import logging
import os
import tempfile
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

LOG = logging.getLogger(__name__)


class Dialect(StrEnum):
    """How an endpoint is told that a reply must fit a JSON schema; the firmest first."""

    RESPONSE_FORMAT = "response_format"
    """``response_format`` of type ``json_schema``: OpenAI, Cerebras, SGLang, llama.cpp, Ollama, vLLM."""
    STRUCTURED_OUTPUTS = "structured_outputs"
    """vLLM's own field, which took the place of the removed ``guided_json``."""
    JSON_SCHEMA = "json_schema"
    """llama.cpp's own field."""
    JSON_OBJECT = "json_object"
    """``response_format`` of type ``json_object``: some JSON; the schema is told in the prompt."""
    PROMPT = "prompt"
    """No constraint at all; the schema is told in the prompt."""

    @property
    def is_firm(self) -> bool:
        """True when the endpoint itself holds the reply to the schema."""
        return self not in (Dialect.JSON_OBJECT, Dialect.PROMPT)


class Facts(BaseModel):
    """What is known of one model at one endpoint."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    dialect: Dialect | None = None
    """None: not found out yet."""
    max_n: int | None = None
    """Most choices that one request gives; None: no limit has shown."""
    refused: frozenset[str] = frozenset()
    """Optional request fields that it answers with an error."""
    ignores_tool_choice: bool = False
    """It answered with a text where it was told to call a tool."""


Book = TypeAdapter(dict[str, Facts])


class Endpoints:
    """The facts of all endpoints, in memory and in a file."""

    def __init__(self, path: Path | None = None) -> None:
        """Open the book.

        Args:
            path: the JSON file, read at first use; None keeps the facts in memory only.
        """
        self._path = path
        self._book: dict[str, Facts] | None = None

    def get(self, base_url: str, model: str) -> Facts:
        """Return what is known; blank facts when nothing is."""
        if self._book is None:
            self._book = self._read()
        return self._book.get(f"{base_url}#{model}", Facts())

    def learn(self, base_url: str, model: str, **findings: Any) -> Facts:
        """Note findings (fields of ``Facts``) and return all that is now known."""
        facts = Facts.model_validate({**self.get(base_url, model).model_dump(), **findings})
        self._change(lambda book: book.update({f"{base_url}#{model}": facts}))
        return facts

    def forget(self, base_url: str, model: str) -> None:
        """Forget an endpoint's model, so that it is found out anew."""
        self._change(lambda book: book.pop(f"{base_url}#{model}", None))

    def _change(self, change: Callable[[dict[str, Facts]], object]) -> None:
        """Change the book, and the file as another process may have left it in the meantime."""
        self._book = {**self._read(), **(self._book or {})}
        change(self._book)
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path, Book.dump_json(self._book, indent=2))
        except OSError as error:
            LOG.warning("what was found out of the endpoint is not kept: %s", error)

    def _read(self) -> dict[str, Facts]:
        if self._path is None:
            return {}
        try:
            return Book.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError) as error:
            LOG.warning("%s is not readable and counts as empty: %s", self._path, str(error).splitlines()[0])
            return {}


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new one, never a part."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
