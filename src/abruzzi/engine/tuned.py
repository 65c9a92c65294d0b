"""Keeps what an engine found of itself: one JSON file in the cache folder, an entry for each way of running a model.

An entry holds for one model file, by its sha256, one number of threads and slots, one build of the library and one
processor. Where any of them differs there is no entry, and speculation is off. A file that cannot be read is no entry
either: it is a cache, and measuring writes it anew.
"""

import hashlib
import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, cast

from abruzzi.engine.lock import locked
from abruzzi.engine.settings import EngineSettings
from abruzzi.engine.speculation import LIBRARY
from abruzzi.engine.speculation_choice import Tuned

FILE_NAME = "speculation.json"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a measurement holds for."""

    model_sha256: str
    threads: int
    slots: int
    library: str
    cpu: str


def circumstances_of(settings: EngineSettings) -> Circumstances:
    """Tell what a measurement of an engine holds for; reads the whole model file.

    Raises:
        OSError: the file cannot be read.
    """
    with settings.model.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Circumstances(digest, settings.threads, settings.slots, library_build(), processor_name())


def processor_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name, as the kernel has it; elsewhere its architecture."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def library_build(search_path: Sequence[str] | None = None) -> str:
    """The installed library's version and, after a plus, what tells this build from others of that version.

    A library that was built on the machine has the version of the index's wheel. What differs is its native module,
    whose digest the installer wrote down.

    Args:
        search_path: where installed distributions are looked for; None: ``sys.path``.

    Returns:
        Such as ``2026.10.11549+eNy7_Mhh``; without the digest where the installer kept none, empty without the library.
    """
    context = metadata.DistributionFinder.Context(
        name=LIBRARY, path=list(sys.path if search_path is None else search_path)
    )
    distribution = next(iter(metadata.distributions(context=context)), None)
    if distribution is None:
        return ""
    digests = [file.hash.value[:8] for file in distribution.files or () if file.hash and file.suffix in (".so", ".pyd")]
    return "+".join([distribution.version, *digests])


def save_tuned(folder: Path, circumstances: Circumstances, tuned: Tuned) -> Path:
    """Write an entry, in place of one for the same circumstances.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE_NAME
    with locked(folder / f".{FILE_NAME}.lock"):
        others = [entry for entry in _read(path) if entry.get("circumstances") != asdict(circumstances)]
        entry = {
            "circumstances": asdict(circumstances),
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "methods": tuned.to_json(),
        }
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        part.write_text(json.dumps([*others, entry], indent=1))
        part.replace(path)
    return path


def find_tuned(folder: Path, settings: EngineSettings) -> Tuned | None:
    """Find the measurement that holds for an engine; None where there is none.

    The model is read for its digest only where an entry could fit.
    """
    same = {"threads": settings.threads, "slots": settings.slots, "library": library_build(), "cpu": processor_name()}
    likely = [entry for entry in _read(folder / FILE_NAME) if same.items() <= _circumstances(entry).items()]
    if not likely:
        return None
    try:
        wanted = asdict(circumstances_of(settings))
        found = next((entry for entry in likely if entry["circumstances"] == wanted), None)
        return None if found is None else Tuned.from_json(found["methods"])
    except (OSError, KeyError, TypeError, ValueError):
        return None


def _circumstances(entry: dict[str, Any]) -> dict[str, Any]:
    value = entry.get("circumstances")
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError):
        return []
    entries = cast("list[Any]", data) if isinstance(data, list) else []
    return [cast("dict[str, Any]", entry) for entry in entries if isinstance(entry, dict)]
