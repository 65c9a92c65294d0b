import pytest

from abruzzi.verifiers.published.hendrycks import is_equiv, last_boxed, normalise, unbox


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("\\tfrac12", "\\frac{1}{2}"),
        ("\\frac1{72}", "\\frac{1}{72}"),
        ("\\dfrac{1}{2}", "\\frac{1}{2}"),
        ("0.5", "\\frac{1}{2}"),
        (".5", "\\frac{1}{2}"),
        ("3/4", "\\frac{3}{4}"),
        ("03/4", "03/4"),
        ("a/b", "a/b"),
        ("1/2/3", "1/2/3"),
        ("x = 5", "5"),
        ("abc=5", "abc=5"),
        ("\\sqrt3", "\\sqrt{3}"),
        ("50^\\circ", "50"),
        ("12\\text{ km}", "12"),
        ("\\left( 1, 2 \\right)", "(1,2)"),
        ("\\$12\\%", "12"),
        ("\\frac1", "\\frac1"),
        ("", ""),
    ],
)
def test_normal_form(text: str, normal: str) -> None:
    assert normalise(text) == normal


def test_what_cannot_be_normalised_is_compared_as_it_is() -> None:
    assert is_equiv("\\sqrt", "\\sqrt")
    assert not is_equiv("\\sqrt", "\\sqrt ")
    assert is_equiv("1\\text{ a}\\text{ b}", "1\\text{ a}\\text{ b}")


def test_boxes() -> None:
    assert last_boxed("\\boxed{1} and \\boxed{\\frac{1}{2}}.") == "\\boxed{\\frac{1}{2}}"
    assert last_boxed("\\boxed{1") is None
    assert last_boxed("\\fbox{1}") == "\\fbox{1}"
    assert last_boxed("$\\boxed 5$ or so") == "\\boxed 5"
    assert last_boxed("none") is None
    assert unbox("\\boxed{{1}}") == "{1}"
    assert unbox("\\boxed 5") == "5"
    with pytest.raises(AssertionError):
        unbox("\\fbox{1}")
