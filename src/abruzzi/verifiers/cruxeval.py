"""Verifies CRUXEval rows: what a function returns for an input, or an input for which it returns a given value.

Ground truth: JSON (or a Python literal) whose ``functional`` is the source of ``f``. The input or output given in the
question stands in ``extra``: ``input``, ``output`` or ``reference`` (the output), or the line ``assert f(…) == …`` of
``original_prompt``. Sources whose name holds ``cruxeval-i`` ask for the input, others for the output.

The answer is the last assertion of the last Python block, which must be ``assert f(…) == …``; for outputs a literal by
itself will do where the reply marks it as its answer (a box, ``<answer>``, JSON). Of an assertion only the part asked
for counts, and the part given in the question must be as given. An output must be a literal; an input may be an
expression that makes one, or a function where the row's takes one. The function is the row's own, and runs apart from
the model's expression, in the sandbox.

Of a row that asks for an output and does not hold the input only the truth of the assertion can be checked, and the
verdict says so; one that asks for an input and does not hold the output is an error.

Method: arXiv 2401.03065, where an answer counts if ``assert f(input) == output`` holds.
"""

import ast
import json
import re
from typing import Any, cast

from abruzzi.errors import DataError, SandboxError
from abruzzi.nouns import Verdict
from abruzzi.verifiers.extract import How, extract_answer, split_thinking
from abruzzi.verifiers.fences import python_blocks
from abruzzi.verifiers.row import Row
from abruzzi.verifiers.sandbox import Limits, lend, run_tests
from abruzzi.verifiers.source import parse
from abruzzi.verifiers.verdicts import broken, correct, shown, unparsed, wrong

LIMITS = Limits(cpu_s=5, wall_s=12.0)
"""Below the limit at which the pool would kill a verification."""
MAX_ANSWER_CHARS = 20_000
"""A longer answer is not read: Python's own parser is not made for hostile text without end."""

_QUESTION = re.compile(r"^assert f\((?P<input>.*)\) == (?P<output>.*)$", re.MULTILINE)
_OPEN = "??"
_GIVE_INPUT = """
def take(*args, **kwargs):
    give = lambda value: value if callable(value) else repr(value)
    return [give(value) for value in args], {name: give(value) for name, value in kwargs.items()}
"""
_TAKE_INPUT = """
import ast

def read(value):
    return ast.literal_eval(value) if type(value) is str else lambda *args, **kwargs: value(*args, **kwargs)

args, kwargs = answer()
args, kwargs = [read(value) for value in args], {name: read(value) for name, value in kwargs.items()}
"""
"""An argument is plain data or something to call and no more: an object made to please could do anything."""
_UNREADABLE = (SyntaxError, ValueError, TypeError, RecursionError, MemoryError)


def verify_cruxeval(row: Row) -> Verdict:
    """Verify the predicted output, or the input found."""
    try:
        function = _function(row)
    except DataError as error:
        return broken(str(error))
    reply = split_thinking(row.response)
    if not reply.is_closed:
        return unparsed("the reply breaks off inside its thoughts")
    asks_input = "cruxeval-i" in row.data_source
    given_input, given_output = _given(row)
    assertion = _assertion(reply.text)
    if assertion is None:
        answer = None if asks_input else _bare_output(row.response)
        if answer is None or given_input is None:
            return unparsed("the reply holds no assertion of the form f(…) == …")
        return _judge_output(function, given_input, answer)
    call, value = assertion
    if asks_input:
        if given_output is None:
            return broken("the row does not state the output to be reached", _shown_assertion(call, value))
        if not _is_same_literal(value, given_output):
            return wrong(_shown_assertion(call, value), f"it asserts another output than {shown(given_output)}")
        return _judge_input(function, call, value)
    if given_input is not None and not _is_same_call(call, given_input):
        return wrong(_shown_assertion(call, value), f"it asserts about another input than {shown(given_input)}")
    return _judge_output(function, _arguments(call), ast.unparse(value), is_given=given_input is not None)


def gold_reply_cruxeval(row: Row) -> str:
    """Write the assertion that the row's question asks for.

    Raises:
        DataError: the row does not hold both its input and its output.
    """
    given_input, given_output = _given(row)
    if given_input is None or given_output is None:
        raise DataError(f"row {row.id!r} does not hold both an input and an output")
    return f"```python\nassert f({given_input}) == {given_output}\n```"


