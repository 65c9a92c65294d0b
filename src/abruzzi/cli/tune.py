"""``abruzzi engine tune``: measures on this machine whether speculation pays, and keeps the answer."""

from pathlib import Path
from typing import Annotated

import typer


def tune_command(
    model: Annotated[str, typer.Option("--model", "-m", help="embedded, a GGUF file, or hf:ORG/REPO/FILE.gguf.")] = (
        "embedded"
    ),
    n: Annotated[int, typer.Option("--n", min=1, max=16, help="Candidates of one question, as in ask.")] = 3,
    methods: Annotated[
        list[str] | None, typer.Option("--method", help="Only this one; may be given several times.")
    ] = None,
    draft: Annotated[Path | None, typer.Option(help="A draft model (GGUF) to measure, too.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="A choice needs five.")] = 5,
    tokens: Annotated[int, typer.Option(min=4, help="Of each text, at most.")] = 24,
    every: Annotated[
        bool, typer.Option("--every", help="Measure every method in every round, the hopeless ones too.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print every timing as JSON.")] = False,
) -> int:
    """Measure each method of speculation beside off, and keep which one pays; one or two minutes on a quiet machine.

    abruzzi engine tune

    The embedded engine uses what was kept where nothing else is asked for; without it, it does not speculate.
    """
    from abruzzi.cli.tuning import Wish, tune

    tune(Wish(model, n, tuple(methods or ()), draft, rounds, tokens, keeps_all=every), as_json=as_json)
    return 0
