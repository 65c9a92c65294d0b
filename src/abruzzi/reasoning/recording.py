"""Turns events into rows of a record and back.

A row is ``{"event": "candidate_ended", "at_s": 1.25, …fields…}``. Deltas are rows too on a live stream; a record on
disk leaves them out, since the finished candidates hold their text.
"""

import re
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from abruzzi.errors import RecordError
from abruzzi.reasoning.events import CandidateDelta, Event, PlanDelta


def _row_name(event_type: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", event_type.__name__).lower()


_TYPES: dict[str, Any] = {_row_name(event_type): event_type for event_type in get_args(Event)}


def is_delta(event: Event) -> bool:
    """True for the small pieces that a record on disk leaves out."""
    return isinstance(event, CandidateDelta | PlanDelta)


def event_to_row(event: Event, at_s: float) -> dict[str, Any]:
    """Write an event as a row of plain JSON types.

    Args:
        event: what happened.
        at_s: seconds since the question was asked.
    """
    return {"event": _row_name(type(event)), "at_s": round(at_s, 4), **to_jsonable_python(event)}


def row_to_event(row: Mapping[str, Any]) -> Event:
    """Read a row that ``event_to_row`` wrote.

    Raises:
        RecordError: the row is of no known event or lacks a field.
    """
    name = row.get("event")
    event_type = _TYPES.get(str(name))
    if event_type is None:
        raise RecordError(f"the record holds an unknown event {name!r}; it was written by another version of Abruzzi")
    fields = {key: value for key, value in row.items() if key not in ("event", "at_s")}
    try:
        return TypeAdapter(event_type).validate_python(fields)
    except ValidationError as error:
        raise RecordError(f"the record's row {name!r} cannot be read: {error.errors()[0]['msg']}") from error
