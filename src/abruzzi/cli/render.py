"""Draws a story in a terminal: plan, candidates side by side, agreement, judgement, answer, bill.

Pure: a story in, something for rich to print out. Model output is shown as text and never as markup, with control
characters taken out, so that a reply cannot repaint the terminal.
"""

import textwrap
import unicodedata

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from abruzzi.cli.story import Story
from abruzzi.ledger import DraftSources
from abruzzi.nouns import Candidate, DecidedBy, FinishReason, Judgement, PlanOutcome
from abruzzi.reasoning.adaptive import describe_choice

TAIL_LINES = 8
"""Lines of a candidate that stay in sight."""
MIN_PANEL_WIDTH = 36
"""Candidates stand side by side where each has this many columns."""

_DECISIONS = {
    DecidedBy.AGREEMENT: "a majority agreed",
    DecidedBy.JUDGE: "the judge preferred it in both orders",
    DecidedBy.CLUSTER_SIZE: "the judge did not decide; most candidates gave it",
    DecidedBy.LIKELIHOOD: "undecided; the model found it likelier",
    DecidedBy.ONLY_CANDIDATE: "the only complete candidate",
    DecidedBy.FIRST: "undecided; the first one stands",
    DecidedBy.FALLBACK: "no candidate is complete; the best of what there is",
}
_SOURCES = {
    "own": "its own text",
    "sibling": "candidates",
    "plan": "the plan",
    "question": "the question",
    "other": "the rest of the prompt",
}


