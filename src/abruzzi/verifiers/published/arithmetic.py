"""Gives what Python's ``eval`` would for arithmetic, without evaluating: the public table grader evaluates answers.

Numbers, text, lists, comparisons, conditions and a few harmless built-ins are worked out, with a bound on the size of
every result. A call to anything else is not made; it counts as returning None, as the calls that exploit the public
grader (``__import__('time').sleep(1) or 3``) do.
"""

import ast
import operator
import warnings
from collections.abc import Callable
from typing import Any, cast

MAX_BITS = 1 << 22
"""Larger integers are not computed; the public grader would hang or overflow on the way to a float."""
MAX_CHARS = 10_000
_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    getattr(ast, node): getattr(operator, function)
    for node, function in (
        ("Add", "add"),
        ("Sub", "sub"),
        ("Mult", "mul"),
        ("Div", "truediv"),
        ("FloorDiv", "floordiv"),
        ("Mod", "mod"),
        ("Pow", "pow"),
        ("LShift", "lshift"),
        ("RShift", "rshift"),
        ("BitOr", "or_"),
        ("BitAnd", "and_"),
        ("BitXor", "xor"),
        ("USub", "neg"),
        ("UAdd", "pos"),
        ("Invert", "invert"),
        ("Not", "not_"),
        ("Eq", "eq"),
        ("NotEq", "ne"),
        ("Lt", "lt"),
        ("LtE", "le"),
        ("Gt", "gt"),
        ("GtE", "ge"),
        ("Is", "is_"),
        ("IsNot", "is_not"),
    )
}
_BUILTINS: dict[str, Callable[..., Any]] = {
    function.__name__: function for function in (abs, bool, float, int, len, max, min, sorted, str, sum)
}


class TooLargeError(ArithmeticError):
    """Evaluating would take unbounded time or memory."""


def evaluate(text: str) -> Any:
    """Work out an expression as Python would.

    Raises:
        TooLargeError: a result would exceed ``MAX_BITS``.
        Exception: what Python raises for it: SyntaxError, NameError, TypeError, ZeroDivisionError and others.
    """
    if len(text) > MAX_CHARS:
        raise SyntaxError(f"an expression of {len(text)} characters is taken for prose")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text.lstrip(" \t"), mode="eval")
    return _value(tree.body)


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.BinOp(left=left, op=op, right=right):
            return _apply(op, _value(left), _value(right))
        case ast.UnaryOp(op=op, operand=operand):
            return _OPERATORS[type(op)](_value(operand))
        case ast.BoolOp(op=op, values=values):
            return _choose(values, stops_at=isinstance(op, ast.Or))
        case ast.Compare():
            return _compare(node)
        case ast.IfExp(test=test, body=body, orelse=otherwise):
            return _value(body) if _value(test) else _value(otherwise)
        case ast.List(elts=parts) | ast.Set(elts=parts):
            return [_value(part) for part in parts]
        case ast.Tuple(elts=parts):
            return tuple(_value(part) for part in parts)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _BUILTINS:
            return _BUILTINS[name](*[_value(arg) for arg in args])
        case ast.Call():
            return None
        case ast.Name(id=name):
            raise NameError(f"name {name!r} is not defined")
        case _:
            raise TypeError(f"{type(node).__name__} gives no number")


def _apply(op: ast.operator, left: Any, right: Any) -> Any:
    if isinstance(op, ast.Pow) and isinstance(left, int) and isinstance(right, int):
        size = left.bit_length() * abs(right)
    elif isinstance(op, ast.LShift) and isinstance(left, int) and isinstance(right, int):
        size = left.bit_length() + abs(right)
    elif isinstance(op, ast.Mult):
        size = _size(left) * _size(right) if isinstance(left, str | list) or isinstance(right, str | list) else 0
    else:
        size = 0
    if size > MAX_BITS:
        raise TooLargeError("the result is too large to be worked out")
    if isinstance(op, ast.Mod) and isinstance(left, str):
        raise TypeError("text is not formatted here")
    return _OPERATORS[type(op)](left, right)


def _size(value: Any) -> int:
    if isinstance(value, str | list):
        return len(cast("str | list[Any]", value))
    return abs(value) if isinstance(value, int) else 1


def _choose(values: list[ast.expr], *, stops_at: bool) -> Any:
    value = None
    for part in values:
        value = _value(part)
        if bool(value) is stops_at:
            break
    return value


def _compare(node: ast.Compare) -> bool:
    left = _value(node.left)
    for op, part in zip(node.ops, node.comparators, strict=True):
        right = _value(part)
        if type(op) not in _OPERATORS:
            raise TypeError(f"{type(op).__name__} gives no number")
        if not _OPERATORS[type(op)](left, right):
            return False
        left = right
    return True
