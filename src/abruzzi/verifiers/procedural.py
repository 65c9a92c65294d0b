"""Verifies reasoning-gym tasks through their own scorers, guarded against the bugs found in version 0.1.25.

``extra`` names the ``task`` and carries the generated ``entry`` or its ``metadata``; ground truth is the answer of the
entry. The reply's answer is what a tag, a box or an ``"answer"`` field holds; else all that follows the thoughts, since
many answers have several lines, or what is stated at its end ("The product is 42."), as everywhere else. It is
``correct`` when the scorer gives full marks, and scores 1 or 0: thirty scorers give text that is plainly wrong
something above 0, and four give a nearly right grid or sentence 0.99.

Guards
    1. Six tasks are decided here. Four scorers pass the reply to Python's ``eval`` to give partial credit, one compares
       trees in quartic time, and that of ``game_of_life_halting`` takes any text but the empty one for yes.
    2. Where a scorer gives the reply to sympy, which evaluates it as Python, only arithmetic on the task's own names
       with small exponents gets there.
    3. What seven scorers accept is checked again: ``puzzle24`` does not look whether the given numbers were used,
       ``number_sorting`` lets each be off by one, ``coin_flip`` takes 0 for any probability, ``gsm_symbolic`` and
       ``fraction_simplification`` take the first of several numbers, ``letter_jumble`` and ``spell_backward`` ignore
       words that follow.
    4. Numbers that would expand to gigabytes are refused. A scorer that raises could not read the answer.
    5. Entries that went through JSON have lists where the grids' scorers want tuples: these are restored.

The package is the optional extra ``procedural``.
"""

import ast
import json
import math
import re
import warnings
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any, cast

from abruzzi.errors import DataError, VerifierError
from abruzzi.nouns import Outcome, Verdict
from abruzzi.verifiers.extract import How, extract_answer, split_thinking
from abruzzi.verifiers.literals import LiteralError, read_literal
from abruzzi.verifiers.row import Row
from abruzzi.verifiers.simulation import is_same_value
from abruzzi.verifiers.verdicts import broken, correct, shown, unparsed, wrong

FULL_MARKS = 1 - 1e-6
NEAR_MARKS = 0.99
"""Where the score falls with the distance between numbers, so that more digits than the truth has cost a little."""
_NUMERIC = ("complex_arithmetic", "polynomial_equations")
MAX_ANSWER_CHARS = 20_000
_MAX_EXPRESSION_CHARS, _MAX_EXPONENT, _MAX_NODES = 2_000, 64, 500
Entry = dict[str, Any]
_EXPRESSIONS: dict[str, Callable[[Mapping[str, Any]], set[str]]] = {
    "countdown": lambda metadata: set(),
    "puzzle24": lambda metadata: set(),
    "polynomial_multiplication": lambda metadata: set(map(str, metadata["variables"])),
    "simple_integration": lambda metadata: {str(metadata["variable"]), "C"},
    "intermediate_integration": lambda metadata: {str(metadata["variable"]), "C", "E", "pi"},
}
"""Tasks whose scorer evaluates the answer, and the names that may stand in it."""
_FUNCTIONS = {"sin", "cos", "tan", "exp", "log", "ln", "sqrt", "asin", "acos", "atan", "sinh", "cosh", "tanh", "Abs"}
_GRIDS = ("arc_agi", "rearc")
LISTED = {"binary_matrix": ("\n", " "), "n_queens": ("\n", " "), "spiral_matrix": (" ",), "string_insertion": ("",)}
"""Tasks whose scorer evaluates a list, and how the list's levels are joined to the text that is the answer."""
_TOO_LARGE = {
    **dict.fromkeys(
        ("coin_flip", "decimal_arithmetic", "decimal_chain_sum", "power_function"), re.compile(r"[eE][-+]?\d{4}")
    ),
    "rubiks_cube": re.compile(r"\d{3}"),
    "rush_hour": re.compile(r"\d{3}"),
}
"""Exponents and repetitions that no answer needs and that a scorer would expand."""
_STORED_SOLUTIONS = {"graph_color": "possible_answer", "rubiks_cube": "example_correct_answer"}


def verify_procedural(row: Row) -> Verdict:
    """Verify the answer by its task's own scorer."""
    try:
        task, entry = read_entry(row)
        readings = _find_answers(row.response)
        if not readings:
            return unparsed("the reply states no answer, or breaks off before it")
        verdicts = [_verify_answer(task, entry, answer) for answer in readings]
    except (DataError, VerifierError, KeyError) as problem:
        return broken(f"{type(problem).__name__}: {problem}")
    return min(verdicts, key=lambda verdict: _PREFERENCE.index(verdict.outcome))


