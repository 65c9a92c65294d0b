"""Tables of what was run: recipe, identities, machine, packages, and the settings in which runs differ."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from abruzzi.pages.digits import MISSING, setting
from abruzzi.pages.table import Group, Table, plain, words_table
from abruzzi.training.report.run_rows import Row, Run


def run_table(runs: Sequence[Run]) -> Table:
    """Say what was run, on what and with what, a column a run."""
    facts = [_describe(run) for run in runs]
    rows = [(name, *(plain(own[name]) or MISSING for own in facts)) for name in facts[0]]
    kept = tuple(row for row in rows if set(row[1:]) != {MISSING})
    return words_table("What was run", ("", *(run.label for run in runs)), (Group("", kept),))


def setting_tables(runs: Sequence[Run]) -> list[Table]:
    """Tell the settings that differ between the runs from those that all share; a stage's own are its runs' alone."""
    flat = {run.label: _flatten(run.recipe) for run in runs}
    differing: list[tuple[str, ...]] = []
    shared: list[tuple[str, str]] = []
    for name in dict.fromkeys(name for own in flat.values() for name in own):
        concerned = [run.label for run in runs if run.stage == name.partition(".")[0]] or list(flat)
        values = {flat[label].get(name, MISSING) for label in concerned}
        if len(values) == 1:
            shared.append((name, values.pop()))
        else:
            differing.append((name, *(own.get(name, MISSING) for own in flat.values())))
    tables: list[Table] = []
    if differing:
        head = ("Setting", *(run.label for run in runs))
        tables.append(words_table("Settings that differ", head, (Group("", tuple(differing)),)))
    if shared:
        caption = "Settings" if len(runs) == 1 else "Settings that all share"
        tables.append(words_table(caption, ("Setting", "Value"), (Group("", tuple(shared)),)))
    return tables


def _describe(run: Run) -> dict[str, str]:
    machine = cast("Mapping[str, Any]", run.facts.get("machine") or {})
    packages = cast("Mapping[str, Any]", machine.get("packages") or {})
    model = cast("Mapping[str, Any]", run.recipe.get("model") or {})
    cores, python = machine.get("cores"), machine.get("python")
    described: dict[str, Any] = {
        "Stage": run.stage.upper() + (", control: rewards dealt at random" if run.is_control else ""),
        "Recipe": run.recipe.get("name"),
        "Base": run.facts.get("base") or model.get("base"),
        "Began from": model.get("start") or "the base",
        "Steps": _steps(run),
        "Trained weights": _of(run.facts.get("num_trained"), run.facts.get("num_parameters")),
        "Prompts": _count(run.facts.get("num_prompts")),
        "Examples": _count(run.facts.get("num_examples")),
        "Rows left out": _left_out(run),
        "Held-out items": _count(run.facts.get("num_held_out")),
        "Contamination": say_contamination(run),
        "Seed": run.settings.get("seed"),
        "Commit": machine.get("commit"),
        "Machine": _join(machine.get("processor"), cores and f"{cores} cores", machine.get("platform")),
        "Packages": _join(python and f"Python {python}", *(f"{name} {v}" for name, v in packages.items() if v)),
        "Folder": run.folder,
    }
    return {name: "" if value is None else str(value) for name, value in described.items()}


def say_contamination(run: Run) -> str:
    """Say whether the training data was held against benchmarks, and what was found."""
    found = run.facts.get("contamination")
    if not isinstance(found, Mapping):
        return "not checked: the recipe names no benchmark"
    told = cast("Mapping[str, Any]", found)
    names = ", ".join(map(str, told.get("benchmarks") or ()))
    return f"{told.get('num_dirty')} items of {names} are in the training data"


def _steps(run: Run) -> str:
    planned = run.num_planned
    if planned is None or run.num_done == planned:
        return f"{run.num_done:,}"
    return f"{run.num_done:,} of {planned:,}"


def _left_out(run: Run) -> str:
    left = {"malformed": run.facts.get("num_malformed"), "too long": run.facts.get("num_too_long")}
    return ", ".join(f"{number:,} {why}" for why, number in left.items() if number)


def _count(value: Any) -> str | None:
    return f"{value:,}" if isinstance(value, int) else None


def _of(part: Any, whole: Any) -> str | None:
    return f"{part:,} of {whole:,}" if isinstance(part, int) and isinstance(whole, int) else None


def _join(*parts: Any) -> str:
    return ", ".join(str(part) for part in parts if part)


def _flatten(table: Row, prefix: str = "") -> dict[str, str]:
    """Dotted name → value of every setting; lists of tables are numbered, tables that are not there left out."""
    flat: dict[str, str] = {}
    for name, value in table.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            flat |= _flatten(cast("Row", value), f"{path}.")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for place, part in enumerate(cast("list[Row]", value), start=1):
                flat |= _flatten(part, f"{path}.{place}.")
        elif value is not None or prefix:
            flat[path] = "none" if value == {} else plain(setting(cast("object", value)))
    return flat
