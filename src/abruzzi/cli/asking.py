"""Runs one question: models opened, events passed to the view and to the record, the end told as an exit code.

Nothing finished is lost: the record is written event by event, and an error, a deadline or Ctrl-C still shows and
records whatever was finished by then.
"""

import os
import sys
import time
from typing import Any

import anyio
from rich.console import Console

from abruzzi.cli.story import Story
from abruzzi.cli.views import EventsView, JsonView, LiveView, PlainView, View
from abruzzi.cli.wiring import ModelSpecs, open_roles
from abruzzi.errors import AbruzziError, RecordError
from abruzzi.reasoning.agreement import open_agreement
from abruzzi.reasoning.events import Event, Failed
from abruzzi.reasoning.pipeline import answer
from abruzzi.reasoning.recording import event_to_row, is_delta
from abruzzi.reasoning.run import Run
from abruzzi.reasoning.settings import AskSettings
from abruzzi.records import RunWriter, new_run_id, runs_folder


class _Stage:
    """Passes every event to the story, the record and the view, in this order: recorded before shown."""

    def __init__(self, question: str, view: View, writer: RunWriter | None) -> None:
        self.story = Story(question)
        self.view = view
        self._writer = writer
        self._started = time.monotonic()

    def hear(self, event: Event) -> None:
        """Take in an event; a record that cannot be written is given up with a warning, the question is not."""
        at_s = time.monotonic() - self._started
        self.story.hear(event, at_s)
        if self._writer is not None and not is_delta(event):
            try:
                self._writer.write(event_to_row(event, at_s))
            except RecordError as error:
                self._writer = None
                self.story.warnings.append(str(error))
                print(f"abruzzi: {error}; this run goes on unrecorded", file=sys.stderr, flush=True)
        self.view.hear(event, at_s, self.story)

    def fail(self, kind: str, message: str) -> None:
        """End the story without an answer."""
        self.hear(Failed(kind, message))


def ask_once(
    question: str,
    settings: AskSettings,
    specs: ModelSpecs,
    *,
    view_name: str,
    is_recorded: bool,
    header: dict[str, Any],
) -> int:
    """Answer one question from start to end.

    Args:
        question: what is asked.
        settings: of the pipeline.
        specs: which models play the roles.
        view_name: ``json``, ``events`` or ``auto`` (live in a terminal, plain elsewhere).
        is_recorded: write a record under the runs folder.
        header: settings, models and version, as they stand in record and JSON.

    Returns:
        The exit code: 0.

    Raises:
        AbruzziError: the question has no answer; what was finished has been shown and recorded.
        KeyboardInterrupt: likewise.
    """
    run_id = new_run_id() if is_recorded else None
    writer = None if run_id is None else RunWriter(runs_folder(os.environ), run_id)
    if writer is not None:
        writer.write({"event": "asked", "run": run_id, "question": question, **header})
    stage = _Stage(question, _open_view(view_name, header | {"run": run_id}), writer)
    try:
        anyio.run(_answer, question, settings, specs, stage)
    except AbruzziError as error:
        stage.fail(type(error).__name__, str(error))
        raise
    except ExceptionGroup as group:
        # The view runs inside the pipeline's tasks; a reader that has gone away ends them all.
        if group.subgroup(BrokenPipeError) is None:
            raise
        raise BrokenPipeError from group
    except KeyboardInterrupt:
        stage.fail("Interrupted", "interrupted; what was finished stands above")
        raise
    finally:
        stage.view.finish(stage.story)
        if writer is not None:
            writer.close()
    return 0


async def _answer(question: str, settings: AskSettings, specs: ModelSpecs, stage: _Stage) -> None:
    async with open_roles(specs, n=settings.n, is_one_user=True) as roles, open_agreement() as agree:
        await answer(Run(question, roles, settings, agree, listen=stage.hear))


def _open_view(name: str, extra: dict[str, Any]) -> View:
    if name == "json":
        return JsonView(extra)
    if name == "events":
        return EventsView()
    console = Console()
    return LiveView(console) if console.is_terminal else PlainView()
