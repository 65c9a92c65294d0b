import time

import pytest

from abruzzi.verifiers.exact import TooCostlyError
from abruzzi.verifiers.symbolic import prepare, refuse_costly, symbolically_equal


@pytest.mark.parametrize(
    ("gold", "answer", "is_equal"),
    [
        ("x^2+2x+1", "(x+1)^2", True),
        ("x<3", "3>x", True),
        ("2x+4y-3=0", "y=-\\frac{1}{2}x+\\frac{3}{4}", True),
        ("f(x)=x+1", "x+1", True),
        ("e^{2x}", "(e^x)^2", True),
        ("\\sin 2x", "2\\sin x\\cos x", True),
        ("e^{ix}", "\\cos x+i\\sin x", True),
        ("\\ln x^2", "2\\ln x", True),
        ("\\sqrt{ab}", "\\sqrt a\\sqrt b", True),
        ("\\frac{n!}{(n-1)!}", "n", True),
        ("\\binom{n}{2}", "\\frac{n(n-1)}{2}", True),
        ("\\sqrt{1+\\sqrt2}", "1.553774", True),
        ("\\sqrt{1+\\sqrt2}", "1.55", False),
        ("|x|", "x", False),
        ("\\sqrt{x^2}", "x", False),
        ("2^{-2012}x", "-2^{-2012}x", False),
        ("\\frac{1}{3}E_{1}+\\frac{2}{3}E_{2}", "\\frac{2}{3}E_{1}+\\frac{2}{3}E_{2}", False),
        ("(t+1)u(t)", "t u(t)+u(t)", True),
        ("(t+1)u(t)", "t u(t)-u(t)", False),
        ("x+1", "x-1", False),
        ("6", "6*sqrt(2)", False),
        ("2x+z=1", "1", False),
        ("1+...+7", "2+...+7", False),
        ("}{", "x", False),
    ],
)
def test_algebra(gold: str, answer: str, is_equal: bool) -> None:
    assert symbolically_equal(gold, answer) is is_equal


@pytest.mark.parametrize(
    "flat",
    [
        *(
            "x+9^{9^{9}}",
            "x**9**9",
            "10^{99999}x",
            "(10^5)^{10^5}x",
            "n+1000000!",
            "(10^6)! n",
            "x!!+(9!)!",
            "11^{10} ! x",
            "x+11^5!",
            "x+1e58160",
            "2^{2^{2^2}}x",
        ),
        *("(x+y+z)^{99}", "\\int_0^x e^{t^2} dt", "\\sum_{k=1}^n k", "\\lim_{x\\to0} x", "(" * 20 + "x" + ")" * 20),
        *("x" * 2_000, "(x)" * 60, "\\binom{99999}{x}"),
    ],
)
def test_explosive_texts_are_refused(flat: str) -> None:
    prepare()
    started = time.perf_counter()
    with pytest.raises(TooCostlyError):
        symbolically_equal(flat, "x")
    with pytest.raises(TooCostlyError):
        symbolically_equal("x", flat)
    assert time.perf_counter() - started < 0.5


@pytest.mark.parametrize(
    "flat", ["x^{2n}+1", "(1+x)^{16}", "e^{x^2}", "n!", "(n+1)!", "2^{2023}x", "x^{2}y^{3}", "2^{9999}x"]
)
def test_ordinary_texts_are_not(flat: str) -> None:
    refuse_costly(flat)
