"""``abruzzi ask``: answer one question, and show how.

Parses, builds the settings, opens the models, runs the pipeline, and passes its events to a view and to the record.
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from abruzzi import __version__
from abruzzi.errors import ConfigError, DataError

MAX_READ_BYTES = 2_000_000
"""Enough to see that a question is too long; a terabyte on stdin is not read to its end."""

Question = Annotated[str | None, typer.Argument(help="The question; read from stdin where it is missing or '-'.")]
Model = Annotated[
    str | None, typer.Option("-m", "--model", help="Who solves; see 'abruzzi models list'.  [default: embedded]")
]
NoJudge = Annotated[bool, typer.Option("--no-judge", help="Decide by agreement, likelihood and order alone.")]
TopK = Annotated[int | None, typer.Option(help="Of the solver, 0: no cut.  [default: the server's; embedded: 40]")]
MinP = Annotated[float | None, typer.Option(help="Of the solver, 0: no cut.  [default: the server's; embedded: 0.05]")]
SoftDeadline = Annotated[
    float | None, typer.Option(help="Seconds after which one complete candidate is enough.  [default: 1200]")
]
Deadline = Annotated[
    float | None, typer.Option(help="Seconds after which whatever there is becomes the answer.  [default: 7200]")
]
Adapt = Annotated[
    bool, typer.Option("--adapt", help="Choose plan, candidates (at most --n) and judge within deadline and budgets.")
]
Money = Annotated[float | None, typer.Option(help="What the question may cost; with --adapt and --prices.")]
Prices = Annotated[
    str | None, typer.Option(help="PROMPT/COMPLETION per million tokens, e.g. 0.35/0.75; of the dearest model.")
]


def ask_command(
    question: Question = None,
    file: Annotated[Path | None, typer.Option("-f", "--file", help="Read the question from this file.")] = None,
    model: Model = None,
    planner: Annotated[str | None, typer.Option(help="Who plans.  [default: the solver]")] = None,
    judge: Annotated[str | None, typer.Option(help="Who judges.  [default: the solver]")] = None,
    preset: Annotated[str | None, typer.Option(help="'default', or 'paper' for the published pipeline.")] = None,
    n: Annotated[int | None, typer.Option("--n", help="Candidates.  [default: 3]")] = None,
    no_plan: Annotated[bool, typer.Option("--no-plan", help="Go without a plan.")] = False,
    always_plan: Annotated[bool, typer.Option("--always-plan", help="Use the plan even for easy questions.")] = False,
    no_judge: NoJudge = False,
    temperature: Annotated[float | None, typer.Option(help="Of the solver.  [default: 0.7]")] = None,
    top_p: Annotated[float | None, typer.Option(help="Of the solver.  [default: 0.95]")] = None,
    top_k: TopK = None,
    min_p: MinP = None,
    max_tokens: Annotated[int | None, typer.Option(help="Per candidate.  [default: what the context allows]")] = None,
    seed: Annotated[int | None, typer.Option(help="For repeatable sampling where the endpoint has it.")] = None,
    soft_deadline: SoftDeadline = None,
    deadline: Deadline = None,
    budget: Annotated[int | None, typer.Option(help="Completion tokens for the whole question.")] = None,
    adapt: Adapt = False,
    money: Money = None,
    prices: Prices = None,
    config: Annotated[Path | None, typer.Option(help="Settings file.  [default: abruzzi.toml here, if any]")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
    as_events: Annotated[bool, typer.Option("--events", help="Print every event as a JSON line on stdout.")] = False,
    no_record: Annotated[bool, typer.Option("--no-record", help="Leave no record of this question.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the resolved settings and stop.")] = False,
) -> int:
    """Answer a question: plan, N candidates, agreement or judgement.

    abruzzi ask "What is 17 + 25?" --model scripted
    """
    if as_json and as_events:
        raise ConfigError("--json and --events both want stdout; choose one")
    if no_plan and always_plan:
        raise ConfigError("--no-plan and --always-plan contradict each other; choose one")
    from abruzzi.cli.wiring import ASK_TABLES, build_settings

    settings, specs = build_settings(
        config,
        ASK_TABLES,
        models={"solver": model, "planner": planner, "judge": judge},
        ask={
            "preset": preset,
            "n": n,
            "plan": "off" if no_plan else "always" if always_plan else None,
            "judge": False if no_judge else None,
            "temperature": temperature,
            "top_p": top_p,
            "top_k": top_k,
            "min_p": min_p,
            "max_tokens": max_tokens,
            "seed": seed,
            "soft_deadline_s": _earlier(soft_deadline, deadline),
            "hard_deadline_s": deadline,
            "token_budget": budget,
            "adapt": adapt or None,
            "money": money,
            **read_prices(prices),
        },
    )
    described = {"settings": settings.model_dump(mode="json"), "models": specs.model_dump(mode="json")}
    if dry_run:
        _print_json(described)
        return 0
    text = read_question(question, file)
    from abruzzi.cli.asking import ask_once

    return ask_once(
        text,
        settings,
        specs,
        view_name="json" if as_json else "events" if as_events else "auto",
        is_recorded=not no_record,
        header=described | {"version": __version__},
    )


def read_prices(text: str | None) -> dict[str, float]:
    """Read prices written as ``PROMPT/COMPLETION``; no prices are an empty dict.

    Raises:
        ConfigError: it is not two numbers.
    """
    if text is None:
        return {}
    try:
        prompt, completion = map(float, text.split("/"))
    except ValueError:
        raise ConfigError(f"prices {text!r}; write two numbers, PROMPT/COMPLETION per million tokens") from None
    return {"prompt_price": prompt, "completion_price": completion}


def read_question(question: str | None, file: Path | None) -> str:
    """Take the question from the argument, a file or stdin.

    Raises:
        DataError: it comes from two places, cannot be read, or is empty.
    """
    if file is not None:
        if question is not None:
            raise DataError(f"the question comes from the command line and from {file}; use one of them")
        try:
            with file.open("rb") as stream:
                content = stream.read(MAX_READ_BYTES)
        except OSError as error:
            raise DataError(f"cannot read the question from {file}: {error.strerror}") from error
        text = content.decode("utf-8", errors="replace")
    elif question is None or question == "-":
        if sys.stdin is None or sys.stdin.isatty():
            raise DataError('no question; write one: abruzzi ask "What is 17 + 25?"')
        text = sys.stdin.buffer.read(MAX_READ_BYTES).decode("utf-8", errors="replace")
    else:
        text = question.encode("utf-8", errors="replace").decode("utf-8")
    if not text.strip():
        raise DataError("the question is empty; write one, pipe one in, or name a file with -f")
    return text.strip()


def _earlier(soft: float | None, hard: float | None) -> float | None:
    """A deadline given alone bounds the soft one too, whose default may be later."""
    from abruzzi.reasoning.settings import AskSettings

    if soft is None and hard is not None:
        return min(hard, float(AskSettings.model_fields["soft_deadline_s"].default))
    return soft


def _print_json(value: dict[str, Any]) -> None:
    import json

    print(json.dumps(value, indent=2))