def _function(row: Row) -> str:
    truth = row.ground_truth
    try:
        if isinstance(truth, str):
            truth = json.loads(truth) if _is_json(truth) else ast.literal_eval(truth)
        source = cast("dict[str, Any]", truth)["functional"]
        parse(source)
    except (*_UNREADABLE, LookupError) as error:
        raise DataError(f"the ground truth holds no function: {shown(row.ground_truth)}") from error
    return source


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _given(row: Row) -> tuple[str | None, str | None]:
    """Find the input and the output that the row states; None where it does not."""
    questions = list(_QUESTION.finditer(str(row.extra.get("original_prompt", ""))))
    stated = questions[-1].groupdict() if questions else {}
    given_input = row.extra.get("input", stated.get("input", _OPEN))
    given_output = row.extra.get("output", row.extra.get("reference", stated.get("output", _OPEN)))
    return (None if given_input == _OPEN else str(given_input)), (None if given_output == _OPEN else str(given_output))


def _arguments(call: ast.Call) -> str:
    return ast.unparse(call)[len("f(") : -1]


def _is_same_call(call: ast.Call, arguments: str) -> bool:
    try:
        (statement,) = parse(f"f({arguments})").body
    except (SyntaxError, ValueError):
        return False
    return isinstance(statement, ast.Expr) and ast.dump(call) == ast.dump(statement.value)


def _assertion(text: str) -> tuple[ast.Call, ast.expr] | None:
    """Find the last assertion of the last Python block: its call of ``f``, and what it is compared with."""
    blocks = python_blocks(text)
    try:
        body = parse(blocks[-1][:MAX_ANSWER_CHARS]).body if blocks else []
    except SyntaxError:
        return None
    asserted = [node.test for node in body if isinstance(node, ast.Assert)]
    match asserted[-1:]:
        case [ast.Compare(left=ast.Call(func=ast.Name(id="f")) as call, ops=[ast.Eq()], comparators=[value])]:
            return call, value
        case _:
            return None


def _bare_output(response: str) -> str | None:
    found = extract_answer(response)
    is_marked = found is not None and found.how in (How.ANSWER_TAG, How.BOXED, How.JSON)
    return found.text if found is not None and is_marked and len(found.text) <= MAX_ANSWER_CHARS else None


def _shown_assertion(call: ast.Call, value: ast.expr) -> str:
    return f"{ast.unparse(call)} == {ast.unparse(value)}"


def _literal(text: str) -> Any:
    """Read a Python literal.

    Raises:
        DataError: it is none.
    """
    try:
        match parse(text.strip()).body:
            case [ast.Expr(value=node)]:
                return ast.literal_eval(node)
            case _:
                raise SyntaxError("more than an expression")
    except _UNREADABLE as error:
        raise DataError(f"{shown(text)} is no literal") from error


def _is_same_literal(value: ast.expr, given: str) -> bool:
    try:
        return bool(_literal(ast.unparse(value)) == _literal(given))
    except DataError:
        return ast.unparse(value) == given


def _judge_output(function: str, arguments: str, answer: str, *, is_given: bool = True) -> Verdict:
    """Hold a literal against what the function returns."""
    extracted = f"f({arguments}) == {answer}"
    try:
        _literal(answer)
        if not is_given:
            _literal(f"[{arguments}]")
    except DataError as error:
        return wrong(extracted, str(error))
    source = f"def answer():\n    return {answer.strip()}"
    return _run(function, source, f"assert f({arguments}) == answer()", extracted, is_given=is_given)


def _judge_input(function: str, call: ast.Call, value: ast.expr) -> Verdict:
    """Call the function with what the model's expressions come to, as plain data."""
    source = f"{_GIVE_INPUT}def answer():\n    return take({_arguments(call)})"
    tests = f"{_TAKE_INPUT}assert f(*args, **kwargs) == ({ast.unparse(value)})"
    return _run(function, source, tests, _shown_assertion(call, value))


def _run(function: str, source: str, tests: str, extracted: str, *, is_given: bool = True) -> Verdict:
    try:
        with lend("solutions") as solutions, lend("tests") as testers:
            trial = run_tests(
                solutions, testers, source=source, tests=tests, prefix=function, entry_names=["answer"], limits=LIMITS
            )
    except SandboxError as error:
        return broken(str(error), extracted)
    if trial.passed:
        note = "" if is_given else "; the row does not state the given part, so only this was checked"
        return correct(extracted, f"the assertion holds{note}")
    return (
        broken(f"the row's function: {trial.reason}", extracted) if trial.is_fault else wrong(extracted, trial.reason)
    )
