"""Tables of provenance: benchmarks, models, and the settings under which every row was made.

Settings that all rows share are said once; what else a row was made under stands beside its name.
"""

from abruzzi.evaluation.protocol import ModelIdentity, Protocol
from abruzzi.evaluation.report.report_input import ReportInput
from abruzzi.evaluation.report.rows import name_rows
from abruzzi.pages.digits import MISSING, count, setting
from abruzzi.pages.table import Group, Table, drop_empty_columns, group_by, plain, words_table

HASH_DIGITS = 12
"""Hexadecimal digits of a hash that a table shows."""


def settings_tables(report: ReportInput) -> list[Table]:
    """Make the tables of benchmarks, models, shared settings and each row's own."""
    rows = name_rows(report)
    if not rows:
        return []
    protocols = [row.score.protocol for row in rows]
    settings = [_flatten(protocol) for protocol in protocols]
    shared = {name: value for name, value in settings[0].items() if all(other.get(name) == value for other in settings)}
    made = [_benchmark_table(protocols), _model_table(protocols)]
    if shared:
        cells = tuple((name, value) for name, value in shared.items())
        made.append(words_table("Settings of all rows", ("Setting", "Value"), (Group("", cells),)))
    own: dict[tuple[str, str], list[str]] = {}
    for row, flat in zip(rows, settings, strict=True):
        text = "; ".join(f"{name}: {value}" for name, value in flat.items() if name not in shared)
        own.setdefault((row.marked, text), []).append(row.benchmark)
    if any(text for _, text in own):
        num_benchmarks = len({row.benchmark for row in rows})
        cells = [("" if len(on) == num_benchmarks else ", ".join(on), cell) for cell, on in own.items()]
        made.append(words_table("Settings of each row that not all share", ("System", "Settings"), group_by(cells)))
    return made


def _benchmark_table(protocols: list[Protocol]) -> Table:
    identities = dict.fromkeys(tuple(p.benchmark.model_dump().values()) for p in protocols)
    cells = tuple(
        (plain(name), plain(revision), str(items_sha256)[:HASH_DIGITS], count(num_items))
        for name, revision, num_items, items_sha256 in identities
    )
    return Table("Benchmarks", ("Benchmark", "Revision", "Items’ sha256", "Items"), (Group("", cells),), num_text=3)


def _model_table(protocols: list[Protocol]) -> Table:
    roles: dict[ModelIdentity, list[str]] = {}
    for protocol in protocols:
        for role, model in protocol.models.items():
            roles.setdefault(model, []).append(role)
    cells = tuple(
        (
            plain(model.name),
            ", ".join(dict.fromkeys(played)),
            plain(model.spec),
            (model.sha256 or MISSING)[:HASH_DIGITS],
        )
        for model, played in roles.items()
    )
    head = ("Model", "Plays", "Named as", "Weights’ sha256")
    return drop_empty_columns(Table("Models", head, (Group("", cells),), num_text=3, has_last_words=True))


def _flatten(protocol: Protocol) -> dict[str, str]:
    """Name → value of everything but the items; models and their roles, prompts and their hashes included."""
    flat = {"Abruzzi": protocol.version, "runs": str(protocol.runs)}
    flat |= {name: setting(value) for name, value in protocol.ask.model_dump().items()}
    flat |= {f"{role} model": model.name for role, model in protocol.models.items()}
    flat |= {f"prompt {name}": digest[:HASH_DIGITS] for name, digest in protocol.prompts.items()}
    return {plain(name): plain(value) for name, value in flat.items()}
