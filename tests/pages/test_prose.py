"""Markdown of ours as HTML."""

from abruzzi.pages.prose import render_prose


def test_tables_can_be_read_aloud_and_scrolled() -> None:
    html = render_prose("| a | b |\n| --- | ---: |\n| c | 1 |\n")
    assert '<div class="scroll" role="region" aria-label="Table" tabindex="0">\n<table>' in html
    assert '<th scope="col" class="words">a</th>' in html
    assert '<td class="number">1</td>' in html
    assert html.count("<div") == html.count("</div>") == 1
    assert "style" not in html


def test_headings_go_below_the_report_s_own() -> None:
    assert render_prose("# a\n\n###### b\n").split() == ["<h3>a</h3>", "<h6>b</h6>"]


def test_nothing_foreign_gets_in_and_nothing_is_loaded() -> None:
    html = render_prose(
        "<script>alert(1)</script>\n\na <img src=x onerror=y> ![i](http://x/y.png) [l](javascript:z)\n\n"
        "<table><tr onclick=x>\n"
    )
    for element in ("<script", "<img", "<tr", 'href="javascript'):
        assert element not in html
