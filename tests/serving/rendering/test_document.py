"""Text of models as HTML: what is shown, and that nothing but listed elements and attributes comes out."""

import re
import time
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abruzzi.serving.rendering.document import MAX_MARKDOWN_CHARS, is_link_allowed, plain, render

ELEMENTS = """p h4 h5 h6 ul ol li blockquote hr br em strong s a code pre span div table thead tbody tr th td
    math mrow mi mn mo mtext mspace mstyle mpadded mphantom mfrac msqrt mroot msub msup msubsup munder mover munderover
    mmultiscripts mprescripts none mtable mtr mtd"""
ATTRIBUTES = """class href target rel tabindex role aria-label start display displaystyle scriptlevel stretchy fence
    form accent accentunder movablelimits largeop symmetric linethickness width height depth lspace rspace voffset
    separator minsize maxsize mathvariant"""

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<math><mtext><script>alert(1)</script></mtext></math>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](&#x6A;avascript:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](vbscript:msgbox(1))",
    "[x](//evil.example)",
    "[x]()",
    "[x](<>)",
    "[x](/v1/models)",
    "<javascript:alert(1)>",
    "![x](https://evil.example/x.png)",
    '![x" onerror="alert(1)](https://evil.example/x.png)',
    '[x](https://a.example "t\\" onmouseover=\\"alert(1)")',
    "[x]: javascript:alert(1)\n\n[x]",
    '```"><script>alert(1)</script>\nx\n```',
    "```html\n<script>alert(1)</script>\n```",
    "`<script>alert(1)</script>`",
    "$\\href{javascript:alert(1)}{x}$",
    "$\\text{<script>alert(1)</script>}$",
    "$\\style{background:url(https://evil.example)}{x}$",
    "$\\class{page-header}{x}$",
    "$\\unicode{x3c}img src=x onerror=alert(1)\\unicode{x3e}$",
    "$\\text{&lt;script&gt;alert(1)&lt;/script&gt;}$",
    "$\\color{red;background:url(//evil.example)}x$",
    '$\\hspace{1em" onload="alert(1)}$',
    "$$\\begin{array}{c}<iframe src=//evil.example>\\end{array}$$",
    "|a|\n|-|\n|<script>alert(1)</script>|",
    "# <script>alert(1)</script>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\x00<scr\x00ipt>alert(1)</scr\x00ipt>",
]


class Reader(HTMLParser):
    """Notes every element and attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


def check(html: str) -> None:
    reader = Reader()
    reader.feed(html)
    assert reader.elements <= set(ELEMENTS.split())
    assert {name for name, _ in reader.attributes} <= set(ATTRIBUTES.split())
    for name, value in reader.attributes:
        if name == "href":
            assert re.match(r"(https?://|mailto:)", value, re.IGNORECASE)
            assert ("rel", "noopener noreferrer nofollow") in reader.attributes


@pytest.mark.parametrize("text", ATTACKS)
def test_an_attack_stays_text(text: str) -> None:
    check(render(text))


@settings(max_examples=60)
@given(st.text(alphabet="<>\"'&$\\{}[]()`*_|#-!:/ \nabx1^~=", max_size=200))
def test_whatever_is_written_only_listed_elements_come_out(text: str) -> None:
    check(render(text))


@settings(max_examples=60)
@given(
    st.lists(
        st.sampled_from([*ATTACKS, "$", "$$", "\\[", "\\]", "```\n", "\n\n", "> ", "- ", "|", "\\boxed{"]), max_size=8
    )
)
def test_attacks_in_a_row_stay_text(parts: list[str]) -> None:
    check(render("".join(parts)))


def test_markdown_is_drawn() -> None:
    html = render("# Title\n\nA **bold** `word`, ~~gone~~.\n\n1. one\n2. two\n\n|a|b|\n|:-|-:|\n|1|2|")
    assert "<h4>Title</h4>" in html
    assert "<strong>bold</strong> <code>word</code>, <s>gone</s>" in html
    assert "<ol>\n<li>one</li>" in html
    assert '<td class="right">2</td>' in html
    assert "style=" not in html


def test_a_link_takes_nothing_with_it_and_an_image_is_described() -> None:
    html = render("[site](https://a.example/?q=1&r=2) ![a cat](https://evil.example/cat.png)")
    assert (
        '<a href="https://a.example/?q=1&amp;r=2" target="_blank" rel="noopener noreferrer nofollow">site</a>' in html
    )
    assert '<span class="picture">a cat</span>' in html
    assert "evil" not in html


@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [
        ("https://a.example", True),
        ("HTTP://a.example", True),
        ("mailto:a@b.example", True),
        ("javascript:alert(1)", False),
        ("ftp://a.example", False),
        ("//a.example", False),
        ("#part", False),
        ("https://a.example/'onload='x", False),
    ],
)
def test_only_some_links_are_allowed(url: str, is_allowed: bool) -> None:
    assert is_link_allowed(url) is is_allowed


def test_a_listing_has_its_words_marked() -> None:
    html = render("```python\ndef f():\n    return 'a<b'  # why\n```")
    assert '<span class="code-keyword">def</span> <span class="code-name">f</span>' in html
    assert '<span class="code-comment"># why</span>' in html
    assert "a&lt;b" in html
    assert 'tabindex="0" role="region" aria-label="Code, python"' in html


def test_a_listing_in_no_known_language_stays_plain() -> None:
    assert "<code>x &lt; y\n</code>" in render("```klingon\nx < y\n```")


def test_what_cannot_be_seen_is_taken_out() -> None:
    assert render("a\x1b[31mb\u202ec") == "<p>a[31mbc</p>\n"


def test_a_very_long_text_is_shown_as_it_is() -> None:
    text = "*a* " * MAX_MARKDOWN_CHARS
    assert render(text) == plain(text)


@pytest.mark.parametrize(
    "unit",
    [
        "*" * 20,
        "[" * 20,
        "> " * 10,
        "$a ",
        "$$a",
        "\\(",
        "\\[",
        "`" * 7 + "a",
        "\\boxed{",
        "- " * 10,
        "|a",
        "![",
        "<a ",
        "_a",
        "$\\frac{",
    ],
)
def test_a_bomb_costs_little(unit: str) -> None:
    text = unit * (4_000 // len(unit))
    started = time.process_time()
    check(render(text))
    assert time.process_time() - started < 3
