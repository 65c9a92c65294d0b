import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.verifiers.latex import flatten


@pytest.mark.parametrize(
    ("text", "flat"),
    [
        ("$42$", "42"),
        ("\\$1,234", "$1,234"),
        ("$42", "$42"),
        ("\\(x\\)", "x"),
        ("42\\text{ cm}^2", '42 "cm" ^2'),
        ("3\\text{ or }4", "3 or 4"),
        ("\\mathbf{42}", "42"),
        ("\\textbf{(B)}", '"(B)"'),
        ("\\operatorname{sin} x", "\\sin x"),
        ("\\dfrac{1}{2}\\cdot x", "\\frac{1}{2}* x"),
        ("\\left\\{1,\\,2\\right\\}", "\\{1, 2\\}"),
        ("90^{\\circ}", '90 "degree"'),
        ("0.\\overline{3}", "(1/3)"),
        ("31.1666...", "(187/6)"),
        ("2½", "2 1/2"),
        ("x²", "x^{2}"),
        ("2√10", "2\\sqrt{10}"),
        ("٤２−１", "42-1"),
        ("α", "\\alpha"),
        ("**5**.", "5"),
        ("1{,}000\\\\", "1,000"),
        ("\\begin{pmatrix}1\\\\2\\end{pmatrix}", "\\begin{pmatrix}1\\\\2\\end{pmatrix}"),
    ],
)
def test_flat_notation(text: str, flat: str) -> None:
    assert flatten(text) == flat


@given(st.text(max_size=80))
def test_total(text: str) -> None:
    assert isinstance(flatten(text), str)
