"""Mixtures of generated tasks (reasoning-gym), described by their name alone.

    reasoning-gym:chain_sum                                   200 items, seed 0
    reasoning-gym:chain_sum,gcd?size=400&seed=7               both tasks, half each, one after the other in turn
    reasoning-gym:chain_sum,gcd?chain_sum.min_terms=4         a setting of one task
    reasoning-gym:chain_sum?min_terms=2&max_terms=3           a setting of every task
    reasoning-gym:mix.toml                                    size, seed, and a table [tasks.NAME] of settings each

Nothing is downloaded, so these are the sets with which a system can be measured anywhere, at a difficulty that fits it.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from abruzzi.data.items import Item
from abruzzi.data.procedural import generate_items, read_version
from abruzzi.errors import ConfigError
from abruzzi.evaluation.benchmarks.benchmark import Benchmark, SamplingDefaults

PREFIX = "reasoning-gym:"
DEFAULT_SIZE = 200
_FORM = "write reasoning-gym:TASK[,TASK…][?size=200&seed=0&KEY=VALUE&TASK.KEY=VALUE], or reasoning-gym:FILE.toml"


@dataclass(frozen=True, slots=True)
class Mix:
    """Which tasks, how many items of them all together, and the generators' seed and settings."""

    tasks: Mapping[str, Mapping[str, Any]]
    """Task → its settings; the order is that of the items."""
    size: int = DEFAULT_SIZE
    seed: int = 0
    spec: str = field(default="", compare=False)
    """As a person wrote it."""


def procedural_benchmark(spec: str) -> Benchmark:
    """Describe the mixture that a spec names.

    Raises:
        ConfigError: the spec cannot be read; an unknown task or setting is found by ``load``.
    """
    mix = read_mix(spec)

    def load(path: Path | None) -> list[Item]:
        """Generate the items anew."""
        if path is not None:
            raise ConfigError(f"{spec} is generated and takes no --data; for a file of items name the file itself")
        return generate_mix(mix)

    return Benchmark(
        name=spec,
        title=f"reasoning-gym: {', '.join(mix.tasks)}",
        source="generated",
        revision=f"reasoning-gym {read_version()}, seed {mix.seed}",
        licence="Apache-2.0",
        num_items=mix.size,
        scorer="by each task's own scorer, guarded: full marks or nothing",
        load=load,
        sampling=SamplingDefaults(),
        notes=("Another version of reasoning-gym may generate other items from the same seed.",),
    )


def generate_mix(mix: Mix) -> list[Item]:
    """Generate a mixture's items, the tasks in turn; where the size does not divide evenly, the first ones give more.

    Raises:
        ConfigError: a task or a setting is refused.
    """
    share, rest = divmod(mix.size, len(mix.tasks))
    lists = [
        generate_items(task, share + (place < rest), mix.seed, settings)
        for place, (task, settings) in enumerate(mix.tasks.items())
    ]
    return [items[number] for number in range(len(lists[0])) for items in lists if number < len(items)]


def read_mix(spec: str) -> Mix:
    """Read a spec, see the forms above.

    Raises:
        ConfigError: it cannot be read.
    """
    body = spec.removeprefix(PREFIX)
    if body.endswith(".toml"):
        return _check(_read_file(Path(body), spec))
    names, _, query = body.partition("?")
    tasks: dict[str, dict[str, Any]] = {name.strip(): {} for name in names.split(",")}
    amounts: dict[str, Any] = {}
    for pair in filter(None, query.split("&")):
        key, equals, text = pair.partition("=")
        if not equals or not key or not text:
            raise ConfigError(f"{spec}: {pair!r} is no setting; {_FORM}")
        task, dot, name = key.rpartition(".")
        if key in ("size", "seed"):
            amounts[key] = _read_value(text)
        elif dot and task not in tasks:
            raise ConfigError(f"{spec}: {pair!r} is for the task {task!r}, which is not in the mixture")
        else:
            for settings in [tasks[task]] if dot else tasks.values():
                settings[name] = _read_value(text)
    return _check(Mix(tasks, spec=spec, **amounts))


def _read_file(path: Path, spec: str) -> Mix:
    content = _read_whole(path)
    tasks = cast("dict[str, Any]", content.pop("tasks", {}))
    unknown = content.keys() - {"size", "seed"}
    if unknown or not all(isinstance(settings, dict) for settings in tasks.values()):
        odd = min(unknown) if unknown else "tasks"
        raise ConfigError(f"{path}: {odd!r} does not belong there; write size, seed, and a table [tasks.NAME] each")
    return Mix(tasks, spec=spec, **content)


def _read_whole(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"cannot read the mixture {path}: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error


def _read_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _check(mix: Mix) -> Mix:
    for name, value in (("size", mix.size), ("seed", mix.seed)):
        if not isinstance(cast("object", value), int) or isinstance(value, bool) or value < 0:
            raise ConfigError(f"{mix.spec}: {name} must be a whole number from 0 up, got {value!r}")
    if not mix.tasks or not all(mix.tasks):
        raise ConfigError(f"{mix.spec} names no task; {_FORM}")
    if mix.size < len(mix.tasks):
        raise ConfigError(f"{mix.spec}: {mix.size} items cannot be shared among {len(mix.tasks)} tasks; raise the size")
    return mix
