"""Where weights come from: what a recipe starts from, and what an adapter was trained on, by the records beside it.

    RUN/run.json            of a run whose checkpoint holds the adapter
    FOLDER/abruzzi.json     of an adapter that was exported

An adapter on other weights than those it was trained on is noise that looks like a model, so whoever opens one asks
here first. Adapters without a record, and those of runs that began before it said what they lie on, are taken on trust.
"""

import json
from pathlib import Path
from typing import Any

from abruzzi.errors import CheckpointError, ConfigError
from abruzzi.training.checkpoint import STATE_FILE, resolve_checkpoint
from abruzzi.training.run_record import RUN_FILE, read_run

EXPORT_FILE = "abruzzi.json"
ADAPTER_FILE = "adapter_config.json"


def find_start(path: str | Path) -> Path:
    """Find the folder that a path means: an exported adapter's, a checkpoint's, or a run's last checkpoint's.

    Raises:
        CheckpointError: there is none, or an adapter does not say what it was trained on.
    """
    folder = Path(path)
    if not is_adapter(folder) or (folder / STATE_FILE).is_file():
        return resolve_checkpoint(folder)
    if not (folder / EXPORT_FILE).is_file():
        raise CheckpointError(
            f"{folder} is an adapter without {EXPORT_FILE}, which says what it was trained on; name a run, or an "
            "adapter that 'abruzzi train export' wrote"
        )
    return folder


def is_adapter(folder: Path) -> bool:
    """Tell whether a folder holds an adapter and not all weights."""
    return (folder / ADAPTER_FILE).is_file()


def is_exported(folder: Path) -> bool:
    """Tell whether a folder holds an adapter that was exported, and no checkpoint."""
    return is_adapter(folder) and (folder / EXPORT_FILE).is_file() and not (folder / STATE_FILE).is_file()


def name_base(adapter: Path) -> str:
    """Name what an exported adapter was trained on, as its record does.

    Raises:
        CheckpointError: the record cannot be read.
    """
    return _read_trained_on(adapter)[1]


def check_trained_on(adapter: Path, identity: str, name: str) -> None:
    """See that an adapter was trained on these weights, as far as there is a record of it.

    Args:
        adapter: its folder.
        identity: of the weights; see ``base.identify``.
        name: what the user calls them.

    Raises:
        ConfigError: it was trained on others.
        CheckpointError: the record beside it cannot be read.
        RecordError: the run's record cannot be read.
    """
    wanted, spec = _read_trained_on(adapter)
    if wanted is not None and wanted != identity:
        raise ConfigError(
            f"{adapter} was trained on {spec} ({wanted[:12]}…), and not on {name} ({identity[:12]}…): name what it was "
            "trained on"
        )


def _read_trained_on(adapter: Path) -> tuple[str | None, str]:
    """Read the identity of what an adapter was trained on, and what it was called; None where nobody wrote it down."""
    file = adapter / EXPORT_FILE
    if file.is_file():
        try:
            base: dict[str, str] = json.loads(file.read_text("utf-8")).get("base") or {}
            return base.get("identity"), base.get("spec", "another base")
        except (OSError, ValueError, AttributeError) as error:
            raise CheckpointError(
                f"{file} cannot be read ({error}): remove it if the weights beside it are right"
            ) from error
    run = adapter.absolute().parent.parent
    if not (run / RUN_FILE).is_file():
        return None, ""
    record = read_run(run)
    model: dict[str, Any] = record.get("recipe", {}).get("model", {})
    start = model.get("start")
    # Of old, ``base`` was model.base also where an adapter lay on the weights of a start.
    return record.get("trained_on", None if start else record.get("base")), start or model.get("base", "another base")
