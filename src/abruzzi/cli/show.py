"""``abruzzi show``: show a recorded question again, also one whose process was killed."""

import os
from typing import Annotated

import typer


def show_command(
    run: Annotated[
        str, typer.Argument(help="A run's id, the beginning or end of one, its folder, or 'last'.")
    ] = "last",
    as_json: Annotated[bool, typer.Option("--json", help="Print the object that 'ask --json' printed.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Show every candidate whole.")] = False,
) -> int:
    """Show a recorded question again.

    abruzzi show last --full
    """
    import json

    from rich.console import Console

    from abruzzi.cli.render import render_story
    from abruzzi.cli.story import Story
    from abruzzi.errors import RecordError
    from abruzzi.reasoning.recording import row_to_event
    from abruzzi.records import find_run, read_rows, runs_folder

    folder = find_run(runs_folder(os.environ), run)
    rows = read_rows(folder)
    header = next(rows, None)
    if header is None or header.get("event") != "asked":
        raise RecordError(f"{folder} is not the record of a question")
    story = Story(str(header["question"]))
    for row in rows:
        story.hear(row_to_event(row), float(row.get("at_s", 0.0)))
    if as_json:
        extra = {key: value for key, value in header.items() if key not in ("event", "question")}
        print(json.dumps(story.to_object() | extra, ensure_ascii=False))
        return 0
    console = Console()
    console.print(story.question, style="bold", markup=False, highlight=False)
    console.print(render_story(story, width=console.width, is_full=full))
    if story.answer is None and story.failure is None:
        console.print("this run was cut off before its end", style="yellow")
    return 0
