"""The file of hashed keys: read, added to, taken from.

    [keys."ann@example.org"]
    sha256 = ["2f1c…"]                # several while a key is being changed
    created = "2026-11-29"
    requests_per_minute = 120         # any limit of ``[serve.limits.key]``, for this key alone

TOML, or the same in JSON where the file's name ends so. ``abruzzi keys`` writes it whole, so comments do not survive;
a reader sees the old file or the new one, never half of one. No message of this file repeats a value from it: whoever
writes a key where its digest belongs must not find it in a log.
"""

import contextlib
import hashlib
import json
import os
import re
import secrets
import tomllib
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from abruzzi.config import suggest
from abruzzi.engine.lock import locked
from abruzzi.errors import ConfigError, RecordError
from abruzzi.serving.settings import KeyLimits

LOCAL = "local"
"""Who asks where no key is wanted; no key may be called so, or it would own what others asked."""
PREFIX = "abz-"
"""Begins every key that we make, so that scanners for leaked secrets can find one."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LIMITS = tuple(KeyLimits.model_fields)


@dataclass(frozen=True, slots=True)
class StoredKey:
    """One entry of the file."""

    name: str
    digests: tuple[str, ...] = field(repr=False)
    """SHA-256 of each key that is valid under this name, in hex; the newest is last."""
    created: str
    """Date of the newest key, as ``2026-11-29``; empty where the file does not say."""
    limits: Mapping[str, int] = field(default_factory=dict[str, int])
    """Those that differ from ``[serve.limits.key]``."""


def default_keys_file(environ: Mapping[str, str]) -> Path:
    """Where keys are kept when no file is named: ``$ABRUZZI_HOME/keys.toml``, or the user's configuration folder."""
    home = environ.get("ABRUZZI_HOME")
    if home:
        return Path(home) / "keys.toml"
    from platformdirs import user_config_path

    return user_config_path("abruzzi") / "keys.toml"


def make_key() -> str:
    """Make a key: 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_key(key: str) -> str:
    """Return the digest under which a key is stored; ``keys`` says why it is a plain one."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def check_name(name: str) -> None:
    """Refuse what cannot name a key.

    Raises:
        ConfigError: it is empty, too long, reserved, or holds other characters.
    """
    if name == LOCAL:
        raise ConfigError(f"{LOCAL!r} is the name of whoever asks without a key; choose another")
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} cannot name a key; use up to 64 letters, digits and . _ @ -, a letter or digit first"
        )


