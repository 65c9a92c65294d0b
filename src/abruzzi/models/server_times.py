"""Reads where a hosted server says its seconds went: in the queue, on the prompt, on the completion.

    time_info beside the choices, in the last chunk      Cerebras (https://inference-docs.cerebras.ai/api-reference)
    the same names within usage                          Groq (types of its own client library)

Pure. Whatever is missing, negative or no number is None; a chunk without any such time tells nothing.
"""

import math
from collections.abc import Mapping
from typing import Any, cast

from abruzzi.ledger import ServerTimes


def read_server_times(event: Mapping[str, Any]) -> ServerTimes | None:
    """Read the times of one event of a stream; None where it tells none."""
    for name in ("time_info", "usage"):
        place = event.get(name)
        if isinstance(place, Mapping):
            told = cast("Mapping[str, Any]", place)
            times = ServerTimes(*(_read_seconds(told.get(f"{part}_time")) for part in _PARTS))
            if times != ServerTimes():
                return times
    return None


_PARTS = ("queue", "prompt", "completion", "total")


def _read_seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None
