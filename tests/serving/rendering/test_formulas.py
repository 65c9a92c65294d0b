"""LaTeX as MathML: known formulas, delimiters, and what is refused."""

import pytest

from abruzzi.serving.rendering.document import MAX_FORMULAS, render
from abruzzi.serving.rendering.formulas import MAX_FORMULA_CHARS, render_formula


def test_a_fraction_is_a_fraction() -> None:
    assert render_formula("\\frac{1}{2}", is_display=False) == (
        '<math display="inline"><mrow><mfrac><mrow><mn>1</mn></mrow><mrow><mn>2</mn></mrow></mfrac></mrow></math>'
    )


def test_signs_are_escaped() -> None:
    assert "<mi>a</mi><mo>&lt;</mo><mi>b</mi>" in render_formula("a<b", is_display=False)


def test_a_box_and_an_alignment_become_classes() -> None:
    assert '<mrow class="boxed">' in render_formula("\\boxed{4}", is_display=False)
    aligned = render_formula("\\begin{align*}a&=b\\\\c&=d\\end{align*}", is_display=True)
    assert '<mtd class="right"><mi>a</mi></mtd><mtd class="left">' in aligned


@pytest.mark.parametrize(
    "latex",
    [
        "",
        "\\frac{1}{",
        "x^2^3",
        "x_1_2",
        "{" * 100 + "}" * 100,
        "\\left(" * 100 + "\\right)" * 100,
        "x" * (MAX_FORMULA_CHARS + 1),
        "\\newcommand{\\a}{xx}\\a",
        "\\def\\a{xx}\\a",
        "\\renewcommand{\\a}{x}",
        "\\let\\a=b",
    ],
)
def test_what_cannot_be_read_or_could_grow_is_shown_as_written(latex: str) -> None:
    assert render_formula(latex, is_display=False).startswith('<code class="formula">')


@pytest.mark.parametrize(("length", "is_kept"), [("1em", True), ("-0.5em", True), ("999em", False)])
def test_a_formula_cannot_push_the_page_aside(length: str, is_kept: bool) -> None:
    assert ("width=" in render_formula(f"x\\hspace{{{length}}}y", is_display=False)) is is_kept


@pytest.mark.parametrize(
    "text",
    ["$x$", "$$x$$", "\\(x\\)", "\\[x\\]", "$$\nx\n$$", "\\[\nx\n\\]", "\\begin{align}x\\end{align}", "a $x$, b"],
)
def test_each_delimiter_is_known(text: str) -> None:
    assert "<mi>x</mi>" in render(text)


@pytest.mark.parametrize(
    "text", ["It costs $5 or $10.", "from $5 to $6", "a $ b $ c", "`$x$`", "\\$x\\$", "US$5", "$unclosed"]
)
def test_a_price_is_no_formula(text: str) -> None:
    assert "<math" not in render(text)


@pytest.mark.parametrize(
    ("text", "is_formula"),
    [
        ("\\frac{3}{4}", True),
        ("\\text{no solution}", True),
        ("x = \\sqrt{2}", True),
        ("C:\\Users", False),
        ("the \\n character", False),
        ("42", False),
    ],
)
def test_an_answer_may_be_one_bare_formula(text: str, is_formula: bool) -> None:
    assert ("<math" in render(text)) is is_formula


def test_a_bare_box_in_a_sentence_is_drawn() -> None:
    html = render("So \\boxed{\\frac{3}{4}} it is.")
    assert html.startswith("<p>So <math")
    assert html.endswith("</math> it is.</p>\n")


def test_display_formulas_may_stand_in_lists_and_quotations() -> None:
    html = render("- first\n\n  \\[\n  x\n  \\]\n\n- second\n\n> $$y$$\n> z")
    assert html.count('<div class="display">') == 2
    assert "<p>second</p>" in html
    assert "<p>z</p>" in html


def test_lines_of_a_formula_are_no_markdown() -> None:
    assert "<li>" not in render("$$\nx\n- y\n+ z\n= 1\n$$")


def test_so_many_formulas_are_drawn_and_no_more() -> None:
    html = render("$x$ " * (MAX_FORMULAS + 5))
    assert html.count("<math") == MAX_FORMULAS
    assert html.count('<code class="formula">') == 5
