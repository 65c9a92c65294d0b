"""A handful of rollouts as they were, early and late: what a curve of rewards does not show.

From the first and from the last step that is recorded, one of each outcome, the first that came: not chosen for being
good. Long texts are shown at both ends. They become code blocks, so that nothing in them is markup.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from abruzzi.nouns import Outcome
from abruzzi.pages.markdown import escape_markdown
from abruzzi.pages.table import plain
from abruzzi.records import read_lines
from abruzzi.training.report.run_rows import Row, Run
from abruzzi.training.run_record import ROLLOUTS_FILE

MAX_CHARS = 1500
"""Of a text that is shown whole."""
SHOWN = (Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSED)
_INVISIBLE = re.compile(r"[^\S\n\t ]|[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


def write_examples(runs: Sequence[Run]) -> str:
    """Write the examples of all runs as Markdown; empty where no rollouts are recorded.

    Raises:
        RecordError: a file of rollouts cannot be read.
    """
    parts: list[str] = []
    for run in runs:
        chosen = choose(run.folder / ROLLOUTS_FILE)
        if chosen and len(runs) > 1:
            parts.append(f"**{escape_markdown(run.label)}**")
        if chosen and run.is_control:
            parts.append("A control: the outcomes are those that were dealt, and say nothing of the texts.")
        parts += [part for row in chosen for part in (_caption(row), _block(str(row.get("text", ""))))]
    return "\n\n".join(parts)


def choose(path: Path) -> list[Row]:
    """Choose rollouts of the first and the last step of a file; none where there is no file."""
    first: dict[int, list[Row]] = {}
    last: dict[int, list[Row]] = {}
    for row in read_lines(path) if path.exists() else ():
        step = row["step"]
        if not first or step in first:
            first.setdefault(step, []).append(row)
        elif step not in last:
            last = {step: [row]}
        else:
            last[step].append(row)
    return [row for step in (first, last) for rows in step.values() for row in _one_of_each(rows)]


def _one_of_each(rows: Iterable[Row]) -> list[Row]:
    found: dict[str, Row] = {}
    for row in rows:
        found.setdefault(str(row.get("outcome")), row)
    return [found[outcome] for outcome in SHOWN if outcome in found]


def _caption(row: Row) -> str:
    words = f"Step {row['step']}, {row.get('item')}: {row.get('outcome')}, {row.get('num_tokens')} tokens"
    return escape_markdown(plain(words))


def _block(text: str) -> str:
    if len(text) > MAX_CHARS:
        half = MAX_CHARS // 2
        text = f"{text[:half]}\n[… {len(text) - 2 * half:,} characters …]\n{text[-half:]}"
    text = _INVISIBLE.sub("\N{REPLACEMENT CHARACTER}", text).strip("\n")
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"
