"""Folders of evaluations and ablations: made once, gone on with by the same command.

    DIR/protocol.json    an evaluation: everything its scores depend on
    DIR/ablation.json    an ablation: likewise
    DIR/items.jsonl      what was asked; the person's own copy, since a data set's licence may forbid passing it on

A folder holds one of them. A command with another protocol is refused, and told in what it differs. What was sampled
lies beside these files, in stores.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from abruzzi.config import describe_problem
from abruzzi.data.items import Item
from abruzzi.errors import ConfigError, DataError, RecordError
from abruzzi.evaluation.ablation import AblationSettings
from abruzzi.evaluation.pools import PoolStores, open_pool_stores
from abruzzi.evaluation.protocol import BenchmarkIdentity, ModelIdentity, Protocol
from abruzzi.evaluation.samples import Sample, sample_store
from abruzzi.evaluation.store import Store
from abruzzi.reasoning.settings import AskSettings
from abruzzi.records import read_lines

PROTOCOL_FILE = "protocol.json"
ABLATION_FILE = "ablation.json"
ITEMS_FILE = "items.jsonl"

ProtocolT = TypeVar("ProtocolT", bound=BaseModel)
_ITEM = TypeAdapter(Item)


class AblationProtocol(BaseModel):
    """Everything an ablation depends on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    benchmarks: tuple[BenchmarkIdentity, ...]
    ask: AskSettings
    """The full system's settings; its ``n``, plan and judge are what is varied."""
    models: Mapping[str, ModelIdentity]
    prompts: Mapping[str, str]
    settings: AblationSettings


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the folder of an evaluation holds."""

    folder: Path
    protocol: Protocol
    items: tuple[Item, ...]
    samples: Store[Sample]


@dataclass(frozen=True, slots=True)
class AblationFolder:
    """What the folder of an ablation holds."""

    folder: Path
    protocol: AblationProtocol
    items: Mapping[str, tuple[Item, ...]]
    """Benchmark → items."""
    stores: PoolStores


def open_evaluation(folder: Path, protocol: Protocol, items: Sequence[Item]) -> Evaluation:
    """Make a folder for an evaluation, or open the one that was begun there.

    Raises:
        ConfigError: the folder holds something else.
        RecordError: it cannot be read or written.
    """
    _claim(folder, PROTOCOL_FILE, protocol, {protocol.benchmark.name: items})
    return read_evaluation(folder)


def open_ablation(folder: Path, protocol: AblationProtocol, items: Mapping[str, Sequence[Item]]) -> AblationFolder:
    """Make a folder for an ablation, or open the one that was begun there; raises as ``open_evaluation``."""
    _claim(folder, ABLATION_FILE, protocol, items)
    return read_ablation(folder)


def read_evaluation(folder: Path) -> Evaluation:
    """Read the folder of an evaluation.

    Raises:
        DataError: there is none.
        RecordError: it cannot be read.
    """
    protocol = _read_protocol(folder / PROTOCOL_FILE, Protocol)
    items = _read_items(folder)[protocol.benchmark.name]
    return Evaluation(folder, protocol, items, sample_store(folder))


def read_ablation(folder: Path) -> AblationFolder:
    """Read the folder of an ablation; raises as ``read_evaluation``."""
    protocol = _read_protocol(folder / ABLATION_FILE, AblationProtocol)
    return AblationFolder(folder, protocol, _read_items(folder), open_pool_stores(folder))


def find_folders(places: Sequence[Path]) -> Iterator[Path]:
    """Find the folders of evaluations and ablations, in those given and below them, each once.

    Raises:
        DataError: a place holds none.
    """
    known: set[Path] = set()
    for place in places:
        found = {path.parent.resolve() for name in (PROTOCOL_FILE, ABLATION_FILE) for path in place.rglob(name)}
        if not found:
            raise DataError(f"{place} holds no evaluation; make one with 'abruzzi eval run … --out {place}'")
        yield from sorted(found - known)
        known |= found


def _claim(folder: Path, name: str, protocol: BaseModel, items: Mapping[str, Sequence[Item]]) -> None:
    """Write protocol and items into a new folder, or check that it holds this very protocol."""
    path = folder / name
    for other in (PROTOCOL_FILE, ABLATION_FILE):
        if other != name and (folder / other).exists():
            raise ConfigError(f"{folder} holds another kind of evaluation ({other}); choose another --out")
    if path.exists():
        changed = _changes(_read_protocol(path, type(protocol)), protocol)
        if changed:
            raise ConfigError(
                f"{folder} holds another evaluation: {'; '.join(changed)}. Choose another --out, or repeat the command "
                "that began it"
            )
        return
    rows = ({"benchmark": benchmark, "item": to_jsonable_python(i)} for benchmark, own in items.items() for i in own)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ITEMS_FILE).open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        # The protocol comes last: a folder with one is complete.
        unfinished = path.with_suffix(".part")
        unfinished.write_text(protocol.model_dump_json(indent=2) + "\n", encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise RecordError(f"cannot write to {folder}: {error.strerror}; choose another --out") from error


def _read_protocol(path: Path, kind: type[ProtocolT]) -> ProtocolT:
    if not path.is_file():
        raise DataError(f"{path.parent} holds no {path.name}; make one with 'abruzzi eval'")
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror}") from error
    except ValidationError as error:
        raise RecordError(_tell(path, error)) from error


def _read_items(folder: Path) -> dict[str, tuple[Item, ...]]:
    path = folder / ITEMS_FILE
    items: dict[str, list[Item]] = {}
    for row in read_lines(path):
        try:
            items.setdefault(str(row.get("benchmark")), []).append(_ITEM.validate_python(row.get("item")))
        except ValidationError as error:
            raise RecordError(_tell(path, error)) from error
    return {name: tuple(own) for name, own in items.items()}


def _tell(path: Path, error: ValidationError) -> str:
    return f"{path} cannot be read: {describe_problem(error)}; it was written by another version of Abruzzi"


def _changes(old: BaseModel, new: BaseModel) -> list[str]:
    """Say in what a command differs from the one that made the folder."""
    before, after = _flatten("", old.model_dump(mode="json")), _flatten("", new.model_dump(mode="json"))
    return [
        f"{name} is {before.get(name)!r} there and {after.get(name)!r} now"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def _flatten(prefix: str, value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        return {prefix.rstrip("."): value}
    flat: dict[str, object] = {}
    for key, inner in cast("dict[str, object]", value).items():
        flat |= _flatten(f"{prefix}{key}.", inner)
    return flat
