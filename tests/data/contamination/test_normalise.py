import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.data.contamination.normalise import is_figure, is_fixed, join_sentences, normalise

RESPELT = [
    (r"\dfrac{1}{2}", r"\tfrac{1}{2}"),
    (r"\frac{1}{2}", r"\frac12"),
    (r"\frac{1}{2}", "1/2"),
    (r"\frac{1}{2}", "½"),
    (r"2\frac{1}{2}", "2½"),
    (r"\frac{\sqrt{x^{2}+1}}{y}", r"\dfrac{\sqrt{x^2+1}}{y}"),
    (r"\frac{1}{1+\frac{1}{x}}", r"\dfrac{1}{1+\tfrac1x}"),
    (r"256^\frac{1}{2}", r"256^{1/2}"),
    (r"\left( 3, \frac{\pi}{2} \right)", r"(3, \frac{π}{2})"),
    (r"\left\lfloor x \right\rfloor", "⌊x⌋"),
    (r"\displaystyle\sum_{k=1}^{n} k", r"\sum_{k = 1}^n k"),
    (r"$2 \cdot 3 \times 4$", r"\(2 · 3 × 4\)"),
    (r"\[x = 2\]", "$$x=2$$"),
    (r"x\,=\;2~y", "x = 2 y"),
    (r"$x \leq 3$", "$x ≤ 3$"),
    (r"$x \le 3$", "x <= 3"),
    (r"$x \geqslant 3 \neq y$", r"$x\ge 3\ne y$"),
    ("x^{2}", "x^2"),
    ("x^{2}", "x²"),
    ("x^{-12}", "x⁻¹²"),
    ("a_{1} + a_n", "a_1 + a_{n}"),
    ("a_1", "a₁"),
    (r"\text{cm}", r"\mathrm{cm}"),
    (r"\operatorname{lcm}(a, b)", r"\text{lcm}(a,b)"),
    (r"\boxed{7}", "7"),
    (r"45^\circ", "45°"),
    (r"45^{\circ}", "45 degrees"),
    (r"\sqrt{2}", r"\sqrt 2"),
    (r"\sqrt{2}", "√2"),
    (r"f^{\prime}(x)", "f'(x)"),
    (r"f^{\prime\prime}(x) = A^\prime B", "f″(x) = A'B"),
    ("'Yes', the students' dogs say", "Yes, the students dogs say"),
    (r"1, 2, \ldots, 9", r"1, 2, \dots, 9"),
    ("1, 2, …, 9", "1, 2, ..., 9"),
    (r"\alpha + \Omega", "α + Ω"),
    (r"\lambda x", "λx"),
    (r"a x^{2}+b x", r"ax^2 + bx"),
    (r"$a,$ $b,$ and $c$", "a, b, and c"),
    (r"\begin{pmatrix} 1 \\ -2 \end{pmatrix}", r"\begin{bmatrix} 1 \\[2pt] - 2 \end{bmatrix}"),
    (r"\begin{align*} x &= 1 \\ y &= 2 \end{align*}", "x = 1 y = 2"),
    ("1,234,567", "1234567"),
    ("1{,}000", "1,000"),
    (r"1,\!000", "1000"),
    (r"\$20,000", "$20{,}000"),
    (r"50\%", "50 percent"),
    ("5.00 and .50", "5 and 0.5"),
    ("twenty-five", "25"),
    ("Twenty five boys, one girl", "25 boys, 1 girl"),
    ("x - 3", "x-3"),
    ("−3 – x", "(- 3) - x"),
    ("It's Josh’s well-known house.", "Its Josh's well known house"),
    ("the $x$-axis", "the x-axis"),
    ("the $x$-axis", "the x axis"),
    ("**Find** the `sum`:", "Find the sum"),
    ("# Problem\n- one\n- two", "Problem\none\ntwo"),
    ("[the plane](https://example.org/a_b)", "the plane"),
    ("<p>x &lt; 3 &amp; y</p>", "x < 3 y"),
    ("(A) red\n(B) blue", "A. red\nB. blue"),
    ("Ｆｉｎｄ　ｘ", "find x"),
    ("zero\u200bwidth", "zerowidth"),
    ("Find\n\n\n  it", "find it"),
    ("broken twice\\n$x$\\nNow", "broken twice\nx\nnow"),
]
"""Two spellings of the same words; where the sentences end may differ."""

