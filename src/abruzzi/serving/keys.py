"""API keys: who asks, and what they may use.

Keys come from ``ABRUZZI_API_KEYS`` (comma separated, each ``KEY`` or ``NAME=KEY``) and from a file of hashed keys that
is read again when it changes. Only digests stay in memory; no key is in any log, error or representation. The ring
does not write the file; ``key_file`` does.

Why plain SHA-256 and no slow, salted hash: those protect passwords, which can be guessed. A key of ours is 256 random
bits; nobody guesses one however fast the hash, and a slow hash at every request would be a way to keep the server busy.
A key from the environment is its owner's choice and is hashed in memory only, so its digest is nowhere to be stolen.
"""

import hmac
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from abruzzi.config import build
from abruzzi.errors import ConfigError
from abruzzi.ledger import Clock
from abruzzi.serving.key_file import LOCAL, StoredKey, check_name, default_keys_file, hash_key, read_keys
from abruzzi.serving.refusal import Refusal
from abruzzi.serving.settings import KeyLimits, ServeSettings

VARIABLE = "ABRUZZI_API_KEYS"
MIN_KEY_CHARS = 16
"""A key from the environment that is shorter could be guessed."""
CHECK_S = 1.0
"""How often, at most, the file is looked at."""


@dataclass(frozen=True, slots=True)
class Key:
    """Who asks, as far as the server knows; holds no secret."""

    name: str
    """Owner of what is asked with it."""
    limits: KeyLimits


@dataclass(frozen=True, slots=True)
class Reload:
    """The file of keys was read again."""

    error: str | None
    """Why the old keys stay; None when the new ones are in force."""
    num_keys: int
    """Keys in force, those from the environment included."""


@dataclass(frozen=True, slots=True)
class _Entry:
    digest: str = field(repr=False)
    key: Key


_Stamp = tuple[int, int, int]
"""What changes when a file does: time of change, size, inode."""


class KeyRing(Protocol):
    """Knows who asks."""

    def identify(self, authorization: str | None) -> Key:
        """Find whose key came with a request.

        Args:
            authorization: the header ``Authorization``; None when there was none.

        Raises:
            Refusal: 401; no key, or none that is in force.
        """
        ...

    def reload(self) -> bool:
        """Read the keys again, at once: SIGHUP. A source that cannot be used leaves the old keys in force.

        Returns:
            True when what was read is in force now.
        """
        ...


class HashedRing:
    """All keys in force.

    Args:
        fixed: digest to name, of the keys from the environment.
        path: the file of keys; None has none. A file that is not there yet is read once it is.
        limits: of each key that the file gives no other ones.
        tell: told whenever the file was read again.
        clock: monotonic seconds.

    Raises:
        ConfigError: the file is there and cannot be used.
    """

    def __init__(
        self,
        fixed: Mapping[str, str],
        path: Path | None,
        limits: KeyLimits,
        *,
        tell: Callable[[Reload], None],
        clock: Clock = time.monotonic,
    ) -> None:
        self._fixed = tuple(_Entry(digest, Key(name, limits)) for digest, name in fixed.items())
        self._path = path
        self._limits = limits
        self._tell = tell
        self._clock = clock
        self._looked = clock()
        self._stamp = _read_stamp(path)
        self._entries = self._fixed if path is None or self._stamp is None else self._read(path)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"HashedRing({sorted({entry.key.name for entry in self._entries})})"

    def identify(self, authorization: str | None) -> Key:
        """See ``KeyRing.identify``; the file is looked at first, at most once a second."""
        now = self._clock()
        if now - self._looked >= CHECK_S:
            self._looked = now
            if _read_stamp(self._path) != self._stamp:
                self.reload()
        scheme, _, token = (authorization or "").strip().partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise Refusal(
                "no API key; send one in the header 'Authorization: Bearer KEY'",
                status=401,
                type="authentication_error",
                code="invalid_api_key",
            )
        digest, found = hash_key(token), None
        # Every entry is compared, and each in constant time: how long it takes tells nothing of any key.
        for entry in self._entries:
            if hmac.compare_digest(entry.digest, digest):
                found = entry.key
        if found is None:
            raise Refusal(
                "the API key is not known here; is it whole, and has it been removed?",
                status=401,
                type="authentication_error",
                code="invalid_api_key",
            )
        return found

    def reload(self) -> bool:
        """See ``KeyRing.reload``."""
        if self._path is None:
            return True
        self._stamp = _read_stamp(self._path)
        try:
            self._entries, error = self._read(self._path), None
        except ConfigError as broken:
            error = str(broken)
        self._tell(Reload(error, len(self._entries)))
        return error is None

    def _read(self, path: Path) -> tuple[_Entry, ...]:
        entries = (*self._fixed, *_spread(read_keys(path), self._limits, path))
        if len({entry.digest for entry in entries}) < len(entries):
            raise ConfigError(f"a key of {VARIABLE} stands in {path} too; take it out of one of them")
        return entries