def clean(text: str) -> str:
    """Take control characters out of a model's text; newlines and tabs stay."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs"))


def render_story(story: Story, *, width: int, is_full: bool = False) -> Group:
    """Draw the story so far.

    Args:
        story: what is known.
        width: of the terminal, in columns.
        is_full: show every candidate whole rather than its last lines.
    """
    parts: list[RenderableType] = []
    if story.planner is not None or story.plan is not None:
        parts.append(_render_plan(story))
    indices = sorted(story.growing.keys() | story.candidates.keys())
    if indices:
        per_row = 1 if is_full else max(1, min(len(indices), width // MIN_PANEL_WIDTH))
        panel_width = width if per_row == 1 else width // per_row - 1
        panels = [_render_candidate(story, index, panel_width, is_full=is_full) for index in indices]
        if is_full:
            parts.extend(panels)
        else:
            parts.append(Columns(panels, width=panel_width, padding=(0, 0)))
    if story.clusters():
        parts.append(_render_clusters(story))
    parts.extend(_render_judgement(judgement) for judgement in story.judgements)
    parts.extend(Text(f"chose {describe_choice(choice)}", style="dim") for choice in story.choices)
    parts.extend(Text(f"! {clean(warning)}", style="yellow") for warning in story.warnings)
    if story.answer is not None:
        parts.append(_render_answer(story))
    elif story.failure is not None:
        parts.append(Text(f"failed: {clean(story.failure.message)}", style="bold red"))
    if story.calls:
        parts.append(Text(describe_bill(story), style="dim"))
    return Group(*parts)


def _render_plan(story: Story) -> RenderableType:
    if story.plan is None:
        return Text(f"planning with {story.planner} … {story.plan_pieces} tokens", style="dim")
    plan = story.plan
    if plan.outcome is not PlanOutcome.PLANNED:
        return Text(f"no plan ({plan.outcome.value.replace('_', ' ')}): {clean(plan.reason)}", style="dim")
    notes = [f"{plan.num_redactions} answers taken out"] if plan.num_redactions else []
    notes += ["held the answer"] if plan.leaked else []
    title = "plan" + (f" ({', '.join(notes)})" if notes else "")
    return Panel(Text(clean(plan.text)), title=title, title_align="left", border_style="cyan")


def _render_candidate(story: Story, index: int, width: int, *, is_full: bool) -> Panel:
    candidate = story.candidates.get(index)
    growing = story.growing.get(index)
    if candidate is None:
        text = growing.text if growing else ""
        speed = growing.pieces_per_second if growing else None
        subtitle = f"{growing.num_pieces if growing else 0} tokens" + (f", {speed:.0f}/s" if speed else "")
        style = "white"
    else:
        text = "\n".join(part for part in (candidate.reasoning, candidate.text) if part)
        subtitle = _describe_end(candidate)
        is_chosen = story.answer is not None and story.answer.chosen == index
        style = "bold green" if is_chosen else _STYLES[candidate.finish_reason]
    shown = clean(text).strip()
    if not is_full:
        wrapped = (textwrap.wrap(line, max(8, width - 4)) or [""] for line in shown.splitlines()[-TAIL_LINES:])
        shown = "\n".join([part for parts in wrapped for part in parts][-TAIL_LINES:])
    return Panel(
        Text(shown, overflow="fold"),
        title=f"candidate {index + 1}",
        title_align="left",
        subtitle=subtitle,
        subtitle_align="left",
        border_style=style,
    )


_STYLES = {
    FinishReason.STOP: "white",
    FinishReason.LENGTH: "yellow",
    FinishReason.TOOL_CALLS: "white",
    FinishReason.CANCELLED: "dim",
    FinishReason.ERROR: "red",
}


def _describe_end(candidate: Candidate) -> str:
    ends = {
        FinishReason.STOP: "",
        FinishReason.LENGTH: " (truncated)",
        FinishReason.TOOL_CALLS: " (calls tools)",
        FinishReason.CANCELLED: " (cancelled)",
        FinishReason.ERROR: " (failed)",
    }
    answer = "no answer" if candidate.answer is None else clean(" ".join(candidate.answer.split()))
    shown = answer if len(answer) <= 40 else answer[:39] + "…"
    return f"{shown}{ends[candidate.finish_reason]}, {candidate.seconds:.1f} s"


def _render_clusters(story: Story) -> Text:
    counts = [f"{clean(' '.join(answer.split()))[:60]} × {len(members)}" for answer, members in story.clusters()]
    text = Text("answers: " + "   ".join(counts))
    if story.settled is not None:
        text.append(f"   settled, {story.settled.num_cancelled} cancelled", style="dim")
    return text


def _render_judgement(judgement: Judgement) -> RenderableType:
    table = Table(box=None, show_header=False, padding=(0, 1))
    for vote in judgement.votes:
        preferred = "tie" if vote.preferred is None else f"prefers {vote.preferred + 1}"
        reason = clean(" ".join((vote.error or vote.reasoning).split()))
        table.add_row(f"judge, {vote.shown_first + 1} shown first:", preferred, Text(reason[:160], style="dim"))
    verdict = "undecided" if judgement.winner is None else f"candidate {judgement.winner + 1} wins"
    table.add_row(f"{judgement.first + 1} against {judgement.second + 1}:", verdict, "")
    return table


def _render_answer(story: Story) -> RenderableType:
    assert story.answer is not None, "called with an answer"
    return Panel(
        Text(clean(story.answer.answer)),
        title="answer",
        title_align="left",
        subtitle=_DECISIONS[story.answer.decided_by],
        subtitle_align="left",
        border_style="bold green",
    )


def describe_bill(story: Story) -> str:
    """The bill in a line."""
    totals = story.totals()
    usage = totals.usage
    parts = [
        ("1 call" if totals.num_calls == 1 else f"{totals.num_calls} calls")
        + (f" ({totals.num_failed} failed)" if totals.num_failed else "")
        + (f" ({totals.num_cancelled} cancelled)" if totals.num_cancelled else ""),
        f"{usage.prompt_tokens:,} prompt tokens"
        + (f" ({usage.cached_tokens:,} cached)" if usage.cached_tokens else ""),
        f"{'' if totals.is_exact else 'at least '}{usage.completion_tokens:,} completion tokens",
    ]
    if usage.draft_tokens:
        drafts = f"{usage.accepted_tokens or 0:,} of {usage.draft_tokens:,} drafted tokens accepted"
        parts.append(drafts + _describe_sources(totals.draft_sources))
    return ", ".join(parts) + f", {story.seconds:.1f} s"


def _describe_sources(sources: DraftSources | None) -> str:
    """Where accepted tokens came from, most first; nothing where that is not known."""
    if sources is None or not sources.accepted:
        return ""
    ordered = sorted(sources.accepted.items(), key=lambda item: -item[1])
    told = ", ".join(f"{count:,} from {_SOURCES.get(source, source)}" for source, count in ordered)
    return f" ({'' if sources.is_exact else 'by estimate '}{told})"
