"""``abruzzi serve``: put the pipeline behind OpenAI's protocol."""

from pathlib import Path
from typing import Annotated

import typer


def serve_command(
    host: Annotated[str | None, typer.Option(help="Address to listen on.  [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.  [default: 8800]")] = None,
    model: Annotated[
        str | None, typer.Option("-m", "--model", help="Who solves; see 'abruzzi models list'.  [default: embedded]")
    ] = None,
    planner: Annotated[str | None, typer.Option(help="Who plans.  [default: the solver]")] = None,
    judge: Annotated[str | None, typer.Option(help="Who judges.  [default: the solver]")] = None,
    n: Annotated[int | None, typer.Option("--n", help="Candidates where a client asks for no number.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Per candidate, where a client sets none.")] = None,
    keys_file: Annotated[
        Path | None, typer.Option(help="Hashed keys, see 'abruzzi keys'.  [default: the user's own]")
    ] = None,
    no_keys: Annotated[bool, typer.Option("--no-keys", help="Serve this machine alone, without keys.")] = False,
    no_store: Annotated[bool, typer.Option("--no-store", help="Keep no record of any question.")] = False,
    config: Annotated[Path | None, typer.Option(help="Settings file.  [default: abruzzi.toml here, if any]")] = None,
) -> int:
    """Serve plan and best-of-N to every client of OpenAI's protocol.

    abruzzi serve --model scripted --no-keys
    """
    from abruzzi.cli.serving import ServeWish, serve

    return serve(
        ServeWish(
            config=config,
            models={"solver": model, "planner": planner, "judge": judge},
            ask={"n": n, "max_tokens": max_tokens},
            serve={"host": host, "port": port, "keys_file": keys_file, "no_keys": no_keys or None},
            has_store=not no_store,
        )
    )
