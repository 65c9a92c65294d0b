"""``abruzzi store``: look into what the server keeps, export it, delete it."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from abruzzi.errors import ConfigError

app = typer.Typer(help="What the server keeps of questions: list, export, delete, expire.", no_args_is_help=True)

_Store = Annotated[
    str | None,
    typer.Option(
        "--store", help="An SQLite file or postgresql://…  [default: $ABRUZZI_STORE, or as [serve.store] says]"
    ),
]
_Config = Annotated[Path | None, typer.Option("--config", help="Settings file.  [default: abruzzi.toml here, if any]")]
_Owner = Annotated[str | None, typer.Option("--owner", help="Name of the API key.  [default: everybody]")]


@app.command("list")
def list_command(
    search: Annotated[str, typer.Argument(help="Words that must stand in the question or the answer.")] = "",
    owner: _Owner = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 20,
    store: _Store = None,
    config: _Config = None,
) -> int:
    """List questions, the newest first.

    abruzzi store list "prime numbers" --owner ann
    """
    from abruzzi.cli.storing import list_records

    return list_records(store, config, search=search, owner=owner, limit=limit)


@app.command("export")
def export_command(
    out: Annotated[Path, typer.Argument(help="The JSON Lines file to write.")],
    form: Annotated[
        Literal["records", "examples", "items"],
        typer.Option("--as", help="'examples' for train sft, 'items' for eval run and train grpo, 'records' for all."),
    ] = "records",
    owner: _Owner = None,
    agreed_only: Annotated[
        bool, typer.Option("--agreed-only", help="Only answers that a majority of the candidates agreed on.")
    ] = False,
    store: _Store = None,
    config: _Config = None,
) -> int:
    """Write what is kept as JSON Lines. The answers are the model's own, not checked by anybody.

    abruzzi store export lessons.jsonl --as examples --agreed-only
    """
    from abruzzi.cli.storing import export_records

    return export_records(store, config, out, form, owner=owner, is_agreed_only=agreed_only)


@app.command("delete")
def delete_command(
    id_: Annotated[str | None, typer.Argument(metavar="[ID]", help="One record.")] = None,
    owner: Annotated[str | None, typer.Option("--owner", help="All records of this API key's name.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    store: _Store = None,
    config: _Config = None,
) -> int:
    """Delete one record, or all that is kept of one user, for good.

    abruzzi store delete --owner ann
    """
    if (id_ is None) == (owner is None):
        raise ConfigError("name one record, or --owner NAME for all of theirs")
    if not yes:
        typer.confirm(f"Delete {'record ' + str(id_) if owner is None else 'all records of ' + owner}?", abort=True)
    from abruzzi.cli.storing import delete_records

    return delete_records(store, config, id_=id_, owner=owner)


@app.command("expire")
def expire_command(
    days: Annotated[
        float | None, typer.Option(min=0, help="Delete what is older.  [default: as [serve.store] says]")
    ] = None,
    keep: Annotated[
        int | None, typer.Option(min=0, help="Delete the oldest beyond so many.  [default: as [serve.store] says]")
    ] = None,
    store: _Store = None,
    config: _Config = None,
) -> int:
    """Delete what is too old or too many now; a running server does so by itself.

    abruzzi store expire --days 30
    """
    from abruzzi.cli.storing import expire_records

    return expire_records(store, config, days=days, keep=keep)
