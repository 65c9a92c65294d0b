"""Speculative decoding in the embedded engine: which methods there are, and how llama.cpp is told of one.

A method proposes the next tokens, one pass of the model verifies them, and those that it would have sampled itself are
kept: the text stays what it would have been. Methods are llama.cpp's own (docs/speculative.md and
common/speculative.cpp of build b11549), under its names, and of them those that need no weights made for one model:

- ``ngram-simple``, ``ngram-map-k``, ``ngram-map-k4v``: what followed the last few tokens earlier in the same text.
- ``ngram-mod``: the same, out of a pool of all texts that the process has seen.
- ``ngram-cache``: the same by counts, kept per slot over all texts that the slot has seen.
- ``draft-simple``: a smaller model with the same vocabulary.

What of them is fit for several users is told by ``is_isolated``, which goes by the source of build b11549: ngram-simple
keeps nothing, and a draft model has only the text at hand in its context. The maps copy from the text at hand, but find
their places through an index that outlives a request in part. Pool and cache draft from the texts of others, and how
fast an answer comes would then tell of them.

One engine has one method, from its start to its end: b11549 reads no switch from a request (its tools/server has the
parameters ``speculative.*`` compiled out), so a method cannot be put off while the slots are full.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from abruzzi.errors import ConfigError, EngineStartError

LIBRARY = "xllamacpp"
_PREFIX = "COMMON_SPECULATIVE_TYPE_"
_LIST_METHODS = (
    f"import json, {LIBRARY} as native; "
    f"print(json.dumps([kind.name.removeprefix('{_PREFIX}') for kind in native.common_speculative_type]))"
)
_SPECIAL = ("draft-eagle3", "draft-mtp", "draft-dflash", "draft-dspark")
"""Methods that need heads trained for the one model."""
_LIST_TIMEOUT_S = 60.0


class Method(StrEnum):
    """A way of drafting, by llama.cpp's name."""

    NGRAM_SIMPLE = "ngram-simple"
    NGRAM_MAP_K = "ngram-map-k"
    NGRAM_MAP_K4V = "ngram-map-k4v"
    NGRAM_MOD = "ngram-mod"
    NGRAM_CACHE = "ngram-cache"
    DRAFT_SIMPLE = "draft-simple"

    @property
    def is_isolated(self) -> bool:
        """True when drafts depend on nothing but the text at hand, so that users do not meet in them."""
        return self in (Method.NGRAM_SIMPLE, Method.DRAFT_SIMPLE)


