"""Views of a question while it is being answered: live in a terminal, a few lines elsewhere, or JSON lines.

A view hears every event with its time. Progress goes to stderr; what the question was asked for (the answer, the JSON
object, the event lines) goes to stdout, so that pipes get that and nothing else.
"""

import json
import sys
from typing import Protocol, TextIO

from rich.console import Console
from rich.live import Live

from abruzzi.cli.render import clean, describe_bill, render_story
from abruzzi.cli.story import Story
from abruzzi.reasoning.adaptive import describe_choice
from abruzzi.reasoning.events import (
    CandidateEnded,
    CandidateRestarted,
    Chose,
    Event,
    JudgementMade,
    PlanMade,
    Settled,
    Warned,
)
from abruzzi.reasoning.recording import event_to_row

REFRESHES_PER_SECOND = 8


class View(Protocol):
    """Somebody who watches a question being answered."""

    def hear(self, event: Event, at_s: float, story: Story) -> None:
        """Take in an event that the story already holds."""
        ...

    def finish(self, story: Story) -> None:
        """Show the end, whatever it is."""
        ...


class LiveView:
    """Redraws the whole story in place, and leaves its last state standing."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=REFRESHES_PER_SECOND, vertical_overflow="crop")
        self._live.start()

    def hear(self, event: Event, at_s: float, story: Story) -> None:
        """Redraw; rich throttles."""
        self._live.update(render_story(story, width=self._console.width))

    def finish(self, story: Story) -> None:
        """Stop redrawing and print the end once, whole."""
        self._live.update("")
        self._live.stop()
        self._console.print(render_story(story, width=self._console.width))


class PlainView:
    """A line on stderr per thing that happened, the answer alone on stdout."""

    def __init__(self, out: TextIO = sys.stdout, err: TextIO = sys.stderr) -> None:
        self._out = out
        self._err = err

    def hear(self, event: Event, at_s: float, story: Story) -> None:
        """Print a line for what a reader of a log wants to know."""
        line = _describe(event)
        if line is not None:
            print(f"[{at_s:7.1f} s] {clean(line)}", file=self._err, flush=True)

    def finish(self, story: Story) -> None:
        """Print the bill and the answer."""
        if story.calls:
            print(describe_bill(story), file=self._err, flush=True)
        if story.answer is not None:
            print(clean(story.answer.answer), file=self._out, flush=True)


class JsonView:
    """One JSON object on stdout at the end, and nothing before it."""

    def __init__(self, extra: dict[str, object], out: TextIO = sys.stdout) -> None:
        self._extra = extra
        self._out = out

    def hear(self, event: Event, at_s: float, story: Story) -> None:
        """Say nothing yet."""

    def finish(self, story: Story) -> None:
        """Print the object; also where the question failed or was interrupted."""
        print(json.dumps(story.to_object() | self._extra, ensure_ascii=False), file=self._out, flush=True)


class EventsView:
    """A JSON line on stdout for every event, deltas included."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out

    def hear(self, event: Event, at_s: float, story: Story) -> None:
        """Print the event's row."""
        print(json.dumps(event_to_row(event, at_s), ensure_ascii=False), file=self._out, flush=True)

    def finish(self, story: Story) -> None:
        """Say nothing more; the last event said it."""


def _describe(event: Event) -> str | None:
    match event:
        case Chose(choice):
            return f"chose {describe_choice(choice)}"
        case PlanMade(plan):
            return f"plan: {plan.outcome.value}" + (f" ({plan.reason})" if plan.reason else "")
        case CandidateEnded(candidate):
            answer = "no answer" if candidate.answer is None else candidate.answer[:80]
            return f"candidate {candidate.index + 1}: {candidate.finish_reason.value}, {answer}"
        case CandidateRestarted(index, reason):
            return f"candidate {index + 1} begins again: {reason}"
        case Settled(_, size, num_cancelled):
            return f"{size} candidates agree; {num_cancelled} cancelled"
        case JudgementMade(judgement):
            winner = "undecided" if judgement.winner is None else f"candidate {judgement.winner + 1}"
            return f"judge, {judgement.first + 1} against {judgement.second + 1}: {winner}"
        case Warned(message):
            return f"warning: {message}"
        case _:
            return None
