"""Reads a-m-team/AM-Thinking-v1-Distilled (arXiv 2505.14464): the SFT data of K2-Think, 1.89 million conversations.

The set is six JSON Lines files whose rows differ in their details (``info`` holds tests here and a score there) and
agree in what is read: ``conversations``, a list of turns ``{"from": "human" | "assistant", "value"}``, and ``system``.
Read too are copies of it as parquet, and the one file that K2-Think's own preparation makes of all six.

Every reply of a conversation becomes an example of its own, asked with all that precedes it: what is taught is the same
as training on all replies at once. Nothing is filtered, deduplicated or sampled, as in the published recipe, save
replies that do not have the form ``<think>…</think><answer>…</answer>``; these are reported in their place.

Files come from the hub at the commit that K2-Think names (README of MBZUAI-IFM/K2-Think-SFT), one after another into
the hub's cache, and are then read as streams. The names ``code`` and ``math`` are confirmed for this set; the other
four were read off its sister set, AM-Qwen3-Distilled.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, cast

from abruzzi.config import suggest
from abruzzi.data.examples import Example
from abruzzi.data.hub import DataFiles, Record, fetch_files
from abruzzi.data.rows import MalformedRow, find_files, make_printable, stream_rows
from abruzzi.errors import ConfigError, DataError
from abruzzi.nouns import Message

REPO = "a-m-team/AM-Thinking-v1-Distilled"
REVISION = "3697c1829816a2b8d4d25995ed6d5d27ffb49b30"
SUBSETS = ("code", "if", "math", "multiturn", "other", "science")

_ROLES: dict[str, Literal["system", "user", "assistant"]] = {
    "system": "system",
    "human": "user",
    "user": "user",
    "assistant": "assistant",
    "gpt": "assistant",
}
_MIDDLE = re.compile(r"</think>\s*<answer>")


def read_am_thinking(
    path: Path | None = None,
    subsets: Sequence[str] = (),
    *,
    system: str | None = None,
    needs_form: bool = True,
    fetch: Callable[[DataFiles], Sequence[Path]] = fetch_files,
) -> Iterator[Example | MalformedRow]:
    """Read examples in order; the family of each is its sub-set.

    Args:
        path: a folder that holds the sub-sets' files, or one file, whose name is then the family; None fetches them.
        subsets: which ones, in this order; empty for all six. Not for one file.
        system: stands in place of each row's own system message, as the published recipe's template does; empty for no
            system message, None keeps the row's own.
        needs_form: report a reply without whole thoughts and a whole answer instead of teaching it.
        fetch: gets files from the hub.

    Raises:
        ConfigError: a sub-set is unknown.
        DataError: a file cannot be had or read.
    """
    for subset in subsets:
        if subset not in SUBSETS:
            raise ConfigError(f"{REPO} has no sub-set {subset!r}{suggest(subset, SUBSETS)}")
    for file in _list_files(path, subsets or SUBSETS, fetch):
        family = file.name.partition(".")[0]
        for row in stream_rows(file, ("conversations", "system")):
            if isinstance(row, MalformedRow):
                yield row
            else:
                yield from _read_row(row, file, family, system, needs_form)


def _list_files(
    path: Path | None, subsets: Sequence[str], fetch: Callable[[DataFiles], Sequence[Path]]
) -> Iterator[Path]:
    if path is None:
        for subset in subsets:
            yield from fetch(DataFiles(REPO, (f"{subset}.jsonl",), REVISION))
    elif path.is_dir():
        yield from find_files(path, subsets)
    else:
        yield path


def _read_row(
    row: Record, file: Path, family: str, system: str | None, needs_form: bool
) -> Iterator[Example | MalformedRow]:
    try:
        turns = _read_turns(row, system)
    except DataError as error:
        yield MalformedRow(str(file), row.number, str(error))
        return
    replies = [place for place, turn in enumerate(turns) if turn.role == "assistant"]
    for number, place in enumerate(replies, start=1):
        key = f"{family}/{row.number}" + (f"/{number}" if len(replies) > 1 else "")
        reply = turns[place].content.strip()
        if needs_form and not _has_form(reply):
            reason = f"{row.place}: reply {number} is not <think>…</think><answer>…</answer>"
            yield MalformedRow(str(file), row.number, reason)
        else:
            yield Example(key, turns[:place], reply, family)


def _has_form(reply: str) -> bool:
    """Tell whether it is whole thoughts and then a whole answer; one pattern for all would take ten times as long."""
    return reply.startswith("<think>") and reply.endswith("</answer>") and bool(_MIDDLE.search(reply))


def _read_turns(row: Record, system: str | None) -> tuple[Message, ...]:
    """Read a conversation: perhaps a system message, then questions and replies in turn.

    Raises:
        DataError: it is anything else.
    """
    value: object = row.get("conversations")
    turns = [_read_turn(turn, row) for turn in cast("Sequence[object]", value)] if isinstance(value, list) else []
    own = row.columns.get("system")
    if turns and turns[0].role == "system":
        own, turns = turns[0].content, turns[1:]
    for place, turn in enumerate(turns):
        due = "assistant" if place % 2 else "user"
        if turn.role != due:
            raise DataError(f"{row.place}: turn {place + 1} of the conversation is the {turn.role}'s, not the {due}'s")
    if len(turns) < 2 or len(turns) % 2:
        raise DataError(f"{row.place}: the conversation has {len(turns)} turns; it must end with a reply")
    head = own if system is None else system
    if head is not None and not isinstance(head, str):
        raise DataError(f"{row.place}: 'system' is no text: {str(head)[:60]!r}")
    return (*([Message("system", make_printable(head))] if head and head.strip() else []), *turns)


def _read_turn(turn: object, row: Record) -> Message:
    shown = str(turn)[:80]
    parts = cast("dict[str, Any]", turn) if isinstance(turn, dict) else {}
    role, value = _ROLES.get(str(parts.get("from"))), parts.get("value")
    if role is None or not isinstance(value, str) or not value.strip():
        raise DataError(f"{row.place}: a turn needs a known 'from' and a 'value', got {shown!r}")
    return Message(role, make_printable(value))
