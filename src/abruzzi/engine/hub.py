"""Fetch a GGUF file from a model hub: ``hf:ORG/REPO/FILE.gguf``.

The work is done by ``huggingface_hub`` (the optional extra ``hub``): resuming, caching, locking between processes and
checking sizes. Which hub it asks is its own setting (``HF_ENDPOINT``). A token is taken from the environment variable
``HF_TOKEN`` and from nowhere else; what a login once stored on the machine is not used.
"""

import importlib
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abruzzi.engine.download import Progress
from abruzzi.errors import WeightsError


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file of a repository on a hub."""

    repo: str
    """``ORG/REPO``."""
    path: str
    """The file's path inside it."""

    def __str__(self) -> str:
        return f"hf:{self.repo}/{self.path}"


def fetch_hub(file: HubFile, cache_dir: Path, progress: Progress, *, endpoint: str | None = None) -> Path:
    """Fetch a file from a hub, or find it in the cache.

    Args:
        file: which one.
        cache_dir: our cache; the file goes into its folder ``hub``.
        progress: told of the bytes as they come.
        endpoint: the hub's address; None: as ``huggingface_hub`` is set.

    Raises:
        WeightsError: the extra is not installed, or the file cannot be had; says what to do.
    """
    try:
        hub: Any = importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise WeightsError(f"{file} needs the extra `hub`: run `pip install 'abruzzi[hub]'`") from error
    errors: Any = importlib.import_module("huggingface_hub.errors")
    try:
        path = hub.hf_hub_download(
            file.repo,
            file.path,
            cache_dir=cache_dir / "hub",
            endpoint=endpoint,
            token=os.environ.get("HF_TOKEN") or False,
            tqdm_class=_bar(progress),
        )
    except errors.GatedRepoError as error:
        raise WeightsError(f"{file.repo} is gated: ask for access on the hub, then set HF_TOKEN") from error
    except errors.RepositoryNotFoundError as error:
        raise WeightsError(f"the hub has no {file.repo} for you: check the name, or set HF_TOKEN if private") from error
    except errors.LocalEntryNotFoundError as error:
        raise WeightsError(f"no connection to the hub, and {file} is not in the cache: go online once") from error
    except errors.EntryNotFoundError as error:
        raise WeightsError(f"{file.repo} has no file {file.path!r}: check the name") from error
    except (errors.HfHubHTTPError, errors.HFValidationError, OSError) as error:
        raise WeightsError(f"{file} could not be fetched: {str(error).splitlines()[0]}") from error
    return Path(path)


def _bar(progress: Progress) -> Any:
    """Make a progress bar that draws nothing and tells us instead."""
    tqdm: Any = importlib.import_module("tqdm").tqdm

    def _begin(self: Any, *arguments: Any, **settings: Any) -> None:
        tqdm.__init__(self, *arguments, **{**settings, "file": io.StringIO(), "disable": False})

    def _update(self: Any, n: float | None = 1) -> None:
        tqdm.update(self, n)
        progress(int(self.n), int(self.total or 0))

    return type("Bar", (tqdm,), {"__init__": _begin, "update": _update})
