"""Turns SciCode's test cases into tests whose two sides stay apart: the solution computes, the tests compare.

A published case sets some values up and asserts, say, ``np.allclose(energy(x), target)``. Arrays do not travel between
the sandbox's two processes, so each comparison is split: set-up and expression are sent to the solution's process as
text and evaluated there, its value comes back as plain lists, and the tests hold it against the target, of which the
solution sees nothing. Where a case has no stored target but the problem has a published solution, the tests get the
target by evaluating the same expression with that.

Numbers are close as NumPy has it: within 1e-8 plus 1e-5 of the target. Nothing but numbers, text, and sequences and
tables of these is compared. A case that compares in a way of its own (``a, b = target``, a function of its own) is not
converted.
"""

import ast
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_COMPARISONS = frozenset(
    {"np.allclose", "np.isclose", "np.array_equal", "cmp_tuple_or_list", "are_dicts_close", "math.isclose"}
)
_TOLERANCES = frozenset({"rtol", "atol", "rel_tol", "abs_tol"})
_NOT_OURS = "scicode"
"""Imports of the authors' own package, whose comparisons are made here."""

PREFIX = '''
def plain(value):
    """Write a value as plain lists."""
    if hasattr(value, "toarray"):
        value = value.toarray()
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, (list, tuple)) else value


def run_case(names, setup, expression):
    """Evaluate a case's expression after its set-up; what is set up stays for the step's later cases."""
    exec(setup, names)
    return plain(eval(expression, names))


scopes = {}


def run_own_case(step, setup, expression):
    """Do so with what this process has loaded, the cases of each step by themselves."""
    return run_case(scopes.setdefault(step, dict(globals())), setup, expression)
'''
"""Run on both sides, behind what the problem imports."""

_TESTS = """
import json
from solution import run_own_case


def squeeze(value):
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return [squeeze(part) for part in value] if isinstance(value, list) else value


def is_close(ours, target, rtol, atol):
    if isinstance(target, list):
        same = isinstance(ours, list) and len(ours) == len(target)
        return same and all(is_close(a, b, rtol, atol) for a, b in zip(ours, target))
    if isinstance(target, dict):
        same = isinstance(ours, dict) and ours.keys() == target.keys()
        return same and all(is_close(ours[key], target[key], rtol, atol) for key in target)
    numbers = (int, float, complex)
    if isinstance(ours, numbers) and isinstance(target, numbers):
        return ours == target or abs(ours - target) <= atol + rtol * abs(target)
    return ours == target


def revive(value):
    if isinstance(value, dict) and value.keys() == {{"complex"}}:
        return complex(*value["complex"])
    if isinstance(value, dict):
        return {{key: revive(part) for key, part in value.items()}}
    return [revive(part) for part in value] if isinstance(value, list) else value


reference = {{}}
exec({reference!r}, reference)
known = {{}}
for number, case in enumerate(json.loads({cases!r}), start=1):
    if "target" in case:
        wanted = plain(eval(case["wanted"], {{"target": revive(case["target"])}}))
    else:
        names = known.setdefault(case["step"], dict(reference))
        wanted = run_case(names, case["setup"], case["expression"])
    found = run_own_case(case["step"], case["setup"], case["expression"])
    assert is_close(squeeze(found), squeeze(wanted), case["rtol"], case["atol"]), f"case {{number}}"
"""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison of a published case."""

    setup: str
    """Source that comes before it, and behind the comparisons before it."""
    expression: str
    """What the solution computes."""
    wanted: str
    """What it is compared with: ``target``, or a part of it."""
    rtol: float = 1e-5
    atol: float = 1e-8


@dataclass(frozen=True, slots=True)
class Case:
    """A comparison in its place among a problem's steps, with its target."""

    step: str
    """The step's number; the cases of a step share what they set up."""
    comparison: Comparison
    target: Any
    """As plain data; ``NO_TARGET`` where the published solution gives it."""


NO_TARGET: Any = object()


def split_case(source: str) -> list[Comparison] | None:
    """Split a published case into its comparisons; None where it compares in a way of its own."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return None
    setup: list[str] = []
    found: list[Comparison] = []
    for statement in body:
        if not _mentions_target(statement):
            if not (isinstance(statement, ast.Import | ast.ImportFrom) and _NOT_OURS in ast.unparse(statement)):
                setup.append(ast.unparse(statement))
            continue
        if not isinstance(statement, ast.Assert):
            return None
        for test in _join_parts(statement.test):
            comparison = _split(test, "\n".join(setup))
            if comparison is None:
                return None
            found.append(comparison)
            setup.clear()
    return found or None


def write_tests(cases: Sequence[Case], reference: str) -> str:
    """Write the source of tests.

    Args:
        cases: in the order of the problem.
        reference: source of the published solution with what it imports, or nothing.
    """
    rows: list[dict[str, Any]] = []
    for case in cases:
        ours = case.comparison
        row: dict[str, Any] = {"step": case.step, "setup": ours.setup, "expression": ours.expression}
        row |= {"rtol": ours.rtol, "atol": ours.atol}
        rows.append(row if case.target is NO_TARGET else {**row, "wanted": ours.wanted, "target": case.target})
    return _TESTS.format(reference=reference, cases=json.dumps(rows))


def _join_parts(test: ast.expr) -> list[ast.expr]:
    """Take ``a and b`` apart."""
    match test:
        case ast.BoolOp(op=ast.And(), values=parts):
            return parts
        case _:
            return [test]


def _split(test: ast.expr, setup: str) -> Comparison | None:
    match test:
        case ast.Call(func=function, args=[ours, target], keywords=keywords) if (
            ast.unparse(function) in _COMPARISONS and _is_part_of_target(target) and not _mentions_target(ours)
        ):
            given = {str(keyword.arg): keyword.value for keyword in keywords}
            if not given.keys() <= _TOLERANCES:
                return None
            rtol, atol = (_read_tolerance(given, names) for names in (("rtol", "rel_tol"), ("atol", "abs_tol")))
            return Comparison(setup, ast.unparse(ours), ast.unparse(target), rtol or 1e-5, atol or 1e-8)
        case ast.Compare(left=ours, ops=[ast.Eq()], comparators=[target]) if _is_part_of_target(
            target
        ) and not _mentions_target(ours):
            return Comparison(setup, ast.unparse(ours), ast.unparse(target))
        case _:
            return None


def _read_tolerance(given: dict[str, ast.expr], names: tuple[str, str]) -> float | None:
    found = next((given[name] for name in names if name in given), None)
    return float(ast.literal_eval(found)) if isinstance(found, ast.Constant) else None


def _mentions_target(node: ast.AST) -> bool:
    return any(isinstance(part, ast.Name) and part.id == "target" for part in ast.walk(node))


def _is_part_of_target(node: ast.expr) -> bool:
    while isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        node = node.value
    return isinstance(node, ast.Name) and node.id == "target"
