"""The ``abruzzi`` command: registers the sub-commands and turns errors into one line and an exit code.

Exit codes: 0 done, 1 failed, 2 misused, 130 interrupted. Results go to stdout, everything else to stderr. Heavy
packages are imported inside the command that needs them, so that ``--help`` answers at once.
"""

import os
import sys
from typing import Annotated

import typer

from abruzzi import __version__
from abruzzi.cli import ask, bench, capacity, data, engine, evals, keys, models, serve, show, store, train, verify
from abruzzi.errors import AbruzziError, MisuseError

DONE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(
    name="abruzzi",
    help="Make a small open language model reason better: plan, best-of-N, agreement, judgement.\n\n"
    'Try it without any model:  abruzzi ask "What is 17 + 25?" --model scripted',
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command(name="ask")(ask.ask_command)
app.command(name="serve")(serve.serve_command)
app.command(name="show")(show.show_command)
app.command(name="verify")(verify.verify_command)
app.command(name="capacity")(capacity.capacity_command)
app.add_typer(models.app, name="models")
app.add_typer(keys.app, name="keys")
app.add_typer(bench.app, name="bench")
app.add_typer(data.app, name="data")
app.add_typer(evals.app, name="eval")
app.add_typer(train.app, name="train")
app.add_typer(store.app, name="store")
app.add_typer(engine.app, name="engine")


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        print(f"abruzzi {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def run() -> None:
    """Run the command line and exit; the console script's entry point."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: list[str]) -> int:
    """Run one command.

    Returns:
        The exit code.
    """
    try:
        return int(app(args=arguments, standalone_mode=False, prog_name="abruzzi") or DONE)
    except typer.Exit as end:
        return int(end.exit_code)
    except typer.Abort:
        return INTERRUPTED
    except MisuseError as error:
        return _fail(str(error), MISUSED)
    except AbruzziError as error:
        return _fail(str(error), FAILED)
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except (BrokenPipeError, SystemExit) as error:
        # Whoever read our output has seen enough. Typer turns that into an exit with code 1, and Python would
        # complain once more when it closes stdout.
        if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except typer.TyperException as error:
        return _fail(f"{error.format_message()} (see 'abruzzi --help')", MISUSED)


def _fail(message: str, code: int) -> int:
    print(f"abruzzi: {message}", file=sys.stderr, flush=True)
    return code
