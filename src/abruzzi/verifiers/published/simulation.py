"""Scores CodeIO rows as the public grader does.

Kept from there: the first fence counts, whatever its language, thoughts included; a reply that cannot be read is None,
and so equals a ground truth of null; floats must be equal to the last digit.
"""

import ast
import json
import re
from typing import Any, cast

from abruzzi.verifiers.row import Row

_FENCE = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)
_TRUTH_VALUES = (("True", "true", True), ("False", "false", False))


def score_simulation(row: Row) -> float:
    """Score the value that the reply predicts: 1 for equal, else 0.

    Raises:
        RecursionError: an object in prose is nested too deep, as there.
    """
    truth_text = str(row.ground_truth)
    ours, truth = _normal(_predicted(row.response)), _normal(_read_truth(truth_text))
    if any(ours in group and truth_text in group for group in _TRUTH_VALUES):
        return 1.0
    return float(bool(ours == truth))


def _predicted(response: str) -> Any:
    fences = _FENCE.findall(response)
    text = (fences[0] if fences else response).strip()
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return _unwrapped(_last_object(text), first="output")
    except (ValueError, RecursionError):
        return None
    return _unwrapped(value, first="output")


def _unwrapped(value: Any, *, first: str) -> Any:
    """Take the value out of its wrapping key; anything but an object counts as no answer."""
    if not isinstance(value, dict):
        return None
    pairs = cast("dict[str, Any]", value)
    second = "input" if first == "output" else "output"
    return pairs.get(first, pairs.get(second, pairs))


def _last_object(text: str) -> Any:
    """Read the last pair of outermost braces as JSON, line breaks taken out."""
    depth, start, last = 0, 0, ""
    for brace in re.finditer(r"[{}]", text):
        if brace[0] == "{":
            start = brace.start() if depth == 0 else start
            depth += 1
        elif depth:
            depth -= 1
            last = text[start : brace.end()] if depth == 0 else last
    try:
        return json.loads(last.replace("\n", ""))
    except json.JSONDecodeError:
        return None


def _read_truth(text: str) -> Any:
    if '"input":' in text or '"output":' in text:
        text = text if text.strip().startswith("{") and text.strip().endswith("}") else "{" + text + "}"
        try:
            return _unwrapped(json.loads(text), first="input")
        except json.JSONDecodeError:
            pass
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict):
        return _unwrapped(cast("dict[str, Any]", value), first="output")
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return text


def _normal(value: Any) -> Any:
    """Bring truth values written as text, and structures written as text, to their JSON form."""
    if isinstance(value, str):
        text = value.strip()
        if (text[:1], text[-1:]) in {("{", "}"), ("[", "]")}:
            try:
                return _normal(json.loads(text))
            except json.JSONDecodeError:
                pass
        return text.lower() == "true" if text.lower() in {"true", "false"} else value
    if isinstance(value, list):
        return [_normal(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {key: _normal(item) for key, item in cast("dict[str, Any]", value).items()}
    return value
