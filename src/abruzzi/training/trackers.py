"""Trackers: where curves go besides the run's own record: TensorBoard, trackio or wandb, none of them needed.

The record (``metrics.jsonl``) is the truth and ``abruzzi train report`` reads it alone; a tracker is for watching a run
while it goes. So a tracker that fails is told of once and left out, and training goes on.

Why TensorBoard is the one to begin with (measured on two cores, beyond what training loads anyway): its events lie in
the run's folder and move with it, a killed process loses none, a resumed run's repeated steps take the place of the
lost ones, and it prints nothing and opens no connection. It costs 57 MB to install, 0.2 CPU s and 12 MB to load, and a
thread that ends with it. trackio costs 38 MB, 0.2 CPU s, 13 MB and a thread too; but it writes twice a second, so that
a kill loses what came last, it keeps both copies of a repeated step, and it asks the hub who is logged in, which is
kept from the network here.
"""

import contextlib
import importlib
import io
import logging
import math
import os
import secrets
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, cast

from abruzzi.errors import ConfigError, RecordError
from abruzzi.records import runs_folder
from abruzzi.training.recipe import WatchSettings

IDENTITY_FILE = "tracker-id"
"""In a run's folder: what trackers that keep runs elsewhere call this one, so that a resumed run goes on there."""
LEFT_OUT = ("kind", "step", "scores", "interval")
"""Fields of a row that are no curves."""

logger = logging.getLogger(__name__)

Load = Callable[[str], Any]
"""Imports a module by its name."""


class Backend(Protocol):
    """One tracker as the rest sees it."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Take the values of a step."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...


class Tracker:
    """Passes rows on to a tracker, until it fails for the first time; use it as a context manager.

    Args:
        name: of the tracker, for messages.
        backend: takes the values; None takes nothing.
        hint: how to look at what was written; empty where there is nothing to be said.
    """

    def __init__(self, name: str, backend: Backend | None, hint: str = "") -> None:
        self._name = name
        self._backend = backend
        self.hint = hint

    def log(self, row: Mapping[str, Any]) -> None:
        """Pass on the numbers of a row of ``metrics.jsonl``."""
        backend = self._backend
        if backend is not None:
            self._attempt(lambda: backend.log(flatten(row), int(row["step"])))

    def close(self) -> None:
        """End it; nothing is passed on any more."""
        backend = self._backend
        if backend is not None:
            self._attempt(backend.close)
        self._backend = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # noqa: BLE001 - a tracker raises what it likes, and none of it is training's end
            self._backend = None
            _tell(self._name, error)


def open_tracker(
    watch: WatchSettings,
    run_name: str,
    config: Mapping[str, Any],
    folder: Path,
    *,
    load: Load = importlib.import_module,
    environ: Mapping[str, str] = os.environ,
) -> Tracker:
    """Open the tracker that a recipe names; one that is there and fails is told of and left out.

    Args:
        watch: the recipe's ``[watch]``.
        run_name: what the run is called.
        config: its settings, shown beside its curves.
        folder: of the run, which is there.
        load: imports a module.
        environ: says where the user's data folder is.

    Raises:
        ConfigError: its package is not installed.
        RecordError: the run's folder cannot be written.
    """
    openers: Mapping[str, Callable[[], Tracker]] = {
        "none": lambda: Tracker("none", None),
        "tensorboard": lambda: _open_tensorboard(folder, config, load),
        "trackio": lambda: _open_trackio(watch, f"{run_name}-{_identify(folder)}", config, load, environ),
        "wandb": lambda: _open_wandb(watch, run_name, config, folder, load),
    }
    try:
        return openers[watch.tracker]()
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"watch.tracker = {watch.tracker!r} needs the package {error.name}; run pip install {watch.tracker}, or "
            "set watch.tracker=none: the run's own record has every curve"
        ) from error
    except RecordError:
        raise
    except Exception as error:  # noqa: BLE001 - a tracker raises what it likes, and none of it is training's end
        _tell(watch.tracker, error)
        return Tracker(watch.tracker, None)


def flatten(row: Mapping[str, Any]) -> dict[str, float]:
    """Give the numbers of a row under the names of their curves: ``reward``, ``seconds/sample``, ``held_out/accuracy``.

    An estimate, written as value, low, high, gives its value. Missing values, and those that are no finite numbers, are
    left out.
    """
    prefix = "" if row.get("kind") in (None, "step") else f"{row['kind']}/"
    kept = {name: value for name, value in row.items() if name not in LEFT_OUT}
    return dict(_numbers(kept, prefix))


def _numbers(table: Mapping[str, Any], prefix: str) -> Generator[tuple[str, float]]:
    for name, value in table.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _numbers(cast("Mapping[str, Any]", value), f"{path}/")
            continue
        number = cast("Any", value[0] if isinstance(value, list) and value else value)
        if isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number):
            yield path, float(number)


class _TensorBoard:
    """Event files in the run's folder. Opened with the first row: steps after it are those of a killed process."""

    def __init__(self, writer: Any, folder: Path, config: Mapping[str, Any]) -> None:
        self._make = writer
        self._folder = folder
        self._config = config
        self._writer: Any = None

    def log(self, values: Mapping[str, float], step: int) -> None:
        if self._writer is None:
            self._writer = self._make(str(self._folder), purge_step=step)
            self._writer.add_text("config", _as_text(self._config), step)
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


