"""Turns Markdown of ours into HTML for a page: headings, paragraphs, lists and tables, and nothing that loads anything.

The parser is markdown-it; raw HTML and images are off, so that what it writes can be put into a page as it is.
"""

from markdown_it import MarkdownIt

TOP_LEVEL = 3
"""A report's own headings end above this level."""


def render_prose(markdown: str) -> str:
    """Write Markdown as HTML.

    Args:
        markdown: CommonMark with pipe tables.

    Returns:
        HTML whose headings start at level 3 and whose tables can be scrolled and read aloud. It holds no element that
        was not asked for in Markdown.
    """
    parser = MarkdownIt("commonmark", {"html": False}).disable(["image", "html_block", "html_inline"]).enable("table")
    tokens = parser.parse(markdown)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, TOP_LEVEL - 1 + int(token.tag[1]))}"
        elif token.type == "th_open":
            token.attrSet("scope", "col")
        if token.type in ("th_open", "td_open"):
            # The page's policy allows no inline style; its own style sheet aligns by class.
            is_number = "right" in str(token.attrs.pop("style", ""))
            token.attrSet("class", "number" if is_number else "words")
    html = parser.renderer.render(tokens, parser.options, {})
    region = '<div class="scroll" role="region" aria-label="Table" tabindex="0">\n<table>'
    return html.replace("<table>", region).replace("</table>", "</table>\n</div>")
