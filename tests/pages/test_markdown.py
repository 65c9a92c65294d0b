"""Pages as Markdown; whole ones are tested where they are made."""

import pytest
from markdown_it import MarkdownIt

from abruzzi.pages.markdown import escape_markdown, write_document
from abruzzi.pages.page import Finding, Page, Section
from abruzzi.pages.table import Group, Table

HOSTILE = "a|b <script>alert(1)</script> [x](javascript:y) *z* _w_ `v` $t$ &lt;"


@pytest.mark.parametrize(
    "text", [HOSTILE, "max_tokens", "a\\|b", "1 * 2 * 3", "[a]: http://b", "a][b]", "~~c~~", "<!-- -->"]
)
def test_text_means_itself(text: str) -> None:
    """A Markdown parser that knows tables, strikethrough and HTML reads back exactly what went in."""
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    inline = parser.parseInline(f"x {escape_markdown(text)} x")[0]
    assert {child.type for child in inline.children or ()} <= {"text", "text_special"}
    assert "".join(child.content for child in inline.children or ()) == f"x {text} x"


def test_a_page_is_written_in_order() -> None:
    table = Table("T*", ("a", "b"), (Group("g", (("x|y", "1"),)),), notes=("n",))
    page = Page("t", "s", (Finding("result", "S:", "x_1 is *2*"),), (Section("k", "K", (table,), markdown="**p**"),))
    assert write_document(page) == (
        "# t\n\n## Summary\n\n- **S:** x_1 is \\*2\\*\n\n## K\n\n**p**\n\n### T\\*\n\n"
        "| a | b |\n| --- | ---: |\n| **g** |  |\n| x\\|y | 1 |\n\nn\n"
    )


def test_a_section_that_says_nothing_has_no_heading() -> None:
    assert write_document(Page("t", sections=(Section("k", "K"),))) == "# t\n"
