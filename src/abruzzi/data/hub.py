"""Reads data sets as they are published: from a hub at a pinned commit, or from a local copy of the same files.

Understood are JSON Lines, a JSON list, CSV with a header line and parquet, plain or gzipped, told apart by what they
hold and not by their names (CSV by its name). Downloading, caching and resuming are done by ``huggingface_hub`` in its
own cache, parquet is read by ``pyarrow``; both come with the extra ``eval`` and are imported when they are needed. A
token is taken from the environment variable ``HF_TOKEN`` and from nowhere else.

A set is read whole into memory: benchmarks are small. What its columns mean is the business of each benchmark.
"""

import csv
import gzip
import importlib
import io
import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from abruzzi.config import missing_package
from abruzzi.errors import DataError

_GZIP, _PARQUET, _BYTE_ORDER_MARK = b"\x1f\x8b", b"PAR1", "\ufeff"
_MAX_CELL_CHARS = 1 << 27
_SURPLUS = "\0surplus"


Host = Literal["hf", "github"]
"""``hf`` is a model hub, from which files are fetched; a ``github`` repository is named, and its files are given."""


@dataclass(frozen=True, slots=True)
class DataFiles:
    """The files of a data set that make up one split."""

    repo: str
    """``ORG/NAME``."""
    paths: tuple[str, ...]
    """Inside the repository."""
    revision: str | None = None
    """The commit; None takes the newest, where no commit could be verified."""
    host: Host = "hf"

    def __str__(self) -> str:
        return f"{self.host}:{self.repo}"


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a data set, as it was published."""

    source: str
    """The file."""
    number: int
    """In its file, from 1."""
    columns: Mapping[str, Any]

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        return f"{self.source}, row {self.number}"

    def has(self, name: str) -> bool:
        """Tell whether a column is there and holds something."""
        return self.columns.get(name) not in (None, "")

    def get(self, *names: str) -> Any:
        """Get the first of these columns that the record has and that is not null.

        Raises:
            DataError: it has none of them.
        """
        for name in names:
            if self.columns.get(name) is not None:
                return self.columns[name]
        wanted = " or ".join(map(repr, names))
        raise DataError(f"{self.place} holds no {wanted}; its columns are {', '.join(self.columns)}")

    def text(self, *names: str) -> str:
        """Get the first of these columns as text that is not blank; numbers are written out.

        Raises:
            DataError: it has none of them, or one of another kind.
        """
        value = self.get(*names)
        if isinstance(value, bool) or not isinstance(value, str | int | float) or not str(value).strip():
            raise self._error(names, "text", value)
        return str(value)

    def texts(self, *names: str) -> list[str]:
        """Get the first of these columns as a list of texts; a missing one is an empty list.

        Raises:
            DataError: it is of another kind.
        """
        value: object = next((self.columns[name] for name in names if self.columns.get(name) is not None), ())
        parts = cast("Sequence[object]", value) if type(value) in {list, tuple} else [None]
        if not all(isinstance(part, str) for part in parts):
            raise self._error(names, "list of texts", value)
        return [str(part) for part in parts]

    def table(self, *names: str) -> "Record":
        """Get the first of these columns, an object or JSON text of one, as a record of its own.

        Raises:
            DataError: it has none of them, or one of another kind.
        """
        value = found = self.get(*names)
        if isinstance(found, str):
            try:
                value = json.loads(found)
            except ValueError:
                value = None
        if not isinstance(value, Mapping):
            raise self._error(names, "object", found)
        return Record(self.source, self.number, cast("Mapping[str, Any]", value))

    def _error(self, names: Sequence[str], kind: str, value: object) -> DataError:
        return DataError(f"{self.place}: {' or '.join(map(repr, names))} is no {kind}: {_show(value)}")


def load_records(files: DataFiles, path: Path | None, *, endpoint: str | None = None) -> list[Record]:
    """Load a data set's rows, from a local copy where there is one.

    Args:
        files: which files of which repository.
        path: a local file, or a folder that holds the repository's files; None fetches them.
        endpoint: the hub's address; None: as ``huggingface_hub`` is set.

    Raises:
        DataError: the files cannot be had or read; says what to do.
        ConfigError: a package is missing.
    """
    if path is None:
        found: Sequence[Path] = fetch_files(files, endpoint=endpoint)
    elif path.is_dir():
        found = [_find(path, name, files) for name in files.paths]
    else:
        found = [path]
    return [record for file in found for record in read_records(file)]


def fetch_files(files: DataFiles, *, cache_dir: Path | None = None, endpoint: str | None = None) -> list[Path]:
    """Fetch a data set's files from the hub, or find them in the cache.

    Args:
        files: which files of which repository.
        cache_dir: None takes the hub's own cache, shared with everything else that uses it.
        endpoint: the hub's address; None: as ``huggingface_hub`` is set.

    Raises:
        DataError: they cannot be had; says what to do.
        ConfigError: ``huggingface_hub`` is missing.
    """
    if files.host != "hf":
        what = " or ".join(files.paths)
        raise DataError(f"{files} is on no hub: take {what} at {files.revision} from there and give it by --data FILE")
    hub, errors = _import("huggingface_hub"), _import("huggingface_hub.errors")
    _import("huggingface_hub.utils.logging").set_verbosity_error()  # it would tell of every retry
    way_out = "or give a local copy: --data FILE"
    try:
        return [
            Path(
                hub.hf_hub_download(
                    files.repo,
                    path,
                    repo_type="dataset",
                    revision=files.revision,
                    cache_dir=cache_dir,
                    endpoint=endpoint,
                    token=os.environ.get("HF_TOKEN") or False,
                )
            )
            for path in files.paths
        ]
    except errors.GatedRepoError as error:
        raise DataError(f"{files} is gated: ask for access on the hub and set HF_TOKEN, {way_out}") from error
    except errors.RevisionNotFoundError as error:
        raise DataError(f"the hub has no commit {files.revision} of {files}: it was rewritten, {way_out}") from error
    except errors.RepositoryNotFoundError as error:
        raise DataError(f"the hub has no {files} for you: set HF_TOKEN if it is private, {way_out}") from error
    except errors.LocalEntryNotFoundError as error:
        raise DataError(
            f"no connection to the hub, and {files} is not in the cache: go online once, {way_out}"
        ) from error
    except errors.EntryNotFoundError as error:
        raise DataError(f"{files} does not hold {' and '.join(files.paths)}: {way_out}") from error
    except (errors.HfHubHTTPError, errors.HFValidationError, OSError) as error:
        raise DataError(f"{files} could not be fetched: {str(error).splitlines()[0]}; try again, {way_out}") from error


def read_records(path: Path) -> list[Record]:
    """Read the rows of a file.

    Raises:
        DataError: it cannot be read, is broken or holds no rows; says where.
        ConfigError: ``pyarrow`` is missing and the file is parquet.
    """
    try:
        content = path.read_bytes()
        if content.startswith(_GZIP):
            content = gzip.decompress(content)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path} is a broken gzip file: {error}") from error
    except OSError as error:
        raise DataError(f"cannot read {str(path)!r}: {error.strerror}") from error
    records = [Record(path.name, number, columns) for number, columns in _read(content, path)]
    if not records:
        raise DataError(f"{path} holds no rows")
    return records


def _read(content: bytes, path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    if content.startswith(_PARQUET):
        yield from enumerate(_read_parquet(content, path), start=1)
        return
    try:
        text = content.decode("utf-8").removeprefix(_BYTE_ORDER_MARK)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8: byte {error.start} is {content[error.start]:#04x}") from error
    if ".csv" in path.suffixes:
        csv.field_size_limit(_MAX_CELL_CHARS)
        for number, cells in enumerate(csv.DictReader(io.StringIO(text, newline=""), restkey=_SURPLUS), start=1):
            if _SURPLUS in cells:
                raise DataError(f"{path}, row {number} has more cells than the header line")
            yield number, cells
    elif text.lstrip().startswith("["):
        rows: object = _parse(text, str(path))
        for number, row in enumerate(cast("list[object]", rows), start=1):
            yield number, _as_object(row, f"{path}, row {number}")
    else:
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                place = f"{path}, line {number}"
                yield number, _as_object(_parse(line, place), place)


def _parse(text: str, place: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place} is not JSON: {error}") from error


def _as_object(value: object, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{place} is no JSON object: {_show(value)}")
    return cast("Mapping[str, Any]", value)


def _read_parquet(content: bytes, path: Path) -> list[dict[str, Any]]:
    pyarrow, parquet = _import("pyarrow"), _import("pyarrow.parquet")
    try:
        return parquet.ParquetFile(io.BytesIO(content)).read().to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path} is a broken parquet file: {error}") from error


def _find(folder: Path, name: str, files: DataFiles) -> Path:
    for path in (folder / name, folder / Path(name).name):
        if path.is_file():
            return path
    raise DataError(f"{folder} holds no {name} of {files}; give a folder with {', '.join(files.paths)}, or one file")


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise missing_package("a data set", name.partition(".")[0]) from error


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
