"""``abruzzi keys``: make, list and remove API keys of the server. A key is shown once, and only its digest is kept.

The file is the one given, or the one that ``abruzzi.toml`` names, or the user's own; a running server reads it again
within a second.
"""

import os
from pathlib import Path
from typing import Annotated

import typer

from abruzzi.errors import ConfigError

app = typer.Typer(help="API keys of 'abruzzi serve'.", no_args_is_help=True)

_FILE_HELP = "The file of keys, .toml or .json.  [default: the settings' keys_file, or the user's own]"
_CONFIG_HELP = "Settings file.  [default: abruzzi.toml here, if any]"


@app.command("add")
def add_command(
    name: Annotated[str, typer.Argument(help="Whose key it is; owns what is asked with it.")],
    requests_per_minute: Annotated[int | None, typer.Option(help="Limit of this key; 0 is none.")] = None,
    concurrent: Annotated[int | None, typer.Option(help="Questions of this key at once; 0 is no limit.")] = None,
    tokens_per_minute: Annotated[int | None, typer.Option(help="Budget of this key; 0 is none.")] = None,
    tokens_per_day: Annotated[int | None, typer.Option(help="Budget of this key; 0 is none.")] = None,
    rotate: Annotated[bool, typer.Option("--rotate", help="A second key for a name that has one.")] = False,
    file: Annotated[Path | None, typer.Option(help=_FILE_HELP)] = None,
    config: Annotated[Path | None, typer.Option(help=_CONFIG_HELP)] = None,
) -> int:
    """Make a key and print it. It is shown this once.

    abruzzi keys add ann --tokens-per-day 1000000
    """
    import sys
    from datetime import UTC, datetime

    from abruzzi.serving.key_file import add_key

    given = {
        "requests_per_minute": requests_per_minute,
        "concurrent": concurrent,
        "tokens_per_minute": tokens_per_minute,
        "tokens_per_day": tokens_per_day,
    }
    limits = {limit: amount for limit, amount in given.items() if amount is not None}
    for limit, amount in limits.items():
        if amount < 0:
            raise ConfigError(f"--{limit.replace('_', '-')} is {amount}; a limit is a number from 1 up, and 0 is none")
    path = _find_file(file, config)
    today = datetime.now(UTC).date().isoformat()
    key = add_key(path, name, limits, today=today, rotate=rotate)
    print(f"the key of {name}, shown this once; its digest is in {path}", file=sys.stderr)
    print(key)
    return 0


@app.command("list")
def list_command(
    file: Annotated[Path | None, typer.Option(help=_FILE_HELP)] = None,
    config: Annotated[Path | None, typer.Option(help=_CONFIG_HELP)] = None,
) -> int:
    """List who has a key, since when, and the limits of its own."""
    from rich.console import Console
    from rich.table import Table

    from abruzzi.serving.key_file import read_keys

    table = Table(box=None)
    for column in ("name", "keys", "newest", "limits of its own"):
        table.add_column(column)
    path = _find_file(file, config)
    for key in read_keys(path):
        limits = ", ".join(f"{limit} {amount:,}" for limit, amount in key.limits.items())
        table.add_row(key.name, str(len(key.digests)), key.created, limits)
    Console().print(table)
    return 0


@app.command("remove")
def remove_command(
    name: Annotated[str, typer.Argument(help="Whose keys.")],
    but_newest: Annotated[bool, typer.Option("--but-newest", help="Keep the newest: ends a rotation.")] = False,
    file: Annotated[Path | None, typer.Option(help=_FILE_HELP)] = None,
    config: Annotated[Path | None, typer.Option(help=_CONFIG_HELP)] = None,
) -> int:
    """Remove a name's keys; what was asked with them stays."""
    from abruzzi.serving.key_file import remove_key

    path = _find_file(file, config)
    num_removed = remove_key(path, name, but_newest=but_newest)
    print(f"{num_removed} key{'' if num_removed == 1 else 's'} of {name} removed from {path}")
    return 0


def _find_file(file: Path | None, config: Path | None) -> Path:
    from abruzzi.config import DEFAULT_FILE, SHARED_TABLES, read_toml
    from abruzzi.serving.key_file import default_keys_file
    from abruzzi.serving.settings import build_serve_settings

    if file is not None:
        return file
    tables = read_toml(config, SHARED_TABLES)
    settings = build_serve_settings(tables.get("serve", {}), {}, source=str(config or DEFAULT_FILE))
    return settings.keys_file or default_keys_file(os.environ)