_PREFERENCE = (Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSED)


def _verify_answer(task: str, entry: Entry, answer: str) -> Verdict:
    if len(answer) > MAX_ANSWER_CHARS:
        return unparsed(f"the answer has {len(answer)} characters, more than {MAX_ANSWER_CHARS}")
    try:
        if task in LISTED:
            is_right = is_same_text(answer, entry) or is_same_list(answer, entry, LISTED[task])
        elif task in _DECIDED_HERE:
            is_right = _DECIDED_HERE[task](answer, entry)
        else:
            answer = screen(task, answer, entry)
            marks = NEAR_MARKS if task in _NUMERIC else FULL_MARKS
            is_right = score_by_library(task, answer, entry) >= marks and _CHECKED_AGAIN.get(task, _accept)(
                answer, entry
            )
    except (LiteralError, ScreenedError) as problem:
        return unparsed(str(problem))
    if is_right:
        return correct(shown(answer), f"the scorer of {task} accepts it")
    return wrong(shown(answer), f"the scorer of {task} does not accept it")


def gold_reply_procedural(row: Row) -> str:
    """Write the entry's own answer, or the solution in its metadata, inside answer tags.

    Raises:
        DataError: the task stores no solution (boxnet, rush_hour, propositional_logic), only a check for one.
    """
    task, entry = read_entry(row)
    answer = entry["answer"]
    if answer is None:
        answer = entry["metadata"].get(_STORED_SOLUTIONS.get(task))
    if answer is None:
        raise DataError(f"task {task!r} stores no solution that could be put into a reply")
    return f"<answer>{answer if isinstance(answer, str) else json.dumps(answer)}</answer>"


def read_entry(row: Row) -> tuple[str, Entry]:
    """Read a row's task and the entry that its scorer wants.

    Raises:
        DataError: the row names no task.
    """
    truth = _as_object(row.ground_truth)
    entry = _as_object(row.extra.get("entry")) or (truth if "metadata" in truth else {})
    metadata = _as_object(row.extra.get("metadata")) or entry.get("metadata") or {}
    task = row.extra.get("task") or truth.get("task") or metadata.get("source_dataset")
    if not task:
        raise DataError("the row names no task in extra['task'] or its metadata")
    if task in _GRIDS:
        metadata = {**metadata, **{key: _as_tuples(metadata[key]) for key in ("input", "output") if key in metadata}}
    answer = entry.get("answer", row.ground_truth)
    return str(task), {"question": "", **entry, "answer": answer, "metadata": metadata}


def score_by_library(task: str, answer: str, entry: Entry) -> float:
    """Give the score of the task's own scorer.

    Raises:
        VerifierError: the package is missing, or knows no such task.
        ScreenedError: the scorer could not read the answer.
    """
    scorer = _load_scorer(task)
    try:
        return float(scorer(answer, entry))
    except Exception as error:
        # Foreign code raises anything on answers that it cannot read; that is recorded, here only.
        raise ScreenedError(f"the scorer of {task} could not read it: {type(error).__name__}: {error}") from error


def screen(task: str, answer: str, entry: Entry) -> str:
    """Give the answer in the form that may reach the scorer.

    Raises:
        ScreenedError: it must not reach it.
    """
    if task in _TOO_LARGE and _TOO_LARGE[task].search(answer):
        raise ScreenedError("the answer holds a number that would be expanded")
    if task not in _EXPRESSIONS:
        return answer
    expression = answer.replace("^", "**").strip()
    _require_arithmetic(expression, _EXPRESSIONS[task](entry["metadata"]))
    return expression


def is_same_text(answer: str, entry: Entry) -> bool:
    """Say whether the answer is one of the valid texts."""
    return answer.strip() in _valid_texts(entry)


def is_same_list(answer: str, entry: Entry, separators: tuple[str, ...]) -> bool:
    """Say whether the answer is a list that makes one of the valid texts, joined with these separators."""
    try:
        return _join(read_literal(answer), separators) in _valid_texts(entry)
    except LiteralError:
        return False


class ScreenedError(ValueError):
    """The answer must not reach the scorer, or the scorer could not read it."""


@lru_cache(maxsize=256)
def _load_scorer(task: str) -> Callable[[str, Entry], float]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from reasoning_gym.factory import get_score_answer_fn
    except ImportError as error:
        raise VerifierError("reasoning-gym is missing: pip install 'abruzzi[procedural]'") from error
    try:
        return cast("Callable[[str, Entry], float]", get_score_answer_fn(task))
    except ValueError as error:
        raise VerifierError(f"reasoning-gym knows no task {task!r}") from error