class _Trackio:
    """A database in the user's data folder, which all runs share, so that its dashboard shows them side by side."""

    def __init__(self, library: Any, run: Any) -> None:
        self._library = library
        self._run = run

    def log(self, values: Mapping[str, float], step: int) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        with _silence():
            self._library.finish()


class _Wandb:
    """Whether it reaches a server is the user's business: ``WANDB_MODE``."""

    def __init__(self, run: Any) -> None:
        self._run = run

    def log(self, values: Mapping[str, float], step: int) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


def _open_tensorboard(folder: Path, config: Mapping[str, Any], load: Load) -> Tracker:
    writer = load("torch.utils.tensorboard").SummaryWriter
    return Tracker(
        "tensorboard", _TensorBoard(writer, folder / "tensorboard", config), f"tensorboard --logdir {folder.parent}"
    )


def _open_trackio(
    watch: WatchSettings, name: str, config: Mapping[str, Any], load: Load, environ: Mapping[str, str]
) -> Tracker:
    # It reads its folder when it is imported. Where the user names none, the hub's cache is no place for runs.
    place = environ.get("TRACKIO_DIR") or str(runs_folder(environ).parent / "trackio")
    os.environ.setdefault("TRACKIO_DIR", place)
    library, hub = load("trackio"), load("huggingface_hub.constants")
    was_offline = hub.HF_HUB_OFFLINE
    # Where somebody is logged in to the hub, trackio asks it for their name; a local run has no use for that.
    hub.HF_HUB_OFFLINE = True
    try:
        with _silence():
            run = library.init(
                project=watch.project,
                name=name,
                config=dict(config),
                resume="allow",
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )
    finally:
        hub.HF_HUB_OFFLINE = was_offline
    hint = f"TRACKIO_DIR={place} trackio show --project {watch.project}"
    return Tracker("trackio", _Trackio(library, run), hint)


def _open_wandb(watch: WatchSettings, name: str, config: Mapping[str, Any], folder: Path, load: Load) -> Tracker:
    library = load("wandb")
    run = library.init(
        project=watch.project,
        name=name,
        id=_identify(folder),
        resume="allow",
        config=dict(config),
        dir=str(folder),
    )
    return Tracker("wandb", _Wandb(run))


def _identify(folder: Path) -> str:
    """Give the run's identity, made at the first time.

    Raises:
        RecordError: the folder cannot be read or written.
    """
    path = folder / IDENTITY_FILE
    try:
        if not path.exists():
            path.write_text(secrets.token_hex(4))
        return path.read_text().strip()
    except OSError as error:
        raise RecordError(f"cannot write to {path}: {error.strerror}") from error


@contextlib.contextmanager
def _silence() -> Generator[None]:
    """Keep a library's greetings out of our standard output, which belongs to results."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def _as_text(config: Mapping[str, Any]) -> str:
    return "\n".join(f"    {name}: {value}" for name, value in config.items())


def _tell(name: str, error: Exception) -> None:
    logger.warning("the tracker %s failed and is left out; the run's own record goes on: %r", name, error)