DIFFERENT = [
    ("x + y", "x - y"),
    ("x < y", "x <= y"),
    ("2.5", "25"),
    ("(0, 3)", "(0, -3)"),
    ("x^2", "x^3"),
    ("x^2", "x_2"),
    ("7!", "7"),
    ("f'(2)", "f(2)"),
    ("n! + 1", "n + 1"),
    ("1/2", "2/1"),
    ("10^2", "102"),
    ("10²", "102"),
    (r"\lfloor x \rfloor", r"\lceil x \rceil"),
    (r"\sin x", r"\cos x"),
    ("largest", "smallest"),
    ("[asy]draw((0,0)--(1,1));[/asy]", "[asy]draw((0,0)--(1,2));[/asy]"),
    ("three", "thirteen"),
    ("什么", "什"),
]


def words(text: str) -> tuple[str, ...]:
    return join_sentences(normalise(text))


@pytest.mark.parametrize(("one", "other"), RESPELT)
def test_spellings_become_one(one: str, other: str) -> None:
    assert words(one) == words(other) != ()


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_makes_another_question_stays(one: str, other: str) -> None:
    assert words(one) != words(other)


def test_sentences_end_at_marks_before_a_space_and_at_blank_lines() -> None:
    text = 'He paid $3.50. "Why?" Then: $x=5.$ Add 2!\n\nSolve it'
    assert normalise(text) == (
        ("he", "paid", "3.5"),
        ("why",),
        ("then",),
        ("x", "=", "5"),
        ("add", "2", "!"),
        ("solve", "it"),
    )


def test_a_wrapped_line_ends_no_sentence() -> None:
    assert normalise("the sum\nof all") == normalise("the sum of all") == (("the", "sum", "of", "all"),)


def test_a_figure_is_one_word_whatever_its_layout() -> None:
    one = normalise("See it. [asy]\nsize(3);\ndraw( (0,0)--(1,1) );\n[/asy] What is $x$?")
    other = normalise("See it.\n[asy] size(3); draw((0,0)--(1,1)); [/asy]\nWhat is $x$?")
    assert one == other
    figure = one[1][0]
    assert [len(sentence) for sentence in one] == [2, 1, 3]
    assert is_figure(figure)
    assert is_fixed(figure)


def test_numbers_and_operators_are_fixed_words() -> None:
    assert [word for word in words(r"Add $-3 \le x^2$ to 0.5, 50\% of one") if is_fixed(word)] == [
        *("-3", "<=", "^", "2", "0.5", "50", "1")
    ]


def test_scripts_without_spaces_are_split() -> None:
    assert normalise("求3的和。然后呢？") == (("求", "3", "的", "和"), ("然", "后", "呢"))


@pytest.mark.parametrize("text", ["", "  \n", "...", "$$", "\\", "()", "\\\\[2pt]"])
def test_a_text_without_words_has_no_sentences(text: str) -> None:
    assert normalise(text) == ()


HOSTILE = {
    "dots": "." * 100_000 + "x",
    "blank lines": "\n" * 100_000,
    "zeros": "0." + "0" * 100_000 + "1",
    "open braces": "{" * 50_000,
    "open fractions": "\\frac{" * 20_000,
    "nested fractions": "\\frac{1}{" * 3_000 + "}" * 3_000,
    "open figures": "[asy]" * 20_000,
    "spaces": "ab" + " " * 100_000 + "-",
    "tags": "<p" * 50_000,
    "letters": "a " * 50_000,
    "quotes": "." + "'" * 100_000 + "x",
    "powers": "²" * 100_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_time_grows_with_the_length_only(text: str) -> None:
    started = time.process_time()
    normalise(text)
    assert time.process_time() - started < 3


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_words_are_plain_and_no_sentence_is_empty(text: str) -> None:
    sentences = normalise(text)
    assert all(sentences)
    assert not any(word.isspace() or word != word.lower() for word in join_sentences(sentences) if word.isascii())


@given(st.text("ab1$\\{}().,!?-+^ \n", max_size=60))
def test_words_of_two_texts_with_a_blank_line_between_are_those_of_each(text: str) -> None:
    if "{" not in text and "\\" not in text:
        assert normalise(text + "\n\n" + "then more") == (*normalise(text), ("then", "more"))