class OpenRing:
    """No keys at all: whoever reaches the server is ``local``."""

    def __init__(self, limits: KeyLimits) -> None:
        self._key = Key(LOCAL, limits)

    def identify(self, authorization: str | None) -> Key:
        """Take whoever asks; the key that some clients cannot do without is not looked at."""
        del authorization
        return self._key

    def reload(self) -> bool:
        """Do nothing; there is no file."""
        return True


def open_ring(
    settings: ServeSettings,
    environ: Mapping[str, str],
    *,
    tell: Callable[[Reload], None],
    clock: Clock = time.monotonic,
) -> KeyRing:
    """Gather the keys from the environment and the file.

    Args:
        settings: of the server.
        environ: holds ``ABRUZZI_API_KEYS``, perhaps.
        tell: told whenever the file was read again.
        clock: monotonic seconds.

    Raises:
        ConfigError: there is no key and none was not asked for, or a source of keys cannot be used.
    """
    if settings.no_keys:
        return OpenRing(settings.limits.key)
    path = settings.keys_file or default_keys_file(environ)
    if settings.keys_file is not None and not path.exists():
        raise ConfigError(f"there is no file of keys at {path}; make it with: abruzzi keys add NAME --file {path}")
    ring = HashedRing(parse_keys(environ.get(VARIABLE, "")), path, settings.limits.key, tell=tell, clock=clock)
    if not len(ring):
        raise ConfigError(
            f"no API keys: make one with 'abruzzi keys add NAME', set {VARIABLE}, or serve this machine alone, "
            "without keys, with --no-keys"
        )
    return ring


def parse_keys(text: str) -> dict[str, str]:
    """Read ``ABRUZZI_API_KEYS``.

    A key without a name is called by the beginning of its digest, so that what was asked with it stays its own whatever
    the order of the list.

    Returns:
        Digest → name.

    Raises:
        ConfigError: a key is too short or stands there twice; says which by its place, never by its text.
    """
    found: dict[str, str] = {}
    for place, part in enumerate((piece.strip() for piece in text.split(",")), start=1):
        if not part:
            continue
        name, _, key = part.partition("=")
        if not key.strip("="):  # a key without a name, which may end in '=' signs
            name, key = "", part
        if len(key) < MIN_KEY_CHARS:
            raise ConfigError(f"key {place} of {VARIABLE} is shorter than {MIN_KEY_CHARS} characters; use a longer one")
        digest = hash_key(key)
        if digest in found:
            raise ConfigError(f"key {place} of {VARIABLE} stands there twice; take one out")
        if name:
            try:
                check_name(name)
            except ConfigError:
                raise ConfigError(
                    f"the name before key {place} of {VARIABLE} cannot name one; use letters, digits and . _ @ -"
                ) from None
        found[digest] = name or f"key-{digest[:8]}"
    return found


def _spread(stored: Iterable[StoredKey], limits: KeyLimits, path: Path) -> tuple[_Entry, ...]:
    """One entry a digest, each under its name and the name's limits."""
    return tuple(
        _Entry(digest, Key(key.name, build(KeyLimits, limits.model_dump(), key.limits, source=str(path))))
        for key in stored
        for digest in key.digests
    )


def _read_stamp(path: Path | None) -> _Stamp | None:
    if path is None:
        return None
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