def read_keys(path: Path) -> tuple[StoredKey, ...]:
    """Read the file.

    Raises:
        ConfigError: it is missing, not TOML or JSON, or holds something unknown or twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read the file of keys {path}: {error.strerror}; see 'abruzzi keys add'") from error
    except UnicodeDecodeError:
        raise ConfigError(f"the file of keys {path} is not text; see 'abruzzi keys add'") from None
    content: object
    try:
        content = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path} is not valid JSON: {error.msg} in line {error.lineno}") from None
    except tomllib.TOMLDecodeError as error:
        # Its message may hold a piece of the line; the place says enough.
        place = re.search(r"line \d+", str(error))
        raise ConfigError(f"{path} is not valid TOML{': see ' + place[0] if place else ''}") from None
    table = _as_table(content, str(path))
    for name in table:
        if name != "keys":
            raise ConfigError(f"{path}: unknown table or top-level key {name!r}; entries stand under [keys.NAME]")
    entries = _as_table(table.get("keys", {}), f"{path}: keys")
    stored = tuple(_read_entry(name, entry, path) for name, entry in entries.items())
    seen: set[str] = set()
    for key in stored:
        if seen & set(key.digests):
            raise ConfigError(f"{path}: the key of {key.name!r} stands there twice; remove one of them")
        seen |= set(key.digests)
    return stored


def add_key(path: Path, name: str, limits: Mapping[str, int], *, today: str, rotate: bool = False) -> str:
    """Make a key and add its digest to the file, which is made where it is missing.

    Args:
        path: the file.
        name: whose key it is.
        limits: those that differ from ``[serve.limits.key]``.
        today: the date, as ``2026-11-29``.
        rotate: give a name that has a key another one; the old one stays valid until it is removed.

    Returns:
        The key. It stands nowhere else.

    Raises:
        ConfigError: the name is taken, unknown (``rotate``) or impossible, or the file cannot be read.
        RecordError: the file cannot be written.
    """
    check_name(name)
    key = make_key()
    with _editing(path):
        stored = {entry.name: entry for entry in (read_keys(path) if path.exists() else ())}
        old = stored.get(name)
        if old is not None and not rotate:
            raise ConfigError(f"{name!r} has a key already; give it a second one with --rotate, or remove it first")
        if old is None and rotate:
            raise ConfigError(f"{name!r} has no key yet{suggest(name, stored) if stored else ''}; leave --rotate out")
        digests = (*(() if old is None else old.digests), hash_key(key))
        stored[name] = StoredKey(name, digests, today, {**(old.limits if old else {}), **limits})
        _write(path, tuple(stored.values()))
    return key


def remove_key(path: Path, name: str, *, but_newest: bool = False) -> int:
    """Remove a name's keys from the file.

    Args:
        path: the file.
        name: whose keys.
        but_newest: keep the newest one, which ends a rotation.

    Returns:
        How many keys are no longer valid.

    Raises:
        ConfigError: the name is not in the file, or the file cannot be read.
        RecordError: the file cannot be written.
    """
    with _editing(path):
        stored = {entry.name: entry for entry in read_keys(path)}
        if name not in stored:
            raise ConfigError(f"{path} has no key of {name!r}{suggest(name, stored) if stored else ''}")
        old = stored.pop(name)
        if but_newest:
            stored[name] = StoredKey(name, old.digests[-1:], old.created, old.limits)
        _write(path, tuple(stored.values()))
    return len(old.digests) - but_newest


def _read_entry(name: str, value: object, path: Path) -> StoredKey:
    where = f"{path}: keys.{name}"
    try:
        check_name(name)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    entry = _as_table(value, where)
    for field_name in entry:
        if field_name not in ("sha256", "created", *_LIMITS):
            raise ConfigError(f"{where}: unknown setting {field_name!r}{suggest(field_name, _LIMITS)}")
    written = entry.get("sha256")
    digests = cast("list[object]", written) if isinstance(written, list) else [written]
    if not digests or not all(isinstance(digest, str) and _DIGEST.fullmatch(digest) for digest in digests):
        raise ConfigError(f"{where}.sha256 is not a SHA-256 digest in hex, or a list of them; see 'abruzzi keys add'")
    limits = {limit: entry[limit] for limit in _LIMITS if limit in entry}
    for limit, amount in limits.items():
        if type(amount) is not int or amount < 0:
            raise ConfigError(f"{where}.{limit} is a whole number from 0 up, where 0 is no limit")
    return StoredKey(name, tuple(map(str, digests)), str(entry.get("created", "")), limits)


def _as_table(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where} is no table")
    return cast("dict[str, Any]", value)


@contextmanager
def _editing(path: Path) -> Generator[None]:
    """Let one editor at a time read, change and write the file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.with_name(f".{path.name}.lock")):
            yield
    except ConfigError:
        raise
    except OSError as error:
        raise RecordError(f"cannot write the file of keys {path}: {error.strerror}") from error


def _write(path: Path, keys: Sequence[StoredKey]) -> None:
    """Replace the file in one step, readable by its owner alone."""
    text = _to_json(keys) if path.suffix == ".json" else _to_toml(keys)
    fresh = path.with_name(f".{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _to_object(key: StoredKey) -> dict[str, Any]:
    created = {"created": key.created} if key.created else {}
    return {"sha256": list(key.digests), **created, **key.limits}


def _to_json(keys: Sequence[StoredKey]) -> str:
    return json.dumps({"keys": {key.name: _to_object(key) for key in keys}}, indent=2) + "\n"


def _to_toml(keys: Sequence[StoredKey]) -> str:
    """Write TOML by hand: names are checked, and JSON's strings, lists and numbers read the same in TOML."""
    tables = ["# Written by 'abruzzi keys'; holds digests, no keys.\n"]
    for key in keys:
        lines = [f"{name} = {json.dumps(value)}\n" for name, value in _to_object(key).items()]
        tables.append(f'[keys."{key.name}"]\n{"".join(lines)}')
    return "\n".join(tables)