def _find_answers(response: str) -> list[str]:
    """Find the readings of a reply: one where it marks its answer, else its whole text and what its end states."""
    found = extract_answer(response)
    if found and found.how in {How.ANSWER_TAG, How.BOXED, How.JSON}:
        return [found.text] if found.is_whole else []
    reply = split_thinking(response)
    whole = reply.text.strip()
    if not reply.is_closed or not whole:
        return []
    return [whole, found.text] if found and found.text != whole else [whole]


def _require_arithmetic(text: str, names: set[str]) -> None:
    """Refuse what is not plain arithmetic on the given names, before anything evaluates it."""
    if len(text) > _MAX_EXPRESSION_CHARS:
        raise ScreenedError(f"the expression has more than {_MAX_EXPRESSION_CHARS} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            nodes = list(ast.walk(ast.parse(text, mode="eval")))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ScreenedError(f"no arithmetic expression: {type(error).__name__}") from error
    if len(nodes) > _MAX_NODES or not all(_is_arithmetic(node, names) for node in nodes):
        raise ScreenedError("the expression holds more than arithmetic on the names of the task")


def _is_arithmetic(node: ast.AST, names: set[str]) -> bool:
    match node:
        case ast.BinOp(op=ast.Pow(), right=exponent):
            parts = list(ast.walk(exponent))
            is_small = all(_is_number(part, _MAX_EXPONENT) for part in parts if isinstance(part, ast.Constant))
            return is_small and not any(isinstance(part, ast.Pow) for part in parts)
        case ast.Call(func=ast.Name(id=name), args=[_], keywords=[]):
            return name in _FUNCTIONS
        case ast.Name(id=name):
            return name in names | _FUNCTIONS
        case ast.Constant():
            return _is_number(node, 10**15)
        case _:
            plain = (ast.Expression, ast.BinOp, ast.UnaryOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)
            return isinstance(node, (*plain, ast.USub, ast.UAdd, ast.Load))


def _is_number(constant: ast.Constant, limit: int) -> bool:
    value = constant.value
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= limit


def _is_same_halting(answer: str, entry: Entry) -> bool:
    word = answer.strip(" .\"'").lower()
    if word not in {"true", "false"}:
        raise ScreenedError("the answer is neither True nor False")
    return word == str(entry["answer"]).strip().lower()


def _valid_texts(entry: Entry) -> list[str]:
    return [str(text).strip() for text in entry["metadata"].get("valid_answers", [entry["answer"]])]


def _join(value: Any, separators: tuple[str, ...]) -> str:
    if separators and isinstance(value, list):
        return separators[0].join(_join(item, separators[1:]) for item in cast("list[Any]", value))
    return str(cast("object", value))


def _is_same_json(answer: str, entry: Entry) -> bool:
    return is_same_value(read_literal(answer), read_literal(str(entry["answer"])))


def _uses_given_numbers(answer: str, entry: Entry) -> bool:
    return sorted(map(int, re.findall(r"\d+", answer))) == sorted(entry["metadata"]["numbers"])


def _has_same_numbers(answer: str, entry: Entry) -> bool:
    ours, truth = read_literal(answer), read_literal(str(entry["answer"]))
    return [float(number) for number in ours] == [float(number) for number in truth]


def _is_close_probability(answer: str, entry: Entry) -> bool:
    ours, truth = (float(Fraction(text.replace(",", "").strip())) for text in (answer, str(entry["answer"])))
    return math.isclose(ours, truth, rel_tol=1e-3, abs_tol=1e-9)


def _has_as_many_words(answer: str, entry: Entry) -> bool:
    return len(answer.split()) == len(str(entry["answer"]).split())


def _states_numbers(count: int) -> Callable[[str, Entry], bool]:
    return lambda answer, _: len(re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?", answer)) == count


def _accept(_answer: str, _entry: Entry) -> bool:
    return True


_DECIDED_HERE: dict[str, Callable[[str, Entry], bool]] = {
    "codeio": _is_same_json,
    "game_of_life_halting": _is_same_halting,
}
_CHECKED_AGAIN: dict[str, Callable[[str, Entry], bool]] = {
    "coin_flip": _is_close_probability,
    "fraction_simplification": _states_numbers(2),
    "gsm_symbolic": _states_numbers(1),
    "letter_jumble": _has_as_many_words,
    "number_sorting": _has_same_numbers,
    "puzzle24": _uses_given_numbers,
    "spell_backward": _has_as_many_words,
}


def _as_tuples(grid: Any) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(line) for line in grid)


def _as_object(value: Any) -> dict[str, Any]:
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return {**cast("Mapping[str, Any]", value)} if isinstance(value, Mapping) else {}
