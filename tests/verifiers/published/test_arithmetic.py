from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.verifiers.published.arithmetic import TooLargeError, evaluate

EXPRESSIONS = st.recursive(
    st.integers(0, 99).map(str) | st.sampled_from(["1.5", ".5", "2.", "1e3", "0x1f", "1_0"]),
    lambda inner: (
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%", "==", "<", ">=", "and", "or"]), inner).map(
            lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"
        )
        | inner.map(lambda text: f"-{text}")
        | inner.map(lambda text: f"not {text}")
        | inner.map(lambda text: f"[{text}, {text}]")
    ),
    max_leaves=12,
)


def outcome_of(function: Any, text: str) -> Any:
    try:
        return repr(function(text))
    except (ArithmeticError, TypeError, SyntaxError) as error:
        return type(error)


@given(EXPRESSIONS)
def test_arithmetic_is_what_python_makes_of_it(text: str) -> None:
    assert outcome_of(evaluate, text) == outcome_of(eval, text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (" 2**0.5", 2**0.5),
        ("12 / 100", 0.12),
        ("2001-2005", -4),
        ("max(1, abs(-5))", 5),
        ("'4' + '2'", "42"),
        ("3 if 1 > 2 else 4", 4),
        ("1 < 2 < 3", True),
        ("__import__('time').sleep(1000) or 3", 3),
        ("open('/etc/passwd').read()", None),
        ("()", ()),
    ],
)
def test_values(text: str, value: Any) -> None:
    assert evaluate(text) == value


@pytest.mark.parametrize("text", ["9**9**9", "1 << 10**9", "'a' * 10**9", "[1] * 10**9", "(10**9) ** (10**9)"])
def test_what_grows_without_bound_is_refused(text: str) -> None:
    with pytest.raises(TooLargeError):
        evaluate(text)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("x", NameError),
        ("1 +", SyntaxError),
        ("\n 1", SyntaxError),
        ("1/0", ZeroDivisionError),
        ("math.pi", TypeError),
        ("[i for i in (1, 2)]", TypeError),
        ("'%d' % 3", TypeError),
        ("1 in [1]", TypeError),
        ("1" * 20_000, SyntaxError),
    ],
)
def test_errors(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        evaluate(text)