@dataclass(frozen=True, slots=True)
class Speculation:
    """Speculative decoding by one method.

    The text stays the same. It pays for models bound by memory and for copying tasks; on two cores a 135M model is
    bound by arithmetic and mostly gets slower, so it is off unless asked for or measured to pay.
    """

    method: Method = Method.NGRAM_SIMPLE
    ngram_tokens: int = 3
    """How many last tokens are looked up; ngram-cache has its own (1 to 4), and a draft model none."""
    max_draft_tokens: int = 8
    """Proposed for one pass, at most; ngram-cache always has 8."""
    draft_model: Path | None = None
    """A GGUF file with the model's vocabulary; for ``draft-simple``."""

    def __post_init__(self) -> None:
        for name, value in (("ngram_tokens", self.ngram_tokens), ("max_draft_tokens", self.max_draft_tokens)):
            if value < 1:
                raise ConfigError(f"speculation's {name} is {value}; it must be at least 1")
        if (self.draft_model is None) == (self.method is Method.DRAFT_SIMPLE):
            raise ConfigError(
                "draft-simple needs a draft model: write draft=FILE.gguf"
                if self.draft_model is None
                else f"{self.method} takes no draft model, and {self.draft_model} was given: use draft-simple"
            )

    @property
    def name(self) -> str:
        """As ``parse_speculation`` reads it."""
        return str(self.method) if self.draft_model is None else f"draft={self.draft_model}"

    def to_json(self) -> dict[str, Any]:
        """Plain data for ``json.dumps``."""
        return {
            "method": str(self.method),
            "ngram_tokens": self.ngram_tokens,
            "max_draft_tokens": self.max_draft_tokens,
            "draft_model": None if self.draft_model is None else str(self.draft_model),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Speculation":
        """The speculation again."""
        path = data["draft_model"]
        typed: dict[str, Any] = {"method": Method(data["method"]), "draft_model": None if path is None else Path(path)}
        return cls(**{**data, **typed})


DEFAULTS: dict[Method, Speculation] = {
    Method.NGRAM_SIMPLE: Speculation(),
    Method.NGRAM_MAP_K: Speculation(Method.NGRAM_MAP_K),
    Method.NGRAM_MAP_K4V: Speculation(Method.NGRAM_MAP_K4V),
    # Shorter matches than llama.cpp's 24 and drafts than its 48 to 64, which never come about in short answers.
    Method.NGRAM_MOD: Speculation(Method.NGRAM_MOD, ngram_tokens=4, max_draft_tokens=12),
    Method.NGRAM_CACHE: Speculation(Method.NGRAM_CACHE),
}
"""Each method without a draft model, as it is used where only its name is given."""
DRAFT_TOKENS = 4
"""Proposed by a draft model where nothing else is said."""


def parse_speculation(text: str) -> Speculation | None:
    """Read a method as people name it: ``off``, ``ngram-simple`` … ``ngram-cache``, or ``draft=FILE.gguf``.

    Returns:
        The method with its default settings; None for ``off``.

    Raises:
        ConfigError: there is none of that name, or it needs special weights.
    """
    if text in ("off", "none"):
        return None
    kind, _, file = text.partition("=")
    if kind in ("draft", Method.DRAFT_SIMPLE):
        if not file:
            raise ConfigError(f"{text!r} names no draft model: write draft=FILE.gguf")
        return Speculation(Method.DRAFT_SIMPLE, max_draft_tokens=DRAFT_TOKENS, draft_model=Path(file))
    if text in DEFAULTS:
        return DEFAULTS[Method(text)]
    names = ", ".join(["off", *DEFAULTS, "draft=FILE.gguf"])
    if text in _SPECIAL:
        raise ConfigError(f"{text} needs a head trained for the one model, which is not supported; choose: {names}")
    raise ConfigError(f"unknown speculation {text!r}; choose: {names}")


def library_version() -> str:
    """The installed library's version, which ends in llama.cpp's build number; empty where there is none."""
    try:
        return metadata.version(LIBRARY)
    except metadata.PackageNotFoundError:
        return ""


@cache
def offered_methods(python: Sequence[str] = (sys.executable, "-P")) -> frozenset[Method]:
    """Ask the installed library which methods it knows, in a process of its own; half a second, once.

    Args:
        python: the interpreter's command; another one in tests.

    Raises:
        EngineStartError: there is no such library.
    """
    done = subprocess.run(  # noqa: S603 - our own line of code
        [*python, "-c", _LIST_METHODS], capture_output=True, text=True, timeout=_LIST_TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise EngineStartError(f"{LIBRARY} cannot be loaded ({reason}): run `pip install {LIBRARY}`")
    names = {name.lower().replace("_", "-") for name in json.loads(done.stdout)}
    return frozenset(method for method in Method if method in names)


def check_offered(speculation: Speculation, offered: frozenset[Method]) -> None:
    """Refuse a method that the installed library does not have.

    Raises:
        ConfigError: it has not.
    """
    if speculation.method not in offered:
        others = ", ".join(sorted(offered)) or "none"
        raise ConfigError(
            f"{LIBRARY} {library_version()} has no speculation method {str(speculation.method)!r}; it has: {others}"
        )


def check_isolated(speculation: Speculation) -> None:
    """Refuse a method that drafts from other questions, for an engine that serves several users.

    Raises:
        ConfigError: it does.
    """
    if not speculation.method.is_isolated:
        isolated = ", ".join(method for method in Method if method.is_isolated)
        raise ConfigError(
            f"{speculation.method} keeps something of one question for the next, so it is refused where several users "
            f"may ask; choose off or one of: {isolated}"
        )


def tell_native(native: Any, params: Any, speculation: Speculation, *, threads: int) -> None:
    """Write a method into llama.cpp's parameters.

    Args:
        native: the module ``xllamacpp``.
        params: its ``CommonParams``.
        speculation: what to write.
        threads: of the draft model.
    """
    wanted = params.speculative
    kind = _PREFIX + speculation.method.upper().replace("-", "_")
    wanted.types = [getattr(native.common_speculative_type, kind)]
    match speculation.method:
        case Method.NGRAM_SIMPLE | Method.NGRAM_MAP_K | Method.NGRAM_MAP_K4V:
            lookup = getattr(wanted, speculation.method.replace("-", "_"))
            lookup.size_n, lookup.size_m = speculation.ngram_tokens, speculation.max_draft_tokens
        case Method.NGRAM_MOD:
            wanted.ngram_mod.n_match = speculation.ngram_tokens
            wanted.ngram_mod.n_min, wanted.ngram_mod.n_max = 1, speculation.max_draft_tokens
        case Method.NGRAM_CACHE:
            pass  # 1 to 4 tokens looked up and 8 drafted are constants there
        case Method.DRAFT_SIMPLE:
            wanted.draft.mparams.path = str(speculation.draft_model)
            wanted.draft.n_max = speculation.max_draft_tokens
            wanted.draft.cpuparams.n_threads = wanted.draft.cpuparams_batch.n_threads = threads
