"""Verifies CodeIO rows: what a program prints for an input, or which input gives an output, as one JSON value.

Ground truth: ``"output": <json>`` or ``"input": <json>``, without outer braces. The value is looked for after the
thoughts, first hit wins: the last ```` ```json ```` fence that holds one, the last fence of any other kind that does,
``<answer>``, a box, the last object in the text, the text itself. JSON and Python notation both count, and the wrapping
key may be missing or be the other one, as the set's own grader has it.

Two values are equal when their structure is, with these allowances: an integer equals the float of its value; a float
is right to a relative 1e-6; ``"true"`` equals ``true``, and a string that holds an object or a list equals it, because
the programs print both. Everything else is exact: text to the letter, lists in order, ``1`` is not ``true``.

A different input that would give the same output is judged wrong, because the row does not carry the program.
CRUXEval, whose rows do, is verified in ``code``.
"""

import math
import re
from collections.abc import Iterator
from typing import Any, cast

from abruzzi.nouns import Verdict
from abruzzi.verifiers.extract import How, extract_answer, split_thinking
from abruzzi.verifiers.literals import LiteralError, find_literals, read_literal
from abruzzi.verifiers.row import Row
from abruzzi.verifiers.verdicts import broken, correct, shown, unparsed, wrong

RELATIVE_TOLERANCE = 1e-6
_MAX_DEPTH = 100
_FENCE = re.compile(r"```([\w+-]*)[ \t]*\n?(.*?)```", re.DOTALL)
_KEYS = ("output", "input")


def verify_simulation(row: Row) -> Verdict:
    """Verify the value that the reply predicts."""
    try:
        pair = _read_pair(str(row.ground_truth))
    except LiteralError:
        return broken(f"the ground truth is no JSON pair: {shown(row.ground_truth)}")
    truth = next(_readings(pair))
    reply = split_thinking(row.response)
    if not reply.is_closed:
        return unparsed("the reply breaks off inside its thoughts")
    for source in _candidates(row.response, reply.text):
        try:
            value = _read_pair(source)
        except LiteralError:
            continue
        if any(is_same_value(reading, truth) for reading in _readings(value)):
            return correct(shown(source.strip()), "the predicted value is right")
        return wrong(shown(source.strip()), "another value")
    return unparsed("the reply holds no value in JSON")


def gold_reply_simulation(row: Row) -> str:
    """Write the row's own pair in a JSON fence."""
    pair = str(row.ground_truth).strip()
    return f"```json\n{pair if pair.startswith('{') else '{' + pair + '}'}\n```"


def _candidates(response: str, text: str) -> Iterator[str]:
    fences = [(fence[1].lower(), fence[2]) for fence in _FENCE.finditer(text)]
    yield from (content for tag, content in reversed(fences) if tag == "json")
    yield from (content for tag, content in reversed(fences) if tag != "json")
    found = extract_answer(response)
    if found and found.is_whole and found.how in {How.ANSWER_TAG, How.BOXED}:
        yield found.text
    objects = [source for _, source in find_literals(text, "{")]
    yield from objects[-1:]
    yield text


def _read_pair(source: str) -> Any:
    """Read a value, or the bare ``"output": value`` that the prompt shows."""
    try:
        value = read_literal(source)
    except LiteralError:
        value = read_literal("{" + source + "}")
        if not _unwrapped(value):
            raise
    return value


def _readings(value: Any) -> Iterator[Any]:
    """Yield the value without its wrapping key, and with it."""
    yield from _unwrapped(value)
    yield value


def _unwrapped(value: Any) -> list[Any]:
    if not isinstance(value, dict):
        return []
    pairs = cast("dict[str, Any]", value)
    return [pairs[key] for key in _KEYS if key in pairs]


def is_same_value(ours: Any, truth: Any, depth: int = 0) -> bool:
    """Say whether two values are equal, with the allowances above; what nests too deep equals nothing."""
    if depth > _MAX_DEPTH:
        return False
    ours, truth = _plain(ours), _plain(truth)
    if isinstance(ours, bool) or isinstance(truth, bool):
        return ours is truth
    if isinstance(ours, int | float) and isinstance(truth, int | float):
        return _is_same_number(ours, truth)
    if isinstance(ours, list) and isinstance(truth, list):
        ours_items, items = cast("list[Any]", ours), cast("list[Any]", truth)
        return len(ours_items) == len(items) and all(
            is_same_value(a, b, depth + 1) for a, b in zip(ours_items, items, strict=True)
        )
    if isinstance(ours, dict) and isinstance(truth, dict):
        ours_pairs, pairs = cast("dict[str, Any]", ours), cast("dict[str, Any]", truth)
        return ours_pairs.keys() == pairs.keys() and all(
            is_same_value(value, pairs[key], depth + 1) for key, value in ours_pairs.items()
        )
    return isinstance(ours, str | None) and isinstance(truth, str | None) and ours == truth


def _is_same_number(ours: float, truth: float) -> bool:
    if isinstance(truth, int) or isinstance(ours, int):
        return ours == truth
    return (math.isnan(ours) and math.isnan(truth)) or math.isclose(ours, truth, rel_tol=RELATIVE_TOLERANCE)


def _plain(value: Any) -> Any:
    """Bring the two spellings of a truth value, and of a structure printed as text, to one."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    if (text[:1], text[-1:]) in {("[", "]"), ("{", "}")}:
        try:
            return read_literal(text)
        except LiteralError:
            return value
    return value
